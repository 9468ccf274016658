"""What attributes and configuration say about a worktree's paths, as libgit2 reads them."""

from __future__ import annotations

import os
from functools import lru_cache

import pygit2
from pygit2.enums import ConfigLevel

from githarness.git.library import Loose, opened
from githarness.git.repo import Repo

_CONFIGURED = ((ConfigLevel.SYSTEM, "gitconfig"), (ConfigLevel.SYSTEM, "gitattributes"), (ConfigLevel.XDG, "config"),
               (ConfigLevel.XDG, "attributes"), (ConfigLevel.GLOBAL, ".gitconfig"))


class WorktreeAttributes:
    """A worktree's attributes, and the configuration, as they are when this is made; no program that they name runs."""

    def __init__(self, repo: Repo) -> None:
        self._library = opened(repo, Loose(repo))
        self._config = self._library.config.snapshot()
        places = [f"{folder}/{name}" for level, name in _CONFIGURED
                  for folder in pygit2.settings.search_path[level].split(os.pathsep) if folder]
        own = self.setting("core.attributesfile")
        general = (*(place for place in places if place.endswith("attributes")), f"{repo.common_dir}/info/attributes",
                   *([os.path.expanduser(own)] if own else ()))
        self._files = (*places, f"{repo.common_dir}/config", f"{repo.git_dir}/config.worktree", *general)
        self._root = None if any(map(os.path.lexists, general)) else repo.worktree
        self._plain = lru_cache(maxsize=4096)(self._has_none)

    def attribute(self, path: str, name: str) -> str | bool | None:
        if self._plain(path.rpartition("/")[0]):
            return None
        return self._library.get_attr(path.encode("utf-8", "surrogateescape"), name)

    def _has_none(self, folder: str) -> bool:
        """Whether nothing says anything about the files of a folder, so that libgit2 need not look for each of them."""
        file = f"{folder}/.gitattributes".lstrip("/")
        if self._root is None or os.path.lexists(self._root / file) or self._is_indexed(file):
            return False
        return not folder or self._plain(folder.rpartition("/")[0])

    def _is_indexed(self, file: str) -> bool:
        """Where a file of attributes is not checked out, git takes it from the index."""
        try:
            return file.encode("utf-8", "surrogateescape") in self._library.index
        except (pygit2.GitError, ValueError, OSError):
            return True

    def setting(self, name: str) -> str | None:
        try:
            return str(self._config[name])
        except (KeyError, ValueError):
            return None

    def files(self) -> tuple[str, ...]:
        return self._files
