"""Contents to the vault, and where in them it found its values. No value and no part of one comes back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

_CHUNK = 1 << 20  # bytes of one request
_BATCH = 16 << 20  # bytes of contents that are looked through at once
_MOST = 2000  # of them: the daemon waits 30 seconds for the next
_OVERLAP = 1 << 18  # bytes that two parts of a large content share
_BETWEEN = b"\n\0\n\0\n"  # no value goes on behind it


class Content(NamedTuple):
    """Of a file, a message, a tag, a note. `path` says where it is, and is looked through too."""

    path: str
    data: bytes
    line: int = 1  # the number of its first


class Found(NamedTuple):
    path: str  # as it may be shown: where it has a value itself, with [secret NAME] in its place
    line: int  # from 1; 0 where the path has it
    name: str  # empty where the asker may not know it
    form: str
    of: str  # the path itself, not to be shown


class Asks(Protocol):
    """What `vault.client.Client` does."""

    def ask(self, op: str, body: bytes | bytearray | memoryview = b"", /, **fields: Any) -> Any: ...


def look(vault: Asks, contents: Iterable[Content]) -> Iterator[Found]:
    """Each once. Raises what the vault refuses with: VaultLocked, Unavailable."""
    return iter(dict.fromkeys(_looked(vault, contents)))


def _looked(vault: Asks, contents: Iterable[Content]) -> Iterator[Found]:
    for batch in _batches(contents):
        paths = {path: path for path in dict.fromkeys(content.path for content in batch)}
        named = _found(vault, [Content(path, path.encode("utf-8", "surrogateescape")) for path in paths])
        for path, hits in named.items():
            paths[path] = _without(path, hits)
            yield from (Found(paths[path], 0, hit["name"], hit["form"], path) for hit in hits)
        for number, hits in _hits(vault, [content.data for content in batch]).items():
            path, data, line = batch[number]
            yield from (Found(paths[path], line + data.count(b"\n", 0, hit["offset"]), hit["name"], hit["form"],
                              path) for hit in hits)


def _found(vault: Asks, contents: Sequence[Content]) -> dict[str, list[dict[str, Any]]]:
    return {contents[number].path: hits
            for number, hits in _hits(vault, [content.data for content in contents]).items()}


def _hits(vault: Asks, texts: Sequence[bytes]) -> dict[int, list[dict[str, Any]]]:
    """By number of the text, with offsets in it."""
    joined = _BETWEEN.join(texts)
    for at in range(0, max(len(joined) - _CHUNK, 0), _CHUNK):
        vault.ask("scan", joined[at : at + _CHUNK], more=True)
    last = max((len(joined) - 1) // _CHUNK, 0) * _CHUNK
    hits: list[dict[str, Any]] = vault.ask("scan", joined[last:]).header["findings"]
    found: dict[int, list[dict[str, Any]]] = {}
    begin = number = 0
    for hit in hits:
        while hit["offset"] >= begin + len(texts[number]) + len(_BETWEEN):
            begin += len(texts[number]) + len(_BETWEEN)
            number += 1
        found.setdefault(number, []).append({**hit, "offset": hit["offset"] - begin})
    return found


def _without(path: str, hits: Sequence[dict[str, Any]]) -> str:
    data = path.encode("utf-8", "surrogateescape")
    for hit in reversed(hits):
        data = data[: hit["offset"]] + b"[secret %s]" % hit["name"].encode() + data[hit["offset"] + hit["length"] :]
    return data.decode("utf-8", "surrogateescape")


def _batches(contents: Iterable[Content]) -> Iterator[list[Content]]:
    batch: list[Content] = []
    size = 0
    for content in contents:
        for part in _parts(content):
            if batch and (size + len(part.data) > _BATCH or len(batch) == _MOST):
                yield batch
                batch, size = [], 0
            batch.append(part)
            size += len(part.data) + len(_BETWEEN)
    if batch:
        yield batch


def _parts(content: Content) -> Iterator[Content]:
    """Pieces that overlap, where it is large."""
    path, data, line = content
    while len(data) > _BATCH:
        yield Content(path, data[:_BATCH], line)
        step = _BATCH - _OVERLAP
        line, data = line + data.count(b"\n", 0, step), data[step:]
    yield Content(path, data, line)
