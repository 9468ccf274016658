"""Checkpoints of a log as signed notes (c2sp.org/tlog-checkpoint, c2sp.org/signed-note).

    githarness.invalid/LOG LF  SIZE LF  BASE64(root) LF  LF
    EM-DASH SP githarness.invalid/LOG SP BASE64(key id, 4 bytes; Ed25519 over the first three lines, 64) LF

The key id is the beginning of SHA-256(NAME LF 01 KEY). Lines of other signers, such as witnesses, are left standing.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from githarness.errors import Integrity
from githarness.seal import plain

_PREFIX = "githarness.invalid/"
_TEXT = re.compile(rf"{re.escape(_PREFIX)}(l-[0-9a-z]{{20}})\n(0|[1-9][0-9]{{0,17}})\n([A-Za-z0-9+/]{{43}}=)\n")
_SIGNATURE = re.compile("\u2014 ([^ \n+]+) ([A-Za-z0-9+/=]+)\n")
_LONGEST = 100_000  # characters; a note may carry many witnesses


@dataclass(frozen=True, slots=True)
class Checkpoint:
    log: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{origin(self.log)}\n{self.size}\n{coded(self.root)}\n"


def origin(log: str) -> str:
    return _PREFIX + log


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def sign(checkpoint: Checkpoint, public: str, signer: Callable[[bytes], bytes]) -> str:
    """The note; `signer`: Ed25519 over bytes, by the key `public` (`ssh-ed25519 BASE64`)."""
    name = origin(checkpoint.log)
    signature = key_id(name, plain.raw_key(public)) + signer(checkpoint.text.encode())
    return f"{checkpoint.text}\n\u2014 {name} {coded(signature)}\n"


def read(note: str) -> Checkpoint:
    """What a note says, whoever signed it. Raises Integrity."""
    text, blank, signatures = note[:_LONGEST].rpartition("\n\n")
    found = _TEXT.fullmatch(text + "\n")
    if not blank or not found or not re.fullmatch(f"(?:{_SIGNATURE.pattern})+", signatures):
        raise Integrity("a checkpoint is not a signed note of a log of githarness",
                        fix="take one as githarness audit checkpoint prints it")
    root = base64.b64decode(found[3])
    if coded(root) != found[3]:
        raise Integrity("the root of a checkpoint is not in plain base 64")
    return Checkpoint(found[1], int(found[2]), root)


def verify(note: str, public: str) -> Checkpoint:
    """What a note says, signed by the log's key `public`. Raises Integrity."""
    checkpoint = read(note)
    name = origin(checkpoint.log)
    wanted = key_id(name, plain.raw_key(public))
    for signature in _signatures(note, name):
        if signature[:4] == wanted:
            plain.verify(public, checkpoint.text.encode(), signature[4:])
            return checkpoint
    raise Integrity(f"a checkpoint of '{checkpoint.log}' is not signed by the log's key")


def _signatures(note: str, name: str) -> list[bytes]:
    lines = _SIGNATURE.findall(note.rpartition("\n\n")[2])
    try:
        found = {text: base64.b64decode(text, validate=True) for who, text in lines if who == name}
    except binascii.Error as error:
        raise Integrity("a signature of a checkpoint is not base 64") from error
    return [data for text, data in found.items() if coded(data) == text]


def key_id(name: str, raw: bytes) -> bytes:
    """Four bytes; `raw`: the 32 of an Ed25519 key."""
    return sha256(f"{name}\n".encode() + b"\1" + raw).digest()[:4]
