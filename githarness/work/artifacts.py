"""The registry follows the governed branch: rows at once, with each landing; what they say when somebody asks.

Which paths are artifacts, and of what kind, is a function of one commit: of its tree and of the globs in its
config.toml. What an artifact says is a function of its path and blob. So a registry that followed any writes, merges,
rewinds and rollbacks is the one that is built from nothing, and a text that changes often is read once.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from githarness import paths
from githarness.errors import HarnessError
from githarness.git.objects import Entry
from githarness.git.reader import Reader
from githarness.settings import RepoConfig
from githarness.skills import frontmatter, near
from githarness.skills.frontmatter import Front
from githarness.skills.portability import folded, named_after
from githarness.store import artifacts, commits, search, verdicts
from githarness.store.artifacts import Described, Globs, Kind, Stale, State
from githarness.store.db import Connection, Database
from githarness.store.verdicts import Unjudged, Verdict
from githarness.work.asks import Progress
from githarness.work.draft import Draft
from githarness.work.governance import CONFIG, last_config

Judge = Callable[[Unjudged, bytes], Verdict]
LARGEST = 1 << 20  # bytes; of a larger file its path alone is known
_CHUNK = 200  # artifacts per transaction: writers of other processes wait no longer than that takes
_CHUNK_BYTES = 8 << 20
_FILES = ("100644", "100755")
_POLICIES = ".githarness/policies/*.yaml"
_UNNAMED = ("skill", "readme", "index")  # files that are called after their folder
_Row = tuple[str, Kind | None, str | None]  # path, kind, blob


class RegistryStatus(NamedTuple):
    head: str | None
    artifacts: int
    current: bool


class _Read(NamedTuple):
    """A stale row with the texts of both its versions."""

    row: Stale
    old: str
    new: str
    found: Described | None


class Registry:
    """`fts`: the version of full-text search to use, None for the best there is. Raises Unavailable without any."""

    def __init__(self, db: Database, reader: Reader, fts: str | None = None) -> None:
        self.db = db
        self._reader = reader
        with db.read() as conn:
            self.engine = search.engine(conn, fts)

    def status(self, head: str) -> RegistryStatus:
        with self.db.read() as conn:
            at = artifacts.state(conn)
            current = (at.head, at.form) == (head, self.engine.form) and not artifacts.stale_count(conn)
            return RegistryStatus(at.head, len(artifacts.blobs(conn)), current)

    def update(self, head: str, progress: Progress | None = None) -> int:
        """Makes it that of `head`; how many artifacts were read. Takes no lock where nothing is new."""
        self._follow(head)
        with self.db.read() as conn:
            total = artifacts.stale_count(conn)
        done = 0
        while batch := self._batch():
            with self.db.write(durable=False) as conn:
                if artifacts.state(conn).form != self.engine.form:  # another process has another setting
                    break
                done += sum(self._store(conn, one) for one in batch)
            if progress:
                progress(done, max(done, total))
        return done

    def rebuild(self, head: str, progress: Progress | None = None) -> int:
        """The same from nothing."""
        with self.db.write(durable=False) as conn:
            artifacts.clear(conn)
        return self.update(head, progress)

    def judge(self, judge: Judge, progress: Progress | None = None) -> int:
        """Gives every version of a skill that the commit index knows its verdict; how many were missing.

        Which paths are skills is as of this registry: bring both up to date first.
        """
        with self.db.read() as conn:
            state, head = artifacts.state(conn), commits.head(conn)
            if state.judged == head:
                return 0
            left = [one for one in verdicts.missing(conn, state.judged) if kind_of(state.globs, one.path) == "skill"]
        for at in range(0, len(left), _CHUNK):
            judged = [(one, judge(one, self._reader.blob(one.blob))) for one in left[at:at + _CHUNK]]
            with self.db.write(durable=False) as conn:
                for one, verdict in judged:
                    verdicts.add(conn, one.commit, one.path, verdict)
            if progress:
                progress(at + len(judged), len(left))
        with self.db.write(durable=False) as conn:
            artifacts.judged(conn, head)
        return len(left)

    def text(self, blob: str) -> str:
        """What is searched of a version; bytes that are not UTF-8 are shown as U+FFFD."""
        return "" if self._reader.size(blob) > LARGEST else self._reader.blob(blob).decode("utf-8", "replace")

    def _follow(self, head: str) -> None:
        form = self.engine.form
        while True:
            with self.db.read() as conn:
                state = artifacts.state(conn)
            if (state.head, state.form) == (head, form):
                return
            globs = globs_of(last_config(self._reader, head)[1])
            found = self._differences(state, head, globs)
            with self.db.write(durable=False) as conn:
                if artifacts.state(conn) == state:
                    self._take_over(conn, state, globs, found)
                    artifacts.move(conn, head, globs)
                    return

    def _take_over(self, conn: Connection, state: State, globs: Globs, found: Sequence[_Row]) -> None:
        if state.form != self.engine.form:
            self._empty(conn)
        if state.globs != globs:
            verdicts.forget(conn)
        for one in found:
            artifacts.mirror(conn, *one, named_after(one[0]))

    def _empty(self, conn: Connection) -> None:
        search.create(conn, self.engine)
        artifacts.reset(conn, self.engine.form)

    def _differences(self, state: State, head: str, globs: Globs) -> list[_Row]:
        """By the two trees where both are there and the globs are the same, else by a look at every file."""
        if state.head and state.globs == globs and self._reader.has(state.head):
            with contextlib.suppress(HarnessError):  # git may have pruned what the branch left behind
                trees = [self._reader.commit(oid).tree for oid in (state.head, head)]
                changes = self._reader.diff_trees(*trees)
                return list(_rows(globs, ((change.path, change.new) for change in changes)))
        with self.db.read() as conn:
            before = artifacts.blobs(conn)
        now = {path: (kind, blob) for path, kind, blob in _rows(globs, self._reader.files(head))}
        return [(path, *now.get(path, (None, None))) for path in sorted(before.keys() | now.keys())
                if before.get(path) != now.get(path)]

    def _batch(self) -> list[_Read]:
        """Some of what is stale, read outside of any lock."""
        with self.db.read() as conn:
            rows = artifacts.stale(conn, _CHUNK)
        found: list[_Read] = []
        size = 0
        for row in rows:
            try:
                old = self.text(row.indexed) if row.indexed else ""
            except HarnessError:  # git has it no more, so the table cannot be told what to forget
                with self.db.write(durable=False) as conn:
                    self._empty(conn)
                return self._batch()
            new = self.text(row.blob) if row.blob else ""
            found.append(_Read(row, old, new, described(row.path, new) if row.blob else None))
            size += len(old) + len(new)
            if size > _CHUNK_BYTES:
                break
        return found

    def _store(self, conn: Connection, read: _Read) -> bool:
        """False where somebody else was faster."""
        row, found = read.row, read.found
        if not artifacts.is_still(conn, row):
            return False
        if row.indexed:
            search.remove(conn, self.engine, row.id, (*row.words, read.old))
        if found:
            search.add(conn, self.engine, row.id, (*found.words, read.new))
        artifacts.describe(conn, row, found)
        return True


def note(conn: Connection, before: str | None, drafts: Sequence[Draft]) -> None:
    """In the transaction that follows a landing: takes its rows over where the registry was at the commit before it.

    What the artifacts say is read when somebody asks: a landing costs the same whatever their size.
    """
    state = artifacts.state(conn)
    changes = [change for draft in drafts for change in draft.changes]
    if not drafts or before is None or state.head != before or any(change.path == CONFIG for change in changes):
        return  # the next update does it
    for row in _rows(state.globs, ((change.path, change.new) for change in changes)):
        artifacts.mirror(conn, *row, named_after(row[0]))
    artifacts.move(conn, drafts[-1].commit.oid)


def globs_of(config: RepoConfig) -> Globs:
    kinds: tuple[tuple[Kind, Sequence[str]], ...] = (
        ("policy", (_POLICIES,)), ("skill", config.skills), ("memory", config.memory), ("doc", config.docs))
    return tuple((kind, f"{glob}**" if glob.endswith("/") else glob) for kind, globs in kinds for glob in globs)


def kind_of(globs: Globs, path: str) -> Kind | None:
    return next((kind for kind, glob in globs if paths.matches(glob, path)), None)


def _rows(globs: Globs, entries: Iterable[tuple[str, Entry | None]]) -> Iterator[_Row]:
    """Of paths that may be artifacts, what is there: no blob for what is no file."""
    for path, entry in entries:
        if kind := kind_of(globs, path):
            yield path, kind, entry.oid if entry and entry.mode in _FILES else None


def described(path: str, text: str) -> Described:
    front = frontmatter.read(text) if path.endswith((".md", ".mdc")) else Front(0, 0, 0, {}, ())
    body = text[front.end:]
    name = _plain(front.text("name"), 200) or _plain(_name(path), 200)
    heading = re.search(r"^#[ \t]+(\S.*)", body, re.MULTILINE)
    sketch = near.signature(body)
    return Described(name, folded(name), _plain(heading[1], 200) if heading else name,
                     _plain(front.text("description"), 2000), _plain(_tags(front), 500), front.end, sketch,
                     near.keys(sketch))


def _name(path: str) -> str:
    """What a file is called that does not say so itself."""
    folder, _, last = f"/{path}".rpartition("/")
    stem = last.rpartition(".")[0] or last
    return (folder.rpartition("/")[2] if stem.lower() in _UNNAMED else "") or stem


def _tags(front: Front) -> str:
    values = front.values
    metadata = values.get("metadata")
    tables = (values, metadata if isinstance(metadata, dict) else {})
    found = [table[key] for table in tables for key in ("tags", "keywords") if table.get(key)]
    return " ".join(str(tag) for one in found for tag in (one if isinstance(one, list) else [one]))


def _plain(text: str, limit: int) -> str:
    """One line that SQLite takes: YAML can spell half of a surrogate pair."""
    return " ".join(text[:limit].encode("utf-8", "replace").decode().split())
