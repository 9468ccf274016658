"""Every surface that stops somebody is tried with a change that it must refuse, and graded by what it is worth."""

from __future__ import annotations

from pathlib import Path

import pytest


def _items(cli, folder: Path) -> dict[str, dict[str, str]]:
    return {item["check"]: item for item in cli("doctor", "--json", cwd=folder).json["items"]}


@pytest.fixture
def hub(cli, git, fleet: Path, tmp_path: Path) -> Path:
    cli("hub", "init", tmp_path / "hub.git", cwd=fleet)
    git(fleet, "remote", "add", "hub", tmp_path / "hub.git")
    git(fleet, "push", "-q", "hub", "main")
    return tmp_path / "hub.git"


def test_a_hub_is_tried_and_graded(cli, git, fleet: Path, hub: Path) -> None:
    """The probe is refused, leaves nothing, and a hub of this user's own is no control over this user."""
    before = git(fleet, "count-objects", "-v"), git(hub, "for-each-ref")
    items = _items(cli, fleet)
    assert (items["remote 'hub'"]["state"], items["remote 'hub'"]["grade"]) == ("ok", "best-effort")
    assert "a probe was refused" in items["writes through githarness"]["detail"]
    assert "doctor's forged one is found: author, trailer, unsigned" in items["plain git commits"]["detail"]
    assert (git(fleet, "count-objects", "-v"), git(hub, "for-each-ref")) == before


def test_a_hub_that_lets_all_in_fails(cli, git, fleet: Path, hub: Path) -> None:
    """The negative control: without its hook; nothing of the probe stays."""
    before = git(hub, "for-each-ref")
    (hub / "hooks/pre-receive").write_text("#!/bin/sh\nexit 0\n")
    found = _items(cli, fleet)["remote 'hub'"]
    assert (found["state"], found["grade"]) == ("fail", "advisory")
    assert git(hub, "for-each-ref") == before


def test_a_hub_is_looked_at_from_inside(cli, hub: Path) -> None:
    """Anchor, hook and branch; a hook that cannot run fails."""
    items = _items(cli, hub)
    assert {items[name]["state"] for name in ("trust anchor", "pre-receive", "governed branch")} == {"ok"}
    (hub / "hooks/pre-receive").chmod(0o644)
    assert _items(cli, hub)["pre-receive"]["state"] == "fail"
