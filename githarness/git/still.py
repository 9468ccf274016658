"""A reader for who goes through a whole history: each commit is parsed once, as long as it is near."""

from __future__ import annotations

from githarness.git import commits
from githarness.git.commits import Commit
from githarness.git.reader import Reader
from githarness.git.repo import Repo

_KEPT = 512  # commits


class Still(Reader):
    """Of a repository that is not shallow: whoever made this has looked. Others may read a name that stands twice as
    the other one of the two."""

    strict = True
    cached_trees = 128  # folders are changed in turn

    def __init__(self, repo: Repo) -> None:
        super().__init__(repo)
        self._commits: dict[str, Commit] = {}

    def commit(self, oid: str) -> Commit:
        known = self._commits.get(oid)
        if known is None:
            if len(self._commits) >= _KEPT:
                del self._commits[next(iter(self._commits))]
            known = self._commits[oid] = commits.parse(oid, self._data(oid, "commit"))
        return known
