"""What a commit itself changed: all against its parent, or what a merge has otherwise than its recomputed merge."""

from __future__ import annotations

from collections.abc import Iterator

from githarness.git.commits import Commit
from githarness.git.objects import Entry, PathChange
from githarness.git.reader import Reader
from githarness.lines import merge
from githarness.policy.roles import is_protected

_LARGEST_MERGE = 4 << 20  # bytes of a version that is merged by lines; larger ones are the merger's own


def own(reader: Reader, commit: Commit) -> tuple[PathChange, ...]:
    """By path. A root's are all that it holds. Raises Integrity."""
    trees = [reader.commit(parent).tree for parent in commit.parents]
    if len(trees) < 2:
        return reader.diff_trees(trees[0] if trees else None, commit.tree)
    return tuple(_own_of_merge(reader, commit, trees))


def _own_of_merge(reader: Reader, commit: Commit, trees: list[str]) -> Iterator[PathChange]:
    """Path by path: what one side alone changed stands, what both changed alike too, all else is merged by lines.

    No rename is guessed, so that a path which git merged across a rename counts as the merger's own.
    """
    differences = [{change.path: change for change in reader.diff_trees(tree, commit.tree)} for tree in trees]
    bases = [reader.merge_base(commit.parents[0], other) for other in commit.parents[1:]]
    for path in sorted(set().union(*differences)):
        now = next(found[path].new for found in differences if path in found)
        sides = [found[path].old if path in found else now for found in differences]
        expected, clean = sides[0], True
        for base, theirs in zip(bases, sides[1:], strict=True):
            before = reader.entry(base, path) if base else None
            if theirs in (before, expected):
                continue
            if expected == before:
                expected = theirs
            elif _by_lines(reader, path, (before, expected, theirs), now):
                expected = now
            else:
                clean = False  # whoever merged decided, also where they took one side
        if expected != now or not clean:
            yield PathChange(path, expected, now)


def _by_lines(reader: Reader, path: str, versions: tuple[Entry | None, ...], now: Entry | None) -> bool:
    """Whether `now` is what merging by lines gives; nobody signed a governance file that was put together like that."""
    entries = [entry for entry in versions if entry is not None]
    if is_protected(path) or now is None or len(entries) < 3 or any(
            reader.size(entry.oid) > _LARGEST_MERGE for entry in entries):
        return False
    base, ours, theirs = (reader.blob(entry.oid) for entry in entries)
    merged = merge.three_way(base, ours, theirs, hunks=reader.hunks).data
    return now.mode in {entry.mode for entry in entries} and merged == reader.blob(now.oid)
