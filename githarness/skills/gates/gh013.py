"""name is no other skill's in this repository.

Why: of two skills with one name a client loads one, by an order that nobody sees; in file systems that tell no case
apart the two are one folder.

Names are compared without case and in Unicode's form NFKC, with those of every skill that was found. Two with one body
are copies: keep one and link to it (a warning). Two that differ are an error with both paths. Source: agentskills.io
(client implementation, collisions); 2,053 of 35,148 public skills.
"""

from __future__ import annotations

from collections.abc import Iterator

from githarness.skills.document import Document
from githarness.skills.model import Found, Gate, Place
from githarness.skills.portability import folded

_LARGEST = 1 << 20  # bytes of the other that are read
_MOST = 3  # others that are named


def check(doc: Document, place: Place) -> Iterator[Found]:
    name, line = _name(doc), doc.front.line("name")
    keys = dict.fromkeys((folded(name), folded(doc.folder.rpartition("/")[2])))
    paths = dict.fromkeys(path for key in keys for path in place.names.get(key, ()) if path != doc.path)
    for path in list(paths)[:_MOST]:
        if place.files.mode(path) not in ("100644", "100755"):  # gone, or a link: what that leads to has the name too
            continue
        other = Document(path, place.files.read(path, _LARGEST), "skill")
        if folded(_name(other)) != folded(name):
            continue
        if other.body == doc.body:
            yield Found(line, f"is a copy of '{path}'", "keep one, and link the other to it", "warning")
        else:
            yield Found(line, f"name '{name[:80]}' is also that of '{path}'", "rename one of the two")


def _name(doc: Document) -> str:
    return doc.front.text("name") or doc.folder.rpartition("/")[2]


GATE = Gate("GH013", "error", check)
