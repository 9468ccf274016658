"""The states that judge a commit: governance at its first parent, and what the tip that it lands on has changed since.

A commit of a side branch lands by a merge of the main line, and a range lands on its base. Where that tip has another
governance than the commit's parent, what it retired, removed or narrowed since both parted holds for the commit too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from githarness.errors import Integrity
from githarness.git import commits
from githarness.git.commits import Commit
from githarness.git.objects import FOLDER, Entry, Raw, raw
from githarness.git.reader import Reader
from githarness.git.trees import Trees
from githarness.work.governance import FOLDER_NAME, Governance, Governed
from githarness.work.rulebook import Ever, unknown


@dataclass(frozen=True, slots=True)
class State:
    governance: Governance
    loads: bool  # False: config.toml does not, and an older one stands in, for people alone


class States:
    """`ever`, `had`: see Rulebook."""

    def __init__(self, reader: Reader, ever: Ever = unknown, had: dict[str, bool] | None = None) -> None:
        self._reader = reader
        self._past: tuple[Ever, dict[str, bool]] = (ever, {} if had is None else had)
        self._governed = Governed(reader, *self._past)
        self._known: dict[str, State] = {}  # by the id of `.githarness`
        self._last = ("", "")  # commit and folder
        self._joined: dict[tuple[str, str, str], State] = {}

    def folder(self, commit: str) -> str | None:
        """The id of what governs a commit."""
        entry = self._reader.entry(commit, FOLDER_NAME)
        return entry.oid if entry is not None and entry.mode == FOLDER else None

    def at(self, commit: str) -> State | None:
        """None where the commit is not governed."""
        folder = self.folder(commit)
        if folder is None:
            return None
        known = self._known.get(folder)
        if known is None or not (known.governance.policy.files or self._goes_on(commit, folder)):
            known = self._known[folder] = _loaded(self._governed, commit, folder)
        self._last = (commit, folder)
        return known

    def _goes_on(self, commit: str, folder: str) -> bool:
        """Whether the last state asked for is that of the commit's parent. Where there is no policy file, the history
        that lies between says whether there ever was one."""
        return self._last == (commit, folder) or self._last in (
            (parent, folder) for parent in self._reader.commit(commit).parents[:1])

    def judging(self, commit: Commit, tips: Sequence[str]) -> list[State]:
        """First the parent's state, then that state with what each tip changed since both parted. The other parents of
        a merge count as tips: whoever builds on them knows them, whichever parent they name first."""
        parent = commit.parents[0] if commit.parents else None
        here = self.folder(parent) if parent else None
        states = [self.at(parent)] if parent and here else []
        for tip in dict.fromkeys((*tips, *commit.parents[1:])):
            there, base = self.folder(tip), self._reader.merge_base(tip, parent) if parent and here else None
            before = self.folder(base) if base else None
            if there in (None, here, before):
                continue
            if parent is None or here is None or before in (None, here):
                states.append(self.at(tip))
            else:
                states.append(self._join(parent, tip, str(base)))
        return [state for state in states if state]

    def _join(self, parent: str, tip: str, base: str) -> State:
        """The parent's governance, but where the tip has changed a file since `base`, the tip's."""
        key = (str(self.folder(parent)), str(self.folder(tip)), str(self.folder(base)))
        if key not in self._joined:
            roots = [self._reader.commit(oid).tree for oid in (base, tip, parent)]
            changes = {change.path: change.new for change in self._reader.diff_trees(*roots[:2])
                       if change.path.startswith(FOLDER_NAME + "/")}
            made: list[Raw] = []
            tree = Trees(self._reader.tree).change(roots[2], changes, made)
            commit = raw("commit", f"tree {tree}\nparent {tip}\nauthor <> 0\ncommitter <> 0\n\n".encode())
            supposed = _Supposed(self._reader, (*made, commit))
            folder = supposed.entry(commit.oid, FOLDER_NAME)
            self._joined[key] = _loaded(Governed(supposed, *self._past), commit.oid, folder.oid if folder else "")
        return self._joined[key]


def _loaded(governed: Governed, commit: str, folder: str) -> State:
    try:
        return State(governed.of(commit, Entry(FOLDER, folder)), loads=True)
    except Integrity:
        return State(governed.salvaged(commit), loads=False)


class _Supposed(Reader):
    """A repository with trees and a commit in it that nobody has written there."""

    def __init__(self, reader: Reader, objects: Sequence[Raw]) -> None:
        super().__init__(reader.repo)
        self._supposed = {one.oid: one.data for one in objects}

    def tree(self, oid: str) -> bytes:
        data = self._supposed.get(oid)
        return super().tree(oid) if data is None else data

    def commit(self, oid: str) -> Commit:
        data = self._supposed.get(oid)
        return super().commit(oid) if data is None else commits.parse(oid, data)


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
