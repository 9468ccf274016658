"""The file that stock git and ssh-keygen verify our commits with, through a key's whole life and in every time zone."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from githarness import clock
from githarness.errors import Usage
from githarness.policy import registry
from githarness.policy.model import Agent, Human, Key, Registry
from githarness.seal import keys
from githarness.seal.commits import signed_commit

Git = Callable[..., str]
OLD, NEW, PERSON = (keys.generate() for _ in range(3))
ADDED, ROTATED, RETIRED = "2026-03-01T00:30:00Z", "2026-05-01T23:30:00Z", "2026-07-01T12:00:00Z"
DEPLOYER = Agent(
    "deployer",
    ("writer",),
    (Key(OLD.public, "a", ADDED, retired=ROTATED), Key(NEW.public, "b", ROTATED)),
    retired=RETIRED,
)
ADA = Human("ada", "ada@example.org", "owner", (Key(PERSON.public, "laptop", ADDED),))
FLEET = Registry({"deployer": DEPLOYER}, {"ada": ADA})
HOUR, DAY = 3600, 86400


def seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp())


def signed(git: Git, repo: Path, key: keys.PrivateKey, when: int) -> str:
    """A commit by the agent, put together as the write path does it."""
    tree = git(repo, "rev-parse", "HEAD^{tree}")
    lines = [
        f"tree {tree}",
        f"author deployer <deployer@f.invalid> {when} +0000",
        f"committer githarness <githarness@f.invalid> {when} +0000",
        "",
        "subject",
        "",
        "Agent: deployer",
        "",
    ]
    payload = "\n".join(lines).encode()
    raw = signed_commit(payload, keys.KeySigner(key).sign(payload, "git"))
    return git(repo, "hash-object", "-t", "commit", "-w", "--stdin", stdin=raw)


def good(git: Git, repo: Path, commit: str) -> bool:
    shown = git(repo, "log", "-1", "--show-signature", commit, ok=False)
    verified = git(repo, "log", "-1", "--format=%G?", commit)
    assert ('Good "git" signature' in shown) == (verified in "GU")
    return verified == "G"


@pytest.fixture
def governed(repo: Path, git: Git) -> Path:
    """A repository whose git knows the allowed signers of the fleet."""
    (repo / ".signers").write_bytes(registry.allowed_signers(FLEET, "f"))
    git(repo, "config", "gpg.ssh.allowedSignersFile", repo / ".signers")
    return repo


@pytest.mark.parametrize("zone", ["UTC", "A+12", "B-14", "C-5:45", "D+3:30", "NZST-12NZDT,M9.5.0,M4.1.0/3"])
def test_git_shows_our_commits_as_good_in_every_time_zone(
    zone: str, governed: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the second a key is added to the second it ends, whatever the reader's clock shows; long after, not."""
    monkeypatch.setenv("TZ", zone)
    start, turn, end = map(seconds, (ADDED, ROTATED, RETIRED))
    for key, when in ((OLD, start), (OLD, turn), (NEW, turn), (NEW, turn + 40 * DAY), (NEW, end)):
        assert good(git, governed, signed(git, governed, key, when))
    for key, when in ((OLD, start - 3 * DAY), (OLD, turn + 3 * DAY), (NEW, turn - 3 * DAY), (NEW, end + 3 * DAY)):
        assert not good(git, governed, signed(git, governed, key, when))


def test_git_names_the_agent(governed: Path, git: Git) -> None:
    """`git log --show-signature` and `git verify-commit` name the agent's address, or the human's mail."""
    commit = signed(git, governed, NEW, seconds(ROTATED))
    git(governed, "verify-commit", commit)
    assert git(governed, "log", "-1", "--format=%GS", commit) == "deployer@f.invalid"
    commit = signed(git, governed, PERSON, seconds(ROTATED))
    assert git(governed, "log", "-1", "--format=%GS", commit) == "ada@example.org"


def test_a_compromised_key_ends_when_it_was_compromised(governed: Path, git: Git) -> None:
    """The earliest of the ends counts."""
    first = replace(DEPLOYER.keys[1], compromised_since="2026-06-01T00:00:00Z")
    fleet = Registry({"deployer": replace(DEPLOYER, keys=(first,))}, {})
    (governed / ".signers").write_bytes(registry.allowed_signers(fleet, "f"))
    assert good(git, governed, signed(git, governed, NEW, seconds("2026-06-01T00:00:00Z")))
    assert not good(git, governed, signed(git, governed, NEW, seconds("2026-06-04T00:00:00Z")))


def test_the_bytes_are_a_function_of_the_registry() -> None:
    """The same identities in another order give the same file; every key ever used is in it, nothing else."""
    more = replace(DEPLOYER, name="auditor", keys=(Key(keys.generate().public, "c", ADDED),), retired=None)
    one = registry.allowed_signers(Registry({"deployer": DEPLOYER, "auditor": more}, {}), "f")
    assert one == registry.allowed_signers(Registry({"auditor": more, "deployer": DEPLOYER}, {}), "f")
    assert one.decode().splitlines()[1:] == [
        f'auditor@f.invalid namespaces="git",valid-after="20260228" {more.keys[0].key}',
        f'deployer@f.invalid namespaces="git",valid-after="20260228",valid-before="20260503" {OLD.public}',
        f'deployer@f.invalid namespaces="git",valid-after="20260430",valid-before="20260703" {NEW.public}',
    ]


@pytest.mark.parametrize(
    "added",
    [
        "1970-01-01T00:00:00Z",
        "1970-01-02T13:00:00Z",
        "2038-01-19T03:14:08Z",
        "2106-02-07T06:28:16Z",
        "9999-12-31T23:59:59Z",
    ],
)
def test_a_clock_that_is_far_off_gives_a_file_that_loads(
    added: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a key from 1970, 2106 or the last day of all (I43), ssh-keygen still reads every line of the file."""
    monkeypatch.setenv("TZ", "B-14")
    agent = replace(
        DEPLOYER, keys=(Key(OLD.public, "a", added, retired=added), Key(NEW.public, "b", ADDED)), retired=None
    )
    (tmp_path / "signers").write_bytes(registry.allowed_signers(Registry({"deployer": agent}, {}), "f"))
    (tmp_path / "signature").write_text(keys.KeySigner(NEW).sign(b"x", "git"))
    command = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-n",
        "git",
        "-f",
        "signers",
        "-I",
        "deployer@f.invalid",
        "-s",
        "signature",
        "-Overify-time=20260601",
    ]
    done = subprocess.run(command, cwd=tmp_path, input=b"x", capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert clock.rfc3339(seconds(added)) == added


def test_another_namespace_is_not_good(governed: Path) -> None:
    """A key that signs commits signs nothing else: the file says so."""
    (governed / "signature").write_text(keys.KeySigner(PERSON).sign(b"x", "file"))
    command = ["ssh-keygen", "-Y", "verify", "-n", "file", "-f", ".signers", "-I", "ada@example.org", "-s", "signature"]
    assert subprocess.run(command, cwd=governed, input=b"x", capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize("mail", ["deployer@f.invalid", "Deployer@F.INVALID"])
def test_a_person_cannot_take_an_agent_s_address(mail: str) -> None:
    """A human whose mail is in the fleet's domain would verify as an agent."""
    with pytest.raises(Usage):
        registry.allowed_signers(Registry({}, {"eve": replace(ADA, name="eve", mail=mail)}), "f")


@pytest.mark.parametrize("fleet", ["", "F", "a b", "a,b", "*", "a\nb"])
def test_a_fleet_s_name_cannot_add_a_line_or_a_pattern(fleet: str) -> None:
    """The fleet's name is part of every principal, so it has a grammar."""
    with pytest.raises(Usage):
        registry.allowed_signers(FLEET, fleet)
