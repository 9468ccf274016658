"""Content of every kind arrives byte for byte in git; what a checkout would make of it arrives in the working tree."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.inputs.conftest import Desk

RUNBOOK = "runbooks/release.md"


def attributes(desk: Desk, *lines: str, config: tuple[str, ...] = ()) -> None:
    """A person's `.gitattributes` and configuration, committed and in force."""
    for entry in config:
        desk.git("config", *entry.split("=", 1))
    (desk.folder / ".gitattributes").write_text("".join(f"{line}\n" for line in lines))
    desk.git("add", ".gitattributes")
    desk.git("commit", "-qm", "attributes")


def stored(desk: Desk, path: str) -> bytes:
    return subprocess.run(["git", "cat-file", "blob", f"HEAD:{path}"], cwd=desk.folder, capture_output=True,
                          check=True).stdout


def checked_out_by_git(desk: Desk, path: str) -> bytes:
    """What git itself writes for the artifact."""
    file = desk.folder / path
    file.unlink()
    desk.git("checkout-index", "-f", "--", path)
    return file.read_bytes()


MIXED = b"unix\nwindows\r\nmac\rno end"
ENDS = [
    ((), ("core.autocrlf=true",), b"a\nb\n", b"a\r\nb\r\n"),
    ((), ("core.autocrlf=input",), b"a\nb\n", b"a\nb\n"),
    ((), ("core.autocrlf=true",), MIXED, MIXED),
    ((), ("core.autocrlf=true",), b"a\nb", b"a\r\nb"),
    ((), ("core.autocrlf=true",), b"a\r\nb\r\n", b"a\r\nb\r\n"),
    ((), ("core.autocrlf=true",), b"\0a\nb\n", b"\0a\nb\n"),
    (("*.md text eol=crlf",), (), b"a\nb\n", b"a\r\nb\r\n"),
    (("*.md text eol=lf",), ("core.autocrlf=true",), b"a\nb\n", b"a\nb\n"),
    (("* text=auto",), ("core.eol=crlf",), b"a\nb\n", b"a\r\nb\r\n"),
    (("*.md -text",), ("core.autocrlf=true",), b"a\nb\n", b"a\nb\n"),
    (("*.md binary",), ("core.autocrlf=true",), b"a\nb\n", b"a\nb\n"),
    (("docs/* text eol=crlf",), (), b"a\nb\n", b"a\r\nb\r\n"),
    (("*.md text=input",), ("core.autocrlf=true",), b"a\nb\n", b"a\nb\n"),
    (("*.md crlf",), ("core.eol=crlf",), b"a\nb\n", b"a\r\nb\r\n"),
    (("*.md text=auto eol=crlf",), (), b"\x1b\x1b\x01\x02\n", b"\x1b\x1b\x01\x02\n"),
    (("*.md ident",), (), b"no keyword\n", b"no keyword\n"),
]


@pytest.mark.parametrize(("lines", "config", "data", "file"), ENDS)
def test_the_working_tree_gets_what_a_checkout_writes(desk: Desk, lines: tuple[str, ...], config: tuple[str, ...],
                                                      data: bytes, file: bytes | None) -> None:
    """I27: the blob is what was written; the file has the ends that attributes and configuration ask for."""
    attributes(desk, *lines, config=config)
    for _ in range(2):  # made, then replaced
        done = desk.good("write", "docs/a.md", stdin=data)
        assert (stored(desk, "docs/a.md"), done["worktree"]) == (data, "updated")
        found = (desk.folder / "docs/a.md").read_bytes()
        assert found == (file or found) == checked_out_by_git(desk, "docs/a.md")
        desk.git("update-index", "--refresh")
        assert desk.git("status", "--porcelain") == ""
        data, file = b"more\n" + data, None


def test_line_ends_that_were_checked_out_before_are_clean(desk: Desk) -> None:
    """I27: files that git converted on checkout are no person's edit."""
    attributes(desk, config=("core.autocrlf=true",))
    assert checked_out_by_git(desk, RUNBOOK) == b"build\r\ntest\r\nship\r\n"
    os.utime(desk.folder / RUNBOOK, (1, 1))
    assert desk.good("append", RUNBOOK, stdin="verify\n")["worktree"] == "updated"
    assert (desk.folder / RUNBOOK).read_bytes() == b"build\r\ntest\r\nship\r\nverify\r\n"
    (desk.folder / RUNBOOK).write_bytes(b"build\r\nmine\r\n")
    desk.refused("dirty", "append", RUNBOOK, stdin="x\n")


def test_attributes_of_another_place_count_too(desk: Desk, home: Path) -> None:
    """I27: those of a folder, of `.git/info` and of the person's own file; the one that is nearest wins."""
    (desk.folder / "docs").mkdir()
    (desk.folder / "docs/.gitattributes").write_text("*.md eol=crlf\nlf.md eol=lf\n")
    desk.git("add", "docs/.gitattributes")
    desk.git("commit", "-qm", "attributes")
    (home / "attributes").write_text("*.own eol=crlf\n")
    desk.git("config", "core.attributesFile", home / "attributes")
    (desk.folder / ".git/info/attributes").write_text("*.info eol=crlf\n")
    for path, data in {"docs/a.md": b"a\r\n", "docs/lf.md": b"a\n", "a.md": b"a\n", "a.own": b"a\r\n",
                       "a.info": b"a\r\n"}.items():
        desk.good("write", path, stdin="a\n")
        assert (desk.folder / path).read_bytes() == data == checked_out_by_git(desk, path), path
    desk.sound()


@pytest.mark.parametrize(("line", "data"), [("*.odd ident", b"$Id$\n"), ("*.odd working-tree-encoding=UTF-16LE",
                                                                         b"a\n")])
def test_what_only_git_can_convert_waits(desk: Desk, line: str, data: bytes) -> None:
    """I27: keywords and other encodings are left to git; the commit has what was written."""
    attributes(desk, line)
    assert desk.good("write", "a.odd", stdin=data)["worktree"] == "pending"
    desk.git("checkout", "--", "a.odd")
    assert stored(desk, "a.odd") == data
    desk.sound()


@pytest.mark.parametrize("setting", ["smudge", "process"])
def test_a_filter_is_not_run_and_the_file_waits(desk: Desk, setting: str, tmp_path: Path) -> None:
    """I28 G32: the commit lands, the file stays as it was and says so; a file without a filter follows."""
    attributes(desk, "*.bin filter=evil", config=(f"filter.evil.{setting}=touch {tmp_path}/pwned; cat",
                                                  "filter.evil.required=true"))
    done = desk.good("write", "model.bin", stdin="weights\n")
    assert done["worktree"] == "pending" and not (desk.folder / "model.bin").exists()
    assert stored(desk, "model.bin") == b"weights\n"
    assert desk.good("write", "model.md", stdin="words\n")["worktree"] == "updated"
    assert desk.good("append", "model.bin", stdin="more\n")["worktree"] == "pending"
    assert not (tmp_path / "pwned").exists()


def test_a_filter_that_is_not_configured_changes_nothing(desk: Desk) -> None:
    """I28: as for git, an attribute without its driver means the content as it is: an LFS pointer, say."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12\n"
    attributes(desk, "*.bin filter=lfs diff=lfs merge=lfs -text")
    assert desk.good("write", "model.bin", stdin=pointer)["worktree"] == "updated"
    assert (desk.folder / "model.bin").read_text() == pointer == checked_out_by_git(desk, "model.bin").decode()
    desk.sound()


def test_a_swapped_pointer_is_a_change_like_any_other(desk: Desk) -> None:
    """G35: it needs a read, shows in the log with its agent, and rolls back."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12\n"
    desk.good("write", "model.bin", stdin=pointer.format("0" * 64))
    desk.refused("unread", "write", "model.bin", stdin=pointer.format("1" * 64), agent="scribe")
    desk.good("read", "model.bin", agent="scribe")
    desk.good("write", "model.bin", stdin=pointer.format("1" * 64), agent="scribe")
    assert desk.run("rollback", "scribe").code == 0
    assert stored(desk, "model.bin") == pointer.format("0" * 64).encode()


BYTES = {
    "nul": b"a\0b\n", "utf16": "text\n".encode("utf-16"), "bom": b"\xef\xbb\xbftext\n", "latin": b"caf\xe9\n",
    "empty": b"",
    "surrogate": b"\xed\xa0\x80\n", "crlf": b"a\r\nb", "mixed": MIXED, "lf": b"\n", "long line": b"x" * 1_000_000,
    "lines": b"\n" * 200_000, "conflict": b"<<<<<<< a\n=======\n>>>>>>> b\n", "zeros": bytes(100_000),
    "patch": b"diff --git a/x b/x\n--- a/x\n+++ b/x\n", "random": bytes(range(256)) * 40,
}


@pytest.mark.parametrize("kind", BYTES)
def test_every_content_survives_writing_reading_and_undoing(desk: Desk, kind: str) -> None:
    """I37: text or not, the bytes come back from git, from disk, from `read` and from its JSON."""
    data = BYTES[kind]
    desk.good("write", "a.bin", stdin=data)
    assert stored(desk, "a.bin") == (desk.folder / "a.bin").read_bytes() == data
    document = desk.good("read", "a.bin")
    content = document.get("content")
    assert (content.encode() if content is not None else base64.b64decode(document["content_base64"])) == data
    desk.good("write", "a.bin", stdin=b"other\n" + data)
    undone = desk.run("rollback", "--commit", desk.head(), "--json")
    assert undone.code == 0 and stored(desk, "a.bin") == data
    desk.sound()


@pytest.mark.parametrize("kind", ["nul", "utf16", "zeros"])
def test_nothing_binary_is_appended_to(desk: Desk, kind: str) -> None:
    """I37: neither as what is there nor as what is added."""
    desk.good("write", "a.bin", stdin=BYTES[kind])
    desk.refused("bad-path", "append", "a.bin", stdin="x\n")
    desk.refused("bad-path", "append", RUNBOOK, stdin=BYTES[kind])


def test_text_in_json_that_is_no_text_is_wrong_usage(desk: Desk) -> None:
    """I37: a lone surrogate in `apply` has no bytes; NUL has one."""
    desk.refused("usage", "apply", stdin='{"op":"write","path":"a.md","content":"\\ud800"}')
    desk.refused("usage", "apply", stdin='{"op":"write","path":"\\ud800","content":"a"}')
    desk.refused("usage", "apply", stdin=b'{"op":"write","path":"a.md","content":"\xff"}')
    desk.good("apply", stdin='{"op":"write","path":"a.md","content":"a\\u0000b"}')
    assert stored(desk, "a.md") == b"a\0b"


def test_a_change_of_mode_alone_is_a_write(desk: Desk) -> None:
    """G27: it needs a base, has a commit of its own that `log` lists, and follows into the working tree and back."""
    line = json.dumps({"op": "write", "path": RUNBOOK, "content": "build\ntest\nship\n", "mode": "100755"})
    desk.refused("unread", "apply", stdin=line)
    desk.good("read", RUNBOOK)
    desk.good("apply", stdin=line)
    assert desk.git("ls-tree", "HEAD", RUNBOOK).startswith("100755")
    assert (desk.folder / RUNBOOK).stat().st_mode & 0o100
    assert desk.run("log", "--json", "-n", "1", "--path", RUNBOOK).json["items"][0]["agent"] == "deployer"
    assert desk.run("rollback", "--commit", desk.head()).code == 0
    assert desk.git("ls-tree", "HEAD", RUNBOOK).startswith("100644")
    desk.sound()
    for mode in ("120000", "160000", "040000", "100664", "x"):
        desk.refused("usage", "apply", stdin=json.dumps({"op": "write", "path": "l", "content": "x", "mode": mode}))


def test_a_deletion_alone_is_a_write(desk: Desk) -> None:
    """G28: it needs a base, is listed under the path, and comes back."""
    desk.refused("unread", "delete", RUNBOOK)
    desk.good("read", RUNBOOK)
    desk.good("delete", RUNBOOK)
    assert desk.run("log", "--json", "-n", "1", "--path", RUNBOOK).json["items"][0]["subject"] == f"delete {RUNBOOK}"
    assert not (desk.folder / "runbooks").exists()
    assert desk.run("rollback", "--commit", desk.head()).code == 0
    assert (desk.folder / RUNBOOK).read_text() == "build\ntest\nship\n"
    desk.sound()
