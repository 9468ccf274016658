"""The states that judge a commit: governance at its first parent, and what the tip that it lands on has changed since.

A commit of a side branch lands by a merge of the main line, and a range lands on its base. Where that tip has another
governance than the commit's parent, what it retired, removed or narrowed since both parted holds for the commit too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from githarness.errors import Integrity
from githarness.git.commits import Commit
from githarness.git.objects import FOLDER, Entry
from githarness.git.reader import Reader
from githarness.work.governance import FOLDER_NAME, Governance, Governed


@dataclass(frozen=True, slots=True)
class State:
    governance: Governance
    loads: bool  # False: config.toml does not, and an older one stands in, for people alone


class States:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._governed = Governed(reader)
        self._known: dict[str, State] = {}  # by the id of `.githarness`

    def folder(self, commit: str) -> str | None:
        entry = self._reader.entry(commit, FOLDER_NAME)
        return entry.oid if entry is not None and entry.mode == FOLDER else None

    def at(self, commit: str) -> State | None:
        """None where the commit is not governed."""
        folder = self.folder(commit)
        if folder is None:
            return None
        if folder not in self._known:
            self._known[folder] = self._load(commit, folder)
        return self._known[folder]

    def _load(self, commit: str, folder: str) -> State:
        try:
            return State(self._governed.of(commit, Entry(FOLDER, folder)), loads=True)
        except Integrity:
            return State(self._governed.salvaged(commit), loads=False)

    def judging(self, commit: Commit, tips: Sequence[str]) -> list[State]:
        """First the parent's state, then those of the tips where these know something that the parent does not."""
        parent = commit.parents[0] if commit.parents else None
        before = self.at(parent) if parent else None
        found = [before] if before else []
        for tip in tips:
            landing = self.at(tip)
            if landing is None or (before and (landing is before or not self._changed_since(tip, parent))):
                continue
            found.append(landing)
        return found

    def _changed_since(self, tip: str, parent: str | None) -> bool:
        """Whether the tip's governance is another than where the commit's line left it."""
        base = self._reader.merge_base(tip, parent) if parent else None
        return base is None or self.folder(base) != self.folder(tip)


def line_of(parents: Mapping[str, tuple[str, ...]], head: str) -> list[str]:
    """The main line of a range: first parents from `head` back, newest first."""
    line = []
    at: str | None = head
    while at is not None and at in parents:
        line.append(at)
        at = parents[at][0] if parents[at] else None
    return line


def landings(parents: Mapping[str, tuple[str, ...]], head: str, base: str | None) -> dict[str, tuple[str, ...]]:
    """For each commit of a range the tips that it lands on, those that it is built on left out.

    `parents`: of every commit of the range, a commit after its parents.
    """
    line = line_of(parents, head)[::-1]
    place = {oid: number for number, oid in enumerate(line)}
    brought = _brought(parents, line)
    built_on: dict[str, int] = {}  # the last commit of the main line that it descends from
    on_base: dict[str, bool] = {}
    found: dict[str, tuple[str, ...]] = {}
    for oid, above in parents.items():
        built_on[oid] = place.get(oid, max((built_on.get(one, -1) for one in above), default=-1))
        on_base[oid] = any(one == base or on_base.get(one, False) for one in above)
        tips = []
        if base and not on_base[oid]:
            tips.append(base)
        merge = brought.get(oid)
        if merge is not None and (first := parents[merge][0]) != base and built_on[oid] < place[merge] - 1:
            tips.append(first)
        found[oid] = tuple(tips)
    return found


def _brought(parents: Mapping[str, tuple[str, ...]], line: Sequence[str]) -> dict[str, str]:
    """For each commit beside the main line the merge of it that brought it."""
    known: dict[str, str] = dict.fromkeys(line, "")
    for merge in line:
        left = list(parents[merge][1:])
        while left:
            oid = left.pop()
            if oid in parents and oid not in known:
                known[oid] = merge
                left.extend(parents[oid])
    return {oid: merge for oid, merge in known.items() if merge}
