"""githarness-attribution: what says that it is an agent's commit is signed by that agent, or refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from githarness.checks.attribution import of_message

DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def committing(git, repo: Path) -> Path:
    """A repository with our commit-msg hook."""
    hook = repo / ".git/hooks/commit-msg"
    hook.write_text(f'#!/bin/sh\nexec {sys.executable} -m githarness.checks.attribution "$1"\n')
    hook.chmod(0o755)
    return repo


def _commits(git, repo: Path, *args: str) -> bool:
    before = git(repo, "rev-parse", "HEAD")
    git(repo, "commit", "-q", "--allow-empty", *args, ok=False)
    return git(repo, "rev-parse", "HEAD") != before


def test_people_commit_as_ever(git, committing: Path) -> None:
    """Trailers that people use, and words that are no trailers."""
    for body in ("", "Signed-off-by: Olive <olive@example.org>", "Assisted-by: claude:opus", "Run: the tests first",
                 "Agent: a word in the middle\n\nand an end", "Policy: none", "On-behalf-of: @acme <a@acme.example>"):
        assert _commits(git, committing, "-m", "subject", "-m", body), body


@pytest.mark.parametrize("claim", ["Agent: deployer", "agent: deployer", "Run: r-01", "Tier: T0", f"Policy: {DIGEST}",
                                   "Decision: allow rule=role:writer grant=- event=e-1",
                                   "Agent: deployer\nSigned-off-by: Olive <olive@example.org>"])
def test_claims_are_refused(git, committing: Path, claim: str) -> None:
    """Each trailer by which githarness says that an agent wrote."""
    assert not _commits(git, committing, "-m", "subject", "-m", claim)


def test_comments_of_another_sign_hide_nothing(git, committing: Path) -> None:
    """Git takes them out after the hook has read the message."""
    git(committing, "config", "core.commentChar", ";")
    for behind in ("; Please enter", "; ------------------------ >8 ------------------------\ndiff\n\n+more"):
        (committing / "m").write_text(f"subject\n\nAgent: deployer\n\n{behind}\n")
        assert not _commits(git, committing, "-F", "m", "--cleanup", "scissors"), behind


def test_an_agent_as_author_is_refused(git, committing: Path) -> None:
    """Its address can be nobody else's."""
    assert not _commits(git, committing, "-m", "subject", "--author", "deployer <deployer@acme.invalid>")


def test_line_and_fix(hook, tmp_path: Path) -> None:
    """The finding names the line in the message; comments do not count."""
    (tmp_path / "MSG").write_text("subject\n\ntext\n\nRun: r-1\nAgent: deployer\n# Please enter the message\n")
    done = hook("attribution", "MSG", cwd=tmp_path)
    assert [line.partition(" error")[0] for line in done.out.splitlines() if line.startswith("MSG")] == [
        "MSG:5: GH060", "MSG:6: GH060"]
    assert "hint: take these lines out, or let the agent write: githarness write PATH --agent NAME" in done.out


def test_a_hostile_message_takes_no_time() -> None:
    """A megabyte of almost-trailers is read once."""
    assert list(of_message("MSG", "s\n\n" + "Agent\n" * 200_000, "")) == []


@pytest.mark.parametrize("args", [[], ["MSG", "--since", "x"], ["--range", "HEAD"], ["--range", "A...B"], ["absent"]])
def test_wrong_calls(hook, repo: Path, args: list[str]) -> None:
    """Exactly one of message, range and base."""
    assert hook("attribution", *args, cwd=repo).code == 2


@pytest.fixture
def start(git, fleet: Path) -> str:
    return git(fleet, "rev-parse", "HEAD")


def test_signed_writes_and_people_pass(cli, git, hook, fleet: Path, start: str) -> None:
    """Agents through the harness, owners in governance, and a person by plain git."""
    cli("write", "a.md", "--agent", "deployer", cwd=fleet, stdin="a")
    cli("agent", "add", "third", cwd=fleet)
    cli("write", "b.md", "--agent", "third", cwd=fleet, stdin="b")
    git(fleet, "commit", "-q", "--allow-empty", "-m", "by hand")
    assert hook("attribution", "--range", f"{start}..HEAD", cwd=fleet).out == ""
    assert hook("attribution", "--since", "", cwd=fleet).code == 0


def _forged(git, repo: Path, *args: str) -> None:
    git(repo, "commit", "-q", "--no-verify", "--allow-empty", *args)


def test_forged_commits_are_found(cli, git, hook, fleet: Path, start: str) -> None:
    """A trailer, an address, a signed commit with another message; of a range only its own commits."""
    cli("write", "a.md", "--agent", "deployer", cwd=fleet, stdin="a")
    git(fleet, "commit", "-q", "--no-verify", "--amend", "-m", "changed", "-m", "Agent: deployer")
    _forged(git, fleet, "-m", "x", "-m", "Agent: deployer")
    middle = git(fleet, "rev-parse", "HEAD")
    _forged(git, fleet, "-m", "y", "--author", "deployer <deployer@acme.invalid>")
    done = hook("attribution", "--range", f"{start}..HEAD", cwd=fleet)
    assert (done.code, done.out.count("GH060 error")) == (1, 3)
    assert hook("attribution", "--range", f"{start}..{middle}", cwd=fleet).out.count("GH060 error") == 2
    assert f"commit {git(fleet, 'rev-parse', 'HEAD')[:12]}:1:" in done.out


def test_no_commit_brings_its_own_key(cli, git, hook, fleet: Path, start: str) -> None:
    """An identity that a person commits unsigned is refused, and so is what it has signed before it was known."""
    (fleet / ".githarness/agents/mallory.yaml").write_text("version: 1\nroles: [writer]\nkeys: []\n")
    git(fleet, "add", "--all")
    _forged(git, fleet, "-m", "a new agent")
    done = hook("attribution", "--range", f"{start}..HEAD", cwd=fleet)
    assert (done.code, "mallory.yaml' is governance" in done.out) == (1, True)


def test_where_people_sign(cli, git, hook, fleet: Path) -> None:
    """With `humans = "signed"` an unsigned commit of a person is refused."""
    config = fleet / ".githarness/config.toml"
    config.write_text(config.read_text().replace('humans = "warn"', "") + 'humans = "signed"\n')
    git(fleet, "commit", "-q", "--no-verify", "-a", "-m", "from now on")
    before = git(fleet, "rev-parse", "HEAD")
    _forged(git, fleet, "-m", "by hand")
    assert "people sign here" in hook("attribution", "--since", before, cwd=fleet).out


def test_a_merge_of_signed_governance_passes(cli, git, hook, fleet: Path, start: str) -> None:
    """A merge that only brings together what each side had changes no governance."""
    git(fleet, "checkout", "-q", "-b", "side")
    git(fleet, "commit", "-q", "--allow-empty", "-m", "side")
    git(fleet, "checkout", "-q", "main")
    cli("agent", "add", "third", cwd=fleet)
    git(fleet, "merge", "-q", "--no-verify", "--no-edit", "side")
    assert hook("attribution", "--since", start, cwd=fleet).out == ""
