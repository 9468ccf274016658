"""Small packs become one, and nothing is lost on the way."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness import flock
from githarness.errors import Locked, Unavailable
from githarness.git import fold, pack
from githarness.git.maintenance import maintain
from githarness.git.objects import Entry, Raw, raw
from githarness.git.porcelain import Git as Porcelain
from githarness.git.reader import Reader
from githarness.git.repo import discover
from githarness.git.trees import Trees
from githarness.settings import Settings

Git = Callable[..., str]


def _packs(repo: Path) -> list[Path]:
    return sorted((repo / ".git/objects/pack").glob("*.pack"))


def _size(repo: Path) -> int:
    return sum(file.stat().st_size for file in _packs(repo))


def _objects(git: Git, repo: Path) -> set[str]:
    return set(git(repo, "cat-file", "--batch-all-objects", "--batch-check").split("\n"))


def _write(git: Git, repo: Path, commits: int, group: int = 20) -> None:
    """Commits of one appended line each, in packs of whole objects, as a writer in haste makes them."""
    reader = Reader(discover(repo))
    parent = reader.resolve("main")
    trees, files, dice = Trees(reader.tree), dict(reader.files(parent)), random.Random(commits)
    tree, contents = reader.commit(parent).tree, {path: reader.blob(entry.oid) for path, entry in files.items()}
    for start in range(0, commits, group):
        made: list[Raw] = []
        for number in range(start, min(start + group, commits)):
            path = dice.choice(list(contents))
            contents[path] += b"- step %d %d\n" % (number, dice.getrandbits(64))
            made.append(blob := raw("blob", contents[path]))
            tree = str(trees.change(tree, {path: Entry("100644", blob.oid)}, made))
            who = f"A <a@f.invalid> {1700000000 + number} +0000"
            made.append(raw("commit", f"tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\nm\n".encode()))
            parent = made[-1].oid
        whole = {one.oid: Raw(one.kind, one.oid, one.data) for one in made}
        stem = pack.write(repo / ".git/objects/pack", list(whole.values()))
        pack.release(stem)  # type: ignore[arg-type]
    git(repo, "update-ref", "refs/heads/main", parent)


@pytest.fixture
def porcelain(repo: Path, make_settings: Callable[..., Settings]) -> Porcelain:
    return Porcelain(make_settings(), repo)


@pytest.mark.parametrize("folded", [False, True])
def test_small_packs_end_as_small_as_git_makes_them(
    make_repo: Callable[..., Path], git: Git, make_settings: Callable[..., Settings], folded: bool
) -> None:
    """Packs of whole objects, folded or not, end within twice of what `git repack -adf` makes of them."""
    repo = make_repo(300, name="large")
    _write(git, repo, 300)
    if folded:
        fold.fold(repo / ".git/objects/pack", fold.small_packs(repo / ".git/objects/pack"))
    before = _objects(git, repo)
    maintain(Porcelain(make_settings(), repo), discover(repo))
    ours = _size(repo)
    assert _objects(git, repo) == before
    assert len(_packs(repo)) == 1
    git(repo, "fsck", "--strict")
    git(repo, "repack", "-adfq")
    assert ours <= 2 * _size(repo)


@pytest.mark.soak
def test_two_thousand_skills(make_repo: Callable[..., Path], git: Git, make_settings: Callable[..., Settings]) -> None:
    """The same at the size that the floors are measured at, over several rounds."""
    repo = make_repo(2000, name="large")
    for _ in range(4):
        _write(git, repo, 500)
        maintain(Porcelain(make_settings(), repo), discover(repo))
    ours, packs = _size(repo), len(_packs(repo))
    git(repo, "repack", "-adfq")
    assert ours <= 2 * _size(repo)
    assert packs <= 4


def test_nothing_new_is_left_as_it_is(repo: Path, git: Git, porcelain: Porcelain) -> None:
    """A second run writes nothing; new packs are taken in until the sizes are apart."""
    _write(git, repo, 60)
    maintain(porcelain, discover(repo))
    first = [(file, file.stat().st_mtime_ns) for file in _packs(repo)]
    maintain(porcelain, discover(repo))
    assert [(file, file.stat().st_mtime_ns) for file in _packs(repo)] == first
    _write(git, repo, 2, group=1)
    maintain(porcelain, discover(repo))
    assert len(_packs(repo)) == 2


def test_what_no_ref_names_stays(repo: Path, git: Git, porcelain: Porcelain) -> None:
    """Objects that nothing reaches, loose and packed, are still there: they may be somebody's next commit."""
    loose = git(repo, "hash-object", "-w", "--stdin", stdin=b"young")
    packed = raw("blob", b"unreachable")
    pack.release(pack.write(repo / ".git/objects/pack", [packed]))  # type: ignore[arg-type]
    _write(git, repo, 5)
    maintain(porcelain, discover(repo))
    assert git(repo, "cat-file", "-p", loose) == "young"
    assert git(repo, "cat-file", "-p", packed.oid) == "unreachable"
    assert git(repo, "count-objects").startswith("0 objects")


@pytest.mark.parametrize("suffix", [".keep", ".promisor", ".mtimes"])
def test_packs_that_are_set_apart_are_not_touched(repo: Path, git: Git, porcelain: Porcelain, suffix: str) -> None:
    """A pack of a write under way, of a partial clone, or of unreachable objects stays byte for byte."""
    stem = pack.write(repo / ".git/objects/pack", [raw("blob", b"apart")])
    assert stem is not None
    stem.with_suffix(".keep").rename(stem.with_suffix(suffix))
    content = stem.with_suffix(".pack").read_bytes()
    _write(git, repo, 5)
    maintain(porcelain, discover(repo))
    assert stem.with_suffix(".pack").read_bytes() == content
    assert stem.with_suffix(suffix).exists()
    oid = bytes.fromhex(raw("blob", b"apart").oid)
    holders = [file for file in _packs(repo) if oid in {one.oid for one in pack.read_index(file.with_suffix(".idx"))}]
    assert [file.stem for file in holders] == [stem.name]


def test_index_over_packs_does_not_name_what_went(repo: Path, git: Git, porcelain: Porcelain) -> None:
    """A multi-pack-index that a person made does not outlive the packs it names."""
    _write(git, repo, 40)
    git(repo, "multi-pack-index", "write")
    maintain(porcelain, discover(repo))
    git(repo, "fsck", "--strict")
    assert Reader(discover(repo)).resolve("main")


def test_open_reader_goes_on(repo: Path, git: Git, porcelain: Porcelain) -> None:
    """A reader that was open before reads everything afterwards."""
    reader = Reader(discover(repo))
    reader.resolve("main")
    _write(git, repo, 40)
    maintain(porcelain, discover(repo))
    for oid in reader.walk(reader.resolve("main")):
        assert all(reader.blob(entry.oid) for _, entry in reader.files(oid))


def test_commit_graph_is_written(repo: Path, git: Git, porcelain: Porcelain) -> None:
    """Git finds its way through history by a commit graph, and fsck accepts it."""
    _write(git, repo, 5)
    maintain(porcelain, discover(repo))
    assert (repo / ".git/objects/info/commit-graphs/commit-graph-chain").exists()
    git(repo, "commit-graph", "verify")


def test_damaged_source_is_kept(repo: Path, git: Git, porcelain: Porcelain) -> None:
    """Where git cannot read a source, nothing is removed."""
    _write(git, repo, 40)
    victim = _packs(repo)[0]
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 0xFF
    victim.unlink()
    victim.write_bytes(content)
    before = _packs(repo)
    with pytest.raises(Unavailable, match="pack-objects"):
        maintain(porcelain, discover(repo))
    assert set(before) <= set(_packs(repo))


def test_only_one_at_a_time(repo: Path, porcelain: Porcelain) -> None:
    """Who comes second is told, and does not wait."""
    found = discover(repo)
    found.home.mkdir()
    with flock.exclusive(found.home / "maintenance.lock", what="maintenance"), pytest.raises(Locked):
        maintain(porcelain, found)
