"""The tables of `harness.db`, as a numbered list of migrations; migration N turns a file of version N-1 into version N.

File header: `application_id` says that the file is ours, `user_version` which version it has; both change in the
transaction of the migration, which also adds its row to `migrations`. Truth that git does not have: events,
open_intents, audit, audit_holds, bases, runs, stops, ends, exposures, state, fences, leases, lease_waits, channels,
messages, cursors, tasks, needs, notices, floors. Derived from git and disposable: commits, paths,
changes, chains, operations, registry, artifacts, bands, verdicts, and the tables of words, which `store/search.py`
makes as far as SQLite is able to. There object ids are 20 bytes, lists of them are concatenated, modes are the digits
of git's mode as an integer, and paths are raw bytes, interned where commits name them.
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

_VERSION_2 = (
    "CREATE TABLE registry (id INTEGER PRIMARY KEY CHECK (id = 1), head BLOB, globs TEXT, form TEXT, judged BLOB)",
    "INSERT INTO registry (id) VALUES (1)",
    """CREATE TABLE artifacts (
        id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, blob BLOB, indexed BLOB, name TEXT,
        folded TEXT, title TEXT, description TEXT, tags TEXT, start INTEGER, sketch BLOB)""",
    "CREATE INDEX artifacts_stale ON artifacts (id) WHERE blob IS NOT indexed",
    "CREATE INDEX artifacts_folded ON artifacts (folded) WHERE kind = 'skill'",
    "CREATE TABLE bands (artifact INTEGER, band INTEGER, PRIMARY KEY (artifact, band)) WITHOUT ROWID",
    "CREATE INDEX bands_band ON bands (band)",
    """CREATE TABLE verdicts (
        path INTEGER, seq INTEGER, score REAL NOT NULL, errors INTEGER NOT NULL, warnings INTEGER NOT NULL,
        findings TEXT NOT NULL, portability TEXT NOT NULL, PRIMARY KEY (path, seq)) WITHOUT ROWID""",
    "CREATE INDEX verdicts_seq ON verdicts (seq)",
)

_VERSION_3 = (
    "ALTER TABLE events ADD COLUMN safe TEXT",
    "ALTER TABLE events ADD COLUMN salt BLOB",
    "ALTER TABLE events ADD COLUMN digest BLOB",
    "DROP TRIGGER events_hold",
    """CREATE TRIGGER events_hold BEFORE UPDATE OF
        seq, id, time, kind, agent, human, run, operation, commit_oid, intent, outcome, safe, digest ON events
        BEGIN SELECT RAISE(ABORT, 'events are never changed'); END""",
    """CREATE TRIGGER events_empty BEFORE UPDATE OF body, salt ON events
        WHEN new.body <> '' OR new.salt IS NOT NULL OR old.digest IS NULL
        BEGIN SELECT RAISE(ABORT, 'events are never changed'); END""",
    """CREATE TABLE audit (
        id INTEGER PRIMARY KEY CHECK (id = 1), log TEXT NOT NULL, first INTEGER NOT NULL, size INTEGER NOT NULL,
        frontier BLOB NOT NULL, sealed INTEGER NOT NULL, sealed_frontier BLOB NOT NULL, seals INTEGER NOT NULL)""",
    """INSERT INTO audit SELECT 1, 'l-' || lower(hex(randomblob(10))), coalesce(max(seq), 0) + 1, 0, x'', 0, x'', 0
        FROM events""",
    """CREATE TRIGGER audit_grows BEFORE UPDATE OF log, first, size ON audit
        WHEN new.log <> old.log OR new.first <> old.first OR new.size < old.size
        BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END""",
    "CREATE TABLE audit_holds (id TEXT PRIMARY KEY, time REAL NOT NULL, why TEXT NOT NULL) WITHOUT ROWID",
)

CALLS = "kind IN ('exec', 'tool', 'api', 'secret')"  # events that a limit of calls counts

_VERSION_4 = (
    """CREATE TABLE stops (
        agent TEXT PRIMARY KEY, since REAL NOT NULL, by TEXT NOT NULL, why TEXT NOT NULL, released REAL)
        WITHOUT ROWID""",
    "CREATE TABLE ends (id TEXT PRIMARY KEY, boot TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID",
    "ALTER TABLE chains ADD COLUMN time INTEGER",
    "UPDATE chains SET time = (SELECT time FROM commits WHERE commits.seq = chains.seq)",
    "CREATE INDEX chains_time ON chains (agent, time)",
    "CREATE INDEX commits_agent_time ON commits (agent, time, signed) WHERE agent IS NOT NULL",
    "CREATE INDEX events_denials ON events (agent, time) WHERE kind = 'denial'",
    f"CREATE INDEX events_calls ON events (time) WHERE {CALLS}",
    "CREATE INDEX runs_failed ON runs (agent, finished) WHERE status IN ('failed', 'timeout')",
)

# The blob of a read event, whose safe fields are canonical JSON: no function of JSON may stand in an index.
READ = """substr(safe, instr(safe, '"paths":[{"blob":"') + 18, 40)"""

_VERSION_5 = (
    "CREATE INDEX events_run_reads ON events (run, seq) WHERE kind = 'read'",
    f"CREATE INDEX events_blob_reads ON events ({READ}) WHERE kind = 'read'",
)

_VERSION_6 = (
    """CREATE TABLE exposures (
        secret TEXT, version INTEGER, agent TEXT, human TEXT, run TEXT, mode TEXT, first REAL NOT NULL,
        last REAL NOT NULL, uses INTEGER NOT NULL, PRIMARY KEY (secret, version, agent, human, run, mode))
        WITHOUT ROWID""",
)

_VERSION_7 = (
    """CREATE TABLE state (
        seq INTEGER PRIMARY KEY, key TEXT NOT NULL, version INTEGER NOT NULL, value TEXT, agent TEXT, human TEXT,
        run TEXT, time REAL NOT NULL, expires REAL, boot TEXT, until_boot REAL, undoes INTEGER,
        UNIQUE (key, version))""",
    """CREATE TABLE fences (
        id INTEGER PRIMARY KEY CHECK (id = 1), boot TEXT NOT NULL, last INTEGER NOT NULL, reserved INTEGER NOT NULL)""",
    "INSERT INTO fences VALUES (1, '', 0, 0)",
    """CREATE TRIGGER fences_grow BEFORE UPDATE ON fences WHEN new.last < old.last OR new.reserved < old.reserved
        BEGIN SELECT RAISE(ABORT, 'fencing tokens only grow'); END""",
    """CREATE TABLE leases (
        name TEXT PRIMARY KEY, id TEXT, token INTEGER NOT NULL, agent TEXT, human TEXT, run TEXT, boot TEXT NOT NULL,
        pid INTEGER, pid_start INTEGER, pid_space INTEGER, ttl REAL NOT NULL, acquired REAL NOT NULL,
        expires REAL NOT NULL, until_boot REAL NOT NULL, note TEXT NOT NULL) WITHOUT ROWID""",
    "CREATE INDEX leases_id ON leases (id) WHERE id IS NOT NULL",
    """CREATE TABLE lease_waits (
        ticket INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, boot TEXT NOT NULL, pid INTEGER NOT NULL,
        pid_start INTEGER NOT NULL, until_boot REAL NOT NULL, run TEXT NOT NULL)""",
    "CREATE INDEX lease_waits_name ON lease_waits (name, ticket)",
    """CREATE TABLE channels (
        name TEXT PRIMARY KEY, last INTEGER NOT NULL, most INTEGER NOT NULL, keep_seconds REAL, gone INTEGER NOT NULL)
        WITHOUT ROWID""",
    """CREATE TABLE messages (
        channel TEXT, seq INTEGER, id TEXT NOT NULL, time REAL NOT NULL, boot TEXT NOT NULL, at_boot REAL NOT NULL,
        agent TEXT, human TEXT, run TEXT, audience TEXT NOT NULL, reply_to TEXT, refs TEXT NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (channel, seq)) WITHOUT ROWID""",
    "CREATE UNIQUE INDEX messages_id ON messages (id)",
    "CREATE INDEX messages_reply ON messages (reply_to) WHERE reply_to IS NOT NULL",
    """CREATE TABLE cursors (
        channel TEXT, subscriber TEXT, acked INTEGER NOT NULL, seen INTEGER NOT NULL, boot TEXT NOT NULL,
        until_boot REAL NOT NULL, PRIMARY KEY (channel, subscriber)) WITHOUT ROWID""",
    """CREATE TRIGGER cursors_grow BEFORE UPDATE ON cursors WHEN new.acked < old.acked
        BEGIN SELECT RAISE(ABORT, 'cursors only grow'); END""",
    """CREATE TABLE tasks (
        seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, key TEXT UNIQUE, text TEXT NOT NULL, status TEXT NOT NULL,
        needs TEXT NOT NULL, want_role TEXT, want_skill TEXT, by_agent TEXT, by_human TEXT, by_run TEXT,
        handed TEXT, agent TEXT, human TEXT, run TEXT, token INTEGER, boot TEXT, until_boot REAL, ttl REAL,
        expires REAL, attempts INTEGER NOT NULL, most INTEGER NOT NULL, result TEXT, note TEXT, bundle TEXT,
        created REAL NOT NULL, updated REAL NOT NULL)""",
    "CREATE INDEX tasks_status ON tasks (status, seq)",
    "CREATE TABLE needs (need TEXT, task TEXT, PRIMARY KEY (need, task)) WITHOUT ROWID",
    "ALTER TABLE runs ADD COLUMN boot TEXT",
    "ALTER TABLE runs ADD COLUMN beat REAL",
    "ALTER TABLE runs ADD COLUMN attempt INTEGER",
    "ALTER TABLE runs ADD COLUMN retries INTEGER",
    "ALTER TABLE runs ADD COLUMN once_key TEXT",
    "ALTER TABLE runs ADD COLUMN outcome TEXT",
    "CREATE UNIQUE INDEX runs_once ON runs (once_key) WHERE once_key IS NOT NULL",
    "CREATE INDEX runs_ended ON runs (agent, finished) WHERE finished IS NOT NULL",
    "CREATE INDEX runs_beating ON runs (beat) WHERE status = 'open' AND beat IS NOT NULL",
    "CREATE TABLE notices (cause TEXT PRIMARY KEY, told REAL NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID",
)

_VERSION_8 = (
    *(f"ALTER TABLE state ADD COLUMN {column}" for column in
      ("chain TEXT NOT NULL DEFAULT '[]'", "gap INTEGER NOT NULL DEFAULT 0", "until REAL")),
    """UPDATE state SET chain = coalesce((SELECT chain FROM runs WHERE id = run), '[]'),
        until = coalesce((SELECT later.time FROM state AS later WHERE later.key = state.key
        AND later.version = state.version + 1), CASE WHEN value IS NULL THEN time ELSE expires END)""",
    "CREATE INDEX state_until ON state (until) WHERE until IS NOT NULL",
    "CREATE TABLE floors (name TEXT PRIMARY KEY, least INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO floors VALUES ('state', 0), ('channels', 0)",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5, _VERSION_6,
                                           _VERSION_7, _VERSION_8)
VERSION = len(MIGRATIONS)
