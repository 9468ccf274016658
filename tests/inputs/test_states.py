"""Repositories in unusual states: unborn, detached, bare, amid something, cut down, or checked out twice."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness import flock
from tests.conftest import Ran, run_git
from tests.inputs.conftest import Desk, check_error

RUNBOOK = "runbooks/release.md"


def test_an_unborn_branch_has_no_artifacts_and_can_be_adopted(tmp_path: Path) -> None:
    """I01: every command says so; `init` makes the root commit and leaves what a person has staged."""
    run_git(tmp_path, "init", "-q", "-b", "main", "empty")
    desk = Desk(tmp_path / "empty")
    (desk.folder / "mine.txt").write_text("mine\n")
    desk.git("add", "mine.txt")
    for argv in (["write", "a.md"], ["read", "a.md"], ["append", "a.md"]):
        assert "init" in desk.refused("not-found", *argv)["fix"]
    desk.refused("not-found", "log", agent=None)
    assert desk.run("init").code == 0
    assert desk.git("status", "--porcelain") == "A  mine.txt"
    assert desk.git("rev-list", "--count", "HEAD") == "1"


def test_a_detached_head_is_left_where_it_is(desk: Desk) -> None:
    """I02: writes go to the governed branch, and nothing of the worktree moves."""
    desk.git("switch", "--quiet", "--detach")
    at = desk.git("rev-parse", "HEAD")
    assert desk.good("write", "new.md", stdin="new\n")["worktree"] == "none"
    assert desk.git("rev-parse", "HEAD") == at != desk.head()
    assert not (desk.folder / "new.md").exists()
    desk.sound()


def test_a_bare_repository_is_written_without_a_worktree(desk: Desk, tmp_path: Path) -> None:
    """I03: a bare clone has all but files; `init` says where people work."""
    run_git(tmp_path, "clone", "--quiet", "--bare", desk.folder, "bare.git")
    bare = desk.at(tmp_path / "bare.git")
    assert bare.good("write", "new.md", stdin="new\n")["worktree"] == "none"
    assert bare.good("read", "new.md")["content"] == "new\n"
    assert bare.git("log", "-1", "--format=%an") == "deployer"
    assert "clone" in bare.refused("unavailable", "init", agent=None)["fix"]


Begin = Callable[[Desk], None]
CONFLICT = "build\ntest\nship by hand\n"


def _side(desk: Desk) -> None:
    """A branch `side` that changes the runbook's last line, and main that changes it otherwise."""
    desk.git("switch", "--quiet", "-c", "side")
    (desk.folder / RUNBOOK).write_text("build\ntest\nship tomorrow\n")
    desk.git("commit", "--quiet", "-am", "side")
    desk.git("switch", "--quiet", "main")
    (desk.folder / RUNBOOK).write_text("build\ntest\nship today\n")
    desk.git("commit", "--quiet", "-am", "main")


def _resolve(desk: Desk, *go_on: str) -> None:
    (desk.folder / RUNBOOK).write_text(CONFLICT)
    desk.git("add", RUNBOOK)
    desk.git("-c", "core.editor=true", *go_on)


@pytest.mark.parametrize(("begin", "go_on"), [
    (("merge", "side"), ("commit", "--quiet", "--no-edit")),
    (("cherry-pick", "side"), ("cherry-pick", "--continue")),
    (("revert", "HEAD~1"), ("revert", "--continue")),
])  # fmt: skip
def test_a_merge_or_pick_in_progress_goes_on_beside_a_write(desk: Desk, begin: tuple[str, ...],
                                                             go_on: tuple[str, ...]) -> None:
    """I06: the path in conflict is dirty, others are written, and the person's commit holds both."""
    _side(desk)
    if begin[0] == "revert":
        (desk.folder / RUNBOOK).write_text("build\ntest\nship at once\n")
        desk.git("commit", "--quiet", "-am", "again")
    desk.git(*begin, ok=False)
    assert desk.git("ls-files", "--unmerged")
    desk.run("read", RUNBOOK, "--agent", "deployer")
    desk.refused("dirty", "write", RUNBOOK, stdin="agent\n")
    desk.good("write", "new.md", stdin="new\n")
    assert desk.git("ls-files", "--unmerged")
    _resolve(desk, *go_on)
    assert (desk.folder / "new.md").read_text() == desk.git("show", "HEAD:new.md") + "\n" == "new\n"
    assert desk.git("show", f"HEAD:{RUNBOOK}") + "\n" == CONFLICT
    desk.sound()


@pytest.mark.parametrize("abort", [("merge", "--abort"), ("cherry-pick", "--abort"), ("reset", "--quiet", "--hard")])
def test_giving_up_a_merge_keeps_what_was_written_meanwhile(desk: Desk, abort: tuple[str, ...]) -> None:
    """I06: `--abort` takes back the person's own change only."""
    _side(desk)
    desk.git("cherry-pick" if "cherry-pick" in abort else "merge", "side", ok=False)
    done = desk.good("write", "new.md", stdin="new\n")
    desk.git(*abort, ok=False)
    assert desk.head() == done["commit"]
    assert (desk.folder / "new.md").read_text() == "new\n"
    desk.sound()


@pytest.mark.parametrize("end", ["--continue", "--abort", "--quit"])
@pytest.mark.parametrize("backend", ["--merge", "--apply"])
def test_a_rebase_of_the_governed_branch_is_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch, backend: str,
                                                       end: str) -> None:
    """I05: what landed meanwhile would be gone after `rebase --abort`, so nothing lands; afterwards all goes on."""
    monkeypatch.setattr(flock, "WAIT", 0.1)
    _side(desk)
    desk.git("rebase", backend, "side", ok=False)
    assert "rebase" in desk.refused("locked", "write", "new.md", stdin="new\n")["fix"]
    desk.good("read", RUNBOOK)
    (desk.folder / RUNBOOK).write_text(CONFLICT)
    desk.git("add", RUNBOOK)
    desk.git("-c", "core.editor=true", "rebase", end)
    assert desk.good("write", "new.md", stdin="new\n")["commit"] == desk.head()
    desk.git("fsck", "--strict")


def test_a_short_rebase_costs_a_wait_only(desk: Desk) -> None:
    """I05: one that ends within seconds, as in `git pull --rebase`, refuses nothing."""
    state = desk.folder / ".git/rebase-merge"
    state.mkdir()
    (state / "head-name").write_text("refs/heads/main\n")
    ending = threading.Timer(0.3, lambda: shutil.rmtree(state))
    ending.start()
    desk.good("write", "new.md", stdin="new\n")
    ending.join()


def test_a_rebase_of_another_branch_stops_nobody(desk: Desk, tmp_path: Path) -> None:
    """I05: in the same worktree or in another one; one of the governed branch counts wherever it goes on."""
    _side(desk)
    desk.git("worktree", "add", "-q", tmp_path / "side", "side")
    run_git(tmp_path / "side", "rebase", "main", ok=False)
    assert desk.good("write", "new.md", stdin="new\n")["worktree"] == "updated"
    run_git(tmp_path / "side", "rebase", "--abort")
    desk.sound()


def test_a_bisect_goes_on_beside_writes(desk: Desk) -> None:
    """I07: the bisected commit stays checked out; the reset brings the branch with the write."""
    desk.git("bisect", "start", "HEAD", "HEAD~2")
    at = desk.git("rev-parse", "HEAD")
    done = desk.good("write", "new.md", stdin="new\n")
    assert (desk.git("rev-parse", "HEAD"), done["worktree"]) == (at, "none")
    desk.git("bisect", "reset")
    assert (desk.folder / "new.md").read_text() == "new\n"
    desk.sound()


def test_a_shallow_clone_reads_but_is_not_set_up(clone_of: Callable[..., Desk]) -> None:
    """I08: `init` and every decision want the history: once there was a policy, it denies; people read."""
    clone = clone_of("--depth=1", set_up=False)
    assert clone.refused("unavailable", "init", agent=None)["fix"] == "git fetch --unshallow"
    assert "git fetch --unshallow" in clone.refused("denied", "write", "new.md", stdin="new\n")["message"]
    assert len(clone.run("log", "--json").json["items"]) == 1
    clone.refused("not-found", "read", RUNBOOK, "--at", "HEAD~3", agent=None)
    clone.sound()


def test_a_partial_clone_without_its_promisor_names_the_fetch(clone_of: Callable[..., Desk], desk: Desk,
                                                              tmp_path: Path) -> None:
    """I09: what was left out is unavailable at once, never fetched from anywhere; all else goes on."""
    desk.git("config", "uploadpack.allowFilter", "true")
    clone = clone_of("--filter=blob:none", "--no-checkout", set_up=False)
    desk.folder.rename(tmp_path / "gone")
    assert "git fetch" in clone.refused("unavailable", "read", RUNBOOK, git=False)["fix"]


def test_a_partial_clone_with_its_files_goes_on_without_its_promisor(clone_of: Callable[..., Desk], desk: Desk,
                                                                    tmp_path: Path) -> None:
    """I09: history is not here, but head is."""
    (desk.folder / "old.md").write_text("old\n")
    desk.git("add", "old.md")
    desk.git("commit", "-qm", "old")
    blob = desk.git("rev-parse", "HEAD:old.md")
    desk.git("rm", "-q", "old.md")
    desk.git("commit", "-qm", "gone")
    desk.git("config", "uploadpack.allowFilter", "true")
    desk.git("config", "uploadpack.allowAnySHA1InWant", "true")
    clone = clone_of("--filter=blob:none")
    desk.folder.rename(tmp_path / "gone")
    clone.good("append", RUNBOOK, stdin="more\n")
    clone.good("write", "new.md", stdin="new\n")
    assert blob in clone.refused("unavailable", "read", "old.md", "--at", "HEAD~3", git=False)["message"]
    assert clone.git("status", "--porcelain") == ""


def test_a_sparse_checkout_stays_sparse(desk: Desk) -> None:
    """I10: a file outside of it is committed and not made; the index knows."""
    desk.good("write", "docs/a.md", stdin="a\n")
    desk.git("sparse-checkout", "set", "runbooks")
    assert not (desk.folder / "docs").exists()
    desk.good("append", "docs/a.md", stdin="more\n")
    desk.good("write", "docs/deep/b.md", stdin="b\n")
    desk.good("write", "runbooks/c.md", stdin="c\n")
    assert not (desk.folder / "docs").exists() and (desk.folder / "runbooks/c.md").exists()
    assert desk.git("show", "HEAD:docs/a.md") == "a\nmore"
    desk.sound()


@pytest.mark.parametrize(("made", "ended"), [
    (("sparse-checkout", "set", "--cone", "--sparse-index", "runbooks"), ("sparse-checkout", "disable")),
    (("update-index", "--split-index"), ("update-index", "--no-split-index")),
])  # fmt: skip
def test_an_index_form_that_is_not_served_is_named(desk: Desk, made: tuple[str, ...], ended: tuple[str, ...]) -> None:
    """I10: a sparse or split index is refused with the command that ends it, before anything moved."""
    desk.good("write", "docs/a.md", stdin="a\n")
    desk.git(*made)
    assert "git" in desk.refused("unavailable", "write", "new.md", stdin="new\n")["fix"]
    desk.git(*ended)
    desk.good("write", "new.md", stdin="new\n")
    desk.sound()


def test_a_renamed_branch_is_named_with_the_way_back(desk: Desk) -> None:
    """The governed branch under another name: nothing is written anywhere, and the fix leads back."""
    desk.git("branch", "-m", "main", "trunk")
    error = desk.refused("not-found", "write", "new.md", stdin="new\n")
    assert "refs/heads/main" in error["message"]
    desk.refused("not-found", "agent", "add", "other", agent=None)
    desk.refused("not-found", "log", agent=None)
    desk.git("branch", "-m", "trunk", "main")
    desk.good("write", "new.md", stdin="new\n")


def test_a_deleted_branch_is_not_begun_anew(desk: Desk) -> None:
    """Without its branch a write has no state to be judged by; the branch made again, all goes on."""
    last = desk.head()
    desk.git("switch", "--quiet", "--detach")
    desk.git("branch", "-qD", "main")
    desk.refused("not-found", "write", "new.md", stdin="new\n")
    desk.refused("not-found", "agent", "add", "other", agent=None)
    desk.git("branch", "main", last)
    desk.good("write", "new.md", stdin="new\n")


def test_a_branch_that_a_person_set_back_keeps_what_is_staged(desk: Desk) -> None:
    """`reset --soft` leaves an agent's change staged: no recovery takes it for files that a crash left behind."""
    desk.good("write", "new.md", stdin="new\n")
    desk.git("reset", "--soft", "HEAD~1")
    (desk.folder / ".git/githarness/boot").unlink(missing_ok=True)  # as after a start of the machine
    desk.good("append", RUNBOOK, stdin="x\n")
    assert desk.git("status", "--porcelain") == "A  new.md"
    assert (desk.folder / "new.md").read_text() == "new\n"


def test_two_worktrees_share_the_ledger(desk: Desk, tmp_path: Path) -> None:
    """A linked worktree of another branch is not touched; commands in it write to the governed branch."""
    desk.git("worktree", "add", "-q", "-b", "side", tmp_path / "side")
    side = desk.at(tmp_path / "side")
    done = side.good("write", "new.md", stdin="new\n")
    assert done["worktree"] == "updated" and (desk.folder / "new.md").exists()
    assert not (side.folder / "new.md").exists()
    side.sound()
    desk.sound()


def test_a_branch_checked_out_twice_by_force_reverts_nothing(desk: Desk, tmp_path: Path) -> None:
    """Both worktrees follow, so that a person's `commit -a` in either takes no agent's write back."""
    desk.git("worktree", "add", "-q", "--force", tmp_path / "second", "main")
    second = desk.at(tmp_path / "second")
    desk.good("write", "new.md", stdin="new\n")
    desk.good("append", RUNBOOK, stdin="verify\n")
    for one in (desk, second):
        assert (one.folder / "new.md").read_text() == "new\n"
        one.sound()


def test_inside_a_hook_of_git_the_index_is_somebody_elses(desk: Desk) -> None:
    """A pre-commit hook that writes finds git's index.lock: `locked`, and the person's commit goes on."""
    hook = desk.folder / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\necho hi | '{sys.executable}' -m githarness append log.txt --agent deployer --json "
                    ">said\nexit 0\n")
    hook.chmod(0o755)
    (desk.folder / RUNBOOK).write_text("build\n")
    done = subprocess.run(["git", "commit", "-qam", "mine"], cwd=desk.folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert check_error(Ran(12, (desk.folder / "said").read_text(), ""), "locked", as_json=True)
    assert desk.git("log", "-1", "--format=%s") == "mine"
