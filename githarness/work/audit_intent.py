"""What a write says of the log, and the log of a write: the trailer `Audit`, and the safe fields of its intent.

No secrets are looked for here: paths, blobs and names of rules stand in the commit as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from githarness.audit import line
from githarness.canon import Json
from githarness.git.objects import PathChange
from githarness.policy.model import Decision
from githarness.store import audit
from githarness.store.db import Connection
from githarness.work import audit_pins

Pair = tuple[str, str]


def pin(conn: Connection) -> Pair:
    """The log as it is before the commit; what is durable by the time that the ref moves (store/audit.py)."""
    log = audit.log(conn)
    return ("Audit", audit_pins.value(log.id, log.size, log.tree.root))


def safe(changes: Iterable[PathChange], decision: Decision | None, more: Mapping[str, Json]) -> str:
    fields: dict[str, Json] = {"paths": _touched(changes), **more}
    if decision:
        fields |= {"rule": decision.rule, "grant": decision.grant}
    return line.safe(fields)


def refused(paths: Sequence[str], rule: object, action: object) -> str:
    return line.safe({"paths": [{"path": path} for path in paths], "rule": str(rule or ""),
                      "action": str(action or "")})


def _touched(changes: Iterable[PathChange]) -> list[Json]:
    """Paths with their blobs before and after; what is not there is left out."""
    rows: list[Json] = []
    for change in changes:
        row: dict[str, Json] = {"path": change.path}
        if change.old:
            row["old"] = change.old.oid
        if change.new:
            row["new"] = change.new.oid
        rows.append(row)
    return rows
