"""`githarness policy diff` and `simulate`: two policies side by side, over all requests or over the recorded ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer

from githarness import clock, wiring
from githarness.cli import out
from githarness.cli.options import command
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, shell
from githarness.errors import Usage
from githarness.git.reader import Reader
from githarness.git.repo import discover
from githarness.policy import authzen, widening
from githarness.policy.model import Request
from githarness.policy.widening import Change, Side
from githarness.work import policies, policy_replay
from githarness.work.governance import Governed

_MARKS = {"wider": Painted("+ wider   ", "red"), "approval": Painted("+ approval", "yellow"),
          "narrower": Painted("- narrower", "green")}


@command
def diff(
    ctx: typer.Context, *,
    span: Annotated[str, typer.Argument(metavar="BASE..HEAD", help="Two commits; HEAD where the second is left out.")],
) -> None:
    """Say who may newly do what between two commits.

    And no longer; policies, roles and grants count. Exit 1 where something is wider.
    Example: githarness policy diff origin/main..HEAD
    """
    sh = shell(ctx)
    harness = wiring.Harness(sh.settings, discover(sh.directory))
    old, dots, new = span.partition("..")
    if not dots or not old or new.startswith("."):
        raise Usage(f"'{span}' is not BASE..HEAD", fix="write it like origin/main..HEAD")
    before, after = (_side(harness.reader, rev) for rev in (old, new or "HEAD"))
    changes = widening.compare(before, after, clock.SYSTEM.now())
    wider = sum(change.wider for change in changes)
    sh.document({"items": [_change(change) for change in changes], "wider": wider, "narrower": len(changes) - wider})
    _changes(sh, changes, wider)
    if wider:
        raise typer.Exit(1)


def _side(reader: Reader, rev: str) -> Side:
    return policies.side(Governed(reader).at(reader.resolve(rev)))


def _change(change: Change) -> dict[str, object]:
    return {"agent": change.agent or None, "known": change.known, "action": change.action,
            "examples": list(change.what), "count": change.count, "before": change.before, "after": change.after,
            "wider": change.wider, "kind": change.kind}


def _changes(sh: Shell, changes: Sequence[Change], wider: int) -> None:
    for change in widening.alike(changes):
        sh.line(_MARKS[change.kind], f" {change.text}")
    held = sum(change.kind == "approval" for change in changes)
    of_them = f" ({held} of them with approval only)" if held else ""
    sh.line(f"{out.counted(wider, 'change')} wider{of_them}, {len(changes) - wider} narrower")


@command
def simulate(
    ctx: typer.Context, *,
    candidate: Annotated[list[str], typer.Option("--with", metavar="FILE", help="The candidate; repeatable.")],
    since: Annotated[str, typer.Option(metavar="T", help="From when on.")] = "7d",
) -> None:
    """Ask a candidate about what was recorded.

    What it would have denied of what was done, and allowed of what was denied. It stands in place of the file of its
    name, beside the others of head. Roles and grants are those of now; limits are not replayed.
    Example: githarness policy simulate --with deploy.yaml --since 7d
    """
    sh = shell(ctx)
    harness = sh.open()
    harness.fresh_index()
    governance = harness.governance()
    policy = governance.policy
    for path, data in policies.named(sh.directory.resolve(), candidate).items():
        policy = policies.with_file(policy, path, data)
    with harness.db.read() as conn:
        found = policy_replay.replay(conn, governance, policy, clock.instant(since, harness.clock.now()))
    denied = [one for one in found.differing if one.recorded == "allow"]
    sh.document({"items": [{"event": one.event, "time": clock.rfc3339(one.request.time),
                            "request": authzen.document(one.request), "recorded": one.recorded, "candidate": one.effect,
                            "rule": one.rule} for one in found.differing],
                 "asked": found.asked, "untold": found.untold, "newly_denied": len(denied),
                 "newly_allowed": len(found.differing) - len(denied)})
    kinds = Counter((one.recorded, one.effect, one.rule, one.request.agent, one.request.action, _what(one.request))
                    for one in found.differing)
    for (recorded, effect, rule, agent, action, what), times in kinds.most_common():
        mark = Painted(f"{effect:16}", "red" if recorded == "allow" else "green")
        sh.line(mark, f" {agent} {action} {what}, {times} x: was {recorded}, would be {effect} by {rule}")
    sh.line(f"{out.counted(found.asked, 'decision')}: {len(denied)} newly denied or held, "
            f"{len(found.differing) - len(denied)} newly allowed"
            + (f"; {out.counted(found.untold, 'event')} could not be asked about" if found.untold else ""))


def _what(request: Request) -> str:
    return request.path or f"{request.tool} {request.arguments}".strip()
