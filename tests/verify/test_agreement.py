"""One change, four judges: the write path, the commit hook, CI and a hub say the same of what does not depend on time,
on what a run has read, or on how much an agent did before."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from githarness import settings, wiring
from githarness.checks import policy_scope
from githarness.errors import BadPath, Denied, HarnessError
from githarness.policy.model import Request
from githarness.work.asks import Ask, Op

POLICY = """version: 1
rules:
  - {id: notes, effect: allow, agents: [deployer], actions: [write, delete, rename, append], paths: ["notes/**"]}
  - {id: log, effect: allow, agents: [deployer], actions: [append], paths: ["log/**"]}
  - {id: keep, effect: allow, agents: [deployer], actions: [write], paths: ["kept/**"]}
  - {id: secret, effect: deny, agents: [deployer], actions: [write, append, delete, rename], paths: ["notes/secret/**"]}
"""
THERE = {"notes/a.md": "a\n", "notes/secret/s.md": "s\n", "log/l.jsonl": "1\n", "kept/k.md": "k\n", "other/o.md": "o\n"}
NAMES = (*THERE, "notes/new.md", "notes/deep/er/n.md", "Notes/a.md", "notes/secret", "log/new", "kept/new", "new.md",
         ".githarness/x", ".GITHARNESS/y", ".github/w.yml", ".gitattributes", "notes/.gitignore", "notes/x ",
         "notes/aux")


@dataclass(frozen=True)
class Change:
    op: Op
    files: dict[str, str | tuple[str, str] | None]
    rename: str | None = None


def _changes(seed: int, number: int) -> Iterator[Change]:
    """Writes, additions, modes, deletions and renames of paths of every kind."""
    draw = random.Random(seed)
    for _ in range(number):
        path, kind = draw.choice(NAMES), draw.choice(("write", "append", "mode", "delete", "rename"))
        old = THERE.get(path)
        if kind == "append":
            yield Change(Op("append", path, b"more\n"), {path: (old or "") + "more\n"})
        elif kind == "mode" and old:
            yield Change(Op("write", path, old.encode(), if_match="*", mode="100755"), {path: ("100755", old)})
        elif kind == "delete" and old:
            yield Change(Op("delete", path, if_match="*"), {path: None})
        elif kind == "rename" and (target := draw.choice(NAMES)) not in THERE and target != path:
            source = draw.choice(tuple(THERE))
            yield Change(Op("rename", source, to=target, if_match="*"), {source: None, target: THERE[source]},
                         f"{source} => {target}")
        else:
            yield Change(Op("write", path, b"new\n", if_match="*" if old else "absent"), {path: "new\n"})


@pytest.fixture
def scoped(forge, hub, push) -> str:
    head = forge.commit({".githarness/policies/p.yaml": POLICY, **THERE}, agent=None, signer=forge.owner())
    assert push(f"{head}:main").code == 0
    forge.git("reset", "-q", "--hard", head)
    return head


def _at_write(harness: wiring.Harness, change: Change) -> str | None:
    """The refusal; what a write makes of nothing an addition makes too, and the commit does not tell which it was."""
    op = change.op
    if op.kind == "write" and op.if_match == "absent":
        return _refusal(harness, op) and _refusal(harness, Op("append", op.path, op.content))
    if op.if_match == "*":
        entry = harness.reader.entry(harness.head(), op.path)
        op = Op(op.kind, op.path, op.content, op.to, entry.oid if entry else None, op.mode)
    return _refusal(harness, op)


def _refusal(harness: wiring.Harness, op: Op) -> str | None:
    try:
        harness.local.preview(Ask("deployer", "r-agree", (op,)))
    except (Denied, BadPath) as error:
        return error.message
    except HarnessError as error:
        pytest.fail(f"{op}: {error.message}")
    return None


def _at_hook(forge, tree: str) -> list[str]:
    index = forge.folder / ".git/agree-index"
    subprocess.run(["git", "read-tree", tree], cwd=forge.folder, check=True,
                   env={"GIT_INDEX_FILE": str(index), "PATH": "/usr/bin:/bin"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_INDEX_FILE", str(index))
        patch.chdir(forge.folder)
        return [f"{path}: {why}" for path, why in policy_scope.out_of_scope("deployer")]


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_judges_agree(forge, hub, push, scoped: str, seed: int) -> None:
    """What one of them refuses all refuse, and what lands by the harness is let in everywhere."""
    harness, said = wiring.open(forge.folder, settings.load()), {"yes": 0, "no": 0}
    for number, change in enumerate(_changes(seed, 25 if seed == 1 else 400)):
        written = _at_write(harness, change)
        rule = _rule(harness, change.op)
        more = {"Rename": change.rename} if change.rename else {}
        pairs = forge.trailers(scoped, Decision=f"allow rule={rule} grant=- event=e-x", **more)
        oid = forge.commit(change.files, parents=[scoped], pairs=pairs)
        found = [one for one in forge.verify(scoped, oid).violations if one.code != "trailer"]
        pushed = push(f"{oid}:refs/heads/t{number}")
        assert bool(written) == bool(found), (change, written, found)
        assert bool(pushed.code) == bool(found), (change, pushed.said)
        if not any(one.code == "twin" for one in found):  # an index is not searched for twins
            hooked = _at_hook(forge, forge.git("rev-parse", f"{oid}^{{tree}}"))
            assert bool(hooked) == bool(written), (change, hooked, written)
        said["no" if written else "yes"] += 1
    assert min(said.values()) >= 5, said


def _rule(harness: wiring.Harness, op: Op) -> str:
    """Who decides about it, for the trailer of an honest commit."""
    kinds = (op.kind, "append") if op.kind == "write" else (op.kind,)
    made = [harness.governance().policy.decide(Request("deployer", ("writer",), kind, op.path)) for kind in kinds]
    return next((one for one in made if one.effect == "allow"), made[0]).rule


def test_a_judge_that_is_led_astray_would_be_seen(forge, hub, push, scoped: str) -> None:
    """The negative control: with another policy in the hub than in the clone they disagree."""
    wide = forge.commit({".githarness/policies/p.yaml": POLICY.replace("notes/**", "**", 1)}, agent=None,
                        signer=forge.owner(), parents=[scoped])
    bad = forge.commit({"other/o.md": "x\n"}, parents=[wide],
                       pairs=forge.trailers(wide, Decision="allow rule=p/notes grant=- event=e-x"))
    assert forge.codes(wide, bad) == set()
    assert forge.codes(scoped, forge.commit({"other/o.md": "x\n"}, parents=[scoped])) >= {"denied"}


def test_the_worktree_is_no_witness(forge, scoped: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is staged counts, not what is on disk."""
    (forge.folder / "notes/a.md").write_text("fine\n")
    (forge.folder / "other/o.md").write_text("not staged\n")
    forge.git("add", "notes/a.md")
    monkeypatch.chdir(forge.folder)
    assert list(policy_scope.out_of_scope("deployer")) == []
    forge.git("add", "other/o.md")
    (forge.folder / "other/o.md").write_text("o\n")
    assert [path for path, _ in policy_scope.out_of_scope("deployer")] == ["other/o.md"]
