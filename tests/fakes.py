"""Fakes that tests use where the real thing is slow or cannot be made to fail; the one of the ledger is durable."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from githarness.errors import BadPath, HarnessError, NotFound
from githarness.work.asks import Ask, Doc, Landed, ReadAsk, TooLarge, Written


class FakeTable:
    """Verbs of coordination that answer with what they were asked; where the agent is `nobody`, they fail."""

    def together(self, asks: Sequence[tuple[Any, object]]) -> list[Any]:
        return [NotFound("no agent 'nobody'") if caller.agent == "nobody" else {"agent": caller.agent}
                for caller, _ in asks]

    def changes(self) -> int:
        return 1


class FakeLane:
    """A ledger of one journal file: each admitted write is one JSON line, on disk before it is acknowledged.

    Several processes may share a folder. Writes to `bad` are refused, to `defect` fail like a bug, to `large` are too
    large where `limited`. `spoil` is called at named points, so that a test can die or wait there.
    """

    def __init__(self, folder: Path, *, limited: bool = False, delay: float = 0.0,
                 spoil: Callable[[str], None] = lambda _: None) -> None:
        folder.mkdir(exist_ok=True)
        self._journal = folder / "journal.jsonl"
        self._limited = limited
        self._delay = delay
        self._spoil = spoil
        self.groups: list[int] = []

    def write(self, ask: Ask) -> Written:
        result = self.write_group([ask])[0]
        if isinstance(result, HarnessError):
            raise result
        return result

    def write_group(self, asks: Sequence[Ask], ack: Callable[[list[Any]], None] | None = None) -> list[Any]:
        self.groups.append(len(asks))
        with self._locked() as file:
            known = {line["operation"]: line for line in self.lines() if line["operation"]}
            self._spoil("begin")
            results = [self._place(ask, file, known) for ask in asks]
            file.flush()
            self._spoil("written")
            os.fsync(file.fileno())
            time.sleep(self._delay)
            self._spoil("durable")
        if ack:
            ack(results)
            self._spoil("acknowledged")
        return results

    def read(self, ask: ReadAsk) -> Doc:
        if ask.path == "defect":
            raise ZeroDivisionError
        if ask.path == "large" and self._limited:
            raise TooLarge("'large' is large")
        content: bytes | None = None
        for line in self.lines():
            for kind, path, text in line["ops"]:
                if path == ask.path:
                    content = (content or b"" if kind == "append" else b"") + text.encode("latin-1")
        if content is None:
            raise NotFound(f"no artifact '{ask.path}'", details={"path": ask.path})
        return Doc(ask.path, hashlib.sha1(content).hexdigest(), "c" * 40, "100644", content)

    def maintain(self) -> None:
        self._spoil("maintain")

    def lines(self) -> list[dict[str, Any]]:
        """What landed, in order; a last line that a crash tore is none."""
        if not self._journal.exists():
            return []
        return [json.loads(line) for line in self._journal.read_bytes().split(b"\n")[:-1] if line]

    def _place(self, ask: Ask, file: Any, known: dict[str, dict[str, Any]]) -> Any:
        for op in ask.ops:
            if op.path == "bad":
                return BadPath("'bad' is bad", details={"agent": ask.agent})
            if op.path == "defect":
                raise ZeroDivisionError
            if op.path == "large" and self._limited:
                return TooLarge("'large' is large")
        ops = [[op.kind, op.path, (op.content or b"").decode("latin-1")] for op in ask.ops]
        text = json.dumps({"operation": ask.operation, "agent": ask.agent, "pid": os.getpid(), "ops": ops})
        if ask.operation in known:
            text = json.dumps(known[ask.operation])
        else:
            file.write(text.encode() + b"\n")
        commit = hashlib.sha1(text.encode()).hexdigest()
        paths = tuple(Landed(op.path, None, None) for op in ask.ops)
        return Written(commit, paths, ask.operation, None, "none")

    @contextmanager
    def _locked(self) -> Iterator[Any]:
        with self._journal.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            whole = self._journal.read_bytes().rpartition(b"\n")
            file.truncate(len(whole[0]) + len(whole[1]))
            yield file
