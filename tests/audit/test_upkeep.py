"""The log is sealed now and then without anybody asking, and doctor says how it stands."""

from __future__ import annotations

from githarness.git import refs
from githarness.store.rows import EventRow
from githarness.work import audit_intent


def tip(world) -> str | None:
    return refs.read(world.harness.repo.common_dir, f"refs/githarness/audit/{world.verify().log}")


def test_maintenance_seals_when_much_is_new(world) -> None:
    """And leaves it where nothing is due."""
    now = world.harness.clock.now()
    world.record(EventRow("e-new", now, "read", "bot"))
    world.seal()
    before = tip(world)
    world.record(*(EventRow(f"e-{at}", now, "read", "bot") for at in range(999)))
    world.harness.maintain()
    assert tip(world) == before
    world.record(EventRow("e-last", now, "read", "bot"))
    world.harness.maintain()
    assert tip(world) != before and world.verify().faults == []


def test_maintenance_seals_what_has_waited_long(world) -> None:
    """One event is enough after five minutes."""
    world.seal()
    before = tip(world)
    world.record(EventRow("e-old", world.harness.clock.now() - 301, "read", "bot"))
    world.harness.maintain()
    assert tip(world) != before


def test_doctor_says_how_the_log_stands(world, cli, home) -> None:
    """Enrolled and sealed is good; a key that is gone is named."""
    def found() -> dict[str, str]:
        items = cli("doctor", "--json", cwd=world.folder).json["items"]
        return next(item for item in items if item["check"] == "audit log")

    world.seal()
    assert found()["state"] == "ok" and "sealed" in found()["detail"]
    for file in (home / "data/githarness/keys").iterdir():
        if file.suffix == ".pub" and "audit log" in file.read_text():
            file.with_suffix("").unlink()
    assert found()["state"] == "warn"


def test_a_clone_without_an_enrolled_log_can_get_one(fleet, cli, git, tmp_path) -> None:
    """It records, cannot seal, and is told to run init again: by an owner, one commit, once."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", fleet, clone)
    assert cli("init", "--json", cwd=clone).json["commit"] is None
    cli("append", "a.md", "--agent", "deployer", cwd=clone, stdin="x\n")
    assert cli("audit", "seal", "--json", cwd=clone).json["error"]["fix"].startswith("githarness init")
    assert "enrols" in cli("init", cwd=clone).out
    assert cli("audit", "seal", cwd=clone).code == 0 and cli("audit", "verify", cwd=clone).code == 0
    head = git(clone, "rev-parse", "HEAD")
    assert cli("init", cwd=clone).out.startswith("nothing to do") and git(clone, "rev-parse", "HEAD") == head


def test_nobody_can_keep_the_log_from_being_sealed(world, git) -> None:
    """Refused changes of a hundred long paths each: the story stays short, a commit takes what it has room for."""
    for round in range(3):
        paths = [f"d/{'/'.join(['e' * 80] * 11)}{round}/{at}" for at in range(100)]
        for at in range(45):
            world.record(EventRow(f"e-{round}-{at}", 1.0, "refusal", "deployer", outcome="not-found",
                                  safe=audit_intent.refused(paths, "", "")))
    world.seal()
    log = world.verify().log
    story = git(world.folder, "log", "--format=%B", f"refs/githarness/audit/{log}")
    assert len(story) < 100_000 and world.verify().faults == []
    assert git(world.folder, "rev-list", "--count", f"refs/githarness/audit/{log}") == "2"


def test_a_batch_of_very_many_readers_is_sealed(world) -> None:
    """The story names some of them."""
    world.record(*(EventRow(f"e-{at}", 1.0, "read", f"agent-with-a-long-name-{at:040}") for at in range(1500)))
    assert world.seal().events >= 1500
