"""githarness-policy: files that load, and the scope of the agent that is at work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checks.conftest import Hook
from tests.conftest import Git, RepoFactory

FILE = ".githarness/policies/p.yaml"
RULES = """\
version: 1
rules:
  - {id: docs, effect: allow, agents: [deployer], actions: [write, delete], paths: ["docs/**"]}
  - {id: hold, effect: require_approval, agents: [deployer], actions: [write], paths: ["docs/held/**"]}
"""
BAD = RULES.replace("effect: allow", "effekt: allow")


def _put(folder: Path, text: str, path: str = FILE) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text)


@pytest.fixture
def ruled(fleet: Path, git: Git) -> Path:
    """The fleet under RULES, with a document and a source."""
    for path, text in ((FILE, RULES), ("docs/a.md", "1\n"), ("src/a.py", "1\n")):
        _put(fleet, text, path)
    git(fleet, "add", "-A")
    git(fleet, "commit", "-q", "-m", "rules")
    return fleet


def test_a_named_file_that_does_not_load_is_refused(hook: Hook, tmp_path: Path) -> None:
    """Wherever it lies, with line, key and fix; a good one passes."""
    _put(tmp_path, BAD, "p.yaml")
    done = hook("policy", "p.yaml")
    assert (done.code, done.out.splitlines()[2:4]) == (1, [
        "p.yaml:3: GH080 error: 'rules.1.effekt': 'effekt' is not a key that belongs here", "    hint: write 'effect'"])
    _put(tmp_path, RULES, "p.yaml")
    assert (hook("policy", "p.yaml").code, hook("policy", "p.yaml").out) == (0, "")


def test_without_files_and_agent_there_is_nothing_to_do(hook: Hook, make_repo: RepoFactory) -> None:
    """As pre-commit calls it where no policy changed."""
    assert hook("policy", cwd=make_repo()).code == 0


def test_what_is_staged_counts_and_not_what_lies_beside(hook: Hook, ruled: Path, git: Git) -> None:
    """A mended worktree does not help what is in the index; a grant is checked too."""
    _put(ruled, BAD)
    _put(ruled, "version: 1\n", ".githarness/grants/g-1.yaml")
    git(ruled, "add", "-A")
    _put(ruled, RULES)
    done = hook("policy", "--staged", cwd=ruled)
    assert done.code == 1 and f"{FILE}:3: GH080" in done.out and ".githarness/grants/g-1.yaml:1: GH080" in done.out


def test_a_rule_that_looks_wrong_is_a_warning(hook: Hook, ruled: Path, git: Git) -> None:
    """Held against the other files; only what changed is spoken of."""
    _put(ruled, RULES.replace("allow", "deny").replace('"docs/**"', '"**"'), ".githarness/policies/q.yaml")
    git(ruled, "add", "-A")
    done = hook("policy", ".githarness/policies/q.yaml", cwd=ruled)
    assert done.code == 0 and "q.yaml:4: GH081 warning: unreachable: rule 'q/hold'" in done.out
    assert "p.yaml" not in done.out


def test_a_link_is_no_policy(hook: Hook, ruled: Path, git: Git) -> None:
    """It would be what an agent makes of its target."""
    (ruled / ".githarness/policies/l.yaml").symlink_to("../../docs/a.md")
    git(ruled, "add", "-A")
    done = hook("policy", "--staged", cwd=ruled)
    assert done.code == 1 and "l.yaml:1: GH080 error: is no plain file" in done.out


@pytest.mark.parametrize(("commands", "refused"), [
    ([("mv", "docs/a.md", "docs/b.md")], []),
    ([("mv", "docs/a.md", "src/b.md")], ["src/b.md"]),
    ([("mv", "src/a.py", "docs/a.py")], ["src/a.py"]),
    ([("rm", "-q", "src/a.py")], ["src/a.py"]),
    ([("update-index", "--chmod=+x", "src/a.py")], ["src/a.py"]),
    ([("rm", "-q", FILE)], [FILE]),
    ([("update-index", "--add", "--cacheinfo", "160000,0123456789012345678901234567890123456789,sub")], ["sub"]),
])
def test_an_agent_keeps_to_its_scope(hook: Hook, ruled: Path, git: Git, commands: list[tuple[str, ...]],
                                     refused: list[str]) -> None:
    """G03, G25, G27, G28, G30: what the next commit does, by whatever tool it was staged."""
    for command in commands:
        git(ruled, *command)
    done = hook("policy", cwd=ruled, GITHARNESS_AGENT="deployer")
    assert [line.split(":")[0] for line in done.out.splitlines() if "GH082" in line] == refused
    assert done.code == (1 if refused else 0)
    assert hook("policy", cwd=ruled).code == 0


def test_the_policy_of_head_judges_the_change_of_the_policy(hook: Hook, ruled: Path, git: Git) -> None:
    """G01, G02: a wider policy that is staged beside its use counts for neither."""
    _put(ruled, RULES.replace('"docs/**"', '"**"'))
    _put(ruled, "2\n", "src/a.py")
    git(ruled, "add", "-A")
    done = hook("policy", FILE, cwd=ruled, GITHARNESS_AGENT="deployer")
    assert done.code == 1 and f"{FILE}:1: GH082" in done.out and "src/a.py:1: GH082" in done.out


def test_what_takes_approval_is_not_for_plain_git(hook: Hook, ruled: Path, git: Git) -> None:
    """And an unknown agent cannot be judged: that refuses."""
    _put(ruled, "1\n", "docs/held/a.md")
    git(ruled, "add", "-A")
    done = hook("policy", cwd=ruled, GITHARNESS_AGENT="deployer")
    assert done.code == 1 and "write is require_approval by p/hold" in done.out
    assert hook("policy", cwd=ruled, GITHARNESS_AGENT="nobody").code == 3
