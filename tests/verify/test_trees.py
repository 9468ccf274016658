"""Trees that git does not make: what they could be read as is judged, or nothing."""

from __future__ import annotations

from tests.verify.test_landing import FILE, SCOPE, scoped

__all__ = ["scoped"]


def test_a_name_that_stands_twice_hides_nothing(forge, scoped) -> None:
    """The first of two folders governs, the last is what was there: between other changes neither stood out."""
    start = forge.commit({"#a": "a\n", "z.md": "z\n"}, agent=None, parents=[scoped])
    evil = forge.commit({FILE: SCOPE.replace("notes/**", "**")}, agent=None, parents=[start])
    honest = forge.commit({"#a": "b\n", "z.md": "y\n"}, agent=None, parents=[start])
    lines = forge.git("ls-tree", honest).splitlines()
    other = forge.git("ls-tree", evil, ".githarness")
    at = next(number for number, line in enumerate(lines) if line.endswith("\t.githarness"))
    for first, second in ((other, lines[at]), (lines[at], other)):
        rows = [line.split(None, 3) for line in (*lines[:at], first, second, *lines[at + 1:])]
        data = b"".join(mode.lstrip("0").encode() + b" " + name.encode() + b"\0" + bytes.fromhex(oid)
                        for mode, _, oid, name in rows)
        tree = forge.git("hash-object", "-t", "tree", "-w", "--stdin", "--literally", stdin=data)
        made = forge.git("commit-tree", tree, "-p", start, "-m", "two")
        assert forge.codes(start, made) & {"governance", "malformed"}
