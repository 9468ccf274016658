"""What an incident is: something that happened to a fleet, played again, with what was found afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from githarness.demo.stage import Stage

Fact = str | int | float | bool | None | list["Fact"] | dict[str, "Fact"]


@dataclass(frozen=True, slots=True)
class Found:
    """`stopped`: the harm was not done. `facts` are counted from git, for the document."""

    stopped: bool
    facts: Mapping[str, Fact]


@dataclass(frozen=True, slots=True)
class Incident:
    name: str
    title: str
    story: str  # what happened, in one or two sentences
    play: Callable[[Stage], Found]
