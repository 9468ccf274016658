"""Work over many files on every core: forked children, each with its share, answers back in order.

For pure work without database, locks or threads. A child that dies (a crash in a C library on one bad file) is named,
never passed over.
"""

from __future__ import annotations

import gc
import os
import pickle
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from githarness.errors import Internal

if TYPE_CHECKING:
    from githarness.work.asks import Progress

Item = TypeVar("Item")
Answer = TypeVar("Answer")
_WORTH = 64  # items below which forking costs more than it saves


def spread(work: Callable[[Sequence[Item]], Iterable[Answer]], items: Sequence[Item], *, cores: int,
           progress: Progress | None = None) -> list[Answer]:
    """`work` gives one answer per item. Raises what `work` raises here, Internal where a child ends without answers.

    `progress` hears of this process's share, as if the others were as far.
    """
    enabled = gc.isenabled()
    gc.disable()  # pure work leaves no cycles behind: looking for them takes a tenth of its time
    try:
        return _spread(work, items, cores, progress)
    finally:
        if enabled:
            gc.enable()


def _spread(work: Callable[[Sequence[Item]], Iterable[Answer]], items: Sequence[Item], cores: int,
            progress: Progress | None) -> list[Answer]:
    count = max(1, min(cores, len(items) // _WORTH))
    shares = [items[number * len(items) // count : (number + 1) * len(items) // count] for number in range(count)]
    pipes = [_start(work, share) for share in shares[1:]]
    answers = []
    for answer in work(shares[0]):
        answers.append(answer)
        if progress:
            progress(len(answers) * count, len(items))
    for (child, pipe), share in zip(pipes, shares[1:], strict=True):
        answers += _collect(child, pipe, share)
    return answers


def _start(work: Callable[[Sequence[Item]], Iterable[Answer]], share: Sequence[Item]) -> tuple[int, int]:
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    try:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(pickle.dumps(list(work(share))))
        os._exit(0)
    finally:  # whatever was raised: the parent misses the answers
        os._exit(1)


def _collect(child: int, pipe: int, share: Sequence[Item]) -> list[Answer]:
    with os.fdopen(pipe, "rb") as file:
        data = file.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise Internal(f"judging between '{share[0]}' and '{share[-1]}' ended early",
                       fix="repeat with these paths alone to find the file", details={"status": status})
    answers: list[Answer] = pickle.loads(data)
    return answers
