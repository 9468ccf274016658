"""What commits say of audit logs: the trailer `Audit: LOG SIZE BASE64(root)`, the checkpoint before the commit."""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from dataclasses import dataclass, field

from githarness.audit.replay import Pin
from githarness.policy import trailers
from githarness.work.parts import Parts

TRAILER = "Audit"
_VALUE = re.compile(r"(l-[0-9a-z]{20}) (0|[1-9][0-9]{0,17}) ([A-Za-z0-9+/]{43}=)")


@dataclass(slots=True)
class Pinned:
    branch: frozenset[str] = frozenset()  # every commit of it
    mine: list[str] = field(default_factory=list)  # commits that name the log
    pins: list[Pin] = field(default_factory=list)
    foreign: Counter[str] = field(default_factory=Counter)


def value(log: str, size: int, root: bytes) -> str:
    return f"{log} {size} {base64.b64encode(root).decode()}"


def of_branch(parts: Parts, head: str, log: str) -> Pinned:
    """All that the history of `head` says of the log, and how often it names others."""
    found = Pinned()
    oids = []
    for oid in parts.reader.walk(head):
        oids.append(oid)
        commit = parts.reader.commit(oid)
        if b"\nAudit: l-" in commit.raw:
            _note(found, oid, commit.message, log)
    found.branch = frozenset(oids)
    return found


def _note(found: Pinned, oid: str, message: str, log: str) -> None:
    for key, text in trailers.parse(message):
        stated = _VALUE.fullmatch(text) if key == TRAILER else None
        if stated and stated[1] == log:
            found.mine.append(oid)
            found.pins.append(Pin(int(stated[2]), _decoded(stated[3]), f"commit {oid[:12]}"))
        elif stated:
            found.foreign[stated[1]] += 1


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
