"""What `githarness audit` prints where there is much of one kind, or nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.conftest import Cli


def test_verify_folds_faults_of_one_kind(fleet: Path, cli: Cli) -> None:
    """Sixty lines about lost bodies would hide the one that counts; the JSON has each."""
    for name in "abcd":
        assert cli("append", f"{name}.log", "--agent", "deployer", cwd=fleet, stdin="x\n").code == 0
    with sqlite3.connect(fleet / ".git/githarness/harness.db") as conn:
        conn.execute("UPDATE events SET body = '', salt = NULL")
    told, document = cli("audit", "verify", cwd=fleet), cli("audit", "verify", "--json", cwd=fleet)
    assert told.code == 1 and told.out.count("has lost its body") == 3
    assert "more like these, up to event " in told.out and len(document.json["faults"]) > 3


def test_a_list_without_events_says_so(fleet: Path, cli: Cli) -> None:
    """On stderr: a mistyped kind looks like a quiet night otherwise."""
    done = cli("audit", "log", "--kind", "denail", cwd=fleet)
    assert (done.code, done.out, done.err) == (0, "", "no event is like that\n")
