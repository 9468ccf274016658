"""links and paths lead to files of this tree

Why: an agent that follows a dead link reads nothing, or guesses. An absolute path works on one machine only; one
that climbs out of the repository reads what its author did not ship.

Looked at: markdown links and their definitions outside code, `{baseDir}/x` and `${CLAUDE_SKILL_DIR}/x` anywhere,
and code spans such as `scripts/x.py` where the skill has that folder and the line gives no example. Resolved in the
tree that is judged (index or commit), not on disk alone. Addresses, anchors, placeholders and code samples are no
links. A link to another skill of the repository is a warning: who installs the folder alone lacks it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from urllib.parse import unquote

from githarness.skills.document import Document
from githarness.skills.model import EVERY, Found, Gate, Place

_LINK = r"\]\([ \t]{0,9}<?([^()<>\s]{1,500})|^ {0,3}\[[^\]\n]{1,99}\]:[ \t]{1,9}<?([^<>\s]{1,500})"
_BASED = r"(?:\{baseDir\}|\$\{?CLAUDE_SKILL_(?:DIR|ROOT)\}?)[/\\]([\w./\\-]{1,300}\.\w{1,9})\b"
_SPAN = r"`((?:\./)?(scripts|references|assets)[/\\][\w./\\-]{1,200}\.\w{1,9})`"
_EXAMPLE = r"\bexamples?\b|e\.g\.|such as|would|create|template"
_NO_PATH = (
    r"^(?:#|//|(?!file:)[a-z][a-z0-9+.-]+:)|[{}<>$*|\[\]\u2026@]|\.\.\.|\bpath/to\b|\byour[-_]|\bexample\.|x{3}|y{4}|n{3}"
)
_ABSOLUTE = r"^(?:file:|~|[a-z]:[/\\]|/(?:home|users|root|tmp|etc|var|opt|usr|mnt|private|volumes)/)"


def check(doc: Document, place: Place) -> Iterator[Found]:
    seen: set[str] = set()
    for offset, target in _targets(doc, place):
        if target not in seen and not re.search(_NO_PATH, target, re.IGNORECASE):
            yield from _judge(doc, place, offset, target)
        seen.add(target)


def _targets(doc: Document, place: Place) -> Iterator[tuple[int, str]]:
    """Offset and target of all that certainly means a file."""
    if "](" in doc.text or "]:" in doc.text:
        for match in re.finditer(_LINK, doc.prose, re.MULTILINE):
            group = 1 if match[1] else 2
            yield match.start(group), unquote(re.split("[#?]", match[group])[0])
    if doc.kind == "skill" and ("baseDir}" in doc.text or "CLAUDE_SKILL_" in doc.text):
        yield from ((match.start(1), match[1]) for match in re.finditer(_BASED, doc.text))
    if doc.kind == "skill" and any(name in doc.text for name in ("scripts", "references", "assets")):
        for match in re.compile(_SPAN).finditer(doc.text, doc.front.end):
            before = doc.text[max(0, match.start() - 200) : match.start()].rpartition("\n")[2]
            behind = doc.text[match.end() : match.end() + 200].partition("\n")[0]
            example = re.search(_EXAMPLE, f"{before} {behind}", re.IGNORECASE)
            if not example and place.files.mode(posixpath.join(doc.folder, match[2])) == "040000":
                yield match.start(1), match[1]


def _judge(doc: Document, place: Place, offset: int, target: str) -> Iterator[Found]:
    line, slashed = doc.line_at(offset), target.replace("\\", "/")
    path = posixpath.normpath(posixpath.join(doc.folder, slashed))
    ship = "ship the file with the skill; link relatively"
    if re.search(_ABSOLUTE, target, re.IGNORECASE):
        yield Found(line, f"'{target}' is a path of one machine", ship, "error")
    elif slashed.startswith("/"):
        yield Found(line, f"'{target}' starts at the root of no known tree", "link relatively to this file")
    elif path == ".." or path.startswith("../"):
        yield Found(line, f"'{target}' leaves the repository", ship, "error")
    elif slashed != target:
        yield Found(line, f"'{target}' is written with backslashes", f"write '{slashed}'")
    elif place.files.mode(path) is None and ("/" in target or "." in target):
        yield Found(line, f"'{target}' is not in this tree", _nearest(doc, place, path))
    elif doc.kind == "skill" and doc.folder and path != doc.folder and not path.startswith(doc.folder + "/"):
        yield Found(line, f"'{target}' lies outside the skill: an install of its folder lacks it", "copy it in")


def _nearest(doc: Document, place: Place, path: str) -> str:
    """What to do about a path that is missing: the same path in other letters' case, or the same name elsewhere."""
    wanted, name = path.lower(), posixpath.basename(path).lower()
    files = place.files.under(doc.folder)
    near = [each for each in files if each.lower() == wanted] or [
        each for each in files if posixpath.basename(each).lower() == name]
    return f"write '{posixpath.relpath(near[0], doc.folder or '.')}'" if near else "add the file or take the link out"


def fix(doc: Document, place: Place) -> bytes:
    """Slashes for backslashes where the path then leads to a file."""
    if "\\" not in doc.text or doc.text.encode("utf-8", "replace") != doc.data:
        return doc.data
    text = doc.text
    for offset, target in _targets(doc, place):
        slashed = target.replace("\\", "/")
        if "\\" in target and text.startswith(target, offset):
            text = text[:offset] + slashed + text[offset + len(target) :]
    return text.encode()


GATE = Gate("GH041", "warning", check, fix, EVERY)
