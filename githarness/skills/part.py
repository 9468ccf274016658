"""Whether a change of a skill's body can have brought an error, by the lines around it: most writes change few.

Of a version without errors, in which the gates that read lines saw nothing at all, the next one can have errors only
where it was changed, as long as the frontmatter is the same: nothing is seen in lines that are as they were. What is
not certain goes to `judge` as a whole, so nothing passes here that it would refuse.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from githarness.skills.document import LARGEST, Document, holds
from githarness.skills.frontmatter import Front
from githarness.skills.judge import judge
from githarness.skills.model import Finding, Gate, Place

REACH = 300  # bytes before and behind a change
_KEPT = 8 << 20  # bytes of versions
# What spans many lines, or lets GH052 search for blank ones: a text that holds one is judged as a whole.
_FAR = (b"<!--", b"PRIVATE KEY-----", b" " * 60, b"\t\t\t\t", b"\n\n\n\n")


class _Clean(NamedTuple):
    data: bytes
    front: Front
    body: int  # where it begins, in bytes


class Versions:
    """Versions without errors that were seen lately, by path and blob."""

    def __init__(self, gates: Sequence[Gate]) -> None:
        self._lines = tuple(gate for gate in gates if gate.reads == "lines")
        self._blind = tuple(gate._replace(triggers=()) for gate in self._lines)
        self._all = tuple(gate for gate in gates if gate.reads == "all")
        self._ids = frozenset(gate.id for gate in self._lines)
        self._kept: OrderedDict[tuple[str, str], _Clean] = OrderedDict()
        self._size = 0

    def learn(self, oid: str, doc: Document, findings: Iterable[Finding]) -> None:
        """Keeps a version whose findings are these, if it is one to build on."""
        if any(each.severity == "error" or each.gate in self._ids for each in findings):
            return
        head = doc.text[: doc.front.end].encode()
        if head.endswith(b"\n"):
            self._keep((doc.path, oid), _Clean(doc.data, doc.front, len(head)))

    def leads_to(self, old: str, new: str, doc: Document, place: Place) -> bool:
        """Whether the blob `new`, of which is `doc`, certainly has no error, because the blob `old` had none."""
        clean = self._kept.get((doc.path, old))
        if clean is None or len(doc.data) > LARGEST or any(word in doc.data for word in _FAR):
            return False
        start, end = _changed(clean.data, doc.data)
        if start < clean.body:
            return False
        doc.front = clean.front
        if self._is_seen(doc, Document(doc.path, _around(doc.data, start, end), doc.kind), place):
            return False
        self._keep((doc.path, new), clean._replace(data=doc.data))
        return True

    def _is_seen(self, doc: Document, part: Document, place: Place) -> bool:
        whole = [gate for gate in self._lines if holds(part.lower, gate.triggers)]
        return bool(judge(part, place, self._blind) or judge(doc, place, (*whole, *self._all)))

    def _keep(self, key: tuple[str, str], clean: _Clean) -> None:
        if key not in self._kept:
            self._kept[key] = clean
            self._size += len(clean.data) + 2 * clean.body
        self._kept.move_to_end(key)
        while self._size > _KEPT:
            _, oldest = self._kept.popitem(last=False)
            self._size -= len(oldest.data) + 2 * oldest.body


def _changed(old: bytes, new: bytes) -> tuple[int, int]:
    """Start and end of what of `new` is not as in `old`; equal where something was only taken out."""
    most = min(len(old), len(new))
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if old[low:middle] == new[low:middle] else (low, middle - 1)
    start, low, high = low, 0, most - low
    while low < high:
        middle = (low + high + 1) // 2
        same = old[len(old) - middle : len(old) - low] == new[len(new) - middle : len(new) - low]
        low, high = (middle, high) if same else (low, middle - 1)
    return start, len(new) - low


def _around(data: bytes, start: int, end: int) -> bytes:
    """Whole lines; a continued line is one with those that it continues."""
    start = data.rfind(b"\n", 0, max(0, start - REACH)) + 1
    while data[max(0, start - 2) : start] == b"\\\n":
        start = data.rfind(b"\n", 0, start - 1) + 1
    end = data.find(b"\n", end + REACH)
    while end > 0 and data[end - 1 : end] == b"\\":
        end = data.find(b"\n", end + 1)
    return data[start:] if end < 0 else data[start : end + 1]
