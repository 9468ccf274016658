"""a skill's file is named exactly SKILL.md and is no flattened symbolic link.

Why: clients on Linux look for `SKILL.md` by exact name; `skill.md` works on the author's Mac or Windows and is missing
elsewhere. Git on Windows, archives and some installers write a symbolic link as a small file that holds only the
link's target: clients then read one path as the whole skill.

Looked at: the name of the file, and a regular file that holds nothing but a relative path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from githarness.skills.document import Document
from githarness.skills.model import Found, Gate, Place


def check(doc: Document, place: Place) -> Iterator[Found]:
    folder, slash, name = doc.path.rpartition("/")
    if name != "SKILL.md":
        yield Found(1, f"the file is named '{name}', not 'SKILL.md'", f"git mv '{doc.path}' '{folder}{slash}SKILL.md'")
    if len(doc.data) > 1024 or place.files.mode(doc.path) == "120000":
        return
    if re.fullmatch(rb"(?:[\w.@+-]+/)*[\w.@+-]+\.md\s*|(?:\.\.?/)+[\w.@+/-]+\s*", doc.data):
        target = doc.text.strip()
        yield Found(1, f"the file is a flattened symbolic link to '{target}'", f"ln -sf '{target}' '{doc.path}'")


GATE = Gate("GH001", "error", check)
