"""Backups of what only the database and this machine know, in one file, and putting one back.

    githarness-backup 1 LF
    MANIFEST LF         canonical JSON: what it is of, checksum, keys' public parts, marks of secrets, audit head
    SHA256 LF           of the manifest's line, in hex
    ...                 the database, as SQLite has it

What grew since the backup was made does not shrink by it: fencing tokens, versions of state and numbers of messages
begin above all that can have been given, the marks of secrets are the greater ones of both, stops and ends stay. Leases
and claims are free. The audit log cannot go on where it may have gone on already: a new one begins, whose first event
says which one it follows, and from where.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from githarness import canon, clock, private
from githarness.canon import Json
from githarness.errors import Conflict, HarnessError, Integrity, NotFound, Unavailable
from githarness.git import refs
from githarness.policy.model import Human
from githarness.settings import Settings
from githarness.store import backup, channels, events, schema, state
from githarness.store.backup import Facts
from githarness.store.db import Connection, Database
from githarness.store.rows import EventRow
from githarness.vault import marks
from githarness.vault.marks import Mark
from githarness.work import audit_record, hub, vault_records
from githarness.work.governance import Governance
from githarness.work.parts import Parts

FORMAT = 1
_MAGIC = b"githarness-backup "
_CHUNK = 1 << 20
_LINE = 1 << 26  # bytes of a manifest
_FASTEST = 20_000  # tokens, versions or messages a second: twice what was measured
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Manifest:
    time: float  # Unix seconds
    fleet: str
    init: str  # the commit from which on the repository is governed
    head: str
    version: int  # of the database
    sha256: str  # of the database
    reserved: int  # no fencing token that was given is greater
    log: str
    events: int  # of the log
    root: str
    keys: dict[str, list[str]]  # public parts, by agent and human:NAME
    marks: dict[str, list[Json]]  # of secrets: version and SHA256
    rows: dict[str, int]


@dataclass(frozen=True, slots=True)
class Restored:
    manifest: Manifest
    log: str | None  # the new one; None for a dry run
    lost: int  # events that the backup does not have
    missing: list[str]  # whose key this host does not hold


def backup_to(parts: Parts, settings: Settings, file: Path) -> Manifest:
    """As of one moment, while others write. `file` is there as a whole or not at all, for its owner alone.

    Raises Unavailable.
    """
    governance = _governance(parts)
    place = _place(parts, settings, governance)
    try:
        with _scratch(parts.repo.home) as scratch:
            image = scratch / "harness.db"
            parts.db.copy(image)
            found = _facts(parts, scratch)
            manifest = Manifest(
                parts.clock.now(), governance.config.fleet, hub.founding(parts.reader, governance.commit),
                governance.commit, schema.VERSION, _digest(image), found.reserved, found.log.id, found.log.size,
                found.log.tree.root.hex(), _keys(governance),
                {name: [*mark] for name, mark in marks.load(place).items()} if place else {}, found.rows)
            _write(file, manifest, image)
    except OSError as error:
        raise Unavailable(f"'{file}' cannot be written: {error.strerror}", fix="name another file") from error
    return manifest


def read(file: Path, image: Path | None = None) -> Manifest:
    """What a backup is of, once all of it was checked; `image` becomes its database. Raises NotFound, Integrity,
    Unavailable for one from a newer githarness."""
    try:
        with open(file, "rb") as source:
            manifest = _manifest(source, file)
            found = hashlib.sha256()
            with open(image or os.devnull, "wb") as target:
                while chunk := source.read(_CHUNK):
                    found.update(chunk)
                    target.write(chunk)
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            raise Unavailable(f"'{file}' cannot be read: {error.strerror}", fix="name a backup") from error
        raise NotFound(f"there is no '{file}'", fix="name a backup") from error
    if found.hexdigest() != manifest.sha256:
        raise _damaged(file)
    if manifest.version > schema.VERSION:
        raise _newer(file)
    return manifest


def restore(parts: Parts, settings: Settings, file: Path, *, human: Human, force: bool = False,
            dry_run: bool = False) -> Restored:
    """Puts the database back. Raises Conflict for another repository's, and for one that lacks what is here now.

    `force`: also where that loses what is here.
    """
    governance = _governance(parts)
    with _scratch(parts.repo.home) as scratch:
        manifest = read(file, scratch / "harness.db")
        _same_repository(parts, governance, manifest)
        task = _Task(parts, Database(scratch, parts.clock), manifest, human, force)  # brings it to this version
        task.place = _place(parts, settings, governance)
        try:
            if dry_run:
                with parts.db.read() as conn:
                    task.compare(conn)
            else:
                parts.db.replace(task.anew)
        finally:
            task.image.close()
    return Restored(manifest, task.log, task.lost, _without_key(parts, manifest))


@dataclass(slots=True)
class _Task:
    parts: Parts
    image: Database
    manifest: Manifest
    human: Human
    force: bool
    place: Path | None = None  # of the marks
    log: str | None = None
    lost: int = 0

    def compare(self, conn: Connection) -> None:
        with self.image.read() as copy:
            self.lost = backup.later(conn, copy)
        if self.lost and not self.force:
            raise Conflict(f"the backup of {clock.rfc3339(self.manifest.time)} lacks events that are here: {self.lost}",
                           fix="githarness backup FILE first; --force puts the older state back",
                           details={"events": self.lost})

    def anew(self, conn: Connection) -> Path:
        """The image as it takes the place of `conn`, which nobody can change meanwhile."""
        self.compare(conn)
        if self.place and self.manifest.marks:
            private.make_folders(self.place)
            marks.merge(self.place, _seen(self.manifest))
        now, then = self.parts.clock.now(), self.manifest
        ahead = int((max(0.0, now - then.time) + _DAY) * _FASTEST)
        run = f"r-human-{self.human.name}"
        with self.image.write() as copy:
            backup.keep(conn, copy)
            state.put_back(copy, max(state.last(conn), state.last(copy)) + ahead, (self.human.name, run), now)
            channels.renumber(copy, max(channels.highest(conn), channels.highest(copy)) + ahead)
            self.log = backup.begin_anew(copy, max(then.reserved + ahead, backup.facts(conn).reserved))
            fields: dict[str, Json] = {"what": "restored", "backup": clock.rfc3339(then.time), "log": then.log,
                                       "events": then.events, "root": then.root, "lost": self.lost}
            events.add(copy, [EventRow(clock.new_id("e", now), now, "restored", None, self.human.name, run,
                                       safe=audit_record.shown(fields))])
        self.image.close()
        return self.image.path


def _governance(parts: Parts) -> Governance:
    return parts.governed.salvaged(refs.head(parts.repo.common_dir, parts.ref))


def _same_repository(parts: Parts, governance: Governance, manifest: Manifest) -> None:
    mine = (governance.config.fleet, hub.founding(parts.reader, governance.commit))
    if mine != (manifest.fleet, manifest.init):
        raise Conflict(f"the backup is of fleet '{manifest.fleet}' begun by {manifest.init[:12]}, not of this one",
                       fix="restore it where that fleet's repository is",
                       details={"fleet": manifest.fleet, "init": manifest.init})


def _facts(parts: Parts, scratch: Path) -> Facts:
    image = Database(scratch, parts.clock)
    try:
        with image.read() as conn:
            return backup.facts(conn)
    finally:
        image.close()


def _keys(governance: Governance) -> dict[str, list[str]]:
    known = governance.registry
    found = {name: [key.key for key in agent.keys] for name, agent in known.agents.items()}
    return found | {f"human:{name}": [key.key for key in human.keys] for name, human in known.humans.items()}


def _without_key(parts: Parts, manifest: Manifest) -> list[str]:
    found = []
    for name, keys in manifest.keys.items():
        with contextlib.suppress(HarnessError):
            if name.startswith("human:") or parts.keyring.find(keys):
                continue
        found.append(name)
    return found


def _place(parts: Parts, settings: Settings, governance: Governance) -> Path | None:
    """Where the marks of this repository's vault are; None where it has no vault."""
    with contextlib.suppress(NotFound):
        return vault_records.vault_of(parts.reader, governance, settings).place
    return None


def _seen(manifest: Manifest) -> list[tuple[str, Mark]]:
    return [(name, Mark(int(str(one[0])), str(one[1]))) for name, one in manifest.marks.items()]


@contextlib.contextmanager
def _scratch(home: Path) -> Iterator[Path]:
    """A folder beside the database, on the same disk, for this process alone."""
    folder = Path(tempfile.mkdtemp(dir=home, prefix="backup-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _digest(file: Path) -> str:
    with open(file, "rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _write(file: Path, manifest: Manifest, image: Path) -> None:
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    line = canon.dumps(asdict(manifest)).encode()
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as target:
            target.write(b"%b%d\n%b\n%b\n" % (_MAGIC, FORMAT, line, canon.sha256(line).encode()))
            with open(image, "rb") as source:
                shutil.copyfileobj(source, target, _CHUNK)
            target.flush()
            os.fsync(target.fileno())
        fresh.replace(file)
        private.sync_folder(file.absolute().parent)
    finally:
        fresh.unlink(missing_ok=True)


def _manifest(source: BinaryIO, file: Path) -> Manifest:
    head, line, digest = source.readline(64), source.readline(_LINE), source.readline(80)
    if not head.startswith(_MAGIC):
        raise Integrity(f"'{file}' is not a backup of githarness", fix="name a file that githarness backup has written")
    if head != b"%b%d\n" % (_MAGIC, FORMAT):
        raise _newer(file) if head.removeprefix(_MAGIC).strip().isdigit() else _damaged(file)
    if canon.sha256(line.removesuffix(b"\n")).encode() + b"\n" != digest:
        raise _damaged(file)
    table: Any = json.loads(line)
    return Manifest(**table)


def _damaged(file: Path) -> Integrity:
    return Integrity(f"the backup '{file}' is damaged: nothing was restored", fix="use another copy of it")


def _newer(file: Path) -> Unavailable:
    return Unavailable(f"the backup '{file}' is of a newer githarness", fix="pip install --upgrade githarness")
