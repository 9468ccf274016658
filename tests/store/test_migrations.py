"""A file of every version that was ever written opens, and a migration happens as a whole or not at all."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from githarness import clock
from githarness.errors import HarnessError, Internal
from githarness.store import audit, bases, commits, events, operations, runs, schema
from githarness.store.commits import CommitFilter
from githarness.store.db import Database
from githarness.store.rows import EventRow

OLD = (1, 2)


def old_file(home: Path, version: int = 1) -> Path:
    """The database as that version left it, with a row in every table."""
    home.mkdir(mode=0o700)
    conn = sqlite3.connect(home / "harness.db")
    conn.executescript(Path(__file__).with_name(f"version-{version}.sql").read_text())
    conn.close()
    return home


def tables(home: Path) -> list[tuple[str, ...]]:
    conn = sqlite3.connect(home / "harness.db")
    found = conn.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    conn.close()
    return [(name, " ".join(sql.split())) for name, sql in found]


@pytest.mark.parametrize("version", OLD)
def test_a_file_of_an_old_version_opens(tmp_path: Path, version: int) -> None:
    """All that version 1 could hold, and later ones still do, is found by today's code."""
    db = Database(old_file(tmp_path / "githarness", version), clock.SYSTEM)
    with db.read() as conn:
        assert [one.id for one in events.open_intents(conn)] == ["e-2"]
        assert operations.find(conn, "bot", "op-1") == ("a" * 40, '{"event":"e-1","paths":[]}')
        assert bases.get(conn, "r-1", "docs/a.md") == "b" * 40
        run = runs.get(conn, "r-1")
        assert run and run.chain == ("boss",)
        row = commits.log(conn, CommitFilter(path="docs/*", agent="boss", chain=True))[0]
        assert (row.oid, row.rolls_back, row.renames) == ("a" * 40, ("c" * 40,), (("docs/b.md", "docs/a.md"),))
    with db.write() as conn:
        runs.finish(conn, "r-1", "ok", 3.0)


@pytest.mark.parametrize("version", OLD)
def test_old_and_new_files_have_the_same_tables(tmp_path: Path, version: int) -> None:
    """A migrated file cannot be told from one that was made today."""
    for home in (old_file(tmp_path / "old", version), tmp_path / "new"):
        Database(home, clock.SYSTEM).close()
    assert tables(tmp_path / "old") == tables(tmp_path / "new")


@pytest.mark.parametrize("version", OLD)
def test_the_log_begins_after_what_was_there(tmp_path: Path, version: int) -> None:
    """Events of old versions have no digest: they are no leaves, and the next event is the first one."""
    db = Database(old_file(tmp_path / "githarness", version), clock.SYSTEM)
    with db.write() as conn:
        assert (audit.log(conn).first, audit.log(conn).size) == (4, 0)
        events.close(conn, [EventRow("e-2.o", 2.0, "outcome", intent="e-2", outcome="recovered")])
        assert [leaf.id for leaf in audit.leaves(conn, 4, 9)] == ["e-2.o"]
        assert audit.log(conn).size == 1


def test_every_file_has_a_log_of_its_own(tmp_path: Path) -> None:
    """Its id is random from the first moment on."""
    files = (Database(tmp_path / name, clock.SYSTEM) for name in "ab")
    logs = set()
    for db in files:
        with db.read() as conn:
            logs.add(audit.log(conn).id)
    assert len(logs) == 2 and all(re.fullmatch("l-[0-9a-z]{20}", log) for log in logs)


def test_a_migration_that_fails_leaves_the_old_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its statements and its record are one transaction; the file still opens with what wrote it."""
    home = old_file(tmp_path / "githarness")
    Database(home, clock.SYSTEM).close()
    before = tables(home)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("CREATE TABLE extra (x)", "CREATE TABLE runs (x)")))
        patch.setattr(schema, "VERSION", len(schema.MIGRATIONS))
        with pytest.raises(Internal):
            Database(home, clock.SYSTEM)
    assert tables(home) == before
    Database(home, clock.SYSTEM).close()


def test_each_migration_is_recorded(tmp_path: Path) -> None:
    """Version by version, with the time at which it was applied."""
    with Database(tmp_path / "githarness", clock.SYSTEM).read() as conn:
        assert [row[0] for row in conn.execute("SELECT version FROM migrations")] == list(range(1, schema.VERSION + 1))


def test_an_interrupted_creation_is_finished(tmp_path: Path) -> None:
    """A process that died after it made the empty file leaves nothing that stands in the way."""
    home = tmp_path / "githarness"
    home.mkdir()
    (home / "harness.db").touch(mode=0o600)
    try:
        Database(home, clock.SYSTEM).close()
    except HarnessError as error:
        pytest.fail(error.message)


@pytest.mark.parametrize("version", range(1, schema.VERSION))
def test_every_version_becomes_the_newest(tmp_path: Path, version: int) -> None:
    """What a file of it has is kept, and its tables are those of a file that is made today."""
    home, fresh = tmp_path / "githarness", tmp_path / "fresh"
    home.mkdir(mode=0o700)
    conn = sqlite3.connect(home / "harness.db")
    for number in range(1, version + 1):
        for statement in schema.MIGRATIONS[number - 1]:
            conn.execute(statement)
        conn.execute("INSERT INTO migrations VALUES (?, 1.0)", (number,))
    conn.execute("""INSERT INTO runs (id, agent, started, chain, status, tier, command, note)
        VALUES ('r-1', 'deployer', 1.0, '[]', 'ok', 'T0', '[]', '')""")
    conn.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    conn.execute(f"PRAGMA user_version = {version}")
    conn.commit()
    conn.close()
    db = Database(home, clock.SYSTEM)
    with db.read() as conn:
        assert (row := runs.get(conn, "r-1")) and row.agent == "deployer"
        assert [row[0] for row in conn.execute("SELECT version FROM migrations")] == [*range(1, schema.VERSION + 1)]
    db.close()
    Database(fresh, clock.SYSTEM).close()
    assert tables(home) == tables(fresh)
