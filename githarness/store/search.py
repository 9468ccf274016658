"""Full-text search over the registry: FTS5, or FTS4 with the ranking of `sqlite_fts4`, by one interface.

Words: runs of letters and digits, without case and diacritics. CJK text has no spaces, so each of its characters is a
word and a term of several is a phrase. A contentless FTS5 table keeps no text, hence `remove` is told again what was
added; one of FTS4 cannot forget and keeps a copy. Terms reach SQLite in quotes and hold no sign that means something.
"""

from __future__ import annotations

import re
import sqlite3
import struct
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from sqlite_fts4 import decode_matchinfo, rank_bm25

from githarness.errors import Unavailable
from githarness.store.artifacts import Kind

COLUMNS = ("name", "description", "tags", "body")
WEIGHTS = (10.0, 5.0, 3.0, 1.0)
Words = tuple[str, str, str, str]  # the text of each column
_RARE = 20  # terms that a long query is cut down to
_LONG = 48  # terms whose frequency is looked up: of more, the longest
_FEW = 3  # terms that are looked for however common they are
_COMMON = 25, 1_000  # a fourth of all documents, within these: a word in more says nothing where it stands in a body
_CJK = "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
_APART = re.compile(f"[^\\w\\x00-\\x7f]+|(?={_CJK})|(?<={_CJK})")
_TERM = re.compile(r"[^\W_]+")
_MOST = 100_000  # characters of a query that are looked at
_LIST = ", ".join(COLUMNS)


class Chosen(NamedTuple):
    """What to look for of a text. `common`: looked for outside of bodies, as long as that finds anything."""

    rare: list[str]
    common: list[str]

    @property
    def all(self) -> list[str]:
        return [*self.rare, *self.common]


class Wanted(NamedTuple):
    """`terms`: any of them; `phrases`: each of them; `without`: none of them, both made of `words`."""

    terms: Chosen
    phrases: Sequence[str] = ()
    without: Sequence[str] = ()
    kind: Kind | None = None
    limit: int = 10


class Match(NamedTuple):
    """A row of the registry in the version that is indexed."""

    path: str
    kind: Kind
    blob: str
    name: str
    title: str
    description: str
    tags: str
    start: int
    score: float  # the higher the better


class Engine(NamedTuple):
    form: str
    table: str
    create: tuple[str, ...]
    remove: str
    brief: str  # a term outside of bodies, where that can be said
    rank: str  # the lower the better
    postings: int  # how many places of a long query's terms are ranked


_FTS5 = Engine(
    "1-fts5", "words5",
    (f"CREATE VIRTUAL TABLE words5 USING fts5({_LIST}, content='', tokenize='unicode61 remove_diacritics 2')",
     f"INSERT INTO words5 (words5, rank) VALUES ('rank', 'bm25({', '.join(map(str, WEIGHTS))})')"),
    f"INSERT INTO words5 (words5, rowid, {_LIST}) VALUES ('delete', ?, ?, ?, ?, ?)",
    "{{name description tags}} : {}",
    "rank", 3_000)
_FTS4 = Engine(
    "1-fts4", "words4",
    (f"""CREATE VIRTUAL TABLE words4 USING fts4({_LIST}, tokenize=unicode61 "remove_diacritics=2")""",),
    "DELETE FROM words4 WHERE rowid = ?", "{}", "weighted(matchinfo(words4, 'pcnalx'))", 500)


def engine(conn: sqlite3.Connection, version: str | None) -> Engine:
    """What the linked SQLite can do, or the one asked for (`4` or `5`). Raises Unavailable."""
    there = {name for name, in conn.execute("PRAGMA module_list")}
    for known in (_FTS5, _FTS4):
        if known.form[-4:] in there and version in (None, known.form[-1]):
            return known
    raise Unavailable(f"the linked SQLite {sqlite3.sqlite_version} has no fts{version or 5}",
                      fix="use a Python whose SQLite has FTS5")


def create(conn: sqlite3.Connection, kind: Engine) -> None:
    """Makes the table anew, empty."""
    conn.execute(f"DROP TABLE IF EXISTS {kind.table}")
    for statement in kind.create:
        conn.execute(statement)


def add(conn: sqlite3.Connection, kind: Engine, number: int, words: Words) -> None:
    conn.execute(f"INSERT INTO {kind.table} (rowid, {_LIST}) VALUES (?, ?, ?, ?, ?)", (number, *map(spaced, words)))


def remove(conn: sqlite3.Connection, kind: Engine, number: int, words: Words) -> None:
    """Takes out what was added with just these words."""
    conn.execute(kind.remove, (number, *map(spaced, words))[:kind.remove.count("?")])


def spaced(text: str) -> str:
    """The text as the tables get it: a space around each character of CJK and for what is part of no word.

    SQLite's tokenizer knows an older Unicode: left to itself it would part words otherwise than `words` does. FTS4
    reads no further than a NUL.
    """
    return text.replace("\0", " ") if text.isascii() else _APART.sub(" ", unicodedata.normalize("NFC", text))


def words(text: str) -> list[str]:
    """All words of any text, in their order: what the tables keep, but for diacritics."""
    found = _TERM.findall(unicodedata.normalize("NFC", text[:_MOST]).lower())
    return [word for run in found for word in spaced(run).split()]


def terms(text: str) -> list[str]:
    """What to look for in any text, each once, in its order; of a run of CJK each two neighbours."""
    found: dict[str, None] = {}
    for run in _TERM.findall(unicodedata.normalize("NFC", text[:_MOST]).lower()):
        pieces = spaced(run).split()
        pairs = [f"{one} {two}" for one, two in pairwise(pieces)]
        found |= dict.fromkeys(pairs or pieces)
    return list(found)


def rarest(conn: sqlite3.Connection, kind: Engine, wanted: Sequence[str]) -> Chosen:
    """The terms that tell most: those in the fewest documents, but not in none, as many as can be ranked in time."""
    common = max(_COMMON[0], min(_COMMON[1], (conn.execute("SELECT max(id) FROM artifacts").fetchone()[0] or 0) // 4))
    longest = sorted(wanted, key=len, reverse=True)[:_LONG]
    known = sorted((count, -len(term), term) for term in longest if (count := _documents(conn, kind, term, common)))
    chosen = Chosen([], [])
    left = kind.postings
    for count, _, term in known[:_RARE]:
        left -= count
        if len(chosen.rare) + len(chosen.common) >= _FEW and (left < 0 or count == common):
            break
        (chosen.common if count == common else chosen.rare).append(term)
    return chosen


def _documents(conn: sqlite3.Connection, kind: Engine, term: str, common: int) -> int:
    """In how many documents a term is, counted no further than to what is common."""
    some = f"SELECT 1 FROM {kind.table} WHERE {kind.table} MATCH ? LIMIT {common}"
    return int(conn.execute(f"SELECT count(*) FROM ({some})", (_quoted(term),)).fetchone()[0])


def matches(conn: sqlite3.Connection, kind: Engine, wanted: Wanted) -> tuple[list[Match], int]:
    """The best ones, best first, and how many there are; none without a term."""
    brief = [kind.brief.format(_quoted(term)) for term in wanted.terms.common]
    found = _matches(conn, kind, wanted, [*map(_quoted, wanted.terms.rare), *brief])
    return found if found[0] or not brief else _matches(conn, kind, wanted, [*map(_quoted, wanted.terms.all)])


def _matches(conn: sqlite3.Connection, kind: Engine, wanted: Wanted, terms: Sequence[str]) -> tuple[list[Match], int]:
    if not terms:
        return [], 0
    conn.create_function("weighted", 1, _weighted, deterministic=True)
    table = kind.table
    inside = f"SELECT rowid FROM {table} WHERE {table} MATCH ?"
    clauses = [f"id IN ({inside})" for _ in wanted.phrases] + [f"id NOT IN ({inside})" for _ in wanted.without]
    clauses += ["kind = ?"] if wanted.kind else []
    values = [*map(_quoted, (*wanted.phrases, *wanted.without)), *([wanted.kind] if wanted.kind else [])]
    rows = conn.execute(f"""
        WITH found AS (SELECT rowid AS number, {kind.rank} AS rank FROM {table} WHERE {table} MATCH ? LIMIT -1),
        best AS (SELECT number, rank, count(*) OVER () AS total FROM found JOIN artifacts ON id = number
            WHERE blob IS NOT NULL{''.join(f' AND {one}' for one in clauses)} ORDER BY rank, path LIMIT ?)
        SELECT path, kind, lower(hex(indexed)), name, title, description, tags, start, -rank, total
        FROM best JOIN artifacts ON id = number ORDER BY rank, path""",
        (" OR ".join(terms), *values, wanted.limit)).fetchall()
    return [Match(row[0].decode("utf-8", "surrogateescape"), *row[1:-1]) for row in rows], rows[0][-1] if rows else 0


def _quoted(term: str) -> str:
    return f'"{term}"'


def _weighted(info: bytes) -> float:
    """`rank_bm25` for each column by itself, times its weight: it knows no weights."""
    phrases, columns, rows, *numbers = decode_matchinfo(info)
    hits = numbers[2 * columns:]
    total = 0.0
    for column, weight in enumerate(WEIGHTS):
        own = [hit for at in range(column, phrases * columns, columns) for hit in hits[3 * at:3 * at + 3]]
        if any(own[::3]):
            alone = (phrases, 1, rows, numbers[column], numbers[columns + column], *own)
            total += weight * rank_bm25(struct.pack(f"@{len(alone)}I", *alone))
    return total


def reasons(words: Iterable[Words], wanted: Sequence[str]) -> list[Mapping[str, Mapping[str, int]]]:
    """How often each term stands in each column of each of these: by column, then term. Raises Unavailable."""
    conn = sqlite3.connect(":memory:")
    engine(conn, "4")
    conn.execute(_FTS4.create[0])
    found: list[Mapping[str, Mapping[str, int]]] = []
    for number, columns in enumerate(words):
        add(conn, _FTS4, number, columns)
        found.append(_reasons(conn, number, wanted))
    conn.close()
    return found


def _reasons(conn: sqlite3.Connection, number: int, wanted: Sequence[str]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for term in wanted:
        row = conn.execute("SELECT matchinfo(words4, 'x') FROM words4 WHERE words4 MATCH ? AND rowid = ?",
                           (_quoted(term), number)).fetchone()
        for column, hits in zip(COLUMNS, decode_matchinfo(row[0])[::3] if row else (), strict=False):
            if hits:
                found.setdefault(column, {})[term] = hits
    return found
