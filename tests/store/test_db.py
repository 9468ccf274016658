"""One database for all processes of a repository: whole transactions, a fair turn for every writer."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from githarness import clock, flock
from githarness.errors import Internal, Locked
from githarness.store import db as module
from githarness.store import operations
from githarness.store.db import Connection, Database

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "githarness", clock.SYSTEM)
    yield database
    database.close()


def put(conn: Connection, key: str) -> None:
    operations.put(conn, "bot", key, "c" * 40, "{}")


def keys(db: Database) -> list[str]:
    with db.read() as conn:
        return [row[0] for row in conn.execute("SELECT key FROM operations ORDER BY key")]


def script(home: Path, body: str) -> subprocess.Popen[str]:
    """A process of its own that has `db` open on `home` and runs `body`."""
    head = ("import sys, time\nfrom pathlib import Path\nfrom githarness import clock\n"
            "from githarness.store import operations\nfrom githarness.store.db import Database\n"
            "db = Database(Path(sys.argv[1]), clock.SYSTEM)\n")
    return subprocess.Popen([sys.executable, "-c", head + body, str(home)], text=True, stdout=subprocess.PIPE,
                            stdin=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})


def in_child(work: Callable[[], object]) -> int:
    """The exit code of a forked child: 0 where `work` returned."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_only_the_owner_can_look_inside(tmp_path: Path) -> None:
    """The folder is 0700, also where it was wider; the files are 0600, whatever the umask."""
    home = tmp_path / "githarness"
    home.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        db = Database(home, clock.SYSTEM)
        with db.write() as conn:
            put(conn, "a")
    finally:
        os.umask(before)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in home.iterdir()} == {0o600}
    assert len(list(home.iterdir())) == 4


def test_a_transaction_is_all_or_nothing(db: Database) -> None:
    """What raised leaves nothing; what returned is there for everybody."""
    with pytest.raises(ZeroDivisionError), db.write() as conn:
        put(conn, "a")
        1 / 0  # noqa: B018
    with db.write(durable=False) as conn:
        put(conn, "b")
    assert keys(db) == keys(Database(db.home, clock.SYSTEM)) == ["b"]


def test_only_durable_transactions_are_synced(db: Database) -> None:
    """`synchronous` follows what each transaction asks for, back and forth."""
    seen = []
    for durable in (True, False, False, True):
        with db.write(durable=durable) as conn:
            seen.append(conn.execute("PRAGMA synchronous").fetchone()[0])
    assert seen == [2, 1, 1, 2]


def test_a_reader_sees_one_moment(db: Database) -> None:
    """Another connection's write does not show inside a snapshot, and does not wait for it."""
    with db.read() as conn:
        first = conn.execute("SELECT count(*) FROM operations").fetchone()
        with Database(db.home, clock.SYSTEM).write() as other:
            put(other, "a")
        assert conn.execute("SELECT count(*) FROM operations").fetchone() == first
    assert keys(db) == ["a"]


def test_transactions_do_not_nest(db: Database) -> None:
    """A read inside a transaction is part of it; a write inside one is a mistake that says so."""
    with db.write() as conn:
        put(conn, "a")
        assert keys(db) == ["a"]
        with pytest.raises(Internal), db.write():
            pass
    assert keys(db) == ["a"]


def test_each_thread_has_its_own_connection(db: Database) -> None:
    """Threads share a Database without sharing a transaction."""
    def work(number: int) -> None:
        for step in range(20):
            with db.write(durable=False) as conn:
                put(conn, f"{number}-{step}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys(db)) == 80


def test_a_forked_child_opens_its_own(db: Database) -> None:
    """No connection crosses a fork; the parent's goes on working."""
    def work() -> None:
        with db.write() as conn:
            put(conn, "child")
        db.close()

    with db.write() as conn:
        put(conn, "parent")
    assert in_child(work) == 0
    with db.write() as conn:
        put(conn, "parent again")
    assert keys(db) == ["child", "parent", "parent again"]


def test_a_transaction_never_ends_in_a_child(db: Database) -> None:
    """A child that leaves the block of its parent's transaction commits nothing and frees no lock."""
    def leave() -> None:
        with pytest.raises(Internal):
            writing.__exit__(None, None, None)
        with pytest.raises(Locked), flock.exclusive(db.home / "harness.lock", wait=0.1, what="it"):
            pass

    writing = db.write()
    put(writing.__enter__(), "a")
    assert in_child(leave) == 0
    writing.__exit__(None, None, None)
    assert keys(db) == ["a"]


def test_a_child_forked_meanwhile_does_not_keep_the_lock(db: Database) -> None:
    """A worker that is forked inside somebody's transaction and lives on leaves the turn to others."""
    with db.write():
        child = os.fork()
        if child == 0:
            time.sleep(30)
            os._exit(0)
    try:
        with db.write() as conn:
            put(conn, "a")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_killed_writer_leaves_nothing(db: Database) -> None:
    """kill -9 inside a transaction: the next writer goes ahead at once and finds none of it."""
    writer = script(db.home, "with db.write() as conn:\n    operations.put(conn, 'bot', 'dead', 'c', '{}')\n"
                             "    print('in', flush=True)\n    time.sleep(60)\n")
    assert writer.stdout and writer.stdout.readline() == "in\n"
    writer.kill()
    writer.wait()
    with db.write() as conn:
        put(conn, "alive")
    assert keys(db) == ["alive"]


@pytest.mark.parametrize("rounds", [5, pytest.param(300, marks=pytest.mark.soak)])
def test_killed_writers_leave_whole_transactions(tmp_path: Path, rounds: int) -> None:
    """Three writers that also checkpoint, killed at any moment: acknowledged pairs of rows are there, no row alone."""
    home = tmp_path / "githarness"
    body = ("from githarness.store import db as module\nmodule.LONG_WAL, module.BETWEEN = 50_000, 3\nnumber = 0\n"
            "while True:\n    key = f'{sys.argv[0]}{time.monotonic_ns()}'\n"
            "    with db.write(durable=number % 2 == 0) as conn:\n"
            "        operations.put(conn, 'one', key, 'c', 'x' * 3000)\n"
            "        operations.put(conn, 'two', key, 'c', '')\n"
            "    number += 1\n    print(key, flush=True)\n")
    acknowledged: set[str] = set()
    for turn in range(rounds):
        writers = [script(home, body.replace("sys.argv[0]", str(number))) for number in range(3)]
        assert all(writer.stdout and writer.stdout.readline() for writer in writers)
        time.sleep(0.05 + turn % 7 / 50)
        for writer in writers:
            writer.kill()
        acknowledged |= {key for writer in writers for key in writer.communicate()[0].split("\n")[:-1]}
        with Database(home, clock.SYSTEM).read() as conn:
            one, two = (
                {row[0] for row in conn.execute("SELECT key FROM operations WHERE agent = ?", (agent,))}
                for agent in ("one", "two"))
            assert one == two >= acknowledged
            assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_waiting_for_a_turn_ends(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who cannot write within the wait gets Locked, and the database is as it was."""
    monkeypatch.setattr(module, "WAIT", 0.2)
    other = Database(db.home, clock.SYSTEM)
    with db.write() as conn:
        put(conn, "a")
        with pytest.raises(Locked), other.write():
            pass
    with other.write() as conn:
        put(conn, "b")
    assert keys(db) == ["a", "b"]


def test_writers_get_a_fair_share(tmp_path: Path) -> None:
    """No one of eight processes that write as fast as they can is starved: unordered, one did 1 while one did 15,101.

    A tenth of the fastest one's share is far from both; how even the shares are depends on the machine.
    """
    home = tmp_path / "githarness"
    Database(home, clock.SYSTEM).close()
    body = ("import os\nprint('ready', flush=True)\nsys.stdin.readline()\nend = time.monotonic() + 1.5\ndone = 0\n"
            "while time.monotonic() < end:\n    with db.write(durable=False) as conn:\n"
            "        operations.put(conn, str(os.getpid()), str(done), 'c', '{}')\n    done += 1\nprint(done)\n")
    writers = [script(home, body) for _ in range(8)]
    assert all(writer.stdout and writer.stdout.readline() for writer in writers)
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    done = [int(writer.communicate()[0]) for writer in writers]
    assert min(done) >= max(done) / 10, done
    assert len(keys(Database(home, clock.SYSTEM))) == sum(done)


def test_who_comes_first_may_be_overtaken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process makes the database while this one looks what the file is: no stranger's file for that."""
    connect, others = module._connect, []

    def overtake(statement: str) -> None:
        if "sqlite_master" in statement and not others:
            others.append(script(tmp_path / "githarness", ""))
            with contextlib.suppress(subprocess.TimeoutExpired):
                others[0].wait(1)

    def watched(path: Path) -> Connection:
        conn = connect(path)
        conn.set_trace_callback(overtake)
        return conn

    monkeypatch.setattr(module, "_connect", watched)
    assert keys(Database(tmp_path / "githarness", clock.SYSTEM)) == []
    assert [other.wait() for other in others] == [0]


def test_opening_at_once_makes_one_database(tmp_path: Path) -> None:
    """Nineteen processes that are the first to come all find a working database."""
    body = "with db.write() as conn:\n    operations.put(conn, 'bot', sys.argv[1] + str(id(db)), 'c', '{}')\n"
    openers = [script(tmp_path / "githarness", body.replace("id(db)", str(number))) for number in range(19)]
    assert [opener.wait() for opener in openers] == [0] * 19
    assert len(keys(Database(tmp_path / "githarness", clock.SYSTEM))) == 19


@pytest.mark.parametrize(("between", "huge"), [(4, 1 << 40), (1 << 40, 200_000)])
def test_the_log_does_not_grow_without_end(
    db: Database, monkeypatch: pytest.MonkeyPatch, between: int, huge: int
) -> None:
    """A busy connection writes its log over in place; one that finds it huge cuts it. Nothing is lost by either."""
    monkeypatch.setattr(module, "LONG_WAL", 100_000)
    monkeypatch.setattr(module, "BETWEEN", between)
    monkeypatch.setattr(module, "HUGE_WAL", huge)
    for number in range(100):
        with db.write(durable=False) as conn:
            put(conn, f"{number:03}")
            conn.execute("INSERT INTO bases VALUES ('r', ?, ?)", (str(number), "x" * 20_000))
    assert (db.home / "harness.db-wal").stat().st_size < 600_000
    assert len(keys(db)) == 100


def test_no_connection_checkpoints_by_itself(db: Database) -> None:
    """Checkpoints are ours alone, because SQLite's may meet another writer (docs/adr/0003)."""
    with db.read() as conn:
        assert conn.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
        assert conn.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_last_one_to_close_tidies_up(db: Database) -> None:
    """The log is copied back, so that the database is one file again; who is not the last waits for no writer."""
    with db.write() as conn:
        put(conn, "a")
    with flock.exclusive(db.home / "harness.lock", what="it"):
        assert script(db.home, "db.close()\n").wait(30) == 0
    db.close()
    assert sorted(file.name for file in db.home.iterdir()) == ["harness.db", "harness.lock"]
