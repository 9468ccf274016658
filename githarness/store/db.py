"""`harness.db` beside git: one SQLite file in WAL mode, one connection per thread, none across a fork.

Writers queue on a flock before BEGIN IMMEDIATE: SQLite's own lock polls and starves, and checkpoints stay alone with
the writer that runs them (docs/adr/0003). Readers take no lock; each sees the snapshot of its first statement. Nothing
here may open and close harness.db beside SQLite: closing any descriptor drops the POSIX locks of the whole process.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from githarness import flock
from githarness.clock import Clock
from githarness.errors import HarnessError, Integrity, Internal, Unavailable, Usage
from githarness.store import schema
from githarness.store.faults import mapped

Connection = sqlite3.Connection

WAIT = 5.0  # seconds that a writer waits for its turn
_TRY = 50  # milliseconds that a flush keeps others waiting for readers
LONG_WAL = 8 << 20  # bytes; from here on a busy connection checkpoints every BETWEEN commits
BETWEEN = 128  # a log that is written over in place is cheaper to sync than one that grows anew
HUGE_WAL = 4 * LONG_WAL  # short-lived processes never reach BETWEEN: the one that meets this cuts the log
_FORKED: list[object] = []  # a parent's connections: closing them here would touch the parent's locks


class _Handle:
    """What one thread of one process has open."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self.pid = os.getpid()
        self.durable = True  # what `synchronous` is set to
        self.commits = 0


class Database:
    def __init__(self, home: Path, clock: Clock) -> None:
        """Opens or makes the database. Raises Integrity, Unavailable or Locked."""
        self.home = home
        self.path = home / "harness.db"
        self._wal, self._lock = f"{self.path}-wal", home / "harness.lock"
        self._clock = clock
        self._local = threading.local()
        self._handle()

    @contextlib.contextmanager
    def write(self, *, durable: bool | Callable[[], bool] = True, wait: float | None = None) -> Iterator[Connection]:
        """One transaction, all or nothing; on disk when it returns if `durable`, else with the next durable one.

        `durable` may be a question that is asked once its turn has come; `wait`: seconds for that turn, WAIT where none
        are given. Raises flock.Held where it did not come.
        """
        handle = self._handle()
        if handle.conn.in_transaction:
            raise Internal("a write transaction was started inside another transaction")
        with self.turn(wait):
            self._begin(handle, durable=durable if isinstance(durable, bool) else durable())
            with self._ending(handle):
                yield handle.conn
            self._checkpoint(handle)

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot; inside a transaction of this thread, that transaction."""
        handle = self._handle()
        if handle.conn.in_transaction:
            yield handle.conn
            return
        handle.conn.execute("BEGIN")
        with self._ending(handle):
            yield handle.conn

    @property
    def lasts(self) -> bool:
        """Whether the transaction of this thread is on disk when it ends."""
        return self._handle().durable

    def changes(self) -> int:
        """Another number once somebody else's transaction has changed anything; not for use inside a transaction."""
        return int(self._handle().conn.execute("PRAGMA data_version").fetchone()[0])

    def flush(self) -> bool:
        """Copies SQLite's log into the file and empties it; False where a reader stood in the way all the time.

        Others have their turn between two tries: a reader may take as long as it likes.
        """
        handle = self._handle()
        until = self._clock.monotonic() + WAIT
        handle.conn.execute(f"PRAGMA busy_timeout = {_TRY}")
        try:
            while True:
                with self.turn():
                    if not handle.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                        return True
                if self._clock.monotonic() >= until:
                    return False
        finally:
            handle.conn.execute(f"PRAGMA busy_timeout = {int(WAIT * 1000)}")

    def copy(self, into: Path) -> None:
        """A new file with all that is here as of one moment, while others write. Raises Unavailable."""
        os.close(os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            self._handle().conn.execute("VACUUM INTO ?", (os.fspath(into),))
        except sqlite3.Error as error:
            raise mapped(error, self.path) from error

    def replace(self, make: Callable[[Connection], Path]) -> None:
        """Another database's content in place of this one's, in one transaction and for every process.

        `make` gives the file, in a turn in which nobody else writes. Raises what it raises, Unavailable.
        """
        handle = self._handle()
        with self.turn():
            with contextlib.closing(sqlite3.connect(make(handle.conn))) as source:
                try:
                    source.backup(handle.conn)
                except sqlite3.Error as error:
                    raise mapped(error, self.path) from error
            self._checkpoint(handle)

    def close(self) -> None:
        """Ends this thread's connection; the last one to close the file checkpoints it, hence under the lock."""
        handle: _Handle | None = self._local.__dict__.pop("handle", None)
        if handle is None or handle.pid != os.getpid():
            return
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(HarnessError):  # who holds the lock is connected: then ours is not the last
                stack.enter_context(self.turn(wait=0.0))
            handle.conn.close()

    @contextlib.contextmanager
    def turn(self, wait: float | None = None) -> Iterator[None]:
        """Alone among writers for the length of the block, with all transactions in it. Raises flock.Held."""
        if self._local.__dict__.get("turn") == os.getpid():
            yield
            return
        with flock.exclusive(self._lock, wait=WAIT if wait is None else wait, what="the database"):
            self._local.turn = os.getpid()
            try:
                yield
            finally:
                self._local.turn = 0

    def _handle(self) -> _Handle:
        handle: _Handle | None = self._local.__dict__.get("handle")
        if handle is not None and handle.pid != os.getpid():
            _FORKED.append(handle.conn)
            handle = None
        if handle is None:
            handle = self._local.handle = self._open()
        return handle

    def _open(self) -> _Handle:
        try:
            self._prepare_files()
            conn = _connect(self.path)
            try:
                self._migrate(conn)
            except BaseException:
                conn.close()
                raise
        except sqlite3.Error as error:
            raise mapped(error, self.path) from error
        except OSError as error:
            raise Unavailable(f"'{self.home}' cannot be used: {error.strerror}") from error
        return _Handle(conn)

    def _prepare_files(self) -> None:
        """The folder 0700, the file 0600; neither they nor SQLite's companions may be symbolic links."""
        self.home.mkdir(mode=0o700, exist_ok=True)
        for name in ("", "/harness.db", "/harness.db-wal", "/harness.db-shm"):
            if os.path.islink(f"{self.home}{name}"):
                raise Integrity(f"'{self.home}{name}' is a symbolic link", fix="put the real file back in its place")
        if self.home.stat().st_mode & 0o077:
            self.home.chmod(0o700)
        if not self.path.exists():
            with contextlib.suppress(FileExistsError):
                _make(self.path)

    def _migrate(self, conn: Connection) -> None:
        """Looks closer only in its turn: between two statements somebody else may make the file ours."""
        if _numbers(conn) == (schema.APPLICATION_ID, schema.VERSION):
            return
        with self.turn():
            found = _version(conn, self.path)
            conn.execute("PRAGMA journal_mode = WAL")
            for number in range(found + 1, schema.VERSION + 1):
                _apply(conn, number, self._clock.now())

    def _begin(self, handle: _Handle, *, durable: bool) -> None:
        try:
            if handle.durable != durable:
                handle.conn.execute("PRAGMA synchronous = FULL" if durable else "PRAGMA synchronous = NORMAL")
                handle.durable = durable
            handle.conn.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise mapped(error, self.path) from error

    @contextlib.contextmanager
    def _ending(self, handle: _Handle) -> Iterator[None]:
        """COMMIT, or ROLLBACK when anything was raised; SQLite's errors leave as ours."""
        try:
            yield
            if handle.pid != os.getpid():
                raise Internal("a transaction was carried across a fork")
            handle.conn.execute("COMMIT")
        except BaseException as error:
            if handle.pid == os.getpid() and handle.conn.in_transaction:
                handle.conn.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise mapped(error, self.path) from error
            if isinstance(error, UnicodeEncodeError):  # a lone surrogate, as Python has bytes of argv (PEP 383)
                raise Usage("a name or a text is not UTF-8", fix="repeat it in UTF-8") from error
            raise

    def _checkpoint(self, handle: _Handle) -> None:
        """Copies the log into the database now and then; called with the lock held. A busy reader only delays it."""
        handle.commits += 1
        with contextlib.suppress(sqlite3.OperationalError, OSError):  # the transaction is safe already: only tidying up
            if handle.commits % BETWEEN == 0 and os.stat(self._wal).st_size >= LONG_WAL:
                handle.conn.execute("PRAGMA wal_checkpoint(PASSIVE)")
            elif handle.commits < BETWEEN and os.stat(self._wal).st_size >= HUGE_WAL:
                handle.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _connect(path: Path) -> Connection:
    conn = sqlite3.connect(path, timeout=WAIT, isolation_level=None)
    for pragma in ("synchronous = FULL", "wal_autocheckpoint = 0", "secure_delete = OFF", "trusted_schema = OFF",
                   "temp_store = MEMORY", "cache_size = -16000"):
        conn.execute(f"PRAGMA {pragma}")
    return conn


def _make(path: Path) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    for folder in (path.parent, path.parent.parent):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _numbers(conn: Connection) -> tuple[int, int]:
    """Whose file it is, and of which version."""
    found = [conn.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    return int(found[0]), int(found[1])


def _version(conn: Connection, path: Path) -> int:
    """0 for an empty file. Raises Integrity for somebody else's file, Unavailable for one from the future."""
    application, version = _numbers(conn)
    if application != schema.APPLICATION_ID:
        if version or conn.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise Integrity(f"'{path}' is not a database of githarness", fix="move the file away")
        return 0
    if version > schema.VERSION:
        raise Unavailable(f"'{path}' has version {version}, newer than this githarness",
                          fix="pip install --upgrade githarness")
    return version


def _apply(conn: Connection, number: int, now: float) -> None:
    conn.execute("BEGIN IMMEDIATE")
    try:
        for statement in schema.MIGRATIONS[number - 1]:
            conn.execute(statement)
        conn.execute("INSERT INTO migrations VALUES (?, ?)", (number, now))
        conn.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        conn.execute(f"PRAGMA user_version = {number}")
        conn.execute("COMMIT")
    except BaseException:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise
