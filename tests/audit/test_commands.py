"""The commands that look: each filter, the tail, checkpoints and the verdict with its exit code."""

from __future__ import annotations

import json

import pytest

from githarness.errors import Integrity
from githarness.store.rows import EventRow


@pytest.fixture
def busy(world, cli):
    """Writes, a denial, a read and a call, by two agents."""
    for agent, path in (("deployer", "a/one.md"), ("scribe", "b/two.md")):
        cli("append", path, "--agent", agent, "--run", f"r-{agent}", cwd=world.folder, stdin="x\n")
    cli("write", ".github/x.yml", "--agent", "scribe", "--run", "r-scribe", cwd=world.folder, stdin="x\n")
    cli("read", "a/one.md", "--agent", "scribe", "--run", "r-scribe", cwd=world.folder)
    cli("journal", "add", "--run", "r-scribe", "--kind", "tool", '{"tool": "Bash", "status": "ok"}', cwd=world.folder)
    return world


@pytest.mark.parametrize(("argv", "kinds"), [
    (("--agent", "scribe"), ["tool", "read", "denial", "intent"]),
    (("--agent", "scribe", "--kind", "write"), ["intent"]),
    (("--run", "r-deployer"), ["intent"]),
    (("--tool", "Bash"), ["tool"]),
    (("--outcome", "denied"), ["denial"]),
    (("--outcome", "landed", "--run", "r-scribe"), ["intent"]),
    (("--kind", "outcome", "--run", "r-scribe"), ["outcome"]),
    (("--since", "1h", "-n", "2"), ["tool", "read"]),
    (("--until", "2020-01-01"), []),
    (("--path", "a/*", "--kind", "read"), ["read"]),
])
def test_events_are_found_by(busy, cli, argv: tuple[str, ...], kinds: list[str]) -> None:
    """Who, what, where, how it ended and when; newest first."""
    items = cli("audit", "log", *argv, "--json", cwd=busy.folder).json["items"]
    assert [item["kind"] for item in items] == kinds


def test_the_tail_is_one_object_a_line(busy, cli) -> None:
    """Oldest first."""
    lines = cli("audit", "tail", "-n", "2", "--json", cwd=busy.folder).out.splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["read", "tool"]


def test_seal_and_story(busy, cli, git) -> None:
    """A reviewer reads the ref as git log: signed commits, a line for each event."""
    done = cli("audit", "seal", "--json", cwd=busy.folder).json
    ref = f"refs/githarness/audit/{done['log']}"
    story = git(busy.folder, "log", "--format=%B", ref)
    assert "scribe was denied" in story and "scribe read 1 times" in story and f"{done['size']} events" in story
    assert git(busy.folder, "ls-tree", "--name-only", ref).split() == ["checkpoint", "events.jsonl"]
    assert git(busy.folder, "fsck", "--strict") == ""
    again = cli("audit", "seal", "--json", cwd=busy.folder).json
    assert (again["events"], again["commit"]) == (0, done["commit"])


def test_verify_says_good_and_not(busy, cli, tmp_path) -> None:
    """Exit 0 and 1; an outside checkpoint is read from a file."""
    cli("audit", "seal", cwd=busy.folder)
    note = tmp_path / "checkpoint"
    note.write_text(cli("audit", "checkpoint", cwd=busy.folder).out)
    good = cli("audit", "verify", "--checkpoint", note, "--json", cwd=busy.folder)
    assert (good.code, good.json["good"], good.json["faults"]) == (0, True, [])
    busy.edit("UPDATE events SET agent = 'deployer' WHERE kind = 'denial'")
    bad = cli("audit", "verify", cwd=busy.folder)
    assert bad.code == 1 and "is not as it was sealed" in bad.out and "the log was changed" in bad.out


def test_verify_is_told_which_log_is_this_clones(busy, cli, git) -> None:
    """G84: the configuration that init made names it, so that another database does not pass for this one's."""
    assert git(busy.folder, "config", "githarness.log") == busy.verify().log
    busy.harness.db.close()
    for file in (busy.folder / ".git/githarness").glob("harness.db*"):
        file.unlink()
    cli("append", "c.md", "--agent", "deployer", cwd=busy.folder, stdin="x\n")
    found = cli("audit", "verify", "--json", cwd=busy.folder)
    assert (found.code, {fault["code"] for fault in found.json["faults"]}) == (1, {"replaced"})


def test_a_story_is_cut(world, git) -> None:
    """Sixty lines and a count: the events themselves are in the file."""
    world.record(*(EventRow(f"e-{at}", 1.0, "denial", "bot", outcome="denied") for at in range(100)))
    log = world.seal().log
    story = git(world.folder, "log", "-1", "--format=%B", f"refs/githarness/audit/{log}")
    assert "more in events.jsonl" in story and len(story.splitlines()) < 80


@pytest.mark.parametrize("edit", ["safe = 'garbage'", "safe = '[1]'", "safe = '{\"paths\":5}'", "kind = x'ff'",
                                  "time = 1e300", "kind = 'approval'"])
def test_an_edited_event_is_named_and_no_error_of_ours(sealed, cli, edit: str) -> None:
    """Whatever stands in its columns; verify is where to go from there."""
    sealed.edit(f"UPDATE events SET {edit} WHERE id = 'e-fill0'")
    for args in (("audit", "log"), ("audit", "export"), ("audit", "log", "--path", "**")):
        done = cli(*args, cwd=sealed.folder)
        assert (done.code, "internal" in done.err) == (Integrity.exit_code, False), done.err
