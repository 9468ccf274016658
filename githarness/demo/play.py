"""Plays every incident in one temporary repository and says whether each was stopped.

The folder is removed at the end, or kept where the caller names one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from githarness.clock import SYSTEM
from githarness.demo import appends, questions, stage
from githarness.demo.incident import Found, Incident
from githarness.demo.incidents import FILES, INCIDENTS
from githarness.demo.stage import Say, Stage
from githarness.errors import HarnessError, Usage
from githarness.settings import Settings


@dataclass(frozen=True, slots=True)
class Played:
    incident: Incident
    found: Found
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    played: tuple[Played, ...]
    questions: Mapping[str, list[str]]
    seconds: float
    kept: Path | None

    @property
    def stopped(self) -> bool:
        return all(one.found.stopped for one in self.played)


def play(settings: Settings, say: Say, *, fleet: int, keep: Path | None) -> Report:
    """Raises Usage for a folder that is not empty, Unavailable where the repository cannot be set up."""
    begun = SYSTEM.monotonic()
    with ExitStack() as stack:
        folder = _new_folder(keep) if keep else Path(stack.enter_context(
            tempfile.TemporaryDirectory(prefix="githarness-demo-", ignore_cleanup_errors=True)))
        on = stage.build(folder, settings, say, fleet)
        _set_up(on)
        played = tuple(_one(on, incident) for incident in INCIDENTS)
        answers = questions.answer(on)
        questions.look(on)
    return Report(played, answers, SYSTEM.monotonic() - begun, keep)


def _new_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Usage(f"the folder '{folder}' is not empty", fix="name a new one with --keep")
    return folder.resolve()


def _set_up(on: Stage) -> None:
    on.say("title", "a repository is adopted, agents are added")
    for path, text in FILES.items():
        (on.repo / path).parent.mkdir(parents=True, exist_ok=True)
        (on.repo / path).write_text(text)
    for args in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "what people had before")):
        on.git(*args)
    on.must("init", "--fleet", "demo", shown=True)
    people = ["deployer", "scribe", "janitor"]
    on.must("agent", "add", people[0], "--purpose", "deploys services", shown=True)
    _add_agents(on, [*people[1:], *appends.names(on.fleet)])


def _add_agents(on: Stage, names: Iterable[str]) -> None:
    with ThreadPoolExecutor(2) as pool:
        added = list(pool.map(lambda name: on.must("agent", "add", name), names))
    on.say("tell", f"... and {len(added)} more agents, each with a key of its own")


def _one(on: Stage, incident: Incident) -> Played:
    on.say("title", incident.title)
    on.say("tell", incident.story)
    begun = SYSTEM.monotonic()
    try:
        found = incident.play(on)
    except HarnessError as error:
        on.say("bad", error.message)
        found = Found(stopped=False, facts={"error": error.message})
    return Played(incident, found, SYSTEM.monotonic() - begun)
