"""Git's index file: read as git wrote it, written so that git finds the same."""

from __future__ import annotations

import hashlib
import os
import random
import struct

import pytest

from githarness.errors import Integrity, Unavailable
from githarness.git import index
from githarness.git.index import Index, parse, stat_of

OID = "1" * 40
OLD, LATE = 0, 2**31  # before and after every entry


def _file(repo):
    return repo / ".git" / "index"


def _read(repo, second: int = LATE) -> Index:
    return parse(_file(repo).read_bytes(), second)


def _write(repo, changed: Index) -> None:
    _file(repo).write_bytes(changed.emit())


def _shown(git, repo) -> str:
    return git(repo, "ls-files", "--stage", "--debug", "-t", "-v")


def _bare_entries(data: bytes) -> bytes:
    """Without extensions and trailer."""
    return data[: len(Index.emit(parse(data, LATE))) - 20]


def _odd(git, repo) -> None:
    """Long names, flags, a conflict, modes, a submodule."""
    (repo / "x").mkdir()
    blob = git(repo, "rev-parse", "HEAD:docs/0000.md")
    for name in ("n" * 250, "x/" + "m" * 200, "a-b", "a.b", "a/b", "ab"):
        git(repo, "update-index", "--add", "--cacheinfo", f"100755,{blob},{name}")
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{OID},sub")
    git(repo, "update-index", "--index-info",
        stdin="".join(f"100644 {blob} {stage}\tconflict\n" for stage in (1, 2, 3)))
    git(repo, "update-index", "--assume-unchanged", "docs/0000.md")


@pytest.mark.parametrize("version", [2, 3, 4])
def test_git_sees_the_same_entries_after_a_round_trip(git, repo, version) -> None:
    """Every field of every entry, whichever version it came from."""
    _odd(git, repo)
    if version == 3:
        git(repo, "update-index", "--skip-worktree", "docs/0001.md")
        (repo / "new.md").write_text("x")
        git(repo, "add", "--intent-to-add", "new.md")
    git(repo, "update-index", "--index-version", str(version))
    assert _file(repo).read_bytes()[7] == version
    before = _shown(git, repo)
    _write(repo, _read(repo))
    assert _file(repo).read_bytes()[7] == (3 if version == 3 else 2)
    assert _shown(git, repo) == before


def test_a_round_trip_of_plain_entries_keeps_every_byte(git, repo) -> None:
    """Git's own padding, order and hash."""
    _odd(git, repo)
    data = _file(repo).read_bytes()
    emitted = parse(data, LATE).emit()
    assert data.startswith(emitted[:-20]) and emitted[-20:] == hashlib.sha1(emitted[:-20]).digest()


def test_random_changes_give_what_git_gives(git, repo) -> None:
    """Entries put and dropped in any order, beside `git update-index` doing the same."""
    chance = random.Random(7)
    ours, lines = _read(repo), []
    names = [f"{a}{b}{c}" for a in ("x", "x/y", "xy") for b in ("", "-", ".", "/z") for c in ("1", "2")]
    for _ in range(300):
        name, oid = chance.choice(names), f"{chance.randrange(16**8):040x}"
        if chance.random() < 0.4:
            ours.drop(name.encode())
            lines.append(f"0 {'0' * 40}\t{name}\n")
        elif not any(other.startswith(name + "/") or name.startswith(other + "/") for other in names):
            ours.put(name.encode(), 0o100644, oid, None, ours=False, skipped=False)
            lines.append(f"100644 {oid} 0\t{name}\n")
    git(repo, "update-index", "--index-info", stdin="".join(lines))
    assert ours.emit()[:-20] == _bare_entries(_file(repo).read_bytes())


def test_a_very_long_name_is_read_and_written(git, repo) -> None:
    """Its length does not fit into the flags."""
    name = "/".join(["d" * 250] * 17)
    git(repo, "update-index", "--add", "--cacheinfo", f"100644,{OID},{name}")
    changed = _read(repo)
    assert changed.get(name.encode()).oid == OID
    changed.put(name.encode(), 0o100644, "2" * 40, None, ours=False, skipped=False)
    _write(repo, changed)
    assert git(repo, "ls-files", "--stage", name).startswith("100644 " + "2" * 40)


def test_an_entry_carries_the_metadata_that_git_compares(git, repo) -> None:
    """After `put` with a file's metadata, git finds it up to date without reading it."""
    changed, file = _read(repo), repo / "docs/0000.md"
    assert changed.get(b"docs/0000.md").stat == stat_of(os.lstat(file))
    os.utime(file, ns=(1, 1_700_000_000_123_456_789))
    changed.put(b"docs/0000.md", 0o100644, git(repo, "hash-object", file), os.lstat(file), ours=True, skipped=False)
    _write(repo, changed)
    os.utime(_file(repo), (2**31 - 1, 2**31 - 1))
    assert git(repo, "diff-files") == ""


def test_conflicts_and_promises_are_seen(git, repo) -> None:
    """They stand in the way of a change."""
    _odd(git, repo)
    (repo / "new.md").write_text("x")
    git(repo, "add", "--intent-to-add", "new.md")
    found = _read(repo)
    assert found.in_conflict(b"conflict") and not found.in_conflict(b"conflic") and found.get(b"conflict") is None
    assert found.get(b"new.md").intended and found.get(b"docs/0000.md").assumed
    assert set(found.under(b"a")) == {b"a/b"} and set(found.under(b"docs")) == {b"docs/%04d.md" % n for n in range(3)}


def test_what_metadata_cannot_prove_gets_the_size_zero(git, repo) -> None:
    """An entry as young as the index, once the index gets older than it; ours are asked about, and only then."""
    found = _read(repo, OLD)
    assert not found.trusted(b"docs/0000.md")
    status = os.lstat(repo / "docs/0001.md")
    found.put(b"docs/0001.md", 0o100644, OID, status, ours=True, skipped=False)
    found.put(b"docs/0002.md", 0o100644, OID, status, ours=True, skipped=False)
    found.settle(int(status.st_mtime), lambda *_: False)
    assert found.get(b"docs/0001.md").stat[8] != 0
    found.settle(LATE, lambda name, _: name == b"docs/0002.md")
    sizes = [found.get(b"docs/%04d.md" % number).stat[8] for number in range(3)]
    assert sizes == [0, 0, status.st_size]


def test_extensions_that_may_be_dropped_are_dropped(git, repo) -> None:
    """The cache of trees and the untracked cache are made anew by git."""
    git(repo, "update-index", "--untracked-cache")
    git(repo, "status")
    data = _file(repo).read_bytes()
    assert b"TREE" in data and b"UNTR" in data
    _write(repo, _read(repo))
    assert b"TREE" not in _file(repo).read_bytes() and git(repo, "status", "--porcelain") == ""


@pytest.mark.parametrize(("setup", "fix"), [
    (["update-index", "--split-index"], "git config core.splitIndex false && git update-index --no-split-index"),
    (["sparse-checkout", "init", "--cone", "--sparse-index"], "git sparse-checkout reapply --no-sparse-index"),
])
def test_an_index_that_is_not_served_is_refused_with_the_way_out(git, repo, setup, fix) -> None:
    """And the way out works."""
    git(repo, *setup)
    with pytest.raises(Unavailable) as refused:
        _read(repo)
    assert refused.value.fix == fix
    for command in fix.split(" && "):
        git(repo, *command.split()[1:])
    _read(repo)


def _sealed(body: bytes) -> bytes:
    return body + hashlib.sha1(body).digest()


def test_an_unknown_required_extension_and_a_newer_version_are_refused(git, repo) -> None:
    """By name."""
    body = _file(repo).read_bytes()[:-20]
    with pytest.raises(Unavailable, match="xtra"):
        parse(_sealed(body + b"xtra" + bytes(4)), LATE)
    with pytest.raises(Unavailable, match="version 5"):
        parse(_sealed(body[:4] + struct.pack(">I", 5) + body[8:]), LATE)


def test_every_damaged_index_is_called_corrupt(git, repo) -> None:
    """Cut anywhere, or a bit turned anywhere."""
    data = _file(repo).read_bytes()
    damaged = [data[:cut] for cut in range(len(data))]
    damaged += [data[:at] + bytes([data[at] ^ 4]) + data[at + 1:] for at in range(len(data))]
    for one in damaged:
        with pytest.raises(Integrity):
            parse(one, LATE)


@pytest.mark.parametrize("version", [2, 4])
def test_a_damaged_index_with_a_good_hash_ends_in_a_named_error_or_a_parse(git, repo, version) -> None:
    """Hostile lengths and counts do not crash, loop or fill the memory."""
    git(repo, "update-index", "--index-version", str(version))
    body = _file(repo).read_bytes()[:-20]
    chance = random.Random(3)
    for _ in range(2000):
        changed = bytearray(body)
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(4, len(body))] = chance.choice((0, 1, 0x40, 0x7F, 0x80, 0xFF))
        try:
            parse(_sealed(bytes(changed)), LATE)
        except (Integrity, Unavailable):
            continue


def test_an_index_without_hash_is_read(git, repo) -> None:
    """Git writes zeros where index.skipHash is set."""
    data = _file(repo).read_bytes()[:-20] + bytes(20)
    assert len(parse(data, LATE)) == 3


def test_a_new_entry_is_sparse_where_all_around_it_are(git, repo) -> None:
    """In the nearest folder that has entries; without sparse entries nothing is asked."""
    git(repo, "update-index", "--skip-worktree", *(f"docs/{n:04}.md" for n in range(3)))
    found = _read(repo)
    assert found.sparse(b"docs/new.md") and found.sparse(b"docs/deep/new.md")
    assert not found.sparse(b"new.md") and not index.Index().sparse(b"docs/new.md")
