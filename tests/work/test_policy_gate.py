"""A write of a policy file or a grant that does not load is refused, and mending one is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Cli, Git

FILE = ".githarness/policies/p.yaml"
GOOD = "version: 1\nrules:\n  - {id: a, effect: allow, actions: [read, write]}\n"
BAD = GOOD.replace("effect", "efect")


@pytest.mark.parametrize(("path", "text", "line"), [
    (FILE, BAD, 3), (".githarness/policies/p.yml", GOOD, 1),
    (".githarness/grants/g-1.yaml", "version: 1\nuses: 0\n", 2)])
def test_an_owners_write_that_does_not_load_is_refused(fleet: Path, cli: Cli, path: str, text: str, line: int) -> None:
    """With line, key and fix; nothing landed."""
    error = cli("write", path, "--as", "olive", "--json", cwd=fleet, stdin=text).json["error"]
    assert (error["code"], error["details"]["rule"]) == ("denied", "policy-file")
    assert f"'{path}' line" in error["message"] and error["fix"]
    assert line in [finding["line"] for finding in error["details"]["findings"]]
    assert not (fleet / path).exists()


def test_a_broken_policy_is_mended_by_a_write(fleet: Path, cli: Cli, git: Git) -> None:
    """While agents are denied everything; a broken file beside it does not stand in the way."""
    for name in (FILE, ".githarness/policies/q.yaml"):
        (fleet / name).parent.mkdir(exist_ok=True)
        (fleet / name).write_text(BAD)
    git(fleet, "add", "-A")
    git(fleet, "commit", "-q", "-m", "broken")
    denied = cli("write", "a.md", "--agent", "deployer", cwd=fleet, stdin="1\n")
    assert denied.code == 10
    cli("read", FILE, "--as", "olive", cwd=fleet)
    for path in (FILE, ".githarness/policies/q.yaml"):
        text = GOOD if path == FILE else None
        done = (cli("write", path, "--as", "olive", "--if-match", git(fleet, "rev-parse", f"HEAD:{path}"), cwd=fleet,
                    stdin=text) if text else
                cli("delete", path, "--as", "olive", "--if-match", git(fleet, "rev-parse", f"HEAD:{path}"), cwd=fleet))
        assert done.code == 0, done.err
    assert cli("write", "a.md", "--agent", "deployer", cwd=fleet, stdin="1\n").code == 0
