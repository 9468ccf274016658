"""Objects, history and differences read through libgit2, over repositories that real git made or somebody broke."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness.errors import Integrity, NotFound, Unavailable
from githarness.git import reader as reader_module
from githarness.git.objects import Entry, oid_of
from githarness.git.reader import Reader
from githarness.git.repo import discover

Git = Callable[..., str]


def _commit(git: Git, repo: Path, name: str, content: str | bytes, message: str = "change") -> str:
    (repo / name).parent.mkdir(parents=True, exist_ok=True)
    (repo / name).write_bytes(content.encode() if isinstance(content, str) else content)
    git(repo, "add", "--all")
    git(repo, "commit", "-q", "-m", message)
    return git(repo, "rev-parse", "HEAD")


def _hash(git: Git, repo: Path, kind: str, content: bytes) -> str:
    return git(repo, "hash-object", "-t", kind, "-w", "--stdin", "--literally", stdin=content)


def _loose(repo: Path, oid: str) -> Path:
    return repo / ".git" / "objects" / oid[:2] / oid[2:]


def test_objects_are_read_as_git_has_them(repo: Path, git: Git) -> None:
    """Blob, tree and commit, their sizes, and what a path holds."""
    head = _commit(git, repo, "docs/new.md", "text\n")
    reader = Reader(discover(repo))
    entry = reader.entry(head, "docs/new.md")
    assert entry == Entry("100644", git(repo, "rev-parse", "HEAD:docs/new.md"))
    assert (reader.blob(entry.oid), reader.size(entry.oid)) == (b"text\n", 5)
    assert oid_of("tree", reader.tree(reader.commit(head).tree)) == git(repo, "rev-parse", "HEAD^{tree}")
    assert reader.entry(head, "docs") == Entry("40000", git(repo, "rev-parse", "HEAD:docs"))
    assert [reader.entry(head, path) for path in ("nothing", "docs/new.md/x", "ocs", "docs/ew.md")] == [None] * 4


def test_files_are_those_of_ls_tree(repo: Path, git: Git) -> None:
    """All files, links and odd names included, and only those below a prefix."""
    (repo / "link").symlink_to("docs")
    os.symlink(b"x", os.fsencode(repo) + b"/\xff\xfe")
    head = _commit(git, repo, "docs-b/line\nbreak", "x")
    found = [path for path, _ in Reader(discover(repo)).files(head)]
    listed = [path for path in git(repo, "ls-tree", "-r", "-z", "--name-only", head).split("\0") if path]
    assert found == listed
    below = [path for path, _ in Reader(discover(repo)).files(head, "docs/")]
    assert below == [path for path in listed if path.startswith("docs/")]


def test_malformed_objects_are_integrity(repo: Path, git: Git) -> None:
    """A commit without a tree and a tree cut short are named."""
    reader = Reader(discover(repo))
    with pytest.raises(Integrity, match="malformed"):
        reader.commit(_hash(git, repo, "commit", b"nonsense\n\n"))
    tree = _hash(git, repo, "tree", b"100644 a\0" + bytes(7))
    with pytest.raises(Integrity, match="malformed"):
        reader.diff_trees(None, tree)


def test_object_of_another_kind_is_integrity(repo: Path, git: Git) -> None:
    """A commit is not read as a blob."""
    reader = Reader(discover(repo))
    head = reader.resolve("main")
    with pytest.raises(Integrity, match="is a commit, not a blob"):
        reader.blob(head)
    assert (reader.has(head), reader.has_blob(head)) == (True, False)


def test_missing_object_is_named(repo: Path, git: Git) -> None:
    """Blob, size, commit, walk and merge base name the object that is missing, and `git fsck`."""
    reader = Reader(discover(repo))
    head, gone = reader.resolve("main"), "1" * 40
    asks: list[Callable[[], object]] = [
        lambda: reader.blob(gone), lambda: reader.size(gone), lambda: reader.commit(gone), lambda: reader.tree(gone),
        lambda: list(reader.walk(gone)), lambda: reader.merge_base(head, gone), lambda: reader.is_ancestor(gone, head),
    ]
    for ask in asks:
        with pytest.raises(Integrity, match=gone) as caught:
            ask()
        assert caught.value.fix == "git fsck"
    assert not reader.has(gone)
    assert not reader.has("no id")


@pytest.mark.parametrize("damage", [
    lambda data: data[:0], lambda data: b"junk" + data, lambda data: data[:20], lambda data: data[:-4],
    lambda data: data[:30] + bytes(4) + data[34:], lambda data: data[:-4] + b"abcd",
], ids=["empty", "junk", "cut", "tail cut", "middle", "checksum"])
@pytest.mark.parametrize("rev", ["HEAD", "HEAD:docs/0000.md", "HEAD:docs"])
def test_corrupt_loose_object_is_named(repo: Path, git: Git, damage: Callable[[bytes], bytes], rev: str) -> None:
    """However a loose object is damaged, it is named, and nothing hangs (libgit2 does)."""
    _commit(git, repo, "docs/0000.md", "".join(f"line {number}\n" for number in range(99)))
    file = _loose(repo, oid := git(repo, "rev-parse", rev))
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(damage(content))
    with pytest.raises(Integrity, match=oid):
        reader = Reader(discover(repo))
        for _, entry in reader.files(reader.resolve("main")):
            reader.blob(entry.oid)


def test_loose_object_under_another_id_is_refused(repo: Path, git: Git) -> None:
    """Content that does not have its id is never given out."""
    ours = git(repo, "hash-object", "-w", "--stdin", stdin=b"ours")
    theirs = git(repo, "hash-object", "-w", "--stdin", stdin=b"theirs")
    _loose(repo, ours).unlink()
    _loose(repo, theirs).rename(_loose(repo, ours))
    with pytest.raises(Integrity, match="corrupt"):
        Reader(discover(repo)).blob(ours)


def test_damaged_pack_is_integrity(repo: Path, git: Git) -> None:
    """A bit that turned in a pack is noticed by the digest."""
    git(repo, "repack", "-adfq")
    pack = next((repo / ".git" / "objects" / "pack").glob("*.pack"))
    content = bytearray(pack.read_bytes())
    content[40] ^= 0x10
    pack.unlink()
    pack.write_bytes(content)
    with pytest.raises(Integrity) as caught:
        reader = Reader(discover(repo))
        for _, entry in reader.files(reader.resolve("main")):
            reader.blob(entry.oid)
    assert caught.value.fix == "git fsck"


def test_replaced_object_is_not_asked(repo: Path, git: Git) -> None:
    """`refs/replace` cannot make an object something else."""
    oid = git(repo, "rev-parse", "HEAD:docs/0000.md")
    git(repo, "replace", oid, git(repo, "rev-parse", "HEAD:docs/0001.md"))
    head = _commit(git, repo, "x", "y")
    git(repo, "replace", head, git(repo, "rev-parse", "HEAD~1"))
    reader = Reader(discover(repo))
    assert reader.blob(oid).startswith(b"file 0")
    assert len(reader.commit(head).parents) == len(list(reader.walk(head))) - 1 == 1


def test_grafts_are_refused(repo: Path, git: Git) -> None:
    """Parents that a file gives to commits would change what history says."""
    (repo / ".git" / "info" / "grafts").write_text(git(repo, "rev-parse", "HEAD") + "\n")
    with pytest.raises(Unavailable, match="grafts") as caught:
        Reader(discover(repo))
    assert caught.value.fix == "git replace --convert-graft-file"


def test_packs_that_appear_are_read(repo: Path, git: Git) -> None:
    """A reader that is open sees a pack made after, and objects whose first pack has gone since."""
    reader = Reader(discover(repo))
    first = reader.resolve("main")
    for number in range(5):
        head = _commit(git, repo, "docs/0000.md", f"{number}\n")
        git(repo, "repack", "-adq" if number % 2 else "-dq")
        git(repo, "prune-packed")
        assert reader.blob(reader.entry(head, "docs/0000.md").oid) == b"%d\n" % number  # type: ignore[union-attr]
    for oid in reader.walk(reader.resolve("main")):
        assert [reader.blob(entry.oid) for _, entry in reader.files(oid)]
    assert first in set(reader.walk(head))


def test_packs_that_went_unread_are_found_again(repo: Path, git: Git) -> None:
    """The pack that a reader listed but never opened is replaced by another before it reads."""
    git(repo, "repack", "-adq")
    reader = Reader(discover(repo))
    assert not reader.has("1" * 40)
    head = _commit(git, repo, "docs/0000.md", "x\n")
    git(repo, "repack", "-adq")
    assert len(list(reader.files(head))) == 3
    assert all(reader.blob(entry.oid) for _, entry in reader.files(head))


def _mapped(repo: Path) -> int:
    gc.collect()
    return Path("/proc/self/maps").read_text().count(f"{repo}/.git/objects/pack/")


@pytest.mark.skipif(sys.platform != "linux", reason="counts the maps in /proc")
def test_gone_packs_are_let_go(repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that stays open while packs come and go does not keep them all mapped."""
    monkeypatch.setattr(reader_module, "_GONE", 10)
    reader = Reader(discover(repo))
    for number in range(25):
        blob = git(repo, "hash-object", "--stdin", "-w", stdin=b"%d" % number)
        name = git(repo, "pack-objects", "-q", ".git/objects/pack/pack", stdin=blob)
        _loose(repo, blob).unlink()
        assert reader.blob(blob) == b"%d" % number
        for file in (repo / ".git/objects/pack").glob(f"pack-{name}.*"):
            file.unlink()
    assert 0 < _mapped(repo) <= 2 * 13


def test_partial_clone_says_fetch(repo: Path, git: Git, tmp_path: Path) -> None:
    """An object that a partial clone left out is Unavailable, and the fix brings it."""
    git(repo, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--bare", "--filter=blob:none", f"file://{repo}", "partial")
    reader = Reader(discover(tmp_path / "partial"))
    entry = reader.entry(reader.resolve("main"), "docs/0000.md")
    with pytest.raises(Unavailable, match=entry.oid) as caught:  # type: ignore[union-attr]
        reader.blob(entry.oid)  # type: ignore[union-attr]
    git(tmp_path / "partial", *caught.value.fix.split()[1:], "-q")
    assert reader.blob(entry.oid).startswith(b"file 0")  # type: ignore[union-attr]


def test_partial_clone_without_its_remote_stays_a_named_error(repo: Path, git: Git, tmp_path: Path) -> None:
    """With the promisor gone the error is the same, and at once: nothing is fetched behind the caller's back."""
    git(repo, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--bare", "--filter=blob:none", f"file://{repo}", "partial")
    repo.rename(tmp_path / "elsewhere")
    reader = Reader(discover(tmp_path / "partial"))
    with pytest.raises(Unavailable, match="left out"):
        reader.blob(reader.entry(reader.resolve("main"), "docs/0000.md").oid)  # type: ignore[union-attr]


@pytest.mark.parametrize("extension", [
    "noop-v1 = true", "partialClone = origin", "refStorage = files", "preciousObjects = true", "worktreeConfig = true",
    "relativeWorktrees = true",
])
def test_extensions_that_change_no_object_are_read(repo: Path, extension: str) -> None:
    """What discovery lets through, libgit2 opens."""
    with (repo / ".git" / "config").open("a") as file:
        file.write(f"[core]\n\trepositoryFormatVersion = 1\n[extensions]\n\t{extension}\n")
    assert Reader(discover(repo)).resolve("main")


def test_shallow_clone_ends_at_its_edge(repo: Path, git: Git, tmp_path: Path) -> None:
    """At the edge a commit has no parents and brings all files; deepened, it has them at once."""
    for number in range(4):
        _commit(git, repo, "docs/0000.md", f"{number}\n")
    git(tmp_path, "clone", "-q", "--depth=2", f"file://{repo}", "shallow")
    reader = Reader(discover(tmp_path / "shallow"))
    edge, head = reader.walk(reader.resolve("HEAD"))
    assert (reader.commit(edge).parents, len(reader.changes(edge))) == ((), 3)
    assert reader.is_ancestor(edge, head)
    git(tmp_path / "shallow", "fetch", "-q", "--unshallow")
    assert len(list(reader.walk(head))) == 5
    assert len(reader.changes(edge)) == 1


def test_alternate_that_vanished_is_named(repo: Path, git: Git, tmp_path: Path) -> None:
    """Objects are read from a folder that lends them; once it is gone the error says so."""
    git(tmp_path, "clone", "-q", "--shared", repo, "borrower")
    reader = Reader(discover(tmp_path / "borrower"))
    assert list(reader.files(reader.resolve("main")))
    repo.rename(tmp_path / "elsewhere")
    reader = Reader(discover(tmp_path / "borrower"))
    with pytest.raises(Integrity, match="alternates is gone"):
        reader.commit(git(tmp_path / "elsewhere", "rev-parse", "main"))


@pytest.mark.parametrize("line", ["/proc/self/root/nowhere", "\0", "../../../../../../etc/passwd", "\"q\"", "x" * 9999])
def test_hostile_alternate_is_harmless(repo: Path, line: str) -> None:
    """Whatever `info/alternates` says, our own objects are read."""
    (repo / ".git" / "objects" / "info" / "alternates").write_text(line + "\n")
    reader = Reader(discover(repo))
    assert reader.commit(reader.resolve("main"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository away")
def test_repository_of_another_user_is_named(repo: Path) -> None:
    """Ownership that git would not trust is an error with git's own remedy."""
    for path in (repo, repo / ".git"):
        os.chown(path, 12345, 12345)
    with pytest.raises(Unavailable, match="another user") as caught:
        Reader(discover(repo))
    assert caught.value.fix.startswith("git config --global --add safe.directory")


def test_revisions_are_resolved(repo: Path, git: Git) -> None:
    """Branches, abbreviations (loose and packed), ancestors and tags name commits."""
    head = _commit(git, repo, "a", "b")
    git(repo, "tag", "-a", "-m", "tag", "v1")
    reader = Reader(discover(repo))
    for rev in (head, head[:8], "main", "HEAD", "v1", "refs/heads/main", "HEAD@{0}", "main^0", "@"):
        assert reader.resolve(rev) == head
    git(repo, "repack", "-adq")
    assert Reader(discover(repo)).resolve(head[:8]) == head
    assert reader.resolve("HEAD~1") == reader.commit(head).parents[0]


@pytest.mark.parametrize("rev", ["", "nope", "-x", "HEAD:docs", "HEAD^{tree}", ":/start", "HEAD^{/start}", "..", "a..b",
                                 "@{", "HEAD\0", "\ud800", "1" * 40, "1111111", "x" * 9999, "HEAD@{999}", ".lock"])
def test_what_names_no_commit_is_not_found(repo: Path, rev: str) -> None:
    """Anything else is NotFound with a fix; nothing searches through history."""
    with pytest.raises(NotFound) as caught:
        Reader(discover(repo)).resolve(rev)
    assert caught.value.fix
    assert len(caught.value.message) < 1200


def test_unborn_branch_names_no_commit(tmp_path: Path, git: Git) -> None:
    """A repository without a commit is opened, and has no HEAD."""
    git(tmp_path, "init", "-q", "r")
    with pytest.raises(NotFound):
        Reader(discover(tmp_path / "r")).resolve("HEAD")


def test_only_the_reader_loads_libgit2() -> None:
    """Importing everything else of git's package leaves pygit2 out."""
    code = ("import sys, githarness.git.repo, githarness.git.config, githarness.git.treediff, githarness.git.loose, "
            "githarness.git.commits, githarness.paths; sys.exit('pygit2' in sys.modules or 'git' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
