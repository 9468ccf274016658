"""The files that stand in a skill's folder and are installed with it, without those of skills below."""

from __future__ import annotations

from githarness.skills.document import Document
from githarness.skills.model import Place


def files(doc: Document, place: Place) -> list[str]:
    """Paths relative to the repository, the skill's own left out."""
    paths = place.files.under(doc.folder)
    below = tuple(path[: -len("SKILL.md")] for path in paths if path[-9:].lower() == "/skill.md" and path != doc.path)
    nested = tuple(folder for folder in below if folder[:-1] != doc.folder)
    return [path for path in paths if path != doc.path and not path.startswith(nested)]


def short(doc: Document, path: str) -> str:
    """Relative to the skill's folder."""
    return path[len(doc.folder) + 1 :] if doc.folder else path


def line(doc: Document, path: str) -> int:
    """Where the skill names the file, 1 where it does not."""
    return doc.line_at(max(0, doc.text.find(path.rpartition("/")[2])))
