"""Where a repository is and what state it is in."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness.errors import Integrity, NotFound, Unavailable
from githarness.git import repo as repository
from githarness.git.repo import checkouts, discover

Git = Callable[..., str]


def test_worktree_is_found_from_below(repo: Path) -> None:
    """From a folder inside, the paths are those of git's `rev-parse`."""
    found = discover(repo / "docs")
    assert (found.start, found.worktree) == (repo / "docs", repo)
    assert found.git_dir == found.common_dir == repo / ".git"
    assert found.home == repo / ".git" / "githarness"


def test_linked_worktree_shares_the_common_directory(repo: Path, git: Git) -> None:
    """A linked worktree has a git directory of its own and the home of the main one."""
    git(repo, "worktree", "add", "-q", "../linked")
    found = discover(repo.parent / "linked" / "docs")
    assert found.worktree == repo.parent / "linked"
    assert found.git_dir == repo / ".git" / "worktrees" / "linked"
    assert found.home == repo / ".git" / "githarness"


def test_bare_repository_has_no_worktree(make_repo: Callable[..., Path]) -> None:
    """Started in a bare repository, or in a folder of it."""
    bare = make_repo(bare=True)
    assert discover(bare).worktree is None
    assert discover(bare / "refs" / "heads").git_dir == bare


def test_inside_of_git_directory_has_its_worktree(repo: Path, git: Git) -> None:
    """Started in `.git`, or in a linked worktree's own git directory, the worktree is known all the same."""
    git(repo, "worktree", "add", "-q", "../linked")
    assert discover(repo / ".git" / "refs").worktree == repo
    assert discover(repo / ".git" / "worktrees" / "linked").worktree == repo.parent / "linked"


def test_separate_git_directory(tmp_path: Path, git: Git) -> None:
    """A `.git` file leads to where the repository is, by a relative path too."""
    git(tmp_path, "init", "-q", "--separate-git-dir", "store", "work")
    (tmp_path / "work" / ".git").write_text("gitdir: ../store\n")
    found = discover(tmp_path / "work")
    assert found.git_dir == tmp_path / "store"
    assert [one.root for one in checkouts(found, "refs/heads/main")] == [tmp_path / "work"]
    assert checkouts(discover(tmp_path / "store"), "refs/heads/main") == ()


def test_submodule_is_a_repository_of_its_own(make_repo: Callable[..., Path], git: Git) -> None:
    """Inside a submodule the submodule is found, with the worktree that its configuration names."""
    inner, outer = make_repo(name="inner"), make_repo(name="outer")
    git(outer, "submodule", "--quiet", "add", inner, "sub")
    found = discover(outer / "sub")
    assert found.worktree == outer / "sub"
    assert found.git_dir == outer / ".git" / "modules" / "sub"


def test_hostile_submodule_path_leads_nowhere_else(repo: Path) -> None:
    """`.gitmodules` with `..` and a carriage return in a path (CVE-2025-48384) changes nothing that is found."""
    (repo / ".gitmodules").write_text('[submodule "x/../../y"]\n\tpath = "sub\r"\n\turl = ../../evil\n')
    assert discover(repo / "docs").worktree == repo


def test_nothing_is_not_found(tmp_path: Path) -> None:
    """Outside of any repository: NotFound with a fix."""
    with pytest.raises(NotFound) as caught:
        discover(tmp_path)
    assert caught.value.fix


def test_git_file_without_its_directory_is_not_found(tmp_path: Path) -> None:
    """A worktree whose repository has gone is named, and the search does not go on above."""
    (tmp_path / ".git").write_text("gitdir: /nowhere/at/all\n")
    with pytest.raises(NotFound, match="is not there"):
        discover(tmp_path)


@pytest.mark.parametrize("content", [b"", b"gitdir:", b"\xff\xfe\n", b"gitdir: .\n", b"gitdir: a\0b\n", b"x" * 100_000])
def test_odd_git_file_has_a_named_error(tmp_path: Path, content: bytes) -> None:
    """Whatever a `.git` file says."""
    (tmp_path / ".git").write_bytes(content)
    with pytest.raises(NotFound):
        discover(tmp_path)


def test_git_as_pipe_is_passed_over(tmp_path: Path) -> None:
    """A FIFO named `.git` is not waited for."""
    os.mkfifo(tmp_path / ".git")
    with pytest.raises(NotFound):
        discover(tmp_path)


def test_bare_repository_planted_in_a_tree_is_refused_from_below(repo: Path, make_repo: Callable[..., Path]) -> None:
    """A folder of the tree that passes for a bare repository does not take over what is started below it."""
    planted = make_repo(name="repo/docs/planted.git", bare=True)
    with pytest.raises(Unavailable, match="planted") as caught:
        discover(planted / "objects")
    assert str(repo) in caught.value.fix
    assert discover(planted).git_dir == planted


@pytest.mark.parametrize(("extension", "value", "said"), [
    ("objectFormat", "sha256", "SHA-256"), ("refStorage", "reftable", "reftable"),
    ("fromTheFuture", "1", "fromthefuture"),
])
def test_format_that_is_not_served_is_named(repo: Path, git: Git, extension: str, value: str, said: str) -> None:
    """SHA-256, reftable and unknown extensions are Unavailable with a fix."""
    with (repo / ".git" / "config").open("a") as file:
        file.write(f"[core]\n\trepositoryformatversion = 1\n[extensions]\n\t{extension} = {value}\n")
    with pytest.raises(Unavailable, match=said) as caught:
        discover(repo)
    assert caught.value.fix


def test_real_sha256_repository_is_refused(tmp_path: Path, git: Git) -> None:
    """As git itself makes it."""
    git(tmp_path, "init", "-q", "--object-format=sha256", "r")
    with pytest.raises(Unavailable, match="SHA-256"):
        discover(tmp_path / "r")


def test_future_format_version_is_named(repo: Path, git: Git) -> None:
    """A repository of a later git is not touched."""
    git(repo, "config", "core.repositoryformatversion", "2")
    with pytest.raises(Unavailable, match="format 2"):
        discover(repo)


def test_broken_configuration_is_integrity(repo: Path) -> None:
    """A configuration that git cannot read is named with its line."""
    (repo / ".git" / "config").write_text("[core\n")
    with pytest.raises(Integrity, match="line 1"):
        discover(repo)


def test_checkouts_are_those_with_the_branch(repo: Path, git: Git) -> None:
    """Main and linked worktrees count by their HEAD; detached, other branches and removed folders do not."""
    git(repo, "worktree", "add", "-q", "--detach", "../detached")
    git(repo, "worktree", "add", "-q", "-b", "side", "../side")
    git(repo, "worktree", "add", "-q", "--force", "../twin", "main")
    found = discover(repo.parent / "side")
    assert [one.root for one in checkouts(found, "refs/heads/main")] == [repo, repo.parent / "twin"]
    assert [one.git_dir.name for one in checkouts(found, "refs/heads/side")] == ["side"]
    git(repo, "worktree", "move", "../side", "../moved")
    assert [one.root for one in checkouts(found, "refs/heads/side")] == [repo.parent / "moved"]
    (repo.parent / "moved" / ".git").unlink()
    assert checkouts(found, "refs/heads/side") == ()


def test_bare_repository_with_a_linked_worktree(make_repo: Callable[..., Path], git: Git) -> None:
    """A bare repository is no checkout; its linked worktrees are."""
    bare = make_repo(bare=True)
    git(bare, "worktree", "add", "-q", "--force", "../work", "main")
    assert [one.root for one in checkouts(discover(bare), "refs/heads/main")] == [bare.parent / "work"]


def test_unborn_branch_is_a_checkout(tmp_path: Path, git: Git) -> None:
    """Before the first commit HEAD names its branch already."""
    git(tmp_path, "init", "-q", "-b", "main", "r")
    assert len(checkouts(discover(tmp_path / "r"), "refs/heads/main")) == 1


def test_detached_head_is_no_checkout(repo: Path, git: Git) -> None:
    """Nobody's branch is checked out."""
    git(repo, "checkout", "-q", "--detach")
    assert repository.head(repo / ".git") is None
    assert checkouts(discover(repo), "refs/heads/main") == ()


@pytest.fixture
def fork(repo: Path, git: Git) -> Path:
    """`main` and `side` changed the same line, so that everything that joins them stops half way."""
    git(repo, "checkout", "-q", "-b", "side")
    (repo / "docs" / "0000.md").write_text("side\n")
    git(repo, "commit", "-qam", "side")
    git(repo, "checkout", "-q", "main")
    (repo / "docs" / "0000.md").write_text("main\n")
    git(repo, "commit", "-qam", "main")
    return repo


@pytest.mark.parametrize(("operation", "commands"), [
    ("rebase", ["rebase side"]), ("rebase", ["rebase --apply side"]), ("merge", ["merge side"]),
    ("cherry-pick", ["cherry-pick side"]), ("revert", ["revert --no-edit HEAD~1"]), ("bisect", ["bisect start"]),
    ("cherry-pick", ["cherry-pick side main~1", "checkout -q -f HEAD", "update-ref -d CHERRY_PICK_HEAD"]),
    ("am", ["am side.patch"]), (None, ["status"]),
])
def test_operation_that_a_person_began_is_named(
    fork: Path, git: Git, operation: str | None, commands: list[str]
) -> None:
    """Every operation that stops half way, as git itself leaves it."""
    (fork / "side.patch").write_text(git(fork, "format-patch", "--stdout", "main..side") + "\n")
    if operation == "revert":
        (fork / "docs" / "0000.md").write_text("again\n")
        git(fork, "commit", "-qam", "again")
    for command in commands:
        git(fork, *command.split(), ok=False)
    assert repository.operation_in_progress(fork / ".git") == operation


def test_shallow_partial_and_sparse_are_seen(repo: Path, git: Git, tmp_path: Path) -> None:
    """Each kind of incomplete clone is known by its files."""
    git(repo, "config", "uploadpack.allowFilter", "true")
    git(repo, "commit", "-q", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repo}", "shallow")
    git(tmp_path, "clone", "-q", "--filter=blob:none", "--sparse", f"file://{repo}", "partial")
    shallow, partial = discover(tmp_path / "shallow"), discover(tmp_path / "partial")
    assert (repository.is_shallow(shallow), repository.is_shallow(partial)) == (True, False)
    assert (repository.is_partial(shallow), repository.is_partial(partial)) == (False, True)
    assert (repository.is_sparse(shallow.git_dir), repository.is_sparse(partial.git_dir)) == (False, True)


def test_alternates_are_followed(repo: Path, git: Git, tmp_path: Path) -> None:
    """Folders that lend objects, in turn, each once, even where they name each other."""
    git(tmp_path, "clone", "-q", "--shared", repo, "one")
    lenders = repo / ".git" / "objects" / "info" / "alternates"
    lenders.write_text(f"# comment\n{tmp_path / 'one/.git/objects'}\n../x\n")
    folders = repository.object_folders(discover(tmp_path / "one"))
    assert folders == (tmp_path / "one/.git/objects", repo / ".git/objects", repo / ".git/x")


def test_discovery_reads_few_files(make_repo: Callable[..., Path]) -> None:
    """Neither refs nor objects are listed: 20,000 of each cost nothing."""
    repo = make_repo()
    packed = "".join(f"{number:040x} refs/heads/b{number}\n" for number in range(20_000))
    (repo / ".git" / "packed-refs").write_text("# pack-refs with: peeled fully-peeled sorted\n" + packed)
    (repo / ".git" / "refs" / "heads" / "main").unlink()
    assert discover(repo).git_dir == repo / ".git"
    assert repository.head(repo / ".git") == "refs/heads/main"


def test_links_lead_to_one_spelling(repo: Path, tmp_path: Path) -> None:
    """Whoever comes by a symbolic link names the same places."""
    (tmp_path / "alias").symlink_to(repo)
    assert discover(tmp_path / "alias" / "docs") == discover(repo / "docs")
