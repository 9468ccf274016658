"""Puts paths back to what they were at a known-safe revision, as one new commit by an operator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from githarness import paths
from githarness.errors import Locked, NotFound, Usage
from githarness.git import refs
from githarness.git.objects import Entry, PathChange
from githarness.git.reader import Reader
from githarness.work import operator, people
from githarness.work.asks import Plan
from githarness.work.operator import TRIES, Ledger
from githarness.work.rollback_select import is_governance, never_back


@dataclass(frozen=True, slots=True)
class Restored:
    commit: str | None  # None: nothing differed, or a dry run
    revision: str
    paths: tuple[tuple[str, str], ...]  # path and action: restored | removed | recreated
    diff: str = ""
    worktree: str = "none"


def restore(ledger: Ledger, revision: str, wanted: Sequence[str], *, dry_run: bool = False,
            message: str | None = None) -> Restored:
    """`wanted`: paths, folders or globs. Raises NotFound where neither side has one, Denied, Dirty, Usage, Locked."""
    human, signer = ledger.human()
    people.require(human, "operator", "restore")
    reader = ledger.parts.reader
    at = reader.resolve(revision)
    for _ in range(TRIES):
        head = ledger.local.head()
        changes = _changes(reader, head, at, [one.removeprefix("./").rstrip("/") for one in wanted])
        done = Restored(None, at, tuple((change.path, _action(change)) for change in changes))
        if any(is_governance(change.path) for change in changes):
            people.require(human, "owner", "restoring governance")
            _no_records(changes, ledger.parts.governed.salvaged(head).config.vault)
        if dry_run:
            operator.must_be_clean(ledger.parts, changes)
            return replace(done, diff=operator.diff(changes, reader))
        if not changes:
            return done
        subject, _, body = (message or f"restore {_what(changes)} to {at[:12]}").strip().partition("\n")
        try:
            written = ledger.local.land(Plan("restore", tuple(changes), subject, human, signer, body.strip()))
        except refs.Moved:
            continue
        return replace(done, commit=written.commit, worktree=written.worktree)
    raise Locked("the governed branch kept moving under the restore", fix="repeat the command")


def _changes(reader: Reader, head: str, at: str, wanted: Sequence[str]) -> list[PathChange]:
    """Raises NotFound, and Usage for what must not come back: removed grants, retired keys, vault records."""
    now, then = dict(reader.files(head)), dict(reader.files(at))
    chosen = {path for one in wanted for path in _chosen(one, now, then)}
    differing = sorted(path for path in chosen if now.get(path) != then.get(path))
    for path in differing:
        if why := never_back(path):
            raise Usage(f"'{path}' is not restored: {why}", fix="name other paths, or change it with its own command")
    return [PathChange(path, now.get(path), then.get(path)) for path in differing]


def _no_records(changes: Sequence[PathChange], vault: str) -> None:
    """Raises Usage for records of a vault that config.toml puts elsewhere."""
    for change in changes:
        if change.path.startswith(vault + "/"):
            raise Usage(f"'{change.path}' is not restored: a vault record is not brought back",
                        fix="githarness vault set NAME")


def _chosen(one: str, now: dict[str, Entry], then: dict[str, Entry]) -> Iterator[str]:
    names = now.keys() | then.keys()
    glob = any(sign in one for sign in "*?") and one not in names
    if glob:
        paths.valid_glob(one)
    found = [path for path in names
             if (paths.matches(one, path) if glob else path == one or path.startswith(one + "/"))]
    if not found:
        raise NotFound(f"'{one}' is neither there now nor at that revision", fix="git ls-tree -r --name-only REV")
    yield from found


def _action(change: PathChange) -> str:
    return "removed" if change.new is None else "recreated" if change.old is None else "restored"


def _what(changes: Sequence[PathChange]) -> str:
    return changes[0].path if len(changes) == 1 else f"{len(changes)} paths"
