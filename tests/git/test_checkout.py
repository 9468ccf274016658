"""A worktree brought along: git finds it clean, and nothing that a person did is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from githarness.errors import Dirty, Locked
from githarness.git.index import parse
from githarness.git.objects import Entry, PathChange
from githarness.git.swap import temporary

ONE = "docs/0000.md"


def test_a_changed_a_new_and_a_removed_file_arrive(desk) -> None:
    """Files and index are those of the commit."""
    pending = desk.land({ONE: "new\n", "new/deep/a.md": "a\n", "docs/0001.md": None})
    assert pending == [] and desk.is_clean()
    assert desk.path(ONE).read_text() == "new\n" and not desk.path("docs/0001.md").exists()


def test_the_executable_bit_follows_the_commit(desk) -> None:
    """Set on a new file, set on an old one, taken away again."""
    desk.land({"tool.sh": ("100755", b"#!/bin/sh\n"), ONE: ("100755", b"x\n")})
    assert os.access(desk.path("tool.sh"), os.X_OK) and os.access(desk.path(ONE), os.X_OK) and desk.is_clean()
    desk.land({"tool.sh": ("100644", b"#!/bin/sh\n")})
    assert not desk.path("tool.sh").stat().st_mode & 0o111 and desk.is_clean()


def test_a_link_is_made_replaced_and_removed_as_a_link(desk) -> None:
    """Its target is never opened, whatever it names."""
    desk.land({"link": ("120000", b"docs"), ONE: ("120000", b"/etc/passwd")})
    assert os.readlink(desk.path("link")) == "docs" and os.readlink(desk.path(ONE)) == "/etc/passwd"
    assert desk.is_clean()
    desk.land({"link": ("100644", b"plain\n"), ONE: None})
    assert desk.path("link").read_text() == "plain\n" and not desk.path("link").is_symlink() and desk.is_clean()


def test_a_folder_becomes_a_file_and_a_file_a_folder(desk) -> None:
    """In one commit, both ways."""
    desk.land({"docs/0000.md": None, "docs/0001.md": None, "docs/0002.md": None, "docs": "now a file\n"})
    assert desk.path("docs").read_text() == "now a file\n" and desk.is_clean()
    desk.land({"docs": None, "docs/deep/a.md": "a\n"})
    assert desk.path("docs/deep/a.md").read_text() == "a\n" and desk.is_clean()


def test_a_folder_goes_with_its_last_file_unless_something_else_is_in_it(make_desk) -> None:
    """As git does; and the folder of a renamed only file is not made anew."""
    desk = make_desk({"a/b/c.md": "c\n", "d/e.md": "e\n", "f/g.md": "g\n"})
    desk.path("d/mine.txt").write_text("untracked\n")
    inode = desk.path("f").stat().st_ino
    assert desk.land({"a/b/c.md": None, "d/e.md": None, "f/g.md": None, "f/h.md": "g\n"}) == []
    assert not desk.path("a").exists() and desk.status() == "?? d/mine.txt"
    assert desk.path("f").stat().st_ino == inode


def test_the_first_commit_arrives_in_an_empty_worktree(make_desk) -> None:
    """There is no index file yet."""
    desk = make_desk({})
    assert desk.land({"a.md": "a\n"}) == [] and desk.is_clean()


def test_a_linked_worktree_is_brought_along(repo, git, desk_at, tmp_path) -> None:
    """Its index and lock are its own."""
    git(repo, "worktree", "add", "-q", "-b", "side", tmp_path / "side")
    desk = desk_at(tmp_path / "side", ref="refs/heads/side")
    assert desk.checkout.root == tmp_path / "side"
    assert desk.land({ONE: "new\n"}) == [] and desk.is_clean()


@pytest.mark.parametrize("name", [
    "-x.md", "a\nb.md", "tab\t.md", "\x1b[31m.md", "caf\u00e9.md", "\udcff.md", "n" * 255])
def test_odd_names_arrive(desk, name) -> None:
    """Names are bytes."""
    assert desk.land({name: "x\n", "in/" + name: "y\n"}) == [] and desk.is_clean()
    assert desk.land({name: "z\n", "in/" + name: None}) == [] and desk.is_clean()


def test_a_name_that_the_file_system_refuses_is_pending(desk) -> None:
    """The ref has moved, so the index says what the commit says."""
    changes = desk.changes({"n" * 256: "x\n"})
    with desk.out.hold() as held:
        assert held.dirty(changes) == ["n" * 256]
        desk.commit(changes)
        assert held.bring(changes) == ["n" * 256]
    assert desk.git("diff-index", "--cached", "HEAD") == ""


@pytest.mark.parametrize("path", [".git/hooks/post-commit", "a/.GIT/config", "../out.md"])
def test_the_git_directory_and_the_outside_are_out_of_reach(desk, path) -> None:
    """Whatever a tree says."""
    change = PathChange(path, None, Entry("100755", "0" * 40), b"#!/bin/sh\n")
    with desk.out.hold() as held:
        assert held.dirty([change]) == [path] and held.bring([change]) == [path]
    assert not desk.path(path).exists()


def test_permissions_are_not_widened(desk) -> None:
    """A file that others could not read stays so."""
    desk.path(ONE).chmod(0o600)
    assert desk.land({ONE: "new\n"}) == []
    assert desk.path(ONE).stat().st_mode & 0o777 == 0o600


def test_a_file_with_a_second_name_is_replaced_not_written_through(desk, tmp_path) -> None:
    """The other name keeps the old content."""
    os.link(desk.path(ONE), tmp_path / "other")
    old = desk.path(ONE).read_text()
    assert desk.land({ONE: "new\n"}) == [] and desk.is_clean()
    assert (tmp_path / "other").read_text() == old


def _edit(desk) -> None:
    desk.path(ONE).write_text("mine\n")


def _stage(desk) -> None:
    _edit(desk)
    desk.git("add", ONE)


def _stage_and_take_back(desk) -> None:
    """Staged, and the file as it was: that is two versions of a person."""
    old = desk.path(ONE).read_text()
    desk.path(ONE).write_text("new\n")
    desk.git("add", ONE)
    desk.path(ONE).write_text(old)


def _conflict(desk) -> None:
    oid = desk.git("hash-object", "-w", ONE)
    lines = "".join(f"100644 {oid} {stage}\t{ONE}\n" for stage in (1, 2, 3))
    desk.git("update-index", "--index-info", stdin=f"0 {'0' * 40}\t{ONE}\n{lines}")


def _assume(desk) -> None:
    desk.git("update-index", "--assume-unchanged", ONE)
    _edit(desk)


def _same_size_same_time(desk) -> None:
    """An edit that metadata shows by the time of change alone."""
    found = desk.path(ONE).stat()
    desk.path(ONE).write_text("F" + desk.path(ONE).read_text()[1:])
    os.utime(desk.path(ONE), ns=(found.st_atime_ns, found.st_mtime_ns))


def _replace(desk, make) -> None:
    desk.path(ONE).unlink()
    make(desk.path(ONE))


def _linked_folder(desk) -> None:
    desk.path("docs").rename(desk.path("real"))
    desk.path("docs").symlink_to("real")


def _seen(desk) -> tuple[int, ...] | None:
    """What there is to see of the file but the time of its last reading."""
    if not os.path.lexists(desk.path(ONE)):
        return None
    found = os.lstat(desk.path(ONE))
    return found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@pytest.mark.parametrize("person", [
    _edit, _stage, _stage_and_take_back, _conflict, _assume, _same_size_same_time, _linked_folder,
    lambda desk: desk.path(ONE).unlink(),
    lambda desk: desk.path(ONE).chmod(0o755),
    lambda desk: desk.git("rm", "-q", "--cached", ONE),
    lambda desk: _replace(desk, Path.mkdir),
    lambda desk: _replace(desk, os.mkfifo),
    lambda desk: _replace(desk, lambda path: path.symlink_to("/proc/self/environ")),
    lambda desk: _replace(desk, lambda path: path.symlink_to(path.name)),
    lambda desk: _replace(desk, lambda path: os.mknod(path, 0o140644)),
])
def test_a_persons_work_is_dirty_and_stays(desk, person) -> None:
    """Whatever was done to a tracked file, the change is refused and nothing moves; nothing blocks on a pipe."""
    wanted = desk.changes({ONE: "new\n"})
    person(desk)
    before = desk.status(), _seen(desk)
    with desk.out.hold() as held:
        assert held.dirty(wanted) == [ONE]
    assert before == (desk.status(), _seen(desk))


@pytest.mark.parametrize("person", [
    lambda path: path.write_text("mine\n"),
    lambda path: os.link(path.parent / "docs/0001.md", path),
    lambda path: path.symlink_to("nowhere"),
    lambda path: (path.mkdir(), (path / "mine.txt").write_text("x")),
    os.mkfifo,
])
def test_something_untracked_in_the_way_is_dirty(desk, person) -> None:
    """Also where only a folder of the new file's path is taken."""
    person(desk.path("new.md"))
    assert desk.dirty({"new.md": "x\n"}) == ["new.md"]
    if not desk.path("new.md").is_dir():
        assert desk.dirty({"new.md/deep.md": "x\n"}) == ["new.md/deep.md"]


def test_a_staged_file_where_a_folder_is_needed_is_dirty(desk) -> None:
    """The index has no room, whatever the files are; and the other way round."""
    desk.path("new").write_text("mine\n")
    desk.git("add", "new")
    desk.path("new").unlink()
    assert desk.dirty({"new/a.md": "x\n"}) == ["new/a.md"]
    desk.git("rm", "-q", "--cached", "new")
    desk.path("new").mkdir()
    desk.path("new/b.md").write_text("mine\n")
    desk.git("add", "new/b.md")
    assert desk.dirty({"new": "x\n"}) == ["new"]


def test_a_file_that_is_only_promised_to_git_is_dirty(desk) -> None:
    """`git add --intent-to-add` is a person's plan for that path."""
    desk.path("new.md").write_text("x\n")
    desk.git("add", "--intent-to-add", "new.md")
    assert desk.dirty({"new.md": "x\n"}) == ["new.md"]
    desk.path("new.md").write_text("")
    assert desk.dirty({"new.md": ""}) == ["new.md"]
    assert desk.land({ONE: "new\n"}) == []
    assert desk.status() == " A new.md"


@pytest.mark.parametrize("new", ["x\n", None])
def test_a_conflict_is_dirty_whatever_is_asked(desk, new) -> None:
    """Also where both sides added the file, and where it is to go."""
    _conflict(desk)
    desk.path(ONE).unlink()
    wanted = PathChange(ONE, None, Entry("100644", "1" * 40)) if new else PathChange(ONE, desk.tree()[ONE], None)
    with desk.out.hold() as held:
        assert held.dirty([wanted]) == [ONE]


def test_equal_metadata_prove_nothing_while_the_entry_is_as_young_as_the_index(desk) -> None:
    """An edit within a tick of the clock, right after git looked at the file: content decides."""
    found, old = parse((desk.checkout.git_dir / "index").read_bytes(), 0), desk.tree()[ONE]
    desk.path(ONE).write_text("mine\n")
    status = os.lstat(desk.path(ONE))
    found.put(ONE.encode(), 0o100644, old.oid, status, ours=True, skipped=False)
    index = desk.checkout.git_dir / "index"
    index.write_bytes(found.emit())
    os.utime(index, ns=(status.st_mtime_ns, status.st_mtime_ns))
    assert desk.dirty({ONE: "new\n"}) == [ONE]


def test_a_file_taken_back_after_it_was_staged_is_kept(desk) -> None:
    """Found only when the ref has moved: the index has the commit's version already, the file is the person's."""
    changes = desk.changes({ONE: "new\n"})
    old = desk.path(ONE).read_text()
    _stage_and_take_back(desk)
    with desk.out.hold() as held:
        desk.commit(changes)
        assert held.bring(changes) == [ONE]
    assert desk.path(ONE).read_text() == old and desk.status() == f" M {ONE}"


def test_the_index_is_not_younger_than_what_it_says(desk, monkeypatch) -> None:
    """Its time is from before it was settled: who writes a file meanwhile is not older than the index."""
    cut, times = os.ftruncate, []

    def slow(descriptor: int, length: int) -> None:
        time.sleep(0.02)
        times.append(time.time_ns())
        cut(descriptor, length)

    monkeypatch.setattr(os, "ftruncate", slow)
    desk.land({ONE: "new\n"})
    assert (desk.checkout.git_dir / "index").stat().st_mtime_ns < times[0] - 10**7


def test_a_touched_file_is_not_dirty(desk) -> None:
    """Metadata differs, content does not."""
    os.utime(desk.path(ONE))
    assert desk.land({ONE: "new\n"}) == [] and desk.is_clean()


def test_a_file_that_is_new_already_is_taken_as_it_is(desk) -> None:
    """What an agent changed in this very worktree, added, removed or staged before it was captured."""
    desk.path(ONE).write_text("new\n")
    desk.path("more.md").write_text("more\n")
    desk.path("docs/0001.md").unlink()
    desk.path("docs/0002.md").write_text("staged\n")
    desk.git("add", "docs/0002.md")
    inode = desk.path(ONE).stat().st_ino
    assert desk.land({ONE: "new\n", "more.md": "more\n", "docs/0001.md": None, "docs/0002.md": "staged\n"}) == []
    assert desk.is_clean() and desk.path(ONE).stat().st_ino == inode


def test_two_changes_of_a_path_under_one_lock_land_as_one(desk) -> None:
    """The second is built on the first, which is not in the worktree yet."""
    first = desk.changes({ONE: "first\n", "docs/0001.md": None})
    with desk.out.hold() as held:
        assert held.dirty(first) == []
        second = [PathChange(ONE, first[0].new, Entry("100644", "1" * 40)), PathChange("docs/0001.md/in.md", None,
                                                                                      Entry("100644", "1" * 40))]
        assert held.dirty(second) == []


def test_what_a_person_staged_elsewhere_survives(desk) -> None:
    """Entries of other paths are untouched, also those that git wrote between two landings."""
    desk.land({ONE: "new\n"})
    desk.path("mine.md").write_text("mine\n")
    desk.git("add", "mine.md")
    assert desk.land({ONE: "newer\n"}) == []
    assert desk.status() == "A  mine.md"


def test_flags_of_entries_survive(desk) -> None:
    """Assume-unchanged stays on an entry that we rewrite, and skip-worktree keeps the file away."""
    desk.git("update-index", "--assume-unchanged", ONE)
    desk.git("update-index", "--skip-worktree", "docs/0001.md")
    desk.path("docs/0001.md").unlink()
    assert desk.land({ONE: "new\n", "docs/0001.md": "new\n"}) == []
    assert desk.git("ls-files", "-v").splitlines()[:2] == [f"h {ONE}", "S docs/0001.md"]
    assert desk.path(ONE).read_text() == "new\n" and not desk.path("docs/0001.md").exists() and desk.is_clean()


def test_a_sparse_checkout_stays_sparse(make_desk) -> None:
    """Files outside change in the index only, new ones too; files inside are made."""
    desk = make_desk({"in/a.md": "a\n", "out/b.md": "b\n"})
    desk.git("sparse-checkout", "set", "in")
    assert desk.land({"in/a.md": "A\n", "in/c.md": "c\n", "out/b.md": "B\n", "out/deep/d.md": "d\n"}) == []
    assert not desk.path("out").exists() and desk.path("in/c.md").exists() and desk.is_clean()
    assert desk.land({"out/b.md": None}) == [] and desk.is_clean()


def test_a_submodule_is_left_to_its_owner(desk) -> None:
    """The entry moves, the folder waits for `git submodule update`."""
    change = PathChange("sub", None, Entry("160000", "1" * 40))
    with desk.out.hold() as held:
        assert held.dirty([change]) == [] and held.bring([change]) == ["sub"]
    assert desk.git("ls-files", "--stage", "sub").startswith("160000 " + "1" * 40)


def test_line_ends_are_those_that_a_checkout_writes(make_desk) -> None:
    """The file has CRLF, git sees no change, and the next landing does not either."""
    desk = make_desk({"a.md": "a\n"}, smudge=lambda _, data: data.replace(b"\n", b"\r\n"))
    desk.git("config", "core.autocrlf", "true")
    assert desk.land({"a.md": "b\nc\n", "new.md": "n\n"}) == []
    assert desk.path("a.md").read_bytes() == b"b\r\nc\r\n" and desk.is_clean()
    os.utime(desk.path("a.md"))
    assert desk.land({"a.md": "d\n"}) == [] and desk.is_clean()
    desk.path("a.md").write_bytes(b"d\r\nmine\r\n")
    assert desk.dirty({"a.md": "e\n"}) == ["a.md"]


def test_a_file_that_needs_a_filter_is_pending(make_desk) -> None:
    """Nothing is run; the index says what the commit says."""
    desk = make_desk({"big.bin": "pointer\n"}, smudge=lambda *_: None)
    assert desk.land({"big.bin": "pointer 2\n"}) == ["big.bin"]
    assert desk.status() == " M big.bin" and desk.path("big.bin").read_text() == "pointer\n"


def test_without_file_modes_the_bit_means_nothing(make_desk, desk_at) -> None:
    """On a file system where every file looks executable, that is no edit."""
    desk = make_desk()
    desk.git("config", "core.fileMode", "false")
    desk = desk_at(desk.checkout.root)
    desk.path(ONE).chmod(0o755)
    assert desk.land({ONE: "new\n"}) == [] and desk.is_clean()


def _rename_over(path: Path) -> None:
    beside = path.with_name(".editor.tmp")
    beside.write_text("mine!\n")
    beside.rename(path)


def _write_in_place(path: Path) -> None:
    with open(path, "r+b") as file:
        file.truncate()
        file.write(b"mine!\n")


EDITORS = [_rename_over, _write_in_place]


class Once:
    """A hook that acts the first time that a point is reached."""

    def __init__(self, point: str) -> None:
        self.point = point
        self.act = lambda: None

    def __call__(self, point: str, _: bytes) -> None:
        if point == self.point:
            self.point = ""
            self.act()


def _is_kept(desk, path: str) -> bool:
    """The person's version is there, and git shows it as theirs."""
    shown = desk.git("diff-index", "--cached", "HEAD") == "" and desk.status().split(" ")[-1] == path
    return shown and desk.path(path).read_text() == "mine!\n"


@pytest.mark.parametrize("editor", EDITORS)
@pytest.mark.parametrize("point", ["staged", "swapped", "placed", "files", "written"])
@pytest.mark.parametrize("new", ["newer\n", "much longer than before\n"])
def test_a_file_saved_at_the_worst_moment_is_kept(make_desk, editor, point, new) -> None:
    """Before, during and after the swap, whichever way the editor saves, also with the size of the new content."""
    hook = Once(point)
    desk = make_desk({"a.md": "old!!\n"}, hook=hook)
    hook.act = lambda: editor(desk.path("a.md"))
    pending = desk.land({"a.md": new})
    assert _is_kept(desk, "a.md")
    assert pending == ([] if point in ("files", "written") else ["a.md"])
    assert sorted(os.listdir(desk.path(""))) == [".git", "a.md"]


@pytest.mark.parametrize("point", ["staged", "swapped", "placed", "files"])
def test_a_file_made_at_the_worst_moment_is_kept(make_desk, point) -> None:
    """A person's new file wins over an agent's of the same name."""
    hook = Once(point)
    desk = make_desk({"a.md": "old\n"}, hook=hook)
    hook.act = lambda: _rename_over(desk.path("b.md"))
    if point == "swapped":  # a new file has no such point
        hook.point = "staged"
    desk.land({"b.md": "newer\n"})
    assert _is_kept(desk, "b.md")


@pytest.mark.parametrize("editor", EDITORS)
def test_a_file_saved_before_it_is_removed_is_kept(make_desk, editor) -> None:
    """It stays as an untracked file."""
    hook = Once("staged")
    desk = make_desk({"a/b.md": "old\n"}, hook=hook)
    hook.act = lambda: editor(desk.path("a/b.md"))
    assert desk.land({"a/b.md": None}) == ["a/b.md"]
    assert desk.path("a/b.md").read_text() == "mine!\n" and desk.status() == "?? a/b.md"


def test_a_file_saved_again_after_it_was_removed_is_kept(make_desk) -> None:
    """The second save finds no file and makes one."""
    hook = Once("swapped")
    desk = make_desk({"a/b.md": "old\n"}, hook=hook)
    hook.act = lambda: _rename_over(desk.path("a/b.md"))
    desk.land({"a/b.md": None})
    assert desk.path("a/b.md").read_text() == "mine!\n" and desk.status() == "?? a/b.md"


def test_a_file_removed_at_the_worst_moment_stays_removed(make_desk) -> None:
    """A person's deletion is an edit too."""
    hook = Once("staged")
    desk = make_desk({"a.md": "old\n"}, hook=hook)
    hook.act = lambda: desk.path("a.md").unlink()
    assert desk.land({"a.md": "new\n"}) == ["a.md"]
    assert desk.status() == " D a.md"


def test_a_file_replaced_by_a_folder_at_the_worst_moment_is_kept(make_desk) -> None:
    """Also with what is in it."""
    hook = Once("staged")
    desk = make_desk({"a.md": "old\n"}, hook=hook)

    def act() -> None:
        desk.path("a.md").unlink()
        desk.path("a.md").mkdir()
        desk.path("a.md/mine.txt").write_text("mine\n")

    hook.act = act
    assert desk.land({"a.md": "new\n"}) == ["a.md"]
    assert desk.path("a.md/mine.txt").read_text() == "mine\n"


def test_a_folder_swapped_for_a_link_at_the_worst_moment_is_not_followed(make_desk, tmp_path) -> None:
    """The file is written into the folder that was opened, wherever its name points now."""
    hook = Once("staged")
    desk = make_desk({"a/b.md": "old\n"}, hook=hook)
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim/b.md").write_text("victim\n")

    def act() -> None:
        desk.path("a").rename(desk.path("moved"))
        desk.path("a").symlink_to(tmp_path / "victim")

    hook.act = act
    desk.land({"a/b.md": "new\n"})
    assert (tmp_path / "victim/b.md").read_text() == "victim\n" and os.listdir(tmp_path / "victim") == ["b.md"]


def test_a_file_that_somebody_has_open_for_writing_is_not_taken_away(desk) -> None:
    """What is written later through that descriptor arrives under the file's name."""
    with open(desk.path(ONE), "r+b") as file:
        assert desk.land({ONE: "new\n"}) == [ONE]
        file.write(b"mine!")
    assert desk.path(ONE).read_text().startswith("mine!")
    assert desk.land({"docs/0001.md": "new\n"}) == []


def test_an_edit_of_equal_size_in_the_second_of_the_swap_is_seen_later(make_desk) -> None:
    """Git trusts metadata, in seconds, once the index is younger than the file: the entry then claims nothing."""
    names = [f"a{number}.md" for number in range(9)]  # one for each try: it takes a machine that is not too busy
    desk = make_desk(dict.fromkeys([*names, "b.md"], "old\n"))
    for name in names:
        time.sleep(1.0 - time.time() % 1)
        second = int(time.time())
        desk.land({name: "new\n"})
        with open(desk.path(name), "r+b") as file:
            file.write(b"NEW\n")
        if int(time.time()) == second:
            break
    time.sleep(1.0 - time.time() % 1)
    desk.land({"b.md": "new\n"})
    assert "size: 0\t" in desk.git("ls-files", "--debug", name)
    assert desk.dirty({name: "x\n"}) == [name]
    assert f" M {name}" in desk.status().split("\n")


def test_git_needs_no_refresh_after_many_landings(make_desk) -> None:
    """Our entries prove themselves also across seconds, so plumbing that does not look at content finds nothing."""
    desk = make_desk({"a.md": "old\n", "b.md": "old\n"})
    for name in ("a.md", "b.md"):
        os.utime(desk.path(name), (1, 1))
    desk.git("update-index", "--refresh")
    for number in range(8):
        desk.land({"ab"[number % 2] + ".md": f"{number}\n"})
        time.sleep(0.15)
    assert desk.git("diff-files") == ""


def test_git_refuses_to_commit_while_the_lock_is_held(desk) -> None:
    """A person's `git commit -a` cannot revert what is landing."""
    with desk.out.hold() as held:
        desk.commit(changes := desk.changes({ONE: "new\n"}))
        assert "index.lock" in _refusal(desk, "commit", "-q", "-a", "-m", "mine")
        assert held.bring(changes) == []
    assert desk.is_clean()


def _refusal(desk, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=desk.checkout.root, capture_output=True, check=False)
    assert done.returncode != 0
    return done.stderr.decode()


def test_a_foreign_lock_is_waited_for_and_left_alone(desk) -> None:
    """After that it is named."""
    lock = desk.checkout.git_dir / "index.lock"
    lock.write_bytes(b"")
    with pytest.raises(Locked, match="index"), desk.out.hold(timeout=0.05):
        pass
    assert lock.exists() and list(desk.repo.home.iterdir()) == []


def test_a_refusal_lets_go_and_an_interruption_does_not(desk) -> None:
    """After an interruption nobody knows whether the ref moved, so the lock waits for `recover`."""
    with pytest.raises(Dirty), desk.out.hold():
        raise Dirty("x")
    assert not desk.out.left_behind() and desk.is_clean()
    with pytest.raises(KeyboardInterrupt), desk.out.hold():
        raise KeyboardInterrupt
    assert desk.out.left_behind()
    desk.out.recover([])
    assert not desk.out.left_behind() and desk.is_clean()


def _die_at(desk, point: str, wanted) -> list[PathChange]:
    """A process that lands `wanted` and is killed at a point."""
    changes = desk.changes(wanted)
    child = os.fork()
    if child == 0:
        def die(at: str, name: bytes) -> None:
            if at == point:
                os.kill(os.getpid(), signal.SIGKILL)
        desk.out.hook = die
        desk.land(wanted)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    return changes


POINTS = ["staged", "swapped", "placed", "files", "written"]
MANY = {"docs/0000.md": "new\n", "docs/0001.md": None, "docs/0002.md": ("120000", b"0000.md"), "a/b.md": "b\n"}


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_point_is_finished_by_the_next(desk, point) -> None:
    """Until then a person's commit refuses; afterwards git finds everything clean; a second time changes nothing."""
    changes = [PathChange(one.path, one.old, one.new) for one in _die_at(desk, point, MANY)]
    assert desk.out.left_behind() and "index.lock" in _refusal(desk, "commit", "-q", "-a", "-m", "mine")
    desk.out.recover(changes)
    assert desk.is_clean() and not desk.out.left_behind()
    desk.path(ONE).write_text("mine\n")
    desk.out.recover(changes)
    assert desk.path(ONE).read_text() == "mine\n"


@pytest.mark.parametrize("editor", EDITORS)
@pytest.mark.parametrize("point", POINTS)
def test_what_a_person_saves_after_a_kill_is_kept(make_desk, point, editor) -> None:
    """Recovery tells their file from ours."""
    desk = make_desk({"a.md": "old!!\n"})
    changes = _die_at(desk, point, {"a.md": "newer\n"})
    editor(desk.path("a.md"))
    desk.out.recover(changes)
    assert _is_kept(desk, "a.md")


def test_a_file_displaced_when_the_process_died_comes_back(make_desk) -> None:
    """A person saved between our look and the swap, then we were killed: the saved file is under our temporary name."""
    desk = make_desk({"a.md": "old!!\n"})
    editing = Once("staged")
    editing.act = lambda: _rename_over(desk.path("a.md"))
    changes = desk.changes({"a.md": "newer\n"})
    child = os.fork()
    if child == 0:
        def hook(point: str, name: bytes) -> None:
            editing(point, name)
            if point == "swapped":
                os.kill(os.getpid(), signal.SIGKILL)
        desk.out.hook = hook
        desk.land({"a.md": "newer\n"})
    os.waitpid(child, 0)
    assert desk.path("a.md").read_text() == "newer\n"
    desk.out.recover(changes)
    assert _is_kept(desk, "a.md")


def test_recovery_works_where_a_person_removed_the_lock(desk) -> None:
    """As git's own message advises."""
    changes = _die_at(desk, "swapped", MANY)
    (desk.checkout.git_dir / "index.lock").unlink()
    desk.out.recover(changes)
    assert desk.is_clean()


def test_an_index_that_cannot_be_written_keeps_the_lock(desk, monkeypatch) -> None:
    """The disk is full: the ref has moved, so everything is pending until it is finished."""
    def full(*args: object) -> int:
        raise OSError(28, "No space left on device")
    changes = desk.changes({ONE: "new\n"})
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        assert desk.land({ONE: "new\n"}) == [ONE]
    assert desk.out.left_behind()
    desk.out.recover(changes)
    assert desk.is_clean()


@pytest.mark.parametrize("call", ["write", "open"])
def test_a_file_that_found_no_room_is_brought_later(desk, monkeypatch, call) -> None:
    """It is not left to look like a person's edit, which `git commit -a` would take for one; also while it lasts."""
    changes, real = desk.changes({ONE: "new\n"}), getattr(os, call)

    def full(first: object, second: object, *args: object, **more: object) -> object:
        if second == b"new\n" or ("dir_fd" in more and int(second) & os.O_CREAT):
            raise OSError(28, "No space left on device")
        return real(first, second, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        assert desk.land({ONE: "new\n"}) == [ONE]
        with pytest.raises(OSError, match="No space"):
            desk.out.recover(changes)
    assert desk.out.left_behind()
    desk.out.recover(changes)
    assert desk.is_clean()


def _lose(path: Path, content: bytes) -> None:
    """What a power cut does to a file whose content was not on disk yet: the metadata were."""
    found = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


@pytest.mark.parametrize("left", [b"", bytes(4)])
@pytest.mark.parametrize("point", ["files", "never"])
def test_a_file_that_a_power_cut_emptied_is_made_again(desk, point, left) -> None:
    """Whether or not the index was on disk; a file that a person emptied is theirs."""
    if point == "never":
        changes = desk.changes({ONE: "new\n"})
        desk.land({ONE: "new\n"})
    else:
        changes = _die_at(desk, point, {ONE: "new\n"})
    _lose(desk.path(ONE), left)
    desk.path("docs/0001.md").write_bytes(b"")
    desk.out.recover([PathChange(one.path, one.old, one.new) for one in changes])
    assert desk.path(ONE).read_text() == "new\n" and desk.status() == " M docs/0001.md"


def test_a_file_with_content_is_never_taken_for_a_lost_one(desk) -> None:
    """Whatever its metadata say."""
    changes = desk.changes({ONE: "new\n"})
    desk.land({ONE: "new\n"})
    _lose(desk.path(ONE), b"mine\n")
    desk.out.recover(changes)
    assert desk.path(ONE).read_text() == "mine\n"


def test_a_temporary_file_that_a_power_cut_emptied_is_cleared_away(desk) -> None:
    """It holds nothing of anybody."""
    changes = _die_at(desk, "staged", {ONE: "new\n"})
    (desk.path("docs") / os.fsdecode(temporary(b"0000.md"))).write_bytes(bytes(4))
    desk.out.recover(changes)
    assert desk.is_clean()


def test_empty_folders_in_the_way_of_a_new_file_go(desk) -> None:
    """Git does not know them; nothing is lost with them."""
    desk.path("new.md/deep").mkdir(parents=True)
    assert desk.land({"new.md": "x\n"}) == [] and desk.is_clean()


def test_the_lock_is_given_up_with_the_new_index(desk) -> None:
    """What the caller does afterwards needs no lock, and a crash there leaves none."""
    changes = desk.changes({ONE: "new\n"})
    with desk.out.hold() as held:
        desk.commit(changes)
        held.bring(changes)
        assert not desk.out.left_behind() and not held.unfinished and desk.is_clean()


def test_a_lock_that_somebody_took_away_is_told(make_desk) -> None:
    """Their index stays; ours is not forced upon it."""
    hook = Once("files")
    desk = make_desk({"a.md": "old\n"}, hook=hook)
    lock = desk.checkout.git_dir / "index.lock"
    hook.act = lambda: (lock.unlink(), lock.write_bytes(b"theirs"))
    changes = desk.changes({"a.md": "new\n"})
    assert desk.land({"a.md": "new\n"}) == ["a.md"]
    assert lock.read_bytes() == b"theirs"
    lock.unlink()
    desk.out.recover(changes)
    assert desk.is_clean()


def test_what_nobody_can_account_for_under_our_temporary_name_is_kept_in_sight(desk) -> None:
    """It neither blocks the path nor is lost."""
    spare = desk.path("docs") / os.fsdecode(temporary(b"0000.md"))
    spare.write_text("whose?\n")
    assert desk.land({ONE: "new\n"}) == []
    assert desk.status() == "?? docs/0000.md.githarness-kept"
    assert desk.path("docs/0000.md.githarness-kept").read_text() == "whose?\n"
