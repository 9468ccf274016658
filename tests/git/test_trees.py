"""Trees are rewritten by splices; real git says whether they are right."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from githarness.errors import BadPath
from githarness.git import pack
from githarness.git.objects import EXECUTABLE, FILE, FOLDER, Entry, Raw, oid_of, raw
from githarness.git.trees import Trees, append_delta

_NAMES = st.sampled_from(["a", "a.b", "a-b", "a0", "b", "folder", "folder.md", "z"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map("/".join)
_CHANGES = st.dictionaries(_PATHS, st.sampled_from([FILE, EXECUTABLE, None]), max_size=6)
BLOB = oid_of("blob", b"")


class Loose:
    """Trees kept in a dict, as a repository would."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}
        self.trees = Trees(self.data.__getitem__)

    def change(self, root: str | None, changes: dict[str, Entry | None]) -> tuple[str | None, list[Raw]]:
        made: list[Raw] = []
        root = self.trees.change(root, changes, made)
        self.data |= {one.oid: one.data for one in made}
        return root, made

    def files(self, root: str | None, prefix: str = "") -> dict[str, str]:
        found: dict[str, str] = {}
        for mode, name, oid in _entries(self.data[root]) if root else []:
            path = prefix + name
            found |= self.files(oid, path + "/") if mode == FOLDER else {path: mode}
        return found


def _entries(data: bytes) -> list[tuple[str, str, str]]:
    found, at = [], 0
    while at < len(data):
        nul = data.index(b"\0", at)
        mode, _, name = data[at:nul].partition(b" ")
        found.append((mode.decode(), name.decode(), data[nul + 1 : nul + 21].hex()))
        at = nul + 21
    return found


def _model(files: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
    files = dict(files)
    for path, mode in changes.items():
        files.pop(path, None)
        if mode:
            files[path] = mode
    return files


def _meant(files: dict[str, str], changes: dict[str, str | None]) -> dict[str, str | None]:
    """Without the removal of what is not there: callers remove files that they looked up."""
    return {path: mode for path, mode in changes.items() if mode or path in files}


def _consistent(files: dict[str, str]) -> bool:
    return not any(other.startswith(path + "/") for path in files for other in files)


@given(st.lists(_CHANGES, max_size=5))
@settings(max_examples=150, deadline=None)
def test_rewritten_trees_hold_what_was_put_in(rounds: list[dict[str, str | None]]) -> None:
    """Any sequence of changes gives the files that a plain dictionary gives, in git's order."""
    loose, root, files = Loose(), None, {}
    for changes in rounds:
        changes = _meant(files, changes)
        if not _consistent(after := _model(files, changes)):
            continue
        root, _ = loose.change(root, {path: Entry(mode, BLOB) if mode else None for path, mode in changes.items()})
        files = after
        assert loose.files(root) == files
        for oid in loose.data:
            names = [name + ("/" if mode == FOLDER else "") for mode, name, _ in _entries(loose.data[oid])]
            assert names == sorted(names)


@given(st.lists(_CHANGES, min_size=2, max_size=5))
@settings(max_examples=40, deadline=None)
def test_deltas_are_what_git_reads(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[dict[str, str | None]]
) -> None:
    """A pack with our deltas passes `git index-pack --strict`, and git finds every object in it."""
    loose, root, files, made = Loose(), None, {}, [raw("blob", b"")]
    for changes in rounds:
        changes = _meant(files, changes)
        if _consistent(after := _model(files, changes)):
            root, fresh = loose.change(root, {path: Entry(m, BLOB) if m else None for path, m in changes.items()})
            files, made = after, made + fresh
    _check_pack(tmp_path_factory.mktemp("repo"), made)


def _check_pack(folder: Path, made: list[Raw]) -> None:
    subprocess.run(["git", "init", "-q", "--bare", folder], check=True)
    stem = pack.write(folder / "objects" / "pack", made)
    assert stem is not None
    subprocess.run(
        ["git", "index-pack", "--strict", "--verify", stem.with_suffix(".pack")],
        check=True,
        cwd=folder,
        capture_output=True,
    )
    listed = subprocess.run(
        ["git", "cat-file", "--batch-check", "--batch-all-objects"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\n")
    assert {line.split()[0] for line in listed if line} == {one.oid for one in made}


@given(st.binary(max_size=300), st.binary(min_size=1, max_size=300))
@settings(max_examples=30, deadline=None)
def test_append_deltas_are_what_git_reads(tmp_path_factory: pytest.TempPathFactory, old: bytes, more: bytes) -> None:
    """A blob written as its predecessor and an addition is read whole by git."""
    first, second = raw("blob", old), raw("blob", old + more)
    grown = Raw("blob", second.oid, second.data, first.oid, append_delta(len(old), more))
    _check_pack(tmp_path_factory.mktemp("repo"), [first, grown])


def test_a_file_becomes_a_folder_and_back() -> None:
    """The entry moves to the other kind's place in the order."""
    loose = Loose()
    root, _ = loose.change(None, {name: Entry(FILE, BLOB) for name in ("a", "a.b", "a0")})
    root, _ = loose.change(root, {"a": None, "a/x": Entry(FILE, BLOB)})
    assert list(loose.files(root)) == ["a.b", "a/x", "a0"]
    root, _ = loose.change(root, {"a/x": None, "a": Entry(FILE, BLOB)})
    assert list(loose.files(root)) == ["a", "a.b", "a0"]


def test_a_name_that_looks_like_an_entry_is_not_taken_for_one() -> None:
    """`100644 x` beside `x`, and names that end in each other: each is found as itself, parsed or not."""
    loose = Loose()
    names = ["100644 x", "a x", "x", "y 100644 x", "40000 x"]
    blobs = {name: Entry(FILE, oid_of("blob", name.encode())) for name in names}
    root, _ = loose.change(None, blobs)
    assert root
    for name in names:
        assert Trees(loose.data.__getitem__).lookup(root, name) == blobs[name]
    root, _ = loose.change(root, {"x": None})
    assert root
    fresh = Trees(loose.data.__getitem__)
    assert fresh.lookup(root, "x") is None
    assert fresh.lookup(root, "100644 x") == blobs["100644 x"]


@pytest.mark.parametrize("path", ["Skills/b", "skills/A", "skills/a/b"])
def test_twins_and_files_as_parents_are_refused(path: str) -> None:
    """A name that differs only by case, and a path below a file, are bad paths."""
    loose = Loose()
    root, _ = loose.change(None, {"skills/a": Entry(FILE, BLOB)})
    assert root
    with pytest.raises(BadPath):
        loose.trees.check_new(root, path)
    loose.trees.check_new(root, "skills/b")
