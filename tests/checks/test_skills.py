"""githarness-skills judges what changed, with what stands around it, and fails closed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.checks.conftest import GOOD, bad


def test_a_bad_skill_is_refused_with_line_and_fix(hook, skills: Path) -> None:
    """Exit 1, `path:line: GATE error: message`, a hint; a good one passes without a word."""
    done = hook("skills", bad(skills), cwd=skills)
    assert done.code == 1
    assert "skills/beta/SKILL.md:4: GH005 error: " in done.out and "    hint: " in done.out
    assert tuple(hook("skills", "skills/alpha/SKILL.md", "README.md", cwd=skills).__dict__.values()) == (0, "", "")


def test_paths_are_relative_to_where_one_is(hook, skills: Path) -> None:
    """In a folder below, names are that folder's, findings the repository's."""
    bad(skills)
    assert "\nskills/beta/SKILL.md:" in "\n" + hook("skills", "SKILL.md", cwd=skills / "skills/beta").out


def test_a_bundled_file_brings_its_skill(hook, skills: Path) -> None:
    """A change of a file in a skill's folder judges the skill, and nothing else."""
    (skills / "skills/alpha/scripts/go.sh").write_text(f"#!/bin/sh\nTOKEN=ghp_{'aB3dE6gH9jK2' * 3}\n")
    bad(skills)
    done = hook("skills", "skills/alpha/scripts/go.sh", cwd=skills)
    assert (done.code, "GH050" in done.out, "beta" in done.out) == (1, True, False)


def test_a_name_that_another_skill_has(hook, git, skills: Path) -> None:
    """Duplicates are seen from the list of tracked paths."""
    (skills / "more/beta").mkdir(parents=True)
    (skills / "more/beta/SKILL.md").write_text(GOOD.format(name="beta") + "\nOther.\n")
    git(skills, "add", "--all")
    assert "GH013 error" in hook("skills", "more/beta/SKILL.md", cwd=skills).out


def test_what_is_staged_is_judged_as_staged(hook, git, skills: Path) -> None:
    """An edit that is not staged neither hides nor makes a finding."""
    path = bad(skills)
    git(skills, "add", path)
    (skills / path).write_text(GOOD.format(name="beta"))
    assert hook("skills", "--staged", cwd=skills).code == 1
    git(skills, "add", path)
    bad(skills)
    assert hook("skills", "--staged", cwd=skills).code == 0


def test_staged_takes_the_index_that_git_names(git, hook, skills: Path) -> None:
    """`git commit FILE` makes an index of its own and tells its hooks."""
    hooks = skills / ".git/hooks/pre-commit"
    hooks.write_text(f"#!/bin/sh\nexec {__import__('sys').executable} -m githarness.checks.skills --staged\n")
    hooks.chmod(0o755)
    path = bad(skills)
    (skills / "README.md").write_text("# New\n")
    git(skills, "commit", "-q", "-m", "page", "README.md")
    assert git(skills, "commit", "-q", "-m", "skill", path, ok=False) == ""
    assert git(skills, "log", "-1", "--format=%s") == "page"


def test_since_judges_what_was_committed(hook, git, skills: Path) -> None:
    """Also a skill of which a file was deleted; old debt stays out, and what got worse is named."""
    bad(skills, "gamma")
    git(skills, "add", "--all")
    git(skills, "commit", "-q", "-m", "debt")
    git(skills, "rm", "-q", "skills/alpha/scripts/go.sh")
    git(skills, "commit", "-q", "-m", "change")
    done = hook("skills", "--since", "HEAD~1", cwd=skills)
    assert ("alpha" in done.out, "gamma" in done.out) == (True, False)
    assert "gamma" in hook("skills", "--since", "", cwd=skills).out


def test_since_compares_with_where_the_branch_left(hook, git, skills: Path) -> None:
    """What came to the base meanwhile is not the branch's doing."""
    git(skills, "checkout", "-q", "-b", "side")
    git(skills, "commit", "-q", "--allow-empty", "-m", "side")
    git(skills, "checkout", "-q", "main")
    bad(skills)
    git(skills, "commit", "-q", "-a", "-m", "on main")
    git(skills, "checkout", "-q", "side")
    assert hook("skills", "--since", "main", cwd=skills).code == 0


def test_a_change_that_makes_it_worse_is_named(hook, git, skills: Path) -> None:
    """GH061: errors that the version before did not have."""
    bad(skills)
    git(skills, "commit", "-q", "-a", "-m", "worse")
    assert "GH061 error" in hook("skills", "--since", "HEAD~1", cwd=skills).out


def test_what_only_the_second_profile_finds_is_old_too(hook, git, skills: Path) -> None:
    """Both versions are judged by the same profiles."""
    file = skills / "skills/beta/SKILL.md"
    file.write_text("---\nname: beta\n---\n# How\n")
    git(skills, "commit", "-q", "-a", "-m", "debt")
    file.write_text("---\nname: beta\n---\n\n# How\n")
    git(skills, "add", "--all")
    out = hook("skills", "--staged", "--profile", "claude-code", "--profile", "agentskills", cwd=skills).out
    assert "GH020 error" in out and "GH061" not in out


def test_a_commit_that_is_gone_means_everything(hook, git, skills: Path) -> None:
    """After a forced push, and for a new branch, GitHub names a commit that no clone has."""
    bad(skills)
    git(skills, "commit", "-q", "-a", "-m", "bad")
    for gone in ("0" * 40, "1234567890" * 4):
        assert hook("skills", "--since", gone, cwd=skills).code == 1


def test_a_baseline_forgives(cli, hook, skills: Path) -> None:
    """What `githarness skills check --write-baseline` wrote down passes, a new violation does not."""
    path = bad(skills)
    assert cli("skills", "check", "--write-baseline", cwd=skills).code == 0
    assert hook("skills", path, cwd=skills).code == 0
    bad(skills, "alpha")
    assert hook("skills", "skills/alpha/SKILL.md", cwd=skills).code == 1


def test_a_profile_that_is_none(hook, skills: Path) -> None:
    """A wrong call is exit 2 with the fix."""
    done = hook("skills", "--profile", "nobody", "README.md", cwd=skills)
    assert done.code == 2
    assert "there is no profile 'nobody'" in done.err and "hint: one of agentskills" in done.err


def test_a_suppression_with_reason_and_day(hook, skills: Path) -> None:
    """What the author answers for passes until its last day."""
    file = skills / "skills/alpha/scripts/go.sh"
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
    allowed = f"# githarness: allow GH050 until {tomorrow} because it is a sample of the docs\n"
    file.write_text(f"{allowed}TOKEN=ghp_{'aB3dE6gH9jK2' * 3}\n")
    assert hook("secrets", "skills/alpha/scripts/go.sh", cwd=skills).code == 0
