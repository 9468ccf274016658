-- harness.db as version 1 of the schema wrote it: never change this file.
PRAGMA application_id = 1734893938;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
CREATE TABLE migrations (version INTEGER PRIMARY KEY, applied REAL NOT NULL);
CREATE TABLE events (
        seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, time REAL NOT NULL, kind TEXT NOT NULL, agent TEXT,
        human TEXT, run TEXT, operation TEXT, commit_oid TEXT, intent TEXT, outcome TEXT, body TEXT NOT NULL);
CREATE TRIGGER events_stay BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
CREATE TRIGGER events_hold BEFORE UPDATE OF
        seq, id, time, kind, agent, human, run, operation, commit_oid, intent, outcome ON events
        BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TABLE open_intents (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE operations (
        agent TEXT, key TEXT, commit_oid TEXT NOT NULL, answer TEXT NOT NULL,
        PRIMARY KEY (agent, key)) WITHOUT ROWID;
CREATE TABLE bases (run TEXT, path BLOB, blob TEXT NOT NULL, PRIMARY KEY (run, path)) WITHOUT ROWID;
CREATE TABLE runs (
        id TEXT PRIMARY KEY, agent TEXT NOT NULL, started REAL NOT NULL, parent TEXT, chain TEXT NOT NULL,
        status TEXT NOT NULL, finished REAL, tier TEXT NOT NULL, start_commit TEXT, worktree TEXT, pid INTEGER,
        pid_start INTEGER, command TEXT NOT NULL, note TEXT NOT NULL, token_hash TEXT);
CREATE INDEX runs_agent ON runs (agent, started);
CREATE TABLE commits (
        seq INTEGER PRIMARY KEY, oid BLOB NOT NULL UNIQUE, parents BLOB NOT NULL, main INTEGER NOT NULL,
        time INTEGER NOT NULL, author TEXT NOT NULL, subject TEXT NOT NULL, agent TEXT, human TEXT, run TEXT,
        chain TEXT, operation TEXT, decision TEXT, signed INTEGER NOT NULL, rolls_back BLOB, renames TEXT);
CREATE INDEX commits_time ON commits (time);
CREATE INDEX commits_agent ON commits (agent) WHERE agent IS NOT NULL;
CREATE INDEX commits_run ON commits (run) WHERE run IS NOT NULL;
CREATE INDEX commits_rolls_back ON commits (seq) WHERE rolls_back IS NOT NULL;
CREATE TABLE chains (agent TEXT, seq INTEGER, PRIMARY KEY (agent, seq)) WITHOUT ROWID;
CREATE TABLE paths (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE);
CREATE TABLE changes (
        seq INTEGER, path INTEGER, old_mode INTEGER, old_oid BLOB, new_mode INTEGER, new_oid BLOB,
        PRIMARY KEY (seq, path)) WITHOUT ROWID;
CREATE INDEX changes_path ON changes (path, seq);
INSERT INTO migrations VALUES (1, 1.5);
INSERT INTO events VALUES (1, 'e-1', 1.5, 'intent', 'bot', NULL, 'r-1', 'op-1', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', NULL, NULL, '{}');
INSERT INTO events VALUES (2, 'e-2', 1.5, 'intent', NULL, 'olive', NULL, NULL, 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', NULL, NULL, '{}');
INSERT INTO events VALUES (3, 'e-1.o', 1.5, 'outcome', 'bot', NULL, 'r-1', 'op-1', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'e-1', 'landed', '{}');
INSERT INTO open_intents VALUES ('e-2');
INSERT INTO operations VALUES ('bot', 'op-1', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', '{"event":"e-1","paths":[]}');
INSERT INTO bases VALUES ('r-1', x'646f63732f612e6d64', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb');
INSERT INTO runs VALUES
    ('r-1', 'bot', 1.5, NULL, '["boss"]', 'open', NULL, 'T0', NULL, NULL, NULL, NULL, '', '', NULL);
INSERT INTO commits VALUES (1, x'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', x'', 1, 1, 'bot <bot@x.invalid>', 'write', 'bot', NULL, 'r-1', '["boss"]',
    'op-1', 'allow rule=role:writer grant=- event=e-1', 1, x'cccccccccccccccccccccccccccccccccccccccc', '[["docs/b.md", "docs/a.md"]]');
INSERT INTO chains VALUES ('boss', 1);
INSERT INTO paths VALUES (1, x'646f63732f612e6d64');
INSERT INTO changes VALUES (1, 1, NULL, NULL, 100644, x'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb');
