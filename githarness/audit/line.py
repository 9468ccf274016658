"""An event as the line that the log is made of: one JSON object in ASCII and LF, the same bytes wherever it is made.

    {"seq", "id", "time", "kind", "agent", "human", "run", "operation", "commit", "intent", "outcome", "safe", "digest"}

in this order, what is not there left out. `safe` is an object of fields that may be shown to everybody, `digest` the
SHA-256 in hex over salt and body: the body can be emptied and its digest stays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from itertools import islice
from typing import NamedTuple

from githarness.canon import Json

SALT = 16  # bytes; without it, a digest would tell a short body to who guesses
_LONGEST = 1000  # characters of one text
_MOST = 100  # items of one list
_WHOLE = 128 * 1024  # bytes of all safe fields
_SHORTER = ((20, _LONGEST), (10, 200), (3, 80))  # items and characters, one after the other until it fits
_text = json.encoder.encode_basestring_ascii
_make = json.encoder.c_make_encoder(  # type: ignore[attr-defined]
    None, json.JSONEncoder().default, _text, None, ":", ",", True, False, False)  # noqa: FBT003


class Leaf(NamedTuple):
    """The columns of `events` that a line is made of, in this order."""

    seq: int
    id: str
    time: float
    kind: str
    agent: str | None
    human: str | None
    run: str | None
    operation: str | None
    commit: str | None
    intent: str | None
    outcome: str | None
    safe: str  # as `safe` makes it
    digest: bytes


def line(row: Leaf) -> bytes:
    """Written out: twice as fast as a loop, and every event passes here twice."""
    seq, event, time, kind, agent, human, run, operation, commit, intent, outcome, fields, digest_ = row
    text = f'{{"seq":{seq},"id":{_text(event)},"time":{time!r},"kind":{_text(kind)}'
    if agent is not None:
        text += f',"agent":{_text(agent)}'
    if human is not None:
        text += f',"human":{_text(human)}'
    if run is not None:
        text += f',"run":{_text(run)}'
    if operation is not None:
        text += f',"operation":{_text(operation)}'
    if commit is not None:
        text += f',"commit":{_text(commit)}'
    if intent is not None:
        text += f',"intent":{_text(intent)}'
    if outcome is not None:
        text += f',"outcome":{_text(outcome)}'
    return _harmless(f'{text},"safe":{fields},"digest":"{digest_.hex()}"}}\n').encode("ascii", "backslashreplace")


def digest(salt: bytes, body: str) -> bytes:
    return sha256(salt + body.encode("utf-8", "surrogatepass")).digest()


def safe(fields: Mapping[str, Json]) -> str:
    """Canonical JSON in ASCII; what is empty is left out, long texts and lists are cut and say so.

    Of what is over 128 KiB all the same, lists and then texts are cut shorter, and `left_out` has size and SHA-256 of
    the whole.
    """
    there = {name: value for name, value in fields.items() if value not in (None, [], "")}
    whole = text = _encoded(there)
    if len(text) > _LONGEST or text.count(",") >= _MOST:  # else nothing in it can be too long
        text = _encoded({name: cut(value) for name, value in there.items()})
    for most, longest in _SHORTER:
        if len(text) <= _WHOLE:
            break
        less: dict[str, Json] = {name: cut(value, most, longest) for name, value in there.items()}
        left_out = {"bytes": len(whole), "sha256": sha256(whole.encode("ascii")).hexdigest()}
        text = _encoded(less | {"left_out": left_out})
    return _harmless(text)


def _encoded(fields: Mapping[str, object]) -> str:
    return "".join(_make(fields, 0))


def cut(value: Json, most: int = _MOST, longest: int = _LONGEST) -> Json:
    if isinstance(value, str):
        return value if len(value) <= longest else f"{value[:longest]}... ({len(value)} characters)"
    if isinstance(value, list):
        return [cut(item, most, longest) for item in value[:most]] + (
            [f"... ({len(value)} items)"] if len(value) > most else [])
    if isinstance(value, dict):
        return {name[:longest]: cut(item, most, longest) for name, item in islice(value.items(), _MOST)}
    return value


def _harmless(text: str) -> str:
    """DEL is the one character that drives a terminal and that JSON leaves as it is."""
    return text.replace("\x7f", "\\u007f") if "\x7f" in text else text
