"""Changes that could not land, kept: each is a commit under `refs/githarness/held/ID`, made on its base.

The commit is the whole truth: its tree is the base with the change, its trailers say whose it is and why it is held.
"""

from __future__ import annotations

from dataclasses import dataclass

from githarness import clock
from githarness.errors import NotFound, Usage
from githarness.git import pack, refs
from githarness.git.objects import PathChange, Raw
from githarness.git.porcelain import Git
from githarness.git.trees import Trees
from githarness.policy import trailers
from githarness.seal.signer import Signer
from githarness.work import draft
from githarness.work.asks import Ask, Lane, Op, Written
from githarness.work.parts import Parts

_PREFIX = "refs/githarness/held/"


@dataclass(frozen=True, slots=True)
class HeldChange:
    id: str
    agent: str
    run: str
    time: float
    why: str
    commit: str
    base: str
    changes: tuple[PathChange, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Whose change is held, and why."""

    agent: str
    run: str
    why: str
    message: str


def hold(parts: Parts, base: str, change: PathChange, reason: Reason, signer: Signer) -> str:
    """Keeps one changed path for good; the id of the held change. Durable when it returns."""
    now, fleet = parts.clock.now(), parts.governed.at(base).config.fleet
    made: list[Raw] = [] if change.new is None or change.data is None else [Raw("blob", change.new.oid, change.data)]
    tree = Trees(parts.reader.tree).change(parts.reader.commit(base).tree, {change.path: change.new}, made) or ""
    text = trailers.render(f"held: {change.path}", reason.message,
                           [("Agent", reason.agent), ("Run", reason.run), ("Held", reason.why)])
    stamp = draft.Stamp(draft.agent_person(reason.agent, fleet), fleet, int(now), signer)
    commit = draft.build(tree, [base], text, stamp)
    held = clock.new_id("h", now)
    stem = pack.write(parts.repo.common_dir / "objects" / "pack", [*made, commit])
    note = refs.Note(str(stamp.author), stamp.when, "githarness: held")
    refs.update(parts.repo, _PREFIX + held, commit.oid, old=None, note=note)
    if stem:
        pack.release(stem)
    return held


def listed(parts: Parts) -> list[HeldChange]:
    """Oldest first."""
    found = refs.under(parts.repo.common_dir, _PREFIX)
    return [_read(parts, ref.removeprefix(_PREFIX), oid) for ref, oid in sorted(found.items())]


def show(parts: Parts, held: str) -> HeldChange:
    """Raises NotFound."""
    oid = refs.read(parts.repo.common_dir, _PREFIX + held) if held.startswith("h-") else None
    if oid is None:
        raise NotFound(f"no held change '{held}'", fix="githarness held list")
    return _read(parts, held, oid)


def _read(parts: Parts, held: str, oid: str) -> HeldChange:
    commit = parts.reader.commit(oid)
    named = dict(trailers.parse(commit.message))
    return HeldChange(held, named["Agent"], named["Run"], commit.time, named["Held"], oid, commit.parents[0],
                      parts.reader.changes(oid), commit.message.partition("\n\n")[2].rpartition("\n\n")[0].strip())


def drop(parts: Parts, git: Git, held: str) -> HeldChange:
    """Lets a held change go; its commit stays in the repository until git prunes it. Raises NotFound."""
    change = show(parts, held)
    git.run("update-ref", "-d", _PREFIX + held, change.commit)
    return change


def retry(parts: Parts, git: Git, lane: Lane, held: str, run: str) -> Written:
    """The held change once more, merged into what is there now. Raises what a write raises; then it stays held."""
    change = show(parts, held)
    ops = tuple(op_of(parts, one) for one in change.changes)
    done = lane.write(Ask(change.agent, run, ops, message=_message(change, "retried"), merge=True))
    drop(parts, git, held)
    return done


def resolve(parts: Parts, git: Git, lane: Lane, held: str, *, run: str, content: bytes) -> Written:
    """Lands `content`, which a person or agent made of both sides. Raises what a write raises; then it stays held."""
    change = show(parts, held)
    if len(change.changes) != 1:
        raise Usage(f"held change '{held}' has {len(change.changes)} paths", fix=f"githarness held retry {held}")
    path = change.changes[0].path
    head = refs.read(parts.repo.common_dir, parts.ref)
    current = parts.reader.entry(head, path) if head else None
    op = Op("write", path, content, if_match=current.oid if current else "absent")
    done = lane.write(Ask(change.agent, run, (op,), message=_message(change, "resolved")))
    drop(parts, git, held)
    return done


def _message(change: HeldChange, how: str) -> str:
    return change.message or f"{how} held change of {', '.join(one.path for one in change.changes)}"


def op_of(parts: Parts, change: PathChange) -> Op:
    """A change of a file as the operation that a write judges, bound to what it was made from."""
    base = change.old.oid if change.old else "absent"
    if change.new is None:
        return Op("delete", change.path, if_match=base)
    data = parts.reader.blob(change.new.oid) if change.data is None else change.data
    return Op("write", change.path, data, if_match=base, mode=change.new.mode)
