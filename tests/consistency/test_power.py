"""Power cuts: images of a loop-mounted ext4 taken while writers run; what was acknowledged is in each of them.

What the kernel has not handed to the block device is not in an image, so an acknowledgement without its fsyncs shows.
Reordering inside a disk's own cache is not simulated.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.consistency import checker
from tests.consistency.conftest import Field

IMAGES = 20  # from one disk before it is full
MEGABYTES = 32


def _can_mount() -> bool:
    if os.geteuid() or not all(map(shutil.which, ("mkfs.ext4", "mount", "umount", "losetup"))):
        return False
    return subprocess.run(["losetup", "-f"], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not _can_mount(), reason="loop-mounted ext4 takes root and mkfs.ext4")


@contextlib.contextmanager
def mounted(image: Path, target: Path) -> Iterator[Path]:
    target.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", image, target], check=True)
    try:
        yield target
    finally:
        for _ in range(100):  # a killed writer's git may still be ending
            if subprocess.run(["umount", target], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.1)
        else:
            subprocess.run(["umount", "--lazy", target], check=True)


def make_image(ground: Field, tmp_path: Path) -> Path:
    image = tmp_path / "disk.ext4"
    with open(image, "wb") as file:
        file.truncate(MEGABYTES << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    with mounted(image, tmp_path / "disk"):
        subprocess.run(["cp", "-a", ground.repo, tmp_path / "disk" / "repo"], check=True)
        checker.git(tmp_path / "disk" / "repo", "status")
    return image


def take(field: Field, image: Path, target: Path) -> None:
    """The device as it is while nobody writes, and the histories as they are at the same moment."""
    for one in field.running:
        one.send_signal(signal.SIGSTOP)
    time.sleep(0.005)
    first, second = b"", image.read_bytes()
    while first != second:
        first, second = second, image.read_bytes()
    target.mkdir()
    (target / "disk.ext4").write_bytes(second)
    shutil.copytree(field.history, target / "history")
    for one in field.running:
        one.send_signal(signal.SIGCONT)


def judged(folder: Path, *, go_on: bool) -> list[str]:
    """What the checker finds in an image before anything repairs it, then that the next write succeeds (W8, W10)."""
    with mounted(folder / "disk.ext4", folder / "mnt") as disk:
        history = checker.load(folder / "history")
        found = checker.check(disk / "repo", history, signed=False)
        if go_on:
            (disk / "repo/.git/githarness/boot").unlink(missing_ok=True)  # as after a start of the machine
            Field(disk / "repo", folder / "history").write_once_more()
            found += checker.check(disk / "repo", [*history, AFTERWARDS], signed=go_on)
    shutil.rmtree(folder)
    return found


AFTERWARDS = {
    "id": "afterwards",
    "agent": "agent-0",
    "kind": "append",
    "path": "after.txt",
    "payload": "afterwards\n",
    "start": 1 << 62,
    "end": 1 << 62,
    "result": "ok",
}


def campaign(ground: Field, folder: Path, images: int, writer: str = "githarness", *, every: int = 5) -> list[str]:
    """Images under three writers that never pause, on one disk; every so many of ours are written to again."""
    folder.mkdir()
    image, found, ours = make_image(ground, folder), [], writer == "githarness"
    with mounted(image, folder / "disk") as disk:
        field = Field(disk / "repo", folder / "history")
        field.history.mkdir()
        try:
            for number in range(images):
                if all(one.poll() is not None for one in field.running):
                    field.wait()
                    field.start(3, 60, seed=1000 + number, writer=writer)
                    field.until(1 + field.acknowledged())
                time.sleep(0.02)
                take(field, image, folder / f"image-{number}")
                found += judged(folder / f"image-{number}", go_on=ours and number % every == 0)
        finally:
            field.kill()
        assert field.acknowledged() > images
    return found


def test_acknowledged_writes_survive_power_cuts(ground: Field, tmp_path: Path) -> None:
    """20 images under load: nothing acknowledged is lost, and every fifth is written to again."""
    assert campaign(ground, tmp_path / "disk", IMAGES) == []


def test_stock_git_loses_acknowledged_commits(ground: Field, tmp_path: Path) -> None:
    """Negative control: the same images under bare git show the loss."""
    assert campaign(ground, tmp_path / "git", 8, writer="git") != []


@pytest.mark.soak
def test_ten_thousand_power_cuts(ground: Field, tmp_path: Path) -> None:
    """The campaign of `make soak`."""
    for number in range(10_000 // IMAGES):
        assert campaign(ground, tmp_path / f"disk-{number}", IMAGES, every=10) == []
        shutil.rmtree(tmp_path / f"disk-{number}")
