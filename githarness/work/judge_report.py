"""Violations as the documents that programs read: JSON, GitHub annotations, SARIF 2.1.0."""

from __future__ import annotations

from githarness.canon import Json
from githarness.skills import report
from githarness.skills.model import Finding, Gate
from githarness.work.governance import CONFIG
from githarness.work.judged import CODES, Report, Violation


def document(found: Report) -> dict[str, Json]:
    violations: list[Json] = [one._asdict() for one in found.violations]
    human: list[Json] = [*found.human]
    ungoverned: list[Json] = [*found.ungoverned]
    return {"commits": found.commits, "violations": violations, "human": human, "ungoverned": ungoverned}


def line(one: Violation) -> str:
    return f"{one.commit[:12]}{f' {one.path!a}' if one.path else ''}: {one.code}: {one.message}"


def finding(one: Violation) -> Finding:
    """In the form of the checks; what concerns no single path stands at the file that says that this is governed."""
    return Finding(one.path or CONFIG, 1, one.code, "error", f"commit {one.commit[:12]}: {one.message}", "",
                   fingerprint=f"{one.commit}{one.code}{one.path}")


def github(one: Violation) -> str:
    return report.github(finding(one))


def sarif(found: Report, version: str) -> dict[str, Json]:
    rules = [Gate(code, "error", lambda *_: ()) for code in CODES]
    return report.sarif(map(finding, found.violations), rules, title=_title, explanation=_title, version=version)


def _title(gate: Gate) -> str:
    return CODES[gate.id]
