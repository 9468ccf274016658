"""YAML without surprises: mappings, lists and text, nothing implicit. The only owner of `yaml`.

Every plain scalar is text (`no`, `1`, `2026-01-01`), but for an empty one, `null` and `~`, which are None. Refused
are duplicate keys, anchors, aliases, tags, merge keys, directives, a second document, depth over 32 and files over
1 MiB; a file is read as a stream of events, so none of these costs more than its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import yaml

from githarness.canon import Json
from githarness.errors import Integrity, Usage

LARGEST = 1 << 20
DEEPEST = 32
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_FIX = "mend the file at that line"


class _Dumper(yaml.CSafeDumper):
    """Writes a value that occurs twice out twice."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def dump(value: Mapping[str, Json]) -> bytes:
    """Readable, stable, and read by every YAML reader as the same text; whole numbers come back as text."""
    try:
        text = yaml.dump(dict(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1 << 16)
        return str(text).encode()
    except UnicodeEncodeError as error:
        raise Usage("a text has a character that is none", fix="use Unicode text") from error


def load(data: bytes, name: str) -> dict[str, Json]:
    """Raises Integrity that names the file, the line and the key."""
    return _Document(data, name).read()


class _Document:
    def __init__(self, data: bytes, name: str) -> None:
        if len(data) > LARGEST:
            raise Integrity(f"'{name}' is larger than {LARGEST} bytes", fix="split the file")
        self._name = name
        self._keys: list[str] = []  # that lead to where the reading is
        self._events = self._stream(data)

    def read(self) -> dict[str, Json]:
        next(self._events)
        start = next(self._events)
        if isinstance(start, yaml.StreamEndEvent):
            raise self._error("is empty", start)
        if isinstance(start, yaml.DocumentStartEvent) and (start.version or start.tags):
            raise self._error("has a directive", start)
        value = self._node(next(self._events), 0)
        next(self._events)
        end = next(self._events)
        if not isinstance(end, yaml.StreamEndEvent):
            raise self._error("has more than one document", end)
        if not isinstance(value, dict):
            raise self._error("is not a mapping of keys to values", start)
        return value

    def _stream(self, data: bytes) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(data.decode(), Loader=yaml.CSafeLoader)
        except UnicodeDecodeError as error:
            raise Integrity(f"'{self._name}' is not UTF-8", fix=_FIX) from error
        except yaml.MarkedYAMLError as error:
            where = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
            raise Integrity(f"'{self._name}'{where}: {error.problem or error.context}", fix=_FIX) from error
        except yaml.YAMLError as error:
            raise Integrity(f"'{self._name}' has a character that YAML does not allow", fix=_FIX) from error

    def _node(self, event: yaml.Event, depth: int) -> Json:
        if not isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)) or event.anchor is not None:
            raise self._error("has an anchor or an alias", event)
        if event.tag is not None:
            raise self._error("has a tag", event)
        if depth > DEEPEST:
            raise self._error(f"is nested deeper than {DEEPEST}", event)
        if isinstance(event, yaml.ScalarEvent):
            return None if not event.style and event.value in _NULLS else str(event.value)
        if isinstance(event, yaml.SequenceStartEvent):
            return [self._node(item, depth + 1) for item in self._until(yaml.SequenceEndEvent)]
        return self._mapping(depth)

    def _mapping(self, depth: int) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for event in self._until(yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            if not isinstance(key, str) or not key.isprintable() or key in ("<<", ""):
                raise self._error("has a key that is not plain text", event)
            if key in found:
                raise self._error(f"has the key '{key}' twice", event)
            self._keys.append(key)
            found[key] = self._node(next(self._events), depth + 1)
            self._keys.pop()
        return found

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        for event in self._events:
            if isinstance(event, end):
                return
            yield event

    def _error(self, problem: str, event: yaml.Event) -> Integrity:
        line = event.start_mark.line + 1 if event.start_mark else 0
        key = ".".join(self._keys)
        under = f" under '{key}'" if key else ""
        return Integrity(f"'{self._name}' line {line}{under}: {problem}", fix=_FIX,
                         details={"file": self._name, "line": line, "key": key})
