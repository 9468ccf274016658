"""`vault exposures` and `rotate-due`, and who is reminded of them: the commands after which something is due."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

RULES = """\
version: 1
rules:
  - {id: files, effect: allow, actions: [read, write, append, delete, rename]}
  - {id: ci, effect: allow, agents: [deployer], actions: [secret], paths: ["ci/**"]}
"""


@pytest.fixture
def seen(cli, fleet: Path, home: Path) -> Path:
    """A fleet whose deployer was given a secret in the run r-bad, in which it wrote a file, too."""
    (home / "data").chmod(0o700)
    for args, given in ((("vault", "init"), ""), (("vault", "set", "ci/token"), "the-value-of-ci"),
                        (("write", ".githarness/policies/ci.yaml", "--as", "olive"), RULES),
                        (("write", "new.md", "--agent", "deployer", "--run", "r-bad"), "text\n"),
                        (("vault", "get", "ci/token", "--agent", "deployer", "--run", "r-bad"), "")):
        done = cli(*args, cwd=fleet, stdin=given)
        assert done.code == 0, done.err
    return fleet


def test_exposures_name_run_version_and_mode(cli, seen: Path) -> None:
    """As soon as the use was made; filters leave out what is not asked for."""
    found = cli("vault", "exposures", "--json", cwd=seen).json["items"]
    kept = {name: found[0][name] for name in ("secret", "version", "agent", "run", "mode", "uses", "clear")}
    assert kept == {"secret": "ci/token", "version": 1, "agent": "deployer", "run": "r-bad", "mode": "get", "uses": 1,
                    "clear": True}
    assert cli("vault", "exposures", "--agent", "scribe", "--json", cwd=seen).json == {"items": []}


def test_exposures_name_people(cli, seen: Path) -> None:
    """Who of them it was, by whom the event is."""
    assert cli("vault", "get", "ci/token", "--as", "olive", cwd=seen).code == 0
    assert cli("vault", "exposures", "--json", cwd=seen).json["items"][0]["human"] == "olive"
    assert "  human olive  -  1 use" in cli("vault", "exposures", cwd=seen).out


def test_nothing_is_due_and_then_something_is(cli, seen: Path) -> None:
    """Exit 0 and 1; a new value ends it."""
    assert cli("vault", "rotate-due", cwd=seen).code == 0
    stopped = cli("agent", "quarantine", "deployer", "--why", "leaks", cwd=seen)
    assert "note: 1 secret to change" in stopped.err
    due = cli("vault", "rotate-due", "--json", cwd=seen)
    assert (due.code, due.json["items"][0]["secret"], due.json["items"][0]["run"]) == (1, "ci/token", "r-bad")
    assert cli("vault", "rotate-due", "--since", "2099-01-01T00:00:00Z", cwd=seen).code == 0
    assert cli("vault", "rotate", "ci/token", cwd=seen, stdin="another-value-of-ci").code == 0
    assert cli("vault", "rotate-due", cwd=seen).code == 0


def test_a_new_key_ends_nothing(cli, seen: Path) -> None:
    """The value is the one that was seen, though its record has another version."""
    cli("agent", "quarantine", "deployer", cwd=seen)
    assert cli("vault", "rekey", cwd=seen).code == 0
    assert re.match("ci/token version 2: deployer saw it in r-bad", cli("vault", "rotate-due", cwd=seen).out)


def test_a_rollback_reminds(cli, seen: Path) -> None:
    """On stderr, so that its document stays one."""
    assert "secret to change" not in cli("rollback", "deployer", "--dry-run", cwd=seen).err
    done = cli("rollback", "--run", "r-bad", "--json", cwd=seen)
    assert done.json["commit"] and "note: 1 secret to change" in done.err


def test_why_names_the_secrets_that_a_run_had(cli, seen: Path) -> None:
    """Those that its run had used when it made the commit, below what it had read."""
    assert cli("append", "later.md", "--agent", "deployer", "--run", "r-bad", cwd=seen, stdin="more\n").code == 0
    assert "    secret ci/token version 1, by get\n" in cli("why", "later.md", cwd=seen).out
    found = cli("why", "later.md", "--json", cwd=seen).json["secrets"]
    assert found == [{"secret": "ci/token", "version": 1, "mode": "get"}]
    assert cli("why", "later.md", "--json", cwd=seen).json["read"]["items"] == []


def test_without_uses_nobody_is_reminded(cli, fleet: Path) -> None:
    """A repository without a vault hears nothing of one."""
    done = cli("agent", "quarantine", "deployer", cwd=fleet)
    assert (done.code, "secret" in done.err) == (0, False)
