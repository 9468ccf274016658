"""A stream without secrets: what is fed comes out with every form of every value as `[secret NAME]`.

    Patterns(secrets)      once; an Aho-Corasick automaton over all forms
    Redactor(patterns)     one for each stream: feed(), idle() while nothing comes, close()

Held back is only the longest end of the stream with which a form may begin, so that no chunking leaks; time is linear.
All bytes of all occurrences go, also where they overlap: these become one mark, with the name of the one that begins
first. Line breaks inside an occurrence do not hide it (`forms`), up to `_MOST_BREAKS` of them in a row, which bounds
what is held to that many times the longest form.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable

from githarness.vault.forms import forms

_MOST_BREAKS = 8
_RUNS = re.compile(rb"[\r\n]+")
# Shown after an idle time though a form may have begun: a prompt is not to wait for the next line. Of a long form more,
# because those begin alike (-----BEGIN).
_SPARE, _SPARE_PART, _SPARE_MOST = 3, 16, 32


class Patterns:
    """Nodes are numbers; a form's nodes follow each other, so that a long form costs bytes and no objects."""

    def __init__(self, secrets: Iterable[tuple[str, bytes]]) -> None:
        """`secrets`: name and value; a value is at least 8 bytes."""
        self.following = array("h", [-1])  # the byte that leads to the node's number plus one
        self.branches: dict[int, int] = {}  # node * 256 + byte: the node for other bytes
        self.depth = array("i", [0])
        self.spare = array("i", [0])  # how much of a begun form may be shown after an idle time
        self.marks: list[bytes] = [b""]
        self.lengths: list[int] = [0]
        self.ends = array("i", [0])  # the longest form that ends at the node: number of mark and length
        self.fail = array("i", [0])
        self.resume: dict[int, int] = {}  # from the end of a form that begins no longer one, the node to go on from
        parents = array("i", [-1])
        labels = bytearray(1)
        starts: dict[int, set[int]] = {}
        for name, value in secrets:
            for form in forms(value):
                starts.setdefault(form.text[0], set()).add(form.text[1])
                self._insert(form.text, parents, labels, b"[secret %s]" % name.encode())
        self._link(parents, labels)
        pairs = (re.escape(bytes([one])) + b"[" + re.escape(bytes(seconds)) + b"]" for one, seconds in starts.items())
        self.begins = re.compile(b"|".join(pairs) or b"(?!)")

    def step(self, node: int, byte: int) -> int:
        while True:
            if self.following[node] == byte:
                return node + 1
            if child := self.branches.get(node << 8 | byte):
                return child
            if not node:
                return 0
            node = self.fail[node]

    def _insert(self, text: bytes, parents: array[int], labels: bytearray, mark: bytes) -> None:
        spare = min(max(_SPARE, len(text) // _SPARE_PART), _SPARE_MOST)
        node = at = 0
        while at < len(text):
            child = node + 1 if self.following[node] == text[at] else self.branches.get(node << 8 | text[at])
            if not child:
                break
            self.spare[child] = min(self.spare[child], spare)
            node, at = child, at + 1
        if at < len(text):
            node = self._append(node, at, text, parents)
            labels += text[at:]
            self.spare.extend([spare] * (len(text) - at))
        if not self.ends[node]:
            self.ends[node] = len(self.marks)
            self.marks.append(mark)
            self.lengths.append(len(text))

    def _append(self, node: int, at: int, text: bytes, parents: array[int]) -> int:
        """The rest of the text as nodes below this one; the last of them."""
        first = len(self.depth)
        if node == first - 1:
            self.following[node] = text[at]
        else:
            self.branches[node << 8 | text[at]] = first
        count = len(text) - at
        self.following.extend(text[at + 1 :])
        self.following.append(-1)
        self.depth.extend(range(at + 1, len(text) + 1))
        parents.append(node)
        parents.extend(range(first, first + count - 1))
        self.ends.extend([0] * count)
        self.fail.extend([0] * count)
        return first + count - 1

    def _link(self, parents: array[int], labels: bytearray) -> None:
        branching = {key >> 8 for key in self.branches}
        for node in sorted(range(1, len(self.depth)), key=self.depth.__getitem__):
            if self.depth[node] > 1:
                self.fail[node] = self.step(self.fail[parents[node]], labels[node])
            self.ends[node] = self.ends[node] or self.ends[self.fail[node]]
            if self.following[node] < 0 and node not in branching:
                self.resume[node] = self.resume.get(self.fail[node], self.fail[node])


class Redactor:
    """Positions count the bytes of the stream that are no line breaks."""

    def __init__(self, patterns: Patterns) -> None:
        self._patterns = patterns
        self._node = 0
        self._seen = 0
        self._from = 0  # of the first byte that is held
        self._held = bytearray()
        self._breaks: list[int] = []  # position of the byte after each line break that is held
        self._run = 0  # line breaks in a row at the end
        self._found: deque[tuple[int, int, int]] = deque()  # begin, end, number of mark: apart from each other
        self._covered = 0  # up to where bytes are part of what has its mark already

    def feed(self, data: bytes) -> bytes:
        """What of the stream can be shown now."""
        self._held += data
        done = 0
        for run in _RUNS.finditer(data):
            self._scan(data[done : run.start()])
            done, length = run.end(), run.end() - run.start()
            self._breaks.extend([self._seen] * length)
            self._run = length if run.start() else self._run + length
            if self._run > _MOST_BREAKS:
                self._node = 0
        if done < len(data):
            self._scan(data[done:])
            self._run = 0
        return self._release(self._seen - self._patterns.depth[self._node])

    def idle(self) -> bytes:
        """What may be shown because nothing came for a while: a few bytes with which a form may begin.

        What follows is still taken for the rest of the form, so that at most these bytes of it are seen.
        """
        small = self._patterns.depth[self._node] <= self._patterns.spare[self._node]
        return self._release(self._seen) if small else b""

    def close(self) -> bytes:
        """The rest; the stream has ended."""
        self._node = 0
        return self._release(self._seen)

    @property
    def holds(self) -> bool:
        return bool(self._held)

    def _scan(self, text: bytes) -> None:
        patterns, node, at, size = self._patterns, self._node, 0, len(text)
        while at < size:
            if not node:
                begin = patterns.begins.search(text, at)
                at = begin.start() if begin else max(at, size - 1)  # the last byte may begin one, too
            node = patterns.step(node, text[at])
            at += 1
            if mark := patterns.ends[node]:
                self._note(self._seen + at, mark)
                node = patterns.resume.get(node, node)
        self._node = node
        self._seen += size

    def _note(self, end: int, mark: int) -> None:
        """Ends only grow: what begins later than this one is part of it."""
        begin = max(end - self._patterns.lengths[mark], self._from)
        while self._found and self._found[-1][0] >= begin:
            self._found.pop()
        if self._found and begin < self._found[-1][1]:
            begin, _, mark = self._found.pop()
        self._found.append((begin, end, mark))

    def _release(self, safe: int) -> bytes:
        """No form that may still come begins before `safe`."""
        out = bytearray()
        while self._found and self._found[0][0] < safe:
            begin, end, mark = self._found.popleft()
            if begin >= self._covered:
                out += self._take(begin)
                out += self._patterns.marks[mark]
            self._covered = max(self._covered, end)
        out += self._take(safe)
        self._from = max(self._from, safe)
        return bytes(out)

    def _take(self, position: int) -> bytes:
        """What is held before the byte at `position`, without what is covered."""
        if position < self._from:
            return b""
        if self._covered > position:
            self._cut(self._raw(position), position)
        elif self._covered > self._from:
            self._cut(self._raw(self._covered - 1) + 1, self._covered)
        return self._cut(self._raw(position), position)

    def _raw(self, position: int) -> int:
        """Where in what is held the byte at `position` is."""
        return position - self._from + bisect_right(self._breaks, position)

    def _cut(self, size: int, position: int) -> bytes:
        """The first `size` bytes of what is held, which end before `position`."""
        piece = bytes(self._held[:size])
        del self._held[:size]
        del self._breaks[: size - (position - self._from)]
        self._from = position
        return piece
