"""Which commit inserted a line of a file as it is now: asked of the line weave, through renames and rollbacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from githarness.errors import NotFound, Usage
from githarness.git.reader import Reader
from githarness.lines.history import BASE, Steps
from githarness.store.db import Connection
from githarness.work import rollback_plan, rollback_undo
from githarness.work.rollback_file import FileHistory, Files


@dataclass(frozen=True, slots=True)
class Origin:
    path: str
    line: int  # from 1
    text: str
    commit: str


def find(conn: Connection, reader: Reader, path: str, line: int) -> Origin:
    """Of the file at the indexed head. Raises NotFound for a line that it has not, Usage for what is no text."""
    files = Files(conn, partial(rollback_plan.is_partial, reader))
    turns = files.past(path)
    history = files.window(turns, {turn.row.oid for turn in turns})
    if history is None:
        raise NotFound(f"no artifact '{path}'", fix="githarness log --path GLOB")
    step, text = _born(history, reader, line, frozenset())
    step = _exactly(step, partial(_born, history, reader, line))
    if step == BASE:
        raise NotFound(f"line {line} of '{path}' is older than the history of this clone", fix="git fetch --unshallow")
    return Origin(path, line, text.decode("utf-8", "replace"), history.turns[step].row.oid)


def _exactly(high: int, born: Callable[[Steps], tuple[int, bytes]]) -> int:
    """Neighbours that only appended are replayed as one step, the last of them: they are told apart by halving."""
    low, middle = min(high, 0), high - 1
    while low < high:
        step = born(frozenset(range(middle + 1)))[0]
        low, high = (low, min(step, high)) if step <= middle else (middle + 1, high)
        middle = (low + high) // 2
    return high


def _born(history: FileHistory, reader: Reader, line: int, selected: Steps) -> tuple[int, bytes]:
    """The step that inserted a line, as a replay with these steps selected tells it; and the line."""
    weave = rollback_undo.weave(history, selected, reader)
    if weave is None:
        raise Usage("a file that is no text has no lines", fix="name the path alone")
    left = line
    for item in weave.head.lines:
        texts = item.text.split(b"\n")
        if left <= len(texts):
            return item.born, texts[left - 1]
        left -= len(texts)
    raise NotFound(f"the file has {line - left} lines", fix="name one of them")
