"""The tables of `harness.db`, as a numbered list of migrations; migration N turns a file of version N-1 into version N.

File header: `application_id` says that the file is ours, `user_version` which version it has; both change in the
transaction of the migration, which also adds its row to `migrations`. Truth that git does not have: events,
open_intents, bases, runs. Derived from git and disposable: commits, paths, changes, chains, operations. There
object ids are 20 bytes, lists of them are concatenated, modes are the digits of git's mode as an integer, and paths
are interned as raw bytes.
"""

from __future__ import annotations

APPLICATION_ID = 0x67686172  # "ghar"

_VERSION_1 = (
    "CREATE TABLE migrations (version INTEGER PRIMARY KEY, applied REAL NOT NULL)",
    """CREATE TABLE events (
        seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, time REAL NOT NULL, kind TEXT NOT NULL, agent TEXT,
        human TEXT, run TEXT, operation TEXT, commit_oid TEXT, intent TEXT, outcome TEXT, body TEXT NOT NULL)""",
    """CREATE TRIGGER events_stay BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END""",
    """CREATE TRIGGER events_hold BEFORE UPDATE OF
        seq, id, time, kind, agent, human, run, operation, commit_oid, intent, outcome ON events
        BEGIN SELECT RAISE(ABORT, 'events are never changed'); END""",
    "CREATE TABLE open_intents (id TEXT PRIMARY KEY) WITHOUT ROWID",
    """CREATE TABLE operations (
        agent TEXT, key TEXT, commit_oid TEXT NOT NULL, answer TEXT NOT NULL,
        PRIMARY KEY (agent, key)) WITHOUT ROWID""",
    "CREATE TABLE bases (run TEXT, path BLOB, blob TEXT NOT NULL, PRIMARY KEY (run, path)) WITHOUT ROWID",
    """CREATE TABLE runs (
        id TEXT PRIMARY KEY, agent TEXT NOT NULL, started REAL NOT NULL, parent TEXT, chain TEXT NOT NULL,
        status TEXT NOT NULL, finished REAL, tier TEXT NOT NULL, start_commit TEXT, worktree TEXT, pid INTEGER,
        pid_start INTEGER, command TEXT NOT NULL, note TEXT NOT NULL, token_hash TEXT)""",
    "CREATE INDEX runs_agent ON runs (agent, started)",
    """CREATE TABLE commits (
        seq INTEGER PRIMARY KEY, oid BLOB NOT NULL UNIQUE, parents BLOB NOT NULL, main INTEGER NOT NULL,
        time INTEGER NOT NULL, author TEXT NOT NULL, subject TEXT NOT NULL, agent TEXT, human TEXT, run TEXT,
        chain TEXT, operation TEXT, decision TEXT, signed INTEGER NOT NULL, rolls_back BLOB, renames TEXT)""",
    "CREATE INDEX commits_time ON commits (time)",
    "CREATE INDEX commits_agent ON commits (agent) WHERE agent IS NOT NULL",
    "CREATE INDEX commits_run ON commits (run) WHERE run IS NOT NULL",
    "CREATE INDEX commits_rolls_back ON commits (seq) WHERE rolls_back IS NOT NULL",
    "CREATE TABLE chains (agent TEXT, seq INTEGER, PRIMARY KEY (agent, seq)) WITHOUT ROWID",
    "CREATE TABLE paths (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE)",
    """CREATE TABLE changes (
        seq INTEGER, path INTEGER, old_mode INTEGER, old_oid BLOB, new_mode INTEGER, new_oid BLOB,
        PRIMARY KEY (seq, path)) WITHOUT ROWID""",
    "CREATE INDEX changes_path ON changes (path, seq)",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_VERSION_1,)
VERSION = len(MIGRATIONS)
