"""Backups: one file as of one moment, refused where it does not belong, and nothing that only grows goes backwards."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from githarness import clock
from githarness.errors import Conflict, Integrity, LeaseLost, NotFound, Unavailable
from githarness.store import fences, stops
from githarness.store import state as entries
from githarness.store.stops import Stop
from githarness.vault import marks
from githarness.work import backup, channels, state, state_undo, tasks
from githarness.work.backup import Restored
from githarness.work.rollback import Report, Selection
from tests.conftest import Cli
from tests.coordination.conftest import Table


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "fleet.backup"


def save(table: Table, file: Path) -> backup.Manifest:
    return backup.backup_to(table.harness.parts, table.harness.settings, file)


def put_back(table: Table, file: Path, **how: bool) -> Restored:
    human, _ = table.harness.human("olive")
    return backup.restore(table.harness.parts, table.harness.settings, file, human=human, **how)


def test_everything_comes_back(table: Table, file: Path) -> None:
    """State, channels, tasks; claims and leases are free; the integrity of the file is SQLite's own."""
    table.set("k", '{"a":1}')
    table.ask(channels.PublishAsk("ops", '"hello"'))
    task = table.ask(tasks.AddAsk("build"))["task"]
    table.ask(tasks.ClaimAsk())
    lease = table.acquire()
    save(table, file)
    table.set("k", "2")
    assert put_back(table, file, force=True).lost > 0
    assert table.value("k") == {"a": 1}
    assert [one["body"] for one in table.ask(channels.ReadAsk("ops"), "scribe")["items"]] == ["hello"]
    assert table.ask(tasks.ClaimAsk(), "scribe")["task"] == task
    with pytest.raises(LeaseLost):
        table.renew(lease)
    with table.harness.db.read() as conn:
        assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_tokens_are_greater_than_all_before(table: Table, file: Path) -> None:
    """Also than those that were given after the backup, where the database that knew of them is gone."""
    table.acquire()
    manifest = save(table, file)
    with table.harness.db.write() as conn:
        fences.raise_to(conn, manifest.reserved + 5_000_000_000)
    last = table.acquire("other")["token"]
    table.clock.passes(3600)
    put_back(table, file, force=True)
    assert table.acquire("other")["token"] > last > manifest.reserved


@pytest.mark.parametrize("lost", [False, True])
def test_no_version_names_two_values(table: Table, file: Path, lost: bool) -> None:
    """Who noted a version from after the backup is refused, be the key old or new, the database here or lost."""
    table.set("old", '"saved"')
    save(table, file)
    noted = {"old": table.set("old", '"gone"'), "new": table.set("new", '"gone"')}
    if lost:
        for name in ("", "-wal", "-shm"):
            (table.harness.repo.home / f"harness.db{name}").rename(file.with_name(f"gone{name}"))
        table = Table(table.folder)
    table.clock.passes(60)
    put_back(table, file, force=True)
    assert table.value("old") == "saved" and table.value("old", at="1") == "saved"
    with pytest.raises(NotFound, match="no longer kept"):
        table.value("old", at=clock.rfc3339(table.clock.wall - 30))
    for key, version in noted.items():
        assert table.set(key, '"after"') > 1_000_000_000
        with pytest.raises(Conflict):
            table.set(key, if_version=version)
    assert [one["value"] for one in table.ask(state.HistoryAsk("old"))["items"]] == ["after", "saved", "saved"]
    done = state_undo.attempt(table.harness, table.caller("olive"), Selection("deployer", since=table.clock.wall - 1),
                              commits=lambda _: Report(None, (), (), (), ()), dry_run=False, stop=True)
    assert len(done.paths) == 2 and table.value("old") == "saved"


@pytest.mark.parametrize("saved", [[("k", '"saved"')], []])
def test_a_watcher_sees_what_was_put_back(table: Table, file: Path, saved: list[tuple[str, str]]) -> None:
    """What it notes as seen is below everything that comes after the restore."""
    for key, value in saved:
        table.set(key, value)
    save(table, file)
    table.set("k", '"gone"')
    with table.harness.db.read() as conn:
        mark = entries.last(conn)
    put_back(table, file, force=True)
    table.set("new")
    with table.harness.db.read() as conn:
        assert [(one.key, one.value) for one in entries.since(conn, mark, "")] == [*saved, ("new", "1")]


def test_a_cursor_from_after_the_backup_skips_nothing(table: Table, file: Path) -> None:
    """Neither where it is kept elsewhere nor acknowledged, in a channel that was saved and in one that was not."""
    def publish(name: str, body: str) -> int:
        return int(table.ask(channels.PublishAsk(name, f'"{body}"'))["cursor"])

    def bodies(name: str, after: int | None = None) -> list[object]:
        return [one["body"] for one in table.ask(channels.ReadAsk(name, after), "scribe")["items"]]

    publish("ops", "done with")
    publish("ops", "waits")
    table.ask(channels.AckAsk("ops", 1), "scribe")
    save(table, file)
    noted = {name: [publish(name, "gone") for _ in range(3)][-1] for name in ("ops", "new")}
    put_back(table, file, force=True)
    assert bodies("ops") == ["waits"] and table.ask(channels.ReadAsk("ops"), "scribe")["missed"] == 0
    for name, cursor in noted.items():
        assert publish(name, "after") > cursor + 1_000_000_000
        table.ask(channels.AckAsk(name, cursor), "scribe")
        assert bodies(name)[-1] == "after" and bodies(name, cursor)[-1] == "after"
    shown = table.ask(channels.ShowAsk("ops"))
    assert [one["behind"] for one in shown["subscribers"]] == [2]


def test_without_the_database_tokens_jump_by_the_time_that_went_by(table: Table, file: Path) -> None:
    """By more than could have been given."""
    manifest = save(table, file)
    for name in ("", "-wal", "-shm"):
        (table.harness.repo.home / f"harness.db{name}").rename(file.with_name(f"gone{name}"))
    fresh = Table(table.folder)
    fresh.clock.passes(100_000)
    put_back(fresh, file, force=True)
    assert fresh.acquire()["token"] > manifest.reserved + 100_000 * 10_000
    fresh.harness.close()


def test_what_is_newer_here_is_not_lost_unasked(table: Table, file: Path) -> None:
    """A refusal, and a dry run, change nothing."""
    table.set("k", "1")
    save(table, file)
    table.set("k", "2")
    with pytest.raises(Conflict) as caught:
        put_back(table, file)
    put_back(table, file, force=True, dry_run=True)
    assert caught.value.details["events"] == 1 and table.value("k") == 2


def spoiled(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("at", [0, 18, 30, 2000, -1, -5000])
def test_a_damaged_file_is_refused(table: Table, file: Path, at: int) -> None:
    """Wherever the bit is, and wherever it was cut."""
    save(table, file)
    spoiled(file, at)
    with pytest.raises((Integrity, Unavailable)):
        put_back(table, file, force=True)
    spoiled(file, at)
    os.truncate(file, file.stat().st_size - 1)
    with pytest.raises(Integrity):
        put_back(table, file, force=True)


def test_a_file_of_the_future_is_refused_by_name(table: Table, file: Path) -> None:
    """Neither is one that is not there, or no backup, taken for one."""
    save(table, file)
    file.write_bytes(file.read_bytes().replace(b"backup 1\n", b"backup 2\n", 1))
    with pytest.raises(Unavailable, match="newer"):
        put_back(table, file)
    file.write_bytes(b"something else")
    with pytest.raises(Integrity, match="not a backup"):
        put_back(table, file)
    with pytest.raises(NotFound):
        put_back(table, file.with_name("none"))


def test_another_repository_is_refused(table: Table, file: Path, cli: Cli) -> None:
    """Also one that has the same fleet's name: it began with another commit."""
    other = file.with_name("fleet-two")
    cli("init", other, "--fleet", "fleet", "--owner", "Olive <olive@example.org>")
    assert cli("backup", file, cwd=other).code == 0
    with pytest.raises(Conflict, match="not of this one"):
        put_back(table, file, force=True)


def test_stopped_agents_stay_stopped(table: Table, file: Path) -> None:
    """A stop that came after the backup is not undone by it."""
    save(table, file)
    with table.harness.db.write() as conn:
        stops.put(conn, [Stop("scribe", 1.0, "human:olive", "why")])
    put_back(table, file, force=True)
    with table.harness.db.read() as conn:
        assert list(stops.in_force(conn)) == ["scribe"]


def test_the_file_is_ours_alone_and_whole(table: Table, file: Path) -> None:
    """Where it cannot be written, what was there stays, and nothing is left beside it."""
    save(table, file)
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Unavailable):
        save(table, file / "below")
    assert [one.name for one in file.parent.iterdir() if "backup" in one.name] == [file.name]
    assert not list(table.harness.repo.home.glob("backup-*"))


WRITER = """\
import sys
from pathlib import Path
from githarness import settings, wiring
from githarness.work import state
from githarness.work.coordination import Caller
harness = wiring.open(Path(sys.argv[1]), settings.load())
print("ready", flush=True)
n = 0
while True:
    for key in ("a", "b"):
        harness.combined.ask(Caller("deployer", None, "r-w"), state.SetAsk(key, str(n)))
    n += 1
"""


def test_a_backup_is_of_one_moment(table: Table, file: Path) -> None:
    """While an agent writes two entries in turn, a copy never has the later one ahead; it goes on after a restore."""
    command = [sys.executable, "-c", WRITER, str(table.folder)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert writer.stdout and writer.stdout.readline() == "ready\n"
    try:
        for _ in range(5):
            save(table, file)
            image = file.with_suffix(".db")
            backup.read(file, image)
            copy = shutil.copy(image, file.with_suffix(".copy"))
            a, b = counted(Path(copy))
            assert a - b in (0, 1)
        put_back(table, file, force=True)
        before = counted(table.harness.repo.home / "harness.db")
        while counted(table.harness.repo.home / "harness.db") == before:
            assert writer.poll() is None
    finally:
        writer.kill()
        writer.communicate()


def counted(path: Path) -> tuple[int, int]:
    conn = sqlite3.connect(path)
    found = dict(conn.execute("SELECT key, max(version) FROM state GROUP BY key"))
    conn.close()
    return found.get("a", 0), found.get("b", 0)


def test_the_log_says_what_was_put_back(fleet: Path, cli: Cli, file: Path) -> None:
    """Verify is content and tells it; an owner's restore enrols the new log; the sealed old one stays in git."""
    def run(*args: str | Path, **more: Any) -> Any:
        done = cli("--json", *args, cwd=fleet, **more)
        assert done.code == 0, done.err
        return done.json

    run("state", "set", "k", "--as", "olive", stdin="1")
    old = run("backup", file)["log"]
    run("state", "set", "k", "--as", "olive", stdin="2")
    run("audit", "seal")
    done = run("restore-backup", file, "--force")
    assert done["enrolled"] and done["log"] != old
    verdict = run("audit", "verify")
    assert verdict["faults"] == [] and any(old in one for one in verdict["notes"])
    assert run("audit", "seal")["log"] == done["log"]
    assert run("state", "get", "k", "--as", "olive")["value"] == 1


def test_a_clone_that_lost_its_set_up_is_told_so(fleet: Path, cli: Cli, file: Path) -> None:
    """The record of `init` is in no backup; without it notify runs no command, which nobody would notice."""
    assert cli("backup", file, cwd=fleet).code == 0
    told = cli("restore-backup", file, cwd=fleet)
    assert "not set up" not in told.err and "the audit log goes on as a new one\n" in told.err
    assert "later" not in told.out  # nothing is lost, and nothing is said of it
    shutil.rmtree(fleet / ".git" / "githarness")
    assert "not set up" in cli("restore-backup", file, "--force", cwd=fleet).err


def test_marks_of_secrets_only_grow(fleet: Path, cli: Cli, file: Path, table: Table) -> None:
    """A restore brings back marks that are gone, and takes none back that went on since."""
    def run(*args: str | Path, **more: str) -> None:
        done = cli(*args, cwd=fleet, **more)
        assert done.code == 0, done.err

    run("vault", "init", "--keyfile", file.with_name("keyfile"))
    run("vault", "set", "db", stdin="the first value")
    run("backup", file)
    run("vault", "set", "db", stdin="the second value")
    kept = next((table.harness.settings.data_dir / "vault").glob("*/marks"))
    run("restore-backup", file, "--force")
    assert marks.load(kept.parent)["db"].version == 2
    kept.unlink()
    run("restore-backup", file, "--force")
    assert marks.load(kept.parent)["db"].version == 1
