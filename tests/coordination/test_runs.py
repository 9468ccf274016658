"""Runs that repeat, are done once, crash and go on: real processes, the runner killed at every step of its way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import githarness
from githarness.errors import Conflict, Denied, Paused
from githarness.runner import process
from githarness.store import runs as rows
from githarness.work import guard, journal, runs, state
from tests.conftest import Cli
from tests.coordination.conftest import Table

Git = Callable[..., str]
Reboot = Callable[[str], None]
# The runner, which kills itself before the named function does its work: `python -c KILLED MODULE.NAME run …`.
KILLED = """\
import importlib, os, signal, sys
module, _, name = sys.argv.pop(1).rpartition(".")
owner = importlib.import_module(module)
setattr(owner, name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
from githarness.__main__ import main
main()
"""


@pytest.fixture
def do(cli: Cli, fleet: Path) -> Callable[..., Any]:
    """`do("runs", "list")`: the command in the fleet's repository, its document."""
    return lambda *args, **more: cli("--json", *args, cwd=fleet, **more)


def killed(fleet: Path, where: str, *args: str) -> None:
    """`githarness run` of deployer until the runner dies there."""
    done = subprocess.run([sys.executable, "-c", KILLED, where, "run", "--agent", "deployer", *args], cwd=fleet,
                          capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def started(fleet: Path, *args: str, marker: Path) -> subprocess.Popen[bytes]:
    """A runner, once its command has made the file."""
    runner = subprocess.Popen([sys.executable, "-m", "githarness", "run", "--agent", "deployer", *args], cwd=fleet,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while not marker.exists():
        assert runner.poll() is None, runner.stderr and runner.stderr.read()
        time.sleep(0.02)
    return runner


def listed(do: Callable[..., Any], **wanted: object) -> list[dict[str, Any]]:
    found = do("runs", "list").json["items"]
    return [one for one in found if all(one[name] == value for name, value in wanted.items())]


def ended(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_a_failed_run_is_repeated_and_each_attempt_is_a_run(do: Callable[..., Any], tmp_path: Path) -> None:
    """The next one's parent is the one before it; the exit is the last one's."""
    count = tmp_path / "count"
    script = f'echo x >> {count}; test "$(wc -l < {count})" -eq 3'
    done = do("run", "--agent", "deployer", "--retries", "5", "--", "sh", "-c", script)
    third, second, first = listed(do)
    assert done.code == 0 and done.json["attempt"] == 3 and count.read_text() == "x\n" * 3
    assert [one["status"] for one in (first, second, third)] == ["failed", "failed", "ok"]
    assert (third["parent"], second["parent"], first["parent"]) == (second["run"], first["run"], None)
    assert [one["attempt"] for one in (first, second, third)] == [1, 2, 3] and third["retries"] == 5


@pytest.mark.parametrize(("limits", "most"), [(["--retries", "2"], 3), (["--retries", "50", "--retry-for", "1s"], 4)])
def test_repeating_has_an_end(do: Callable[..., Any], limits: list[str], most: int) -> None:
    """By number, by time."""
    assert do("run", "--agent", "deployer", *limits, "--", "false").code == 1
    assert 1 <= len(listed(do)) <= most


def test_each_attempt_that_failed_is_told(cli: Cli, fleet: Path) -> None:
    """One line on stderr with the reason and the pause; none where there is no other, with --json or --quiet."""
    def said(*flags: str, script: str = "exit 3") -> list[str]:
        done = cli("run", "--agent", "deployer", "--retries", "1", *flags, "--", "sh", "-c", script, cwd=fleet)
        return [line for line in done.err.splitlines() if line.startswith("attempt")]

    (only,) = said()
    assert only.startswith("attempt 1 of 2, r-") and only.endswith(": failed (exit 3), the next in 0.5 s")
    (late,) = said("--retry-for", "1s", script="sleep 1; exit 3")
    assert late.endswith("no other begins so late")
    assert said("--json") == said("--quiet") == []


def test_what_went_well_or_was_cancelled_is_not_repeated(do: Callable[..., Any]) -> None:
    """Control: one run each."""
    assert do("run", "--agent", "deployer", "--retries", "3", "--", "true").code == 0
    do("run", "--agent", "deployer", "--retries", "3", "--", "sh", "-c", "kill -INT $$")
    assert [one["status"] for one in listed(do)] == ["cancelled", "ok"]


def test_once_is_once(do: Callable[..., Any], tmp_path: Path) -> None:
    """The second is refused with the first one's outcome, also where that failed; another key is other work."""
    for script, outcome, code in (("exit 0", "ok", 0), ("exit 4", "failed", 4)):
        work = ["--once", f"key-{code}", "--", "sh", "-c", f"echo x >> {tmp_path}/did; {script}"]
        assert do("run", "--agent", "deployer", *work).code == code
        again = do("run", "--agent", "deployer", *work)
        details = again.json["error"]["details"]
        assert (again.code, details["outcome"], details["exit"]) == (11, outcome, code)
    assert (tmp_path / "did").read_text() == "x\nx\n"


def test_a_command_that_is_not_there_has_done_nothing(do: Callable[..., Any]) -> None:
    """The key is free again."""
    assert do("run", "--agent", "deployer", "--once", "k", "--", "nonesuch-xyz").code == 14
    assert do("run", "--agent", "deployer", "--once", "k", "--", "true").code == 0


def test_two_at_once_have_one_effect(do: Callable[..., Any], fleet: Path, tmp_path: Path) -> None:
    """Eight runners with one key: one runs, the others are told that it does or has."""
    line = [sys.executable, "-m", "githarness", "--json", "run", "--agent", "deployer", "--once", "k", "--", "sh", "-c",
            f"echo x >> {tmp_path}/did"]
    each = [subprocess.Popen(line, cwd=fleet, stdout=subprocess.PIPE) for _ in range(8)]
    said = [json.loads(one.communicate()[0]) for one in each]
    assert (tmp_path / "did").read_text() == "x\n"
    assert sorted(one.returncode for one in each) == [0] + [11] * 7
    assert {one["error"]["details"]["outcome"] for one in said if "error" in one} <= {"open", "ok"}


@pytest.mark.parametrize(("where", "outcome"), [
    ("githarness.work.runs._write_token", None), ("githarness.runner.run._place", None),
    ("githarness.runner.process._wait", "unknown"), ("githarness.runner.run.settle", "unknown"),
    ("githarness.runner.settle.clear", "unknown"), ("githarness.runner.settle.finished", "unknown")])
def test_a_runner_that_is_killed_says_what_it_can_know(do: Callable[..., Any], fleet: Path, tmp_path: Path, where: str,
                                                       outcome: str | None) -> None:
    """Before the command began nothing was done, and it is done now; after that nobody knows, and nothing is."""
    line = ["--once", "k", "--", "sh", "-c", f"echo x >> {tmp_path}/did"]
    killed(fleet, where, *line)
    again = do("run", "--agent", "deployer", *line)
    if outcome is None:
        assert again.code == 0 and (tmp_path / "did").read_text() == "x\n"
        return
    assert (again.code, again.json["error"]["details"]["outcome"]) == (11, outcome)
    assert not (tmp_path / "did").exists() or (tmp_path / "did").read_text() == "x\n"


def test_an_operator_says_how_it_ended(do: Callable[..., Any], fleet: Path, git: Git) -> None:
    """Nobody else; then that is the answer, and the worktree is captured and gone."""
    killed(fleet, "githarness.runner.run.settle", "--once", "k", "--", "sh", "-c", "echo x > made.md")
    run = listed(do)[0]["run"]
    git(fleet, "config", "user.email", "eve@example.org")
    assert do("runs", "finish", run, "--status", "ok").code == 14
    git(fleet, "config", "--unset", "user.email")
    done = do("runs", "finish", run, "--status", "ok")
    assert (done.code, done.json["status"], done.json["worktree"]) == (0, "ok", None)
    assert (fleet / "made.md").read_text() == "x\n"
    again = do("run", "--agent", "deployer", "--once", "k", "--", "true")
    assert again.json["error"]["details"]["outcome"] == "ok"


def test_cancelling_does_not_make_the_unknown_known(do: Callable[..., Any], fleet: Path) -> None:
    """The worktree is cleared away, and the question stays."""
    killed(fleet, "githarness.runner.run.settle", "--once", "k", "--", "true")
    run = listed(do)[0]["run"]
    assert do("runs", "cancel", run).json["status"] == "interrupted"
    again = do("run", "--agent", "deployer", "--once", "k", "--", "true")
    assert again.json["error"]["details"]["outcome"] == "unknown"
    assert do("runs", "finish", run, "--status", "failed").json["status"] == "failed"


def test_an_interrupted_run_is_found_and_resumed(do: Callable[..., Any], fleet: Path, git: Git, tmp_path: Path) -> None:
    """What it left is its own commit; its command goes on in the same worktree, as a run whose parent it is."""
    script = f"pwd >> {tmp_path}/where; test -f half.md || {{ echo x > half.md; exit 0; }}; echo y > rest.md"
    killed(fleet, "githarness.runner.run.settle", "--", "sh", "-c", script)
    assert do("runs", "health").code == 1
    first = listed(do, status="interrupted")[0]
    done = do("runs", "resume", first["run"])
    assert done.code == 0, done.err
    second = listed(do, status="ok")[0]
    assert second["parent"] == first["run"] and second["start_commit"] == first["start_commit"]
    made = git(fleet, "log", "-2", "--format=%(trailers:key=Run,valueonly,separator=%x2C) %s").splitlines()
    assert made[0].startswith(second["run"]) and made[1].startswith(first["run"]) and "before it was resumed" in made[1]
    here = (tmp_path / "where").read_text().split()
    assert here[0] == here[1] and not Path(here[0]).exists() and (fleet / "rest.md").exists()
    assert do("runs", "resume", first["run"]).code == 11


def test_a_refused_resume_leaves_the_note(do: Callable[..., Any], fleet: Path) -> None:
    """How the run was interrupted is what somebody looks for, not that it could not be resumed since."""
    killed(fleet, "githarness.runner.run.settle", "--", "true")
    assert do("runs", "health").code == 1
    run = listed(do)[0]
    shutil.rmtree(run["worktree"])
    assert do("runs", "resume", run["run"]).code == 14
    shown = do("runs", "show", run["run"]).json
    assert (shown["status"], shown["note"]) == ("interrupted", "its process is gone")


def test_a_run_with_a_runner_is_not_resumed(do: Callable[..., Any], fleet: Path, tmp_path: Path) -> None:
    """Control: it lives."""
    runner = started(fleet, "--", "sh", "-c", f"touch {tmp_path}/up; sleep 60", marker=tmp_path / "up")
    run = listed(do)[0]["run"]
    assert do("runs", "resume", run).code == 11
    assert do("runs", "cancel", run).json["status"] == "cancelled"
    runner.wait()


ESCAPES = {
    "setsid": "setsid sleep 600 & echo $! > {0}/pid",
    "double fork": "(setsid sh -c 'echo $$ > {0}/pid; exec sleep 600' &) &",
    "without its environment": "env -i setsid sh -c 'echo $$ > {0}/pid; exec sleep 600' &",
    "stopped": "setsid sh -c 'echo $$ > {0}/pid; kill -STOP $$; sleep 600' &",
}


@pytest.mark.parametrize("how", ESCAPES)
@pytest.mark.parametrize("sign", ["", "KILL", "STOP"])
def test_cancel_ends_what_escaped(do: Callable[..., Any], fleet: Path, tmp_path: Path, how: str, sign: str) -> None:
    """From another process; where the runner was killed, or stopped, too."""
    wait = f"while [ ! -s {tmp_path}/pid ]; do sleep 0.02; done; touch {tmp_path}/up; sleep 600"
    script = f"{ESCAPES[how].format(tmp_path)}\n{wait}"
    runner = started(fleet, "--", "sh", "-c", script, marker=tmp_path / "up")
    escaped, run = int((tmp_path / "pid").read_text()), listed(do)[0]["run"]
    if sign:
        os.kill(runner.pid, signal.Signals[f"SIG{sign}"])
    if sign == "KILL":
        runner.wait()
    assert not ended(escaped)
    assert do("runs", "cancel", run).json["status"] == "cancelled"
    runner.wait(120)
    assert ended(escaped)


def test_a_swarm_ends_with_its_run(do: Callable[..., Any], fleet: Path, tmp_path: Path) -> None:
    """Two hundred processes, each in a session of its own."""
    script = f"for n in $(seq 200); do setsid sleep 600 & done; touch {tmp_path}/up; wait"
    runner = started(fleet, "--", "sh", "-c", script, marker=tmp_path / "up")
    run = listed(do)[0]["run"]
    worktree = listed(do)[0]["worktree"]
    assert do("runs", "cancel", run).json["status"] == "cancelled"
    runner.wait(120)
    assert process.of_run(f"GITHARNESS_RUN={run}", Path(worktree)) == []


def test_a_runner_beats_by_itself(do: Callable[..., Any], fleet: Path, tmp_path: Path,
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """On the boot clock; a shell script says so by `runs beat`, as long as its run is open."""
    run = do("runs", "start", "--agent", "deployer").json["run"]
    first = do("runs", "beat", run).json["beat"]
    assert first and listed(do, run=run)[0]["beat"] >= first
    do("runs", "finish", run, "--status", "ok")
    assert do("runs", "beat", run).code == 11 and do("runs", "beat", "r-nope").code == 14


def test_only_its_own_or_an_operator_speaks_for_a_run(do: Callable[..., Any], fleet: Path, git: Git) -> None:
    """The run itself, with its token where it gives one, its agent, an operator; no other agent, no stranger."""
    begun = do("runs", "start", "--agent", "deployer").json
    run, token = begun["run"], {"GITHARNESS_RUN": begun["run"], "GITHARNESS_TOKEN_FILE": begun["token_file"]}
    other = do("runs", "start", "--agent", "scribe").json
    stolen = token | {"GITHARNESS_TOKEN_FILE": other["token_file"]}
    git(fleet, "config", "user.email", "eve@example.org")
    for refused, code in (({"GITHARNESS_AGENT": "scribe"}, 10), (stolen, 10), ({"GITHARNESS_RUN": other["run"]}, 14),
                          (token | {"GITHARNESS_AGENT": "scribe"}, 10), ({}, 14)):
        assert do("runs", "beat", run, **refused).code == code
        assert do("runs", "finish", run, "--status", "failed", **refused).code == code
    assert do("runs", "beat", run, **token).code == 0
    assert do("runs", "beat", run, "--agent", "deployer").code == 0
    assert do("runs", "finish", run, "--status", "ok", **token).json["status"] == "ok"
    git(fleet, "config", "--unset", "user.email")
    assert do("runs", "finish", other["run"], "--status", "ok").json["status"] == "ok"


def test_a_contributor_ends_nobodys_run(do: Callable[..., Any], cli: Cli, fleet: Path, git: Git) -> None:
    """A person of the fleet, too."""
    assert cli("human", "add", "carl", "--mail", "carl@example.org", "--role", "contributor", cwd=fleet).code == 0
    run = do("runs", "start", "--agent", "deployer").json["run"]
    git(fleet, "config", "user.email", "carl@example.org")
    assert do("runs", "finish", run, "--status", "failed").code in (10, 18)
    assert listed(do)[0]["status"] == "open"


def test_a_pulse_is_seen_from_outside(table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`githarness run` in this very process, with a pulse that is quicker than the shipped one."""
    from githarness.runner import run
    from githarness.runner.settle import Stage

    monkeypatch.setattr(guard, "BEAT", 0.05)
    parts = table.harness.parts
    stage = Stage(parts, table.harness.settings, table.harness.local)
    beats = tmp_path / "beats"
    path = table.harness.db.path
    look = f"import sqlite3; print(*sqlite3.connect('{path}').execute('SELECT beat FROM runs').fetchone())"
    script = f'sleep 0.3; {sys.executable} -c "{look}" > {beats}'
    began = table.clock.booted
    ticking = threading.Timer(0.1, lambda: table.clock.passes(7.0))
    ticking.start()
    run.attempt(stage, run.Order("deployer", ["sh", "-c", script]), table.harness.head(), [])
    assert float(beats.read_text()) == began + 7.0


def test_a_reboot_interrupts_what_was_open(table: Table, reboot: Reboot) -> None:
    """Whatever process has its number now; sessions, which never say that they end, go on."""
    parts = table.harness.parts
    row = runs.start(parts, "deployer", head=table.harness.head(), runner=runs.Runner(os.getpid(), ["x"]))
    table.ask(state.SetAsk("k", "1"), run="r-session-0")
    assert guard.watch(parts) == [] and not guard.is_gone(row)
    reboot("b2")
    guard.watch(parts)
    with table.harness.db.read() as conn:
        there = rows.get(conn, row.id)
        assert there and (there.status, there.note) == ("interrupted", "the machine has started anew")
        assert [one.status for one in rows.list(conn, status="open")] == ["open"]


def test_tail_follows_a_run_to_its_end(do: Callable[..., Any], fleet: Path, tmp_path: Path) -> None:
    """JSON Lines: from its start over what it reads and reports to how it ended."""
    run = do("runs", "start", "--agent", "deployer").json["run"]
    tail = subprocess.Popen([sys.executable, "-m", "githarness", "--json", "runs", "tail", run], cwd=fleet,
                            stdout=subprocess.PIPE, text=True)
    assert tail.stdout and json.loads(tail.stdout.readline())["what"] == "start"
    do("read", "runbooks/release.md", "--agent", "deployer", "--run", run)
    assert json.loads(tail.stdout.readline())["kind"] == "read"
    do("journal", "add", "--run", run, "--kind", "transcript", stdin="you: deploy\nme: done\n")
    assert json.loads(tail.stdout.readline())["kind"] == "transcript"
    do("runs", "finish", run, "--status", "ok")
    assert [json.loads(line)["what"] for line in tail.stdout] == ["ok"] and tail.wait(120) == 0


def test_tail_of_a_run_that_nobody_runs_ends(do: Callable[..., Any], fleet: Path) -> None:
    """It says that it was interrupted."""
    killed(fleet, "githarness.runner.run.settle", "--", "true")
    done = do("runs", "tail", listed(do)[0]["run"])
    assert json.loads(done.out.splitlines()[-1])["what"] == "interrupted"


def test_a_transcript_may_be_long(table: Table) -> None:
    """Up to a megabyte, where the body of another event is cut at 64 KiB; secrets are taken out."""
    parts = table.harness.parts
    for kind, kept in (("transcript", True), ("note", False)):
        text = "word " * 40_000 + "ghp_" + "aB3xK9mQ2v" * 4
        event = journal.add(parts, journal.Entry("deployer", "r-1", kind, {"text": text[:200_040]}))
        with parts.db.read() as conn:
            body = conn.execute("SELECT body FROM events WHERE id = ?", (event,)).fetchone()[0]
        assert (len(body) > 150_000) is kept and "ghp_" not in body


def test_context_names_what_was_read_and_what_has_changed(do: Callable[..., Any], fleet: Path) -> None:
    """By whom, in which commit; what the run itself wrote since is no drift."""
    path = "runbooks/release.md"
    run = do("runs", "start", "--agent", "deployer").json["run"]
    blob = do("read", path, "--agent", "deployer", "--run", run).json["blob"]
    seen = do("runs", "show", run, "--context").json
    assert [(one["path"], one["blob"]) for one in seen["read"]] == [(path, blob)] and seen["drift"] == []
    do("write", path, "--agent", "deployer", "--run", run, stdin="mine\n")
    assert do("runs", "show", run, "--context").json["drift"] == []
    do("runs", "finish", run, "--status", "ok")
    do("read", path, "--agent", "scribe")
    commit = do("write", path, "--agent", "scribe", stdin="theirs\n").json["commit"]
    drift = do("runs", "show", run, "--context").json["drift"]
    assert [(one["read"], one["commit"], one["agent"]) for one in drift] == [(blob, commit, "scribe")]


def test_a_block_is_a_run(fleet: Path, git: Git) -> None:
    """It writes as its run, with the token that proves it, and ends as the block does."""
    with githarness.open(fleet) as h:
        with h.run("deployer") as me:
            me.write("note.md", "x\n", base="absent")
        with pytest.raises(ZeroDivisionError), h.run("deployer"):
            raise ZeroDivisionError("no\nluck")
        with pytest.raises(KeyboardInterrupt), h.run("deployer"):
            raise KeyboardInterrupt
        with h._harness.db.read() as conn:
            found = {row.status: row for row in rows.list(conn)}
    assert found.keys() == {"ok", "failed", "cancelled"} and found["failed"].note == "ZeroDivisionError: no\nluck"
    shown = git(fleet, "log", "-1", "--format=%(trailers:key=Run,valueonly)%(trailers:key=Tier,valueonly)")
    assert shown.split() == [found["ok"].id, "T1"]


def test_a_block_may_be_done_once_and_stops_with_its_agent(fleet: Path) -> None:
    """The errors of the commands; five blocks that fail in a row pause the agent."""
    with githarness.open(fleet) as h:
        with h.run("scribe", once="k"):
            pass
        with pytest.raises(Conflict), h.run("scribe", once="k"):
            pass
        for _ in range(5):
            with pytest.raises(ZeroDivisionError), h.run("deployer"):
                raise ZeroDivisionError
        with pytest.raises(Paused), h.run("deployer"):
            pass
        with pytest.raises(Paused):
            h.agent("deployer").append("journal", "x\n")


def test_the_runs_of_others_cannot_be_taken_over(table: Table) -> None:
    """A run that is open, or has ended, is nobody's to adopt."""
    parts = table.harness.parts
    row = runs.start(parts, "deployer", head=table.harness.head(), runner=runs.Runner(os.getpid(), ["x"]))
    with pytest.raises(Conflict):
        runs.adopt(parts, row)
    with pytest.raises(Conflict):
        runs.adopt(parts, runs.finish(parts, row.id, "ok"))
    with pytest.raises(Denied):
        table.ask(state.SetAsk("k", "1"), run=row.id)
