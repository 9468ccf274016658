"""`run`, `runs`, `capture` and `held` as people, agents and scripts type them, each in a process of its own."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

Git = Callable[..., str]
Call = Callable[..., Any]
RUNBOOK = "runbooks/release.md"


@pytest.fixture
def run(cli: Call, fleet: Path) -> Call:
    """`run("echo x > new.md")` has agent deployer do it in a shell."""

    def call(script: str, *flags: str, agent: str = "deployer", **env: str) -> Any:
        return cli("run", "--agent", agent, *flags, "--", "sh", "-c", script, cwd=fleet, **env)

    return call


@pytest.fixture
def tool(tmp_path: Path) -> str:
    """What a script calls githarness by."""
    file = tmp_path / "bin/githarness"
    file.parent.mkdir()
    file.write_text(f'#!/bin/sh\nexec {sys.executable} -m githarness "$@"\n')
    file.chmod(0o755)
    return str(file)


@pytest.fixture
def spawn(fleet: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """`spawn("sleep 60")`: the same run in the background."""
    started: list[subprocess.Popen[bytes]] = []

    def call(script: str, *flags: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "githarness", "run", "--agent", "deployer", *flags, "--", "sh", "-c", script]
        started.append(subprocess.Popen(command, cwd=fleet, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL))
        return started[-1]

    yield call
    for one in started:
        one.kill()
        one.wait()
        for stream in (one.stdout, one.stderr):
            if stream:
                stream.close()  # unread: what a failed test leaves running would keep it open


def items(cli: Call, fleet: Path, *argv: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cli(*argv, "--json", cwd=fleet).json["items"]
    return found


def with_env(name: str) -> list[int]:
    """Processes that carry the run in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"GITHARNESS_RUN={name}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def test_a_run_prints_its_command_and_what_landed(run: Call, git: Git, fleet: Path) -> None:
    """The command's output on stdout as it is, the commit on stderr."""
    done = run("echo hello; echo x > a.md", "-m", "say hello")
    head = git(fleet, "rev-parse", "HEAD")
    assert (done.code, done.out, done.err) == (0, "hello\n", f"{head[:12]} a.md\n")
    assert git(fleet, "log", "-1", "--format=%an %s") == "deployer say hello"


def test_json_is_one_document_on_stdout(run: Call, git: Git, fleet: Path) -> None:
    """The command's own output goes to stderr then."""
    done = run("echo hello; echo x > a.md", "--json")
    assert done.json == {
        "run": done.json["run"], "agent": "deployer", "status": "ok", "exit": 0, "paths": ["a.md"], "held": [],
        "commit": git(fleet, "rev-parse", "HEAD"), "worktree": None, "note": "exit 0",
        "attempt": None, "once": None}
    assert "hello\n" in done.err


def test_a_flood_of_output_passes(run: Call) -> None:
    """Twenty megabytes, with the document after them."""
    done = run("yes | head -c 20000000", "--json")
    assert done.json["exit"] == 0 and len(done.err) >= 20_000_000


def test_the_exit_code_is_the_commands(run: Call) -> None:
    """With and without a document."""
    assert run("exit 5").code == 5
    done = run("kill -9 $$", "--json")
    assert (done.code, done.json["exit"], done.json["status"]) == (137, 137, "failed")


def test_a_time_limit_is_unavailable(run: Call, cli: Call, git: Git, fleet: Path) -> None:
    """Exit 18; what was done by then has landed, and the record says `timeout`."""
    done = run("echo x > a.md; sleep 60", "--timeout", "2s", "--json")
    error = done.json["error"]
    assert (done.code, error["code"], error["details"]["status"]) == (18, "unavailable", "timeout")
    assert git(fleet, "show", "HEAD:a.md") == "x"
    assert [row["status"] for row in items(cli, fleet, "runs", "list")] == ["timeout"]


@pytest.mark.parametrize(("argv", "code"), [
    (("--agent", "deployer"), 2), (("--agent", "nobody", "--", "true"), 14), (("--", "true"), 2),
    (("--agent", "deployer", "--timeout", "soon", "--", "true"), 2),
    (("--agent", "deployer", "--", "nonesuch-xyz"), 14),
    (("--agent", "deployer", "--parent", "r-x", "--", "true"), 14)])
def test_what_cannot_run_is_named(cli: Call, fleet: Path, argv: tuple[str, ...], code: int) -> None:
    """Usage or not found, with a fix."""
    done = cli("--json", "run", *argv, cwd=fleet)
    assert done.code == code and done.json["error"]["fix"], done.out + done.err


def test_held_changes_are_the_exit(run: Call, tool: str) -> None:
    """11 for conflicts, 10 where all were denied; a command that failed keeps its own exit."""
    racing = (f"echo mine > {RUNBOOK}; unset GITHARNESS_RUN GITHARNESS_AGENT GITHARNESS_TOKEN_FILE; echo theirs | "
              f"{tool} write {RUNBOOK} --agent scribe --if-match $(git rev-parse HEAD:{RUNBOOK})")
    done = run(racing, "--json")
    error = done.json["error"]
    assert (done.code, error["code"]) == (11, "conflict")
    assert [one["why"] for one in error["details"]["held"]] == ["conflict"]
    denied = run("echo x > .gitignore")
    assert denied.code == 10 and "githarness held resolve h-" in denied.err
    assert run("echo x > .mailmap; exit 3").code == 3


def test_capture_inside_a_run(run: Call, tool: str, git: Git, fleet: Path) -> None:
    """Each call is one commit at T1; the end takes what is left."""
    done = run(f"echo 1 > a.md; {tool} capture -m first --json; echo 2 > b.md; {tool} capture b.md; echo 3 > c.md")
    assert done.code == 0, done.err
    document = json.loads(done.out[:done.out.rindex("}") + 1])
    assert [one["path"] for one in document["paths"]] == ["a.md"] and document["held"] == document["nested"] == []
    assert git(fleet, "log", "-3", "--format=%s").split("\n") == ["run sh", "write b.md", "first"]
    assert git(fleet, "log", "-3", "--format=%(trailers:key=Tier,valueonly)").split() == ["T1"] * 3


def test_a_run_inside_a_run_has_a_chain(run: Call, tool: str, git: Git, fleet: Path, cli: Call) -> None:
    """The outer run is its parent, by GITHARNESS_RUN; both outcomes are recorded."""
    done = run(f"{tool} run --agent scribe -- sh -c 'echo x > inner.md'; echo x > outer.md")
    assert done.code == 0, done.err
    inner, outer = items(cli, fleet, "runs", "list")
    assert (inner["parent"], inner["chain"], outer["parent"]) == (outer["run"], ["deployer"], None)
    assert git(fleet, "log", "-1", "--format=%(trailers:key=On-Behalf-Of,valueonly)", "--", "inner.md") == "deployer\n"


def test_a_run_cannot_be_finished_from_inside(run: Call, tool: str) -> None:
    """It ends when its command does, so that what follows can still be captured."""
    done = run(f"{tool} runs finish $GITHARNESS_RUN --status ok; echo x > a.md")
    assert done.code == 0 and "ends when its command does" in done.err and "a.md" in done.err


def test_a_foreign_token_is_denied(run: Call, cli: Call, fleet: Path) -> None:
    """The token of one run proves no other."""
    name = cli("runs", "start", "--agent", "deployer", cwd=fleet).out.strip()
    one = cli("runs", "start", "--agent", "deployer", "--json", cwd=fleet).json
    done = cli("append", "a.md", "--agent", "deployer", "--run", name, cwd=fleet, stdin="x\n",
               GITHARNESS_TOKEN_FILE=one["token_file"])
    assert done.code == 10 and "token" in done.err
    done = cli("runs", "start", "--agent", "scribe", cwd=fleet, GITHARNESS_RUN=name,
               GITHARNESS_TOKEN_FILE=one["token_file"])
    assert done.code == 10 and "token" in done.err


def test_runs_of_scripts(cli: Call, fleet: Path, git: Git) -> None:
    """start, write, finish; then it can write no more, and list and show tell of it."""
    name = cli("runs", "start", "--agent", "deployer", cwd=fleet).out.strip()
    env = {"GITHARNESS_RUN": name, "GITHARNESS_AGENT": "deployer"}
    assert cli("append", "a.md", cwd=fleet, stdin="x\n", **env).code == 0
    child = cli("runs", "start", "--agent", "scribe", "--json", cwd=fleet, **env).json
    assert (child["parent"], child["chain"], child["status"]) == (name, ["deployer"], "open")
    assert cli("runs", "finish", name, "--status", "done", cwd=fleet).code == 2
    assert cli("runs", "finish", name, "--status", "failed", "--note", "too late", cwd=fleet).code == 0
    assert cli("append", "a.md", cwd=fleet, stdin="x\n", **env).code == 10
    shown = cli("runs", "show", name, "--json", cwd=fleet).json
    assert (shown["status"], shown["note"], shown["worktree"]) == ("failed", "too late", None)
    assert shown["commits"] == [git(fleet, "rev-parse", "HEAD")]
    assert [row["run"] for row in items(cli, fleet, "runs", "list", "--status", "open")] == [child["run"]]
    assert cli("runs", "cancel", child["run"], "--json", cwd=fleet).json["status"] == "cancelled"
    assert cli("runs", "show", "r-nope", cwd=fleet).code == cli("runs", "cancel", "r-nope", cwd=fleet).code == 14


def test_capture_in_a_worktree_that_others_use(cli: Call, git: Git, fleet: Path) -> None:
    """Only the paths named, staged or not; other edits there stay a person's."""
    (fleet / RUNBOOK).write_text("build\ntest\nship\nverify\n")
    (fleet / "staged.md").write_text("x\n")
    git(fleet, "add", "staged.md")
    (fleet / "mine.md").write_text("a person's\n")
    assert cli("capture", "--agent", "deployer", cwd=fleet).code == 2
    done = cli("capture", "--agent", "deployer", RUNBOOK, "staged.md", "--json", cwd=fleet)
    assert done.code == 0 and [one["path"] for one in done.json["paths"]] == [RUNBOOK, "staged.md"], done.out
    assert git(fleet, "status", "--porcelain") == "?? mine.md"
    again = cli("capture", "--agent", "deployer", RUNBOOK, cwd=fleet)
    assert (again.code, again.err) == (0, "nothing has changed\n")
    (fleet / RUNBOOK).unlink()
    assert cli("capture", "--agent", "deployer", "runbooks/", cwd=fleet).code == 0
    assert git(fleet, "ls-tree", "-r", "--name-only", "HEAD", "runbooks") == ""
    assert cli("capture", "--agent", "deployer", "nope.md", cwd=fleet).code == 14


def test_capture_in_a_worktree_of_an_older_commit(cli: Call, git: Git, fleet: Path, tmp_path: Path) -> None:
    """A change is bound to what its file was made from, whatever HEAD says: nobody's newer work is overwritten."""
    tree = tmp_path / "old"
    git(fleet, "worktree", "add", "-q", "--detach", str(tree))
    cli("read", RUNBOOK, "--agent", "scribe", cwd=fleet)
    cli("write", RUNBOOK, "--agent", "scribe", cwd=fleet, stdin="theirs\ntest\nship\n")
    git(tree, "update-ref", "--no-deref", "HEAD", "main")
    (tree / RUNBOOK).write_text("build\ntest\nmine\n")
    done = cli("capture", "--agent", "deployer", RUNBOOK, "--json", cwd=tree)
    assert done.code == 0 and done.json["paths"][0]["merged"], done.out + done.err
    assert git(fleet, "show", f"HEAD:{RUNBOOK}") == "theirs\ntest\nmine"
    (tree / RUNBOOK).write_text("mine\ntest\nship\n")
    assert cli("capture", "--agent", "deployer", RUNBOOK, cwd=tree).code == 11


def test_capture_of_another_repository_is_refused(cli: Call, make_repo: Call, fleet: Path) -> None:
    """Whatever folder is named."""
    elsewhere = make_repo(name="elsewhere")
    done = cli("capture", "--agent", "deployer", "--worktree", elsewhere, "docs/0000.md", cwd=fleet)
    assert done.code == 14 and "not in a worktree of this repository" in done.err


def test_held_commands(cli: Call, run: Call, git: Git, fleet: Path) -> None:
    """list, show with a diff, drop with the way back, resolve; unknown ids are not found."""
    name = run("echo '*.log' > .gitignore", "--json").json["error"]["details"]["held"][0]["id"]
    (item,) = items(cli, fleet, "held", "list")
    assert (item["id"], item["agent"], item["why"], item["paths"]) == (name, "deployer", "denied", [".gitignore"])
    shown = cli("held", "show", name, "--json", cwd=fleet).json
    assert "+*.log" in shown["diff"] and shown["message"] == "run sh"
    assert shown["since"] == ""
    text = cli("held", "show", name, cwd=fleet).out
    assert "+*.log" in text and text.endswith("nothing changed there since\n")
    assert cli("held", "retry", name, cwd=fleet).code == 10
    dropped = cli("held", "drop", name, cwd=fleet)
    assert items(cli, fleet, "held", "list") == []
    back = dropped.err.partition(": git ")[2].split()
    git(fleet, *back)
    assert cli("held", "show", name, "--json", cwd=fleet).json["commit"] == shown["commit"]
    for verb in (("show",), ("drop",), ("retry",), ("resolve", "--from", "x")):
        assert cli("held", verb[0], "h-nope", *verb[1:], cwd=fleet).code == 14


def test_held_resolve_from_a_file(cli: Call, git: Git, fleet: Path, tmp_path: Path) -> None:
    """It lands as the write of who resolved it, a person or in a run the agent, and is no longer held."""
    (fleet / "a").mkdir()
    tree = tmp_path / "old"
    git(fleet, "worktree", "add", "-q", "--detach", str(tree))
    cli("write", RUNBOOK, "--agent", "scribe", "--if-match", git(fleet, "rev-parse", f"HEAD:{RUNBOOK}"), cwd=fleet,
        stdin="theirs\n")
    (tree / RUNBOOK).write_text("mine\n")
    name = cli("capture", "--agent", "deployer", RUNBOOK, "--json", cwd=tree).json["error"]["details"]["held"][0]["id"]
    shown = cli("held", "show", name, cwd=fleet).out
    assert "+mine" in shown.partition("what changed there since:")[0]
    assert "+theirs" in shown.partition("what changed there since:")[2]
    retried = cli("held", "retry", name, cwd=fleet)
    assert retried.code == 11 and f"githarness held resolve {name} --from FILE" in retried.err.splitlines()[-1]
    (tmp_path / "both").write_text("both\n")
    assert cli("held", "resolve", name, "--from", tmp_path / "nope", cwd=fleet).code == 14
    assert cli("held", "resolve", name, cwd=fleet, stdin="").code == 2  # an empty stdin is a forgotten --from
    stale = cli("held", "resolve", name, "--from", tmp_path / "both", "--if-match", "0" * 40, cwd=fleet)
    assert stale.code == 11
    done = cli("held", "resolve", name, "--from", tmp_path / "both", "--json", cwd=fleet)
    assert (done.code, done.json["paths"][0]["path"]) == (0, RUNBOOK)
    assert git(fleet, "show", f"HEAD:{RUNBOOK}") == "both" and items(cli, fleet, "held", "list") == []
    said = git(fleet, "show", "-s", "--format=%G? %an%n%B", "HEAD")
    assert said.startswith("G olive\n") and f"\nIn place of {name} by agent deployer.\n" in said
    assert cli("verify", "HEAD~1..HEAD", cwd=fleet).code == 0


def test_cancel_ends_a_living_run(spawn: Call, cli: Call, git: Git, fleet: Path) -> None:
    """The whole tree, and what it changed so far lands."""
    one = spawn("echo x > a.md; setsid sleep 61 & echo up; sleep 60")
    assert one.stdout.readline() == b"up\n"
    (row,) = items(cli, fleet, "runs", "list")
    assert Path(row["worktree"]).is_dir() and with_env(row["run"])
    done = cli("runs", "cancel", row["run"], "--json", cwd=fleet)
    assert (done.code, done.json["status"], done.json["worktree"]) == (0, "cancelled", None)
    assert one.wait(60) == 143 and git(fleet, "show", "HEAD:a.md") == "x" and with_env(row["run"]) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_run_with_its_work_captured(spawn: Call, git: Git, fleet: Path, number: int, code: int) -> None:
    """From cron, a supervisor, or a terminal that closes; the command is told, and whatever it makes of that the exit
    is 128 and the signal."""
    one = spawn("trap 'echo told >> a.md; exit 0' TERM; echo x > a.md; sleep 60 & echo up; wait")
    one.stdout.readline()
    one.send_signal(number)
    assert one.wait(60) == code and git(fleet, "show", "HEAD:a.md") == "x\ntold"


def test_a_killed_runner_is_cleaned_up_after(spawn: Call, cli: Call, git: Git, fleet: Path) -> None:
    """kill -9: list says that it is gone, cancel ends its processes and captures what is in the worktree."""
    one = spawn("echo x > a.md; (setsid sleep 61 &) ; echo up; while sleep 0.05 && echo more >> log; do :; done")
    one.stdout.readline()
    one.kill()
    one.wait()
    (row,) = items(cli, fleet, "runs", "list")
    assert row["status"] == "open" and Path(row["worktree"]).is_dir()
    while len(with_env(row["run"])) < 2:  # a process that is just starting shows no environment
        time.sleep(0.01)
    listed = cli("runs", "list", cwd=fleet)
    assert f"the runner of {row['run']} is gone" in listed.err
    done = cli("runs", "cancel", row["run"], "--json", cwd=fleet)
    assert (done.code, done.json["status"], done.json["note"]) == (0, "cancelled", "the runner was gone"), done.err
    assert with_env(row["run"]) == [] and not Path(row["worktree"]).exists()
    assert git(fleet, "show", "HEAD:a.md") == "x" and "more" in git(fleet, "show", "HEAD:log")
    assert cli("runs", "cancel", row["run"], "--json", cwd=fleet).json["status"] == "cancelled"


@pytest.mark.parametrize("delays", [
    (0.3, 0.5, 0.7), pytest.param([0.25 + n / 100 for n in range(60)], marks=pytest.mark.soak, id="many")])
def test_a_runner_killed_at_any_moment_loses_nothing(spawn: Call, cli: Call, git: Git, fleet: Path,
                                                     delays: Sequence[float]) -> None:
    """What the command acknowledged is in the repository after cancel, once; no worktree is left."""
    for delay in delays:
        one = spawn(f"echo {delay} > f{delay}; echo {delay} > {fleet.parent}/said{delay}; exit 0")
        time.sleep(delay)
        one.kill()
        one.wait()
    for row in items(cli, fleet, "runs", "list", "-n", "1000"):
        assert cli("runs", "cancel", row["run"], cwd=fleet).code == 0
    files = git(fleet, "ls-tree", "--name-only", "HEAD").split()
    said = [one.name.removeprefix("said") for one in fleet.parent.glob("said*")]
    assert {f"f{delay}" for delay in said} <= set(files)
    assert items(cli, fleet, "held", "list") == []
    assert git(fleet, "worktree", "list", "--porcelain").count("worktree ") == 1 and RUNBOOK in git(
        fleet, "ls-tree", "-r", "--name-only", "HEAD")


def in_terminal(fleet: Path, script: str) -> tuple[int, int]:
    """The run on a terminal of its own: its pid, and the other end of the terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(fleet)
        command = [sys.executable, "-m", "githarness", "run", "--agent", "deployer", "--", "sh", "-c", script]
        os.execv(sys.executable, command)
    return pid, terminal


def read_until(terminal: int, wanted: bytes) -> bytes:
    got = b""
    while wanted not in got:
        got += os.read(terminal, 1000)
    return got


def exit_of(pid: int, terminal: int) -> int:
    while True:
        try:
            if not os.read(terminal, 1000):
                break
        except OSError:
            break
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    return code


def test_the_command_keeps_the_terminal(fleet: Path, git: Git) -> None:
    """It reads what is typed and knows that it is a terminal."""
    pid, terminal = in_terminal(fleet, "test -t 0 && test -t 1 && echo ready; read word; echo $word > typed.md")
    read_until(terminal, b"ready")
    os.write(terminal, b"hello\n")
    assert exit_of(pid, terminal) == 0 and git(fleet, "show", "HEAD:typed.md") == "hello"


def test_control_c_is_the_commands_to_answer(fleet: Path, git: Git, cli: Call) -> None:
    """One that handles it goes on; one that does not ends, with its work captured."""
    caught = "trap 'echo x > a.md; echo caught' INT; echo ready; read word; read word; exit 4"
    pid, terminal = in_terminal(fleet, caught)
    read_until(terminal, b"ready")
    os.write(terminal, b"\x03")
    read_until(terminal, b"caught")
    os.write(terminal, b"go\ngo\n")
    assert exit_of(pid, terminal) == 4 and git(fleet, "show", "HEAD:a.md") == "x"
    # The shell itself waits: dash loses an interrupt to a command that it is just starting (it forks by vfork).
    pid, terminal = in_terminal(fleet, "echo x > b.md; echo ready; read word")
    read_until(terminal, b"ready")
    os.write(terminal, b"\x03")
    assert exit_of(pid, terminal) == 130 and git(fleet, "show", "HEAD:b.md") == "x"
    assert [row["status"] for row in items(cli, fleet, "runs", "list")] == ["cancelled", "failed"]


def test_runs_at_once(spawn: Call, cli: Call, git: Git, fleet: Path) -> None:
    """Each has its worktree, each lands, nothing is left."""
    many = [spawn(f"echo {number} > f{number}.md") for number in range(4)]
    assert [one.wait(60) for one in many] == [0] * 4, [one.stderr.read() for one in many]
    assert git(fleet, "ls-tree", "--name-only", "HEAD").count(".md") == 4
    assert git(fleet, "worktree", "list", "--porcelain").count("worktree ") == 1
    assert git(fleet, "fsck", "--strict", "--no-dangling") == "" and git(fleet, "status", "--porcelain") == ""
