"""Memory for secrets: read by nobody else, never swapped, dumped or left behind.

memfd_secret(2) where the kernel has it: no other process, not even root's, can read those pages. Else anonymous memory
that is locked. Slots are powers of two of bytes; a slot that is given back is wiped first.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import sys
from pathlib import Path

from githarness.errors import Unavailable

_MEMFD_SECRET = 447  # the number is the same on every architecture
_CLOEXEC = 0o2000000
_SEGMENT = 256 * 1024
_LEAST = 64
SECRET, LOCKED, PLAIN = "memfd_secret", "mlock", "none"


class Slot:
    """A place of `size` bytes at least; `view` is all of it. Neither shows what it holds."""

    __slots__ = ("_arena", "view")

    def __init__(self, arena: Arena, view: memoryview) -> None:
        self._arena = arena
        self.view = view

    def free(self) -> None:
        """Wipes it; it may be given to somebody else from here on."""
        self._arena.give_back(self)


class Arena:
    def __init__(self, *, secret: bool = True) -> None:
        """`secret`: whether memfd_secret is tried. Raises Unavailable where memory could be swapped out."""
        self._secret = secret and sys.platform == "linux"
        self._free: dict[int, list[memoryview]] = {}
        self._rest = memoryview(b"")
        self.kind = SECRET
        self._grow(_SEGMENT)

    def take(self, size: int) -> Slot:
        """A wiped slot. Raises Unavailable where there is no more memory of this kind."""
        room = max(_LEAST, 1 << (size - 1).bit_length())
        if waiting := self._free.get(room):
            return Slot(self, waiting.pop())
        if len(self._rest) < room:
            self._grow(max(_SEGMENT, room))
        view, self._rest = self._rest[:room], self._rest[room:]
        return Slot(self, view)

    def give_back(self, slot: Slot) -> None:
        slot.view[:] = bytes(len(slot.view))
        self._free.setdefault(len(slot.view), []).append(slot.view)

    def _grow(self, size: int) -> None:
        made = self._mapped(size)
        with contextlib.suppress(OSError):
            made.madvise(mmap.MADV_DONTDUMP)
        self._rest = memoryview(made)

    def _mapped(self, size: int) -> mmap.mmap:
        libc = ctypes.CDLL(None, use_errno=True)
        if self._secret and (found := _secret_memory(libc, size)):
            return found
        self._secret = False
        made = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        address = ctypes.addressof(ctypes.c_char.from_buffer(made))
        if libc.mlock(ctypes.c_void_p(address), ctypes.c_size_t(size)) == 0:
            self.kind = LOCKED if self.kind != PLAIN else PLAIN
        elif swap_is_on():
            raise Unavailable("the memory for secrets cannot be locked, and could be swapped to a disk",
                              fix="raise the limit of locked memory (ulimit -l, LimitMEMLOCK=), or swapoff -a")
        else:
            self.kind = PLAIN
        return made


def swap_is_on() -> bool:
    """Whether memory may reach a disk."""
    try:
        return len(Path("/proc/swaps").read_text(encoding="ascii").splitlines()) > 1
    except OSError:
        return True


def _secret_memory(libc: ctypes.CDLL, size: int) -> mmap.mmap | None:
    descriptor = libc.syscall(_MEMFD_SECRET, _CLOEXEC)
    if descriptor < 0:
        return None
    try:
        os.ftruncate(descriptor, size)
        return mmap.mmap(descriptor, size)
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)
