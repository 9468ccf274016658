"""What an agent left in a worktree becomes its commits; what does not fit is held; nothing is lost either way."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness import settings, wiring
from githarness.errors import BadPath, Denied, NotFound, Unavailable, Usage
from githarness.store import bases
from githarness.wiring import Harness
from githarness.work import capture as capturing
from githarness.work import held, runs
from githarness.work.capture import Captured
from tests.work.worker import Worker

Git = Callable[..., str]
Other = Callable[..., None]
RUNBOOK = "runbooks/release.md"
LINES = [f"line {number}\n" for number in range(20)]


def with_line(number: int, text: str) -> str:
    return "".join([*LINES[:number], text + "\n", *LINES[number + 1:]])


def held_paths(done: Captured) -> dict[str, str]:
    return {one.path: one.why for one in done.held}


def head_has(git: Git, fleet: Path, path: str) -> str | None:
    listed = git(fleet, "ls-tree", "-r", "-z", "--name-only", "HEAD").split("\0")
    return git(fleet, "cat-file", "blob", f"HEAD:{path}") if path in listed else None


def commits(git: Git, fleet: Path) -> int:
    return int(git(fleet, "rev-list", "--count", "HEAD"))


def test_every_kind_of_change_is_one_signed_commit(worker: Worker, git: Git, fleet: Path) -> None:
    """New, binary, empty and executable files, a deletion and a rename; then nothing is left to capture."""
    worker.write("docs/new file.md", "x\n")
    worker.write("bin/data", b"a\0b")
    worker.write("empty", b"")
    worker.write("bin/tool", "#!/bin/sh\n").chmod(0o755)
    (worker.tree / RUNBOOK).rename(worker.tree / "runbooks/ship.md")
    done = worker.capture(message="tidy up")
    assert git(fleet, "log", "-1", "--format=%an %G? %s") == "deployer G tidy up"
    assert "Tier: T1" in git(fleet, "log", "-1", "--format=%B")
    modes = {line.split("\t")[1]: line.split()[0] for line in git(fleet, "ls-tree", "-r", "HEAD").splitlines()}
    assert modes["bin/tool"] == "100755" and modes["docs/new file.md"] == modes["empty"] == "100644"
    assert RUNBOOK not in modes and head_has(git, fleet, "runbooks/ship.md") == "build\ntest\nship"
    assert git(fleet, "cat-file", "-s", "HEAD:bin/data") == "3"
    assert done.held == () and git(fleet, "status", "--porcelain") == ""
    assert git(fleet, "fsck", "--strict", "--no-dangling") == ""
    assert worker.capture() == Captured(None)


def test_a_mode_alone_is_a_change(worker: Worker, git: Git, fleet: Path) -> None:
    """And is not captured twice."""
    (worker.tree / RUNBOOK).chmod(0o755)
    assert worker.capture().written is not None
    assert git(fleet, "ls-tree", "HEAD", RUNBOOK).startswith("100755")
    assert worker.capture() == Captured(None)


def test_the_agents_index_stays_as_it_is(worker: Worker, git: Git) -> None:
    """Staged or not, a change is captured; `git add -f` of an ignored file counts, ignored files do not."""
    (worker.harness.repo.common_dir / "info/exclude").write_text("*.tmp\n")
    worker.write("staged.md", "v1\n")
    git(worker.tree, "add", "staged.md")
    worker.write("staged.md", "v2\n")
    worker.write("junk.tmp", "x\n")
    worker.write("wanted.tmp", "x\n")
    git(worker.tree, "add", "-f", "wanted.tmp")
    before = git(worker.tree, "status", "--porcelain")
    done = worker.capture()
    assert done.written and {one.path for one in done.written.paths} == {"staged.md", "wanted.tmp"}
    assert git(worker.tree, "status", "--porcelain") == before


def test_files_that_git_was_told_to_overlook_are_captured(worker: Worker, git: Git, fleet: Path) -> None:
    """assume-unchanged and skip-worktree hide an edit from git, not from us."""
    for flag in ("--assume-unchanged", "--skip-worktree"):
        git(worker.tree, "update-index", flag, RUNBOOK)
        worker.write(RUNBOOK, f"{flag}\n")
        assert worker.capture().written is not None
        assert head_has(git, fleet, RUNBOOK) == flag


def test_an_edit_of_the_same_size_and_second_is_seen(worker: Worker, git: Git, fleet: Path) -> None:
    """Git compares seconds; it looks at content where the index is not newer than the file, and so must its copy."""
    git(fleet, "config", "core.trustctime", "false")
    file, index = worker.tree / RUNBOOK, worker.git_dir / "index"
    stamp = file.stat().st_mtime_ns
    worker.write(RUNBOOK, "BUILD\ntest\nship\n")
    for one in (file, index):
        os.utime(one, ns=(stamp, stamp))
    time.sleep(1.1 - time.time() % 1)
    worker.capture()
    assert head_has(git, fleet, RUNBOOK) == "BUILD\ntest\nship"


def test_a_later_capture_takes_only_what_came_later(worker: Worker, git: Git, fleet: Path) -> None:
    """Also where a file is as it was in the beginning again."""
    worker.write("a.md", "one\n")
    worker.write(RUNBOOK, "changed\n")
    worker.capture()
    worker.write("a.md", "two\n")
    worker.write(RUNBOOK, "build\ntest\nship\n")
    done = worker.capture()
    assert done.written and {one.path for one in done.written.paths} == {"a.md", RUNBOOK}
    (worker.tree / "a.md").unlink()
    worker.capture()
    assert head_has(git, fleet, "a.md") is None and head_has(git, fleet, RUNBOOK) == "build\ntest\nship"


def test_other_lines_merge_and_the_file_follows(begin: Callable[..., Worker], other: Other, git: Git,
                                                fleet: Path) -> None:
    """The agent sees the merged file, goes on from there, and lands again without a conflict."""
    other("a.md", "".join(LINES))
    worker = begin()
    other("a.md", with_line(2, "theirs"))
    worker.write("a.md", with_line(15, "mine")).chmod(0o640)
    done = worker.capture()
    assert done.written and done.written.paths[0].merged and done.held == ()
    assert worker.read("a.md") == f"{head_has(git, fleet, 'a.md')}\n"
    assert "theirs" in worker.read("a.md") and "mine" in worker.read("a.md")
    assert (worker.tree / "a.md").stat().st_mode & 0o777 == 0o640
    worker.write("a.md", worker.read("a.md").replace("mine", "mine again"))
    assert worker.capture().held == () and "mine again" in (head_has(git, fleet, "a.md") or "")


def test_a_merge_does_not_touch_what_the_agent_wrote_meanwhile(
    begin: Callable[..., Worker], other: Other, git: Git, fleet: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The agent's newer file stays, and its next capture merges what came after the first."""
    other("a.md", "".join(LINES))
    worker = begin()
    other("a.md", with_line(2, "theirs"))
    worker.write("a.md", with_line(15, "mine"))
    follow = capturing._follow_merges

    def write_first(*args: object) -> object:
        worker.write("a.md", with_line(15, "mine") + "and more\n")
        return follow(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(capturing, "_follow_merges", write_first)
        worker.capture()
    assert worker.read("a.md") == with_line(15, "mine") + "and more\n"
    assert worker.capture().held == ()
    merged = head_has(git, fleet, "a.md") or ""
    assert "theirs" in merged and "mine" in merged and merged.endswith("and more")


def test_crlf_files_merge_and_follow_as_git_writes_them(begin: Callable[..., Worker], other: Other, git: Git,
                                                        fleet: Path) -> None:
    """With core.autocrlf the repository has LF and the worktree CRLF, before and after."""
    other("a.md", "".join(LINES))
    git(fleet, "config", "core.autocrlf", "true")
    worker = begin()
    assert (worker.tree / "a.md").read_bytes() == "".join(LINES).replace("\n", "\r\n").encode()
    assert worker.capture() == Captured(None)
    other("a.md", with_line(2, "theirs"))
    worker.write("a.md", with_line(15, "mine").replace("\n", "\r\n"))
    assert worker.capture().held == ()
    assert "\r" not in (head_has(git, fleet, "a.md") or "\r")
    assert b"theirs\r\n" in (worker.tree / "a.md").read_bytes()


def test_the_same_lines_are_held_and_the_rest_lands(begin: Callable[..., Worker], other: Other, git: Git,
                                                    fleet: Path) -> None:
    """One held change per path; capturing again holds nothing again; what came later of the same file is one more."""
    worker = begin()
    other(RUNBOOK, "build\ntheirs\nship\n")
    worker.write(RUNBOOK, "build\nmine\nship\n")
    worker.write("new.md", "x\n")
    done = worker.capture()
    assert held_paths(done) == {RUNBOOK: "conflict"} and head_has(git, fleet, "new.md") == "x"
    assert head_has(git, fleet, RUNBOOK) == "build\ntheirs\nship" and worker.read(RUNBOOK) == "build\nmine\nship\n"
    assert worker.capture() == Captured(None)
    worker.write(RUNBOOK, "build\nmine again\nship\n")
    again = worker.capture()
    assert [one.id for one in held.listed(worker.harness.parts)] == [again.held[0].id]
    assert git(fleet, "cat-file", "blob", f"refs/githarness/held/{again.held[0].id}:{RUNBOOK}") == (
        "build\nmine again\nship")


def test_deletions_meet_changes_and_deletions(begin: Callable[..., Worker], other: Other, git: Git,
                                              fleet: Path) -> None:
    """Deleting what somebody changed is held, as is changing what somebody deleted; deleting twice is done."""
    for name in ("a.md", "b.md", "c.md"):
        other(name, "x\n")
    worker = begin()
    other("a.md", "changed\n")
    other("b.md", None)
    other("c.md", None)
    (worker.tree / "a.md").unlink()
    (worker.tree / "b.md").unlink()
    worker.write("c.md", "changed\n")
    assert held_paths(worker.capture()) == {"a.md": "stale-write", "c.md": "stale-write"}
    assert head_has(git, fleet, "a.md") == "changed" and head_has(git, fleet, "c.md") is None


def test_what_is_gone_for_both_is_done(begin: Callable[..., Worker], other: Other) -> None:
    """With nothing else to capture."""
    other("a.md", "x\n")
    worker = begin()
    other("a.md", None)
    (worker.tree / "a.md").unlink()
    assert worker.capture() == Captured(None) and worker.capture() == Captured(None)


def test_what_the_role_denies_is_held(worker: Worker, git: Git, fleet: Path) -> None:
    """Governance and CI stay as they are, whatever else was changed lands in one commit."""
    before = commits(git, fleet)
    worker.write(".githarness/config.toml", "version = 1\n")
    worker.write(".GitHub/workflows/x.yml", "on: push\n")
    for number in range(40):
        worker.write(f".githarness/agents/evil{number}.yaml", "x\n")
        worker.write(f"docs/{number}.md", "x\n")
    done = worker.capture()
    assert set(held_paths(done).values()) == {"denied"} and len(done.held) == 42
    assert len({one.id for one in done.held}) == 42
    assert commits(git, fleet) == before + 1 and done.written and len(done.written.paths) == 40
    with worker.harness.db.read() as conn:
        assert conn.execute("SELECT count(*) FROM events WHERE kind = 'denial'").fetchone() == (1,)


def test_odd_names_links_and_the_like_are_held(worker: Worker, git: Git, fleet: Path) -> None:
    """Whatever git can store is kept; the diff and the name of each can be had."""
    (worker.tree / "link").symlink_to("/etc/passwd")
    os.symlink("../..", os.fsencode(worker.tree / "runbooks") + b"/up")
    for name in (b"tab\there", b"new\nline", b"not \xff utf8", b"back\\slash", b"dot.", b"e\xcc\x81.md", b"con",
                 b"A" * 255, b"quote'd ", b".githarness-0123456789abcdef"):
        with open(os.fsencode(worker.tree) + b"/" + name, "wb") as file:
            file.write(name)
    worker.write("good.md", "x\n")
    done = worker.capture()
    assert done.written and {one.path for one in done.written.paths} == {"good.md", "A" * 255}
    assert set(held_paths(done).values()) == {"bad-path"} and len(done.held) == 11
    kept = {one.changes[0].path: one for one in held.listed(worker.harness.parts)}
    assert set(kept) == set(held_paths(done)) and kept["link"].changes[0].new.mode == "120000"  # type: ignore[union-attr]
    assert worker.capture() == Captured(None)
    assert git(fleet, "fsck", "--strict", "--no-dangling") == ""


def test_links_are_never_followed(worker: Worker, git: Git, fleet: Path, tmp_path: Path) -> None:
    """A folder that became a link: its files are gone, the link is held, nothing outside is read."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/release.md").write_text("secret\n")
    (worker.tree / RUNBOOK).unlink()
    (worker.tree / "runbooks").rmdir()
    (worker.tree / "runbooks").symlink_to(tmp_path / "outside")
    done = worker.capture()
    assert held_paths(done) == {"runbooks": "bad-path"} and head_has(git, fleet, RUNBOOK) is None


def test_what_goes_through_a_filter_is_held(worker: Worker, git: Git, fleet: Path) -> None:
    """No program of the configuration runs, so what it would make of the file cannot land; a pointer can."""
    git(fleet, "config", "filter.lfs.clean", "touch ran; cat")
    (fleet / ".git/info/attributes").write_text("*.bin filter=lfs\n*.dat filter=nobody\n")
    worker.write("a.bin", "raw\n")
    worker.write("b.bin", "version https://git-lfs.github.com/spec/v1\n")
    worker.write("c.dat", "raw\n")
    assert held_paths(worker.capture()) == {"a.bin": "bad-path"}
    assert head_has(git, fleet, "b.bin") and head_has(git, fleet, "c.dat") and not (worker.tree / "ran").exists()


def test_files_and_folders_take_each_others_place(begin: Callable[..., Worker], other: Other, git: Git,
                                                  fleet: Path) -> None:
    """Also names that differ by letter case alone."""
    other("file", "x\n")
    other("folder/a", "x\n")
    other("readme.md", "x\n")
    worker = begin()
    (worker.tree / "file").unlink()
    worker.write("file/inner", "x\n")
    (worker.tree / "folder/a").unlink()
    (worker.tree / "folder").rmdir()
    worker.write("folder", "x\n")
    (worker.tree / "readme.md").rename(worker.tree / "README.md")
    assert worker.capture().held == ()
    listed = git(fleet, "ls-tree", "-r", "--name-only", "HEAD").split()
    assert {"file/inner", "folder", "README.md"} <= set(listed) and "readme.md" not in listed
    assert git(fleet, "status", "--porcelain") == ""


def test_twins_among_the_new_files_are_told_apart(worker: Worker, git: Git, fleet: Path) -> None:
    """One of them lands, the other is held."""
    worker.write("docs/Note.md", "1\n")
    worker.write("docs/note.md", "2\n")
    worker.write("docs/other.md", "3\n")
    done = worker.capture()
    assert len(done.held) == 1 and set(held_paths(done)) < {"docs/Note.md", "docs/note.md"}
    assert head_has(git, fleet, "docs/other.md") == "3"


def test_a_file_in_the_way_of_a_folder_is_held(begin: Callable[..., Worker], other: Other, git: Git,
                                               fleet: Path) -> None:
    """Somebody else made a file where the agent made a folder."""
    worker = begin()
    other("docs", "a file\n")
    worker.write("docs/a/b.md", "x\n")
    worker.write("good.md", "x\n")
    assert held_paths(worker.capture()) == {"docs/a/b.md": "bad-path"}
    assert head_has(git, fleet, "good.md") == "x"


def test_a_repository_inside_is_neither_captured_nor_in_the_way(worker: Worker, git: Git) -> None:
    """With commits or without; what else there is lands."""
    for name, commit in (("vendor/full", True), ("vendor/empty", False)):
        (worker.tree / name).mkdir(parents=True)
        git(worker.tree / name, "init", "-q")
        (worker.tree / name / "a").write_text("x\n")
        if commit:
            git(worker.tree / name, "add", "a")
            git(worker.tree / name, "commit", "-qm", "x")
    worker.write("good.md", "x\n")
    done = worker.capture()
    assert done.written and [one.path for one in done.written.paths] == ["good.md"] and done.held == ()
    assert done.nested == ("vendor/empty", "vendor/full")


def test_a_pipe_is_no_file(worker: Worker) -> None:
    """Nothing blocks; in the place of a file it stands for its deletion."""
    os.mkfifo(worker.tree / "pipe")
    assert worker.capture() == Captured(None)


def test_a_worktree_that_another_git_has_taken(worker: Worker, git: Git, fleet: Path) -> None:
    """The agent's own repository in the place of `.git` does not make its files another repository's."""
    (worker.tree / ".git").unlink()
    git(worker.tree, "init", "-q")
    worker.write("a.md", "x\n")
    git(worker.tree, "add", ".")
    worker.capture()
    assert head_has(git, fleet, "a.md") == "x"


def test_commits_of_the_agents_own_are_captured_as_what_they_changed(worker: Worker, git: Git, fleet: Path) -> None:
    """Committed, branched or not."""
    worker.write("a.md", "x\n")
    git(worker.tree, "add", "a.md")
    git(worker.tree, "commit", "-qm", "mine")
    worker.capture()
    git(worker.tree, "checkout", "-qb", "topic")
    worker.write("b.md", "x\n")
    git(worker.tree, "add", "b.md")
    git(worker.tree, "commit", "-qm", "mine")
    worker.capture()
    assert head_has(git, fleet, "a.md") == head_has(git, fleet, "b.md") == "x"
    assert git(fleet, "log", "-2", "--format=%an") == "deployer\ndeployer"


@pytest.mark.parametrize("how", [("merge", "-q", "main"), ("rebase", "-q", "main"), ("reset", "-q", "--hard", "main")])
def test_an_agent_may_take_in_the_governed_branch(begin: Callable[..., Worker], other: Other, git: Git, fleet: Path,
                                                  how: tuple[str, ...]) -> None:
    """Other people's changes that come with it are not the agent's, and do not conflict with themselves."""
    other("theirs.md", "1\n")
    worker = begin()
    worker.write("mine.md", "captured\n")
    worker.capture()
    git(worker.tree, "add", "mine.md")
    git(worker.tree, "commit", "-qm", "mine")
    other("theirs.md", "2\n")
    other("mine.md", "captured\nthen theirs\n")
    git(worker.tree, *(("reset", "-q", "--hard", "HEAD~1") if how[0] != "reset" else ("status",)))
    git(worker.tree, *how)
    assert worker.read("theirs.md") == "2\n" and worker.capture() == Captured(None)
    worker.write("mine.md", "captured\nthen mine\n")
    worker.write("theirs.md", "3\n")
    done = worker.capture()
    assert done.held == () and done.written and len(done.written.paths) == 2
    assert head_has(git, fleet, "theirs.md") == "3"


def test_conflicts_of_the_agents_own_git_are_held(worker: Worker, git: Git, fleet: Path) -> None:
    """A file with conflict marks does not land, though nobody else has changed it."""
    worker.write(RUNBOOK, "build\nmine\nship\n")
    git(worker.tree, "stash", "-q")
    worker.write(RUNBOOK, "build\nmine too\nship\n")
    git(worker.tree, "commit", "-qam", "mine")
    git(worker.tree, "stash", "pop", "-q", ok=False)
    assert "<<<<<<<" in worker.read(RUNBOOK)
    assert held_paths(worker.capture()) == {RUNBOOK: "conflict"}
    assert head_has(git, fleet, RUNBOOK) == "build\ntest\nship"


def test_what_the_run_wrote_itself_is_no_conflict(worker: Worker, other: Other, git: Git, fleet: Path) -> None:
    """Through the ledger and in the worktree alike: the same content by the same run. By another it is one."""
    other("direct.md", "x\n", agent="deployer", run=worker.row.id)
    worker.write("direct.md", "x\n")
    other("theirs.md", "x\n")
    worker.write("theirs.md", "x\n")
    assert set(held_paths(worker.capture())) == {"theirs.md"}


def test_a_capture_that_died_before_its_notes_is_not_repeated(worker: Worker, git: Git, fleet: Path) -> None:
    """What landed is known to be this run's."""
    worker.write("a.md", "x\n")
    worker.capture()
    with worker.harness.db.write() as conn:
        bases.forget(conn, f"{worker.row.id}#worktree")
    before = commits(git, fleet)
    assert worker.capture().held == () and commits(git, fleet) == before
    worker.write("a.md", "y\n")
    assert worker.capture().held == () and head_has(git, fleet, "a.md") == "y"


def test_only_the_paths_named(worker: Worker, git: Git, fleet: Path) -> None:
    """Files and folders; what is not there and never was is named, what leads out of the worktree is refused."""
    for name in ("a/1.md", "a/2.md", "b.md", "*.md"):
        worker.write(name, "x\n")
    (worker.tree / RUNBOOK).unlink()
    worker.capture("a/1.md", "*.md")
    assert head_has(git, fleet, "a/1.md") and head_has(git, fleet, "*.md") and not head_has(git, fleet, "b.md")
    worker.capture("a", RUNBOOK)
    assert head_has(git, fleet, "a/2.md") and not head_has(git, fleet, RUNBOOK) and not head_has(git, fleet, "b.md")
    with pytest.raises(NotFound, match="no file 'nope'"):
        worker.capture("nope")
    for path in ("../x", "/etc/passwd", ".", ".git/config"):
        with pytest.raises(BadPath):
            worker.capture(path)


def test_a_run_that_may_not_write_captures_nothing(worker: Worker, harness: Harness) -> None:
    """A wrong token, somebody else's run, one that has ended: denied, also where nothing has changed."""
    with pytest.raises(Denied, match="token"):
        worker.capture(token="wrong")
    thief = Worker(harness, worker.row, worker.tree)
    thief.row = runs.start(harness.parts, "scribe", head=harness.head())
    with pytest.raises(Usage):
        thief.capture()
    runs.finish(harness.parts, worker.row.id, "ok")
    with pytest.raises(Denied, match="has finished"):
        worker.capture()


def test_two_captures_at_once_are_one_after_the_other(begin: Callable[..., Worker], other: Other, git: Git,
                                                      fleet: Path) -> None:
    """Neither takes the other's merge for a conflict."""
    other("a.md", "".join(LINES))
    worker = begin()
    other("a.md", with_line(2, "theirs"))
    worker.write("a.md", with_line(15, "mine"))
    before = commits(git, fleet)
    found: list[Captured] = []

    def go() -> None:
        opened = wiring.open(fleet, settings.load())
        found.append(Worker(opened, worker.row, worker.tree).capture())
        opened.close()

    threads = [threading.Thread(target=go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3 and all(one.held == () for one in found) and commits(git, fleet) == before + 1


def test_a_file_that_cannot_be_read_stops_the_capture(worker: Worker, git: Git, fleet: Path) -> None:
    """Nothing has landed, and git's words are there."""
    before = commits(git, fleet)
    worker.write("a.md", "x\n")
    (worker.tree / RUNBOOK).unlink()
    os.mkfifo(worker.tree / RUNBOOK)
    with pytest.raises(Unavailable, match="git add failed"):
        worker.capture()
    assert commits(git, fleet) == before


def test_a_worktree_that_is_gone_deletes_nothing(worker: Worker, git: Git, fleet: Path) -> None:
    """It is not taken for an empty one."""
    git_dir = worker.git_dir
    worker.tree.rename(worker.tree.with_name("elsewhere"))
    with pytest.raises(NotFound, match="is gone"):
        worker.capture()
    assert git_dir.is_dir() and head_has(git, fleet, RUNBOOK)


def test_thousands_of_files_and_a_large_one(begin: Callable[..., Worker], harness: Harness, git: Git,
                                            fleet: Path) -> None:
    """2,500 files are looked at, and 300 captured beside one of 50 MB."""
    for number in range(2500):
        (fleet / f"docs/{number:04}").mkdir(parents=True)
        (fleet / f"docs/{number:04}/page.md").write_text(f"{number}\n" * 50)
    git(fleet, "add", ".")
    git(fleet, "commit", "-qm", "many")
    worker = begin()
    assert worker.capture() == Captured(None)
    for number in range(0, 2400, 8):
        worker.write(f"docs/{number:04}/page.md", "changed\n")
    worker.write("large.bin", os.urandom(50 << 20))
    assert len(worker.capture().written.paths) == 301  # type: ignore[union-attr]
    assert git(fleet, "cat-file", "-s", "HEAD:large.bin") == str(50 << 20)
