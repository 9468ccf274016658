"""What globs have in common: a text that some match and others do not, found by walking all of them at once.

Globs are those of `paths.matches`. Texts are made of the globs' own characters and of one that none of them has, so
that a wildcard is told apart from the letters that it could stand for; only those that `valid` takes are answers.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from githarness import paths
from githarness.errors import BadPath

_MOST = 4000  # combinations of states that are looked at; behind it the answer is that there is none
_AGAIN = 3  # what comes back to where another text led may be valid where that one is not
_FRESH = "xyzwvuq0123456789\u00e6"
States = frozenset[int]


class _Move(NamedTuple):
    kind: str  # the character itself, "?" for all but `/`
    to: int


class _Walk:
    """A glob as a nondeterministic automaton without empty moves."""

    def __init__(self, glob: str) -> None:
        self._moves: list[list[_Move]] = [[]]
        self._skips: list[list[int]] = [[]]
        names = glob.split("/")
        for number, name in enumerate(names):
            last = number == len(names) - 1
            if name == "**":
                self._folders()
                if last:
                    self._any_name()
                continue
            for char in name:
                self._char(char)
            if not last:
                self._step("/")
        self.start = self._closed((0,))
        self.end = len(self._moves) - 1

    def _new(self) -> int:
        self._moves.append([])
        self._skips.append([])
        return len(self._moves) - 1

    def _step(self, kind: str) -> None:
        at = len(self._moves) - 1
        self._moves[at].append(_Move(kind, self._new()))

    def _char(self, char: str) -> None:
        if char == "*":
            at = len(self._moves) - 1
            self._moves[at].append(_Move("?", at))
            self._skips[at].append(self._new())
        else:
            self._step("?" if char == "?" else f"={char}" if char != "/" else "/")

    def _folders(self) -> None:
        """Any number of names, each with its `/`."""
        at = len(self._moves) - 1
        inside, after = self._new(), self._new()
        self._moves[at].append(_Move("?", inside))
        self._moves[inside] += [_Move("?", inside), _Move("/", at)]
        self._skips[at].append(after)

    def _any_name(self) -> None:
        self._step("?")
        at = len(self._moves) - 1
        self._moves[at].append(_Move("?", at))

    def _closed(self, states: Iterable[int]) -> States:
        found = set(states)
        open_ = list(found)
        while open_:
            for to in self._skips[open_.pop()]:
                if to not in found:
                    found.add(to)
                    open_.append(to)
        return frozenset(found)

    def letters(self, states: States) -> set[str]:
        """The characters that some move from here asks for by name."""
        return {move.kind[1] for state in states for move in self._moves[state] if move.kind[0] == "="}

    def step(self, states: States, char: str) -> States:
        wanted = {"/"} if char == "/" else {"?", f"={char}"}
        return self._closed(move.to for state in states for move in self._moves[state] if move.kind in wanted)


@lru_cache(maxsize=4096)
def _walk(glob: str) -> _Walk:
    return _Walk(glob)


def is_path(text: str) -> bool:
    try:
        return bool(paths.check(text))
    except BadPath:
        return False


def witness(inside: Sequence[str], outside: Sequence[str] = (), *,
            valid: Callable[[str], bool] = is_path) -> str | None:
    """A shortest text that all of `inside` match and none of `outside`; None where there is none, or none in reach."""
    return _search(inside, outside, valid)[0]


def is_empty(glob: str) -> bool:
    """Whether it is sure that no path matches."""
    found, whole = _search([glob], (), is_path)
    return found is None and whole


def _search(inside: Sequence[str], outside: Sequence[str], valid: Callable[[str], bool]) -> tuple[str | None, bool]:
    """With whether the search came to an end."""
    begins = [_beginning(glob) for glob in inside]
    longest = max(begins, key=len)
    if not set(inside).isdisjoint(outside) or not all(longest.startswith(text) for text in begins):
        return None, True
    outside = [glob for glob in outside if _meet(_beginning(glob), longest)]
    count = len(inside) + 1
    every = (*inside, "**", *outside)  # `**`: no empty names
    walks = [_walk(glob) for glob in every]
    fresh = _fresh(every)
    first = tuple(walk.start for walk in walks)
    seen, queue = Counter((first,)), deque([(first, "")])
    while queue and len(seen) <= _MOST:
        states, text = queue.popleft()
        for char in (fresh, *sorted(set().union(*map(_Walk.letters, walks, states))), "/"):
            after = tuple(walk.step(at, char) for walk, at in zip(walks, states, strict=True))
            if not all(after[:count]):
                continue
            ends = [walk.end in at for walk, at in zip(walks, after, strict=True)]
            if all(ends[:count]) and not any(ends[count:]) and valid(text + char):
                return text + char, True
            if seen[after] < _AGAIN:
                seen[after] += 1
                queue.append((after, text + char))
    return None, not queue


@lru_cache(maxsize=8192)
def _beginning(glob: str) -> str:
    """What every text that it matches begins with."""
    return re.split(r"[*?]", glob, maxsplit=1)[0]


def _meet(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def near(glob: str, others: Iterable[str]) -> list[str]:
    """Those of the others that by their beginnings could match what it matches."""
    begins = _beginning(glob)
    return [one for one in others if _meet(_beginning(one), begins)]


def _fresh(globs: Iterable[str]) -> str:
    own: set[str] = {char for glob in globs for char in glob}
    return next(char for char in chain(_FRESH, map(chr, range(0x4E00, 0x9FFF))) if char not in own)


def covered(glob: str, by: Sequence[str], *, valid: Callable[[str], bool] = is_path) -> bool:
    """Whether all that the glob matches is matched by one of the others; False also where that cannot be told."""
    if glob in by or "**" in by:
        return True
    if "*" not in glob and "?" not in glob:
        return any(paths.matches(one, glob) for one in by)
    by = near(glob, by)
    return bool(by) and _search([glob], by, valid) == (None, True)
