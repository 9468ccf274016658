"""The registry: skills, memory, policies and documents of one commit's tree, a row for each (see work/artifacts.py).

`blob` is what that tree has at the path, None where it has nothing any more; `indexed` is the version that the
description, the bands and the table of words tell about. Where the two differ the row is stale, and is read when
somebody asks. Path, kind and blob depend on the commit and on the globs only, the rest on path and blob only.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

Kind = Literal["policy", "skill", "memory", "doc"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Globs = tuple[tuple[Kind, str], ...]  # the first that matches decides

_MIRROR = """INSERT INTO artifacts (path, kind, blob, folded) VALUES (?, ?, ?, ?)
    ON CONFLICT (path) DO UPDATE SET kind = excluded.kind, blob = excluded.blob"""
_STALE = """SELECT id, path, blob, indexed, name, description, tags FROM artifacts
    WHERE blob IS NOT indexed ORDER BY id LIMIT ?"""
_LIST = """SELECT artifacts.path, kind, lower(hex(blob)), name, title, description, tags, sketch, score, errors,
        warnings
    FROM artifacts LEFT JOIN paths ON paths.path = artifacts.path
    LEFT JOIN verdicts ON verdicts.path = paths.id AND verdicts.seq = (
        SELECT max(seq) FROM changes WHERE changes.path = paths.id AND new_oid = blob)
    WHERE blob = indexed"""
_NEAR = """SELECT DISTINCT artifacts.path, sketch FROM bands JOIN artifacts ON id = artifact
    WHERE band IN (SELECT value FROM json_each(?)) AND kind = 'skill' AND blob IS NOT NULL ORDER BY 1"""


class State(NamedTuple):
    """Of which commit the rows are, by which globs, in which form the words are kept, and up to where was judged."""

    head: str | None
    globs: Globs
    form: str | None
    judged: str | None


class Stale(NamedTuple):
    id: int
    path: str
    blob: str | None
    indexed: str | None
    words: tuple[str, str, str]  # name, description and tags of the indexed version


class Described(NamedTuple):
    """What a blob says about itself. `start`: where its body begins, in characters."""

    name: str
    folded: str  # the name as names are compared
    title: str
    description: str
    tags: str
    start: int
    sketch: bytes
    bands: Sequence[int]

    @property
    def words(self) -> tuple[str, str, str]:
        return self.name, self.description, self.tags


class Artifact(NamedTuple):
    path: str
    kind: Kind
    blob: str
    name: str
    title: str
    description: str
    tags: str
    sketch: bytes
    score: float | None  # of the newest verdict of this blob; None where nobody judged it
    errors: int | None
    warnings: int | None


def state(conn: sqlite3.Connection) -> State:
    head, globs, form, judged = conn.execute("SELECT head, globs, form, judged FROM registry").fetchone()
    return State(head and head.hex(), _globs(globs or "[]"), form, judged and judged.hex())


def move(conn: sqlite3.Connection, head: str, globs: Globs | None = None) -> None:
    """Says that the rows are those of this commit."""
    conn.execute("UPDATE registry SET head = ?, globs = coalesce(?, globs)",
                 (bytes.fromhex(head), None if globs is None else json.dumps(globs)))


def judged(conn: sqlite3.Connection, commit: str | None) -> None:
    """Says that every skill of the commits up to this one has its verdict."""
    conn.execute("UPDATE registry SET judged = ?", (commit and bytes.fromhex(commit),))


def reset(conn: sqlite3.Connection, form: str) -> None:
    """Makes every row stale, for a table of words that is empty."""
    conn.execute("DELETE FROM artifacts WHERE blob IS NULL")
    conn.execute("UPDATE artifacts SET indexed = NULL")
    conn.execute("DELETE FROM bands")
    conn.execute("UPDATE registry SET form = ?", (form,))


def clear(conn: sqlite3.Connection) -> None:
    for statement in ("DELETE FROM artifacts", "DELETE FROM bands", "UPDATE registry SET head = NULL, form = NULL"):
        conn.execute(statement)


def mirror(conn: sqlite3.Connection, path: str, kind: Kind | None, blob: str | None, folded: str | None = None) -> None:
    """Takes over what the commit has at a path; without a kind or a blob there is no artifact.

    `folded`: the name by which a new one is known until somebody reads it.
    """
    key = _key(path)
    if kind and blob:
        conn.execute(_MIRROR, (key, kind, bytes.fromhex(blob), folded))
    else:  # one that nobody has read leaves nothing to forget
        conn.execute("DELETE FROM artifacts WHERE path = ? AND indexed IS NULL", (key,))
        conn.execute("UPDATE artifacts SET blob = NULL WHERE path = ?", (key,))


def blobs(conn: sqlite3.Connection) -> dict[str, tuple[Kind, str]]:
    """Kind and blob of every artifact by its path."""
    rows = conn.execute("SELECT path, kind, lower(hex(blob)) FROM artifacts WHERE blob IS NOT NULL")
    return {_path(path): (kind, blob) for path, kind, blob in rows}


def stale(conn: sqlite3.Connection, limit: int) -> list[Stale]:
    return [Stale(number, _path(path), blob and blob.hex(), indexed and indexed.hex(), tuple(words))
            for number, path, blob, indexed, *words in conn.execute(_STALE, (limit,))]


def stale_count(conn: sqlite3.Connection) -> int:
    return int(conn.execute("SELECT count(*) FROM artifacts WHERE blob IS NOT indexed").fetchone()[0])


def is_still(conn: sqlite3.Connection, row: Stale) -> bool:
    """Whether the row is as it was when `stale` told about it."""
    found = conn.execute("SELECT lower(hex(blob)), lower(hex(indexed)) FROM artifacts WHERE id = ?", (row.id,))
    return bool(found.fetchone() == (row.blob or "", row.indexed or ""))


def describe(conn: sqlite3.Connection, row: Stale, found: Described | None) -> None:
    """Ends that a row is stale; without a description the artifact is gone."""
    conn.execute("DELETE FROM bands WHERE artifact = ?", (row.id,))
    if found is None:
        conn.execute("DELETE FROM artifacts WHERE id = ?", (row.id,))
        return
    conn.execute("""UPDATE artifacts SET indexed = blob, name = ?, folded = ?, title = ?, description = ?, tags = ?,
        start = ?, sketch = ? WHERE id = ?""", (*found[:-1], row.id))
    conn.executemany("INSERT OR IGNORE INTO bands VALUES (?, ?)", [(row.id, band) for band in found.bands])


def listing(conn: sqlite3.Connection, kind: Kind | None = None) -> list[Artifact]:
    """By path; what is stale is left out, so bring the registry up to date first."""
    rows = conn.execute(f"{_LIST} {'AND kind = ?' if kind else ''} ORDER BY artifacts.path", (kind,) if kind else ())
    return [Artifact(_path(path), *rest) for path, *rest in rows]


def get(conn: sqlite3.Connection, path: str) -> Artifact | None:
    row = conn.execute(f"{_LIST} AND artifacts.path = ?", (_key(path),)).fetchone()
    return Artifact(path, *row[1:]) if row else None


def near(conn: sqlite3.Connection, bands: Collection[int]) -> list[tuple[str, bytes]]:
    """Path and sketch of the skills that share one of these bands, by path."""
    return [(_path(path), sketch) for path, sketch in conn.execute(_NEAR, (json.dumps(list(bands)),))]


class Names(Mapping[str, Sequence[str]]):
    """The paths of every skill by its folded name: asked one by one, so that one question costs no more than one."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def __getitem__(self, name: str) -> Sequence[str]:
        found = self._conn.execute("""SELECT path FROM artifacts
            WHERE kind = 'skill' AND folded = ? AND blob IS NOT NULL ORDER BY path""", (name,)).fetchall()
        if not found:
            raise KeyError(name)
        return [_path(path) for path, in found]

    def __iter__(self) -> Iterator[str]:
        return (name for name, in self._conn.execute(
            "SELECT DISTINCT folded FROM artifacts WHERE kind = 'skill' AND folded IS NOT NULL AND blob IS NOT NULL"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


@lru_cache(maxsize=16)
def _globs(text: str) -> Globs:
    return tuple((kind, glob) for kind, glob in json.loads(text))


def _key(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _path(key: bytes) -> str:
    return key.decode("utf-8", "surrogateescape")
