"""no near-duplicate of another skill

Why: of two skills that say the same, an agent picks one by chance and people mend only one of them.

Bodies whose shared three-word phrases make up at least 80 % of all (MinHash, githarness/skills/near.py). Copies
of one body by intent (the same skill for two clients) are better one file that both link to.
"""

from __future__ import annotations

from collections.abc import Iterator

from githarness.skills.document import Document
from githarness.skills.model import Found, Gate, Place
from githarness.skills.near import NEAR


def check(doc: Document, place: Place) -> Iterator[Found]:
    for other in place.near(doc) if place.near else ():
        if other.likeness >= NEAR:
            yield Found(1, f"is {other.likeness:.0%} like '{other.path}'", "merge them, or keep one and link to it")


GATE = Gate("GH064", "warning", check)
