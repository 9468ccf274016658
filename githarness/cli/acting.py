"""Who acts in the commands of coordination: an agent or a person, in which run, on whose behalf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from githarness import wiring
from githarness.cli.options import agent_option
from githarness.work.coordination import Caller, caller_of


@dataclass(frozen=True, slots=True)
class Acting:
    agent: Annotated[str | None, agent_option("The agent that acts [GITHARNESS_AGENT].")] = None
    human: Annotated[str | None, typer.Option("--as", metavar="HUMAN", help="Act as a person of the fleet.")] = None
    run: Annotated[str | None, typer.Option(metavar="RUN", help="The run that acts [GITHARNESS_RUN].")] = None
    on_behalf_of: Annotated[
        list[str] | None, typer.Option(metavar="WHO", help="Whom the agent acts for, outermost first; repeatable.")
    ] = None


def caller(harness: wiring.Harness, acting: Acting) -> Caller:
    """With neither an agent nor a person named, the person of git's user.email."""
    return caller_of(harness, agent=acting.agent, human=acting.human, run=acting.run, chain=acting.on_behalf_of or ())
