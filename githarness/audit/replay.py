"""The log replayed line by line: every root that anybody stated is compared where the log passes its size.

`Links` follows what belongs together: each intent has one outcome or is open, each outcome has its intent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from githarness.audit.line import Leaf
from githarness.audit.merkle import Tree

MOST = 100  # faults that are told; one edit can break every root behind it
LANDED = ("landed", "recovered")


class Fault(NamedTuple):
    """Something that cannot come from a crash: an event or a statement about the log was changed."""

    code: str  # edited | missing | inserted | cut | root | signature | chain | replaced | unlinked | unrecorded | body
    where: str
    message: str


class Pin(NamedTuple):
    """What somebody stated: this root at this size."""

    size: int
    root: bytes
    where: str


class Replay:
    def __init__(self, pins: Iterable[Pin]) -> None:
        self.tree = Tree()
        self.faults: list[Fault] = []
        self._pins: dict[int, list[Pin]] = {}
        for pin in pins:
            self.pin(pin)

    def pin(self, pin: Pin) -> None:
        self._pins.setdefault(pin.size, []).append(pin)

    def add(self, line: bytes) -> None:
        if self.tree.size in self._pins:
            self._met()
        self.tree.add(line)

    def _met(self) -> None:
        pins = self._pins.pop(self.tree.size, ())
        root = self.tree.root if pins else b""
        self.faults += [Fault("root", pin.where, f"states another root of the log at {pin.size} events")
                        for pin in pins if pin.root != root]

    def end(self) -> None:
        """The last size, and what was stated of more than there is."""
        self._met()
        self.faults += [Fault("cut", pin.where, f"states {size} events; the log has {self.tree.size}")
                        for size, pins in sorted(self._pins.items()) for pin in pins]


class Links:
    def __init__(self, pinned: Iterable[str], branch: frozenset[str]) -> None:
        """`pinned`: the commits that name this log; `branch`: those of the governed branch."""
        self.open: dict[str, str | None] = {}
        self.unlinked: list[str] = []  # outcomes whose intent is not in the log
        self.unrecorded = set(pinned)  # commits of this log that no intent names
        self.gone: set[str] = set()  # commits of writes that landed and that the branch does not have
        self.faults: list[Fault] = []
        self._branch = branch

    def add(self, leaf: Leaf) -> None:
        if leaf.kind == "intent":
            self.open[leaf.id] = leaf.commit
            self.unrecorded.discard(leaf.commit or "")
        elif leaf.kind == "outcome":
            self._close(leaf)

    def _close(self, leaf: Leaf) -> None:
        intent = leaf.intent or ""
        if intent not in self.open:
            self.unlinked.append(intent)
            return
        commit = self.open.pop(intent)
        there = commit in self._branch
        if leaf.outcome in LANDED and not there:
            self.gone.add(commit or "")
        elif leaf.outcome not in LANDED and there:
            self.faults.append(Fault("unlinked", leaf.id, f"says {leaf.outcome} of commit {commit}, which has landed"))
