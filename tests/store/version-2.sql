-- harness.db as version 2 of the schema wrote it: never change this file.
PRAGMA application_id = 1734893938;
PRAGMA user_version = 2;
PRAGMA journal_mode = WAL;
CREATE TABLE artifacts (
        id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, blob BLOB, indexed BLOB, name TEXT,
        folded TEXT, title TEXT, description TEXT, tags TEXT, start INTEGER, sketch BLOB);
CREATE TABLE bands (artifact INTEGER, band INTEGER, PRIMARY KEY (artifact, band)) WITHOUT ROWID;
CREATE TABLE bases (run TEXT, path BLOB, blob TEXT NOT NULL, PRIMARY KEY (run, path)) WITHOUT ROWID;
CREATE TABLE chains (agent TEXT, seq INTEGER, PRIMARY KEY (agent, seq)) WITHOUT ROWID;
CREATE TABLE changes (
        seq INTEGER, path INTEGER, old_mode INTEGER, old_oid BLOB, new_mode INTEGER, new_oid BLOB,
        PRIMARY KEY (seq, path)) WITHOUT ROWID;
CREATE TABLE commits (
        seq INTEGER PRIMARY KEY, oid BLOB NOT NULL UNIQUE, parents BLOB NOT NULL, main INTEGER NOT NULL,
        time INTEGER NOT NULL, author TEXT NOT NULL, subject TEXT NOT NULL, agent TEXT, human TEXT, run TEXT,
        chain TEXT, operation TEXT, decision TEXT, signed INTEGER NOT NULL, rolls_back BLOB, renames TEXT);
CREATE TABLE events (
        seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, time REAL NOT NULL, kind TEXT NOT NULL, agent TEXT,
        human TEXT, run TEXT, operation TEXT, commit_oid TEXT, intent TEXT, outcome TEXT, body TEXT NOT NULL);
CREATE TABLE migrations (version INTEGER PRIMARY KEY, applied REAL NOT NULL);
CREATE TABLE open_intents (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE operations (
        agent TEXT, key TEXT, commit_oid TEXT NOT NULL, answer TEXT NOT NULL,
        PRIMARY KEY (agent, key)) WITHOUT ROWID;
CREATE TABLE paths (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE);
CREATE TABLE registry (id INTEGER PRIMARY KEY CHECK (id = 1), head BLOB, globs TEXT, form TEXT, judged BLOB);
CREATE TABLE runs (
        id TEXT PRIMARY KEY, agent TEXT NOT NULL, started REAL NOT NULL, parent TEXT, chain TEXT NOT NULL,
        status TEXT NOT NULL, finished REAL, tier TEXT NOT NULL, start_commit TEXT, worktree TEXT, pid INTEGER,
        pid_start INTEGER, command TEXT NOT NULL, note TEXT NOT NULL, token_hash TEXT);
CREATE TABLE verdicts (
        path INTEGER, seq INTEGER, score REAL NOT NULL, errors INTEGER NOT NULL, warnings INTEGER NOT NULL,
        findings TEXT NOT NULL, portability TEXT NOT NULL, PRIMARY KEY (path, seq)) WITHOUT ROWID;
CREATE INDEX runs_agent ON runs (agent, started);
CREATE INDEX commits_time ON commits (time);
CREATE INDEX commits_agent ON commits (agent) WHERE agent IS NOT NULL;
CREATE INDEX commits_run ON commits (run) WHERE run IS NOT NULL;
CREATE INDEX commits_rolls_back ON commits (seq) WHERE rolls_back IS NOT NULL;
CREATE INDEX changes_path ON changes (path, seq);
CREATE INDEX artifacts_stale ON artifacts (id) WHERE blob IS NOT indexed;
CREATE INDEX artifacts_folded ON artifacts (folded) WHERE kind = 'skill';
CREATE INDEX bands_band ON bands (band);
CREATE INDEX verdicts_seq ON verdicts (seq);
INSERT INTO "artifacts" VALUES(1,X'646F63732F612E6D64','doc',X'BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "bands" VALUES(1,7);
INSERT INTO "bases" VALUES('r-1',X'646F63732F612E6D64','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb');
INSERT INTO "chains" VALUES('boss',1);
INSERT INTO "changes" VALUES(1,1,NULL,NULL,100644,X'BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB');
INSERT INTO "commits" VALUES(1,X'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',X'',1,1,'bot <bot@x.invalid>','write','bot',NULL,'r-1','["boss"]','op-1','allow rule=role:writer grant=- event=e-1',1,X'CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC','[["docs/b.md", "docs/a.md"]]');
INSERT INTO "events" VALUES(1,'e-1',1.5,'intent','bot',NULL,'r-1','op-1','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',NULL,NULL,'{}');
INSERT INTO "events" VALUES(2,'e-2',1.5,'intent',NULL,'olive',NULL,NULL,'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',NULL,NULL,'{}');
INSERT INTO "events" VALUES(3,'e-1.o',1.5,'outcome','bot',NULL,'r-1','op-1','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','e-1','landed','{}');
INSERT INTO "migrations" VALUES(1,1.5);
INSERT INTO "migrations" VALUES(2,2.0);
INSERT INTO "open_intents" VALUES('e-2');
INSERT INTO "operations" VALUES('bot','op-1','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','{"event":"e-1","paths":[]}');
INSERT INTO "paths" VALUES(1,X'646F63732F612E6D64');
INSERT INTO "registry" VALUES(1,NULL,NULL,NULL,NULL);
INSERT INTO "runs" VALUES('r-1','bot',1.5,NULL,'["boss"]','open',NULL,'T0',NULL,NULL,NULL,NULL,'','',NULL);
INSERT INTO "verdicts" VALUES(1,1,0.5,1,2,'[]','{}');
CREATE TRIGGER events_stay BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
CREATE TRIGGER events_hold BEFORE UPDATE OF
        seq, id, time, kind, agent, human, run, operation, commit_oid, intent, outcome ON events
        BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
