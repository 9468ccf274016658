"""What `githarness skills check` tells people: every finding with its line, what becomes of each file, and the sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from githarness.cli import out
from githarness.cli.out import Painted
from githarness.cli.shell import Shell
from githarness.skills import catalogue, portability, report
from githarness.skills.model import Finding
from githarness.work.check import Report

_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}
_SCREEN = 20  # findings that are seen at once: more are summed up by gate
_FIXABLE = frozenset(gate.id for gate in catalogue.GATES if gate.fix)


def findings(sh: Shell, found: Report, shown: Sequence[Finding]) -> None:
    of = {judged.path: judged for judged in found.files}
    by_path: dict[str, list[Finding]] = {}
    for finding in shown:
        by_path.setdefault(finding.path, []).append(finding)
    for path, those in by_path.items():
        for finding in those:
            head, _, rest = report.text(finding).partition("\n")
            sh.line(Painted(head, _COLOURS[finding.severity]), f"\n{rest}" if rest else "")
        if of[path].verdicts:
            sh.line(f"{path}: {portability.sentence(of[path].verdicts)}; score {of[path].score}")


def summary(sh: Shell, found: Report, shown: Sequence[Finding], *, fix: bool) -> None:
    """Of many findings how many each gate has, and what makes them fewer."""
    many = len(shown) > _SCREEN
    for severity, colour in _COLOURS.items() if many else ():
        if gates := Counter(each.gate for each in shown if each.severity == severity).most_common():
            sh.note(Painted(f"{severity}:", colour), " " + ", ".join(f"{gate} {number}" for gate, number in gates))
    forgiven = f", {out.counted(found.passed, 'finding')} of the baseline not shown" if found.passed else ""
    warned = sum(any(each.severity == "warning" for each in one.findings) for one in found.files if not one.failed)
    sh.note(f"checked {out.counted(found.checked, 'file')}: {found.failed} with errors, {warned} with warnings"
            + forgiven)
    if many:
        mend = "" if fix or _FIXABLE.isdisjoint(each.gate for each in shown) else "--fix mends (--dry-run shows how), "
        sh.note(f"next: {mend}--min-severity error leaves out the rest, --write-baseline lets old debt pass")
