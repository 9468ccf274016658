"""Where requests meet the ledger: values in, answer frames out, and no socket in sight.

One of the three places with a broad handler: a defect in one request must not end the daemon for everybody.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, cast

from githarness import frames
from githarness.canon import Json
from githarness.daemon import answers
from githarness.daemon.requests import Asked, Hello, Request
from githarness.errors import HarnessError, Internal, NotFound, Unavailable
from githarness.work import ops
from githarness.work.asks import Ask, Doc, ReadAsk, TooLarge, Written
from githarness.work.coordination import Caller

Result = Written | HarnessError
Note = Callable[[str], None]


class Ledger(Protocol):
    """What the daemon needs of the lane in process.

    write_group: a result for every ask, in order; calls `ack` with them as soon as they are on disk, and what it does
    after that is bookkeeping. A HarnessError raised before `ack` means that nothing of the group was done.
    read, and a result of write_group: TooLarge for content that the client should handle by itself.
    maintain: called from another thread, beside everything.
    """

    def write_group(self, asks: Sequence[Ask], ack: Callable[[list[Result]], None] | None = None) -> list[Result]: ...

    def read(self, ask: ReadAsk) -> Doc: ...

    def maintain(self) -> None: ...


class Table(Protocol):
    """The verbs of coordination: all of a group in one transaction, a result for each; a HarnessError: none happened.

    changes: another number once another process has changed anything.
    """

    def together(self, asks: Sequence[tuple[Caller, object]]) -> list[dict[str, Json] | HarnessError]: ...

    def changes(self) -> int: ...


class Served(NamedTuple):
    ledger: Ledger
    table: Table


class Desk:
    def __init__(self, served: Served, repository: str, note: Note) -> None:
        self._ledger, self._table = served
        self._repository = repository
        self._note = note

    def hello(self, number: int, hello: Hello) -> tuple[bytes, bool]:
        """The answer, and whether the connection may go on."""
        if frames.VERSION not in hello.protocols:
            wrong: HarnessError = Unavailable(f"this daemon speaks protocol {frames.VERSION}",
                                              fix="githarness serve --stop", details={"protocol": frames.VERSION})
        elif hello.repository != self._repository:
            wrong = NotFound(f"this daemon serves '{self._repository}'", fix="unset GITHARNESS_SOCKET")
        else:
            return answers.bare(number, "hello", {"protocol": frames.VERSION, "pid": os.getpid()}), True
        return answers.error(number, wrong), False

    def answer(self, request: Request) -> bytes:
        """To everything but hello, status, changed, writes and asks."""
        if request.verb == "ping":
            return answers.bare(request.id, "pong")
        if request.verb == "refused":
            return answers.error(request.id, cast(HarnessError, request.what))
        try:
            return answers.doc(request.id, self._ledger.read(cast(ReadAsk, request.what)))
        except TooLarge:
            return answers.bare(request.id, "defer")
        except HarnessError as error:
            return answers.error(request.id, error)
        except Exception:
            self._note("a read failed: " + traceback.format_exc())
            return answers.error(request.id, Internal("the daemon met a defect of its own; its log has it"))

    def ask(self, group: Sequence[Request], deliver: Callable[[list[bytes]], None]) -> bool:
        """As `write` does, for verbs of coordination."""
        read = [_read(cast(Asked, request.what)) for request in group]
        asks = [one for one in read if not isinstance(one, HarnessError)]
        try:
            done = iter(self._table.together(asks) if asks else ())
            results = [one if isinstance(one, HarnessError) else next(done) for one in read]
        except HarnessError as error:
            results = [error] * len(group)
        except Exception:
            self._note("a group of asks failed: " + traceback.format_exc())
            return False
        deliver([answers.error(request.id, result) if isinstance(result, HarnessError)
                 else answers.done(request.id, result) for request, result in zip(group, results, strict=True)])
        return True

    def changes(self) -> int:
        return self._table.changes()

    def write(self, group: Sequence[Request], deliver: Callable[[list[bytes]], None]) -> bool:
        """Delivers an answer for each, once. False: a defect before that; whether they landed is not known."""
        delivered = False

        def ack(results: list[Result]) -> None:
            nonlocal delivered
            delivered = True
            deliver([_result(request.id, result) for request, result in zip(group, results, strict=True)])

        try:
            results = self._ledger.write_group([cast(Ask, request.what) for request in group], ack)
        except HarnessError as error:
            results = [error] * len(group)
            if delivered:
                self._note(f"bookkeeping failed after a write: {error.message}")
        except Exception:
            self._note("a group of writes failed: " + traceback.format_exc())
            return delivered
        if not delivered:
            ack(results)
        return True


def _read(asked: Asked) -> tuple[Caller, object] | HarnessError:
    try:
        return ops.of_client(*asked)
    except HarnessError as error:
        return error


def _result(number: int, result: Result) -> bytes:
    if isinstance(result, Written):
        return answers.written(number, result)
    return answers.bare(number, "defer") if isinstance(result, TooLarge) else answers.error(number, result)
