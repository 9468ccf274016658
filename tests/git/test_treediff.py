"""Trees compared as bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from githarness.git import treediff
from githarness.git.objects import Entry

Tree = dict[str, tuple[str, bytes]]
_modes = st.sampled_from(["100644", "100755", "40000", "120000", "160000"])
_LIKE = [b"100644 a\x00".rjust(20, b"0"), b"0 a\x000 b\x000 0\x00".ljust(20, b" ")]  # ids that look like entries
_oids = (st.sampled_from([*(byte * 20 for byte in (b"\0", b"1", b" ", b"\xff")), *_LIKE])
         | st.binary(min_size=20, max_size=20))
_trees = st.dictionaries(st.text("ab0 1", min_size=1, max_size=3), st.tuples(_modes, _oids), max_size=8)


def _raw(tree: Tree) -> bytes:
    return b"".join(f"{mode} {name}\0".encode() + oid for name, (mode, oid) in sorted(tree.items()))


@given(_trees, _trees)
def test_differing_entries_are_exactly_those(old: Tree, new: Tree) -> None:
    """Whatever bytes ids hold, what two trees do not share is found, no more and no less."""
    new = {**{name: old[name] for name in list(old)[::2]}, **new}
    before, after = treediff.differing(_raw(old), _raw(new))
    assert before == {name: Entry(one[0], one[1].hex()) for name, one in old.items() if new.get(name) != one}
    assert after == {name: Entry(one[0], one[1].hex()) for name, one in new.items() if old.get(name) != one}
    for name in "ab0":
        here = old.get(name)
        assert treediff.entry(_raw(old), name) == (Entry(here[0], here[1].hex()) if here else None)
