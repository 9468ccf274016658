"""`githarness audit`: what was recorded, and whether it still is what was recorded."""

from __future__ import annotations

from itertools import groupby
from time import sleep
from typing import Annotated

import typer

from githarness.audit import note
from githarness.cli import audit_keep, out
from githarness.cli.audit_options import EventOptions, item, line, wanted
from githarness.cli.options import command, group
from githarness.cli.out import Painted, counted
from githarness.cli.shell import Shell, shell
from githarness.errors import Usage
from githarness.store.audit import EventFilter
from githarness.work import audit_chain, audit_log, audit_proof, audit_seal, audit_verify
from githarness.work.audit_log import Wanted
from githarness.work.audit_verify import Claims, Verdict

app = group("The audit log: every read, write, call and decision of this clone, and the proof that none was changed.")
for _name, _command in {"export": audit_keep.export, "bundle": audit_keep.bundle, "archive": audit_keep.archive,
                        "purge": audit_keep.purge, "hold": audit_keep.hold}.items():
    app.command(_name)(_command)
_ALIKE = 3  # faults of one kind in a row that are shown
_BEAT = 0.5  # seconds between two looks of --follow


@app.command("log")
@command
def log(
    ctx: typer.Context,
    *,
    options: EventOptions,
    number: Annotated[int, typer.Option("-n", metavar="N", min=1, help="At most N events.")] = 1000,
) -> None:
    """List events, newest first.

    Example: githarness audit log --agent deployer --kind denial --since 2h
    """
    sh = shell(ctx)
    chosen = wanted(options)
    with sh.open().db.read() as conn:
        events = audit_log.newest(conn, chosen, number)[::-1]
    sh.document({"items": [item(one) for one in events]})
    for one in events:
        line(sh, one)
    if not events:
        sh.note("no event is like that")


@app.command("tail")
@command
def tail(
    ctx: typer.Context,
    *,
    number: Annotated[int, typer.Option("-n", metavar="N", min=0, help="Begin with the last N events.")] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as events come, until ctrl-c.")] = False,
) -> None:
    """Show the last events, oldest first; with --json one JSON object a line.

    Example: githarness audit tail --follow
    """
    sh = shell(ctx)
    harness = sh.open()
    with harness.db.read() as conn:
        events = audit_log.newest(conn, Wanted(), number)
        last = conn.execute("SELECT max(seq) FROM events").fetchone()[0] or 0
    while True:
        for one in events:
            out.json_line(item(one)) if sh.json else line(sh, one)
        if not follow:
            return
        sleep(_BEAT)
        with harness.db.read() as conn:
            events = list(audit_log.found(conn, Wanted(EventFilter(after=last)), oldest_first=True))
        last = max([last, *(one.leaf.seq for one in events)])


@app.command("seal")
@command
def seal(ctx: typer.Context) -> None:
    """Put what the log grew by into git as signed commits; the daemon does it by itself.

    Read them with git log refs/githarness/audit/LOG. Example: githarness audit seal
    """
    sh = shell(ctx)
    done = audit_seal.seal(sh.open().parts)
    sh.document({"log": done.log, "events": done.events, "size": done.size, "root": note.coded(done.root),
                 "commit": done.commit})
    sh.line(f"sealed {counted(done.events, 'event')}, {done.size} in all")
    sh.note(f"hint: git log {audit_chain.ref_of(done.log)}")


@app.command("checkpoint")
@command
def checkpoint(
    ctx: typer.Context,
    *,
    event: Annotated[str | None, typer.Option(metavar="ID", help="With the proof that this event is in it.")] = None,
    since: Annotated[str | None, typer.Option(metavar="FILE", help="With the proof that it goes on from that.")] = None,
) -> None:
    """Print the log's signed checkpoint; kept elsewhere, it proves later that nothing was cut off.

    Example: githarness audit checkpoint > checkpoint.txt
    """
    sh = shell(ctx)
    if event and since:
        raise Usage("--event and --since exclude each other", fix="githarness audit checkpoint --event ID")
    text = _stated(sh, event, since)
    said = note.read(text[text.index("githarness.invalid/") :])
    sh.document({"log": said.log, "size": said.size, "root": note.coded(said.root), "note": text})
    if not sh.json:
        sh.data(text.encode())


def _stated(sh: Shell, event: str | None, since: str | None) -> str:
    parts = sh.open().parts
    if event:
        return audit_proof.of_event(parts, event)
    if since:
        return audit_proof.since(parts, sh.content(since).decode("utf-8", "replace"))
    return audit_seal.checkpoint(parts)


@app.command("verify")
@command
def verify(
    ctx: typer.Context,
    *,
    witness: Annotated[
        str | None, typer.Option("--checkpoint", metavar="FILE", help="A checkpoint that was kept elsewhere.")] = None,
) -> None:
    """Check that no event was changed, moved, added or taken away; exit 1 where one was.

    Example: githarness audit verify --checkpoint checkpoint.txt
    """
    sh = shell(ctx)
    harness = sh.open()
    stated = sh.content(witness).decode("utf-8", "replace") if witness else None
    claims = Claims(harness.config_values.get("githarness.log", (None,))[-1], stated)
    with sh.progress("verifying") as progress:
        found = audit_verify.verify(harness.parts, claims, progress)
    _show(sh, found)
    if found.faults:
        raise typer.Exit(1)


def _show(sh: Shell, found: Verdict) -> None:
    sh.document({
        "log": found.log, "size": found.size, "sealed": found.sealed, "root": note.coded(found.root),
        "commits": found.commits, "foreign": dict(found.foreign), "open": found.open, "purged": found.purged,
        "notes": found.notes, "faults": [fault._asdict() for fault in found.faults], "good": not found.faults})
    for (code, message), alike in groupby(found.faults, key=lambda fault: (fault.code, fault.message)):
        places = [fault.where for fault in alike]
        for where in places[:_ALIKE]:
            sh.line(Painted(f"{code:11}", "red"), f"{where} {message}")
        if len(places) > _ALIKE:
            sh.line(f"{'':11}and {len(places) - _ALIKE} more like these, up to {places[-1]}; --json has each")
    for text in found.notes:
        sh.note(f"note: {text}")
    if found.open:
        sh.note(f"note: {counted(len(found.open), 'write')} without an outcome: a crash; the next command finishes it")
    for log, count in sorted(found.foreign.items()):
        sh.note(f"note: {counted(count, 'commit')} of another clone's log {log}")
    if found.faults:
        sh.line(Painted("the log was changed", "red"), f": {counted(len(found.faults), 'fault')}")
    else:
        sh.line(Painted("good", "green"), f": {counted(found.size, 'event')}, {found.sealed} sealed, "
                f"{counted(found.commits, 'commit')} pin them")
