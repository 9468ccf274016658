"""Changes to one field of a file's frontmatter: every byte outside the field stays, comments and line ends too.

Each change is read back: unless exactly the wanted field differs, the file stays as it was (GH008). A name with a dot
(`metadata.author`) is a field of a mapping. Bytes that are no UTF-8 pass through unchanged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import NamedTuple

from githarness.canon import Json
from githarness.skills.frontmatter import Front, read
from githarness.strictyaml import Node, Style, nodes

# What YAML 1.1 or 1.2 takes for something else than text where it stands plain.
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
_HARD = "[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]"


class _Part(NamedTuple):
    """A mapping: where it stands, how it is written, and its fields."""

    fields: dict[str, Node]
    start: int  # of the text that the nodes' offsets count from
    indent: str
    flow: bool


def scalar(text: str, style: Style = "plain") -> str:
    """One line that PyYAML and YAML 1.2 parsers read as this text; in `style` where that is safe."""
    simple = text.isprintable() and not re.search(_HARD, text)
    plain = simple and re.fullmatch(r"[^\W\d_](?:.*[^\s:])?", text) and ": " not in text and " #" not in text
    if plain and style not in ("single", "double") and text.lower() not in _WORDS:
        return text
    if simple and (style == "single" or (style != "double" and ('"' in text or "\\" in text))):
        return "'" + text.replace("'", "''") + "'"
    return _json(text)


def shown(value: Json) -> str:
    """A value as it stands behind a colon."""
    return scalar(value) if isinstance(value, str) else _json(value)


def put(data: bytes, name: str, value: Json) -> bytes:
    """Sets a field, or adds it behind the others; the same bytes where the frontmatter cannot be read."""
    text, front = _opened(data)
    key, _, inner = name.partition(".")
    wanted: dict[str, Json] = {**front.values, key: value}
    if not inner:
        return _closed(data, front, _set(text, front, _top(text, front), (key, value)), wanted)
    old = front.fields.get(key)
    if old is None or not old.value:
        return put(data, key, {inner: value})
    if not isinstance(old.value, dict):
        return data
    start = text.rfind("\n", 0, old.start) + 1 if text[old.start] != "{" else old.start
    part = _part(text, start, old.end)
    wanted[key] = {**old.value, inner: value}
    return _closed(data, front, _set(text, front, part, (inner, value)), wanted)


def remove(data: bytes, name: str) -> bytes:
    """Without a top-level field and the comment on its line."""
    text, front = _opened(data)
    if (field := front.fields.get(name)) is None:
        return data
    start, end = text.rfind("\n", 0, field.at) + 1, text.find("\n", field.end) + 1
    wanted = {key: value for key, value in front.values.items() if key != name}
    return _closed(data, front, text[:start] + text[end:], wanted)


def rename(data: bytes, old: str, new: str) -> bytes:
    """A top-level field under another name, in its place."""
    text, front = _opened(data)
    if (field := front.fields.get(old)) is None or new in front.fields:
        return data
    token = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^:\n]*[^:\s]""").match(text, field.at)
    end = token.end() if token else field.at
    wanted = {new if key == old else key: value for key, value in front.values.items()}
    return _closed(data, front, text[: field.at] + scalar(new) + text[end:], wanted)


def _opened(data: bytes) -> tuple[str, Front]:
    text = data.decode("utf-8", "surrogateescape")
    return text, read(text)


def _closed(data: bytes, front: Front, text: str, wanted: dict[str, Json]) -> bytes:
    """The new bytes if they read as wanted, and the old ones if not."""
    found = read(text)
    same = front.end and json.dumps(found.values) == json.dumps(wanted) and len(found.problems) <= len(front.problems)
    return text.encode("utf-8", "surrogateescape") if same else data


def _top(text: str, front: Front) -> _Part:
    return _part(text, front.start, front.close)


def _part(text: str, start: int, end: int) -> _Part:
    fields, _ = nodes(text[start:end])
    first = next(iter(fields.values()), None)
    indent = text[text.rfind("\n", 0, start + first.at) + 1 : start + first.at] if first else ""
    return _Part(fields, start, indent, text[start:end].lstrip().startswith("{"))


def _set(text: str, front: Front, part: _Part, item: tuple[str, Json]) -> str:
    name, value = item
    end_of_line = "\r\n" if text[: front.start].endswith("\r\n") else "\n"
    old = part.fields.get(name)
    if part.flow:
        if old:
            return _spliced(text, part, old, _json(value))
        last = part.start + max((node.end for node in part.fields.values()), default=1)
        return f"{text[:last]}{', ' if part.fields else ''}{_json(name)}: {_json(value)}{text[last:]}"
    if old:
        return _spliced(text, part, old, _like(text[part.start :], old, value, part.indent).replace("\n", end_of_line))
    at = front.close
    if part.start != front.start:
        at = text.find("\n", part.start + max(node.end for node in part.fields.values())) + 1
    line = f"{part.indent}{scalar(name)}:{_block(value, part.indent)}\n".replace("\n", end_of_line)
    return text[:at] + line + text[at:]


def _spliced(text: str, part: _Part, old: Node, new: str) -> str:
    head, tail = text[: part.start + old.start], text[part.start + old.end :]
    if new.startswith(("\n", "\r")):
        return head.rstrip() + new + tail
    if old.style in ("sequence", "mapping") and text[len(head)] not in "[{":
        bare = head.rstrip()
        head = bare if bare.endswith(":") else head + part.indent + "  "
    return head + ("" if head[-1].isspace() else " ") + new + tail


def _like(text: str, old: Node, value: Json, indent: str) -> str:
    """The value as the old one was written: block or flow, with its quotes."""
    if isinstance(value, str):
        fits = value[:1] not in ("", " ", "\n") and not value.endswith("\n\n") and value.replace("\n", "").isprintable()
        if fits and (old.style == "literal" or (old.style == "folded" and "\n" not in value.rstrip("\n"))):
            chomp = "" if value.endswith("\n") else "-"
            lines = value.removesuffix("\n").split("\n")
            return text[old.start] + chomp + "".join(f"\n{indent}  {line}" if line else "\n" for line in lines)
        return scalar(value, old.style)
    block = old.style in ("sequence", "mapping") and text[old.start] not in "[{"
    if block and isinstance(value, list | dict) and value:
        deeper = text[text.rfind("\n", 0, old.start) + 1 : old.start]
        kept = deeper.isspace() if isinstance(value, dict) else not deeper.strip()
        return _block(value, indent, deeper if kept else None)
    return _json(value)


def _block(value: Json, indent: str, deeper: str | None = None) -> str:
    """What stands behind the colon: a scalar, or the items of a list or a mapping on lines of their own."""
    deeper = indent + "  " if deeper is None else deeper
    if isinstance(value, list) and value:
        return "".join(f"\n{deeper}- {shown(item)}" for item in value)
    if isinstance(value, dict) and value:
        return "".join(f"\n{deeper}{scalar(key)}:{_block(item, deeper)}" for key, item in value.items())
    return " " + shown(value)


def _json(value: Json) -> str:
    """JSON is YAML, once what YAML 1.1 takes for line breaks or forbids is escaped."""
    return re.sub(_HARD, lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def rewrite(data: bytes, change: Callable[[str], str]) -> bytes:
    """The bytes with their text changed; bytes that are no UTF-8 pass through."""
    return change(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
