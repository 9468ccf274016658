"""The path rules against git's own: whatever we let through, git stores under its strictest settings."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from githarness import paths
from githarness.errors import BadPath

_PIECES = ["g", "i", "t", ".git", "GIT~1", "git", "/", "..", ".", " ", "~1", ":", "::$DATA", "\\", "\u200c", "\u0301",
           "con", "aux", ".md", "a", "\u00e9", "\u202e", "-", "\n", "\ufeff", "\ud800", "\u0130", "K", "modules"]
_texts = st.one_of(st.lists(st.sampled_from(_PIECES), max_size=8).map("".join), st.text(max_size=30))
_globs = st.lists(st.sampled_from(["**", "*", "?", "a", "b", "/", "ab*", "*a*"]), max_size=60).map("".join)


def _accepted(texts: list[str]) -> list[str]:
    good = []
    for text in texts:
        try:
            good.append(paths.check(text))
        except BadPath:
            continue
    return good


def _stored_by_git(folder: Path, names: list[str]) -> bool:
    """Each name in an index of its own file, so that folder and file of one name do not displace each other."""
    blob = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    lines = "".join(f"100644 {blob}\t{name}\0" for name in names).encode()
    strict = ["-c", "core.protectHFS=true", "-c", "core.protectNTFS=true"]
    done = subprocess.run(["git", *strict, "update-index", "-z", "--add", "--replace", "--index-info"], cwd=folder,
                          input=lines, capture_output=True, check=False)
    return done.returncode == 0 and b"path" not in done.stderr


@given(texts=st.lists(_texts, min_size=1, max_size=30))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_git_stores_what_passes(repo: Path, texts: list[str]) -> None:
    """No path that passes is one that git refuses for HFS+ or NTFS."""
    assert _stored_by_git(repo, _accepted(texts))


def test_git_refuses_what_the_control_shows(repo: Path) -> None:
    """The comparison can fail: git refuses a spelling of its own folder."""
    assert not _stored_by_git(repo, ["a/GIT~1/config"])


@pytest.mark.soak
@given(texts=st.lists(_texts, min_size=1, max_size=300))
@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
def test_git_stores_what_passes_at_length(repo: Path, texts: list[str]) -> None:
    """The same, for many more texts."""
    assert _stored_by_git(repo, _accepted(texts))


@pytest.mark.soak
@given(texts=st.lists(_texts, min_size=1, max_size=50))
@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_passes_stays_in_its_folder(tmp_path: Path, texts: list[str]) -> None:
    """A path that passes, joined to a folder, is below it."""
    for path in _accepted(texts):
        assert Path(os.path.normpath(tmp_path / path)).is_relative_to(tmp_path / path.split("/")[0])


@pytest.mark.soak
@given(glob=_globs, path=st.text("ab/", max_size=2000))
@settings(max_examples=20000, deadline=None)
def test_no_glob_takes_long(glob: str, path: str) -> None:
    """Globs that are not valid are answered at once too."""
    start = time.process_time()
    paths.matches(glob, path)
    assert time.process_time() - start < 1
