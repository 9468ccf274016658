"""bundled files are used, readable and small

Why: everything in a skill's folder is installed with it. A file that nothing names is dead weight or a hiding place;
bytecode, binaries and archives cannot be reviewed; a link that leaves the skill reads another file on each machine.

Names are looked for in SKILL.md and in the other bundled texts (32 KB of each of 100); licences, manifests, tests and
hidden files need no mention. An executable script begins with `#!`; one that the body starts by `./` is executable.
Modes are no bytes of SKILL.md: `git update-index --chmod=+x FILE` mends them.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from githarness.skills import bundle
from githarness.skills.document import Document
from githarness.skills.model import Found, Gate, Place

_LARGEST = 1_000_000  # bytes
_BYTECODE = (".pyc", ".pyo", ".class")
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".xz", ".bz2", ".zst", ".jar", ".whl", ".skill")
_BINARIES = (
    ".exe", ".dll", ".so", ".dylib", ".bin", ".o", ".a", ".node", ".wasm", ".msi", ".dmg", ".pkg", ".deb", ".apk"
)
_SCRIPTS = (".sh", ".bash", ".py", ".js", ".mjs", ".rb", ".pl", "")
_MAGIC = (b"\x7fELF", b"MZ", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"PK\x03\x04", b"\x1f\x8b")
_UNNAMED = (
    r"(?:^|/)(?:\.|_|tests?/|agents/|licen[cs]e|notice|copying|readme|changelog|contributing|security|skill|claw|package|"
    r"pyproject|uv\.lock|setup\.|requirements|tsconfig|cargo|go\.(?:mod|sum)|makefile|dockerfile|vitest|jest|conftest|metadata)"
    r"|(?:lock|lock\.json|lock\.yaml)$|[/._-](?:test|spec)\.\w+$"
)


def check(doc: Document, place: Place) -> Iterator[Found]:
    files = bundle.files(doc, place)
    for path in files:
        what = _wrong(doc, place, path)
        if what:
            yield Found(bundle.line(doc, path), f"'{bundle.short(doc, path)}' {what[0]}", what[1])
    orphans = _orphans(doc, place, files) if doc.folder else []
    if orphans:
        more = ", ..." if len(orphans) > 3 else ""
        names = ", ".join(f"'{bundle.short(doc, path)}'" for path in orphans[:3]) + more
        yield Found(1, f"nothing names {len(orphans)} bundled file{'s'[: len(orphans) - 1]}: {names}",
                    "say in the body when to use them, or delete them")


def _wrong(doc: Document, place: Place, path: str) -> tuple[str, str] | None:
    """What is wrong and what to do."""
    end, mode = posixpath.splitext(path)[1].lower(), place.files.mode(path)
    if mode == "120000":
        return _link(doc, place, path)
    if end in _BYTECODE or "/__pycache__/" in path:
        return "is bytecode", "delete it and ignore it in .gitignore"
    if end in _ARCHIVES or end in _BINARIES:
        return "is a binary or an archive: nobody can review it", "ship the source, or say where it comes from"
    if place.files.size(path) > _LARGEST:
        return f"has more than {_LARGEST:,} bytes", "keep it elsewhere and say how to get it"
    return _script(doc, path, mode, place.files.read(path, 4)) if end in _SCRIPTS else None


def _link(doc: Document, place: Place, path: str) -> tuple[str, str] | None:
    target = place.files.read(path, 4096).decode("utf-8", "replace")
    leads = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    inside = not doc.folder or leads.startswith(doc.folder + "/")
    if inside and not leads.startswith(("/", "../")):
        return None
    return f"is a link out of the skill, to '{target[:80]}'", "put a copy of the file in its place"


def _script(doc: Document, path: str, mode: str | None, head: bytes) -> tuple[str, str] | None:
    if head.startswith(_MAGIC):
        return "is a binary or an archive: nobody can review it", "ship the source, or say where it comes from"
    if mode == "100755" and head[:2] != b"#!" and path.endswith((".sh", ".bash", ".py", ".rb", ".pl")):
        return "is executable but does not begin with '#!'", "name its interpreter in its first line"
    started = f"./{bundle.short(doc, path)}"
    if mode == "100644" and head[:2] == b"#!" and started in doc.text and _starts(doc, started):
        return "is started by './' but is not executable", f"git update-index --chmod=+x {path}"
    return None


def _starts(doc: Document, command: str) -> bool:
    return bool(re.search(rf"(?<![\w.~/-]){re.escape(command)}(?![\w.-])", doc.text))


def _orphans(doc: Document, place: Place, files: Sequence[str]) -> list[str]:
    left = [path for path in files
            if not _named(doc, path, doc.lower) and not re.search(_UNNAMED, bundle.short(doc, path).lower())]
    if not left:
        return []
    texts = {path: place.files.read(path, 32_768).decode("utf-8", "replace").lower() for path in files[:100]}
    return [path for path in left
            if not any(_named(doc, path, text) for other, text in texts.items() if other != path)]


def _named(doc: Document, path: str, text: str) -> bool:
    """Whether a text names the file, its module, or a folder that it stands in."""
    *folders, name = bundle.short(doc, path).lower().split("/")
    stem = name.partition(".")[0]
    return name in text or (len(stem) > 3 and stem in text) or any(f"{folder}/" in text for folder in folders)


GATE = Gate("GH042", "warning", check)
