"""A worktree that moves as in the ledger: real git makes the commit, `CheckedOut` brings files and index along."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from githarness.git import repo as repos
from githarness.git.checkout import CheckedOut
from githarness.git.objects import Entry, PathChange, oid_of

Git = Callable[..., str]
Wanted = Mapping[str, bytes | str | tuple[str, bytes] | None]  # content, mode and content, or None: deleted


class Desk:
    def __init__(self, folder: Path, git: Git, *, ref: str = "refs/heads/main", **options: object) -> None:
        self._git = git
        self.ref = ref
        self.repo = repos.discover(folder)
        self.checkout = repos.checkouts(self.repo, ref)[0]
        self.out = CheckedOut(self.checkout, self.repo, self.blob, **options)  # type: ignore[arg-type]

    def git(self, *args: str, **options: object) -> str:
        return self._git(self.checkout.root, *args, **options)

    def blob(self, oid: str) -> bytes:
        command = ["git", "cat-file", "blob", oid]
        return subprocess.run(command, cwd=self.checkout.root, capture_output=True, check=True).stdout

    def path(self, name: str) -> Path:
        return self.checkout.root / name

    def tree(self) -> dict[str, Entry]:
        lines = self.git("ls-tree", "-r", "-z", self.ref, ok=False).split("\0")[:-1]
        return {path: Entry(mode, oid) for mode, _, oid, path in (_cells(line) for line in lines)}

    def changes(self, wanted: Wanted) -> list[PathChange]:
        tree = self.tree()
        return [_change(path, tree.get(path), new) for path, new in wanted.items()]

    def commit(self, changes: Sequence[PathChange]) -> None:
        """Moves the ref alone: neither files nor index follow."""
        born = self.git("rev-parse", "-q", "--verify", "HEAD", ok=False)
        stream = b"commit %s\ncommitter A <a@example.org> 1700000001 +0000\ndata 1\nx\n" % self.ref.encode()
        stream += b"from %s^0\n" % self.ref.encode() if born else b""
        for one in sorted(changes, key=lambda change: change.new is not None):
            if one.new is None:
                stream += b"D %s\n" % _quoted(one.path)
            elif one.data is not None:
                stream += b"M %s inline %s\ndata %d\n%s\n" % (
                    one.new.mode.encode(), _quoted(one.path), len(one.data), one.data)
        self.git("fast-import", "--quiet", stdin=stream)

    def land(self, wanted: Wanted) -> list[str]:
        """As the write path does it; the paths left pending."""
        changes = self.changes(wanted)
        with self.out.hold() as held:
            assert held.dirty(changes) == []
            self.commit(changes)
            return held.bring(changes)

    def dirty(self, wanted: Wanted) -> list[str]:
        with self.out.hold() as held:
            return held.dirty(self.changes(wanted))

    def status(self) -> str:
        return self.git("status", "--porcelain", "--untracked-files=all")

    def is_clean(self) -> bool:
        """In git's own eyes: nothing staged, nothing changed, nothing untracked, a sound index."""
        staged = self.git("diff-index", "--cached", "HEAD")
        return (staged, self.status(), self.git("diff-files"), self.git("fsck")) == ("", "", "", "")


def _quoted(path: str) -> bytes:
    raw = path.encode("utf-8", "surrogateescape").replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"%s"' % raw.replace(b"\n", b"\\n")


def _cells(line: str) -> tuple[str, str, str, str]:
    about, _, path = line.partition("\t")
    mode, kind, oid = about.split(" ")
    return mode, kind, oid, path


def _change(path: str, old: Entry | None, wanted: bytes | str | tuple[str, bytes] | None) -> PathChange:
    if wanted is None:
        return PathChange(path, old, None)
    mode, data = wanted if isinstance(wanted, tuple) else (old.mode if old else "100644", wanted)
    raw = data.encode() if isinstance(data, str) else data
    return PathChange(path, old, Entry(mode, oid_of("blob", raw)), raw)


@pytest.fixture
def make_desk(make_repo: Callable[..., Path], git: Git) -> Callable[..., Desk]:
    """`make_desk({"a.md": "text\\n"}, smudge=…, hook=…)`"""

    def make(files: int | Mapping[str, str | bytes] = 3, **options: object) -> Desk:
        return Desk(make_repo(files), git, **options)

    return make


@pytest.fixture
def desk_at(git: Git) -> Callable[..., Desk]:
    """`desk_at(folder, ref="refs/heads/side")`: in a repository that is there already."""
    return lambda folder, **options: Desk(folder, git, **options)


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()
