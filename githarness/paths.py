"""The paths that an artifact may have, and globs over them. Text in, text out; nothing here looks at a file system.

A path is relative, `/` between its names, NFC, UTF-8, and means one and the same file on Linux, macOS and Windows.
`matches` takes time linear in glob times path, whatever either says: every wildcard is matched leftmost and for good.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from githarness.errors import BadPath, Usage

_MAX_PATH = 4096
_MAX_NAME = 255
_MAX_DEPTH = 256  # trees are changed level by level, and no person nests so deep
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|clock\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE)
_GIT = re.compile(r"\.git|git~[0-9]+", re.IGNORECASE)
# Default_Ignorable_Code_Point of Unicode beyond the categories Cc, Cf: drawn as nothing, so that two names look alike.
_IGNORABLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")


@lru_cache(maxsize=8192)
def check(path: str) -> str:
    """The path itself where an artifact may have it; raises BadPath."""
    why = _wrong_text(path) or _wrong_form(path)
    for name in () if why else path.split("/"):
        why = why or _wrong_name(name)
    if why:
        shown = path if len(path) <= 100 else path[:100] + "…"
        raise BadPath(f"{shown!a} {why}", details={"path": ascii(shown)})
    return path


def _wrong_text(text: str) -> str | None:
    if not text:
        return "is empty"
    try:
        if len(text.encode()) > _MAX_PATH:
            return f"is longer than {_MAX_PATH} bytes"
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    if text.isascii() and text.isprintable():
        return None
    if any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in text):
        return "has a control character"
    if _IGNORABLE.search(text) or any(unicodedata.category(char) == "Cf" for char in text):
        return "has an invisible character"
    if not unicodedata.is_normalized("NFC", text):
        return "is not in Unicode's normal form NFC"
    return None


def _wrong_form(path: str) -> str | None:
    if path.startswith("/"):
        return "is absolute"
    if path.endswith("/"):
        return "ends in '/'"
    if "//" in path:
        return "has an empty name"
    if "\\" in path:
        return "has a backslash"
    if path.count("/") >= _MAX_DEPTH:
        return f"lies in {_MAX_DEPTH} folders or more"
    return None


def _wrong_name(name: str) -> str | None:
    if name in (".", ".."):
        return f"has the name '{name}'"
    if len(name.encode()) > _MAX_NAME:
        return f"has a name longer than {_MAX_NAME} bytes"
    if _GIT.fullmatch(name.split(":")[0].rstrip(" .")):
        return "reaches into git's own folder"
    if ":" in name:
        return "has a ':'"
    if name[-1] in " .":
        return "has a name that ends in a space or a dot"
    if _DEVICE.fullmatch(name):
        return "has the name of a Windows device"
    return None


def twin_key(path: str) -> str:
    """Paths with equal keys are one file where case or Unicode form does not count."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def valid_glob(glob: str) -> str:
    """The glob in the form that `matches` takes; a trailing `/` means all that is below. Raises Usage."""
    why = _wrong_text(glob) or _wrong_form(glob.removesuffix("/"))
    for name in () if why else glob.removesuffix("/").split("/"):
        if name in (".", ".."):
            why = f"has the name '{name}'"
        elif "**" in name and name != "**":
            why = "has '**' inside a name"
    if why:
        raise Usage(f"glob {glob[:100]!a} {why}", fix="write it like 'docs/**/*.md', relative to the repository")
    return glob + "**" if glob.endswith("/") else glob


def matches(glob: str, path: str) -> bool:
    """`*` is any text and `?` one character within a name, `**` as a name is any number of folders, at the end
    everything below; all else stands for itself, letter case counts."""
    return _compiled(glob).fullmatch(path) is not None


def compiled(glob: str) -> re.Pattern[str]:
    """What `matches` asks for a full match, for who keeps it: it takes longer to make than to ask."""
    chunks: list[list[str]] = [[]]
    for name in glob.split("/"):
        if name != "**":
            chunks[-1].append(_name_pattern(name))
        elif chunks[-1] or len(chunks) == 1:
            chunks.append([])
    first, *rest = chunks
    if not rest:
        return re.compile("/".join(first), re.DOTALL)
    pattern = "".join(f"{name}/" for name in first)
    for chunk in rest[:-1]:
        pattern += f"(?>(?:[^/]++/)*?{'/'.join(chunk)}/)"
    pattern += f"(?:[^/]++/)*{'/'.join(rest[-1])}" if rest[-1] else ".+"
    return re.compile(pattern, re.DOTALL)


def _name_pattern(name: str) -> str:
    """What follows a `*` is found at its first place and never moved: the last `*` alone takes the slack."""
    first, *rest = (re.escape(part).replace(r"\?", "[^/]") for part in re.split(r"\*+", name))
    if not rest:
        return first
    return first + "".join(f"(?>[^/]*?{part})" for part in rest[:-1]) + "[^/]*" + rest[-1]


_compiled = lru_cache(maxsize=1024)(compiled)
