"""`githarness agent`: who may write here, and with which keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from githarness import clock
from githarness.cli import agent_stops
from githarness.cli.identities import desk, key_lines, show_change, table
from githarness.cli.options import command, group
from githarness.cli.out import Painted
from githarness.cli.shell import Shell, opened
from githarness.policy.model import Agent
from githarness.store.stops import Stop
from githarness.work import agents
from githarness.work.govern import Desk

app = group("Agents: add them, give them keys of this host, retire them.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The agent.")]


@app.command("add")
@command
def add(
    ctx: typer.Context,
    name: Name,
    *,
    role: Annotated[list[str] | None, typer.Option(
        metavar="ROLE", help="writer (the default) or reader; repeatable.")] = None,
    purpose: Annotated[str, typer.Option(metavar="TEXT", help="What the agent is for.")] = "",
    owner: Annotated[str, typer.Option(metavar="MAIL", help="Who answers for it [git config user.email].")] = "",
    expires: Annotated[
        str | None, typer.Option(metavar="T", help="When it stops by itself: 30d from now, or a time [never].")] = None,
) -> None:
    """Add an agent and make it a key on this host; the same agent again is no error, and takes a new --expires.

    Example: githarness agent add deployer --purpose "rolls releases out"
    """
    sh, harness = opened(ctx)
    end = clock.deadline(expires, harness.clock.now()) if expires else None
    done = agents.add(desk(harness), name, wanted=tuple(role or ()), purpose=purpose, owner=owner, expires=end)
    show_change(sh, harness, done.agent, done.commit, what="added")


@app.command("list")
@command
def show_all(ctx: typer.Context) -> None:
    """List the agents of this fleet, and what stops them here.

    Example: githarness agent list
    """
    sh, harness = opened(ctx)
    found = sorted(harness.governance().registry.agents.values(), key=lambda agent: agent.name)
    stops = agent_stops.here(harness)
    sh.document({"items": [{**table(harness, one), "stop": agent_stops.document(stops.get(one.name))}
                           for one in found]})
    for agent in found:
        _line(sh, agent, stops.get(agent.name))


@app.command("show")
@command
def show(ctx: typer.Context, name: Name) -> None:
    """Show an agent with its keys, their windows, and whether this host can sign with them.

    Example: githarness agent show deployer
    """
    sh, harness = opened(ctx)
    agent = harness.governance().agent(name)
    stop = agent_stops.here(harness).get(name)
    sh.document({**table(harness, agent), "stop": agent_stops.document(stop)})
    _line(sh, agent, stop)
    key_lines(sh, harness.keyring, agent.keys)


@app.command("enroll")
@command
def enroll(ctx: typer.Context, name: Name) -> None:
    """Give an agent a key of this host; its other keys stay.

    Example: githarness agent enroll deployer
    """
    _changed(ctx, "enrolled", lambda at: agents.enroll(at, name))


@app.command("rotate-key")
@command
def rotate_key(ctx: typer.Context, name: Name) -> None:
    """Replace an agent's key of this host; what the old one signed stays verifiable.

    Example: githarness agent rotate-key deployer
    """
    _changed(ctx, "rotated the key of", lambda at: agents.rotate_key(at, name))


@app.command("guard")
@command
def guard(
    ctx: typer.Context,
    name: Name,
    *,
    failures: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=9999, help="Failed runs in a row; 0: never.")] = None,
    silence: Annotated[
        str | None, typer.Option(metavar="T", help="Time without a heartbeat of an open run; 0s: never.")] = None,
) -> None:
    """Set when an agent is paused by itself: after so many failed runs in a row (5), after so long a silence (never).

    Example: githarness agent guard deployer --failures 3 --silence 10m
    """
    quiet = None if silence is None else int(clock.seconds(silence))
    _changed(ctx, "guarded", lambda at: agents.guard(at, name, failures=failures, silence=quiet))


@app.command("retire")
@command
def retire(ctx: typer.Context, name: Name) -> None:
    """Retire an agent: it may do nothing any more, and its name is not given again.

    Example: githarness agent retire deployer
    """
    _changed(ctx, "retired", lambda at: agents.retire(at, name))


app.command("quarantine")(agent_stops.quarantine)
app.command("release")(agent_stops.release)


def _changed(ctx: typer.Context, what: str, change: Callable[[Desk], agents.Changed]) -> None:
    sh, harness = opened(ctx)
    done = change(desk(harness))
    show_change(sh, harness, done.agent, done.commit, what=what)


def _line(sh: Shell, agent: Agent, stop: Stop | None) -> None:
    ends = (("retired", agent.retired), ("expires", agent.expires), ("quarantined", agent.quarantined))
    until = "".join(f", {what} {when}" for what, when in ends if when)
    purpose = f": {agent.purpose}" if agent.purpose else ""
    owner = f", answers to {agent.owner}" if agent.owner else ""
    sh.line(Painted(agent.name, "cyan"), f" ({', '.join(agent.roles)}{owner}{until}){purpose}")
    if stop:
        agent_stops.tell(sh, stop)
