"""The files by which GitHub, GitLab and pre-commit run our checks: written, and taken away again, byte for byte.

What was written opens with a line that holds the digest of the rest. With that line a file, or a part of pre-commit's
configuration, is known as ours and unedited; what is not is never overwritten and never removed.

    # githarness install github: sha256 of what follows HEX
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from githarness import canon, resources
from githarness.errors import Conflict, Unavailable, Usage
from githarness.work.adopted import write_file

FILES = {"github": (".github/workflows/githarness.yml", "github.yml"),
         "gitlab": (".gitlab/githarness.yml", "gitlab.yml"),
         "pre-commit": (".pre-commit-config.yaml", "pre-commit.yaml")}
NEXT = {"github": "git add .github, and commit it",
        "gitlab": "include .gitlab/githarness.yml in .gitlab-ci.yml, as its head says",
        "pre-commit": "pre-commit install --hook-type pre-commit --hook-type commit-msg"}
# A requirement of pip on one line, in which no shell and no YAML sees more than text: NAME, NAME==1.2, NAME @ URL, URL.
_SOURCE = re.compile(
    r"(?:[A-Za-z0-9][\w.-]*(?:\[[\w.,-]+\])? @ )?[A-Za-z0-9./][\w.~@:/+=<>!,\[\]%#*-]{0,500}", re.ASCII)
_COMMIT = re.compile(r"git\+.*@[0-9a-f]{40}(?:#.*)?")
_SEAL = r"# githarness install {target}: sha256 of what follows ([0-9a-f]{{64}})\r?\n"
_END = "# end of what githarness install pre-commit wrote"
_NEW = "default_install_hook_types: [pre-commit, commit-msg]\nrepos:\n"  # a configuration that has none but our entry
_BARE = re.compile(r"(?:[ \t]*(?:#.*)?\r?\n)*(?:[ \t]*(?:#.*)?)?")  # lines of comments at most
# The line `repos:`, where a list follows, and how far its entries are indented.
_LIST = re.compile(r"^repos:[ \t]*(?:#[^\n]*|\r)?\n(?=(?:[ \t]*(?:#[^\n]*|\r)?\n)*( *)- )", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Change:
    """What a file was and becomes; None: it is not there."""

    path: Path
    before: bytes | None
    after: bytes | None

    @property
    def action(self) -> str:
        if self.before == self.after:
            return "unchanged"
        return "removed" if self.after is None else "written" if self.before is None else "changed"

    def diff(self, name: str) -> list[str]:
        """Lines of a unified diff; bytes that are no UTF-8 as U+FFFD."""
        old, new = ((side or b"").decode("utf-8", "replace").splitlines() for side in (self.before, self.after))
        return list(difflib.unified_diff(old, new, "/dev/null" if self.before is None else f"a/{name}",
                                         "/dev/null" if self.after is None else f"b/{name}", lineterm=""))

    def make(self) -> None:
        """Raises Unavailable where the file cannot be written."""
        try:
            if self.after is None:
                self.path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # a folder that still holds something
                    os.removedirs(self.path.parent)
            elif self.after != self.before:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                mode = self.path.stat().st_mode & 0o777 if self.before is not None else 0o644
                write_file(self.path, self.after)
                self.path.chmod(mode)
        except OSError as error:
            raise Unavailable(f"'{self.path}' cannot be written: {error.strerror}",
                              fix=f"ls -l '{self.path}'") from error


def plan(root: Path, target: str, *, named: str, remove: bool) -> Change:
    """What to do for `github`, `gitlab` or `pre-commit`; `named`: what pip installs there.

    Raises Conflict for what somebody else wrote or edited, and for a link.
    """
    place, template = FILES[target]
    path = root / place
    before = read(root, place)
    text = resources.read("templates", template).decode().replace("@REQUIREMENT@", named)
    after = (_in_list if target == "pre-commit" else whole)(path, before, "" if remove else text, target)
    return Change(path, before, after)


def source(text: str) -> str:
    """A requirement that somebody names instead. Raises Usage for what is none, or more than text to a shell."""
    if not _SOURCE.fullmatch(text):
        raise Usage(f"'{text[:80]}' is nothing that pip takes on one line, without quotes and marks of a shell",
                    fix="--from git+https://HOST/PATH@COMMIT, or --from githarness==VERSION")
    return text


def requirement(target: str, version: str) -> str:
    """What pip installs to get this githarness: its version, or the commit of a repository that it came from.

    Hooks run on this machine, so that for them a folder of it will do.
    """
    try:
        origin = json.loads(metadata.distribution("githarness").read_text("direct_url.json") or "{}")
    except metadata.PackageNotFoundError:
        origin = {}
    if "vcs_info" in origin:
        return f"githarness @ {origin['vcs_info']['vcs']}+{origin['url']}@{origin['vcs_info']['commit_id']}"
    if "dir_info" in origin and target == "pre-commit":
        return f"githarness @ {origin['url']}"
    return f"githarness=={version}"


def caveat(target: str, version: str, named: str) -> str:
    """What may keep others from installing what the file names, or bring them something else; empty for nothing."""
    if "git+" in named and not _COMMIT.search(named):
        return f"'{named}' names no commit, so that what it stands for can change"
    if named != requirement(target, version) or " @ file:" not in (here := requirement("pre-commit", version)):
        return ""
    where = "is a folder of this machine" if named == here else "has to be on the package index that pip asks there"
    return f"'{named}' {where}; name another source with --from, as git+https://HOST/PATH@COMMIT"


def read(root: Path, place: str) -> bytes | None:
    """None where nothing is. Raises Conflict for what is no plain file, or lies behind what is no plain folder."""
    path = root
    for number, name in enumerate(parts := Path(place).parts, 1):
        path, wanted = path / name, "file" if number == len(parts) else "folder"
        if not os.path.lexists(path):
            return None
        if path.is_symlink() or not (path.is_file() if wanted == "file" else path.is_dir()):
            what = f"is a link to '{path.readlink()}'" if path.is_symlink() else f"is no {wanted}"
            raise Conflict(f"'{path.relative_to(root)}' {what}, and nothing is written there or through it",
                           fix=f"move it away and put a plain {wanted} in its place: mv '{path}' '{path}.old'")
    return path.read_bytes()


def _sealed(target: str, text: str) -> str:
    return f"# githarness install {target}: sha256 of what follows {canon.sha256(text.encode())}\n{text}"


def whole(path: Path, before: bytes | None, text: str, target: str) -> bytes | None:
    """What becomes of a file that is ours from top to end. Raises Conflict where it is not, or was edited."""
    if before is not None:
        seal = re.match(_SEAL.format(target=target).encode(), before)
        if not seal or canon.sha256(before[seal.end():]) != seal[1].decode():
            raise _foreign(path)
    return _sealed(target, text).encode() if text else None


def _in_list(path: Path, before: bytes | None, text: str, target: str) -> bytes | None:
    """Ours is the first entry of `repos`, or where it was moved to; its lines end as those of the file do; all other
    bytes stay."""
    there = _NEW if before is None else before.decode("utf-8", "surrogateescape")
    ours = ("", "\n", len(_NEW), len(_NEW)) if before is None else _ours(path, there, target)
    if not text and (before is None or not ours):
        return before
    indent, ends, start, end = ours or _list(path, there)
    left = there[:start], there[end:]
    if not text and _BARE.fullmatch("".join(left).removeprefix(_NEW)) and there.startswith(_NEW):
        left = "", "".join(left).removeprefix(_NEW)  # the head was ours too
    lines = "".join(indent + line + ends for line in (_sealed(target, text) + _END).split("\n")) if text else ""
    return (left[0] + lines + left[1]).encode("utf-8", "surrogateescape") or None


def _ours(path: Path, text: str, target: str) -> tuple[str, str, int, int] | None:
    """Our part: its indentation, how its lines end, and where it stands. Raises Conflict where it was edited."""
    seal = re.search("^( *)" + _SEAL.format(target=target), text, re.MULTILINE)
    if not seal:
        return None
    end = re.compile(f"^{seal[1]}{_END}\r?\n", re.MULTILINE).search(text, seal.end())
    ours = text[seal.end():end.start()] if end else ""
    plain = re.sub(f"^{seal[1]}", "", ours.replace("\r\n", "\n"), flags=re.MULTILINE)
    if not end or canon.sha256(plain.encode("utf-8", "surrogateescape")) != seal[2]:
        raise _foreign(path)
    return seal[1], "\r\n" if seal[0].endswith("\r\n") else "\n", seal.start(), end.end()


def _list(path: Path, text: str) -> tuple[str, str, int, int]:
    """The same of where the entries of `repos` begin."""
    found = _LIST.search(text)
    if not found:
        raise Conflict(f"'{path}' has no list 'repos' of the usual form", fix="write 'repos:' and its entries as lines")
    return found[1], "\r\n" if found[0].endswith("\r\n") else "\n", found.end(), found.end()


def _foreign(path: Path) -> Conflict:
    return Conflict(f"'{path}' is there already, and not as githarness wrote it",
                    fix="move it away, or take out by hand what githarness wrote in it")
