"""A fleet with one harness, on clocks that the test sets, and what its agents and people ask of each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from githarness import clock, settings
from githarness.git.repo import discover
from githarness.wiring import Harness
from githarness.work import leases, state
from githarness.work.coordination import Caller
from tests.grants.conftest import SetClock


class Table:
    """Agents `deployer` and `scribe`, owner `olive`; each verb as the commands ask it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = SetClock()
        self.harness = Harness(settings.load(), discover(folder), clock=self.clock)

    def caller(self, name: str = "deployer", run: str | None = None) -> Caller:
        if name == "olive":
            return Caller(None, "olive", run or "r-olive")
        return Caller(name, None, run or f"r-{name}")

    def ask(self, what: object, who: str = "deployer", run: str | None = None) -> dict[str, Any]:
        """Raises what the verb refuses with."""
        return self.harness.combined.ask(self.caller(who, run), what)

    def set(self, key: str, value: str = "1", who: str = "deployer", **more: Any) -> int:
        return int(self.ask(state.SetAsk(key, value, **more), who)["version"])

    def value(self, key: str, who: str = "deployer", at: str | None = None) -> Any:
        return self.ask(state.GetAsk(key, at), who)["value"]

    def acquire(self, name: str = "deploy", who: str = "deployer", ttl: float = 60.0, **more: Any) -> dict[str, Any]:
        return self.ask(leases.AcquireAsk(name, ttl, **more), who)

    def release(self, lease: dict[str, Any], who: str = "deployer") -> None:
        self.ask(leases.ReleaseAsk(lease["lease"]), who)

    def renew(self, lease: dict[str, Any], who: str = "deployer") -> dict[str, Any]:
        return self.ask(leases.RenewAsk(lease["lease"]), who)


@pytest.fixture
def table(fleet: Path) -> Iterator[Table]:
    opened = Table(fleet)
    yield opened
    opened.harness.close()


@pytest.fixture
def reboot(monkeypatch: pytest.MonkeyPatch, table: Table) -> Any:
    """`reboot("b2")`: the machine started anew: another boot id, and a boot clock that begins at zero."""

    def make(name: str) -> None:
        monkeypatch.setattr(clock, "boot_id", lambda: name)
        table.clock.booted = 1.0

    return make
