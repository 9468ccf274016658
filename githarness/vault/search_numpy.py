"""`search.words` with numpy (extra `[scan]`): each word of the content asks a table of bits, most get no further."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from githarness.vault.search import middles

_BITS = 22  # 4 MiB; with a hundred thousand words in it, 2 of 100 others get through
_FACTOR = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: spreads what differs in a few bits only


def words(texts: Sequence[bytes], bare: bytes, size: int) -> Iterator[tuple[int, int]]:
    """As `search.words`."""
    kind = np.uint64 if size == 8 else np.uint32
    starts, columns = middles(texts, size)
    sought = np.concatenate([np.asarray(column, dtype=kind) for column in columns])
    table = np.zeros(1 << _BITS, dtype=bool)
    table[_hash(sought)] = True
    view = np.frombuffer(bare, dtype=kind, count=len(bare) // size)
    places = np.flatnonzero(table[_hash(view)])
    order = np.argsort(sought, kind="stable")
    ordered = sought[order]
    begins, ends = (np.searchsorted(ordered, view[places], side) for side in ("left", "right"))
    for at in np.flatnonzero(begins < ends).tolist():
        for one in order[begins[at] : ends[at]].tolist():
            shift, number = divmod(one, len(texts))
            yield number, int(places[at]) * size - starts[number] - shift


def _hash(words: NDArray[np.generic]) -> NDArray[np.uint64]:
    return (words.astype(np.uint64) * np.uint64(_FACTOR)) >> np.uint64(64 - _BITS)
