"""V10, V16: kill -9 before each call that changes a disk, of set, rotate and rekey; then the next command goes on.

A child is forked for each point and killed in front of the Nth of these calls, wherever it is made: records, keyslots,
marks, packs, refs, checkout. What the database does by itself is swept in tests/consistency.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness.vault import keyslots, marks
from tests.vault.safe import Safe

CALLS = ("write", "pwrite", "writev", "fsync", "fdatasync", "rename", "replace", "link", "unlink", "ftruncate", "mkdir")
OLD, NEW = b"value-before-crash", b"value-after-crash"
ACTS: dict[str, Callable[[Safe], object]] = {
    "set": lambda safe: safe.set("b", NEW),
    "rotate": lambda safe: safe.rotate("a", NEW),
    "rekey": lambda safe: safe.rekey(),
}


def _arm(last: int | None, counter: list[int]) -> None:
    """Every call counts; before number `last` the process is gone."""
    for name in CALLS:
        real = getattr(os, name)

        def call(*args: object, _real: Callable[..., object] = real, **more: object) -> object:
            counter[0] += 1
            if counter[0] == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return _real(*args, **more)

        setattr(os, name, call)


def _died(act: str, repo: Path, last: int | None, report: Path) -> bool:
    """Runs it in a forked child; the number of calls goes to `report` where it came to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            safe, counter = Safe(repo), [0]
            safe.keks()
            write = os.write
            _arm(last, counter)
            ACTS[act](safe)
            write(os.open(report, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), str(counter[0]).encode())
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("act", ACTS)
def test_a_crash_leaves_the_old_state_or_the_new_one(act: str, fleet: Path, home: Path, tmp_path: Path) -> None:
    """Whole, openable, verified; and the same command again brings it to its end."""
    Safe(fleet).init().set("a", OLD)
    data, kept = home / "data", tmp_path / "data"
    shutil.copytree(data, kept)

    def fresh(name: str) -> Path:
        shutil.rmtree(data)
        shutil.copytree(kept, data)
        return Path(shutil.copytree(fleet, tmp_path / name, symlinks=True))

    assert not _died(act, fresh("counted"), None, tmp_path / "report")
    last = int((tmp_path / "report").read_text())
    assert last > 20
    for number in range(1, last + 1):
        repo = fresh(f"at-{number}")
        assert _died(act, repo, number, tmp_path / "report"), number
        _is_sound(Safe(repo), act)
        shutil.rmtree(repo)


def _is_sound(safe: Safe, act: str) -> None:
    assert safe.value("a") in ((OLD, NEW) if act == "rotate" else (OLD,))
    done = ACTS[act](safe)
    assert safe.value("b" if act == "set" else "a") == (OLD if act == "rekey" else NEW)
    assert safe.codes() == set() and keyslots.load(safe.place).vault and marks.load(safe.place)
    if act == "rekey":
        assert [kek.id for kek in keyslots.load(safe.place).keks] == [safe.header("a").kek], done
