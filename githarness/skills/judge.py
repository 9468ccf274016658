"""One document through the gates: what they find, as printed, stored and compared."""

from __future__ import annotations

import hashlib
import posixpath
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from githarness.skills.document import Document, holds, kind_of
from githarness.skills.model import SEVERITIES, Finding, Found, Gate, Place

_LONGEST = 200  # characters of a line that are shown
_SECRETS = "GH050"
_FALL = 10  # points that are worth a word
_WEIGHT = {"error": 20, "warning": 3, "info": 0}


def judge(doc: Document, place: Place, gates: Iterable[Gate]) -> list[Finding]:
    """Findings by line, then by gate. `gates`: those that are asked; one that does not fit the document is skipped.

    A link to a file that is judged itself, as what the link is, has nothing to say of its own.
    """
    if leads_on(doc, place):
        return []
    found = [_finding(doc, gate, each) for gate in gates if applies(gate, doc) for each in _asked(gate, doc, place)]
    return sorted(_told_apart(_masked(found)), key=lambda each: (each.line, each.gate))


def leads_on(doc: Document, place: Place) -> bool:
    """Whether the document is a link to such a file."""
    if b"\n" in doc.data or place.files.mode(doc.path) != "120000":
        return False
    target = posixpath.normpath(posixpath.join(doc.folder, doc.text))
    return kind_of(target) == doc.kind and place.files.mode(target) in ("100644", "100755")


def _asked(gate: Gate, doc: Document, place: Place) -> Iterable[Found]:
    """A gate that breaks on a file has not passed it, and does not keep the others from judging it."""
    try:
        return list(gate.check(doc, place))
    except Exception as error:
        return [Found(1, f"the gate could not judge this file: {type(error).__name__}",
                      "report it with the file, and suppress the gate until it is mended", "error")]


def _masked(findings: Sequence[Finding]) -> list[Finding]:
    """No other gate shows a line on which a secret stands."""
    hidden = {each.line: each.snippet for each in findings if each.gate == _SECRETS and each.snippet}
    return [each._replace(snippet=hidden[each.line]) if each.line in hidden else each for each in findings]


def applies(gate: Gate, doc: Document) -> bool:
    return doc.kind in gate.kinds and (not gate.triggers or holds(doc.lower, gate.triggers))


def score(findings: Iterable[Finding]) -> int:
    """From 100 for nothing found down to 0: 20 less for each error, 3 less for each warning."""
    return max(0, 100 - sum(_WEIGHT[finding.severity] for finding in findings))


def _finding(doc: Document, gate: Gate, found: Found) -> Finding:
    lines = doc.lines
    line = lines[found.line - 1] if 0 < found.line <= len(lines) else ""
    return Finding(doc.path, found.line, gate.id, found.severity or gate.severity, found.message, found.fix,
                   line[:_LONGEST].strip() if found.shown is None else found.shown,
                   _fingerprint(gate, _compared(line) if found.basis is None else found.basis))


@lru_cache(maxsize=64)
def _compared(line: str) -> str:
    """What tells a line from others: of a long one that may be asked about often, a digest."""
    text = " ".join(line.split())
    return text if len(text) <= _LONGEST else hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _fingerprint(gate: Gate, text: str) -> str:
    """Over the gate and the text of the line, not over path and number: a move or an edit elsewhere keeps it."""
    return hashlib.sha256(f"{gate.id}\0{' '.join(text.split())}".encode("utf-8", "replace")).hexdigest()[:16]


def _told_apart(findings: Sequence[Finding]) -> list[Finding]:
    """The second of two equal fingerprints of a document gets a number."""
    seen: Counter[str] = Counter()
    apart = []
    for finding in findings:
        seen[finding.fingerprint] += 1
        number = seen[finding.fingerprint]
        apart.append(finding if number == 1 else finding._replace(fingerprint=f"{finding.fingerprint}.{number}"))
    return apart


def once(findings: Iterable[Finding]) -> list[Finding]:
    """What several profiles find, each finding once: as the strictest of them has it."""
    seen: dict[tuple[str, int, str], Finding] = {}
    for each in findings:
        known = seen.setdefault(key := (each.gate, each.line, each.message), each)
        if SEVERITIES.index(each.severity) < SEVERITIES.index(known.severity):
            seen[key] = each
    return list(seen.values())


def regressions(now: Sequence[Finding], before: Sequence[Finding]) -> list[Finding]:
    """GH061: errors that the version before did not have, also where a baseline forgives their kind. GH062: the score.

    Both documents are versions of one file, judged by the same profiles; a finding is known again by its fingerprint,
    wherever in the file it stands by now.
    """
    new = introduced(now, before)
    found = [new[0]._replace(gate="GH061", message=f"this change brings {len(new)} errors that were not there before: "
                             + ", ".join(sorted({each.gate for each in new})),
                             fix="mend them, or roll the commit back")] if new else []
    fell = score(before) - score(now)
    if fell >= _FALL:
        found.append(Finding(now[0].path, 1, "GH062", "warning",
                             f"the score falls from {score(before)} to {score(now)}", "mend what this change brought"))
    return found


def introduced(now: Iterable[Finding], before: Iterable[Finding]) -> list[Finding]:
    """The errors of `now` that `before` has not."""
    known = Counter(each.fingerprint.partition(".")[0] for each in before)
    new = []
    for finding in now:
        fingerprint = finding.fingerprint.partition(".")[0]
        known[fingerprint] -= 1
        if finding.severity == "error" and known[fingerprint] < 0:
            new.append(finding)
    return new
