"""`doctor`: looks at everything that githarness rests on and says what is degraded, what that costs, and the fix.

It changes nothing and goes on after a check that cannot be made. A surface is graded by what it really stops: advisory
(anybody gets around it by a flag), best-effort (it holds for those who go through githarness), enforced (for all).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from githarness.clock import Clock
from githarness.errors import HarnessError
from githarness.git.porcelain import Git
from githarness.git.repo import Repo
from githarness.settings import Settings
from githarness.work.lane import LocalLane
from githarness.work.parts import Parts

State = Literal["ok", "warn", "fail"]
Grade = Literal["advisory", "best-effort", "enforced"]


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    state: State
    detail: str
    fix: str = ""
    grade: Grade | None = None  # of an enforcement surface


@dataclass(frozen=True, slots=True)
class Subject:
    """The clone that is looked at; `parts`, `lane` and `mail` raise where it is not governed, or nobody is named."""

    settings: Settings
    clock: Clock
    repo: Repo
    git: Git
    parts: Callable[[], Parts]
    mail: Callable[[], str]
    lane: Callable[[], LocalLane]


Check = Callable[[Subject], Iterable[Finding]]


def examine(subject: Subject, checks: Iterable[Check]) -> Iterator[Finding]:
    for check in checks:
        try:
            yield from check(subject)
        except HarnessError as error:
            yield Finding(check.__name__.replace("_", " "), "fail", error.message, error.fix)


def failed(findings: Iterable[Finding]) -> bool:
    return any(finding.state == "fail" for finding in findings)
