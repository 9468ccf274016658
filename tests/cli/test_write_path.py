"""The commands of the write path in a governed repository, each in a process of its own."""

from __future__ import annotations

import json
import subprocess

import pytest

RUNBOOK = "runbooks/release.md"


@pytest.fixture
def act(cli, fleet):
    """`act("write", …, agent="scribe")` runs a command in the fleet's repository."""
    return lambda *argv, agent="deployer", **more: cli(*argv, "--agent", agent, cwd=fleet, **more)


def test_read_then_write_makes_one_commit(act, git, fleet) -> None:
    """The JSON of both commands agrees with git, and the working tree follows."""
    read = act("read", RUNBOOK, "--json").json
    done = act("write", RUNBOOK, "-m", "add a step", "--json", stdin="build\ntest\nship\nverify\n").json
    assert read["content"] == "build\ntest\nship\n"
    assert set(done) == {"commit", "path", "blob", "previous", "merged", "operation", "event", "worktree"}
    assert (done["previous"], done["path"]) == (read["blob"], RUNBOOK)
    assert (done["merged"], done["worktree"]) == (False, "updated")
    assert git(fleet, "log", "-1", "--format=%H %an %s") == f"{done['commit']} deployer add a step"
    assert git(fleet, "rev-parse", f"HEAD:{RUNBOOK}") == done["blob"]
    assert git(fleet, "status", "--porcelain") == ""


def test_read_prints_the_bytes(act, cli, fleet) -> None:
    """Content goes to stdout as it is; what is not UTF-8 is base 64 in JSON."""
    act("write", "logo.bin", stdin=b"\x00\xff\x01")
    assert act("read", RUNBOOK).out == "build\ntest\nship\n"
    assert act("read", "logo.bin", "--json").json["content_base64"] == "AP8B"


def test_unread_and_stale_writes_are_refused(act, git, fleet) -> None:
    """Exit 11: first for what was never read, then for what has changed since, with base, current and diff."""
    head = git(fleet, "rev-parse", "HEAD")
    unread = act("write", RUNBOOK, "--json", stdin="mine\n")
    assert (unread.code, unread.json["error"]["code"]) == (11, "unread")
    assert git(fleet, "rev-parse", "HEAD") == head
    base = act("read", RUNBOOK, "--json").json["blob"]
    act("read", RUNBOOK, agent="scribe")
    theirs = act("write", RUNBOOK, "--json", agent="scribe", stdin="build\ntest twice\nship\n").json
    stale = act("write", RUNBOOK, "--json", stdin="build\ntest\nship it\n")
    details = stale.json["error"]["details"]
    assert (stale.code, stale.json["error"]["code"]) == (11, "stale-write")
    assert (details["path"], details["base"], details["current"]) == (RUNBOOK, base, theirs["blob"])
    assert "+test twice" in details["diff"]


def test_merge_admits_a_change_of_other_lines(act) -> None:
    """`--merge` keeps both."""
    act("write", "long.md", stdin="".join(f"{n}\n" for n in range(20)))
    act("read", "long.md", agent="scribe")
    act("write", "long.md", stdin="first\n" + "".join(f"{n}\n" for n in range(1, 20)))
    content = "".join(f"{n}\n" for n in range(19)) + "last\n"
    assert act("write", "long.md", "--merge", "--json", agent="scribe", stdin=content).json["merged"] is True
    assert act("read", "long.md").out.splitlines()[0::19] == ["first", "last"]


def test_if_match_takes_the_place_of_a_read(act) -> None:
    """A blob that fits writes, `absent` refuses what exists."""
    blob = act("read", RUNBOOK, "--json", agent="scribe").json["blob"]
    assert act("write", RUNBOOK, "--if-match", "absent", stdin="x\n").code == 11
    assert act("write", RUNBOOK, "--if-match", blob, stdin="x\n").code == 0


def test_append_needs_no_base(act) -> None:
    """Lines are added with the LFs that they need."""
    act("append", "journal.jsonl", stdin='{"a":1}')
    done = act("append", "journal.jsonl", "--json", agent="scribe", stdin='{"b":2}\n')
    assert (done.code, act("read", "journal.jsonl").out) == (0, '{"a":1}\n{"b":2}\n')


def test_delete_and_rename(act, fleet) -> None:
    """Both need a read; the file moves and goes in the working tree too."""
    act("read", RUNBOOK)
    moved = act("rename", RUNBOOK, "runbooks/ship.md", "--json").json
    assert (moved["path"], moved["from"], moved["worktree"]) == ("runbooks/ship.md", RUNBOOK, "updated")
    assert not (fleet / RUNBOOK).exists()
    act("read", "runbooks/ship.md")
    gone = act("delete", "runbooks/ship.md", "--json").json
    assert (gone["blob"], gone["previous"]) == (None, moved["blob"])
    assert not (fleet / "runbooks").exists()


def test_apply_lands_all_or_nothing(act, git, fleet) -> None:
    """Several changes are one commit; one bad change and nothing has happened."""
    lines = [{"op": "write", "path": "a.md", "content": "a\n"}, {"op": "append", "path": "b.log", "content": "b\n"}]
    done = act("apply", "--json", stdin="\n".join(map(json.dumps, lines))).json
    assert [one["path"] for one in done["paths"]] == ["a.md", "b.log"]
    assert git(fleet, "show", "--format=", "--name-only", done["commit"]).split() == ["a.md", "b.log"]
    lines += [{"op": "write", "path": RUNBOOK, "content": "unread\n"}]
    assert act("apply", stdin="\n".join(map(json.dumps, lines))).code == 11
    assert git(fleet, "rev-parse", "HEAD") == done["commit"]


def test_an_operation_lands_once(act, git, fleet) -> None:
    """The second call with the same id answers with the first one's commit."""
    first = act("append", "once.log", "--operation", "op-1", "--json", stdin="x\n").json
    again = act("append", "once.log", "--operation", "op-1", "--json", stdin="x\n").json
    assert (again["commit"], again["blob"], again["operation"]) == (first["commit"], first["blob"], "op-1")
    assert act("read", "once.log").out == "x\n"


@pytest.mark.parametrize("argv", [("write", "new.md"), ("append", "new.md"), ("delete", RUNBOOK)])
def test_dry_run_changes_nothing(act, git, fleet, argv: tuple[str, ...]) -> None:
    """The answer is judged as the real one would be, and there is no commit."""
    act("read", RUNBOOK)
    head = git(fleet, "rev-parse", "HEAD")
    done = act(*argv, "--dry-run", "--json", stdin="x\n")
    assert (done.code, done.json["commit"], done.json["path"]) == (0, None, argv[1])
    assert (git(fleet, "rev-parse", "HEAD"), git(fleet, "status", "--porcelain")) == (head, "")


def test_a_person_writes_with_as(cli, git, fleet) -> None:
    """`--as` signs with that person's key and says who it was."""
    done = cli("write", "notes.md", "--as", "olive", "--json", cwd=fleet, stdin="by hand\n")
    assert "Human: olive" in git(fleet, "log", "-1", "--format=%B", done.json["commit"])
    both = cli("write", "notes.md", "--as", "olive", "--agent", "deployer", cwd=fleet, stdin="x\n")
    assert (both.code, both.err.splitlines()[0]) == (2, "error: an agent and a person cannot both act")


def test_a_person_is_told_how_to_name_what_is_there(cli, git, fleet) -> None:
    """`read` is for agents: the hint of an unread write names the blob, and works as it stands."""
    refused = cli("write", RUNBOOK, "--as", "olive", "--json", cwd=fleet, stdin="new\n")
    show, _, flag = refused.json["error"]["fix"].partition(", then pass ")
    assert git(fleet, *show.split()[1:]) == "build\ntest\nship"
    assert cli("write", RUNBOOK, "--as", "olive", *flag.split(), cwd=fleet, stdin="new\n").code == 0


def test_agent_and_run_come_from_the_environment(cli, fleet) -> None:
    """GITHARNESS_AGENT and GITHARNESS_RUN are the defaults; without any agent it is wrong usage."""
    nobody = cli("append", "a.log", cwd=fleet, stdin="x\n")
    assert (nobody.code, nobody.err.splitlines()[0]) == (2, "error: nobody was named who acts")
    assert "--as NAME" in nobody.err
    cli("append", "a.log", cwd=fleet, stdin="x\n", GITHARNESS_AGENT="scribe", GITHARNESS_RUN="r-nightly")
    item = cli("log", "-n", "1", "--json", cwd=fleet).json["items"][0]
    assert (item["agent"], item["run"]) == ("scribe", "r-nightly")


def test_trailers_of_the_caller_reach_the_commit(act, git, fleet) -> None:
    """On whose behalf and with which tool; a form that is not TOOL:MODEL is wrong usage."""
    act("append", "a.log", "--on-behalf-of", "planner", "--assisted-by", "codex:gpt-5", stdin="x\n")
    message = git(fleet, "log", "-1", "--format=%B")
    assert "On-Behalf-Of: planner" in message and "Assisted-by: codex:gpt-5" in message
    assert act("append", "a.log", "--assisted-by", "codex", stdin="x\n").code == 2


@pytest.mark.parametrize("path", ["../a", "/etc/passwd", ".git/config", "a/.GIT/x", "a\\b", "", "a\tb"])
def test_bad_paths_are_wrong_usage(act, path: str) -> None:
    """A path that no artifact may have is exit 2, `bad-path`."""
    done = act("write", path, "--json", stdin="x\n")
    assert (done.code, done.json["error"]["code"]) == (2, "bad-path")


def test_a_dry_run_sees_a_persons_edit(act, fleet) -> None:
    """It exits as the real write would, and the edit stays."""
    act("read", RUNBOOK)
    (fleet / RUNBOOK).write_text("by hand\n")
    for more in (["--dry-run"], []):
        refused = act("write", RUNBOOK, "--json", *more, stdin="mine\n")
        assert (refused.code, refused.json["error"]["code"]) == (11, "dirty")
    assert (fleet / RUNBOOK).read_text() == "by hand\n"


def test_the_way_out_of_a_dirty_path_can_be_pasted(act, fleet) -> None:
    """From any folder, for a file that git knows and for one that it does not; then the write lands."""
    (fleet / "it's new.md").write_text("by hand\n")
    act("read", RUNBOOK)
    (fleet / RUNBOOK).write_text("by hand\n")
    for path in ("it's new.md", RUNBOOK):
        fix = act("write", path, "--json", stdin="mine\n").json["error"]["fix"].partition(", or")[0]
        subprocess.run(["sh", "-ec", fix], cwd=fleet / "runbooks", check=True, capture_output=True)
        assert act("write", path, stdin="mine\n").code == 0


def test_an_empty_stdin_does_not_empty_an_artifact(act, git, fleet) -> None:
    """A filter that failed leaves nothing to write; --from /dev/null says that it is meant, new files are free."""
    act("read", RUNBOOK)
    for more in ([], ["--from", "-"], ["--dry-run"], ["--if-match", git(fleet, "rev-parse", f"HEAD:{RUNBOOK}")]):
        refused = act("write", RUNBOOK, *more)
        assert (refused.code, "--from /dev/null" in refused.err) == (2, True)
    assert act("write", RUNBOOK, "--from", "/dev/null").code == 0
    assert act("write", RUNBOOK).code == act("write", "new.md").code == 0
    assert git(fleet, "show", f"HEAD:{RUNBOOK}") == git(fleet, "show", "HEAD:new.md") == ""
