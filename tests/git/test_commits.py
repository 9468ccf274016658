"""Commits parsed from their bytes, as git reads them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness.git import commits
from githarness.git.reader import Reader
from githarness.git.repo import discover

Git = Callable[..., str]


def test_commit_is_parsed(repo: Path, git: Git) -> None:
    """Who, when, what it says and where it came from."""
    before = git(repo, "rev-parse", "HEAD")
    git(repo, "-c", "user.name=Zoë", "commit", "-q", "--allow-empty", "-m", "say ü", "--date=@1600000000 +0200")
    commit = Reader(discover(repo)).commit(git(repo, "rev-parse", "HEAD"))
    assert (commit.author, commit.author_time) == ("Zoë <olive@example.org>", 1600000000)
    assert (commit.message, commit.parents, commit.signature) == ("say ü\n", (before,), None)


def test_signed_payload_is_what_was_signed(repo: Path, git: Git, tmp_path: Path) -> None:
    """Signature and payload of a commit that git signed verify with ssh-keygen."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    signing = ["-c", "gpg.format=ssh", "-c", f"user.signingKey={tmp_path / 'key'}"]
    git(repo, *signing, "commit", "-q", "--allow-empty", "-S", "-m", "signed\n\ngpgsig lookalike")
    commit = Reader(discover(repo)).commit(git(repo, "rev-parse", "HEAD"))
    assert commit.signature and commit.signed_payload
    (tmp_path / "sig").write_text(commit.signature)
    check = ["ssh-keygen", "-Y", "check-novalidate", "-n", "git", "-s", tmp_path / "sig"]
    assert subprocess.run(check, input=commit.signed_payload, capture_output=True, check=False).returncode == 0


def _hash(git: Git, repo: Path, kind: str, content: bytes) -> str:
    return git(repo, "hash-object", "-t", kind, "-w", "--stdin", "--literally", stdin=content)


@pytest.mark.parametrize(("dates", "time"), [
    (b"-5 +0000", 0), (b"99999999999999999999999 +0000", 253402300799), (b"", 0), (b"word +0000", 0),
    (b"2147483648 +9999", 2147483648),
])
def test_odd_dates_are_no_error(repo: Path, git: Git, dates: bytes, time: int) -> None:
    """Old history has dates that no clock shows; they become instants that can be printed."""
    tree = git(repo, "rev-parse", "HEAD^{tree}").encode()
    oid = _hash(git, repo, "commit", b"tree %s\nauthor A <a@x> %s\ncommitter B <b@x> %s\n\nm" % (tree, dates, dates))
    commit = Reader(discover(repo)).commit(oid)
    assert (commit.author, commit.time, commit.message) == ("A <a@x>", time, "m")


def test_latin_message_is_decoded(repo: Path, git: Git) -> None:
    """The encoding that a commit names is honoured for Latin, and for nothing that could smuggle a trailer."""
    tree = git(repo, "rev-parse", "HEAD^{tree}").encode()
    who = b"author A <a@x> 1 +0000\ncommitter A <a@x> 1 +0000\n"
    latin = _hash(git, repo, "commit", b"tree %s\n%sencoding ISO-8859-1\n\n\xfc" % (tree, who))
    utf7 = _hash(git, repo, "commit", b"tree %s\n%sencoding utf-7\n\n+AGE-" % (tree, who))
    reader = Reader(discover(repo))
    assert (reader.commit(latin).message, reader.commit(utf7).message) == ("ü", "+AGE-")


@pytest.mark.parametrize("second", [b"gpgsig two\n", b"gpgsig-sha256 two\n", b"gpgsigx two\n"])
def test_a_commit_with_two_readings_of_its_signature_is_unsigned(repo: Path, git: Git, second: bytes) -> None:
    """Which of two headers counts is nobody's to guess; the commit is read all the same."""
    plain = subprocess.run(["git", "cat-file", "commit", "HEAD"], cwd=repo, check=True, capture_output=True).stdout
    head, _, message = plain.partition(b"\n\n")
    oids = [git(repo, "hash-object", "-t", "commit", "-w", "--stdin", "--literally",
                stdin=head + b"\ngpgsig one\n" + more + b"\n" + message) for more in (b"", second)]
    one, two = (Reader(discover(repo)).commit(oid) for oid in oids)
    assert (one.signature, one.signed_payload) == ("one\n", plain)
    assert (two.signature, two.signed_payload, two.tree) == (None, None, one.tree)


_TREE = b"tree " + b"1" * 40 + b"\n"
_WHO = b"author A \xc3\xbc <a@x> 12 +0200\ncommitter B <b@x> 13 -0000\n"
_ARMOUR = b"gpgsig -----BEGIN SSH SIGNATURE-----\n abc\n -----END SSH SIGNATURE-----\n"


_SIGNATURES = (b"", _ARMOUR, _ARMOUR + _ARMOUR, _ARMOUR.replace(b"abc", b"\xff"), b"encoding latin-1\n" + _ARMOUR,
               b"gpgsig\n", b"gpgsig-sha256 x\n")


@pytest.mark.parametrize("raw", [
    _TREE + parents + _WHO + signature + rest
    for parents in (b"", b"parent " + b"2" * 40 + b"\n", b"parent " + b"2" * 40 + b"\nparent x\n")
    for signature in _SIGNATURES
    for rest in (b"\nm\n", b"\n", b"", b"\n\xff\n\ngpgsig x\n", b"\na\0b")
])
def test_the_short_way_of_parsing_gives_the_same(raw: bytes) -> None:
    """Commits of the usual form are taken apart by one pattern."""
    assert commits.parse("0" * 40, raw) == commits._parsed("0" * 40, raw)
