"""YAML without surprises: mappings, lists and text, nothing implicit. The only owner of `yaml`.

Every plain scalar is text (`no`, `1`, `2026-01-01`), but for an empty one, `null` and `~`, which are None. Refused
are duplicate keys, anchors, aliases, tags, merge keys, directives, a second document, depth over 32 and files over
1 MiB; a file is read as a stream of events, so none of these costs more than its bytes.

`nodes` reads what others wrote: it types scalars as PyYAML does and reports all of the above instead of refusing it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any, Literal, NamedTuple, NoReturn

import yaml
from yaml.reader import Reader

from githarness.canon import Json
from githarness.errors import Integrity, Usage

LARGEST = 1 << 20
DEEPEST = 32
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_FIX = "mend the file at that line"
Place = tuple[str | int, ...]  # the keys, and the numbers in lists from 0, that lead to a value

Style = Literal["plain", "single", "double", "literal", "folded", "sequence", "mapping"]
Kind = Literal["text", "bool", "number", "date", "null", "list", "mapping"]
FlawKind = Literal["not-mapping", "deep", "alias", "many", "syntax", "duplicate", "anchor", "tag", "merge"]
NEST = 20
KEYS = 200
NODES = 2_000
_STYLES: dict[str | None, Style] = {None: "plain", "": "plain", "'": "single", '"': "double", "|": "literal",
                                    ">": "folded"}
_KINDS: dict[str, Kind] = {"tag:yaml.org,2002:bool": "bool", "tag:yaml.org,2002:int": "number",
                           "tag:yaml.org,2002:float": "number", "tag:yaml.org,2002:null": "null",
                           "tag:yaml.org,2002:timestamp": "date"}
_IMPLICIT = yaml.SafeLoader.yaml_implicit_resolvers
_TYPES = yaml.constructor.SafeConstructor()


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


def located(data: bytes, name: str) -> tuple[dict[str, Json], dict[Place, int]]:
    """The same, with the line of every key and of every item of a list."""
    document = _Document(data, name)
    return document.read(), document.lines


def pairs(data: bytes, name: str) -> Iterator[tuple[str, str, int]]:
    """Key, scalar and line of every mapping at any depth, also of files that use all of YAML: of an alias the value is
    that of its anchor. Raises Integrity."""
    anchors: dict[str, str] = {}
    open_: list[list[str] | None] = []  # per mapping the key that waits for its value; None for a list
    for event in _stream(data, name):
        if isinstance(event, yaml.CollectionEndEvent):
            open_.pop()
        if not isinstance(event, yaml.NodeEvent):
            continue
        text = event.value if isinstance(event, yaml.ScalarEvent) else anchors.get(event.anchor or "")
        if isinstance(event, yaml.ScalarEvent) and event.anchor:
            anchors[event.anchor] = event.value
        keys = open_[-1] if open_ else None
        if keys and text is not None:
            yield keys[0], text, event.start_mark.line + 1 if event.start_mark else 0
        if keys is not None:
            keys[:] = [] if keys else [text or ""]
        if isinstance(event, yaml.CollectionStartEvent):
            open_.append([] if isinstance(event, yaml.MappingStartEvent) else None)


def _stream(data: bytes, name: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(data.decode(), Loader=yaml.CSafeLoader)
    except UnicodeDecodeError as error:
        raise Integrity(f"'{name}' is not UTF-8", fix=_FIX) from error
    except yaml.MarkedYAMLError as error:
        where = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise Integrity(f"'{name}'{where}: {error.problem or error.context}", fix=_FIX) from error
    except yaml.YAMLError as error:
        raise Integrity(f"'{name}' has a character that YAML does not allow", fix=_FIX) from error


class _Document:
    def __init__(self, data: bytes, name: str) -> None:
        if len(data) > LARGEST:
            raise Integrity(f"'{name}' is larger than {LARGEST} bytes", fix="split the file")
        self._name = name
        self.lines: dict[Place, int] = {}
        self._place: Place = ()  # where the reading is
        self._events = _stream(data, name)

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
            return [self._under(number, item, depth) for number, item in enumerate(self._until(yaml.SequenceEndEvent))]
        return self._mapping(depth)

    def _under(self, step: str | int, event: yaml.Event, depth: int) -> Json:
        outer = self._place
        self._place = (*outer, step)
        if event.start_mark:
            self.lines.setdefault(self._place, event.start_mark.line + 1)
        value = self._node(event, depth + 1)
        self._place = outer
        return value

    def _mapping(self, depth: int) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for event in self._until(yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            if not isinstance(key, str) or not key.isprintable() or key in ("<<", ""):
                raise self._error("has a key that is not plain text", event)
            if key in found:
                raise self._error(f"has the key '{key}' twice", event, f"take one '{key}' away")
            if event.start_mark:
                self.lines[(*self._place, key)] = event.start_mark.line + 1
            found[key] = self._under(key, next(self._events), depth)
        return found

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        for event in self._events:
            if isinstance(event, end):
                return
            yield event

    def _error(self, problem: str, event: yaml.Event, fix: str = _FIX) -> Integrity:
        line = event.start_mark.line + 1 if event.start_mark else 0
        key = ".".join(step for step in self._place if isinstance(step, str))
        under = f" under '{key}'" if key else ""
        return Integrity(f"'{self._name}' line {line}{under}: {problem}", fix=fix,
                         details={"file": self._name, "line": line, "key": key})


class Node(NamedTuple):
    """One top-level field. Offsets count characters of the text that was read."""

    name: str
    value: Json  # as PyYAML reads it; what JSON lacks as its text
    kind: Kind
    style: Style
    at: int  # of the key
    start: int  # of the value
    end: int  # behind its last character that is no line break


class Flaw(NamedTuple):
    kind: FlawKind
    at: int
    message: str


class _Halt(Exception):
    """Reading cannot go on: the last flaw says why."""


def nodes(text: str) -> tuple[dict[str, Node], list[Flaw]]:
    """The top-level fields as PyYAML's safe loader types them, and all that is wrong; raises nothing.

    Where the parser stops, and over a limit, there are no fields. Nothing is composed: the C composer recurses and ends
    the process on deep nests, its events do not. An alias is a flaw and stands for None, so none multiplies.
    """
    walk = _Walk(text)
    try:
        return walk.read(), walk.flaws
    except _Halt:
        return {}, walk.flaws
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        walk.flaws.append(Flaw("syntax", mark.index if mark else 0, str(error.problem or error.context)))
    except (yaml.YAMLError, UnicodeEncodeError):
        bad = Reader.NON_PRINTABLE.search(text)
        at = bad.start() if bad else 0
        walk.flaws.append(Flaw("syntax", at, f"character U+{ord(text[at]):04X} is not allowed in YAML"))
    return {}, walk.flaws


class _Walk:
    def __init__(self, text: str) -> None:
        self.flaws: list[Flaw] = []
        self._text = text
        self._count = self._keys = 0
        self._anchors: set[str] = set()
        self._last: Any = None  # the last scalar, alias or closing bracket that was read
        if (deep := _deep(text)) is not None:
            self.flaws.append(Flaw("deep", deep, f"brackets nest deeper than {NEST}"))
        self._next: Callable[[], Any] = yaml.CSafeLoader("" if self.flaws else text).get_event

    def read(self) -> dict[str, Node]:
        if self.flaws:
            return {}
        self._next()
        start = self._next()
        if start.__class__ is yaml.StreamEndEvent:
            self._halt("not-mapping", start, "is empty")
        root = self._next()
        if root.__class__ is not yaml.MappingStartEvent:
            found = "a list" if root.__class__ is yaml.SequenceStartEvent else "a text"
            self._halt("not-mapping", root, f"is {found}, not fields of the form 'name: value'")
        self._mark(root)
        fields: dict[str, Node] = {}
        while (key := self._next()).__class__ is not yaml.MappingEndEvent:
            name = self._key(key, fields)
            event = self._next()
            value, kind = self._value(event, 1)
            start = _at(event)
            fields[name] = Node(name, value, kind, _style(event), _at(key), start, max(start, self._end()))
        self._next()
        if (end := self._next()).__class__ is not yaml.StreamEndEvent:
            self._halt("syntax", end, "a second document begins")
        return fields

    def _value(self, event: Any, depth: int) -> tuple[Json, Kind]:
        self._count += 1
        if depth > NEST or self._count > NODES:
            limit = f"nests deeper than {NEST}" if depth > NEST else f"has more than {NODES} values"
            self._halt("deep" if depth > NEST else "many", event, limit)
        kind = event.__class__
        if kind is not yaml.AliasEvent and (event.anchor is not None or event.tag is not None):
            self._mark(event)
        if kind is yaml.ScalarEvent:
            self._last = event
            return (event.value, "text") if event.style or event.tag else self._plain(event)
        if kind is yaml.SequenceStartEvent:
            return self._list(event, depth), "list"
        if kind is yaml.MappingStartEvent:
            return self._mapping(event, depth), "mapping"
        known = event.anchor in self._anchors
        of = "" if known else " of nothing"
        self._flaw("alias" if known else "syntax", event, f"'*{event.anchor}' is an alias{of}")
        self._last = event
        return None, "null"

    def _list(self, start: Any, depth: int) -> Json:
        found: list[Json] = []
        while (event := self._next()).__class__ is not yaml.SequenceEndEvent:
            found.append(self._value(event, depth + 1)[0])
        self._close(start, event)
        return found

    def _mapping(self, start: Any, depth: int) -> Json:
        found: dict[str, Json] = {}
        while (event := self._next()).__class__ is not yaml.MappingEndEvent:
            name = self._key(event, found)
            found[name] = self._value(self._next(), depth + 1)[0]
        self._close(start, event)
        return found

    def _close(self, start: Any, end: Any) -> None:
        if start.flow_style:
            self._last = end

    def _key(self, event: Any, seen: Container[str]) -> str:
        self._keys += 1
        if self._keys > KEYS:
            self._halt("many", event, f"has more than {KEYS} keys")
        if event.__class__ is not yaml.ScalarEvent:
            self._halt("syntax" if event.__class__ is not yaml.AliasEvent else "alias", event,
                       "has a key that is no text")
        if event.anchor is not None or event.tag is not None:
            self._mark(event)
        self._last = event
        name: str = event.value
        if name == "<<" and not event.style:
            self._flaw("merge", event, "has the merge key '<<'")
        elif name in seen:
            self._flaw("duplicate", event, f"has the key '{name}' twice")
        return name

    def _mark(self, event: Any) -> None:
        if event.anchor is not None:
            self._anchors.add(event.anchor)
            self._flaw("anchor", event, f"has the anchor '&{event.anchor}'")
        if event.tag is not None:
            self._flaw("tag", event, f"has the tag '{event.tag}'")

    def _plain(self, event: Any) -> tuple[Json, Kind]:
        """As PyYAML types it: by the first character, then by its patterns."""
        text = event.value
        tag = None
        if candidates := _IMPLICIT.get(text[:1]):
            tag = next((tag for tag, pattern in candidates if pattern.match(text)), None)
        if tag is None:
            return text, "text"
        kind = _KINDS.get(tag)
        if kind is None:
            self._flaw("syntax", event, f"PyYAML cannot read a plain '{text}'")
            return text, "text"
        try:
            value = yaml.SafeLoader.yaml_constructors[tag](_TYPES, yaml.ScalarNode(tag, text))
        except ValueError:
            self._flaw("syntax", event, f"PyYAML takes '{text[:40]}' for a {kind} that there is not")
            return text, kind
        lacking = kind == "date" or (kind == "number" and (len(text) > 64 or value - value != 0))
        return (text if lacking else value), kind

    def _end(self) -> int:
        """Behind what was read last: of a block of text, behind its last character."""
        event = self._last
        end: int = event.end_mark.index
        if event.__class__ is yaml.ScalarEvent and event.style in ("|", ">"):
            start = _at(event)
            end = start + len(self._text[start:end].rstrip("\r\n \t"))
        return end

    def _flaw(self, kind: FlawKind, event: Any, message: str) -> None:
        self.flaws.append(Flaw(kind, _at(event), message))

    def _halt(self, kind: FlawKind, event: Any, message: str) -> NoReturn:
        self._flaw(kind, event, message)
        raise _Halt


def _at(event: Any) -> int:
    start: int = event.start_mark.index
    return start


def _style(event: Any) -> Style:
    if isinstance(event, yaml.SequenceStartEvent):
        return "sequence"
    if isinstance(event, yaml.MappingStartEvent):
        return "mapping"
    return _STYLES[event.style if isinstance(event, yaml.ScalarEvent) else None]


def _deep(text: str) -> int | None:
    """Where brackets nest too deep, whatever they stand in: counted before the parser sees them."""
    depth = 0
    if text.count("[") + text.count("{") > NEST:
        for found in re.finditer(r"[\[\]{}]", text):
            depth = depth + 1 if found[0] in "[{" else max(0, depth - 1)
            if depth > NEST:
                return found.start()
    return None


def scalars(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of every scalar as far as the text is YAML; of a quote that is never closed to the text's end."""
    try:
        for token in yaml.scan(text if _deep(text) is None else "", Loader=yaml.CSafeLoader):
            if isinstance(token, yaml.ScalarToken):
                yield token.start_mark.index, token.end_mark.index
    except yaml.MarkedYAMLError as error:
        if error.context_mark and "quoted" in (error.context or ""):
            yield error.context_mark.index, len(text)
    except (yaml.YAMLError, UnicodeEncodeError):
        return  # a character that YAML has not: then nothing has been read
