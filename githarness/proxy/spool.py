"""The audit spool: uses of secrets are on disk before their values leave, and become events of the log a moment later.

    CHECK {"kind":"secret","agent":…,"run":…,"safe":{…},"time":…,"n":…} LF     CHECK: crc32 of the object, 8 hex digits

A preallocated file of zeros that one process writes from its beginning, once for all answers of a round; the first line
that is not whole ends it. `n` makes the event's id, so that moving a line twice makes one event. Two files take turns:
while one is moved into the database, the other is written.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from githarness import clock
from githarness.audit import line
from githarness.canon import Json
from githarness.errors import Unavailable
from githarness.store import events, exposures
from githarness.store.db import Database
from githarness.store.rows import EventRow

NAMES = ("vault-audit.spool", "vault-audit.spool-2")
LOCK = "vault.lock"  # of who may write or move them
_SIZE = 4 << 20
_LARGEST = 64 << 20
_PIECE, _LONGEST = 64 << 10, 1 << 20  # bytes that are read at once, and of a line
_EACH = 16  # uses of one lease and secret that are an event each; what more there are between two moves share one
_MOST = 1 << 50
_KINDS = ("secret", "denial", "refusal", "revoke")
_NOT = {"what", "uses"}  # in what a use says
_WHOLE = ({"what": "lock"}, {"what": "unlock"})  # of no secret, but of the vault
_KEYS = {"kind", "agent", "human", "run", "outcome", "safe"}
_LINE = re.compile(rb'(\{.+),"time":([0-9]{1,10}\.[0-9]{6}),"n":([0-9]{1,18})\}')


def prefix(kind: str, agent: str | None, human: str | None, run: str | None, outcome: str | None,
           safe: Mapping[str, Json]) -> bytes:
    """What lines about the same use of the same secret have in common."""
    fields = {"kind": kind, "agent": agent, "human": human, "run": run, "outcome": outcome, "safe": line.safe(safe)}
    return json.dumps({name: value for name, value in fields.items() if value is not None})[:-1].encode()


class Spool:
    """The writer's side; one for each repository, its daemon's or that of a command in process."""

    def __init__(self, home: Path) -> None:
        """Raises Unavailable where there is no room for it."""
        self._paths = [home / name for name in NAMES]
        self._files = [_prepared(path) for path in self._paths]
        self._sizes = [_SIZE, _SIZE]
        self._at = 0
        self._end = 0
        self._lines: list[bytes] = []
        self._durable = False
        self._next = int.from_bytes(os.urandom(6))
        self.blocked = ""

    def note(self, prefix_: bytes, now: float, *, durable: bool) -> None:
        """One line more for the next `write`."""
        self._next += 1
        text = b'%b,"time":%.6f,"n":%d}' % (prefix_, now, self._next)
        self._lines.append(b"%08x %b\n" % (zlib.crc32(text), text))
        self._durable = self._durable or durable

    def write(self) -> bool:
        """Whether what was noted stands in the file, and on disk where that was asked; then it may be acted upon."""
        lines, self._lines = self._lines, []
        durable, self._durable = self._durable, False
        if not lines:
            return not self.blocked
        data = b"".join(lines)
        try:
            self._room(len(data))
            if os.pwrite(self._files[self._at], data, self._end) != len(data):
                raise OSError(28, "no space left on device")
            if durable:
                os.fdatasync(self._files[self._at])
        except OSError as error:
            self.blocked = error.strerror or "unknown"
            return False
        self._end += len(data)
        self.blocked = ""
        return True

    def try_again(self) -> None:
        """Whether uses could be recorded by now, where they could not before."""
        if self.blocked:
            with contextlib.suppress(OSError):
                os.pwrite(self._files[self._at], b"\0" * 4096, self._end)
                os.fdatasync(self._files[self._at])
                self.blocked = ""

    @property
    def waiting(self) -> int:
        """Bytes that no event was made of yet."""
        return self._end

    def turn(self) -> Path:
        """The file written so far, which is from now on for `move`; the other, which has to be empty, is written on."""
        moved, self._at, self._end = self._paths[self._at], 1 - self._at, 0
        return moved

    def close(self) -> None:
        for file in self._files:
            os.close(file)

    def _room(self, more: int) -> None:
        size = self._sizes[self._at]
        if self._end + more > size:
            if size * 2 > _LARGEST:
                raise OSError(28, "the audit log takes up nothing more")
            os.posix_fallocate(self._files[self._at], size, size)
            self._sizes[self._at] = size * 2


def _prepared(path: Path) -> int:
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        os.posix_fallocate(file, 0, _SIZE)
    except OSError as error:
        raise Unavailable(f"uses of secrets cannot be recorded in '{path}': {error.strerror}",
                          fix=f"make room in '{path.parent}'") from error
    return file


def move(db: Database, path: Path) -> None:
    """Makes events of the lines in a spool file and empties it. Raises what the database raises."""
    with open(path, "r+b") as file:
        if not (rows := _merged(_whole(file))):
            return
        used = file.tell()
        with db.write() as conn:
            fresh = [row for row in rows if events.find(conn, row.id) is None]
            events.add(conn, fresh)
            exposures.note(conn, fresh)
        file.seek(0)
        file.write(bytes(used))
        file.flush()
        os.fdatasync(file.fileno())  # here nobody waits for it; the next durable use would


def move_all(db: Database, home: Path) -> None:
    """What a process that ended has left."""
    for path in (home / name for name in NAMES):
        if path.exists():
            move(db, path)


def any_left(home: Path) -> bool:
    """Whether lines wait that no event was made of."""
    for name in NAMES:
        with contextlib.suppress(OSError), open(home / name, "rb") as file:
            if file.read(1) not in (b"", b"\0"):
                return True
    return False


def _whole(file: BinaryIO) -> Iterator[bytes]:
    """The lines up to the first that is not whole, without their checks."""
    rest = b""
    while data := file.read(_PIECE):
        *lines, rest = (rest + data).split(b"\n")
        for each in lines:
            check, _, text = each.partition(b" ")
            if check != b"%08x" % zlib.crc32(text):
                return
            yield text
        if rest.endswith(b"\0") or len(rest) > _LONGEST:
            return


@lru_cache(maxsize=1024)
def _common(text: bytes) -> dict[str, str]:
    """What `prefix` made; nothing where it did not."""
    try:
        found: dict[str, Any] = json.loads(text + b"}")
        used = json.loads(found["safe"])
        is_use = found["kind"] == "secret" and used not in _WHOLE  # then it is an exposure, too
        texts = [*found.values(), *((used["secret"], used["mode"]) if is_use else ())]
        well = not is_use or (isinstance(used["version"], int) and used.keys().isdisjoint(_NOT))
        if well and found["kind"] in _KINDS and isinstance(used, dict) and found.keys() <= _KEYS:
            return found if all(map(str.encode, texts)) else {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return {}


def _merged(lines: Iterable[bytes]) -> list[EventRow]:
    """One event each; of a crowd of the same kind the last says how many more there were."""
    alike: dict[bytes, list[re.Match[bytes]]] = {}
    many: Counter[bytes] = Counter()
    for text in lines:
        if whole := _LINE.fullmatch(text):
            many[whole[1]] += 1
            alike.setdefault(whole[1], [])[_EACH:] = [whole]
    made = []
    for common, group in alike.items():
        if fields := _common(common):  # a line that no daemon wrote keeps no other out of the log
            made += [_event(fields, whole) for whole in group[:_EACH]]
            made += [_event(fields, whole, many[common] - _EACH) for whole in group[_EACH:]]
    return sorted(made, key=lambda row: row.time)


def _event(fields: Mapping[str, str], whole: re.Match[bytes], uses: int = 1) -> EventRow:
    safe, time = fields["safe"], float(whole[2])
    if uses > 1:
        safe = line.safe({**json.loads(safe), "uses": uses})
    return EventRow(clock.made_id("e", time, int(whole[3]) % _MOST), time, fields["kind"], fields.get("agent"),
                    fields.get("human"), fields.get("run"), outcome=fields.get("outcome"), safe=safe)
