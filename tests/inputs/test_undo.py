"""Undoing one agent where history is hostile to it: merges, renames, interleaved lines, delegates, later edits."""

from __future__ import annotations

from tests.inputs.conftest import Desk, state

RUNBOOK = "runbooks/release.md"


def _text(desk: Desk, path: str) -> str:
    return desk.git("show", f"HEAD:{path}") + "\n"


def test_what_came_by_a_merge_is_undone(desk: Desk) -> None:
    """G93: an agent's commits on a branch that a person merged; the person's side stays."""
    desk.git("switch", "-qc", "side")
    desk.git("config", "githarness.branch", "side")
    desk.good("write", "side.md", stdin="agent\n")
    desk.git("config", "githarness.branch", "main")
    desk.git("switch", "-q", "main")
    (desk.folder / "mine.md").write_text("mine\n")
    desk.git("add", "mine.md")
    desk.git("commit", "-qm", "mine")
    desk.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    assert desk.run("rollback", "deployer").code == 0
    assert sorted(path.name for path in desk.folder.glob("*.md")) == ["mine.md"]
    desk.sound()


def test_a_rename_is_undone_with_later_edits_of_others(desk: Desk) -> None:
    """G93: the file gets its old name, and keeps what somebody else wrote into it since."""
    desk.good("read", RUNBOOK)
    desk.good("rename", RUNBOOK, "runbooks/new.md")
    desk.good("append", "runbooks/new.md", stdin="theirs\n", agent="scribe")
    assert desk.run("rollback", "deployer").code == 0
    assert _text(desk, RUNBOOK) == "build\ntest\nship\ntheirs\n"
    desk.sound()


def test_interleaved_lines_are_told_apart(desk: Desk) -> None:
    """G93 G94: of a log that two agents wrote line by line, one agent's lines go and no other; equal ones too."""
    for number in range(4):
        desk.good("append", "log.txt", stdin=f"same\ndeployer {number}\n")
        desk.good("append", "log.txt", stdin=f"same\nscribe {number}\n", agent="scribe")
    assert desk.run("rollback", "deployer").code == 0
    assert _text(desk, "log.txt") == "".join(f"same\nscribe {number}\n" for number in range(4))
    assert desk.run("rollback", "--commit", desk.head()).code == 0
    assert _text(desk, "log.txt").count("same") == 8
    desk.sound()


def test_a_conflict_stops_and_changes_nothing(desk: Desk) -> None:
    """G93: where another agent replaced a line that is to go, nothing is guessed: both sides and commits are named."""
    for agent, line in (("deployer", "test twice"), ("scribe", "test thrice")):
        desk.good("read", RUNBOOK, agent=agent)
        desk.good("write", RUNBOOK, stdin=f"build\n{line}\nship\n", agent=agent)
    before = state(desk.folder)
    ran = desk.run("rollback", "deployer", "--json")
    assert ran.code == 11 and state(desk.folder) == before
    assert RUNBOOK in ran.out and desk.git("rev-parse", "HEAD") in ran.out and "test thrice" in ran.out
    assert desk.run("rollback", "deployer").code == 11 and state(desk.folder) == before


def test_delegates_follow_their_agent_only_when_asked(desk: Desk) -> None:
    """G94: what scribe did on deployer's behalf stays, or goes with `--with-delegates`; scribe's own stays anyhow."""
    desk.good("write", "own.md", stdin="x\n", agent="scribe")
    desk.good("write", "behalf.md", "--on-behalf-of", "deployer", stdin="x\n", agent="scribe")
    desk.good("write", "deployers.md", stdin="x\n")
    assert desk.run("rollback", "deployer").code == 0
    assert sorted(path.name for path in desk.folder.glob("*.md")) == ["behalf.md", "own.md"]
    assert desk.run("rollback", "deployer", "--with-delegates").code == 0
    assert [path.name for path in desk.folder.glob("*.md")] == ["own.md"]
    desk.sound()
