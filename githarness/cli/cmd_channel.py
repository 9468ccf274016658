"""`githarness channel`: messages between agents, delivered until they are acknowledged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

import typer

from githarness import clock
from githarness.canon import Json
from githarness.cli.acting import Acting, caller
from githarness.cli.options import command, group
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, shell
from githarness.work import channel_wait, channels
from githarness.work.channels import PublishAsk
from githarness.work.state import RAW

app = group("Channels: messages between agents, in order, delivered until they are acknowledged.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The channel, like ops/deploys.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="A message, as read prints it.")]
Wait = Annotated[str, typer.Option(metavar="T", help="For how long to wait: 30s, 5m.")]


@dataclass(frozen=True, slots=True)
class Body:
    source: Annotated[str | None, typer.Option("--from", metavar="FILE", help="Read FILE instead of stdin.")] = None
    ref: Annotated[
        list[str] | None, typer.Option(metavar="PATH|RUN", help="An artifact with its blob, or a run; repeatable.")
    ] = None


@dataclass(frozen=True, slots=True)
class Addressed:
    to: Annotated[str, typer.Option(metavar="WHO", help="An agent, human:NAME, role:ROLE, or all.")] = "all"
    reply_to: Annotated[str | None, typer.Option(metavar="ID", help="The message that this is a reply to.")] = None


@app.command("publish")
@command
def publish(ctx: typer.Context, name: Name, *, body: Body, addressed: Addressed, acting: Acting) -> None:
    """Publish the message on stdin: JSON, or a text.

    Example: echo '{"build": 44}' | githarness channel publish ops/deploys --agent deployer --to role:reader
    """
    sh = shell(ctx)
    text = channels.body_of(sh.content(body.source, most=RAW))
    harness = sh.open()
    ask = PublishAsk(name, text, addressed.to, addressed.reply_to, body.ref or ())
    _published(sh, harness.table.ask(caller(harness, acting), ask))


@dataclass(frozen=True, slots=True)
class Part:
    after: Annotated[
        int | None, typer.Option(metavar="CURSOR", min=0, help="From there on, instead of what is not acknowledged.")
    ] = None
    number: Annotated[int, typer.Option("-n", metavar="N", min=1, max=1000, help="At most N messages.")] = 100
    hold: Annotated[str, typer.Option(metavar="T", help="Do not deliver them again for so long.")] = "0s"


@app.command("read")
@command
def read(ctx: typer.Context, name: Name, *, part: Part, wait: Wait = "0s", acting: Acting) -> None:
    """Print the messages that this agent has not acknowledged, oldest first, and the cursor to acknowledge.

    Example: githarness channel read ops/deploys --agent scribe --wait 5m
    """
    sh = shell(ctx)
    ask = channels.ReadAsk(name, part.after, part.number, clock.seconds(part.hold))
    harness = sh.open()
    found = channel_wait.read(harness.parts, caller(harness, acting), ask, harness.table.ask,
                              wait=clock.seconds(wait))
    sh.document(found)
    for item in _items(found):
        _message(sh, item)
    if found["missed"]:
        sh.note(Painted("note:", "yellow"), f" {found['missed']} older messages were dropped by age, unread")
    sh.note(f"cursor {found['cursor']}")


@app.command("ack")
@command
def ack(
    ctx: typer.Context,
    name: Name,
    cursor: Annotated[int, typer.Argument(metavar="CURSOR", min=0, help="As read printed it.")],
    *,
    acting: Acting,
) -> None:
    """Say that everything up to a cursor is done with: it is not delivered to this agent again.

    Example: githarness channel ack ops/deploys 17 --agent scribe
    """
    sh = shell(ctx)
    harness = sh.open()
    found = harness.table.ask(caller(harness, acting), channels.AckAsk(name, cursor))
    sh.document(found)
    sh.line(Painted("acknowledged", "green"), f" {found['channel']} up to {found['cursor']}")


@app.command("ask")
@command
def ask(
    ctx: typer.Context, name: Name, *, wait: Wait = "1m", body: Body, addressed: Addressed, acting: Acting,
) -> None:
    """Publish the message on stdin, wait for a reply to it, and print that.

    Example: echo 'may I deploy 44?' | githarness channel ask ops/deploys --agent deployer --to scribe --wait 10m
    """
    sh = shell(ctx)
    text = channels.body_of(sh.content(body.source, most=RAW))
    harness = sh.open()
    message = PublishAsk(name, text, addressed.to, addressed.reply_to, body.ref or ())
    found = channel_wait.ask(harness.parts, caller(harness, acting), message, harness.table.ask,
                             wait=clock.seconds(wait))
    sh.document(found)
    sh.line(_text(found["reply"]["body"] if isinstance(found["reply"], dict) else None))


@app.command("reply")
@command
def reply(ctx: typer.Context, message: Id, *, body: Body, acting: Acting) -> None:
    """Reply to a message with what is on stdin, in its channel, to who sent it.

    Example: echo 'go ahead' | githarness channel reply m-01m8gdznchc832hdc1fk --agent scribe
    """
    sh = shell(ctx)
    text = channels.body_of(sh.content(body.source, most=RAW))
    harness = sh.open()
    _published(sh, harness.table.ask(caller(harness, acting), channels.ReplyAsk(message, text, body.ref or ())))


@app.command("list")
@command
def show_all(
    ctx: typer.Context,
    prefix: Annotated[str, typer.Argument(metavar="[PREFIX]", help="Names that begin so.")] = "",
    *,
    acting: Acting,
) -> None:
    """List the channels, by name.

    Example: githarness channel list ops/
    """
    sh = shell(ctx)
    harness = sh.open()
    found = harness.table.ask(caller(harness, acting), channels.ListAsk(prefix))
    sh.document(found)
    for item in _items(found):
        _settings(sh, item)


@app.command("show")
@command
def show(ctx: typer.Context, name: Name, *, acting: Acting) -> None:
    """Show a channel: how much waits in it, and how far each subscriber is.

    Example: githarness channel show ops/deploys
    """
    sh = shell(ctx)
    harness = sh.open()
    found = harness.table.ask(caller(harness, acting), channels.ShowAsk(name))
    sh.document(found)
    _settings(sh, found)
    subscribers = found["subscribers"]
    for one in subscribers if isinstance(subscribers, list) else []:
        sh.line(f"  {one['who']} at {one['cursor']}, {one['behind']} behind" if isinstance(one, dict) else "")


@app.command("set")
@command
def settle(
    ctx: typer.Context,
    name: Name,
    *,
    most: Annotated[int | None, typer.Option(metavar="N", min=1, help="How many messages may wait in it.")] = None,
    keep: Annotated[
        str | None, typer.Option(metavar="T", help="Drop what is older: 7d; 0s: keep it until it is acknowledged.")
    ] = None,
    acting: Acting,
) -> None:
    """Set how much may wait in a channel and for how long, as an operator.

    Example: githarness channel set ops/deploys --most 5000 --keep 7d
    """
    sh = shell(ctx)
    harness = sh.open()
    wanted = channels.SetAsk(name, most, clock.seconds(keep) if keep is not None else None)
    found = harness.table.ask(caller(harness, acting), wanted)
    sh.document(found)
    _settings(sh, found)


@app.command("leave")
@command
def leave(
    ctx: typer.Context,
    name: Name,
    *,
    who: Annotated[str | None, typer.Option(metavar="WHO", help="Another subscriber, as an operator.")] = None,
    acting: Acting,
) -> None:
    """End a subscription: nothing waits for this agent any more.

    Example: githarness channel leave ops/deploys --agent scribe
    """
    sh = shell(ctx)
    harness = sh.open()
    found = harness.table.ask(caller(harness, acting), channels.LeaveAsk(name, who))
    sh.document(found)
    sh.line(f"{found['who']} has left {found['channel']}")


def _items(found: dict[str, Json]) -> list[dict[str, Json]]:
    items = found["items"]
    assert isinstance(items, list)
    return [item for item in items if isinstance(item, dict)]


def _published(sh: Shell, item: dict[str, Json]) -> None:
    sh.document(item)
    sh.line(Painted(str(item["id"]), "cyan"), f" {item['channel']} {item['cursor']}")


def _message(sh: Shell, item: dict[str, Json]) -> None:
    """The body stands indented: no line of it can be taken for the head of another message."""
    reply_to = f", in reply to {item['reply_to']}" if item["reply_to"] else ""
    sh.line(Painted(str(item["id"]), "cyan"), f" {item['cursor']} {item['time']} "
            f"{item['agent'] or item['human'] or 'githarness'} to "
            f"{item['to']}{reply_to}")
    refs = item["refs"]
    for ref in refs if isinstance(refs, list) else []:
        if isinstance(ref, dict):
            sh.line(f"  ref: {ref['path']} {ref['blob']}" if "path" in ref else f"  ref: run {ref['run']}")
    for line in _text(item["body"]).split("\n"):
        sh.line("    " + line)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _settings(sh: Shell, item: dict[str, Json]) -> None:
    keep = f"for {item['keep']:g} s" if isinstance(item["keep"], float) else "until acknowledged"
    sh.line(Painted(str(item["name"]), "cyan"), f" {item['last']} published, ",
            f"{item['waiting']} of {item['most']} kept {keep}")
