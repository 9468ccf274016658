"""What the reader says about changes, ancestry and lines, beside what git says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from githarness.git.reader import Hunk, Reader
from githarness.git.repo import discover

Git = Callable[..., str]


def _commit(git: Git, repo: Path, name: str, content: str | bytes, message: str = "change") -> str:
    (repo / name).parent.mkdir(parents=True, exist_ok=True)
    (repo / name).write_bytes(content.encode() if isinstance(content, str) else content)
    git(repo, "add", "--all")
    git(repo, "commit", "-q", "-m", message)
    return git(repo, "rev-parse", "HEAD")


def _as_diff_tree(git: Git, repo: Path, rev: str) -> set[tuple[str, str, str, str, str]]:
    trees = git(repo, "rev-list", "--parents", "-1", rev).split()[1::-1][:2]
    fields = git(repo, "diff-tree", "--root", "-r", "-z", "--no-renames", "--no-commit-id", *trees)
    parts = fields.split("\0")[:-1]
    found = set()
    for head, path in zip(parts[::2], parts[1::2], strict=True):
        old_mode, new_mode, old, new, _ = head[1:].split()
        found.add((path, old_mode, old, new_mode, new))
    return found


def test_changes_are_those_of_diff_tree(repo: Path, git: Git) -> None:
    """Additions, edits, deletions, modes, links, a folder that becomes a file and back, merges, the root."""
    reader = Reader(discover(repo))
    _commit(git, repo, "docs/0000.md", "x\n")
    (repo / "docs" / "0001.md").chmod(0o755)
    (repo / "link").symlink_to("docs")
    _commit(git, repo, "deep/er/file", "1\n")
    git(repo, "rm", "-rq", "deep")
    _commit(git, repo, "deep", "now a file\n")
    (repo / "deep").unlink()
    _commit(git, repo, "deep/er/file", "2\n")
    git(repo, "checkout", "-qb", "side", "HEAD~2")
    _commit(git, repo, "side", "s\n")
    git(repo, "checkout", "-q", "main")
    git(repo, "merge", "-q", "-m", "merge", "side")
    commits = list(reader.walk(reader.resolve("main")))
    assert len(commits) == 7
    nothing = ("000000", "0" * 40)
    for oid in commits:
        found = {(one.path, *((one.old.mode, one.old.oid) if one.old else nothing),
                  *((one.new.mode, one.new.oid) if one.new else nothing)) for one in reader.changes(oid)}
        assert found == _as_diff_tree(git, repo, oid)


def test_walk_comes_after_parents_and_hides(repo: Path, git: Git) -> None:
    """Oldest first over merges; what is hidden, with all that it has, is left out."""
    base = git(repo, "rev-parse", "HEAD")
    git(repo, "checkout", "-qb", "side")
    side = _commit(git, repo, "s", "s")
    git(repo, "checkout", "-q", "main")
    ours = _commit(git, repo, "m", "m")
    git(repo, "merge", "-q", "-m", "merge", "side")
    reader = Reader(discover(repo))
    order = list(reader.walk(head := reader.resolve("main")))
    assert (order[0], order[-1], set(order)) == (base, head, {base, side, ours, head})
    assert set(reader.walk(head, [ours])) == {side, head}
    assert list(reader.walk(base, [head])) == []
    assert reader.merge_base(ours, side) == base
    assert (reader.is_ancestor(side, head), reader.is_ancestor(ours, side), reader.is_ancestor(head, head)) == (
        True, False, True)


def _lines(data: bytes) -> list[bytes]:
    """A line goes up to and including its LF."""
    return [line + b"\n" for line in data.split(b"\n")[:-1]] + ([last] if (last := data.split(b"\n")[-1]) else [])


def _applied(hunks: list[Hunk], old: bytes, new: bytes) -> bytes:
    was, now, at, out = _lines(old), _lines(new), 0, []
    for hunk in hunks:
        out += was[at : hunk.old_start] + now[hunk.new_start : hunk.new_start + hunk.new_len]
        at = hunk.old_start + hunk.old_len
    return b"".join(out + was[at:])


_texts = st.lists(st.sampled_from([b"a", b"b", b"\n", b"\r\n", b"\0", b"\xff", b"a\n", b"b\n", b"c\n"]), max_size=30)


@given(_texts.map(b"".join), _texts.map(b"".join))
def test_hunks_lead_from_old_to_new(old: bytes, new: bytes) -> None:
    """With CR LF, without a last LF, empty, binary: hunks applied to old give new, and say nothing where both agree."""
    hunks = Reader.hunks(old, new)
    assert _applied(hunks, old, new) == new
    assert bool(hunks) == (old != new)
    ends = [0, *(hunk.old_start + hunk.old_len for hunk in hunks)]
    assert all(end <= hunk.old_start for end, hunk in zip(ends, hunks, strict=False))


@pytest.mark.parametrize(("old", "new", "hunks"), [
    (b"", b"", []), (b"", b"a\n", [Hunk(0, 0, 0, 1)]), (b"a\n", b"", [Hunk(0, 1, 0, 0)]),
    (b"a\nb", b"a\nb\n", [Hunk(1, 1, 1, 1)]), (b"a\n", b"a\nb\n", [Hunk(1, 0, 1, 1)]),
    (b"a\nb\n", b"b\n", [Hunk(0, 1, 0, 0)]), (b"a\nc\n", b"a\nb\nc\n", [Hunk(1, 0, 1, 1)]),
    (b"a\r\n", b"a\n", [Hunk(0, 1, 0, 1)]),
])
def test_hunks_count_from_zero(old: bytes, new: bytes, hunks: list[Hunk]) -> None:
    """An insertion stands before the line that it names."""
    assert Reader.hunks(old, new) == hunks


def test_binary_is_what_git_takes_for_it() -> None:
    """A NUL within the first 8,000 bytes."""
    assert Reader.is_binary(b"a" * 7999 + b"\0")
    assert not Reader.is_binary(b"a" * 8000 + b"\0")


def test_unified_is_a_diff_for_people() -> None:
    """Text shows its lines, binary content that it differs, and no byte breaks it."""
    assert "-a\n+\ufffd\n" in Reader.unified(b"a\n", b"\xff\n", "docs/x y.md")
    assert "differ" in Reader.unified(b"\0", b"\0\0", "x")
    assert Reader.unified(b"a\n", b"a\n", "x") == ""
