"""githarness-secrets: shapes of tokens in any text; placeholders pass, and no value is ever printed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from githarness.checks import door

TOKEN = "ghp_" + "aB3dE6gH9jK2" * 3


@pytest.mark.parametrize("form", door.FORMATS)
def test_a_token_is_refused_and_not_shown(hook, tmp_path: Path, form: str) -> None:
    """Line, kind and fix in every form of output, and nothing of the value."""
    (tmp_path / "deploy.sh").write_text(f"#!/bin/sh\nexport T={TOKEN} # and more\n")
    done = hook("secrets", "deploy.sh", "--format", form, cwd=tmp_path)
    assert (done.code, TOKEN[4:16] in done.out + done.err, "GH050" in done.out) == (1, False, True)


@pytest.mark.parametrize("text", ["T=ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n", "T=${GITHUB_TOKEN}\n",
                                  "password = <your password here>\n", "AKIAIOSFODNN7EXAMPLE\n"])
def test_placeholders_pass(hook, tmp_path: Path, text: str) -> None:
    """What documentation shows is no secret."""
    (tmp_path / "page.md").write_text(text)
    assert hook("secrets", "page.md", cwd=tmp_path).code == 0


def test_links_and_binaries_are_left_out(hook, tmp_path: Path) -> None:
    """A link's target is another file's business."""
    (tmp_path / "image.png").write_bytes(b"\x89PNG\0" + TOKEN.encode())
    (tmp_path / "link").symlink_to("image.png")
    assert hook("secrets", "image.png", "link", cwd=tmp_path).code == 0


def test_what_is_too_large_to_read_is_no_pass(hook, tmp_path: Path) -> None:
    """A file of which a part was not looked at is refused, with the number of bytes that were."""
    with open(tmp_path / "huge.txt", "wb") as file:
        file.write(b"text\n")
        os.truncate(file.fileno(), (16 << 20) + 1)
    done = hook("secrets", "huge.txt", cwd=tmp_path)
    assert (done.code, "only 16777216 of its bytes could be read" in done.out) == (1, True)
