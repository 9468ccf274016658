"""A tree of files that is a dict, and the place of a document in it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import date

from githarness.skills.document import Document, kind_of
from githarness.skills.frontmatter import read
from githarness.skills.model import Neighbour, Place
from githarness.skills.profiles import Profile, load
from githarness.skills.schemas import judge

TODAY = date(2026, 1, 31)


class DictFiles:
    """`Files` over a dict of path to bytes; `modes` where one is not `100644` (a link's bytes are its target)."""

    def __init__(self, files: Mapping[str, bytes], modes: Mapping[str, str] | None = None) -> None:
        self._files = dict(files)
        self._modes = dict(modes or {})

    def mode(self, path: str) -> str | None:
        if path in self._files:
            return self._modes.get(path, "100644")
        return "040000" if not path or self.under(path) else None

    def size(self, path: str) -> int:
        return len(self._files.get(path, b""))

    def read(self, path: str, limit: int) -> bytes:
        return self._files.get(path, b"")[:limit]

    def under(self, folder: str) -> Sequence[str]:
        start = f"{folder}/" if folder else ""
        return sorted(path for path in self._files if path.startswith(start))[:2_000]


def place(
    files: Mapping[str, bytes],
    *,
    modes: Mapping[str, str] | None = None,
    profile: Profile | None = None,
    before: Document | None = None,
    near: Callable[[Document], Sequence[Neighbour]] | None = None,
) -> Place:
    """Where the documents of `files` stand: `names` from their frontmatter, no schema, the same day always."""
    names: dict[str, list[str]] = {}
    for path, data in sorted(files.items()):
        if kind_of(path) == "skill" and (name := read(data.decode("utf-8", "replace")).text("name")):
            names.setdefault(unicodedata.normalize("NFKC", name).casefold(), []).append(path)
    return Place(profile or load("agentskills", judge), DictFiles(files, modes), names, TODAY, before, near)


def document(path: str, data: bytes) -> Document:
    """The file as gates see it; its path must say a kind."""
    kind = kind_of(path)
    assert kind is not None, path
    return Document(path, data, kind)
