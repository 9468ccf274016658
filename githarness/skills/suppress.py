"""Findings that an author answers for: a comment in the file, with a reason and a last day.

    <!-- githarness: allow GH041 until 2026-12-31 because the page moves next month -->

In the body it speaks of its own line and the next one; in the frontmatter, as `# githarness: allow …`, of the whole
file. One without a reason or a day, or whose day is past, suppresses nothing, and the finding says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from githarness.skills.document import Document
from githarness.skills.model import Finding

_MARK = "githarness: allow "
_FORM = re.compile(r"(?:<!--|#) *githarness: allow (GH\d{3})(?: until (\d{4}-\d\d-\d\d))?(?: because (\S[^\n]*?))?"
                   r" *(?:-->|$)")
_MEANT = re.compile(r"(?:<!--|#) *githarness: allow (GH\d{3})\b()()")  # not of the form, which the finding then says


class Suppression(NamedTuple):
    gate: str
    line: int
    whole: bool  # speaks of the whole file
    invalid: str  # why it suppresses nothing; empty where it does

    def covers(self, finding: Finding) -> bool:
        return finding.gate == self.gate and (self.whole or self.line <= finding.line <= self.line + 1)


def suppressions(doc: Document, today: date) -> list[Suppression]:
    if _MARK not in doc.text:
        return []
    found = []
    for number, line in enumerate(doc.lines, 1):
        if _MARK in line and (form := _FORM.search(line[:500]) or _MEANT.search(line[:500])):
            found.append(Suppression(form[1], number, number < doc.body_line, _why_not(form[2], form[3], today)))
    return found


def apply(findings: Iterable[Finding], allowed: Sequence[Suppression]) -> list[Finding]:
    """What is left of `findings`."""
    left = []
    for finding in findings:
        fitting = [each for each in allowed if each.covers(finding)]
        if not any(not each.invalid for each in fitting):
            why = "".join(f" (not suppressed: {each.invalid})" for each in fitting[:1])
            left.append(finding._replace(message=finding.message + why))
    return left


def _why_not(until: str | None, because: str | None, today: date) -> str:
    if not until or not because:
        return "'until DATE because REASON' is missing"
    try:
        last = date.fromisoformat(until)
    except ValueError:
        return f"'{until}' is not a day"
    return f"its last day was {until}" if today > last else ""
