"""`githarness vault get|lease|leases|revoke`: a secret for who is allowed to have it, and the end of that."""

from __future__ import annotations

import base64
import contextlib
import json
import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from githarness.canon import Json
from githarness.cli.options import agent_option, command
from githarness.cli.out import counted
from githarness.cli.shell import shell
from githarness.errors import NotFound, Usage
from githarness.proxy import local
from githarness.proxy.local import Local
from githarness.vault import record
from githarness.vault.client import Client
from githarness.wiring import Harness
from githarness.work import vault_records


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks."""

    agent: Annotated[str | None, agent_option("Ask as this agent [GITHARNESS_AGENT].")] = None
    human: Annotated[str | None, typer.Option("--as", metavar="HUMAN", help="Ask as an operator or owner.")] = None
    run: Annotated[str | None, typer.Option(metavar="R", help="In this run [GITHARNESS_RUN].")] = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a lease is for."""

    mode: Annotated[list[str] | None, typer.Option(metavar="M", help="get, exec, proxy or sign [get].")] = None
    host: Annotated[list[str] | None, typer.Option(metavar="H", help="For calls of this host; repeatable.")] = None
    method: Annotated[list[str] | None, typer.Option(metavar="M", help="For GET, POST, …; repeatable.")] = None
    ttl: Annotated[str, typer.Option(metavar="T", help="Ends after T.")] = "5m"
    uses: Annotated[int | None, typer.Option(min=1, metavar="N", help="Ends after N uses.")] = None
    rate: Annotated[str | None, typer.Option(metavar="N/T", help="At most N uses in any T: 60/10m.")] = None


@dataclass(frozen=True, slots=True)
class Gone:
    """What is revoked."""

    lease: Annotated[str | None, typer.Option(metavar="L", help="This lease.")] = None
    run: Annotated[str | None, typer.Option(metavar="R", help="All that this run may use.")] = None
    agent: Annotated[str | None, agent_option("All that the runs of this agent may use.")] = None
    secret: Annotated[str | None, typer.Option(metavar="NAME", help="This secret, for every run.")] = None


def introduce(harness: Harness, vault: Client | Local, who: Who) -> None:
    """Says who asks. Raises Usage where nobody was named."""
    if who.human:
        vault.hello(human=who.human)
        return
    agent = who.agent or harness.settings.agent
    if not agent:
        raise Usage("who asks", fix="name an agent with --agent, or yourself with --as")
    vault.hello(agent, who.run or harness.settings.run_of(agent), harness.token())


def person(harness: Harness, vault: Client | Local) -> None:
    """The person of git's configuration, where the fleet has one: the log then names who gave the order."""
    if harness.settings.agent:  # an order is refused to runs, which says more than that they are no person
        return
    with contextlib.suppress(NotFound):
        vault.hello(human=harness.governance().human_of(harness.mail).name)


def _known(harness: Harness, gone: Gone) -> None:
    """Raises NotFound for a slip of the pen, which in an incident would look as if all were done."""
    governance = harness.governance()
    if gone.agent:
        governance.agent(gone.agent)
    if gone.secret and vault_records.find(harness.reader, governance, record.check_name(gone.secret)) is None:
        raise NotFound(f"there never was a secret '{gone.secret}'", fix="githarness vault list --removed")


@command
def get(ctx: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME")], who: Who, *,
        field: Annotated[str | None, typer.Option(metavar="F", help="One field of a value in JSON.")] = None,
        lease: Annotated[str | None, typer.Option(metavar="L", help="Under this lease.")] = None) -> None:
    """Print a secret's value, and nothing else, for an agent that policy allows it; the use is in the audit log first.

    Example: githarness vault get github/deploy-token --agent deployer
    """
    sh = shell(ctx)
    harness = sh.open()
    with local.reach(harness.settings, harness.parts) as vault:
        introduce(harness, vault, who)
        answer = vault.ask("get", name=name, mode="get", **({"lease": lease} if lease else {}))
    value = bytes(answer.body)
    answer.wipe()
    if field is not None:
        value = _field(name, value, field)
    sh.document({"name": name, "version": answer.header["version"], **_shown(value)})
    if not sh.json:
        sh.data(value + (b"\n" if sys.stdout.isatty() else b""))


def _shown(value: bytes) -> dict[str, str]:
    try:
        return {"value": value.decode()}
    except UnicodeDecodeError:
        return {"value_base64": base64.b64encode(value).decode()}


def _field(name: str, value: bytes, field: str) -> bytes:
    try:
        found = json.loads(value)
    except ValueError:
        raise Usage(f"the value of '{name}' is no JSON object", fix="leave --field out") from None
    if not isinstance(found, dict) or field not in found:
        raise NotFound(f"the value of '{name}' has no field '{field}'", fix="leave --field out")
    one = found[field]
    return (one if isinstance(one, str) else json.dumps(one)).encode()


@command
def lease(ctx: typer.Context, names: Annotated[list[str], typer.Argument(metavar="NAME...")], who: Who, bounds: Bounds,
          ) -> None:
    """Ask the daemon for a lease: secrets that the agent may use for a time, so often, in these ways.

    Example: githarness vault lease 'github/**' --agent deployer --ttl 10m --uses 5
    """
    sh = shell(ctx)
    harness = sh.open()
    said: dict[str, Json] = {"names": [*names], "modes": [*(bounds.mode or ["get"])], "ttl": bounds.ttl,
                             "hosts": [*(bounds.host or ())], "methods": [one.upper() for one in bounds.method or ()]}
    said |= {name: value for name, value in (("uses", bounds.uses), ("rate", bounds.rate)) if value is not None}
    with local.served(harness.settings, harness.parts, "nobody would keep a lease") as vault:
        introduce(harness, vault, who)
        made = vault.ask("lease", **said).header
    sh.document({"lease": made["lease"], "expires": made["expires"]})
    sh.line(f"{made['lease']} until {made['expires']}")


@command
def leases(ctx: typer.Context) -> None:
    """List the leases that hold now.

    Example: githarness vault leases
    """
    sh = shell(ctx)
    harness = sh.open()
    with local.served(harness.settings, harness.parts, "nobody keeps leases") as vault:
        items = vault.ask("leases").header["items"]
    sh.document({"items": items})
    for one in items:
        whose = f"agent {one['agent']}, run {one['run']}" if one["agent"] else f"human {one['human']}"
        uses = f", {one['uses']} left" if one["uses"] is not None else ""
        sh.line(f"{one['lease']} {whose}: {', '.join(one['names'])} for {', '.join(one['modes'])}",
                f" until {one['expires']}{uses}")


@command
def revoke(ctx: typer.Context, gone: Gone, *,
           everything: Annotated[bool, typer.Option("--all", help="Everything, for every run.")] = False) -> None:
    """End leases at once. Runs that are there do not get again what was revoked; new ones may.

    Example: githarness vault revoke --agent deployer
    """
    sh = shell(ctx)
    harness = sh.open()
    named = {"lease": gone.lease, "run": gone.run, "agent": gone.agent, "secret": gone.secret}
    said: dict[str, Json] = {name: text for name, text in named.items() if text}
    if len(said) + everything != 1:
        raise Usage("name one of --lease, --run, --agent, --secret and --all", fix="githarness vault revoke --help")
    _known(harness, gone)
    with local.reach(harness.settings, harness.parts) as vault:
        person(harness, vault)
        ended = int(vault.ask("revoke", **said, **({"all": True} if everything else {})).header["revoked"])
    sh.document({"revoked": ended})
    sh.line(f"ended {counted(ended, 'lease')}; runs that are open do not get again what was revoked")
