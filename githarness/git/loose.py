"""Loose objects, read by ourselves: libgit2 1.9 never returns from one that is cut short.

`objects/XX/REST` is the zlib stream of `TYPE SP SIZE NUL` and SIZE bytes; a wrong size or digest is Integrity.
"""

from __future__ import annotations

import errno
import hashlib
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from githarness.errors import Integrity, Unavailable

_MAX_HEADER = 32  # git's own limit
_KINDS = (b"commit", b"tree", b"blob", b"tag")


def read(folders: Sequence[Path], oid: str) -> tuple[str, bytes] | None:
    """Kind and data; None where no folder has the object loose."""
    for folder in folders:
        file = f"{folder}/{oid[:2]}/{oid[2:]}"
        try:
            with open(file, "rb") as stream:
                return _parsed(stream.read(), oid, file)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # a line of info/alternates that can name no folder
                continue
            raise Unavailable(f"'{file}' cannot be read: {error.strerror}", fix=f"ls -l '{file}'") from error
    return None


def exists(folders: Sequence[Path], oid: str) -> bool:
    return any(os.path.exists(f"{folder}/{oid[:2]}/{oid[2:]}") for folder in folders)


def may_exist(folders: Sequence[Path], oid: str) -> bool:
    """False where no folder has it; what cannot be looked at is for `read` to name."""
    for folder in folders:
        try:
            os.stat(f"{folder}/{oid[:2]}/{oid[2:]}")
            return True
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return True
    return False


def _parsed(stored: bytes, oid: str, file: str) -> tuple[str, bytes]:
    """The size in the header bounds what is unpacked, so that a small file cannot fill the memory."""
    inflate = zlib.decompressobj()
    try:
        start = inflate.decompress(stored, _MAX_HEADER)
        header, nul, rest = start.partition(b"\0")
        kind, _, size = header.partition(b" ")
        if not nul or kind not in _KINDS or not size.isdigit():
            raise _corrupt(oid, file)
        data = rest + inflate.decompress(inflate.unconsumed_tail, max(1, int(size) - len(rest) + 1))
    except zlib.error as error:
        raise _corrupt(oid, file) from error
    digest = hashlib.sha1(header + b"\0", usedforsecurity=False)
    digest.update(data)
    if not inflate.eof or len(data) != int(size) or digest.hexdigest() != oid:
        raise _corrupt(oid, file)
    return kind.decode(), data


def _corrupt(oid: str, file: str) -> Integrity:
    return Integrity(f"object '{oid}' is corrupt in '{file}'", fix="git fsck")


def with_prefix(folders: Sequence[Path], prefix: str) -> Iterator[str]:
    """The ids that begin with at least two digits of `prefix`."""
    for folder in folders:
        below = folder / prefix[:2]
        for file in below.iterdir() if below.is_dir() else ():
            if len(file.name) == 38 and file.name.startswith(prefix[2:]):
                yield prefix[:2] + file.name
