"""Commits parsed from their bytes, as git reads them: odd dates and names of old history are no errors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile

from githarness.errors import Integrity
from githarness.seal.commits import split_commit

_LATEST = 253402300799  # 9999-12-31T23:59:59Z
_PERSON = re.compile(rb"(.*?<[^>\n]*>?)(?: +(-?[0-9]+))?(?: .*)?", re.DOTALL)
_SOMEBODY = rb"([^<>\n\0]*<[^<>\n\0]*>) ([0-9]{1,11}) [+-][0-9]{4}\n"
# As git and the harness write a commit today; `_ARMOUR` its signature, which is no part of what was signed.
_ARMOUR = rb"gpgsig (-----BEGIN [^\n\0]*(?:\n [^\n\0]*)*)\n"
_USUAL = re.compile(rb"(tree ([0-9a-f]{40})\n((?:parent [0-9a-f]{40}\n)*)author " + _SOMEBODY + b"committer "
                    + _SOMEBODY + rb")(?:" + _ARMOUR + rb")?(\n[^\0]*+)")
_LATIN = re.compile(r"(iso-?8859-?1|latin-?1|iso-?8859-?15|(windows-|cp)1252)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Commit:
    oid: str
    tree: str
    parents: tuple[str, ...]
    author: str  # "NAME <MAIL>"
    author_time: int
    committer: str
    time: int  # the committer's
    message: str
    raw: bytes
    signature: str | None  # armoured
    signed_payload: bytes | None  # what it signs: the commit without its signature


def parse(oid: str, raw: bytes) -> Commit:
    """Raises Integrity where tree, author or committer is missing."""
    usual = _USUAL.fullmatch(raw)
    return _parsed(oid, raw) if usual is None else _of_usual(oid, raw, usual)


def _of_usual(oid: str, raw: bytes, found: re.Match[bytes]) -> Commit:
    """The same as `_parsed` gives, in a third of the time."""
    signed = found[8].replace(b"\n ", b"\n") if found[8] else None
    armored = signed.decode("ascii", "replace") + "\n" if signed is not None and signed.isascii() else None
    parents = tuple(found[3].decode().replace("parent ", "").split())
    author, committer, message = (text.decode("utf-8", "replace") for text in (found[4], found[6], found[9][1:]))
    return Commit(oid, found[2].decode(), parents, author, int(found[5]), committer, int(found[7]), message, raw,
                  armored, found[1] + found[9] if armored else None)


def _parsed(oid: str, raw: bytes) -> Commit:
    head, _, message = raw.partition(b"\n\n")
    headers = [(name, value) for name, _, value in (line.partition(b" ") for line in _unfolded(head))]
    named = dict(reversed(headers))
    try:
        author, author_time = _person(named[b"author"])
        committer, time = _person(named[b"committer"])
        tree = named[b"tree"].decode("ascii")
    except (KeyError, UnicodeDecodeError) as error:
        raise Integrity(f"commit '{oid}' is malformed", fix="git fsck") from error
    # As for git: what calls itself a parent behind another header is none.
    above = takewhile(lambda header: header[0] == b"parent", headers[1:])
    parents = tuple(value.decode("ascii", "replace") for _, value in above)
    return Commit(oid, tree, parents, author, author_time, committer, time,
                  message.decode(_encoding(named), "replace"), raw, *_signed(raw))


def _unfolded(head: bytes) -> list[bytes]:
    """Header lines; one that begins with a space goes on with the line before it."""
    return head.replace(b"\n ", b"\0").replace(b"\n", b"\1").replace(b"\0", b"\n").split(b"\1")


def _signed(raw: bytes) -> tuple[str | None, bytes | None]:
    """Signature and what it signs; a commit whose signature has more than one reading counts as unsigned."""
    try:
        payload, signature = split_commit(raw)
    except Integrity:
        return None, None
    return signature, payload if signature else None


def _person(value: bytes) -> tuple[str, int]:
    found = _PERSON.fullmatch(value)
    if not found:
        return value.decode("utf-8", "replace"), 0
    return found[1].decode("utf-8", "replace"), max(0, min(int((found[2] or b"0")[:20]), _LATEST))


def _encoding(headers: dict[bytes, bytes]) -> str:
    """UTF-8, or the Latin that a commit names; others would let bytes mean what no other reader sees."""
    named = headers.get(b"encoding", b"utf-8").decode("ascii", "replace")
    return named if _LATIN.fullmatch(named) else "utf-8"
