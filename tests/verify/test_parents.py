"""A merge whose first parent is not the branch: what any of its parents knows judges it too."""

from __future__ import annotations

import pytest

from githarness import clock
from githarness.git.reader import Reader
from githarness.git.repo import discover
from githarness.seal.keys import KeySigner, generate
from githarness.work.judge_range import Bench, Range, _Judging
from tests.verify.test_landing import FILE, SCOPE, _owner, scoped

__all__ = ["scoped"]


def _joined(forge, first: str, second: str, path: str = "notes/late.md") -> str:
    """The agent's commit on top of both, with the tree that git would merge, and one more file."""
    pairs = forge.trailers(first, Decision="allow rule=p/notes grant=- event=e-x")
    return forge.commit({**_between(forge, first, second), path: "late\n"}, parents=[first, second], pairs=pairs)


def _between(forge, first: str, second: str) -> dict[str, tuple[str, str | None]]:
    lines = forge.git("diff-tree", "-r", "--no-renames", first, second).splitlines()
    rows = [line.split("\t") for line in lines]
    return {path: (meta.split()[1], None if meta.split()[3].strip("0") == "" else meta.split()[3])
            for meta, path in rows}


@pytest.mark.parametrize("change", ["narrowed", "retired"])
def test_an_older_first_parent_brings_nothing_back(forge, scoped, hub, push, change: str) -> None:
    """An agent that lost its permission builds on a commit of before, and on the tip as second parent."""
    assert push(f"{scoped}:main").code == 0
    if change == "narrowed":
        tip = _owner(forge, scoped, {FILE: SCOPE.replace("notes/**", "docs/**")})
    else:
        text = forge.git("show", f"{scoped}:.githarness/agents/deployer.yaml") + "\nretired: '2026-01-01T00:00:00Z'\n"
        tip = _owner(forge, scoped, {".githarness/agents/deployer.yaml": text})
    assert push(f"{tip}:main").code == 0
    late = _joined(forge, scoped, tip)
    assert {"denied", "retired"} & forge.codes(tip, late)
    assert push(f"{late}:main").code == 1


@pytest.mark.parametrize("signed", [False, True])
def test_nobody_founds_anew_what_is_governed(forge, scoped, hub, push, signed: bool) -> None:
    """A first parent without governance, the tip as second, and another owner in the tree: signed by that one."""
    assert push(f"{scoped}:main").code == 0
    key = KeySigner(generate())
    owner = ("version: 1\nmail: m@example.org\nrole: owner\n"
             f"keys:\n- {{key: {key.public}, host: h, added: '2020-01-01T00:00:00Z'}}\n")
    root = forge.commit({"x.md": "x\n"}, agent=None, parents=[])
    files = {".githarness/humans/mallory.yaml": owner,
             ".githarness/config.toml": 'version = 1\nfleet = "x"\nbranch = "main"\n'}
    taken = forge.commit(files, agent=None, parents=[root, scoped], signer=key if signed else None)
    assert "governance" in forge.codes(scoped, taken)
    assert push(f"{taken}:main").code == 1


def test_a_parent_that_git_does_not_see_is_none(forge, scoped, hub, push) -> None:
    """A header behind the committer made a plain commit a merge, whose other side nobody judged."""
    assert push(f"{scoped}:main").code == 0
    side = forge.commit({FILE: SCOPE.replace("notes/**", "**")}, agent=None, parents=[scoped])
    assert push(f"{side}:refs/githarness/held/h-x").code == 0
    files = {FILE: SCOPE.replace("notes/**", "**")}
    made = forge.commit(files, agent=None, parents=[scoped], headers=[f"parent {side}"])
    assert forge.git("rev-list", "--parents", "-1", made).split() == [made, scoped]
    assert forge.codes(scoped, made) == {"governance"}
    assert push(f"{made}:main").code == 1


def test_parents_that_are_others_for_git_are_no_parents(forge, scoped) -> None:
    """An id in capitals: git takes it for the parent that it means, we for none."""
    made = forge.commit({"notes/a.md": "x\n"}, agent=None, parents=[scoped.upper()])
    assert forge.git("rev-list", "--parents", "-1", made).split() == [made, scoped]
    found = forge.verify(scoped, made).violations
    assert [(one.commit, one.code) for one in found] == [(made, "malformed")]
    assert "has other parents for git than for us" in found[0].message


def test_a_clone_that_becomes_shallow_meanwhile_is_not_judged_by_half(forge, scoped) -> None:
    """A fetch with a depth cuts parents off behind the look at the clone: what is judged is not what is walked."""
    made = forge.commit({"notes/a.md": "x\n"}, agent=None, parents=[scoped])
    (forge.folder / ".git" / "shallow").write_text(f"{made}\n")
    judging = _Judging(Bench(Reader(discover(forge.folder)), clock.SYSTEM.now()), Range(scoped, made))
    assert [fault.code for verdict in judging.each([made]) for fault in verdict.faults] == ["malformed"]
