"""`githarness skills gates`: what is judged, why, and what mends it."""

from __future__ import annotations

from typing import Annotated

import typer

from githarness.cli.options import command
from githarness.cli.shell import shell
from githarness.errors import NotFound
from githarness.skills import catalogue


@command
def gates(
    ctx: typer.Context, *,
    gate: Annotated[str | None, typer.Argument(metavar="[ID]", help="One gate, with its explanation.")] = None,
) -> None:
    """List the gates, or explain one.

    Example: githarness skills gates GH010
    """
    sh = shell(ctx)
    rows = [each for each in catalogue.GATES if gate is None or each.id == gate.upper()]
    if not rows and gate is not None and (where := catalogue.LATER.get(gate.upper())):
        sh.document({"items": [{
            "gate": gate.upper(), "severity": None, "title": where, "fixable": False, "explanation": ""}]})
        sh.line(f"{gate.upper()} {where}")
        return
    if not rows:
        raise NotFound(f"there is no gate '{gate}'", fix="githarness skills gates")
    sh.document({"items": [{
        "gate": each.id, "severity": each.severity, "title": catalogue.title(each), "fixable": each.fix is not None,
        "explanation": catalogue.explanation(each)} for each in rows]})
    for each in rows:
        sh.line(f"{each.id} {each.severity:7} {catalogue.title(each)}{' (--fix)' if each.fix else ''}")
    if gate is not None:
        sh.line("\n" + catalogue.explanation(rows[0]))
