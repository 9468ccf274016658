"""What a commit says about itself counts for no more than what it did."""

from __future__ import annotations

import pytest

from githarness import clock
from githarness.seal.commits import signed_commit, split_commit
from tests.verify.test_landing import FILE, SCOPE, _grant, _owner, _write, scoped

__all__ = ["scoped"]


def _once(forge, parent: str) -> str:
    """Granted: one write below `other/`."""
    granted = _grant(forge, parent, clock.SYSTEM.now() + 3600)
    text = forge.git("show", f"{granted}:.githarness/grants/g-1.yaml").replace("why:", "uses: 1\nwhy:") + "\n"
    return _owner(forge, granted, {".githarness/grants/g-1.yaml": text})


def _said(forge, commit: str, old: str, new: str) -> str:
    """The same commit with another message, signed anew."""
    payload, _ = split_commit((forge.git("cat-file", "commit", commit) + "\n").encode())
    assert old.encode() in payload
    data = payload.replace(old.encode(), new.encode())
    return forge.git("hash-object", "-t", "commit", "-w", "--stdin",
                     stdin=signed_commit(data, forge.signer().sign(data, "git")))


def test_no_use_of_a_grant_is_kept_quiet(forge, scoped) -> None:
    """Beside a path that a rule allows, the granted one counts as well: the trailer names both."""
    once = _once(forge, scoped)
    files = {"notes/b.md": "b\n", "other/o.md": "o\n"}
    for grant, expected in (("g-1", set()), ("-", {"denied"})):
        pairs = forge.trailers(once, Decision=f"allow rule=p/notes grant={grant} event=e-x")
        assert forge.codes(once, forge.commit(files, parents=[once], pairs=pairs)) == expected, grant


@pytest.mark.parametrize("spelled", ["Decision:allow", "Decision :  allow", "Decision: allow\n "])
def test_a_use_counts_however_it_is_spelled(forge, scoped, spelled: str) -> None:
    """git reads one trailer in many ways of writing it: the second use is one too much."""
    once = _once(forge, scoped)
    first = _said(forge, _write(forge, once, "other/a.md", rule="grant", grant="g-1"), "Decision: allow ",
                  spelled if spelled.endswith(" ") else f"{spelled} ")
    again = _write(forge, first, "other/b.md", rule="grant", grant="g-1")
    assert "denied" in forge.codes(first, again) | forge.codes(once, first)


def test_a_rename_to_nowhere_is_a_deletion(forge, scoped) -> None:
    """Whoever may rename and not delete does not delete by saying that it was renamed."""
    rule = SCOPE.replace("delete, ", "")
    start = _owner(forge, scoped, {FILE: rule, "notes/b.md": "b\n", "notes/c.md": "c\n"})

    def codes(files, *names: str) -> set[str]:
        pairs = forge.trailers(start, Decision="allow rule=p/notes grant=- event=e-x")
        pairs += [("Rename", name) for name in names]
        return forge.codes(start, forge.commit(files, parents=[start], pairs=pairs))

    gone, there = {"notes/a.md": None}, {"notes/z.md": "a\nb\nc\nd\ne\n"}
    assert codes({**gone, **there}, "notes/a.md => notes/z.md") == set()
    assert codes({**gone, **there}, "notes/a.md => notes/y.md", "notes/y.md => notes/z.md") == set()
    assert codes({**gone, "notes/b.md": None, "notes/y.md": "b\n", "notes/z.md": "more\n"},
                 "notes/a.md => notes/z.md", "notes/b.md => notes/y.md") == set()
    assert codes(gone, "notes/a.md => notes/z.md") == {"denied"}
    assert codes(gone, "notes/a.md => notes/b.md") == {"denied"}
    assert codes(gone, "notes/a.md => notes/a.md") == {"denied"}
    assert codes({**gone, "notes/b.md": None, "notes/z.md": "b\n"}, "notes/a.md => notes/z.md",
                 "notes/b.md => notes/z.md") == {"denied"}


def test_a_date_of_another_century_stops_nobody(forge, scoped, hub, push) -> None:
    """Who may push writes a person's commit of the year 2100 with a signature that is none; the agents go on."""
    assert push(f"{scoped}:main").code == 0
    forged = forge.commit({"x.md": "x\n"}, agent=None, parents=[scoped], when=4_102_444_800,
                          pairs=[("Human", "olive")], headers=["gpgsig -----BEGIN SSH SIGNATURE-----",
                                                              " AAAA", " -----END SSH SIGNATURE-----"])
    assert push(f"{forged}:main").code == 0
    done = push(f"{_write(forge, forged)}:main")
    assert done.code == 0, done.said


def test_a_persons_clock_of_another_century_stops_nobody(forge, scoped) -> None:
    """Also where they signed it."""
    ahead = forge.commit({"x.md": "x\n"}, agent=None, parents=[scoped], when=4_102_444_800, signer=forge.owner(),
                         pairs=[("Human", "olive")])
    later = _write(forge, ahead)
    assert forge.codes(scoped, later) == forge.codes(ahead, later) == set()


def test_the_second_grant_counts_once_the_first_is_used_up(forge, scoped) -> None:
    """Which one it was the commit says: the harness goes on to the next."""
    start = _once(forge, scoped)
    text = forge.git("show", f"{start}:.githarness/grants/g-1.yaml") + "\n"
    start = _owner(forge, start, {".githarness/grants/g-2.yaml": text})
    first = _write(forge, start, "other/a.md", rule="grant", grant="g-2")
    second = _write(forge, first, "other/b.md", rule="grant", grant="g-1")
    assert forge.codes(start, second) == set()
    assert forge.codes(start, _write(forge, second, "other/c.md", rule="grant", grant="g-2")) == {"denied"}


def test_an_agent_that_was_added_for_a_time_ends_for_the_hub(forge, scoped, hub, push) -> None:
    """A date before its end, on a branch from before it, brings nothing in afterwards; an owner may give it longer."""
    now = int(clock.SYSTEM.now())
    name = ".githarness/agents/deployer.yaml"
    text = forge.git("show", f"{scoped}:{name}") + "\n"
    over, longer = (f"{text}expires: '{clock.rfc3339(now + more)}'\n" for more in (-60, 3600))
    start = _owner(forge, scoped, {name: over})
    early = _write(forge, start, when=now - 120)
    assert push(f"{start}:main").code == 0
    assert forge.codes(start, early) == set()
    assert "retired" in push(f"{early}:main").said and "retired" in push(f"{early}:refs/heads/side").said
    again = _owner(forge, start, {name: longer})
    assert push(f"{again}:main").code == 0
    assert push(f"{early}:refs/heads/side").code == 0


def test_who_did_nothing_uses_no_grant_up(forge, scoped) -> None:
    """An empty commit of another agent that names the grant would count as its only use."""
    once = _once(forge, scoped)
    pairs = forge.trailers(once, "scribe", Decision="allow rule=x grant=g-1 event=e-x")
    assert forge.codes(once, forge.commit({}, agent="scribe", parents=[once], pairs=pairs)) == {"trailer"}


@pytest.mark.parametrize("mail", ["<deployer@acme.invalid >", "<deployer@acme.invalid.>", "<deployer@acme.invalid>x"])
def test_an_address_that_listings_show_as_an_agents_is_one(forge, scoped, mail: str) -> None:
    """Git shows them as `deployer@acme.invalid`, with a blank or a dot at most: nobody signed that."""
    spoofed = forge.commit({"notes/z.md": "z\n"}, agent=None, parents=[scoped], author=f"deployer {mail}")
    assert {"author", "unsigned"} <= forge.codes(scoped, spoofed)


def test_the_date_that_listings_show_is_that_of_the_commit(forge, scoped) -> None:
    """`git log` prints the author's date; what is judged is the committer's."""
    good = _write(forge, scoped)
    stamp = forge.git("show", "-s", "--format=%at +0000", good)
    assert forge.codes(scoped, _said(forge, good, f"deployer@acme.invalid> {stamp}",
                                     "deployer@acme.invalid> 1700000000 +0000")) == {"author"}
