"""One file swapped: the old or the new one is there at every moment, and what a person saved comes back."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from githarness.git import swap
from githarness.git.swap import Swap, exchange, move, temporary

NAME = b"a.md"
SPARE = temporary(NAME)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    """An open folder with the file `a.md`, whose content is `old`."""
    (tmp_path / "a.md").write_text("old")
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture(params=["renameat2", "link and rename"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file system with the exchange of names, and one without."""
    if request.param != "renameat2":
        def unserved(folder: int, old: bytes, new: bytes, flags: int) -> None:
            raise OSError(errno.EINVAL, "Invalid argument")
        monkeypatch.setattr(swap, "_renameat2", unserved)
    return request.param


def _swap(folder: int, **events) -> Swap:
    """`staged=…`, `swapped=…`: what happens at these points. `old` may go, nothing else."""
    def known(name: bytes) -> bool:
        return _read(folder, name) == b"old"
    return Swap(folder, NAME, SPARE, known, lambda point, _: events.get(point, lambda: None)())


def _read(folder: int, name: bytes) -> bytes:
    with open(os.open(name, os.O_RDONLY, dir_fd=folder), "rb") as file:
        return file.read()


def _put(folder: int, name: bytes, data: bytes) -> None:
    with open(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, dir_fd=folder), "wb") as file:
        file.write(data)


def _names(folder: int) -> list[str]:
    return sorted(os.listdir(folder))


def test_a_file_is_replaced(folder, system) -> None:
    """Nothing of ours stays."""
    one = _swap(folder)
    assert one.replace(one.stage(b"new", 0o644, exact=False))
    assert _read(folder, NAME) == b"new" and _names(folder) == ["a.md"]


def test_a_saved_file_is_swapped_back(folder, system) -> None:
    """Edited between the last look and the swap."""
    one = _swap(folder, staged=lambda: _put(folder, NAME, b"mine"))
    assert not one.replace(one.stage(b"new", 0o644, exact=False))
    assert _read(folder, NAME) == b"mine" and _names(folder) == ["a.md"]


def test_of_two_saves_the_later_one_stays(folder, system) -> None:
    """The first was displaced when the second came: as without us, the second replaces it."""
    one = _swap(folder, staged=lambda: _put(folder, NAME, b"first"), swapped=lambda: _put(folder, NAME, b"second"))
    assert not one.replace(one.stage(b"new", 0o644, exact=False))
    assert _read(folder, NAME) == b"second" and _names(folder) == ["a.md"]


def test_a_displaced_save_comes_back_where_our_file_was_removed(folder, system) -> None:
    """A person's content is never the one that goes."""
    one = _swap(folder, staged=lambda: _put(folder, NAME, b"mine"), swapped=lambda: os.unlink(NAME, dir_fd=folder))
    assert not one.replace(one.stage(b"new", 0o644, exact=False))
    assert _read(folder, NAME) == b"mine" and _names(folder) == ["a.md"]


def test_a_new_file_takes_no_place(folder, system) -> None:
    """Whatever has appeared there stays."""
    one = _swap(folder)
    one.stage(b"new", 0o644, exact=False)
    assert not one.create()
    assert _read(folder, NAME) == b"old" and _names(folder) == ["a.md"]


def test_an_edited_file_is_not_removed(folder, system) -> None:
    """It gets its name back, unless something newer has it."""
    assert not _swap(folder, staged=lambda: _put(folder, NAME, b"mine")).remove()
    assert _read(folder, NAME) == b"mine"
    events = {"staged": lambda: _put(folder, NAME, b"first"), "swapped": lambda: _put(folder, NAME, b"second")}
    assert not _swap(folder, **events).remove()
    assert _read(folder, NAME) == b"second" and _names(folder) == ["a.md"]


def test_a_file_that_is_gone_counts_as_removed(folder) -> None:
    """Somebody was faster."""
    assert _swap(folder, staged=lambda: os.unlink(NAME, dir_fd=folder)).remove()


def test_exchange_keeps_links_and_folders_as_they_are(folder, system) -> None:
    """Names change places, nothing is followed."""
    os.symlink("nowhere", SPARE, dir_fd=folder)
    exchange(folder, SPARE, NAME)
    assert os.readlink(NAME, dir_fd=folder) == b"nowhere" and _read(folder, SPARE) == b"old"
    with pytest.raises(FileExistsError):
        move(folder, SPARE, NAME)


def test_no_later_writer_gets_the_time_of_a_staged_file(folder) -> None:
    """So equal metadata proves equal content, even within a tick of the clock."""
    one = _swap(folder)
    for _ in range(200):
        staged = one.stage(b"new", 0o644, exact=False)
        _put(folder, SPARE, b"NEW")
        later = os.stat(SPARE, dir_fd=folder)
        assert later.st_mtime_ns > staged.st_mtime_ns and later.st_size == staged.st_size
        os.unlink(SPARE, dir_fd=folder)


def test_a_staged_file_is_older_than_the_kernel_says(folder, monkeypatch) -> None:
    """By the smallest step, so that a stamp of the same tick differs from it."""
    stamp = os.utime

    def stamped(descriptor: int, *, ns: tuple[int, int]) -> None:
        assert ns[1] == os.fstat(descriptor).st_mtime_ns - 1
        stamp(descriptor, ns=ns)

    monkeypatch.setattr(os, "utime", stamped)
    _swap(folder).stage(b"new", 0o644, exact=False)


def test_a_staged_file_that_cannot_be_written_leaves_nothing(folder, monkeypatch) -> None:
    """A full disk."""
    def full(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(os, "utime", full)
    with pytest.raises(OSError, match="No space"):
        _swap(folder).stage(b"new", 0o644, exact=False)
    assert _names(folder) == ["a.md"]


def test_a_file_open_for_writing_is_not_let_go(folder) -> None:
    """Reading does no harm, and mapping for writing counts as open."""
    with open(os.open(NAME, os.O_RDONLY, dir_fd=folder)):
        one = _swap(folder)
        assert one.replace(one.stage(b"old", 0o644, exact=False))
    with open(os.open(NAME, os.O_WRONLY, dir_fd=folder), "wb") as writer:
        assert not one.replace(one.stage(b"new", 0o644, exact=False))
        writer.write(b"mine")
    assert _read(folder, NAME) == b"mine"


def test_an_opening_while_we_ask_does_not_end_the_process(folder, monkeypatch) -> None:
    """The kernel tells a lease's holder by a signal; ours is one that does nothing."""
    ask = fcntl.fcntl

    def asked(descriptor: int, command: int, argument: int) -> int:
        answer = ask(descriptor, command, argument)
        if argument == fcntl.F_RDLCK:
            with pytest.raises(BlockingIOError):
                os.open(SPARE, os.O_WRONLY | os.O_NONBLOCK, dir_fd=folder)
        return answer

    child = os.fork()
    if child == 0:
        monkeypatch.setattr(fcntl, "fcntl", asked)
        one = _swap(folder)
        os._exit(not one.replace(one.stage(b"new", 0o644, exact=False)))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert _read(folder, NAME) == b"new"
