"""What a repository is stored in: locks that others left, objects gone or broken, formats not served, great numbers."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness.git import indexlock, refs
from githarness.git.objects import oid_of
from tests.conftest import run_git
from tests.inputs.conftest import Desk

RUNBOOK = "runbooks/release.md"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for locks end at once."""
    monkeypatch.setattr(refs, "WAIT", 0.0)
    clock = indexlock.SYSTEM
    monkeypatch.setattr(indexlock, "SYSTEM", _Leap(clock.now(), clock.monotonic()))


class _Leap:
    """A monotonic clock that gains an hour at each look."""

    def __init__(self, now: float, at: float) -> None:
        self._now, self._at = now, at

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        self._at += 3600
        return self._at


@pytest.mark.parametrize("name", ["index.lock", "refs/heads/main.lock"])
def test_a_lock_of_somebody_else_is_named_and_left(desk: Desk, impatient: None, name: str) -> None:
    """I14: `locked` with the file in question; nothing moved, and with the lock gone all goes on."""
    lock = desk.folder / ".git" / name
    lock.write_bytes(b"theirs")
    error = desk.refused("locked", "append", RUNBOOK, stdin="x\n")
    assert str(lock) in error["fix"] and error["details"] == {"lock": str(lock)}
    assert lock.read_bytes() == b"theirs"
    lock.unlink()
    desk.good("append", RUNBOOK, stdin="x\n")
    desk.sound()


@pytest.mark.parametrize("name", ["HEAD.lock", "packed-refs.lock", "config.lock", "shallow.lock"])
def test_a_lock_that_a_write_does_not_need_stops_none(desk: Desk, name: str) -> None:
    """I14: it stays where it is, and `doctor` names it once it is old."""
    lock = desk.folder / ".git" / name
    lock.write_bytes(b"theirs")
    os.utime(lock, (1, 1))
    desk.git("pack-refs", "--all", ok=False)
    desk.good("append", RUNBOOK, stdin="x\n")
    desk.good("read", RUNBOOK)
    assert lock.read_bytes() == b"theirs"
    found = desk.run("doctor", "--json")
    assert found.code == 1 and str(lock) in found.out


def test_a_locked_configuration_stops_init_with_a_name(repo: Path) -> None:
    """I14: `init` needs git's configuration; once the lock is gone, it goes on from where it was."""
    lock = repo / ".git" / "config.lock"
    lock.write_bytes(b"")
    desk = Desk(repo)
    ran = desk.run("init", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (18, "unavailable") and "lock" in ran.out
    lock.unlink()
    assert desk.run("init").code == 0
    desk.sound()


def _object(desk: Desk, oid: str) -> Path:
    """The object as a loose file: packs are opened up first."""
    packs = desk.folder / ".git/objects/pack"
    for pack in sorted(packs.glob("*.pack")):
        data = pack.read_bytes()
        for file in packs.glob(f"{pack.stem}.*"):
            file.unlink()
        desk.git("unpack-objects", "-q", stdin=data)
    return desk.folder / ".git/objects" / oid[:2] / oid[2:]


DAMAGES: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "empty": lambda file: file.write_bytes(b""),
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-3]),
    "noise": lambda file: file.write_bytes(os.urandom(100)),
    "bomb": lambda file: file.write_bytes(zlib.compress(b"blob 5\0" + bytes(50_000_000))),
}


def _damage(desk: Desk, rev: str, how: str) -> None:
    file = _object(desk, desk.git("rev-parse", rev))
    file.chmod(0o644)
    DAMAGES[how](file)


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("rev", [f"HEAD:{RUNBOOK}", "HEAD:runbooks", "HEAD^{tree}", "HEAD",
                                 "HEAD:.githarness/config.toml"])
def test_an_object_gone_or_broken_is_integrity(desk: Desk, rev: str, how: str) -> None:
    """I16: whatever needs it says so by its id; nothing is written on top of a hole."""
    _damage(desk, rev, how)
    assert "git fsck" in desk.refused("integrity", "append", RUNBOOK, stdin="x\n", git=False)["fix"]
    desk.refused("integrity", "read", RUNBOOK, git=False)


def test_a_hole_elsewhere_stops_nobody(desk: Desk) -> None:
    """I16: an artifact whose blob is gone is named when it is read; others are written, and it may be replaced."""
    blob = desk.git("rev-parse", f"HEAD:{RUNBOOK}")
    _damage(desk, f"HEAD:{RUNBOOK}", "gone")
    desk.good("write", "new.md", stdin="new\n")
    desk.refused("integrity", "read", RUNBOOK, git=False)
    desk.good("write", RUNBOOK, "--if-match", blob, stdin="again\n")
    assert desk.good("read", RUNBOOK)["content"] == "again\n"


@pytest.mark.parametrize("damage", ["body", "idx", "gone"])
def test_a_broken_pack_is_integrity(desk: Desk, damage: str) -> None:
    """I16: a pack with a flipped byte, a broken index or none at all."""
    desk.git("repack", "-adq")
    pack = next((desk.folder / ".git/objects/pack").glob("*.pack"))
    file = pack if damage == "body" else pack.with_suffix(".idx")
    file.chmod(0o644)
    data = file.read_bytes()
    file.write_bytes(data[:60] + bytes(60) + data[120:] if damage == "body" else data[:100])
    if damage == "gone":
        file.unlink()
    for argv in (["read", RUNBOOK], ["append", RUNBOOK], ["write", "new.md"]):
        desk.refused("integrity", *argv, stdin="x\n", git=False)


def test_a_borrowed_object_store_that_vanished_is_named(clone_of: Callable[..., Desk], desk: Desk,
                                                        tmp_path: Path) -> None:
    """I17: a clone with `--shared` says which folder of info/alternates is gone."""
    run_git(tmp_path, "clone", "-q", "--shared", desk.folder, "borrower")
    borrower = desk.at(tmp_path / "borrower")
    borrower.good("append", RUNBOOK, stdin="x\n")
    desk.folder.rename(tmp_path / "moved")
    assert str(desk.folder) in borrower.refused("integrity", "append", RUNBOOK, stdin="x\n", git=False)["message"]


@pytest.mark.parametrize("line", ["../../../../../../etc", "/proc/self/fd", "/dev", ".", "x" * 5000, "a\0b", "\r",
                                  "../objects", "/dev/zero"])
def test_a_hostile_line_of_alternates_is_passed_over(desk: Desk, line: str) -> None:
    """I17: folders that hold no objects, loops and names that no system takes change nothing."""
    (desk.folder / ".git/objects/info").mkdir(exist_ok=True)
    (desk.folder / ".git/objects/info/alternates").write_text(line + "\n")
    desk.good("append", RUNBOOK, stdin="x\n")
    desk.good("read", RUNBOOK)


def test_a_sha256_repository_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """I19: by name, before anything is written into it."""
    run_git(tmp_path, "init", "-q", "--object-format=sha256", "long")
    desk = Desk(tmp_path / "long")
    for argv in (["init"], ["log"], ["doctor"], ["index", "status"]):
        assert "sha1" in desk.refused("unavailable", *argv, agent=None)["fix"]
    assert not (desk.folder / ".git/githarness").exists()


def test_a_reftable_repository_is_refused_with_the_way_out(desk: Desk) -> None:
    """I20: laid out as git 2.45 does it, since the git here may be older; refs as files are never made beside it."""
    git_dir = desk.folder / ".git"
    before = desk.head()
    for file in [*git_dir.glob("refs/*/*"), git_dir / "packed-refs"]:
        if file.is_file():
            file.unlink()
    (git_dir / "refs/heads/main").unlink(missing_ok=True)
    (git_dir / "refs/tags").rmdir()
    (git_dir / "refs/heads").rmdir()
    (git_dir / "refs/heads").write_text("this repository uses the reftable format\n")
    (git_dir / "HEAD").write_text("ref: refs/heads/.invalid\n")
    (git_dir / "reftable").mkdir()
    (git_dir / "reftable/tables.list").write_text("0x000000000001-0x000000000002-aaaaaaaa.ref\n")
    with (git_dir / "config").open("a") as file:
        file.write("[core]\n\trepositoryformatversion = 1\n[extensions]\n\trefStorage = reftable\n")
    assert before
    for argv in (["log"], ["init"], ["doctor"]):
        assert "migrate" in desk.refused("unavailable", *argv, agent=None, git=False)["fix"]
    desk.refused("unavailable", "append", RUNBOOK, stdin="x\n", git=False)


def _many_refs(desk: Desk, count: int) -> None:
    head = desk.head()
    lines = "".join(f"{head} refs/tags/t{number:06}\n" for number in range(count))
    (desk.folder / ".git/packed-refs").write_text(
        f"# pack-refs with: peeled fully-peeled sorted \n{head} refs/heads/main\n{lines}")
    (desk.folder / ".git/refs/heads/main").unlink()


def _many_loose(desk: Desk, count: int) -> None:
    """Written as git does it, without a process for each."""
    for number in range(count):
        data = b"loose %d\n" % number
        oid = oid_of("blob", data)
        folder = desk.folder / ".git/objects" / oid[:2]
        folder.mkdir(exist_ok=True)
        (folder / oid[2:]).write_bytes(zlib.compress(b"blob %d\0" % len(data) + data, 1))


def _many_files(desk: Desk, count: int) -> None:
    stream = [f"commit refs/heads/main\ncommitter O <o@x.org> 1700000000 +0000\ndata 4\nmany\nfrom {desk.head()}\n"]
    stream += [f"M 100644 inline big/{number % 100:02}/{number:07}.md\ndata 2\nx\n\n" for number in range(count)]
    desk.git("fast-import", "--quiet", stdin="".join(stream))
    desk.git("read-tree", "HEAD")
    desk.git("sparse-checkout", "set", "--no-cone", "/*", "!/big/")


def _crowded(desk: Desk, refs_count: int, files: int, loose: int) -> float:
    """CPU seconds of a few commands in a repository of these numbers."""
    _many_files(desk, files)
    _many_refs(desk, refs_count)
    _many_loose(desk, loose)
    started = time.process_time()
    desk.good("append", RUNBOOK, stdin="x\n")
    desk.good("write", "big/50/new.md", stdin="new\n")
    assert desk.good("read", "big/50/new.md")["content"] == "new\n"
    assert len(desk.run("log", "--json", "-n", "2").json["items"]) == 2
    assert desk.run("doctor", "--json").code in (0, 1)
    spent = time.process_time() - started
    assert desk.git("status", "--porcelain") == ""
    return spent


def test_great_numbers(desk: Desk) -> None:
    """I23: 10,000 refs, 20,000 files and 5,000 loose objects: a handful of commands takes seconds, not minutes."""
    assert _crowded(desk, 10_000, 20_000, 5_000) < 20


@pytest.mark.soak
def test_the_greatest_numbers(desk: Desk) -> None:
    """I23: 100,000 refs, a million files and 40,000 loose objects."""
    assert _crowded(desk, 100_000, 1_000_000, 40_000) < 600
