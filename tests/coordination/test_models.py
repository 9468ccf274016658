"""Any sequence of verbs, clocks and starts of the machine: state and leases do what a model of a few lines does."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from githarness import clock
from githarness.errors import Conflict, Denied, HarnessError, LeaseLost, Locked, NotFound
from githarness.work import state
from githarness.work.leases import AcquireAsk, ReleaseAsk, RenewAsk, StealAsk
from tests.coordination.conftest import Table

AGENTS = ("deployer", "scribe")
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_AGAIN = count()


def outcome(table: Table, ask: object, who: str) -> Any:
    """What the verb says, or the code of its refusal."""
    try:
        return table.ask(ask, who)
    except HarnessError as error:
        return error.code


@dataclass
class Entries:
    """State as it has to be: by key the versions, each (value, moment of the boot clock at which it ends)."""

    versions: dict[str, list[tuple[int | None, float]]] = field(default_factory=dict)

    def live(self, key: str, now: float) -> tuple[int, int | None]:
        """The version that is there, and its value; 0 where there is none."""
        found = self.versions.get(key, [])
        return (len(found), found[-1][0]) if found and found[-1][0] is not None and now < found[-1][1] else (0, None)


KEYS = st.sampled_from("ab")
STEPS = st.lists(st.one_of(
    st.tuples(st.just("set"), KEYS, st.none() | st.integers(0, 4), st.none() | st.integers(1, 20)),
    st.tuples(st.just("delete"), KEYS, st.none() | st.integers(0, 4), st.none()),
    st.tuples(st.just("get"), KEYS, st.none(), st.none()),
    st.tuples(st.just("pass"), st.none(), st.integers(1, 15), st.none())), max_size=25)


@QUICK
@given(steps=STEPS)
def test_state_does_what_the_model_does(table: Table, steps: list[tuple[str, Any, Any, Any]]) -> None:
    """Values, versions and refusals; and at the end every version as it was set."""
    model, prefix = Entries(), f"m{next(_AGAIN)}/"
    for number, (verb, key, version, ttl) in enumerate(steps):
        now = table.clock.booted
        if verb == "pass":
            table.clock.passes(version)
            continue
        there, value = model.live(key, now)
        if verb == "get":
            found = outcome(table, state.GetAsk(prefix + key), "scribe")
            assert found == NotFound.code if not there else (found["version"], found["value"]) == (there, value)
            continue
        ask = state.SetAsk(prefix + key, str(number), version, ttl) if verb == "set" else state.DeleteAsk(
            prefix + key, version)
        found = outcome(table, ask, AGENTS[number % 2])
        if version is not None and version != there:
            assert found == Conflict.code
        elif verb == "delete" and not there:
            assert found == NotFound.code
        else:
            made = model.versions.setdefault(key, [])
            made.append((number if verb == "set" else None, now + ttl if ttl else float("inf")))
            assert found["version"] == len(made)
    for key, made in model.versions.items():
        items = table.ask(state.HistoryAsk(prefix + key))["items"]
        assert [one["value"] for one in reversed(items)] == [value for value, _ in made]


@dataclass
class Held:
    lease: str
    who: str
    until: float
    boot: str


class Holders:
    """Leases as they have to be, beside those that are."""

    def __init__(self, table: Table) -> None:
        self.table, self.clock = table, table.clock
        self.held: dict[str, Held] = {}
        self.tokens = [0]
        self.starts("b")

    def starts(self, boot: str) -> None:
        """The machine, anew."""
        self.boot = f"{boot}{next(_AGAIN)}"
        clock.boot_id = lambda boot=self.boot: boot  # type: ignore[misc]

    def live(self, name: str) -> bool:
        one = self.held.get(name)
        return one is not None and one.boot == self.boot and self.clock.booted < one.until

    def do(self, verb: str, name: str, who: str, number: int) -> None:
        if verb == "pass":
            self.clock.passes(number)
        elif verb == "jump":
            self.clock.wall += (number - 6) * 1e5
        elif verb == "reboot":
            self.clock.booted = float(number)
            self.starts("b")
        elif verb == "acquire":
            self.acquire(name, who, number)
        elif verb == "steal":
            assert (outcome(self.table, StealAsk(name, "a test"), "olive") == NotFound.code) != self.live(name)
            if self.live(name):
                del self.held[name]
        elif name in self.held:
            self.keep(verb, name, who, number)

    def acquire(self, name: str, who: str, number: int) -> None:
        found = outcome(self.table, AcquireAsk(name, float(number)), who)
        assert (found == Locked.code) == self.live(name)
        if found != Locked.code:
            self.tokens.append(found["token"])
            self.held[name] = Held(found["lease"], who, self.clock.booted + number, self.boot)

    def keep(self, verb: str, name: str, who: str, number: int) -> None:
        one, live = self.held[name], self.live(name)
        ask = RenewAsk(one.lease, float(number)) if verb == "renew" else ReleaseAsk(one.lease)
        found = outcome(self.table, ask, who)
        expected = LeaseLost.code if not live else Denied.code if who != one.who else None
        assert (found if isinstance(found, str) else None) == expected
        if expected is None and verb == "renew":
            one.until = self.clock.booted + number
        elif expected is None:
            del self.held[name]


@QUICK
@given(steps=st.lists(st.tuples(
    st.sampled_from(["acquire", "renew", "release", "steal", "pass", "jump", "reboot"]), st.sampled_from("xy"),
    st.sampled_from(AGENTS), st.integers(1, 12)), max_size=30))
def test_leases_do_what_the_model_does(table: Table, steps: list[tuple[str, str, str, int]]) -> None:
    """Who holds what at any moment, who is refused and how, and that no token is given twice or goes back."""
    original = clock.boot_id
    try:
        holders = Holders(table)
        for step in steps:
            holders.do(*step)
        assert holders.tokens == sorted(set(holders.tokens))
    finally:
        clock.boot_id = original
