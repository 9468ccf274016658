"""What callers ask of the ledger and what they get back: the values that the lane, the daemon and the API share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from githarness.errors import NeedsApproval, Unavailable
from githarness.git.objects import PathChange
from githarness.policy.model import Human
from githarness.seal.signer import Signer
from githarness.store.rows import EventRow, RunRow

OpKind = Literal["write", "append", "delete", "rename"]


@dataclass(frozen=True, slots=True)
class Op:
    kind: OpKind
    path: str
    content: bytes | None = None  # write, append
    to: str | None = None  # rename
    if_match: str | None = None  # a blob id, or "absent"
    mode: str | None = None  # 100644 or 100755; None keeps what is there; new files get 100644


@dataclass(frozen=True, slots=True)
class Ask:
    """One atomic change by an agent: it becomes exactly one commit, or nothing at all."""

    agent: str
    run: str
    ops: tuple[Op, ...]
    message: str | None = None
    operation: str | None = None  # idempotency key, per agent
    merge: bool = False
    chain: tuple[str, ...] = ()  # --on-behalf-of, outermost first
    assisted_by: str | None = None
    token: str | None = None  # proves the run (T1)
    human: str | None = None  # set where a person acts: then `agent` is that person's name
    lease: str | None = None  # the write lands only while this one is held


@dataclass(frozen=True, slots=True)
class LeftAsk(Ask):
    """One that is carried out for another process, which waits for it (`work/waiting.py`)."""

    left: str = ""  # where its result goes


@dataclass(frozen=True, slots=True)
class ApprovedAsk(Ask):
    """A held change that people approved, to land as its agent's write. `row`: the run as it was; `admission`: a class
    of `admit.Admission` that judges it; `asked`: actions with their paths; `statements`: files with their contents."""

    row: RunRow = field(default=RunRow("", "", 0.0))
    admission: type = object
    changes: tuple[PathChange, ...] = ()
    asked: tuple[tuple[str, str], ...] = ()
    renames: tuple[tuple[str, str], ...] = ()
    statements: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Landed:
    path: str
    blob: str | None  # None: deleted
    previous: str | None
    merged: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    commit: str | None  # None: nothing differed, nothing was committed
    paths: tuple[Landed, ...]
    operation: str | None
    event: str | None
    worktree: str  # updated | pending | none

    def at(self, path: str) -> Landed:
        """What became of `path`; of another where this repeats an operation whose first result was elsewhere."""
        return next((one for one in self.paths if one.path == path), self.paths[0])


@dataclass(frozen=True, slots=True)
class ReadAsk:
    path: str
    agent: str | None = None
    run: str | None = None
    at: str | None = None  # a revision; only reads of head arm the stale-write guard
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Doc:
    path: str
    blob: str
    commit: str
    mode: str
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()


class TooLarge(Unavailable):
    """Not for this lane (the daemon's) or this group: nothing was done, a lane without its limits does it."""


class Withheld(NeedsApproval):
    """A change that is to be held as it is: what it would have done, for who keeps it before anybody hears of it."""

    def __init__(self, why: NeedsApproval, changes: tuple[PathChange, ...],
                 pairs: tuple[tuple[str, str], ...] = (), message: str = "") -> None:
        """`pairs`: trailers of a change that waits for people, which is held as one; `message`: its write's."""
        super().__init__(why.message, fix=why.fix, details=why.details)
        self.changes = changes
        self.pairs = pairs
        self.text = message


@dataclass(frozen=True, slots=True)
class Plan:
    """A change that a person decided (rollback, restore, governance): judged already, bound to what it was judged on.

    The lane lands it only where every `old` still holds at head. Otherwise it asks for one made `again` while it keeps
    everybody else from landing, or, without, raises `git.refs.Moved`: then the caller plans again.
    """

    kind: str  # rollback | restore | govern | write
    changes: tuple[PathChange, ...]
    subject: str
    human: Human
    signer: Signer
    body: str = ""
    trailers: tuple[tuple[str, str], ...] = ()  # Rolls-Back, Rename, Operation, Assisted-by
    run: str | None = None
    fleet: str = ""  # only the first commit names it; later ones take the fleet of config.toml
    again: Callable[[], Plan] | None = None  # raises `git.refs.Moved` where there is nothing to land any more
    events: tuple[EventRow, ...] = ()  # of what it brings about; they get id, time and commit as it lands


class Lane(Protocol):
    """The port with two adapters: in process (`work/lane.py`) and through the daemon (`daemon/client.py`).

    write: raises every error of DESIGN §5; a raised error means that nothing changed, except Unavailable from a broken
    connection, after which only the repetition with the same `operation` tells.
    read: content of an artifact at head, or at a revision; NotFound.
    """

    def write(self, ask: Ask) -> Written: ...

    def read(self, ask: ReadAsk) -> Doc: ...


Progress = Callable[[int, int], None]  # done, total
