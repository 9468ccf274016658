"""What an agent leaves in its worktree: it lands, is held, or is named; nothing of it runs, and nothing is lost."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.inputs.conftest import Desk

RUNBOOK = "runbooks/release.md"


def captured(desk: Desk, script: str) -> tuple[int, dict[str, Any]]:
    """Exit code and document of a run whose command is this shell script."""
    ran = desk.run("run", "--agent", "deployer", "--json", "--", "sh", "-ec", script)
    assert "Traceback" not in ran.err and "internal" not in ran.out, ran.out + ran.err
    return ran.code, ran.json


def test_a_mode_and_a_deletion_are_captured(desk: Desk) -> None:
    """G27 G28: a change without content, and one that leaves nothing."""
    desk.good("write", "tool.sh", stdin="echo\n", agent="scribe")
    code, _ = captured(desk, f"chmod +x tool.sh; git rm -q {RUNBOOK}")
    assert code == 0
    assert desk.git("ls-tree", "HEAD", "tool.sh").startswith("100755")
    assert desk.git("ls-tree", "-r", "--name-only", "HEAD", "runbooks") == ""
    assert sorted(desk.run("log", "--json", "-n", "1").json["items"][0]["paths"]) == [RUNBOOK, "tool.sh"]
    desk.sound()


@pytest.mark.parametrize(("script", "code"), [
    ("ln -s /etc/passwd link", "bad-path"), ("ln -s ../../.. up", "bad-path"), ("echo x > 'a\\b'", "bad-path"),
    ("echo x > CON", "bad-path"), ("echo '* -diff' > .gitattributes", "denied"), ("touch .gitmodules", "denied"),
    ("echo x > .githarness/policies.yaml", "denied"), ("mkdir -p d; echo x > d/.gitignore", "denied"),
    ("printf x > \"$(printf 'caf\\351')\"", "bad-path"), ("echo x > RUNBOOKS.md; mkdir Runbooks; echo x > Runbooks/a",
                                                          "bad-path"),
    ("printf x > \"$(printf 'a\\nb')\"", "bad-path"),
])  # fmt: skip
def test_what_may_not_land_is_held(desk: Desk, script: str, code: str) -> None:
    """I30 I34, G16 G21 G30 G31: all else lands beside it, and what is held can be shown and dropped."""
    exit_code, document = captured(desk, f"{script}\necho good > good.md")
    assert exit_code in (10, 11), document
    held = desk.run("held", "list", "--json").json["items"]
    assert [one["why"] for one in held] == [code] * len(held) and held
    assert desk.run("held", "show", held[0]["id"]).code == 0
    assert desk.git("show", "HEAD:good.md") == "good"
    for one in held:
        assert desk.run("held", "drop", one["id"]).code == 0
    desk.sound()


def test_hooks_and_configuration_of_the_agent_do_not_run(desk: Desk, tmp_path: Path) -> None:
    """I24 I25 G37: what the agent sets up in the shared repository is not obeyed when its work is captured."""
    canary = shlex.quote(f"touch {tmp_path}/pwned")
    script = f"""git config core.fsmonitor {canary}; git config filter.x.clean {canary}
git config core.hooksPath "$PWD"
printf '#!/bin/sh\\n'{canary}'\\n' > post-index-change; chmod +x post-index-change; cp post-index-change post-checkout
echo '* filter=x' > "$(git rev-parse --git-path info/attributes)"; echo x > a.md"""
    captured(desk, script)
    assert not (tmp_path / "pwned").exists()
    held = json.loads(desk.run("held", "list", "--json").out)["items"]
    assert ["a.md"] in [one["paths"] for one in held]  # what the filter would make of it is not known


def test_a_repository_inside_a_worktree_is_no_file(desk: Desk) -> None:
    """I12 I13: a repository that the agent cloned or made is left out, or held, and nothing of it is followed."""
    code, _ = captured(desk, "git init -q inner; echo x > inner/x; git -C inner add x; "
                             "git -C inner -c user.name=a -c user.email=a@b commit -qm x; echo y > y.md")
    assert code in (0, 10, 11)
    assert desk.git("show", "HEAD:y.md") == "y"
    assert "160000" not in desk.git("ls-tree", "-r", "HEAD")


def test_special_files_in_a_worktree_block_nobody(desk: Desk) -> None:
    """I31: pipes and sockets are no content."""
    code, _ = captured(desk, "mkfifo pipe; echo y > y.md; ln y.md z.md")
    assert code in (0, 11)
    assert desk.git("show", "HEAD:y.md") == desk.git("show", "HEAD:z.md") == "y"
    assert os.listdir(desk.folder).count("pipe") == 0
