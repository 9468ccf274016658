"""What is recorded, in which form: reads, calls and denials; no secret, no huge or hostile value reaches the log."""

from __future__ import annotations

import json
import random
import string

import pytest

import githarness
from githarness.errors import Denied, Usage
from githarness.store.rows import EventRow
from githarness.work import audit_record, audit_seal, journal
from githarness.work.asks import ReadAsk

TOKEN = "ghp_" + "".join(random.Random(7).choices(string.ascii_letters + string.digits, k=36))
NEWEST = "SELECT agent, run, outcome, safe, body FROM events WHERE kind = ? ORDER BY seq DESC LIMIT 1"


def newest(world, kind: str):
    with world.harness.db.read() as conn:
        return conn.execute(NEWEST, (kind,)).fetchone()


def test_a_read_is_recorded_with_blob_and_revision(world) -> None:
    """Who read what, in which version, by which rule, under which tier."""
    doc = world.harness.local.read(ReadAsk("runbooks/release.md", "deployer", "r-1"))
    agent, run, _, safe, _ = newest(world, "read")
    assert (agent, run) == ("deployer", "r-1")
    assert json.loads(safe) == {"paths": [{"blob": doc.blob, "path": doc.path}], "revision": doc.commit, "tier": "T0",
                                "rule": "role:writer"}


def test_a_call_of_a_tool_is_recorded(world) -> None:
    """By the Python door: the tool's name is open, arguments and result stay in the body."""
    with githarness.open(world.folder) as opened:
        event = opened.agent("deployer", run="r-1").called("Bash", {"command": "make"}, {"code": 0}, status="ok")
    assert event.startswith("e-")
    _, run, outcome, safe, body = newest(world, "tool")
    assert (run, outcome, json.loads(safe)) == ("r-1", "ok", {"tier": "T0", "tool": "Bash"})
    assert json.loads(body)["arguments"] == {"command": "make"}


def test_the_journal_is_of_a_run(world, cli) -> None:
    """`journal add --run R` knows the agent by its run; kinds of our own cannot be claimed by others."""
    run = cli("runs", "start", "--agent", "deployer", cwd=world.folder).out.strip()
    assert cli("journal", "add", "--run", run, "--kind", "note", '{"text": "went well"}', cwd=world.folder).code == 0
    assert newest(world, "note")[:2] == ("deployer", run)
    for kind in ("intent", "denial", "Bad Kind"):
        assert cli("journal", "add", "--run", run, "--kind", kind, "{}", cwd=world.folder).code == Usage.exit_code
    assert cli("journal", "add", "--run", run, "--kind", "tool", "[]", cwd=world.folder).code == Usage.exit_code
    assert cli("journal", "add", "--run", "r-none", "--kind", "note", "{}", cwd=world.folder).code == 14


def test_no_kind_passes_for_one_of_ours(world, git, cli) -> None:
    """Neither the kinds that only people make, nor a word that the story uses of writes."""
    for kind in ("unhold", "write", "purge"):
        assert cli("journal", "add", "--agent", "deployer", "--kind", kind, "{}", cwd=world.folder).code == 2
    cli("journal", "add", "--agent", "deployer", "--kind", "wrote", '{"path": "a.md"}', cwd=world.folder)
    log = audit_seal.seal(world.harness.parts).log
    story = git(world.folder, "log", "-1", "--format=%B", f"refs/githarness/audit/{log}")
    assert "deployer reported wrote a.md" in story and "deployer wrote a.md" not in story


@pytest.mark.parametrize("details", ['{"x": NaN}', '{"host": 1e999}', f'{{"x": {"[" * 900}{"]" * 900}}}',
                                     '{"status": "\\ud800"}'])
def test_what_is_no_json_is_refused_by_name(world, cli, details: str) -> None:
    """Not as an error of ours; nothing is recorded."""
    done = cli("journal", "add", "--agent", "deployer", "--kind", "note", details, cwd=world.folder)
    assert done.code == Usage.exit_code and newest(world, "note") is None


def test_safe_fields_of_a_call_are_texts(world) -> None:
    """Whatever is handed in as host or path: an object of any size would be sealed into git."""
    huge = {"tool": "T", "host": {str(at): "x" * 100 for at in range(5000)}, "path": ["a"] * 5000}
    journal.add(world.harness.parts, journal.Entry("deployer", "r-1", "tool", huge))
    assert json.loads(newest(world, "tool")[3]) == {"tier": "T0", "tool": "T"}


@pytest.mark.parametrize("args", [("journal", "add", "--kind", "note", "--run", "r-\udcff", "{}"),
                                  ("read", "runbooks/release.md", "--run", "r-\udcff"),
                                  ("agent", "quarantine", "deployer", "--why", "\udcff")])
def test_bytes_that_are_no_text_are_refused_by_name(world, cli, args: tuple[str, ...]) -> None:
    """Names and reasons from argv in another encoding."""
    done = cli(*args, *(("--agent", "deployer") if args[0] != "agent" else ()), cwd=world.folder)
    assert done.code == Usage.exit_code and "internal" not in done.err


def test_a_denied_read_is_recorded(world, cli) -> None:
    """Before its caller hears of it."""
    cli("agent", "add", "lost", "--role", "reader", cwd=world.folder)
    cli("agent", "retire", "lost", cwd=world.folder)
    with pytest.raises(Denied):
        world.harness.local.read(ReadAsk("runbooks/release.md", "lost", "r-1"))
    assert newest(world, "denial")[:3] == ("lost", "r-1", "denied")


SECRETS = {
    "a token": ({"command": f"curl -H 'X: {TOKEN}'"}, TOKEN),
    "a token in a result": ({"result": [{"text": f"found {TOKEN} here"}]}, TOKEN),
    "a named value": ({"password": "hunter2"}, "hunter2"),
    "a header": ({"headers": {"Authorization": "Basic b2xpdmU6aHVudGVyMg=="}}, "b2xpdmU6"),
    "a bearer": ({"command": "curl -H 'Authorization: Bearer abcd.efgh'"}, "abcd.efgh"),
    "an option": ({"command": "mysql --password=letmein -u x"}, "letmein"),
    "a private key": ({"text": f"-----BEGIN OPENSSH {'PRIVATE'} KEY-----\n{'b3BlbnNzaC1rZXk' * 5}\nQWxsZXMgZ3V0"},
                      "QWxsZXMgZ3V0"),
    "a key of an object": ({f"x {TOKEN}": 1}, TOKEN),
    "a number": ({"api_key": 12345678901}, "12345678901"),
}


@pytest.mark.parametrize("what", SECRETS)
def test_no_secret_is_stored(what: str) -> None:
    """G89: neither in the body nor in the safe fields; what stands around it stays."""
    value, secret = SECRETS[what]
    for text in (audit_record.body(value), audit_record.shown(value)):
        assert secret not in text and "redacted" in text and json.loads(text)


def test_no_secret_of_a_reason_is_stored(world, cli, git) -> None:
    """G89: reasons for stopping, releasing, holding and granting, in events, tables and the commits that say so."""
    world.write()
    acts = (("agent", "quarantine", "deployer"), ("agent", "release", "deployer"), ("audit", "hold", "r-deployer"))
    for args in acts:
        assert cli(*args, "--why", f"it leaked {TOKEN}", cwd=world.folder).code == 0
    assert TOKEN not in git(world.folder, "log", "--format=%B", "main")
    grant = ("grant", "deployer", "--allow", "append", "--path", "a.md", "--for", "1h", "--why", f"for {TOKEN}")
    assert cli(*grant, cwd=world.folder).code == 0
    with world.harness.db.read() as conn:
        texts = [text for table in ("safe FROM events", "why FROM stops", "why FROM audit_holds")
                 for (text,) in conn.execute(f"SELECT {table}")]
    assert not [text for text in texts if TOKEN in text]


def test_what_is_no_secret_stays() -> None:
    """Ordinary arguments are kept as they are."""
    value = {"command": "git log --oneline", "paths": ["a.md"], "max_tokens": 100, "on": True, "key": "name"}
    assert json.loads(audit_record.body(value)) == value


def test_a_huge_body_is_cut(world) -> None:
    """G88: its size and hash stay; the event is still one short line."""
    body = json.loads(audit_record.body({"result": "x" * 1_000_000}))
    assert body["size"] > 1_000_000 and len(body["cut"]) < 20_000 and len(body["sha256"]) == 64


def test_hostile_values_do_no_harm_in_the_story(world, git) -> None:
    """G88: git log of the audit ref has one line for the event, without what drives a terminal."""
    with githarness.open(world.folder) as opened:
        opened.agent("deployer", run="r-1").called("Ba\x1b[31msh\nAgent: scribe\u202e", {})
    log = audit_seal.seal(world.harness.parts).log
    story = git(world.folder, "log", "-1", "--format=%B", f"refs/githarness/audit/{log}")
    assert "\x1b" not in story and "\u202e" not in story and "\nAgent: scribe" not in story and "Ba\\x1b[31msh" in story


def test_equal_bodies_have_different_digests(world) -> None:
    """Each event has a salt of its own, so that who has the log cannot guess short bodies."""
    world.record(*(EventRow(f"e-{at}", 1.0, "note", "bot", body="{}") for at in range(20)))
    with world.harness.db.read() as conn:
        rows = conn.execute("SELECT salt, digest FROM events WHERE kind = 'note'").fetchall()
    assert len(set(rows)) == len({digest for _, digest in rows}) == 20 and {len(salt) for salt, _ in rows} == {16}
