"""description is told apart from those of the skills that are like this one.

Why: between two descriptions that share most words a model chooses at random, so one of the two skills is called for
the other's work.

Looked at: the skills that the index calls near-duplicates; a description that shares four of five words with theirs is
reported. Without an index nothing is looked at. Not looked at: whether real questions find the right skill, which takes
a set of questions with known answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from githarness.skills.document import Document
from githarness.skills.model import Found, Gate, Place

_LARGEST = 1 << 17
_SHARED = 0.8
_FEWEST = 5


def check(doc: Document, place: Place) -> Iterator[Found]:
    if place.near is None or len(mine := _words(doc)) < _FEWEST:
        return
    for neighbour in place.near(doc):
        theirs = _words(Document(neighbour.path, place.files.read(neighbour.path, _LARGEST), "skill"))
        if len(mine & theirs) >= _SHARED * len(mine | theirs):
            yield Found(doc.front.line("description"), f"'description' is nearly that of '{neighbour.path}'",
                        "say in each what the other does not do, or merge the two")


def _words(doc: Document) -> set[str]:
    return set(re.findall(r"\w+", doc.front.text("description").lower()))


GATE = Gate("GH022", "warning", check)
