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
        expected = sides[0]
        for base, theirs in zip(bases, sides[1:], strict=True):
            before = reader.entry(base, path) if base else None
            expected = _merged(reader, path, (before, expected, theirs), now)
        if expected != now:
            yield PathChange(path, expected, now)


def _merged(reader: Reader, path: str, versions: tuple[Entry | None, ...], now: Entry | None) -> Entry | None:
    base, ours, theirs = versions
    if theirs in (base, ours):
        return ours
    if ours == base:
        return theirs
    if base and ours and theirs and now and not is_protected(path) and _by_lines(reader, base, ours, theirs, now):
        return now
    return ours


def _by_lines(reader: Reader, base: Entry, ours: Entry, theirs: Entry, now: Entry) -> bool:
    """Whether `now` is what merging by lines gives; nobody signed a governance file that was put together like that."""
    entries = (base, ours, theirs)
    if now.mode not in (ours.mode, theirs.mode) or any(reader.size(one.oid) > _LARGEST_MERGE for one in entries):
        return False
    return merge.three_way(*map(reader.blob, (one.oid for one in entries)),
                           hunks=reader.hunks).data == reader.blob(now.oid)
