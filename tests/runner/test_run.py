"""A run from its record to its end: what happens to the worktree, and to what is in it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from githarness import settings, wiring
from githarness.errors import Locked, NotFound, Unavailable
from githarness.runner import again, cancel, process, run, settle
from githarness.runner.run import Order, Outcome
from githarness.runner.settle import Stage
from githarness.store import runs as rows
from githarness.wiring import Harness
from githarness.work import held, runs
from githarness.work.runs import Cause

Git = Callable[..., str]
RUNBOOK = "runbooks/release.md"


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 0.5)


@pytest.fixture
def harness(fleet: Path) -> Iterator[Harness]:
    opened = wiring.open(fleet, settings.load())
    yield opened
    opened.close()


@pytest.fixture
def stage(harness: Harness) -> Stage:
    return Stage(harness.parts, harness.settings, harness.local)


@pytest.fixture
def do(stage: Stage, harness: Harness) -> Callable[..., Outcome]:
    """`do("echo x > a.md", timeout=1)`: a run of deployer."""

    def call(script: str, agent: str = "deployer", **more: object) -> Outcome:
        return run.attempt(stage, Order(agent, ["sh", "-c", script], **more), harness.head(), [])  # type: ignore[arg-type]

    return call


def trees(stage: Stage) -> list[str]:
    folder = stage.settings.data_dir / "worktrees"
    return sorted(os.listdir(folder)) if folder.exists() else []


def forget_runner(harness: Harness, name: str) -> None:
    """This very process was the runner of it, and lives."""
    with harness.db.write() as conn:
        conn.execute("UPDATE runs SET pid_start = 1 WHERE id = ?", (name,))


def test_a_run_leaves_its_commit_and_nothing_else(do: Callable[..., Outcome], stage: Stage, git: Git,
                                                  fleet: Path) -> None:
    """Worktree, token and processes are gone; the record says how it ended."""
    done = do("echo x > a.md; sleep 60 &")
    row = done.settled.run
    assert (row.status, row.note, row.tier) == ("ok", "exit 0", "T1") and row.finished and row.pid == os.getpid()
    assert git(fleet, "log", "-1", "--format=%an %s") == "deployer run sh"
    assert trees(stage) == [] and git(fleet, "worktree", "list", "--porcelain").count("worktree ") == 1
    assert not (stage.parts.repo.home / "runs" / row.id).exists()
    assert process.of_run(f"GITHARNESS_RUN={row.id}", Path("/nowhere")) == []


def test_the_command_finds_its_environment(do: Callable[..., Outcome], harness: Harness, git: Git,
                                           fleet: Path) -> None:
    """Agent, run and token file; a detached worktree at head, where `.git` guards do not look."""
    start = harness.head()
    done = do('printf "%s\\n" "$GITHARNESS_AGENT" "$GITHARNESS_RUN" "$(stat -c %a "$GITHARNESS_TOKEN_FILE")" '
              '"$(tr "\\0" "\\n" < /proc/$$/environ | sed -n s/^PWD=//p)" '
              '"$(pwd)" "$(git rev-parse HEAD)" "$(git symbolic-ref -q HEAD)" > env.txt')
    agent, name, mode, pwd, here, head, branch = git(fleet, "show", "HEAD:env.txt").split("\n")
    assert (agent, name, mode, pwd, head, branch) == ("deployer", done.settled.run.id, "600", here, start, "")
    assert "/.git/" not in here and here.endswith(done.settled.run.id)


@pytest.mark.parametrize(("script", "status", "code"), [
    ("exit 7", "failed", 7), ("sleep 60", "timeout", 143), ("kill -INT $$", "cancelled", 130)])
def test_how_it_ended_is_recorded(do: Callable[..., Outcome], git: Git, fleet: Path, script: str, status: str,
                                  code: int) -> None:
    """And what it had changed until then is captured."""
    done = do(f"echo x > a.md; {script}", timeout=1.5 if status == "timeout" else 30)
    assert (done.settled.run.status, done.ended.code) == (status, code)
    assert done.settled.captured.written and git(fleet, "show", "HEAD:a.md") == "x"


def test_a_command_that_is_not_there_leaves_no_worktree(stage: Stage, harness: Harness) -> None:
    """The record says so."""
    with pytest.raises(NotFound, match="no command"):
        run.attempt(stage, Order("deployer", ["nonesuch-xyz"]), harness.head(), [])
    with harness.db.read() as conn:
        row = rows.list(conn)[0]
    assert (row.status, row.note) == ("failed", "did not start: there is no command 'nonesuch-xyz'")
    assert trees(stage) == []


def test_who_may_not_start_gets_no_worktree(stage: Stage, harness: Harness) -> None:
    """An agent or parent that is not there, an ended parent."""
    for order in (Order("nobody", ["true"]), Order("scribe", ["true"], cause=Cause("r-nope"))):
        with pytest.raises(NotFound):
            run.attempt(stage, order, harness.head(), [])
    assert trees(stage) == []


def test_commits_of_the_agents_own_are_kept(do: Callable[..., Outcome], git: Git, fleet: Path) -> None:
    """Under a ref of the run where only the worktree names them; on a branch they have one; head's need none."""
    commit = "git config user.email a@b && git config user.name a && echo x > {0} && git add . && git commit -qm {0}"
    kept = do(commit.format("a.md")).settled.run.id
    branch = do(f"git checkout -q -b topic; {commit.format('b.md')}").settled.run.id
    none = do("git checkout -q --detach main~1").settled.run.id
    later = do(f"git -C {fleet} commit -q --allow-empty -m human; git checkout -q --detach main").settled.run.id
    refs = git(fleet, "for-each-ref", "--format=%(refname)").split()
    assert f"refs/githarness/runs/{kept}" in refs and "refs/heads/topic" in refs
    assert not any(one.endswith((branch, none, later)) for one in refs)
    git(fleet, "gc", "-q", "--prune=now")
    assert git(fleet, "log", "-1", "--format=%s", f"refs/githarness/runs/{kept}") == "a.md"


REMOTE = ("git init -q --bare up.git && git clone -q up.git sub 2>/dev/null && cd sub && git config user.email a@b && "
          "git config user.name a && git commit -q --allow-empty -m x && git push -q origin HEAD && cd .. && "
          "rm -rf up.git")


@pytest.mark.parametrize(("script", "stays"), [
    (REMOTE, False),
    (f"{REMOTE} && cd sub && git commit -q --allow-empty -m mine", True),
    (f"{REMOTE} && cd sub && git commit -q --allow-empty -m mine && git checkout -q --detach HEAD~1", True),
    (f"{REMOTE} && echo x > sub/new", True),
    (f"{REMOTE} && cd sub && echo x > new && git add new && git stash -q", True),
    ("git init -q sub", True),
    ("git init -q sub && echo junk > sub/.git/config", True),
])
def test_a_repository_inside_stays_where_it_has_work_of_its_own(do: Callable[..., Outcome], stage: Stage, script: str,
                                                                stays: bool) -> None:
    """What a remote has shown can be had again."""
    done = do(script)
    assert done.ended.code == 0 and bool(done.settled.worktree) == stays == bool(trees(stage))
    assert ("'sub' is a repository with work of its own" in done.settled.run.note) == stays


def test_a_submodule_with_new_commits_stays(do: Callable[..., Outcome], stage: Stage, git: Git, fleet: Path,
                                            tmp_path: Path) -> None:
    """Clean it goes with its worktree; the pointer to a new commit is held, and the worktree stays."""
    git(tmp_path, "init", "-q", "lib")
    git(tmp_path / "lib", "commit", "-q", "--allow-empty", "-m", "x")
    git(fleet, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tmp_path / "lib"), "lib")
    git(fleet, "commit", "-qm", "lib")
    update = "git submodule --quiet update --init"
    assert do(update).settled.worktree is None
    done = do(f"{update} && cd lib && git -c user.email=a@b -c user.name=a commit -q --allow-empty -m mine")
    assert [(one.path, one.why) for one in done.settled.captured.held] == [("lib", "bad-path")]
    assert done.settled.worktree and done.settled.worktree.is_dir()


def test_a_rebase_half_done_stays(do: Callable[..., Outcome]) -> None:
    """What it has not picked yet is only there."""
    done = do("git config user.email a@b; git config user.name a; for n in 1 2; do echo $n > runbooks/release.md; "
              "git commit -qam $n; done; GIT_SEQUENCE_EDITOR='sed -i s/^pick/edit/' git rebase -q -i HEAD~2; true")
    assert done.settled.worktree and "a rebase is in progress" in done.settled.run.note


def test_ignored_files_go_with_the_worktree(do: Callable[..., Outcome], stage: Stage, fleet: Path) -> None:
    """As with `git worktree remove`; also where folders of them are read-only."""
    (fleet / ".git/info/exclude").write_text("cache/\n")
    done = do("mkdir -p cache/deep; touch cache/deep/x; chmod 555 cache/deep cache")
    assert done.settled.worktree is None and trees(stage) == []


def test_changes_that_do_not_fit_are_held_and_the_worktree_goes(do: Callable[..., Outcome], stage: Stage,
                                                                harness: Harness) -> None:
    """Its note counts them."""
    done = do("echo x > .gitignore; ln -s x link; echo x > a.md")
    assert done.settled.run.note == "exit 0, 2 held" and trees(stage) == []
    assert {one.why for one in held.listed(harness.parts)} == {"denied", "bad-path"}


def test_a_worktree_that_the_agent_removed(do: Callable[..., Outcome], git: Git, fleet: Path) -> None:
    """Deletes nothing in the repository; its own commits are kept even then."""
    done = do("git config user.email a@b; git config user.name a; git commit -q --allow-empty -m mine; "
              'cd /; rm -rf "$OLDPWD"')
    assert done.settled.run.note == "exit 0, the worktree was gone" and git(fleet, "show", f"HEAD:{RUNBOOK}")
    assert git(fleet, "log", "-1", "--format=%s", f"refs/githarness/runs/{done.settled.run.id}") == "mine"
    assert git(fleet, "worktree", "list", "--porcelain").count("worktree ") == 1


def test_a_worktree_emptied_with_its_git_file_deletes_nothing(do: Callable[..., Outcome], git: Git, fleet: Path,
                                                              stage: Stage, harness: Harness) -> None:
    """It may be a file system that went away: the run stays open, and is captured once `.git` is back."""
    with pytest.raises(NotFound, match=r"lost its '\.git'") as caught:
        do("echo x > a.md; rm .git")
    (left,) = trees(stage)
    assert "echo 'gitdir: " in caught.value.fix and git(fleet, "show", f"HEAD:{RUNBOOK}")
    subprocess.run(["sh", "-c", caught.value.fix.partition(": ")[2].partition(";")[0]], check=True)
    forget_runner(harness, left)
    assert cancel.cancel(stage, left).run.status == "cancelled"
    assert git(fleet, "show", "HEAD:a.md") == "x" and trees(stage) == []


def test_a_capture_that_fails_can_be_had_later(do: Callable[..., Outcome], stage: Stage, harness: Harness, git: Git,
                                               fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run stays open with its worktree, and the error says what to do."""
    def locked(*_: object) -> object:
        raise Locked("somebody holds it", fix="wait")

    with monkeypatch.context() as patch, pytest.raises(Locked) as caught:
        patch.setattr(settle, "capture", locked)
        do("echo x > a.md")
    (left,) = trees(stage)
    assert f"githarness runs cancel {left}" in caught.value.fix
    with harness.db.read() as conn:
        row = rows.get(conn, left)
    assert row and row.status == "open"
    forget_runner(harness, left)
    assert cancel.cancel(stage, left).run.note == "the runner was gone"
    assert git(fleet, "show", "HEAD:a.md") == "x" and trees(stage) == []


def test_a_worktree_that_was_never_whole_captures_nothing(stage: Stage, harness: Harness, git: Git,
                                                          fleet: Path) -> None:
    """Killed while git made it, its missing files are not taken for deletions."""
    row = runs.start(stage.parts, "deployer", head=harness.head(), runner=runs.Runner(1 << 22, ["true"]))
    tree = settle.tree_of(stage, row)
    tree.parent.mkdir(parents=True)
    harness.git.worktree_add(tree, harness.head())
    (tree / RUNBOOK).unlink()
    done = cancel.cancel(stage, row.id)
    assert done.captured.written is None and git(fleet, "show", f"HEAD:{RUNBOOK}")
    assert not tree.exists() and done.run.status == "cancelled"


def test_no_worktree_no_run(stage: Stage, harness: Harness) -> None:
    """What is in its way is named, and the record has failed."""
    (harness.settings.data_dir / "worktrees").write_text("in the way\n")
    with pytest.raises(Unavailable, match="cannot be made"):
        run.attempt(stage, Order("deployer", ["true"]), harness.head(), [])
    with harness.db.read() as conn:
        assert [row.status for row in rows.list(conn)] == ["failed"]


def test_a_signal_between_two_attempts_ends_them(stage: Stage, harness: Harness) -> None:
    """With its own exit, and no other attempt."""
    said: list[str] = []

    def told(text: str) -> None:
        said.append(text)
        os.kill(os.getpid(), signal.SIGHUP)

    done = again.run(stage, Order("deployer", ["false"]), harness.head, again.Limits(5, 3600.0, told))
    assert done.ended.code == 129 and len(said) == 1
