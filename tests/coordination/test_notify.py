"""What operators are told: each cause once an hour, in a channel and by a command, and never at the cost of a write."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from githarness import clock, flock, settings
from githarness.errors import Denied, Integrity, Locked
from githarness.runner import tell
from githarness.settings import Notify
from githarness.store import channels, db, events, stops
from githarness.store.rows import EventRow
from githarness.work import notify, runs
from githarness.work.asks import Ask, Op
from tests.conftest import Cli, run_git
from tests.coordination.conftest import Table

CONFIG = ".githarness/config.toml"


def configure(cli: Cli, fleet: Path, line: str) -> None:
    text = (fleet / CONFIG).read_text() + line + "\n"
    assert cli("write", CONFIG, "--as", "olive", "--if-match", _blob(cli, fleet), cwd=fleet, stdin=text).code == 0


def _blob(cli: Cli, fleet: Path) -> str:
    blob: str = cli("--json", "read", CONFIG, "--agent", "scribe", cwd=fleet).json["blob"]
    return blob


@pytest.fixture
def told(table: Table, cli: Cli) -> Iterator[Callable[[], list[str]]]:
    """`told()`: the causes that are told now, in the channel `ops`, and by a command that works."""
    configure(cli, table.folder, 'notify = {channel = "ops", command = ["page"]}')
    yield lambda: [one.cause for one in notify.tell(table.harness.parts, lambda *_: "")]


def fail(table: Table, times: int = 5, agent: str = "deployer") -> None:
    for _ in range(times):
        table.clock.passes(1.0)
        row = runs.start(table.harness.parts, agent, head=table.harness.head())
        runs.finish(table.harness.parts, row.id, "failed")


def messages(table: Table) -> list[dict[str, Any]]:
    with table.harness.db.read() as conn:
        return [json.loads(one.body) for one in channels.after(conn, "ops", 0, [channels.ALL], (100, 1 << 20))]


def release(table: Table) -> None:
    table.clock.passes(1.0)
    with table.harness.db.write() as conn:
        stops.release(conn, ["deployer"], table.clock.now())


def test_each_pause_is_told_once(table: Table, told: Callable[[], list[str]]) -> None:
    """In the channel, for everybody who reads it; who was released and fails again is told of again, however soon."""
    assert told() == []
    fail(table)
    assert told() == ["paused:deployer"] and told() == []
    (only,) = messages(table)
    assert only["cause"] == "paused" and only["agent"] == "deployer" and "5 runs in a row" in only["text"]
    release(table)
    fail(table)
    assert told() == ["paused:deployer"] and told() == []


def test_a_pause_that_is_over_is_not_told(table: Table, told: Callable[[], list[str]]) -> None:
    """Where nobody looked before the agent was released, an old pause is no news, and does not hide the next one."""
    fail(table)
    release(table)
    assert told() == []
    fail(table)
    assert told() == ["paused:deployer"]


def test_denials_in_a_row_are_told(table: Table, told: Callable[[], list[str]]) -> None:
    """Five; a write that lands in between begins the count anew."""
    def denied(times: int) -> None:
        for number in range(times):
            table.clock.passes(2.0)
            with pytest.raises(Denied):
                table.harness.local.write(Ask("deployer", "r-1", (Op("write", f".github/{number}", b"x"),)))

    denied(4)
    table.clock.passes(2.0)
    table.harness.local.write(Ask("deployer", "r-1", (Op("append", "journal", b"x\n"),)))
    denied(4)
    assert told() == []
    denied(1)
    assert told() == ["denials:deployer"]


def test_a_grant_that_ends_is_told_once(table: Table, told: Callable[[], list[str]], cli: Cli) -> None:
    """A grant in the last hour before its end, not again the hour after."""
    for length in ("30m", "3h"):
        line = ["grant", "scribe", "--allow", "write", "--path", "x/**", "--for", length, "--why", "x"]
        assert cli(*line, cwd=table.folder).code == 0
    table.clock.wall = clock.SYSTEM.now()
    assert [one.partition(":")[0] for one in told()] == ["grant"] and told() == []
    table.clock.passes(2 * 3600.0 + 60.0)
    assert [one.partition(":")[0] for one in told()] == ["grant"]


def test_a_held_change_is_told(told: Callable[[], list[str]], cli: Cli, fleet: Path) -> None:
    """Of a capture, by its id."""
    script = "echo mine > runbooks/release.md"
    side = f"cd {fleet} && echo theirs > runbooks/release.md && git commit -qam theirs"
    done = cli("--json", "run", "--agent", "deployer", "--", "sh", "-c", f"{script}; {side}", cwd=fleet)
    assert done.code == 11
    (held,) = done.json["error"]["details"]["held"]
    assert held["id"]
    assert f"held:{held['id']}" in told() + _told_by_the_run(cli, fleet)


def _told_by_the_run(cli: Cli, fleet: Path) -> list[str]:
    read = cli("--json", "channel", "read", "ops", "--as", "olive", cwd=fleet).json["items"]
    assert " githarness to all\n" in cli("channel", "read", "ops", "--as", "olive", cwd=fleet).out
    return [f"held:{one['body']['text'].rpartition(' ')[2]}" for one in read if one["body"]["cause"] == "held"]


def test_a_rejected_credential_is_told(table: Table, told: Callable[[], list[str]]) -> None:
    """As the vault's door has recorded it."""
    safe = '{"host":"api.example.org","secret":"github/token"}'
    with table.harness.db.write() as conn:
        events.add(conn, [EventRow(clock.new_id("e", table.clock.now()), table.clock.now(), "secret", "deployer",
                                   outcome="credential-rejected", safe=safe)])
    assert told() == ["credential:github/token"]
    assert "api.example.org" in messages(table)[0]["text"]


def test_uses_that_cannot_be_recorded_are_told(table: Table, told: Callable[[], list[str]]) -> None:
    """A spool that has waited for a minute; one that is empty is none."""
    spool = table.harness.repo.home / "vault-audit.spool"
    table.clock.wall = time.time() + 3600
    spool.write_bytes(b"\0" * 64)
    assert told() == []
    spool.write_bytes(b"1234 {}\n")
    assert told() == ["audit-blocked"]


def test_what_the_database_cannot_take_is_told_by_the_command(table: Table, told: Callable[[], list[str]],
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    """That uses of secrets wait goes out while nothing can be noted; once an hour, and nothing else does."""
    told()
    fail(table)
    spool, said = table.harness.repo.home / "vault-audit.spool", list[str]()
    table.clock.wall = time.time() + 1800
    monkeypatch.setattr(db, "WAIT", 0.05)

    def page(_: object, message: bytes) -> str:
        said.append(json.loads(message)["cause"])
        return ""

    with flock.exclusive(table.harness.repo.home / "harness.lock", what="a test"):
        for line in (b"", b"1234 {}\n", b"1234 {}\n"):
            spool.write_bytes(line)
            with pytest.raises(Locked):
                notify.tell(table.harness.parts, page)
    assert said == ["audit-blocked"]


def test_a_full_channel_drops_nothing(table: Table, told: Callable[[], list[str]]) -> None:
    """The event says that nobody was told there."""
    told()
    with table.harness.db.write() as conn:
        channels.put(conn, channels.Channel("ops", 0, 0, None, 0))
    fail(table)
    assert told() == ["paused:deployer"] and messages(table) == []
    with table.harness.db.read() as conn:
        assert conn.execute("SELECT count(*) FROM events WHERE outcome = 'notify-failed'").fetchone()[0] == 1


def test_the_command_gets_the_message(cli: Cli, fleet: Path, tmp_path: Path) -> None:
    """As JSON on its stdin, without a shell, and without the run's token."""
    script = tmp_path / "page"
    script.write_text(f"#!/bin/sh\ncat >> {tmp_path}/said; echo \"$# $1 $GITHARNESS_RUN\" >> {tmp_path}/args\n")
    script.chmod(0o755)
    configure(cli, fleet, f'notify = {{command = ["{script}", "$(id) ; x"]}}')
    cli("agent", "guard", "deployer", "--failures", "1", cwd=fleet)
    assert cli("run", "--agent", "deployer", "--", "false", cwd=fleet).code == 1
    said = json.loads((tmp_path / "said").read_text())
    assert said["cause"] == "paused" and (tmp_path / "args").read_text() == "1 $(id) ; x \n"


def test_a_command_that_fails_is_an_event(cli: Cli, fleet: Path) -> None:
    """The run has ended as it has."""
    configure(cli, fleet, 'notify = {command = ["/nonesuch/page"]}')
    cli("agent", "guard", "deployer", "--failures", "1", cwd=fleet)
    assert cli("run", "--agent", "deployer", "--", "false", cwd=fleet).code == 1
    found = cli("--json", "audit", "log", "--outcome", "notify-failed", cwd=fleet).json["items"]
    assert len(found) == 1 and "/nonesuch/page" in found[0]["why"]


def test_a_command_has_a_few_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it started ends with it."""
    monkeypatch.setattr(tell, "TIMEOUT", 2.0)
    environ = dict(settings.load().environ)
    slow = ["sh", "-c", "sleep 600 & echo $! > pid; wait"]
    why = tell.tell(slow, b"x" * (1 << 20), directory=tmp_path, environ=environ)
    assert "took longer" in why
    sleeping = Path("/proc", (tmp_path / "pid").read_text().strip(), "cwd")
    for _ in range(500):
        time.sleep(0.01 if sleeping.exists() else 0)
    assert not sleeping.exists()
    assert tell.tell(["sh", "-c", "cat > all"], b"x" * (1 << 20), directory=tmp_path, environ=environ) == ""
    assert (tmp_path / "all").stat().st_size == 1 << 20


@pytest.mark.parametrize("set_up", [True, False])
def test_a_clone_that_nobody_set_up_runs_nothing(cli: Cli, fleet: Path, tmp_path: Path, set_up: bool) -> None:
    """Who reads a repository does not run what it names."""
    configure(cli, fleet, f'notify = {{command = ["touch", "{tmp_path}/ran"]}}')
    cli("agent", "guard", "deployer", "--failures", "1", cwd=fleet)
    if not set_up:
        run_git(fleet, "config", "--unset", "githarness.branch")
    assert cli("run", "--agent", "deployer", "--", "false", cwd=fleet).code == 1
    assert (tmp_path / "ran").exists() is set_up


@pytest.mark.parametrize(("line", "good"), [
    ('{channel = "ops"}', True), ('{command = ["page", "-x"]}', True), ('{channel = "a/b", command = ["p"]}', True),
    ("{}", False), ('{channel = ""}', False), ('{channel = "../x"}', False), ('{command = "page"}', False),
    ("{command = []}", False), ('{mail = "x"}', False), ('"ops"', False)])
def test_what_the_setting_takes(line: str, good: bool) -> None:
    """Anything else, and config.toml does not load."""
    data = f'version = 1\nfleet = "a"\nbranch = "main"\nnotify = {line}\n'.encode()
    if good:
        assert isinstance(settings.parse_config(data).notify, Notify)
        return
    with pytest.raises(Integrity, match="notify"):
        settings.parse_config(data)
