"""Pruning proposes where two signals agree, leaves alone what is young, pinned or in use, and can be undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from githarness import settings, wiring
from githarness.work import prune as work
from githarness.work.asks import ReadAsk
from githarness.work.prune import Pruned
from tests.terminal import at_terminal

LATER = 4e9  # everything was changed before


def skill(name: str, body: str, extra: str = "") -> str:
    head = f"name: {name}\ndescription: Does {name} for the fleet. Use when asked.\n{extra}"
    return f"---\n{head}---\n\n# {name}\n\n{body}\n"


LONG = "\n".join(f"{number}. Look at part {number} and say what it lacks." for number in range(60))
FILES = {
    "skills/alone/SKILL.md": skill("alone", "Do it."),  # unused, unreferenced
    "skills/alone/scripts/run.sh": "true\n",
    "skills/alone/inner/SKILL.md": skill("inner", "Do it inside."),  # unused, referenced
    "skills/kept/SKILL.md": skill("kept", "Do it.", 'metadata:\n  pinned: "true"\n'),
    "skills/known/SKILL.md": skill("known", "Do it."),  # unused, referenced
    "skills/first/SKILL.md": skill("first", LONG),  # unused, superseded by the other
    "README.md": "Begin with known. The inner one comes later, first and second too.\n",
    "skills/index/SKILL.md": skill("index", "Choose among known, inner, first and second. See index."),
}


@pytest.fixture
def harness(fleet: Path, git) -> Iterator[wiring.Harness]:
    for path, text in FILES.items():
        (fleet / path).parent.mkdir(parents=True, exist_ok=True)
        (fleet / path).write_text(text)
    git(fleet, "add", ".")
    git(fleet, "commit", "-qm", "skills")
    made = wiring.open(fleet, settings.load())
    yield made
    made.close()


@pytest.fixture
def prune(harness: wiring.Harness) -> Callable[..., Pruned]:
    def call(*, before: float = LATER, dry_run: bool = True) -> Pruned:
        harness.fresh_registry()
        return work.prune(harness, harness.registry, before, agreed=lambda _: not dry_run)
    return call


def names(done: Pruned) -> dict[str, list[str]]:
    return {one.artifact.name: list(one.signals) for one in done.candidates}


def test_two_signals_propose(prune: Callable[..., Pruned]) -> None:
    """One signal alone does not, and what is pinned stays whatever speaks against it."""
    assert names(prune()) == {"alone": ["unused", "unreferenced"], "index": ["unused", "unreferenced"]}


def test_what_is_young_or_in_use_stays(prune: Callable[..., Pruned], harness: wiring.Harness) -> None:
    """A run that read it speaks for a skill; nothing changed since the day that is named is proposed."""
    assert names(prune(before=0.0)) == {}
    harness.local.read(ReadAsk("skills/alone/SKILL.md", "deployer", "r-1"))
    assert names(prune()) == {"index": ["unused", "unreferenced"]}


def test_what_nobody_could_have_read_here_is_not_unused(prune: Callable[..., Pruned], harness: wiring.Harness) -> None:
    """A clone that began after that day to record who reads what has nothing to say of it."""
    with harness.db.write() as conn:
        conn.execute("UPDATE migrations SET applied = ?", (LATER,))
    assert names(prune()) == {}


def test_a_near_duplicate_that_is_as_good_supersedes(prune: Callable[..., Pruned], fleet: Path, git) -> None:
    """Of two twins one stays."""
    (fleet / "skills/second").mkdir()
    (fleet / "skills/second/SKILL.md").write_text(skill("second", LONG))
    git(fleet, "add", ".")
    git(fleet, "commit", "-qm", "a twin")
    found = names(prune())
    assert found["second"] == ["unused", "superseded"] and "first" not in found


def test_it_removes_the_folder_and_is_undone(prune: Callable[..., Pruned], harness: wiring.Harness, cli, fleet: Path,
                                              git) -> None:
    """One commit, with what is bundled but without a skill further below that stays; a rollback brings it back."""
    done = prune(dry_run=False)
    assert done.paths == ("skills/alone/SKILL.md", "skills/alone/scripts/run.sh", "skills/index/SKILL.md")
    assert git(fleet, "rev-parse", "HEAD") == done.commit and not (fleet / "skills/alone/scripts").exists()
    assert "skills/alone/SKILL.md: unused, unreferenced" in git(fleet, "log", "-1", "--format=%b")
    assert cli("rollback", "--commit", done.commit, cwd=fleet).code == 0
    assert (fleet / "skills/alone/SKILL.md").read_text() == FILES["skills/alone/SKILL.md"]


ALL = ("skills", "prune", "--older-than", "2090-01-01T00:00:00Z")


def test_at_a_terminal_it_shows_and_asks(harness: wiring.Harness, fleet: Path) -> None:
    """No removes nothing, yes and --yes do, without asking twice."""
    head = harness.head()
    code, shown = at_terminal(*ALL, cwd=fleet, typed="n\n")
    assert code == 0 and "skills/alone/SKILL.md: unused" in shown and "remove 2 skills (3 files)? [y/N]" in shown
    assert "nothing was removed" in shown and harness.head() == head
    code, shown = at_terminal(*ALL, cwd=fleet, typed="y\n")
    assert code == 0 and "pruned as" in shown and not (fleet / "skills/alone/scripts").exists()


@pytest.mark.parametrize("terminal", [True, False])
def test_without_a_question_it_goes_on(harness: wiring.Harness, cli, fleet: Path, *, terminal: bool) -> None:
    """With --yes, and where nobody can answer."""
    shown = at_terminal(*ALL, "--yes", cwd=fleet)[1] if terminal else cli(*ALL, cwd=fleet).out
    assert "pruned as" in shown and "[y/N]" not in shown and not (fleet / "skills/alone/scripts").exists()


def test_a_skill_whose_agent_is_gone_is_orphaned(prune: Callable[..., Pruned], cli, fleet: Path) -> None:
    """The agent that wrote it last has retired."""
    cli("write", "skills/left/SKILL.md", "--agent", "scribe", cwd=fleet, stdin=skill("left", "Known is better."))
    cli("agent", "retire", "scribe", cwd=fleet)
    assert "orphaned" in names(prune())["left"]
