"""Git's configuration of one clone: what is in force and from where, and our keys set and put back.

Where nobody else changed the file in between, it gets its former bytes back; else key by key, and a key that somebody
changed after us is left alone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from githarness.errors import Locked
from githarness.git.porcelain import Git
from githarness.git.repo import Repo
from githarness.work import adopted
from githarness.work.adopted import Adopted

_BEFORE = "config.before"


@dataclass(frozen=True, slots=True)
class Value:
    scope: str  # system | global | local | worktree
    text: str


class Values:
    """Every value of git's configuration, by key as git prints keys, in the order in which the last one wins."""

    def __init__(self, git: Git) -> None:
        words = git.run("config", "--list", "--show-scope", "-z").decode("utf-8", "surrogateescape").split("\0")
        self._by_key: dict[str, list[Value]] = {}
        for scope, setting in zip(words[::2], words[1::2], strict=False):
            key, _, text = setting.partition("\n")
            if scope != "command":  # our own safe overrides of every call of git
                self._by_key.setdefault(key, []).append(Value(scope, text))

    def last(self, key: str) -> str | None:
        found = self._by_key.get(key.lower())
        return found[-1].text if found else None

    def local(self, key: str) -> list[str]:
        return [value.text for value in self._by_key.get(key.lower(), []) if value.scope == "local"]


def apply(git: Git, repo: Repo, record: Adopted, wanted: Mapping[str, str]) -> Adopted:
    """Sets what differs; returns the record that can undo it. The record is on disk before git's file changes."""
    values = Values(git)
    changed = {key: text for key, text in wanted.items() if values.local(key) != [text]}
    if not changed:
        return record
    file = repo.common_dir / "config"
    found = file.read_bytes()
    first = not record.set
    if first:
        adopted.write_file(repo.home / _BEFORE, found)
    exact = first or record.digest == adopted.digest(found)
    before = {**{key: values.local(key) for key in changed}, **record.before}
    record = replace(record, before=before, set={**record.set, **changed}, digest="")
    adopted.save(repo.home, record)
    for key, text in changed.items():
        git.run("config", "--local", "--replace-all", key, text)
    return replace(record, digest=adopted.digest(file.read_bytes()) if exact else "")


def restore(git: Git, repo: Repo, record: Adopted) -> list[str]:
    """Puts back what was there; says what."""
    file = repo.common_dir / "config"
    if not record.set:
        return []
    if record.digest == adopted.digest(file.read_bytes()):
        _replace(repo, (repo.home / _BEFORE).read_bytes())
    else:
        values = Values(git)
        for key, text in record.set.items():
            if values.local(key) == [text]:
                _restore_key(git, key, record.before[key])
    with contextlib.suppress(FileNotFoundError):
        (repo.home / _BEFORE).unlink()
    return [f"git config {key} as it was" for key in record.set]


def _restore_key(git: Git, key: str, before: list[str]) -> None:
    git.run("config", "--local", "--unset-all", key)
    for text in before:
        git.run("config", "--local", "--add", key, text)


def _replace(repo: Repo, data: bytes) -> None:
    """Writes the whole file under the lock that git itself takes."""
    file, lock = repo.common_dir / "config", repo.common_dir / "config.lock"
    try:
        descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Locked("git's config is held by another process", fix=f"if no git is running: rm '{lock}'") from None
    with open(descriptor, "wb") as out:
        out.write(data)
        out.flush()
        os.fchmod(out.fileno(), file.stat().st_mode & 0o777)
        os.fsync(out.fileno())
    os.replace(lock, file)
