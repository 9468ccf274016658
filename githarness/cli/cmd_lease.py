"""`githarness lease`: locks that end by themselves, with tokens that a late write is told by."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated

import typer

from githarness import clock
from githarness.canon import Json
from githarness.cli.acting import Acting, caller
from githarness.cli.options import command, group
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, shell
from githarness.errors import Usage
from githarness.work import lease_holder, leases

app = group("Leases: locks that end by themselves; pass the lease on to write and state set with --lease.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="A name, or path:GLOB for matching artifacts.")]
Lease = Annotated[str, typer.Argument(metavar="LEASE", help="The lease, as acquire printed it.")]


@dataclass(frozen=True, slots=True)
class Wanted:
    ttl: Annotated[str, typer.Option(metavar="T", help="It ends after this time: 30s, 5m.")] = "5m"
    wait: Annotated[str | None, typer.Option(metavar="T", help="Wait in turn for so long where it is held.")] = None
    note: Annotated[str, typer.Option(metavar="TEXT", help="What for; shown in lists.")] = ""
    pid: Annotated[
        int | None, typer.Option(metavar="PID", min=1, help="Its holder: the lease ends with this process.")] = None


@app.command("acquire")
@command
def acquire(ctx: typer.Context, name: Name, *, wanted: Wanted, acting: Acting) -> None:
    """Take a lease and print it; its token is greater than that of every holder before.

    Example: LEASE=$(githarness lease acquire deploy --agent deployer --ttl 5m --wait 1m)
    """
    sh = shell(ctx)
    harness = sh.open()
    mine, pid = os.getpid(), wanted.pid
    started = clock.process_start(pid) if pid else None
    if started == 0:
        raise Usage(f"there is no process {pid}", fix="leave --pid out: the lease then ends by its time alone")
    ask = leases.AcquireAsk(name, clock.seconds(wanted.ttl), wanted.note, pid, started,
                            lease_holder.namespace() if pid else None, waiter=mine,
                            waiter_start=clock.process_start(mine))
    wait = clock.seconds(wanted.wait) if wanted.wait is not None else 0.0
    found = leases.wait_for(harness.parts, caller(harness, acting), ask, harness.table.ask, wait=wait)
    sh.document(found)
    sh.line(str(found["lease"]))


@app.command("renew")
@command
def renew(
    ctx: typer.Context,
    lease: Lease,
    *,
    ttl: Annotated[str | None, typer.Option(metavar="T", help="From now on; as before where none is given.")] = None,
    acting: Acting,
) -> None:
    """Let a lease end later, from now on.

    Example: githarness lease renew "$LEASE" --ttl 5m
    """
    sh = shell(ctx)
    harness = sh.open()
    ask = leases.RenewAsk(lease, clock.seconds(ttl) if ttl is not None else None)
    _show(sh, harness.table.ask(caller(harness, acting), ask), "renewed")


@app.command("release")
@command
def release(ctx: typer.Context, lease: Lease, *, acting: Acting) -> None:
    """Let a lease go.

    Example: githarness lease release "$LEASE"
    """
    sh = shell(ctx)
    harness = sh.open()
    _show(sh, harness.table.ask(caller(harness, acting), leases.ReleaseAsk(lease)), "released")


@app.command("steal")
@command
def steal(
    ctx: typer.Context,
    name: Name,
    *,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is on record.")],
    acting: Acting,
) -> None:
    """End somebody's lease, as an operator: what its holder writes with it from now on is refused.

    Example: githarness lease steal deploy --why "its host is gone"
    """
    sh = shell(ctx)
    harness = sh.open()
    _show(sh, harness.table.ask(caller(harness, acting), leases.StealAsk(name, why)), "ended")


@app.command("list")
@command
def show_all(
    ctx: typer.Context,
    prefix: Annotated[str, typer.Argument(metavar="[PREFIX]", help="Names that begin so.")] = "",
    *,
    acting: Acting,
) -> None:
    """List the leases that are held, by name.

    Example: githarness lease list
    """
    sh = shell(ctx)
    harness = sh.open()
    found = harness.table.ask(caller(harness, acting), leases.ListAsk(prefix))
    sh.document(found)
    items = found["items"]
    for item in items if isinstance(items, list) else []:
        _line(sh, item if isinstance(item, dict) else {})


def _show(sh: Shell, item: dict[str, Json], what: str) -> None:
    sh.document(item)
    sh.line(Painted(what, "green"), f" {item['name']} (token {item['token']})")


def _line(sh: Shell, item: dict[str, Json]) -> None:
    note = f"  {item['note']}" if item["note"] else ""
    sh.line(Painted(str(item["name"]), "cyan"), f" {item['agent'] or item['human']} until {item['expires']}, token ",
            f"{item['token']}, {item['lease']}{note}")
