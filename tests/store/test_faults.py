"""A database that is damaged, foreign, too new, out of reach or out of space gives its named error and stays whole."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from githarness import clock
from githarness.errors import HarnessError, Integrity, Internal, Locked, Unavailable
from githarness.store import db as module
from githarness.store import events, operations, schema
from githarness.store.db import Database
from githarness.store.rows import EventRow


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A database with one operation in it, closed."""
    folder = tmp_path / "githarness"
    write(folder, "first")
    return folder


def write(home: Path, *keys: str) -> None:
    db = Database(home, clock.SYSTEM)
    for key in keys:
        with db.write() as conn:
            operations.put(conn, "bot", key, "c" * 40, "{}")
    db.close()


def keys(home: Path) -> list[str]:
    db = Database(home, clock.SYSTEM)
    with db.read() as conn:
        found = [row[0] for row in conn.execute("SELECT key FROM operations ORDER BY key")]
    db.close()
    return found


def refusal(home: Path) -> HarnessError:
    with pytest.raises(HarnessError) as caught:
        write(home, "second")
    assert caught.value.fix
    return caught.value


@pytest.mark.parametrize("name", ["", "harness.db", "harness.db-wal", "harness.lock"])
def test_symbolic_links_are_refused(store: Path, tmp_path: Path, name: str) -> None:
    """Neither the folder nor a file of the database may lead elsewhere, and what it leads to stays untouched."""
    link, elsewhere = store / name if name else store, tmp_path / "elsewhere"
    if link.exists():
        link.rename(elsewhere)
    link.symlink_to(elsewhere)
    before = elsewhere.stat().st_mtime_ns if elsewhere.exists() else None
    assert isinstance(refusal(store), Integrity | Unavailable)
    assert (elsewhere.stat().st_mtime_ns if elsewhere.exists() else None) == before


def _foreign(file: Path) -> None:
    file.unlink()
    conn = sqlite3.connect(file)
    conn.execute("CREATE TABLE theirs (x)")
    conn.close()


def _set_bytes(file: Path, offset: int, data: bytes) -> None:
    with file.open("r+b") as out:
        out.seek(offset)
        out.write(data)


@pytest.mark.parametrize("damage", [
    lambda file: file.write_bytes(b"no database at all, but long enough to be taken for one" * 100),
    _foreign,
    lambda file: _set_bytes(file, 16, b"\x03\x21"),  # page size
    lambda file: _set_bytes(file, 18, b"\x09\x09"),  # file format versions
    lambda file: os.truncate(file, file.stat().st_size // 2),
    lambda file: _set_bytes(file, 4096, os.urandom(file.stat().st_size - 4096)),
])  # fmt: skip
def test_a_damaged_or_foreign_file_is_named(store: Path, damage: Callable[[Path], None]) -> None:
    """Whatever stands in its place is neither used nor overwritten."""
    file = store / "harness.db"
    damage(file)
    before = file.read_bytes()
    error = refusal(store)
    assert isinstance(error, Integrity) and "harness.db" in error.message
    assert file.read_bytes() == before


def test_a_newer_version_is_refused_by_name(store: Path) -> None:
    """A file from the future says which version it has and how to get one that reads it."""
    conn = sqlite3.connect(store / "harness.db")
    conn.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    conn.close()
    error = refusal(store)
    assert isinstance(error, Unavailable) and f"version {schema.VERSION + 1}" in error.message and "pip" in error.fix


def test_a_log_cut_anywhere_keeps_whole_transactions(tmp_path: Path) -> None:
    """A truncated WAL loses its last transactions, never a part of one, and is no error."""
    home = tmp_path / "githarness"
    Database(home, clock.SYSTEM).close()
    db = Database(home, clock.SYSTEM)
    names = [f"{number:02}" for number in range(12)]
    for name in names:
        with db.write() as conn:
            operations.put(conn, "bot", name, "c" * 40, "{}")
            operations.put(conn, "bot", name + "twin", "c" * 40, "{}")
    size = (home / "harness.db-wal").stat().st_size
    kept: list[int] = []
    for cut in (*range(0, size, size // 23), size):
        copy = tmp_path / f"cut-{cut}"
        shutil.copytree(home, copy)
        (copy / "harness.db-shm").unlink()
        os.truncate(copy / "harness.db-wal", cut)
        kept.append(len(found := keys(copy)) // 2)
        assert found == sorted(names[:kept[-1]] + [name + "twin" for name in names[:kept[-1]]])
    assert kept == sorted(kept) and (kept[0], kept[-1]) == (0, len(names))
    db.close()


@contextmanager
def small_disk(folder: Path, *, size: str = "1m") -> Iterator[Path]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    """Writes on a full disk are refused as Unavailable; what was written before is whole, and space makes it go on."""
    with small_disk(tmp_path / "disk") as disk:
        db = Database(disk / "githarness", clock.SYSTEM)
        ballast, done = disk / "ballast", 0
        ballast.write_bytes(b"x" * 300_000)
        with pytest.raises(Unavailable) as caught:
            for number in range(1000):
                with db.write() as conn:
                    events.add(conn, [EventRow(f"e-{number}-{half}", 1.0, "read", body="x" * 9000) for half in "ab"])
                done += 1
        assert "full" in caught.value.message and caught.value.fix and done
        with db.read() as conn:
            assert conn.execute("SELECT count(*) FROM events").fetchone() == (2 * done,)
        ballast.unlink()
        with db.write() as conn:
            events.add(conn, [EventRow("e-after", 1.0, "read")])
        db.close()


def test_a_disk_that_is_full_from_the_start(tmp_path: Path) -> None:
    """Making the database on a full disk is Unavailable, and works once there is space."""
    with small_disk(tmp_path / "disk") as disk:
        ballast = disk / "ballast"
        with pytest.raises(OSError, match="No space"):
            ballast.write_bytes(b"x" * 2_000_000)
        assert isinstance(refusal(disk / "githarness"), Unavailable)
        ballast.unlink()
        write(disk / "githarness", "first")
        assert keys(disk / "githarness") == ["first"]


def test_a_read_only_disk(tmp_path: Path) -> None:
    """Nothing can be written there, and the error says so."""
    with small_disk(tmp_path / "disk") as disk:
        write(disk / "githarness", "first")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        assert isinstance(refusal(disk / "githarness"), Unavailable)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_read_only_file(store: Path) -> None:
    """A database that this user may not write is Unavailable."""
    (store / "harness.db").chmod(0o400)
    assert isinstance(refusal(store), Unavailable)


def test_a_process_without_file_descriptors(store: Path) -> None:
    """Out of descriptors (EMFILE): Unavailable, and fine again afterwards."""
    db = Database(store, clock.SYSTEM)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        with pytest.raises(Unavailable), db.write():
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    with db.write() as conn:
        operations.put(conn, "bot", "second", "c" * 40, "{}")
    db.close()
    assert keys(store) == ["first", "second"]


def test_another_program_that_locks_the_file(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's `sqlite3` shell inside a transaction: Locked, after a bounded wait."""
    monkeypatch.setattr(module, "WAIT", 0.2)
    shell = sqlite3.connect(store / "harness.db", isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    assert isinstance(refusal(store), Locked)
    shell.close()


def test_a_statement_that_breaks_a_rule(store: Path) -> None:
    """A duplicate id is a defect of ours, named as such, and rolls everything back."""
    db = Database(store, clock.SYSTEM)
    with pytest.raises(Internal), db.write() as conn:
        events.add(conn, [EventRow("e-1", 1.0, "read"), EventRow("e-1", 1.0, "read")])
    with db.read() as conn:
        assert events.find(conn, "e-1") is None
    db.close()
