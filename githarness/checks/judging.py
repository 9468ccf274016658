"""Files of a scope through gates: what is left after suppressions, and after what the baseline forgives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from githarness import clock
from githarness.canon import Json
from githarness.checks.scope import Scope
from githarness.skills import baseline, judge, profiles, suppress
from githarness.skills.document import Document
from githarness.skills.model import Finding, Gate, Kind, Place

LARGEST = 16 << 20  # bytes of a file that are read
_LARGEST_DEBT = 64 << 20


def place(scope: Scope, profile: str = "agentskills", names: Mapping[str, Sequence[str]] | None = None) -> Place:
    """Raises Usage for a profile that is none."""
    today = datetime.fromtimestamp(clock.SYSTEM.now(), UTC).date()
    return Place(profiles.load(profile, _schema_judge), scope.files, names or {}, today)


def _schema_judge(file: str, field: str, value: Json) -> list[str]:
    from githarness.skills import schemas  # jsonschema is asked only about what looks wrong

    return schemas.judge(file, field, value)


def document(scope: Scope, path: str, kind: Kind) -> Document:
    return Document(path, scope.files.read(path, LARGEST), kind)


def findings(doc: Document, where: Place, gates: Iterable[Gate]) -> list[Finding]:
    return suppress.apply(judge.judge(doc, where, gates), suppress.suppressions(doc, where.today))


def forgiven(scope: Scope, found: list[Finding]) -> list[Finding]:
    """What is no old debt. Raises Integrity for a baseline that does not load."""
    debt = scope.files.read(baseline.PATH, _LARGEST_DEBT)
    return baseline.new(found, baseline.load(debt), scope.tracked) if debt else found
