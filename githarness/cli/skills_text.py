"""What `githarness skills check` tells people: every finding with its line, what becomes of each file, and the sum.

At a terminal findings stand under their file, each hint once; elsewhere each names its path, for grep and editors.
"""

from __future__ import annotations

import sys
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
        fate = f"{portability.sentence(of[path].verdicts)}; score {of[path].score}" if of[path].verdicts else ""
        if sys.stdout.isatty():
            _group(sh, path, fate, those)
            continue
        for finding in those:
            head, _, rest = report.text(finding).partition("\n")
            sh.line(Painted(head, _COLOURS[finding.severity]), f"\n{rest}" if rest else "")
        if fate:
            sh.line(f"{path}: {fate}")


def _group(sh: Shell, path: str, fate: str, those: Sequence[Finding]) -> None:
    sh.line(Painted(path, "bold"), f"  {fate}")
    last = {finding.fix: number for number, finding in enumerate(those)}
    for number, each in enumerate(those):
        sh.line(f"{each.line:6}  ", Painted(f"{each.gate} {each.severity}:", _COLOURS[each.severity]),
                " " + each.message.replace("\n", "\\n"))
        if each.fix and last[each.fix] == number:  # below the last finding that it mends
            sh.line("        ", Painted("hint:", "cyan"), " " + each.fix.replace("\n", "\\n"))


def summary(sh: Shell, found: Report, shown: Sequence[Finding], *, fix: bool) -> None:
    """Of many findings how many each gate has, the sum, and what makes them fewer."""
    many = len(shown) > _SCREEN
    for severity, colour in _COLOURS.items() if many else ():
        if gates := Counter(each.gate for each in shown if each.severity == severity).most_common():
            sh.note(Painted(f"{severity}:", colour), " " + ", ".join(f"{gate} {number}" for gate, number in gates))
    forgiven = f", {out.counted(found.passed, 'finding')} of the baseline not shown" if found.passed else ""
    fixable = 0 if fix else sum(each.gate in _FIXABLE for each in shown)
    sh.note(f"checked {out.counted(found.checked, 'file')}: {report.counts(found.findings)}"
            + (f", up to {fixable} fixable with --fix" if fixable else "") + forgiven)
    if many:
        mend = "--fix mends (--dry-run shows how), " if fixable else ""
        sh.note(f"next: {mend}--min-severity error leaves out the rest, --write-baseline lets old debt pass")
