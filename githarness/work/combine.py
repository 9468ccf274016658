"""Verbs of processes that want the database at the same time are carried out together, by whichever has its lock.

    HOME/desk/BOOT-ASKS/PID-START-N        one place per thread: an ask, later its answer; ASKS: how asks look
    HOME/desk/BOOT-ASKS/PID-START-N.bell   a pipe by which its owner is woken

Who finds the lock taken leaves its ask; who has the lock serves all that lie there in its own transaction, so that one
sync is shared by all (docs/adr/0012). Bytes of a place hold the number of the ask that they are about, modulo 250:
`asked` and `back` by the owner, `taken`, `ready` and `done` by who has the lock. An owner that takes its ask back and a
server that takes it look at the other's byte after writing their own: one sees it. The answer is `ready` before the
transaction ends, and names an event of it: an owner that gets the lock while its ask is taken knows that the server is
past its transaction, or gone, and finds out by that event whether it happened. A place that somebody may still write to
is left for a new one.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import shutil
import struct
import threading
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from githarness import canon, clock, flock
from githarness.canon import Json
from githarness.clock import SYSTEM
from githarness.errors import HarnessError, Unavailable, raised
from githarness.store import events
from githarness.store.db import WAIT, Database
from githarness.work import ops
from githarness.work.coordination import Caller, Step, together
from githarness.work.parts import Parts

_ROOM = 256 << 10  # bytes of an ask; a larger one waits for the lock by itself
_ASKED, _BACK, _TAKEN, _DONE, _READY, _SIZE, _BODY = 0, 1, 2, 3, 4, 8, 20  # offsets
_LENGTH = struct.Struct(">Id")  # of the body in bytes, and until when its owner waits, in seconds of monotonic time
_NUMBERS = 250
_PATIENCE = 0.05  # seconds without a bell
_TENURE = 0.005  # seconds that who has the lock goes on for others
_GATHER = 0.0003  # seconds for those that were just answered to ask again
_MOST = 64  # asks that are served at once
_KNOWN = 2 * _MOST  # places that are open at once, two descriptors each; the owners of others get the lock themselves
_AGAIN = 64  # times that the places are served before the folder is read anew: its time is coarse
_COUNT = itertools.count()
Found = dict[str, Json] | HarnessError


class Place:
    """The owner's side of one place."""

    def __init__(self, folder: Path) -> None:
        pid = os.getpid()
        self.pid = pid
        file = folder / f"{pid}-{clock.process_start(pid)}-{next(_COUNT)}"
        os.mkfifo(file.with_suffix(".bell"), 0o600)
        self._bell = os.open(file.with_suffix(".bell"), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        weakref.finalize(self, _remove, pid, file, (self._fd, self._bell))
        os.pwrite(self._fd, bytes(_BODY), 0)
        self._number = 0
        self.spoiled = False  # somebody may still write to it
        self._poll = select.poll()
        self._poll.register(self._bell, select.POLLIN)

    def leave(self, text: bytes) -> None:
        self._number = self._number % _NUMBERS + 1
        length = _LENGTH.pack(len(text), SYSTEM.monotonic() + WAIT)
        os.pwrite(self._fd, bytes(_SIZE - _DONE) + length + text, _DONE)
        os.pwrite(self._fd, bytes((self._number,)), _ASKED)

    def answer(self, by: int = _DONE) -> bytes | None:
        """By `_READY`: where the transaction that it is from may not have happened."""
        head = os.pread(self._fd, _BODY, 0)
        return os.pread(self._fd, _LENGTH.unpack_from(head, _SIZE)[0], _BODY) if head[by] == self._number else None

    def taken_back(self) -> bool:
        os.pwrite(self._fd, bytes((self._number,)), _BACK)
        self.spoiled = True
        return not self._taken()

    def _taken(self) -> bool:
        return os.pread(self._fd, 1, _TAKEN)[0] == self._number

    def rung(self, seconds: float) -> bool:
        if not self._poll.poll(seconds * 1000):
            return False
        with contextlib.suppress(BlockingIOError):
            os.read(self._bell, 4096)
        return True

    def take(self, db: Database) -> None:
        """For the owner that has the lock itself. Raises _Settled where another had it before and carried it out."""
        if not self._taken():
            os.pwrite(self._fd, bytes((self._number,)), _TAKEN)
            return
        self.spoiled = True
        if answer := self.answer(_READY):
            event = json.loads(answer)["event"]
            with db.read() as conn:
                if event and events.find(conn, event):
                    raise _Settled(_unpacked(answer))


def _remove(pid: int, file: Path, descriptors: tuple[int, ...]) -> None:
    if pid == os.getpid():
        for one in descriptors:
            os.close(one)
        for name in (file, file.with_suffix(".bell")):
            name.unlink(missing_ok=True)


@dataclass(slots=True)
class _Known:
    """The server's side of one place."""

    fd: int
    bell: int
    number: bytes = b""  # of the ask that was taken last

    @classmethod
    def at(cls, file: Path) -> _Known:
        fd = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        try:
            return cls(fd, os.open(file.with_suffix(".bell"), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError:
            os.close(fd)
            raise

    def close(self) -> None:
        os.close(self.fd)
        os.close(self.bell)

    def asked(self) -> bytes | None:
        """The head, where an ask lies there whose owner waits: nothing is carried out for one that is long gone."""
        head = os.pread(self.fd, _BODY, 0)
        if len(head) < _BODY or head[_ASKED] in (head[_TAKEN], head[_BACK]):
            return None
        return head if SYSTEM.monotonic() < _LENGTH.unpack_from(head, _SIZE)[1] else None

    def take(self, head: bytes) -> bytes | None:
        """None where its owner has taken it back."""
        self.number = head[_ASKED : _ASKED + 1]
        os.pwrite(self.fd, self.number, _TAKEN)
        found = os.pread(self.fd, _BODY + _LENGTH.unpack_from(head, _SIZE)[0], 0)
        return None if found[_BACK] == self.number[0] else found[_BODY:]

    def put(self, text: bytes) -> None:
        os.pwrite(self.fd, _LENGTH.pack(len(text), 0.0) + text, _SIZE)
        os.pwrite(self.fd, self.number, _READY)

    def done(self) -> None:
        os.pwrite(self.fd, self.number, _DONE)

    def ring(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self.bell, b"!")


class Combined:
    """The verbs of coordination in process, for any number of threads."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._folder = parts.repo.home / "desk" / f"{clock.boot_id()}-{ops.look()}"
        self._lock = parts.repo.home / "harness.lock"
        self._local = threading.local()
        self._known = _Places(self._folder)
        self._busy = False  # whether our last ask shared a transaction: then the lock is hardly free before the next

    def ask(self, caller: Caller, ask: object) -> dict[str, Json]:
        """The answer of the verb that `ask` belongs to; raises what it raises."""
        found = self._asked(caller, ask)
        if isinstance(found, HarnessError):
            raise found
        return found

    def together(self, asks: Sequence[tuple[Caller, object]]) -> list[Found]:
        """Many in one transaction, with what others have left: for a daemon. Raises what keeps it from doing any."""
        batch = _Batch(self._known, asks, own=False)
        batch.served(self._parts, wait=WAIT)
        return batch.found[-len(asks):]

    def changes(self) -> int:
        """Another number once another process has changed anything."""
        return self._parts.db.changes()

    def _asked(self, caller: Caller, ask: object) -> Found:
        batch = _Batch(self._known, ((caller, ask),))
        if ops.is_own(caller, ask):
            return batch.served(self._parts, wait=WAIT)
        if not self._busy:
            with contextlib.suppress(flock.Held):
                return self._led(batch)
        text = canon.dumps(ops.packed(caller, ask)).encode()
        if len(text) > _ROOM:
            return batch.served(self._parts, wait=WAIT)
        try:
            batch.place = self._place()
            batch.place.leave(text)
        except OSError:  # no room for it
            self._local.place = batch.place = None
            return batch.served(self._parts, wait=WAIT)
        return self._wait(batch, batch.place)

    def _wait(self, batch: _Batch, place: Place) -> Found:
        deadline = SYSTEM.monotonic() + WAIT
        if self._busy:
            os.sched_yield()  # others leave theirs, and one transaction does for all
        while SYSTEM.monotonic() < deadline:
            if place.answer() is None and flock.is_free(self._lock):
                with contextlib.suppress(flock.Held):
                    return self._led(batch)
            place.rung(_PATIENCE)
            if (answer := place.answer()) is not None:
                self._busy = True
                return _unpacked(answer)
        if place.taken_back():
            batch.place = None
            return batch.served(self._parts, wait=0.0)
        if (answer := place.answer()) is not None:
            return _unpacked(answer)
        raise Unavailable("another process has this in hand: whether it happens is not known yet",
                          fix="look whether it has; ask again only if it has not", details={"outcome": "unknown"})

    def _led(self, batch: _Batch) -> Found:
        try:
            found = batch.served(self._parts, wait=0.0)
        except _Settled as settled:
            return settled.found
        self._busy = bool(batch.taken)
        return found

    def _place(self) -> Place:
        place: Place | None = vars(self._local).get("place")
        if place is None or place.spoiled or place.pid != os.getpid():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _tidy(self._folder)
            place = self._local.place = Place(self._folder)
        return place


class _Settled(Exception):
    """Somebody else has carried out the ask."""

    def __init__(self, found: Found) -> None:
        super().__init__()
        self.found = found


class _Places:
    """All that there are, as who has the lock sees them."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._name = folder, str(folder)  # asked for at every turn
        self._places: dict[str, _Known] = {}
        self._read = (0, 0)  # the folder's time when it was read, and how often it was not since

    def asked(self) -> Iterator[tuple[_Known, bytes]]:
        self._look()
        for place in self._places.values():
            if (head := place.asked()) is not None:
                yield place, head

    def gathered(self, most: int) -> int:
        """How many ask now; waits a moment for `most`, so that each gets as much as the others.

        Of those that are known: a new one is seen in the next turn, or when the lock is free.
        """
        until = SYSTEM.monotonic() + _GATHER
        while (found := sum(map(bool, map(_Known.asked, self._places.values())))) < most and SYSTEM.monotonic() < until:
            os.sched_yield()
        return found

    def _look(self) -> None:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            changed, (known, times) = os.stat(self._name).st_mtime_ns, self._read
            if changed == known and times < _AGAIN:
                self._read = (known, times + 1)
                return
            names = {name for name in os.listdir(self._name) if "." not in name}
            for name in self._places.keys() - names:
                self._places.pop(name).close()
            for name in sorted(names - self._places.keys())[:_KNOWN - len(self._places)]:
                with contextlib.suppress(OSError):  # its owner has just gone
                    self._places[name] = _Known.at(self._folder / name)
            self._read = (changed, 0)


@dataclass(slots=True)
class _Batch:
    """Asks of ours, with all that others have left by the time that the lock is ours."""

    places: _Places
    asks: Sequence[tuple[Caller, object]] = ()
    place: Place | None = None
    own: bool = True  # whether this process has asked them
    found: list[Found] = field(default_factory=list)
    taken: list[_Known] = field(default_factory=list)
    steps: list[tuple[Caller, Step[dict[str, Json]]]] = field(default_factory=list)
    durable: bool = False

    def served(self, parts: Parts, *, wait: float) -> Found:
        """With ours done, what others leave meanwhile is done too, for a while: this database connection knows the
        pages by now, and whoever came next would read them again. Raises flock.Held, _Settled."""
        with parts.db.turn(wait):
            self._carry_out(parts)
            batch, until = self, SYSTEM.monotonic() + _TENURE
            with contextlib.suppress(HarnessError):  # ours is done, whatever becomes of theirs
                while self.places.gathered(len(batch.taken)) and SYSTEM.monotonic() < until:
                    batch = _Batch(self.places)
                    batch._carry_out(parts)
        if waiting := [place for place, _ in self.places.asked()]:
            waiting[next(_COUNT) % len(waiting)].ring()  # another one each time: who leads works for others
        return self.found[-1]

    def _carry_out(self, parts: Parts) -> None:
        ended = False
        try:
            self.found = together(parts, self.steps, durable=lambda: self._collect(parts.db), ready=self._ready)
            ended = True
        except HarnessError as error:
            if not self.steps:
                raise
            self._ready([error] * len(self.steps), None)
            ended = True
        finally:
            for place in self.taken if ended else ():
                place.done()
            for place in self.taken:  # all at once: whoever wakes up takes the processor
                place.ring()

    def _ready(self, found: Sequence[Found], event: str | None) -> None:
        self.found = list(found)
        try:
            for place, one in zip(self.taken, found, strict=False):
                place.put(_packed(one, event))
        except OSError as error:  # then nothing may happen: its owner would do it again
            raise Unavailable(f"an answer cannot be written: {error.strerror}", fix="githarness doctor") from error

    def _collect(self, db: Database) -> bool:
        """In its turn, once; whether all of it has to be on disk."""
        if self.steps:
            return self.durable
        if self.place:
            self.place.take(db)
        asks: list[tuple[Caller, object]] = []
        for place, head in self.places.asked():
            text = place.take(head) if len(asks) < _MOST else None
            if text is not None:
                self.taken.append(place)
                asks.append(ops.unpacked(json.loads(text.decode())))
        self.steps += [(caller, ops.step_for(caller, ask)) for caller, ask in asks]
        self.steps += [(caller, ops.step_of(ask) if self.own else ops.step_for(caller, ask))
                       for caller, ask in self.asks]
        self.durable = any(ops.lasts(ask) for _, ask in (*asks, *self.asks))
        return self.durable


def _packed(found: Found, event: str | None) -> bytes:
    said: dict[str, Json] = found.document() if isinstance(found, HarnessError) else {"done": found}
    return canon.dumps({**said, "event": event}).encode()


def _unpacked(data: bytes) -> Found:
    table = json.loads(data.decode())
    done: dict[str, Json] | None = table.get("done")
    return raised(table["error"]) if done is None else done


def _tidy(folder: Path) -> None:
    """What processes left that are gone, and machines that were started anew."""
    for old in folder.parent.iterdir():
        if not old.name.startswith(clock.boot_id()):
            shutil.rmtree(old, ignore_errors=True)
    for file in folder.iterdir():
        pid, start, _ = file.name.split("-")
        if str(clock.process_start(int(pid))) != start:
            file.unlink(missing_ok=True)
