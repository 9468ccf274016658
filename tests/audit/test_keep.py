"""Retention: bodies can go and proofs stay; what is held, open or young stays; nobody but an operator lets go."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tarfile
import threading
import time

import pytest

from githarness import settings, wiring
from githarness.audit import ocsf
from githarness.audit.line import Leaf
from githarness.errors import Conflict, NotFound
from githarness.policy.model import Human
from githarness.store import audit_bodies, db
from githarness.store.audit import EventFilter
from githarness.store.rows import EventRow
from githarness.work import audit_keep
from githarness.work.audit_log import Wanted

OLIVE = Human("olive", "olive@example.org", "owner", ())
LATER = 2e9


def bodies(world) -> dict[str, str]:
    with world.harness.db.read() as conn:
        return dict(conn.execute("SELECT id, body FROM events"))


def test_purged_bodies_are_gone_and_the_log_still_verifies(sealed) -> None:
    """Bodies and salts are emptied, also in SQLite's free space; lines, digests and roots are as before."""
    secret = "what nobody may find again"
    sealed.record(EventRow("e-old", 1.0, "tool", "bot", body=f'{{"result":"{secret}"}}'))
    done = audit_keep.purge(sealed.harness.parts, OLIVE, before=LATER)
    assert done.bodies > 10 and set(bodies(sealed).values()) <= {"", "{}"}
    sealed.harness.db.close()
    kept = b"".join(path.read_bytes() for path in (sealed.folder / ".git/githarness").glob("harness.db*"))
    assert secret.encode() not in kept
    found = sealed.verify()
    assert found.faults == [] and found.purged == done.bodies


def test_a_body_that_was_emptied_by_hand_is_no_purge(sealed) -> None:
    """G86: an event says what was purged; nothing else may be empty, before a purge or after one."""
    sealed.edit("UPDATE events SET body = '', salt = NULL WHERE id = 'e-fill0'")
    assert sealed.codes() == {"body"}
    audit_keep.purge(sealed.harness.parts, OLIVE, before=1e9 + 0.5)
    assert sealed.codes() == set()
    sealed.edit("UPDATE events SET body = '', salt = NULL WHERE id = 'e-fill5'")
    assert sealed.codes() == {"body"}


def test_what_is_held_is_not_purged(sealed) -> None:
    """An event by its id, all of a run by its own; until it is released."""
    audit_keep.hold(sealed.harness.parts, OLIVE, "e-fill0", "case 17")
    audit_keep.hold(sealed.harness.parts, OLIVE, "r-deployer", "case 18")
    done = audit_keep.purge(sealed.harness.parts, OLIVE, before=LATER)
    assert done.held > 3 and bodies(sealed)["e-fill0"] and not bodies(sealed)["e-fill1"]
    audit_keep.release(sealed.harness.parts, OLIVE, "e-fill0", "closed")
    audit_keep.purge(sealed.harness.parts, OLIVE, before=LATER)
    assert not bodies(sealed)["e-fill0"]


def test_holds_are_of_what_there_is(sealed) -> None:
    """And one at a time."""
    with pytest.raises(NotFound):
        audit_keep.hold(sealed.harness.parts, OLIVE, "e-nothing", "x")
    with pytest.raises(NotFound):
        audit_keep.release(sealed.harness.parts, OLIVE, "e-fill0", "x")
    audit_keep.hold(sealed.harness.parts, OLIVE, "e-fill0", "x")
    with pytest.raises(Conflict):
        audit_keep.hold(sealed.harness.parts, OLIVE, "e-fill0", "x")


def test_open_intents_and_young_events_keep_their_bodies(sealed) -> None:
    """Recovery needs the ones; the others are not old enough."""
    sealed.record(EventRow("e-open", 1.0, "intent", "bot", body='{"paths":[]}'))
    audit_keep.purge(sealed.harness.parts, OLIVE, before=1e9 + 0.5)
    assert bodies(sealed)["e-open"] and not bodies(sealed)["e-fill0"] and bodies(sealed)["e-fill5"]


def test_the_commands_of_retention(sealed, cli) -> None:
    """`archive`, `purge --dry-run`, `purge`, `hold`, each by the person of this clone, each recorded."""
    run = lambda *args: cli("audit", *args, "--json", cwd=sealed.folder)  # noqa: E731
    kept = run("archive", "../kept").json
    assert kept["bodies"] == kept["events"] > 0
    with tarfile.open(sealed.folder / kept["file"]) as tar:
        assert sorted(tar.getnames()) == ["bodies.jsonl", "checkpoint", "events.jsonl", "log.yaml"]
    assert run("purge", "--older-than", "0s", "--dry-run").json["bodies"] > 0 and bodies(sealed)["e-fill0"]
    assert run("hold", "e-fill0", "--why", "case").code == 0
    assert run("hold", "--list").json["items"][0]["why"] == "case"
    assert run("purge", "--older-than", "0s").json["held"] == 1
    kinds = [one["kind"] for one in run("log", "-n", "2").json["items"]]
    assert kinds == ["purge", "hold"] and run("verify").code == 0


def keep(world, git, days: int, *, name: str = "keep") -> None:
    """A policy file that keeps bodies for so long."""
    path = world.folder / f".githarness/policies/{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"version: 1\naudit: {{bodies: {days}d}}\nrules:\n"
                    "  - {id: all, effect: allow, actions: [read, write, append]}\n")
    git(world.folder, "add", "--all")
    git(world.folder, "commit", "-q", "-m", "policy")


def test_policy_says_how_long_bodies_are_kept(sealed, cli, git) -> None:
    """Of several files the longest counts; where none says it, somebody has to."""
    run = lambda *args: cli("audit", "purge", *args, "--json", cwd=sealed.folder)  # noqa: E731
    assert run().code == 2 and bodies(sealed)["e-fill0"]
    keep(sealed, git, 1)
    keep(sealed, git, 20_000 // 60, name="other")
    now = sealed.harness.clock.now()
    sealed.record(EventRow("e-young", now - 2 * 86400, "tool", "bot", body='{"a":1}'))
    assert run().json["bodies"] > 3
    assert bodies(sealed)["e-young"] and not bodies(sealed)["e-fill0"]


def test_the_daemon_lets_go_by_policy(sealed, git) -> None:
    """In its upkeep, once a day: what is held stays, and an event accounts for the rest without naming a person."""
    audit_keep.hold(sealed.harness.parts, OLIVE, "e-fill0", "case 17")
    sealed.harness.maintain()
    assert bodies(sealed)["e-fill1"]
    keep(sealed, git, 30)
    sealed.harness.maintain()
    assert bodies(sealed)["e-fill1"]  # it looked today
    again = wiring.Harness(settings.load(), wiring.discover(sealed.folder))
    again.maintain()
    assert bodies(sealed)["e-fill0"] and not bodies(sealed)["e-fill1"]
    again.close()
    assert sealed.codes() == set()
    (told,) = audit_keep.export(sealed.harness.parts, Wanted(EventFilter(kind="purge")))
    assert "policy: audit.bodies" in told and '"olive"' not in told


def test_a_contributor_lets_go_of_nothing(sealed, cli, home) -> None:
    """Purging and holding take an operator."""
    cli("human", "add", "carl", "--mail", "carl@example.org", "--role", "contributor", cwd=sealed.folder)
    assert cli("audit", "purge", "--older-than", "1d", cwd=sealed.folder, GIT_CONFIG_COUNT="1").code in (0, 10)
    (home / ".gitconfig").write_text("[user]\n\tname = Carl\n\temail = carl@example.org\n")
    assert cli("audit", "purge", "--older-than", "1d", cwd=sealed.folder).code == 10


def test_an_export_has_the_names_of_others(world, cli) -> None:
    """OCSF's ai_agent and authorizations, gen_ai.*; what has no name there stands unmapped."""
    safe = '{"rule":"a/b","tier":"T1","tool":"Bash"}'
    world.record(EventRow("e-1", 1.5, "tool", "bot", run="r-1", outcome="ok", safe=safe))
    line = json.loads(list(audit_keep.export(world.harness.parts, Wanted()))[-1])
    assert line["ai_agent"] == {"name": "bot", "instance_uid": "r-1"} and line["gen_ai.tool.name"] == "Bash"
    assert line["authorizations"] == [{"decision": "allow", "policy": {"name": "a/b"}}] and line["time"] == 1500
    assert line["unmapped"]["tier"] == "T1" and len(line["unmapped"]["digest"]) == 64
    out = cli("audit", "export", "--format", "jsonl", cwd=world.folder).out.splitlines()
    assert json.loads(out[-1]) == line


@pytest.mark.parametrize(("kind", "fields"), [("denial", {}), ("refusal", {}), ("approval", {"verdict": "reject"})])
def test_no_refusal_is_exported_as_allowed(kind: str, fields: dict[str, str]) -> None:
    """Whom a rule holds for approval, whom a quarantine stops, and whose change a person rejects, was not allowed."""
    safe = json.dumps({"rule": "a/b", **fields})
    told = ocsf.event("l-1", Leaf(1, "e-1", 0.0, kind, "bot", None, None, None, None, None, None, safe, b""), None)
    assert told["authorizations"] == [{"decision": "deny", "policy": {"name": "a/b"}}]


def test_a_purge_beside_a_reader_says_that_bodies_linger(sealed, monkeypatch) -> None:
    """Who reads has a snapshot with them, so SQLite cannot empty its log; once they end, the next flush does."""
    sealed.harness.db.close()
    monkeypatch.setattr(db, "WAIT", 0.2)
    place = sealed.folder / ".git/githarness/harness.db"
    reader = sqlite3.connect(place, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM events").fetchone()
    done = audit_keep.purge(sealed.harness.parts, OLIVE, before=LATER)
    assert done.bodies and done.lingers
    reader.close()
    assert not audit_keep.purge(sealed.harness.parts, OLIVE, before=LATER).lingers
    assert b'"at":3' not in place.read_bytes()


def test_a_purge_beside_a_reader_lets_writers_by(sealed, monkeypatch) -> None:
    """It tries for as long as it may, and keeps nobody waiting meanwhile."""
    sealed.harness.db.close()
    monkeypatch.setattr(db, "WAIT", 2.0)
    place = sealed.folder / ".git/githarness/harness.db"
    reads = f"import sqlite3; c = sqlite3.connect({str(place)!r}); c.execute('BEGIN'); print(c.execute(" \
            "'SELECT count(*) FROM events').fetchone(), flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", reads], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdout and reader.stdout.readline()
        purging = threading.Thread(target=lambda: audit_keep.purge(sealed.harness.parts, OLIVE, before=LATER))
        purging.start()
        while purging.is_alive():
            with sealed.harness.db.write(wait=1.0) as conn:
                conn.execute("SELECT 1")
            time.sleep(0.01)
        reader.communicate(b"\n")
    assert sealed.verify().purged


def test_a_purge_goes_in_steps(sealed, monkeypatch) -> None:
    """One event says all of it; what was not done when it was cut short, the next one does."""
    monkeypatch.setattr(audit_bodies, "BATCH", 2)
    assert audit_keep.purge(sealed.harness.parts, OLIVE, before=LATER).bodies > 4
    assert sealed.verify().faults == [] and audit_keep.purge(sealed.harness.parts, OLIVE, before=LATER).bodies <= 1
