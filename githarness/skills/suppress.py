"""Findings that an author answers for: a comment in the file, with a reason and a last day.

    <!-- githarness: allow GH041 until 2026-12-31 because the page moves next month -->

In the body it speaks of its own line and the next one, and of the whole block of code that begins there; in the
frontmatter, as `# githarness: allow …`, of the whole file. In a block of code, in a code span and in a value of the
frontmatter it is text, and suppresses nothing. Nor does one without a reason or a day, or whose day is past; then the
finding says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from githarness import strictyaml
from githarness.skills.document import Document
from githarness.skills.model import Finding

_MARK = "githarness: allow "
# What follows the gate is optional as a whole: where it is not of the form, the finding says so.
_FORM = (r"(?:<!--|#) *githarness: allow (GH\d{3})\b"
         r"(?:(?: until (\d{4}-\d\d-\d\d))?(?: because (\S[^\n]*?))? *(?:-->|$))?")


class Suppression(NamedTuple):
    gate: str
    line: int
    last: int  # line of which it speaks
    whole: bool  # speaks of the whole file
    invalid: str  # why it suppresses nothing; empty where it does

    def covers(self, finding: Finding) -> bool:
        return finding.gate == self.gate and (self.whole or self.line <= finding.line <= self.last)


def suppressions(doc: Document, today: date) -> list[Suppression]:
    if _MARK not in doc.text:
        return []
    found, at, values = [], 0, _values(doc)
    for number, line in enumerate(doc.text.split("\n"), 1):
        form = re.search(_FORM, line[:500].removesuffix("\r")) if _MARK in line else None
        if form and _counts(doc, at + form.start(), values):
            found.append(Suppression(form[1], number, _last(doc, number), number < doc.body_line,
                                     _why_not(form[2], form[3], today)))
        at += len(line) + 1
    return found


def _values(doc: Document) -> list[tuple[int, int]]:
    """Where the values of the frontmatter stand, where it has a mark at all."""
    start, block = doc.front.start, doc.text[doc.front.start:doc.front.close]
    return [(start + one, start + end) for one, end in strictyaml.scalars(block)] if _MARK in block else []


def _counts(doc: Document, at: int, values: Sequence[tuple[int, int]]) -> bool:
    """Whether what stands at the offset `at` is a comment, and not the picture of one."""
    head = doc.text[doc.text.rfind("\n", 0, at) + 1:at]
    if at < doc.front.end:
        return doc.text[at] == "#" and head[-1:] in ("", " ", "\t") and not any(one <= at < end for one, end in values)
    return head.count("`") % 2 == 0 and not any(block.start <= at < block.end for block in doc.fences)


def _last(doc: Document, number: int) -> int:
    """The next line, or the last one of a block of code that begins there."""
    blocks = (block for block in doc.fences if doc.line_at(block.start) in (number, number + 1))
    return max(number + 1, *(doc.line_at(block.end) for block in blocks), 0)


def apply(findings: Iterable[Finding], allowed: Sequence[Suppression]) -> list[Finding]:
    """What is left of `findings`."""
    if not allowed:
        return list(findings)
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
