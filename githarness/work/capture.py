"""What an agent changed in a worktree becomes attributed writes; what does not fit is held, never lost.

All that can land is one commit. A change that is refused is held by itself, one held change per path; a later one of
the same run and path takes the place of an earlier one, because it has it in it. Where people have to approve something
of it, all that could land waits as one.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from githarness import flock, paths
from githarness.errors import BadPath, Conflict, Denied, HarnessError, NeedsApproval, NotFound, Refused
from githarness.git import files, refs
from githarness.git.attributes import WorktreeAttributes
from githarness.git.files import Content
from githarness.git.objects import EXECUTABLE, FILE, Entry, PathChange
from githarness.git.porcelain import Git
from githarness.git.swap import Swap, temporary
from githarness.store import commits
from githarness.store.commits import CommitFilter
from githarness.work import changed, held, index
from githarness.work.asks import Ask, Written
from githarness.work.changed import Found, Source
from githarness.work.held import Reason, op_of
from githarness.work.lane import LocalLane
from githarness.work.parts import Parts, checked_out
from githarness.work.runbook import Runbook, tier
from githarness.work.verify import verifier

_WRITABLE = (FILE, EXECUTABLE)
_PATIENCE = 60.0  # seconds that a capture waits for another one of the same worktree
_LEFTOVER = re.compile(r"(?:.*/)?\.githarness-[0-9a-f]{16}~?", re.DOTALL)  # git/swap.py, after a crash
_WAYS, _POINTER = ("clean", "process"), b"version https://git-lfs"
_LOOKED_AT = 1000  # commits of the run
_Refusals = dict[str, HarnessError]


@dataclass(frozen=True, slots=True)
class HeldPath:
    id: str
    path: str
    why: str  # the code of the error that a write of it raised


@dataclass(frozen=True, slots=True)
class Captured:
    written: Written | None  # None: nothing landed
    held: tuple[HeldPath, ...] = ()
    nested: tuple[str, ...] = ()  # repositories inside the worktree, of which nothing is captured


def capture(parts: Parts, git: Git, lane: LocalLane, source: Source) -> Captured:
    """`git` works in the worktree. Raises what `changed.find` raises; Denied where the run may not write (any more)."""
    _may_act(parts, source)
    lock = changed.folder_of(parts, source) / "capture.lock"
    with flock.exclusive(lock, wait=_PATIENCE, what=f"captures of '{source.checkout.root}'"):
        found = changed.find(parts, git, source)
        if not found.changes:
            return Captured(None, (), found.nested)
        written, refused = _land(parts, lane, source, found)
        done = {change.path: change.new for change in found.changes if change.path not in refused}
        if written is not None and source.own:
            done |= _follow_merges(parts, source, found, written)
        changed.learn(parts, source, found, done)
        kept = _hold(parts, git, lane, source, found, refused)
        changed.learn(parts, source, found, {change.path: change.new for change in found.changes} | done)
    return Captured(written, kept, found.nested)


def _may_act(parts: Parts, source: Source) -> None:
    """Also where nothing has changed."""
    with parts.db.read() as conn:
        run = Runbook(conn, parts.clock.now()).run(source.run.id, source.ask.agent)
    tier(run, source.ask.token)


def _land(parts: Parts, lane: LocalLane, source: Source, found: Found) -> tuple[Written | None, _Refusals]:
    """Lands all that can land in one commit; the rest comes back with what was wrong."""
    attributes = WorktreeAttributes(parts.repo._replace(git_dir=source.checkout.git_dir, worktree=source.checkout.root))
    refused = {change.path: problem for change in found.changes
               if (problem := _unwritable(change, found) or _unfiltered(parts, attributes, change))}
    left = [change for change in found.changes if change.path not in refused]
    left.sort(key=lambda change: change.new is not None)  # what goes makes room: for a folder, for another letter case
    while left:
        ask = replace(source.ask, ops=tuple(op_of(parts, change) for change in left), merge=True)
        try:
            return lane.write(ask), refused
        except NeedsApproval as error:
            if "approvers" not in error.details:
                raise
            return None, refused | {change.path: error for change in left}
        except (Refused, Denied, BadPath, NotFound) as error:
            wrong = _sort_out(lane, ask, left, error)
            if not wrong:
                raise
            refused |= wrong
            left = [change for change in left if change.path not in wrong]
    return None, refused


def _unwritable(change: PathChange, found: Found) -> HarnessError | None:
    try:
        paths.check(change.path)
    except BadPath as error:
        return error
    if any(entry.mode not in _WRITABLE for entry in (change.old, change.new) if entry):
        return BadPath(f"'{change.path}' is or was a symbolic link or a repository of its own")
    if _LEFTOVER.fullmatch(change.path):
        return BadPath(f"'{change.path}' was left by a capture that crashed")
    if change.path in found.unmerged:
        return Conflict(f"'{change.path}' is in conflict for git", fix=f"git add '{change.path}' once it is resolved")
    return None


def _unfiltered(parts: Parts, attributes: WorktreeAttributes, change: PathChange) -> HarnessError | None:
    """Content that git would pass through a program of the configuration, which we do not run, is not what git keeps.

    A pointer of git-lfs is.
    """
    if change.new is None:
        return None
    driver = attributes.attribute(change.path, "filter")
    program = isinstance(driver, str) and any(attributes.setting(f"filter.{driver}.{way}") for way in _WAYS)
    if not program or parts.reader.blob(change.new.oid).startswith(_POINTER):
        return None
    return BadPath(f"'{change.path}' goes through git's filter '{driver}'", fix="commit it with git")


def _sort_out(lane: LocalLane, ask: Ask, left: Sequence[PathChange], error: HarnessError) -> _Refusals:
    """The changes that cannot land, with what is wrong with each; none where it is not about a path.

    Once one is refused all are judged, each alone, so that many refusals cost one more pass and not one each. A bad
    path may only be bad beside another change, so there the word of the whole counts.
    """
    named = error.details.get("paths") or [error.details.get("path")]
    wrong = {change.path: error for change in left
             if (isinstance(named, list) and change.path in named) or _is_subject(change.path, error)}
    for op in ask.ops if wrong else ():
        with contextlib.suppress(BadPath):
            try:
                lane.preview(replace(ask, ops=(op,)))
            except (Refused, Denied, NotFound) as problem:
                wrong.setdefault(op.path, problem)
    return wrong


def _is_subject(path: str, error: HarnessError) -> bool:
    """Whether the message begins with this path, or with a folder that it lies in."""
    above = [path[:at] for at, sign in enumerate(path) if sign == "/"]
    return any(error.message.startswith(f"'{one}'") for one in (path, *above))


def _follow_merges(parts: Parts, source: Source, found: Found, written: Written) -> dict[str, Entry | None]:
    """Where a merge landed, the agent's file becomes the merged one, unless the agent wrote meanwhile."""
    merged = {one.path: one.blob for one in written.paths if one.merged and one.blob}
    followed: dict[str, Entry | None] = {}
    content = checked_out(parts, source.checkout).content
    root = os.open(source.checkout.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for change in found.changes:
            if change.path in merged and change.new:
                entry = Entry(change.new.mode, merged[change.path])
                with contextlib.suppress(OSError):
                    followed |= {change.path: entry} if _replace(content, root, change, entry) else {}
    finally:
        os.close(root)
    return followed


def _replace(content: Content, root: int, change: PathChange, entry: Entry) -> bool:
    name = change.path.encode()
    base = name.rpartition(b"/")[2]
    with files.folder_of(root, name, make=False) as folder:
        def is_captured(what: bytes) -> bool:
            return change.new is not None and content.is_at(folder, what, change.path, change.new)

        before, data = files.look(folder, base), content.written(change.path, content.blob(entry.oid))
        if before is None or data is None or not is_captured(base):
            return False
        swap = Swap(folder, base, temporary(base), is_captured, lambda _point, _name: None)
        return swap.replace(swap.stage(data, stat.S_IMODE(before.st_mode), exact=True))


def _hold(parts: Parts, git: Git, lane: LocalLane, source: Source, found: Found,
          refused: Mapping[str, HarnessError]) -> tuple[HeldPath, ...]:
    left = [change for change in found.changes if change.path in refused
            and not _is_settled(parts, source, change, refused[change.path])]
    if not left:
        return ()
    run, agent = source.run.id, source.ask.agent
    older = [one for one in held.listed(parts) if one.run == run]
    waiting = {path: str(error.details["held"]) for path, error in refused.items() if isinstance(error, NeedsApproval)}
    alone = [change for change in left if change.path not in waiting]
    reason = Reason(agent, run, {path: error.code for path, error in refused.items()}, source.ask.message or "")
    ids = held.hold(parts, found.base, alone, reason, lane.signer(agent)) if alone else []
    names = waiting | {change.path: name for name, change in zip(ids, alone, strict=True)}
    for one in older:
        if one.id not in names.values() and {change.path for change in one.changes} <= names.keys():
            held.drop(parts, git, one.id)
    return tuple(HeldPath(names[change.path], change.path, refused[change.path].code) for change in left)


def _is_settled(parts: Parts, source: Source, change: PathChange, error: HarnessError) -> bool:
    """Whether head is as the change wants it by this very run: captured before a crash, or written directly.

    The same change by somebody else is a conflict. A file that both have removed is gone.
    """
    head = refs.read(parts.repo.common_dir, parts.ref)
    if head is None or isinstance(error, Denied | BadPath) or parts.reader.entry(head, change.path) != change.new:
        return False
    if change.new is None:
        return True
    index.update(parts.db, parts.reader, head, verifier(parts))
    with parts.db.read() as conn:
        made = commits.log(conn, CommitFilter(run=source.run.id, limit=_LOOKED_AT))
    return any((one.path, one.new_oid) == (change.path, change.new.oid) for row in made for one in row.changes)
