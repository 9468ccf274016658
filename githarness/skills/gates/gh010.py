"""name is valid: lower-case letters a to z, digits and single hyphens, at most 64.

Why: the name is what people type and what clients show and look up. Codex and Hermes pass over or cut what is longer,
Gemini CLI changes characters that no file name may have, and a letter of another script that looks like a Latin one
lets a skill pass for another.

Looked at: presence where the profile wants it, type, length, Unicode form (NFC), characters, hyphens at the ends or two
in a row, look-alike letters. The specification allows lower-case letters of any script; these are a warning only.
The fix writes the nearest valid name. Source: agentskills.io/specification.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from githarness.skills import edit
from githarness.skills.document import Document
from githarness.skills.model import Found, Gate, Place
from githarness.skills.naming import LONGEST, is_valid, plain, slug
from githarness.skills.profiles import schema


def check(doc: Document, place: Place) -> Iterator[Found]:
    front = doc.front
    name = front.text("name")
    if is_valid(name) or (front.problems and not front.fields):
        return
    folder = doc.folder.rpartition("/")[2]
    fix = f"name: {folder if is_valid(folder) else slug(name or folder) or 'NAME'}"
    if "name" in front.fields:
        faults = list(_faults(name)) if isinstance(front.fields["name"].value, str) else ["is not text"]
        foreign = faults == ["has letters outside a to z"]
        yield Found(front.line("name"), f"name '{name[:80]}' {', '.join(faults)}", fix, "warning" if foreign else None)
    elif "name" in schema(place.profile.file(doc.path, doc.kind)).get("required", ()):
        yield Found(1, "'name' is missing", fix)


def _faults(name: str) -> Iterator[str]:
    if not name.strip():
        yield "is empty"
    if len(name) > LONGEST:
        yield f"has {len(name)} characters, more than {LONGEST}"
    if unicodedata.normalize("NFC", name) != name:
        yield "is not in Unicode's form NFC"
    if name != plain(name) and plain(name).isascii():
        yield f"has letters that only look like those of '{plain(name)[:80]}'"
    elif not name.isascii():
        yield "has letters outside a to z"
    if name != name.lower():
        yield "has upper-case letters"
    if odd := sorted(set(re.findall(r"[^\w-]|_", name))):
        yield f"has {', '.join('a space' if each == ' ' else repr(each) for each in odd[:5])}"
    if re.search(r"^-|-$|--", name):
        yield "begins or ends with a hyphen, or has two in a row"


def fix(doc: Document, place: Place) -> bytes:
    value = doc.front.values.get("name", doc.folder.rpartition("/")[2])
    good = "" if isinstance(value, list | dict) else slug(str(value))
    return edit.put(doc.data, "name", good) if good and any(check(doc, place)) else doc.data


GATE = Gate("GH010", "error", check, fix, reads="head")
