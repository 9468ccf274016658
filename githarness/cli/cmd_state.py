"""`githarness state`: values that agents share, with versions and compare-and-set."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from difflib import unified_diff
from typing import Annotated

import typer

from githarness import canon, clock
from githarness.canon import Json
from githarness.cli import out
from githarness.cli.acting import Acting, caller
from githarness.cli.options import command, group
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, shell
from githarness.work import state

app = group("State: values that agents share, versions kept with who and when.")
Key = Annotated[str, typer.Argument(metavar="KEY", help="The key, like deploys/last.")]
Prefix = Annotated[str, typer.Argument(metavar="[PREFIX]", help="Keys that begin so.")]
IfVersion = Annotated[
    int | None, typer.Option("--if-version", metavar="N", min=0, help="Only where N is there now; 0: nothing is.")
]
Lease = Annotated[str | None, typer.Option(metavar="LEASE", help="Only while this lease is held.")]


@app.command("get")
@command
def get(
    ctx: typer.Context,
    key: Key,
    *,
    at: Annotated[str | None, typer.Option(metavar="WHEN", help="A version, or a time: 7, 2h, RFC 3339.")] = None,
    acting: Acting,
) -> None:
    """Print a value as it is now, or was.

    Example: githarness state get deploys/last --at 2h
    """
    sh = shell(ctx)
    harness = sh.open()
    _show(sh, harness.table.ask(caller(harness, acting), state.GetAsk(key, at)))


@dataclass(frozen=True, slots=True)
class Wanted:
    source: Annotated[str | None, typer.Option("--from", metavar="FILE", help="Read FILE instead of stdin.")] = None
    if_version: IfVersion = None
    ttl: Annotated[str | None, typer.Option(metavar="T", help="Gone after this time: 30s, 5m.")] = None
    lease: Lease = None


@app.command("set")
@command
def put(ctx: typer.Context, key: Key, *, wanted: Wanted, acting: Acting) -> None:
    """Set a key to the value on stdin: JSON, or a text.

    Example: echo '{"step": 3}' | githarness state set deploys/last --if-version 4
    """
    sh = shell(ctx)
    value, ttl = state.value_of(sh.content(wanted.source, most=state.RAW)), wanted.ttl
    harness = sh.open()
    ask = state.SetAsk(key, value, wanted.if_version, clock.seconds(ttl) if ttl is not None else None, wanted.lease)
    _changed(sh, harness.table.ask(caller(harness, acting), ask))


@app.command("delete")
@command
def delete(
    ctx: typer.Context, key: Key, *, if_version: IfVersion = None, lease: Lease = None, acting: Acting,
) -> None:
    """Delete a key; its history stays.

    Example: githarness state delete deploys/last
    """
    sh = shell(ctx)
    harness = sh.open()
    _changed(sh, harness.table.ask(caller(harness, acting), state.DeleteAsk(key, if_version, lease)))


@app.command("history")
@command
def history(
    ctx: typer.Context,
    key: Key,
    *,
    diff: Annotated[bool, typer.Option("--diff", help="Show what each version changed.")] = False,
    number: Annotated[int, typer.Option("-n", metavar="N", min=1, help="At most N versions.")] = 50,
    acting: Acting,
) -> None:
    """List the versions of a key, newest first: who set it, when, and to what.

    Example: githarness state history deploys/last --diff
    """
    sh = shell(ctx)
    harness = sh.open()
    found = harness.table.ask(caller(harness, acting), state.HistoryAsk(key, number + int(diff)))
    items = _items(found)
    for item, before in zip(items, [*items[1:], None], strict=True):
        if diff:
            item["diff"] = _diff(item, before)
    sh.document({"items": items[:number]})
    for item in items[:number]:
        _line(sh, item)
        if diff:
            sh.line(str(item["diff"]).rstrip("\n"))


@app.command("list")
@command
def show_all(ctx: typer.Context, prefix: Prefix = "", *, acting: Acting) -> None:
    """List what is there, by key.

    Example: githarness state list deploys/
    """
    sh = shell(ctx)
    harness = sh.open()
    found = harness.table.ask(caller(harness, acting), state.ListAsk(prefix))
    sh.document(found)
    for item in _items(found):
        _line(sh, item)


@app.command("watch")
@command
def watch(ctx: typer.Context, prefix: Prefix = "", *, acting: Acting) -> None:
    """Print every version that is set or deleted from now on, as it happens; with --json one object per line.

    Example: githarness state watch deploys/ --json
    """
    sh = shell(ctx)
    harness = sh.open()
    for entry in state.watch(harness.parts, caller(harness, acting), prefix):
        item = state.shown(entry)
        if sh.json:
            out.json_line(item)
        else:
            _line(sh, item)
            sys.stdout.flush()


def _items(found: dict[str, Json]) -> list[dict[str, Json]]:
    items = found["items"]
    assert isinstance(items, list)
    return [item for item in items if isinstance(item, dict)]


def _show(sh: Shell, item: dict[str, Json]) -> None:
    sh.document(item)
    value = item["value"]
    sh.line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _changed(sh: Shell, item: dict[str, Json]) -> None:
    sh.document(item)
    what = "deleted" if item["deleted"] else "set"
    sh.line(Painted(what, "green"), f" {item['key']} version {item['version']}")


def _line(sh: Shell, item: dict[str, Json]) -> None:
    who = item["agent"] or item["human"]
    value = "(deleted)" if item["deleted"] else canon.dumps(item["value"])
    sh.line(Painted(f"{item['key']}", "cyan"), f" {item['version']} {item['time']} {who}  ",
            value if len(value) <= 80 else value[:79] + "…")


def _diff(item: dict[str, Json], before: dict[str, Json] | None) -> str:
    old, new = ([] if one is None or one["deleted"] else _pretty(one["value"]) for one in (before, item))
    names = (f"{item['key']}@{before['version'] if before else 0}", f"{item['key']}@{item['version']}")
    return "".join(unified_diff(old, new, *names))


def _pretty(value: Json) -> list[str]:
    text = value if isinstance(value, str) else json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    return [line + "\n" for line in text.split("\n")]
