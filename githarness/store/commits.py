"""The commit and path index of the governed branch: derived from git, kept in the order of `seq` (see work/index.py).

The newest row is always the indexed head: an index is extended after it or cut off behind one of its main commits,
so at every moment it holds exactly the history of some commit.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from githarness import paths
from githarness.errors import Usage
from githarness.store.rows import ChangeRow, CommitRow, Touch

_COLUMNS = """commits.seq, oid, parents, main, time, author, subject, agent, human, run, chain, operation, decision,
    signed, rolls_back, renames"""
_ADD = "INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ADD_PATH = "INSERT INTO paths (path) VALUES (?) ON CONFLICT DO NOTHING"
_ADD_CHANGE = "INSERT INTO changes SELECT ?, id, ?, ?, ?, ? FROM paths WHERE path = ?"
_CHANGES = """SELECT changes.seq, paths.path, old_mode, old_oid, new_mode, new_oid
    FROM json_each(?) CROSS JOIN changes ON changes.seq = json_each.value CROSS JOIN paths ON paths.id = changes.path
    ORDER BY changes.seq, paths.path"""
_TOUCH = "commits.seq, oid, parents, main, agent, rolls_back, renames, old_mode, old_oid, new_mode, new_oid"
_HISTORY = f"""SELECT {_TOUCH} FROM changes CROSS JOIN commits ON commits.seq = changes.seq
    WHERE changes.path = (SELECT id FROM paths WHERE path = ?) AND changes.seq >= ? ORDER BY changes.seq"""
_HISTORIES = f"""WITH wanted AS (SELECT path, min(seq) AS since FROM changes
        WHERE seq IN (SELECT value FROM json_each(?)) GROUP BY path)
    SELECT paths.path, {_TOUCH} FROM wanted CROSS JOIN paths ON paths.id = wanted.path
    CROSS JOIN changes ON changes.path = wanted.path AND changes.seq >= since
    CROSS JOIN commits ON commits.seq = changes.seq ORDER BY paths.path, changes.seq"""


@dataclass(frozen=True, slots=True)
class CommitFilter:
    """What `log` and `rollback` select by; fields that are None select everything."""

    agent: str | None = None
    run: str | None = None
    since: float | None = None  # Unix seconds, both ends included
    until: float | None = None
    path: str | None = None  # a glob of paths.matches
    chain: bool = False  # with `agent`: also what others did on its behalf
    limit: int | None = None
    oids: tuple[str, ...] | None = None


class Place(NamedTuple):
    seq: int
    main: bool  # on the first-parent chain


def head(conn: sqlite3.Connection) -> str | None:
    """The commit whose history is indexed; None where nothing is."""
    row = conn.execute("SELECT oid FROM commits ORDER BY seq DESC LIMIT 1").fetchone()
    return row[0].hex() if row else None


def extend(conn: sqlite3.Connection, rows: Iterable[CommitRow]) -> None:
    """Adds the commits that follow the indexed head, parents first and the new head last; gives them their `seq`."""
    last = conn.execute("SELECT max(seq) FROM commits").fetchone()[0] or 0
    numbered = list(enumerate(rows, last + 1))
    conn.executemany(_ADD, [_values(seq, row) for seq, row in numbered])
    changes = [_change_values(seq, change) for seq, row in numbered for change in row.changes]
    conn.executemany(_ADD_PATH, [values[-1:] for values in changes])
    conn.executemany(_ADD_CHANGE, changes)
    conn.executemany("INSERT INTO chains VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                     [(name, seq, row.time) for seq, row in numbered for name in row.chain])


def cut(conn: sqlite3.Connection, after: str | None) -> set[tuple[str, str, str]]:
    """Forgets every commit behind `after`, an indexed one, None for all; returns their (agent, operation, commit)."""
    kept = None if after is None else place(conn, after)
    seq = kept.seq if kept else 0
    gone = set(conn.execute("""SELECT coalesce(agent, human), operation, lower(hex(oid)) FROM commits
        WHERE seq > ? AND operation IS NOT NULL AND coalesce(agent, human) IS NOT NULL""", (seq,)))
    for table in ("verdicts", "chains", "changes", "commits"):
        conn.execute(f"DELETE FROM {table} WHERE seq > ?", (seq,))
    conn.execute("UPDATE registry SET judged = NULL")  # a commit that comes back comes without its verdicts
    if not seq:
        conn.execute("DELETE FROM paths")
    return gone


def place(conn: sqlite3.Connection, oid: str) -> Place | None:
    """None where the commit is not indexed."""
    row = conn.execute("SELECT seq, main FROM commits WHERE oid = ?", (bytes.fromhex(oid),)).fetchone()
    return Place(row[0], bool(row[1])) if row else None


def touched(conn: sqlite3.Connection, oid: str, folder: str) -> bool | None:
    """Whether something below `folder` ever changed on the chain up to a commit; None where the chain lacks it."""
    known = place(conn, oid)
    if known is None or not known.main:
        return None
    low = _encode(folder + "/")
    return conn.execute("""SELECT 1 FROM paths CROSS JOIN changes ON changes.path = paths.id
        WHERE paths.path >= ? AND paths.path < ? AND changes.seq <= ? LIMIT 1""",
        (low, low + b"\xff" * 4, known.seq)).fetchone() is not None


def get(conn: sqlite3.Connection, oid: str) -> CommitRow | None:
    """By id or by a unique prefix of at least four digits. Raises Usage where several commits begin so."""
    try:
        low, high = bytes.fromhex(oid.ljust(40, "0")), bytes.fromhex(oid.ljust(40, "f"))
    except ValueError:
        return None
    if not 4 <= len(oid) <= 40:
        return None
    found = _rows(conn, "WHERE oid BETWEEN ? AND ? LIMIT 2", (low, high))
    if len(found) > 1:
        raise Usage(f"'{oid}' is the beginning of several commits", fix="write more digits of the commit")
    return found[0] if found else None


def log(conn: sqlite3.Connection, wanted: CommitFilter) -> list[CommitRow]:
    """Newest first, with all changes of each commit."""
    clauses = list(_clauses(conn, wanted))
    where = f"WHERE {' AND '.join(clause for clause, _ in clauses)}" if clauses else ""
    limit = -1 if wanted.limit is None else wanted.limit
    values = [value for _, clause_values in clauses for value in clause_values]
    return _rows(conn, f"{where} ORDER BY seq DESC LIMIT ?", (*values, limit))


def history(conn: sqlite3.Connection, path: str, *, since: int = 0) -> list[Touch]:
    """Who changed a path from the commit of this `seq` on, oldest first."""
    return [_touch(row) for row in conn.execute(_HISTORY, (_encode(path), since))]


def histories(conn: sqlite3.Connection, seqs: Sequence[int]) -> dict[str, list[Touch]]:
    """The same for every path that one of these commits changed, each from the first of them on."""
    rows = conn.execute(_HISTORIES, (json.dumps(seqs),))
    return {_decode(path): [_touch(row[1:]) for row in group] for path, group in groupby(rows, key=itemgetter(0))}


def rollbacks(conn: sqlite3.Connection) -> list[CommitRow]:
    """The commits with Rolls-Back trailers, oldest first."""
    return _rows(conn, "WHERE rolls_back IS NOT NULL ORDER BY seq")


def count(conn: sqlite3.Connection) -> int:
    return int(conn.execute("SELECT count(*) FROM commits").fetchone()[0])


def _clauses(conn: sqlite3.Connection, wanted: CommitFilter) -> Iterator[tuple[str, tuple[object, ...]]]:
    if wanted.agent is not None and wanted.chain:
        yield ("seq IN (SELECT seq FROM commits WHERE agent = ? UNION SELECT seq FROM chains WHERE agent = ?)",
               (wanted.agent, wanted.agent))
    elif wanted.agent is not None:
        yield "agent = ?", (wanted.agent,)
    if wanted.run is not None:
        yield "run = ?", (wanted.run,)
    if wanted.since is not None or wanted.until is not None:  # as a set: SQLite would rather look at every commit
        yield ("seq IN (SELECT seq FROM commits WHERE time BETWEEN coalesce(?, 0) AND coalesce(?, 1 << 62))",
               (wanted.since, wanted.until))
    if wanted.oids is not None:
        seqs = [found.seq for oid in wanted.oids if (found := place(conn, oid))]
        yield "seq IN (SELECT value FROM json_each(?))", (json.dumps(seqs),)
    if wanted.path is not None:
        ids = json.dumps(_matching(conn, wanted.path))
        yield "seq IN (SELECT seq FROM changes WHERE path IN (SELECT value FROM json_each(?)))", (ids,)


def _matching(conn: sqlite3.Connection, glob: str) -> list[int]:
    """Ids of the paths that match, looked for among those with the glob's literal beginning."""
    wild = min((glob.index(sign) for sign in "*?" if sign in glob), default=len(glob))
    low = _encode(glob[:wild])
    found = conn.execute("SELECT id, path FROM paths WHERE path >= ? AND path < ?", (low, low + b"\xff" * 4))
    return [number for number, path in found if paths.matches(glob, _decode(path))]


def _rows(conn: sqlite3.Connection, rest: str, values: Sequence[object] = ()) -> list[CommitRow]:
    rows = conn.execute(f"SELECT {_COLUMNS} FROM commits {rest}", values).fetchall()
    by_seq = _changes(conn, [row[0] for row in rows])
    return [_row(row, by_seq.get(row[0], ())) for row in rows]


def _changes(conn: sqlite3.Connection, seqs: Sequence[int]) -> dict[int, tuple[ChangeRow, ...]]:
    rows = conn.execute(_CHANGES, (json.dumps(seqs),))
    return {seq: tuple(_change(_decode(row[1]), row[2:]) for row in group)
            for seq, group in groupby(rows, key=itemgetter(0))}


def _values(seq: int, row: CommitRow) -> tuple[object, ...]:
    return (
        seq, bytes.fromhex(row.oid), bytes.fromhex("".join(row.parents)), row.main, row.time, row.author, row.subject,
        row.agent, row.human, row.run, json.dumps(row.chain) if row.chain else None, row.operation, row.decision,
        row.signed, bytes.fromhex("".join(row.rolls_back)) if row.rolls_back else None,
        json.dumps(row.renames) if row.renames else None)


def _change_values(seq: int, change: ChangeRow) -> tuple[object, ...]:
    return (seq, change.old_mode and int(change.old_mode), change.old_oid and bytes.fromhex(change.old_oid),
            change.new_mode and int(change.new_mode), change.new_oid and bytes.fromhex(change.new_oid),
            _encode(change.path))


def _row(row: tuple[Any, ...], changed: tuple[ChangeRow, ...]) -> CommitRow:
    (seq, oid, parents, main, time, author, subject, agent, human, run, chain, operation, decision, signed, rolls_back,
     renames) = row
    return CommitRow(
        oid.hex(), _oids(parents), bool(main), time, author, subject, agent, human, run,
        tuple(json.loads(chain)) if chain else (), operation, decision, bool(signed), _oids(rolls_back or b""),
        _pairs(renames), changed, seq)


def _change(path: str, row: tuple[Any, ...]) -> ChangeRow:
    old_mode, old_oid, new_mode, new_oid = row
    return ChangeRow(path, old_mode and str(old_mode), old_oid and old_oid.hex(), new_mode and str(new_mode),
                     new_oid and new_oid.hex())


def _touch(row: tuple[Any, ...]) -> Touch:
    seq, oid, parents, main, agent, rolls_back, renames, old_mode, old_oid, new_mode, new_oid = row
    return Touch(seq, oid.hex(), _oids(parents), bool(main), agent, _oids(rolls_back) if rolls_back else (),
                 _pairs(renames), old_mode and str(old_mode), old_oid and old_oid.hex(), new_mode and str(new_mode),
                 new_oid and new_oid.hex())


def _oids(joined: bytes) -> tuple[str, ...]:
    return (joined.hex(),) if len(joined) == 20 else _several_oids(joined)


@lru_cache(maxsize=64)  # a rollback of hundreds of commits is in the history of each file that it changed
def _several_oids(joined: bytes) -> tuple[str, ...]:
    text = joined.hex()
    return tuple(text[start:start + 40] for start in range(0, len(text), 40))


def _pairs(renames: str | None) -> tuple[tuple[str, str], ...]:
    return tuple((old, new) for old, new in json.loads(renames)) if renames else ()


def _encode(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _decode(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
