"""What the daemon answers. `is` names the kind, `id` the request; answers come in the order of a connection's requests.

    {"is":"hello","id":1,"protocol":1,"pid":4242}                 {"is":"pong","id":4}      {"is":"status","id":5,…}
    {"is":"written","id":2,"commit":…,"paths":[{"path","blob","previous","merged"}],"operation":…,"event":…,"worktree":…}
    {"is":"doc","id":3,"path":…,"blob":…,"commit":…,"mode":…}     the body is the content
    {"is":"done","id":6,"done":{…}}      what the verb of an ask answers         {"is":"changed","id":7,"mark":…}
    {"is":"error","id":2,"error":{"code","message","fix","details"}}
    {"is":"defer","id":3}      too large for the daemon: nothing was done, the client does it in its own process
    {"is":"bye","error":{…}}   the connection ends: no request without an answer was or will be carried out
"""

from __future__ import annotations

from typing import Any, NamedTuple

from githarness import frames
from githarness.canon import Json
from githarness.errors import HarnessError, Usage, raised
from githarness.frames import ANSWER, Frame, Oversize
from githarness.work.asks import Doc, Landed, Written


class Answer(NamedTuple):
    id: int  # 0: a bye
    kind: str
    what: Written | Doc | HarnessError | dict[str, Any] | None


def bare(number: int, kind: str, more: dict[str, Any] | None = None) -> bytes:
    return frames.pack({"is": kind, "id": number, **(more or {})}, b"", ANSWER)


def written(number: int, done: Written) -> bytes:
    paths = [{"path": one.path, "blob": one.blob, "previous": one.previous, "merged": one.merged} for one in done.paths]
    header = {"is": "written", "id": number, "commit": done.commit, "paths": paths, "operation": done.operation,
              "event": done.event, "worktree": done.worktree}
    return frames.pack(header, b"", ANSWER)


def done(number: int, document: dict[str, Json]) -> bytes:
    """One that does not fit is deferred: only lists can be so large, and asking them again changes nothing."""
    try:
        return frames.pack({"is": "done", "id": number, "done": document}, b"", ANSWER)
    except Oversize:
        return bare(number, "defer")


def doc(number: int, found: Doc) -> bytes:
    header = {"is": "doc", "id": number, "path": found.path, "blob": found.blob, "commit": found.commit,
              "mode": found.mode}
    try:
        return frames.pack(header, found.content, ANSWER)
    except Oversize:
        return bare(number, "defer")


def error(number: int, refused: HarnessError) -> bytes:
    """A refusal that does not fit (a huge diff) is deferred: nothing changed, so the client meets it by itself."""
    try:
        return frames.pack({"is": "error", "id": number, **refused.document()}, b"", ANSWER)
    except Oversize:
        return bare(number, "defer")


def bye(why: HarnessError) -> bytes:
    return frames.pack({"is": "bye", **why.document()}, b"", ANSWER)


def parse(frame: Frame) -> Answer:
    """Raises Usage for what no daemon of this protocol says."""
    header = frames.parse(frame.header)
    try:
        return Answer(header.get("id", 0), header["is"], _value(header, frame.body))
    except (KeyError, TypeError) as fault:
        raise Usage("the daemon's answer is not of this protocol", fix="githarness serve --stop") from fault


def _value(header: dict[str, Any], body: bytes) -> Written | Doc | HarnessError | dict[str, Any] | None:
    kind = header["is"]
    if kind == "written":
        paths = tuple(Landed(one["path"], one["blob"], one["previous"], one["merged"]) for one in header["paths"])
        return Written(header["commit"], paths, header["operation"], header["event"], header["worktree"])
    if kind == "doc":
        return Doc(header["path"], header["blob"], header["commit"], header["mode"], body)
    if kind == "done":
        return dict(header["done"])
    if kind == "changed":
        return {"mark": int(header["mark"])}
    if kind in ("error", "bye"):
        return raised(header["error"])
    return header
