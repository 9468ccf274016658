"""A bundle is checked without githarness: by the program in docs/audit.md, with Python's standard library alone."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness.errors import Conflict, HarnessError, Integrity, Unavailable
from githarness.policy import logs
from githarness.seal import keys
from githarness.work import audit_keep, audit_seal

PAGE = Path(__file__).resolve().parents[2] / "docs" / "audit.md"


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., int]:
    """`check(bundle, key)`: the program's exit code, isolated from everything that is installed."""
    program = tmp_path / "check.py"
    program.write_text(re.search(r"```py\n(.*?)```", PAGE.read_text(), re.DOTALL)[1])

    def run(*args: object) -> int:
        return subprocess.run([sys.executable, "-I", "-S", program, *map(str, args)], capture_output=True).returncode

    return run


@pytest.fixture
def bundle(sealed, tmp_path: Path) -> Path:
    return audit_keep.archive(sealed.harness.parts, tmp_path / "out").file


def key_of(bundle: Path) -> str:
    with tarfile.open(bundle) as tar:
        return logs.parse(tar.extractfile("log.yaml").read(), "l.yaml").key


def changed(bundle: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """A bundle in which one member is another."""
    made = bundle.with_name("changed.tar")
    with tarfile.open(bundle) as old, tarfile.open(made, "w") as new:
        for member in old:
            data = old.extractfile(member).read()
            data = change(data) if member.name == name else data
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return made


def test_a_bundle_is_good_for_its_key_alone(bundle, check) -> None:
    """The program says so; by another key it is nobody's."""
    assert check(bundle, key_of(bundle)) == 0
    assert check(bundle, keys.generate().public) == 1


CHANGES = {
    "a byte of an event": ("events.jsonl", lambda data: data.replace(b'"kind":"read"', b'"kind":"reed"', 1)),
    "an event less": ("events.jsonl", lambda data: data.partition(b"\n")[2]),
    "the last event": ("events.jsonl", lambda data: data[: data[:-1].rindex(b"\n") + 1]),
    "an event twice": ("events.jsonl", lambda data: data + data.splitlines(keepends=True)[-1]),
    "a body": ("bodies.jsonl", lambda data: data.replace(b'{\\"at\\":3}', b'{\\"at\\":4}', 1)),
    "the size": ("checkpoint", lambda data: re.sub(rb"\n(\d+)\n", rb"\n1\1\n", data, count=1)),
    "the signature": ("checkpoint", lambda data: data[:-10] + data[-9:-8] + data[-9:]),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_bundle_is_not_good(bundle, check, what: str) -> None:
    """Whatever was changed in it."""
    name, change = CHANGES[what]
    made = changed(bundle, name, change)
    assert made.read_bytes() != bundle.read_bytes() and check(made, key_of(bundle)) == 1


def test_a_witness_is_held_against_a_bundle(sealed, bundle, check, tmp_path: Path) -> None:
    """G84: an older checkpoint fits a longer log; a newer one shows what was cut off."""
    old, new = tmp_path / "old", tmp_path / "new"
    with tarfile.open(bundle) as tar:
        old.write_bytes(tar.extractfile("checkpoint").read())
    sealed.write()
    new.write_text(audit_seal.checkpoint(sealed.harness.parts))
    longer = audit_keep.bundle(sealed.harness.parts, tmp_path / "longer.tar").file
    assert (check(longer, key_of(bundle), old), check(bundle, key_of(bundle), new)) == (0, 1)


def test_a_bundle_takes_no_files_place(sealed, bundle) -> None:
    """It is a new file, and appears whole."""
    with pytest.raises(Conflict):
        audit_keep.bundle(sealed.harness.parts, bundle)


def test_a_bundle_that_cannot_be_read_leaves_nothing(sealed) -> None:
    """Of a database that somebody damaged; the half-made file goes."""
    sealed.edit("UPDATE events SET agent = x'ff' WHERE id = 'e-fill0'")
    target = sealed.folder.parent / "audit.tar"
    with pytest.raises(HarnessError):
        audit_keep.bundle(sealed.harness.parts, target)
    assert not list(target.parent.glob("*.new")) and not target.exists()


@pytest.mark.parametrize("statement", ["UPDATE events SET agent = 'scribe' WHERE id = 'e-fill0'",
                                       "DELETE FROM events WHERE id = 'e-tool'",
                                       "UPDATE events SET safe = '{}' WHERE id = 'e-tool'"])
def test_a_bundle_of_changed_events_is_not_written(sealed, cli, statement: str) -> None:
    """Sealed or not: its lines lead to its checkpoint, or there is no file."""
    sealed.edit(statement)
    done = cli("audit", "bundle", "../audit.tar", cwd=sealed.folder)
    assert (done.code, "not as they were recorded" in done.err) == (Integrity.exit_code, True)
    assert not list(sealed.folder.parent.glob("*.tar")) and not list(sealed.folder.parent.glob(".*.new"))


def test_a_bundle_leaves_the_files_beside_it(sealed, tmp_path: Path) -> None:
    """Also one that is named as a half-made file might be, and a link to somewhere else."""
    beside = tmp_path / "audit.tar.new"
    beside.write_text("mine")
    (tmp_path / "b.tar.new").symlink_to(beside)
    for name in ("audit.tar", "b.tar"):
        audit_keep.bundle(sealed.harness.parts, tmp_path / name)
    assert beside.read_text() == "mine" and (tmp_path / "b.tar.new").is_symlink()


def test_a_bundle_below_a_file_is_named(sealed, tmp_path: Path) -> None:
    """No folder is there: an error of ours."""
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be written"):
        audit_keep.bundle(sealed.harness.parts, tmp_path / "file" / "audit.tar")
