"""name is that of the skill's folder.

Why: the specification wants it, Copilot does not load a skill whose name is another, and Claude Code calls it by the
folder while others call it by the name: one skill answers to two names.

Compared in Unicode's form NFKC. Not looked at where the name itself is wrong and its valid form is the folder's
(GH010), and for a skill at the top of the repository. The fix writes the folder's name, where that is a valid one; what
refers to the old name is for the author to change. Source: agentskills.io/specification, code.visualstudio.com.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from githarness.skills import edit
from githarness.skills.document import Document
from githarness.skills.model import Found, Gate, Place
from githarness.skills.naming import is_valid, slug


def check(doc: Document, _: Place) -> Iterator[Found]:
    name, folder = doc.front.text("name").strip(), doc.folder.rpartition("/")[2]
    if not name or not folder or name == folder or slug(name) == folder:
        return
    if unicodedata.normalize("NFKC", name) != unicodedata.normalize("NFKC", folder):
        fix = (f"name: {folder}, and change what refers to '{name[:80]}'" if is_valid(folder)
               else f"rename the folder '{folder}' to '{slug(name)}'")
        yield Found(doc.front.line("name"), f"name '{name[:80]}' is not that of the folder '{folder}'", fix)


def fix(doc: Document, place: Place) -> bytes:
    folder = doc.folder.rpartition("/")[2]
    return edit.put(doc.data, "name", folder) if is_valid(folder) and any(check(doc, place)) else doc.data


GATE = Gate("GH011", "error", check, fix, reads="head")
