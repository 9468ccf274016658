"""The same hostile inputs through the daemon: the same errors, and it goes on serving."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.inputs.conftest import Desk

RUNBOOK = "runbooks/release.md"


@pytest.fixture
def served(desk: Desk) -> Iterator[Desk]:
    """The fleet with its daemon, which still answers at the end and ends cleanly."""
    command = [sys.executable, "-m", "githarness", "-C", str(desk.folder), "serve", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout
        assert json.loads(daemon.stdout.readline())["event"] == "ready"
        yield desk
        before = desk.run("serve", "--status", "--json").json["writes"]
        assert desk.good("append", RUNBOOK, stdin="at last\n")["worktree"] == "updated"
        assert desk.run("serve", "--status", "--json").json["writes"] == before + 1
        assert desk.run("serve", "--stop").code == 0
        assert daemon.wait(60) == 0
    desk.sound()


@pytest.mark.parametrize(("path", "code"), [
    ("../x", "bad-path"), (".git/config", "bad-path"), ("a\x1bb", "bad-path"), ("\udcff", "usage"), ("x" * 5000,
                                                                                                     "bad-path"),
    ("RUNBOOKS/x", "bad-path"), (".gitmodules", "denied"), (".githarness/config.toml", "denied"),
])  # fmt: skip
def test_paths(served: Desk, path: str, code: str) -> None:
    """I29 to I36, G20 to G31."""
    error = served.refused(code, "write", path, stdin="x\n")
    assert error["message"]


def test_what_a_person_does_to_the_files(served: Desk, tmp_path: Path) -> None:
    """I30 I31: links and pipes in place of artifacts, found by a process that stays."""
    file = served.folder / RUNBOOK
    kept = file.read_bytes()
    for make in (lambda: file.symlink_to(tmp_path), lambda: file.write_bytes(b"mine\n")):
        file.unlink()
        make()
        served.refused("dirty", "append", RUNBOOK, stdin="x\n")
    file.write_bytes(kept)


def test_what_a_person_does_to_the_repository(served: Desk) -> None:
    """I16 G38 G55: a branch that moved, went and came, was broken and mended, under a process that stays."""
    served.git("commit", "-q", "--allow-empty", "-m", "raw")
    served.good("append", RUNBOOK, stdin="x\n")
    last = served.head()
    served.git("update-ref", "-d", "refs/heads/main")
    served.refused("not-found", "append", RUNBOOK, stdin="x\n")
    served.git("update-ref", "refs/heads/main", last)
    served.git("gc", "-q", "--prune=now")
    served.good("append", RUNBOOK, stdin="y\n")
    ref = served.folder / ".git/refs/heads/main"
    good = ref.read_text()
    ref.write_text("noise\n")
    served.refused("unavailable", "append", RUNBOOK, stdin="x\n", git=False)
    ref.write_text(good)
    served.git("replace", "HEAD:" + RUNBOOK, served.git("hash-object", "-w", "--stdin", stdin="forged\n"))
    served.good("append", RUNBOOK, stdin="z\n")
    served.git("replace", "-d", served.git("replace", "-l"))
    assert served.git("show", f"HEAD:{RUNBOOK}").endswith("\nx\ny\nz")


def test_identities_that_change(served: Desk) -> None:
    """G53: a retired agent is denied by the next request, an added one served."""
    served.good("append", RUNBOOK, stdin="x\n", agent="scribe")
    assert served.run("agent", "retire", "scribe").code == 0
    served.refused("denied", "append", RUNBOOK, stdin="x\n", agent="scribe")
    assert served.run("agent", "add", "third").code == 0
    served.good("append", RUNBOOK, stdin="x\n", agent="third")


def test_texts(served: Desk) -> None:
    """I37 I40: content of any bytes, messages with forged trailers, fields of two lines."""
    for data in (b"\0\xff\xfe", b"caf\xe9\n", b"", b"\xef\xbb\xbfa\r\nb"):
        served.run("rollback", "deployer")
        served.good("write", "a.bin", "--if-match", "absent", "-m", "x\n\nAgent: scribe", stdin=data)
        assert (served.folder / "a.bin").read_bytes() == data
    assert served.git("log", "-1", "--format=%(trailers:key=Agent,valueonly)").strip() == "deployer"
    served.refused("usage", "append", RUNBOOK, "--operation", "a\nAgent: scribe", stdin="x\n")
