"""`githarness journal`: what a run did beside reading and writing, told by whoever did it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from githarness.canon import Json
from githarness.cli.options import agent_option, command, group
from githarness.cli.shell import shell
from githarness.errors import Usage
from githarness.work import journal

app = group("The journal of runs: calls of tools and notes, as events of the audit log.")


@app.command("add")
@command
def add(
    ctx: typer.Context,
    details: Annotated[str | None, typer.Argument(metavar="[JSON]", help="An object [stdin].")] = None,
    *,
    run: Annotated[str | None, typer.Option(metavar="R", help="The run [GITHARNESS_RUN].")] = None,
    kind: Annotated[str, typer.Option(metavar="K", help="tool, exec, api, note, transcript, or a word of your own.")],
    agent: Annotated[str | None, agent_option("The agent that acts [GITHARNESS_AGENT].")] = None,
) -> None:
    """Record an event of a run; of a call: {"tool": NAME, "arguments": ..., "result": ..., "status": ...}.

    A transcript may be a text. Its body is kept, redacted and purged as all bodies are.

    Example: githarness journal add --run r-1 --kind tool '{"tool": "Bash", "arguments": {"command": "make"}}'
    """
    sh = shell(ctx)
    given = sh.content(None) if details is None else details.encode("utf-8", "surrogateescape")
    table = _object(given, text=kind == journal.TRANSCRIPT)
    harness = sh.open()
    name = agent or sh.settings.agent
    acting = run or (sh.settings.run_of(name) if name else None)
    if acting is None:
        raise Usage("neither a run nor an agent was named", fix="pass --run R, or set GITHARNESS_RUN")
    entry = journal.Entry(name, acting, kind, table, harness.token())
    event = journal.add(harness.parts, entry)
    sh.document({"event": event})
    sh.line(event)


def _object(data: bytes, *, text: bool) -> dict[str, Json]:
    """`text`: what is no JSON object is taken as it is."""
    try:
        table = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict) and text:
        return {"text": data.decode(errors="replace")}
    if not isinstance(table, dict):
        raise Usage("what is to be recorded is not a JSON object", fix='pass {"tool": "NAME", "arguments": ...}')
    return table
