"""Which secrets are due for a change: those whose newest value was seen by who was stopped, retired or rolled back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from githarness import clock
from githarness.audit import line
from githarness.cli.identities import desk
from githarness.store import events, exposures, stops
from githarness.store.rows import EventRow
from githarness.vault import keyslots, opening
from githarness.wiring import Harness
from githarness.work import agents, quarantine, rollback, vault_due, vault_keys, vault_write
from githarness.work.rollback import Selection
from githarness.work.vault_write import Item, Terms
from tests.conftest import run_git

Put = Callable[..., None]


@pytest.fixture
def put(harness: Harness) -> Put:
    """`put("db")`: a new version of that secret, of which there is a vault."""
    made = vault_keys.init(desk(harness), harness.settings, lambda place: keyslots.Slot.new(
        opening.made_file(harness.settings, "keyfile", place / "keyfile"), file=str(place / "keyfile")))
    keks = keyslots.unlock(made.place, opening.automatic(made.place, harness.settings))

    def write(name: str) -> None:
        vault_write.put(desk(harness), harness.settings, [Item(name, b"a value of " + name.encode(), Terms())], keks)

    return write


def used(harness: Harness, secret: str, version: int = 1, *, mode: str = "get", agent: str = "deployer",
         run: str = "r-1") -> None:
    now = clock.SYSTEM.now()
    fields = line.safe({"secret": secret, "version": version, "mode": mode})
    with harness.db.write() as conn:
        row = EventRow(clock.new_id("e", now), now, "secret", agent, run=run, safe=fields)
        events.add(conn, [row])
        exposures.note(conn, [row])


def due(harness: Harness, since: float = 0.0) -> list[tuple[str, str]]:
    harness.fresh_index()
    return [(one.secret, one.why) for one in vault_due.due(harness.parts, harness.governance(), since=since)]


def test_what_was_seen_by_who_was_quarantined_is_due(harness: Harness, put: Put) -> None:
    """In the clear, of the newest version; a use that handed nothing out is none, and a new version ends it."""
    for name in ("db", "api", "old"):
        put(name)
    put("old")
    used(harness, "db")
    used(harness, "api", mode="proxy")
    used(harness, "old", 1)
    used(harness, "db", agent="scribe")
    assert due(harness) == []
    quarantine.quarantine(desk(harness), ["deployer"], "leaks")
    assert due(harness) == [("db", "deployer was stopped by olive: leaks")]
    assert vault_due.count(harness.parts, harness.governance()) == 1
    put("db")
    assert due(harness) == []


def test_what_is_seen_after_a_release_is_not(harness: Harness, put: Put) -> None:
    """A stop counts for what was seen before it."""
    put("db")
    quarantine.quarantine(desk(harness), ["deployer"])
    quarantine.release(desk(harness), ["deployer"])
    used(harness, "db")
    assert due(harness) == []


def test_who_is_retired_takes_nothing_along(harness: Harness, put: Put) -> None:
    """What a retired agent has seen is due."""
    put("db")
    used(harness, "db")
    agents.retire(desk(harness), "deployer")
    assert due(harness) == [("db", "deployer was retired")]


def test_what_a_breaker_stopped_is_due(harness: Harness, put: Put) -> None:
    """A stop that nobody ordered counts too, and `since` leaves out what was before."""
    put("db")
    used(harness, "db")
    now = clock.SYSTEM.now()
    with harness.db.write() as conn:
        stops.put(conn, [stops.Stop("deployer", now, "breaker", "more than 5 failed runs in 1h")])
    assert due(harness) == [("db", "deployer was stopped by the breaker: more than 5 failed runs in 1h")]
    assert due(harness, since=now + 60) == []


def test_what_a_run_saw_that_was_rolled_back_is_due(harness: Harness, put: Put,
                                                    other: Callable[..., None]) -> None:
    """By its run: what other runs of the agent have seen is not."""
    put("db")
    put("api")
    other("a.md", "text\n", agent="deployer", run="r-bad")
    used(harness, "db", run="r-bad")
    used(harness, "api", run="r-good")
    bad = harness.head()
    rollback.rollback(harness, Selection(run="r-bad"))
    assert due(harness) == [("db", f"commit {bad[:12]} of its run was rolled back")]


def test_what_a_compromised_key_wrote_is_due(harness: Harness, put: Put) -> None:
    """Seen by anybody or not."""
    put("db")
    when = clock.rfc3339(clock.SYSTEM.now())
    olive = harness.governance().registry.humans["olive"]
    stolen = replace(olive, keys=tuple(replace(key, compromised_since=when) for key in olive.keys))
    harness.__dict__["governance"] = lambda: replace(
        found, registry=replace(found.registry, humans={**found.registry.humans, "olive": stolen}))
    found = Harness.governance(harness)
    assert due(harness) == [("db", f"a key of its writer olive is compromised since {when}")]


def test_a_record_that_cannot_be_read_hides_no_other(harness: Harness, put: Put) -> None:
    """One of a newer form, and a submodule, put there past all hooks."""
    put("db")
    used(harness, "db")
    root = harness.repo.worktree
    assert root
    newer = run_git(root, "hash-object", "-w", "--stdin", stdin="githarness-vault 2\n")
    for mode, oid, name in (("100644", newer, "newer"), ("160000", run_git(root, "rev-parse", "HEAD"), "sub")):
        run_git(root, "update-index", "--add", "--cacheinfo", f"{mode},{oid},.githarness/vault/{name}")
    run_git(root, "commit", "--quiet", "--no-verify", "-m", "odd")
    quarantine.quarantine(desk(harness), ["deployer"], "leaks")
    assert due(harness) == [("db", "deployer was stopped by olive: leaks")]
