"""Commits with signatures, taken apart and put together as git does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from githarness.errors import Integrity, Internal
from githarness.seal import keys, sshsig
from githarness.seal.commits import signed_commit, split_commit

Git = Callable[..., str]
HEAD = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n"
ARMOR = "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"


@pytest.fixture
def signing_repo(repo: Path, git: Git, tmp_path: Path) -> Path:
    """A repository whose git signs commits and tags with an SSH key that its allowed signers know."""
    key = keys.generate()
    (tmp_path / "key").write_bytes(key.to_pem())
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "allowed").write_text(f"olive@example.org {key.public}\n")
    options = {
        "gpg.format": "ssh",
        "user.signingKey": tmp_path / "key",
        "commit.gpgSign": "true",
        "tag.gpgSign": "true",
        "gpg.ssh.allowedSignersFile": tmp_path / "allowed",
    }
    for name, value in options.items():
        git(repo, "config", name, value)
    return repo


def raw_commit(git: Git, repo: Path, rev: str = "HEAD") -> bytes:
    return git(repo, "cat-file", "commit", rev).encode("utf-8", "surrogateescape") + b"\n"


def commit(git: Git, repo: Path, *options: str, message: str = "a commit\n\nwith a body\n") -> bytes:
    git(repo, "commit", "-q", "--allow-empty", *options, "-F", "-", stdin=message)
    return raw_commit(git, repo)


@pytest.mark.parametrize("options", [[], ["--author=Ada <ada@example.org>"], ["--date=2001-01-01T00:00:00-1100"]])
def test_a_commit_signed_by_git_is_taken_apart_as_git_does(options: list[str], signing_repo: Path, git: Git) -> None:
    """The payload is what git signed, and putting it together again gives git's bytes."""
    raw = commit(git, signing_repo, *options)
    payload, armored = split_commit(raw)
    assert armored is not None
    assert sshsig.verify(armored, payload, "git")
    assert signed_commit(payload, armored) == raw


def test_another_encoding_keeps_its_header_signed(signing_repo: Path, git: Git) -> None:
    """The header `encoding` belongs to the payload and stands before the signature."""
    git(signing_repo, "config", "i18n.commitEncoding", "ISO-8859-1")
    raw = commit(git, signing_repo)
    payload, armored = split_commit(raw)
    assert b"\nencoding ISO-8859-1\n" in payload
    assert armored is not None
    assert sshsig.verify(armored, payload, "git")
    assert signed_commit(payload, armored) == raw


def test_a_signed_tag_inside_a_merge_is_not_the_commit_s_signature(signing_repo: Path, git: Git) -> None:
    """A merge of a signed tag carries the tag with its signature; only the commit's own is taken out."""
    git(signing_repo, "checkout", "-q", "-b", "side")
    commit(git, signing_repo, message="side")
    git(signing_repo, "tag", "-m", "a tag", "v1")
    git(signing_repo, "checkout", "-q", "main")
    commit(git, signing_repo, message="main")
    git(signing_repo, "merge", "-q", "-m", "merge v1", "v1")
    raw = raw_commit(git, signing_repo)
    payload, armored = split_commit(raw)
    assert raw.count(b"BEGIN SSH SIGNATURE") == 2
    assert payload.count(b"BEGIN SSH SIGNATURE") == 1
    assert armored is not None
    assert sshsig.verify(armored, payload, "git")
    git(signing_repo, "-c", "commit.gpgSign=false", "commit", "-q", "--amend", "--no-edit")
    unsigned = raw_commit(git, signing_repo)
    assert split_commit(unsigned) == (unsigned, None)


def test_a_commit_signed_here_is_good_to_git(signing_repo: Path, git: Git, tmp_path: Path) -> None:
    """`git verify-commit` accepts a commit object that we put together."""
    unsigned = raw_commit(git, signing_repo)
    payload, _ = split_commit(unsigned)
    signer = keys.KeySigner(keys.load((tmp_path / "key").read_bytes()))
    raw = signed_commit(payload, signer.sign(payload, "git"))
    oid = git(signing_repo, "hash-object", "-t", "commit", "-w", "--stdin", stdin=raw)
    git(signing_repo, "verify-commit", oid)
    assert 'Good "git" signature' in git(signing_repo, "log", "-1", "--show-signature", oid)


def test_a_lookalike_in_the_message_is_text() -> None:
    """A message that looks like a signature header is no signature (I40)."""
    raw = HEAD + b"\nsubject\n\ngpgsig " + ARMOR.replace("\n", "\n ").encode() + b"\n"
    assert split_commit(raw) == (raw, None)
    signed = signed_commit(raw, ARMOR)
    assert split_commit(signed) == (raw, ARMOR)


@pytest.mark.parametrize(
    "extra",
    [
        b"gpgsig x\ngpgsig y\n",
        b"gpgsig x\n y\nnote z\ngpgsig x\n",
        b"gpgsig-sha256 x\n",
        b"gpgsig\n",
        b"gpgsigx y\n",
        b"gpgsig x\ngpgsig-sha256 y\n",
        b"gpgsig \xff\n",
        b"gpgsig x\nnote \0\n",
    ],
)
def test_what_two_readers_could_take_apart_differently_is_refused(extra: bytes) -> None:
    """Two signatures, a signature of another kind, none after the name, bytes that are no text: Integrity."""
    with pytest.raises(Integrity):
        split_commit(HEAD + extra + b"\nsubject\n")


def test_a_commit_without_a_message() -> None:
    """Headers alone are split too, and refused for signing, since git would not find the signature's place."""
    assert split_commit(HEAD + b"gpgsig x\n y\n") == (HEAD, "x\ny\n")
    assert split_commit(HEAD) == (HEAD, None)
    with pytest.raises(Internal):
        signed_commit(HEAD, ARMOR)


def test_empty_message_round_trip() -> None:
    """A commit whose message is empty is put together and taken apart again."""
    raw = signed_commit(HEAD + b"\n", ARMOR)
    assert split_commit(raw) == (HEAD + b"\n", ARMOR)


@pytest.mark.parametrize("cut", range(0, 400, 7))
def test_any_cut_is_split_or_refused(cut: int) -> None:
    """A commit cut anywhere never ends in another error."""
    raw = signed_commit(HEAD + b"\nsubject\n", ARMOR)[:cut]
    try:
        payload, _ = split_commit(raw)
    except Integrity:
        return
    assert len(payload) <= len(raw)
