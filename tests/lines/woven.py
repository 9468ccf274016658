"""Weaves of texts that are given, for tests."""

from collections.abc import Sequence

from githarness.git.reader import Reader
from githarness.lines.history import BASE, History, Step
from githarness.lines.undo import Undone, undo
from githarness.lines.weave import Weave


def weave(base: bytes | None, versions: Sequence[bytes | None], steps: Sequence[Step] | None = None,
          selected: Sequence[int] = (), *, kind: type[Weave] = Weave) -> Weave:
    texts = {BASE: base, **dict(enumerate(versions))}

    def begins(step: int, data: bytes) -> int | None:
        return starts(texts[step], data)

    steps = steps or [Step((number - 1,)) for number in range(len(versions))]
    return kind(History(steps), texts.__getitem__, hunks=Reader.hunks, begins=begins, selected=selected)


def starts(text: bytes | None, data: bytes) -> int | None:
    """`Begins` of a text that is given."""
    return len(text) if text is not None and data.startswith(text) else None


def undone(base: bytes | None, versions: Sequence[bytes | None], selected: Sequence[int],
           steps: Sequence[Step] | None = None) -> Undone:
    return undo(weave(base, versions, steps, selected), selected)
