"""The events of this clone, found by who, what and when: `audit log`, `tail` and `export`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from githarness import clock, paths
from githarness.errors import Integrity
from githarness.store import audit
from githarness.store.audit import EventFilter, Told
from githarness.store.db import Connection
from githarness.work import audit_story


@dataclass(frozen=True, slots=True)
class Wanted:
    """`columns` is what SQLite looks for; the others stand in the safe fields. `path`: a glob of `paths.matches`."""

    columns: EventFilter = EventFilter()  # noqa: RUF009  a frozen value
    path: str | None = None
    tool: str | None = None
    rule: str | None = None


def found(conn: Connection, wanted: Wanted, *, oldest_first: bool = False) -> Iterator[Told]:
    """Raises Integrity at one that nobody recorded so."""
    for one in audit.told(conn, wanted.columns, oldest_first=oldest_first):
        _must_be_readable(one)
        if _fits(one, wanted):
            yield one


def _must_be_readable(one: Told) -> None:
    try:
        clock.rfc3339(one.leaf.time)
        audit_story.sentence(one.leaf)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise Integrity(f"event {one.leaf.seq} is not as anybody recorded it", fix="githarness audit verify") from error


def newest(conn: Connection, wanted: Wanted, number: int) -> list[Told]:
    """The last so many, oldest first."""
    rows = found(conn, wanted)
    return [one for _, one in zip(range(number), rows, strict=False)][::-1]


def _fits(one: Told, wanted: Wanted) -> bool:
    if wanted.path is None and wanted.tool is None and wanted.rule is None:
        return True
    fields = fields_of(one)
    return ((wanted.tool is None or fields.get("tool") == wanted.tool)
            and (wanted.rule is None or fields.get("rule") == wanted.rule)
            and (wanted.path is None or any(paths.matches(wanted.path, path) for path in paths_of(fields))))


def fields_of(one: Told) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(one.leaf.safe)
    return fields


def paths_of(fields: dict[str, Any]) -> Iterator[str]:
    """Of the safe fields: `paths` has texts, or objects with the blobs before and after."""
    for path in fields.get("paths", ()):
        yield str(path["path"] if isinstance(path, dict) else path)
