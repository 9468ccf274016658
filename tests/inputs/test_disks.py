"""Disks that are full, read-only or failing, and processes out of descriptors: nothing half-written, nothing lost."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.inputs.conftest import Desk, check_error, state

RUNBOOK = "runbooks/release.md"
STRACE = shutil.which("strace")


@contextmanager
def disk(desk: Desk, tmp_path: Path, *, options: str) -> Iterator[Desk]:
    """The fleet's repository on a small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield desk.at(shutil.copytree(desk.folder, folder / "repo", symlinks=True))
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def _fill(folder: Path) -> Path:
    """Not a byte is left."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


def _fails_until(desk: Desk, relieve: Callable[[], object], *codes: str) -> None:
    """Every kind of command fails by name and leaves git as it was; afterwards the same commands work."""
    before = state(desk.folder)
    for argv in (["append", RUNBOOK], ["write", "new.md"], ["append", RUNBOOK]):
        ran = desk.act(*argv, "--json", stdin="x\n")
        assert ran.code and ran.json["error"]["code"] in codes, ran
        check_error(ran, ran.json["error"]["code"], as_json=True)
    assert {**state(desk.folder), "left": 0, "locks": 0} == {**before, "left": 0, "locks": 0}
    desk.git("fsck", "--strict")
    relieve()
    desk.good("append", RUNBOOK, stdin="x\n")
    desk.good("write", "new.md", stdin="x\n")
    assert desk.git("show", f"HEAD:{RUNBOOK}") == "build\ntest\nship\nx"
    assert state(desk.folder)["locks"] == [] and not list((desk.folder / ".git").rglob("tmp_githarness*"))
    assert not list((desk.folder / ".git").rglob("*.keep"))
    assert len(desk.run("log", "--json").json["items"]) == 6
    desk.sound()


def test_a_full_disk(desk: Desk, tmp_path: Path) -> None:
    """I46: `unavailable` for as long as it lasts, whether the first write of a process or a later one."""
    with disk(desk, tmp_path, options="size=4m") as here:
        here.git("status")
        ballast = _fill(tmp_path / "disk")
        _fails_until(here, ballast.unlink, "unavailable")


@pytest.mark.parametrize("room", [4096, 20_000, 60_000])
def test_a_disk_that_fills_up_in_the_middle(desk: Desk, tmp_path: Path, room: int) -> None:
    """I46: room for a part of the write only."""
    with disk(desk, tmp_path, options="size=4m") as here:
        here.git("status")
        ballast = _fill(tmp_path / "disk")
        os.truncate(ballast, ballast.stat().st_size - room)
        before = state(here.folder)
        ran = here.act("write", "big.bin", "--json", stdin=os.urandom(200_000))
        check_error(ran, "unavailable", as_json=True)
        assert {**state(here.folder), "left": 0} == {**before, "left": 0}
        ballast.unlink()
        here.good("write", "big.bin", stdin=os.urandom(200_000))
        here.sound()


def test_no_inode_is_left(desk: Desk, tmp_path: Path) -> None:
    """I46: space there is, but no name can be made."""
    with disk(desk, tmp_path, options="size=20m,nr_inodes=600") as here:
        here.git("status")
        names = tmp_path / "disk/names"
        names.mkdir()
        with pytest.raises(OSError, match="No space"):
            for number in range(600):
                (names / str(number)).touch()
        _fails_until(here, lambda: shutil.rmtree(names), "unavailable")


def test_a_read_only_repository(desk: Desk, tmp_path: Path) -> None:
    """I45: nothing is written; an artifact is still read without an agent's guard, or the error is named."""
    with disk(desk, tmp_path, options="size=20m") as here:
        here.git("status")
        remount = ["mount", "-o", "remount,{}", str(tmp_path / "disk")]
        subprocess.run([part.format("ro") for part in remount], check=True)
        _fails_until(here, lambda: subprocess.run([part.format("rw") for part in remount], check=True), "unavailable")


def test_a_read_only_git_directory(desk: Desk) -> None:
    """`.git` without the right to write, as for another user's repository."""
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere; the read-only disk stands for it")
    home = desk.folder / ".git/githarness"
    home.chmod(0o500)
    desk.refused("unavailable", "append", RUNBOOK, stdin="x\n")
    home.chmod(0o700)


SWAPS: dict[str, Callable[[Path], object]] = {
    "link": lambda file: (file.rename(file.with_name("elsewhere")), file.symlink_to("elsewhere")),
    "page size": lambda file: _poke(file, 16, b"\x03\x21"),
    "garbage": lambda file: file.write_bytes(b"garbage" * 10_000),
    "folder": lambda file: (file.unlink(), file.mkdir()),
    "newer": lambda file: _poke(file, 60, b"\x00\x00\x00\x63"),
}


def _poke(file: Path, offset: int, data: bytes) -> None:
    with file.open("r+b") as out:
        out.seek(offset)
        out.write(data)


@pytest.mark.parametrize("swap", SWAPS)
def test_a_database_that_was_swapped_is_named_and_git_goes_on(desk: Desk, swap: str) -> None:
    """I45: no command uses or overwrites it; moved away, everything that git knows is there again."""
    home = desk.folder / ".git/githarness"
    desk.run("log")
    for name in ("harness.db-wal", "harness.db-shm"):
        (home / name).unlink(missing_ok=True)
    SWAPS[swap](home / "harness.db")
    before = state(desk.folder)
    codes = {desk.act("append", RUNBOOK, "--json", stdin="x\n").json["error"]["code"],
             desk.run("log", "--json").json["error"]["code"]}
    assert codes <= {"integrity", "unavailable"}
    check_error(desk.act("append", RUNBOOK, stdin="x\n"), codes.pop(), as_json=False)
    assert state(desk.folder) == before
    assert desk.run("doctor", "--json").code == 1
    shutil.move(home / "harness.db", home / "broken.db")
    desk.good("append", RUNBOOK, stdin="x\n")
    assert len(desk.run("log", "--json").json["items"]) == 5
    desk.sound()


def test_a_log_of_the_database_that_was_cut_loses_no_commit(desk: Desk) -> None:
    """I45: a truncated WAL, as some file systems leave it."""
    writer = subprocess.run([sys.executable, "-c", THREE, str(desk.folder)], check=False)
    assert writer.returncode == -9
    wal = desk.folder / ".git/githarness/harness.db-wal"
    os.truncate(wal, wal.stat().st_size // 2)
    wal.with_name("harness.db-shm").unlink()
    assert desk.run("index", "rebuild").code == 0
    assert len(desk.run("log", "--json", "--agent", "deployer").json["items"]) == 3
    desk.good("append", RUNBOOK, "--operation", "op-2", stdin="2\n")
    assert desk.git("show", f"HEAD:{RUNBOOK}") == "build\ntest\nship\n0\n1\n2"


THREE = """import os, sys, githarness
with githarness.open(sys.argv[1]) as h:
    for number in range(3):
        h.agent("deployer").append("runbooks/release.md", str(number), operation=f"op-{number}")
    os.kill(os.getpid(), 9)"""


@contextmanager
def descriptors(free: int) -> Iterator[None]:
    """This process can open `free` more files and not one beyond."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 50, hard))
    hogs = []
    try:
        with contextlib.suppress(OSError):
            while True:
                hogs.append(os.open(os.devnull, os.O_RDONLY))
        for hog in hogs[:free]:
            os.close(hog)
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for hog in hogs[free:]:
            os.close(hog)


def test_out_of_descriptors(desk: Desk) -> None:
    """I46: EMFILE at every number of free descriptors is an error of ours or none, and the next command goes on."""
    desk.good("append", RUNBOOK, stdin="first\n")  # whatever is imported then is there
    failed = 0
    for free in range(2, 16):  # the test itself needs two
        before = state(desk.folder)
        with descriptors(free):
            ran = desk.act("append", RUNBOOK, "--json", stdin="x\n")
        if ran.code:
            failed += 1
            check_error(ran, ran.json["error"]["code"], as_json=True)
            assert {**state(desk.folder), "left": 0, "locks": 0} == {**before, "left": 0, "locks": 0}
    assert failed > 3
    desk.good("append", RUNBOOK, stdin="last\n")
    assert desk.git("show", f"HEAD:{RUNBOOK}").endswith("\nlast")
    desk.sound()


WRITE = """import sys, githarness
from githarness.errors import HarnessError
try:
    with githarness.open(sys.argv[1]) as h:
        print("done", h.agent("deployer").append("runbooks/release.md", "x").commit)
except HarnessError as error:
    print(error.code, error.fix)"""


def _with_fault(desk: Desk, fault: str) -> str:
    command = [str(STRACE), "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + fault.partition(":")[0], "-e",
               f"inject={fault}",
               sys.executable, "-c", WRITE, str(desk.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def test_a_checkout_on_a_full_disk_is_finished_later(desk: Desk, tmp_path: Path) -> None:
    """The write is made, readers go on, writers hear of the disk, and git cannot commit the write away meanwhile."""
    desk.git("checkout", "-q", "--detach")
    with disk(desk, tmp_path, options="size=4m") as there:
        desk.git("worktree", "add", "-q", there.folder.parent / "tree", "main")
        ballast = _fill(there.folder.parent)
        assert desk.good("write", "new.md", "--if-match", "absent", stdin="x" * 9000)["worktree"] == "pending"
        assert desk.act("read", "new.md").out == "x" * 9000
        check_error(desk.act("append", RUNBOOK, "--json", stdin="x\n"), "unavailable", as_json=True)
        commit = ["git", "commit", "-qam", "all"]
        assert subprocess.run(commit, cwd=there.folder.parent / "tree", capture_output=True, check=False).returncode
        ballast.unlink()
        desk.good("append", RUNBOOK, stdin="x\n")
        assert desk.git("-C", there.folder.parent / "tree", "status", "--porcelain") == ""


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
@pytest.mark.parametrize("fault", [f"fsync:error=EIO:when={number}" for number in (1, 2, 3, 4, 5, 6)] + [
    "fdatasync:error=EIO:when=1", "fdatasync:error=EIO:when=2", "pwrite64:error=EIO:when=3", "rename:error=EIO:when=1",
    "rename:error=ENOSPC:when=2", "rename:error=EIO:when=4", "renameat2:error=EIO:when=1", "link:error=EIO:when=2",
    "link:error=EPERM:when=1", "ftruncate:error=ENOSPC:when=1", "fsync:error=EIO:when=3+"])  # fmt: skip
def test_a_disk_that_fails_is_named(desk: Desk, fault: str) -> None:
    """I46: EIO and its like at one call or from one on: acknowledged means there, refused by name."""
    before = desk.head()
    said = _with_fault(desk, fault)
    after = desk.head()
    word = said.split()[0] if said else ""
    assert word in ("done", "unavailable", "integrity"), said
    if word == "done":
        assert after == said.split()[1]
        if "renameat2" in fault:  # the file could not be exchanged: it waits for a person
            assert desk.git("status", "--porcelain") == f" M {RUNBOOK}"
            desk.git("checkout", "--", RUNBOOK)
    elif after != before:
        assert "fsync" in fault or "rename" in fault, "only what follows the move of the ref may leave it unknown"
    desk.good("append", RUNBOOK, stdin="next\n")
    lines = desk.git("show", f"HEAD:{RUNBOOK}").split("\n")
    assert lines == ["build", "test", "ship", *(["x"] if after != before else []), "next"]
    assert state(desk.folder)["locks"] == []
    desk.sound()
