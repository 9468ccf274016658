"""Names that some file system takes for another: `.git` and `.githarness` in any letter case or Unicode form, with
invisible characters (HFS+), as a short name or a stream, with a dot or a space behind it (NTFS). And hosts that
resolvers take for another: `127.1`, `0x7f000001` and `2130706433` are all 127.0.0.1."""

from __future__ import annotations

import ipaddress
import re
import unicodedata

GOVERNANCE = ".githarness"
_PLAIN = re.compile(r"[A-Za-z0-9_+=@,-][A-Za-z0-9_.+=@,/-]*[A-Za-z0-9_+=@,-]")
_IGNORED = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")
_PORT = re.compile(r":[0-9]+\Z")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_GIT = re.compile(r"\.git|git~[0-9]+")
_OURS = re.compile(r"\.githarness|githar~[0-9]+")


def governs(path: str) -> bool:
    """Whether a path lies in `.githarness`, on whatever file system."""
    return path.startswith(GOVERNANCE + "/") or (
        not _PLAIN.fullmatch(path) and _OURS.fullmatch(_names(path)[0]) is not None)


def why(path: str) -> str | None:
    """What is wrong with a path that a clone could take for another than it is."""
    if _PLAIN.fullmatch(path) and "/." not in path and "git~" not in path.lower():
        return None
    names = _names(path)
    if any(_GIT.fullmatch(name) for name in names):
        return "is git's own folder to some clones"
    if _OURS.fullmatch(names[0]) and path.partition("/")[0] != GOVERNANCE:
        return f"is '{GOVERNANCE}' to some clones"
    if any(name in ("", ".", "..") for name in path.split("/")):
        return "leads elsewhere"
    return None


def is_one_host(host: str) -> bool:
    """Whether a host, of lower case and with or without a port, has no other spelling."""
    bare = _PORT.sub("", host)
    try:
        if bare.startswith("["):
            six = ipaddress.IPv6Address(bare[1:-1])
            return six.ipv4_mapped is None and str(six) == bare[1:-1]
        if _NUMBER.fullmatch(bare.rpartition(".")[2]):
            return str(ipaddress.IPv4Address(bare)) == bare
    except ValueError:
        return False
    return all(bare.split("."))


def _names(path: str) -> list[str]:
    """As the most forgiving of file systems reads them."""
    kept = "".join(char for char in path if unicodedata.category(char) not in ("Cf", "Cc"))
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", _IGNORED.sub("", kept)).casefold())
    return [name.split(":")[0].rstrip(" .") for name in folded.replace("\\", "/").split("/")]
