"""`githarness read`: an artifact's content on stdout; the run has seen it from then on."""

from __future__ import annotations

import base64
from typing import Annotated

import typer

from githarness.cli.options import agent_option, command
from githarness.cli.shell import shell
from githarness.cli.write_options import Path
from githarness.work.asks import Doc, ReadAsk


@command
def read(
    ctx: typer.Context,
    path: Path,
    *,
    agent: Annotated[str | None, agent_option("The agent that reads [GITHARNESS_AGENT].")] = None,
    run: Annotated[str | None, typer.Option(metavar="RUN", help="The run that reads [GITHARNESS_RUN].")] = None,
    at: Annotated[str | None, typer.Option(metavar="REV", help="A revision instead of the governed branch.")] = None,
) -> None:
    """Print an artifact and remember that this run has seen it, so that it may write it.

    Example: githarness read runbooks/release.md --agent deployer
    """
    sh = shell(ctx)
    name = agent or sh.settings.agent
    harness = sh.open()
    acting = run or (sh.settings.run_of(name) if name else None)
    doc = harness.lane.read(ReadAsk(path, name, acting, at, harness.token()))
    if sh.json:
        sh.document({"path": doc.path, "blob": doc.blob, "commit": doc.commit, **_content(doc)})
    else:
        sh.data(doc.content)


def _content(doc: Doc) -> dict[str, str]:
    try:
        return {"content": doc.text}
    except UnicodeDecodeError:
        return {"content_base64": base64.b64encode(doc.content).decode()}
