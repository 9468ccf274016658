"""Every commit of githarness pins the log as it was before it; what it pins can neither shrink nor change."""

from __future__ import annotations

import json

from githarness.audit import line
from githarness.audit.merkle import Tree
from githarness.policy import trailers
from githarness.store import audit
from githarness.work.asks import Ask, Op


def pins(world, git) -> list[tuple[str, int, str]]:
    """Newest first: log, size and root of each commit."""
    found = []
    for message in git(world.folder, "log", "-z", "--format=%B", "main").split("\0"):
        log, size, root = dict(trailers.parse(message)).get("Audit", "- 0 -").split()
        found.append((log, int(size), root))
    return found


def test_commits_pin_the_log(world, git) -> None:
    """Of agents and of people, from init on; the numbers grow and the log is one."""
    world.write()
    world.write(agent="scribe")
    found = [pin for pin in pins(world, git) if pin[0] != "-"]
    sizes = [size for _, size, _ in found]
    assert len(found) == 5 and len({log for log, _, _ in found}) == 1
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] == 0
    assert world.verify().commits == 5


def test_a_group_pins_one_checkpoint(world, git) -> None:
    """All commits that land together name the state before the first of them."""
    world.harness.local.write_group([Ask("deployer", "r-1", (Op("append", f"{at}.md", b"x\n"),)) for at in range(3)])
    assert len(set(pins(world, git)[:3])) == 1
    assert world.verify().faults == []


def test_a_log_that_lost_what_a_commit_pinned_is_found(world) -> None:
    """G84: nothing was ever sealed, and the tail of the database is cut with its size and frontier."""
    world.write()
    with world.harness.db.read() as conn:
        log = audit.log(conn)
        tree = Tree()
        for leaf in audit.leaves(conn, log.first, log.first + 2):
            tree.add(line.line(leaf))
    with world.tampering() as conn:
        conn.execute("DELETE FROM events WHERE seq >= ?", (log.first + 2,))
        conn.execute("UPDATE audit SET size = 2, frontier = ?", (tree.frontier,))
    assert world.codes() >= {"cut", "unrecorded"}


def test_a_commit_without_its_intent_is_found(world) -> None:
    """Its intent and outcome are replaced by other events, with a frontier that fits them."""
    done = world.write()
    world.write()
    with world.tampering() as conn:
        conn.execute("UPDATE events SET commit_oid = ? WHERE commit_oid = ?", ("0" * 40, done.commit))
    assert "unrecorded" in world.codes()


def test_what_nobody_signed_says_nothing_of_the_log(world, git) -> None:
    """A person's commit with the trailer, and an agent's that was rebased: told, and nobody is accused of a cut."""
    log = world.verify().log
    world.write()
    git(world.folder, "reset", "-q", "--hard")
    for message in (f"x\n\nAudit: {log} 99999 {'A' * 43}=", git(world.folder, "log", "-1", "--format=%B", "main")):
        git(world.folder, "commit", "-q", "--allow-empty", "-m", message)
    found = world.verify()
    assert found.faults == [] and "2 commits name this log" in found.notes[0]


def test_commits_of_another_clone_are_foreign(world, fleet, git, cli, tmp_path) -> None:
    """They pin a log that is not here: told, and no fault."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", world.folder, clone)
    cli("init", cwd=clone)
    cli("append", "a.md", "--agent", "deployer", cwd=clone, stdin="x\n")
    git(world.folder, "pull", "-q", "--ff-only", clone, "main")
    found = world.verify()
    assert (found.faults, sum(found.foreign.values())) == ([], 1)


def test_an_intent_says_what_was_decided(world) -> None:
    """Paths with their blobs, rule, tier; of a person's commit what it was for."""
    done = world.write("notes.md")
    with world.harness.db.read() as conn:
        safe = {row[0]: json.loads(row[1]) for row in conn.execute("SELECT commit_oid, safe FROM events "
                                                                   "WHERE kind = 'intent'")}
    assert safe[done.commit] == {"paths": [{"path": "notes.md", "new": done.paths[0].blob}], "rule": "role:writer",
                                 "tier": "T0"}
    assert {one.get("what") for one in safe.values()} == {"govern", None}


def test_a_denial_says_which_rule(world, cli) -> None:
    """And of which path."""
    cli("write", ".github/x.yml", "--agent", "deployer", cwd=world.folder, stdin="x\n")
    item = cli("audit", "log", "--path", ".github/**", "--json", cwd=world.folder).json["items"][0]
    assert (item["kind"], item["rule"] != "", item["paths"]) == ("denial", True, [{"path": ".github/x.yml"}])
