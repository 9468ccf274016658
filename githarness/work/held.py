"""Changes that could not land, kept: each is a commit under `refs/githarness/held/ID`, made on its base.

The commit is the whole truth: its tree is the base with the change, its trailers say whose it is and why it is held.
One that waits for people has all that its write changed, and the trailers that this write would have had.
What people signed about it lies under `refs/githarness/statements/ID/NAME`, each on top of the held commit.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from githarness import clock, flock
from githarness.errors import Conflict, Denied, Integrity, NeedsApproval, NotFound, StaleWrite, Unavailable, Usage
from githarness.git import pack, refs
from githarness.git.objects import EXECUTABLE, FILE, SUBMODULE, Entry, PathChange, Raw, raw
from githarness.git.trees import Trees
from githarness.policy import approval, trailers
from githarness.seal.signer import Signer
from githarness.work import draft
from githarness.work.asks import Ask, Lane, Op, Written
from githarness.work.draft import Stamp
from githarness.work.parts import Parts
from githarness.work.verify import verifier

if TYPE_CHECKING:  # the write path comes by here, and GitPython takes longer to load than a write
    from githarness.git.porcelain import Git

_PREFIX = "refs/githarness/held/"
STATEMENTS = "refs/githarness/statements/"
_APPROVERS = re.compile(r"[1-9] (contributor|operator|owner)")
Pairs = Sequence[tuple[str, str]]


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
    pairs: Pairs = ()  # trailers

    @property
    def waits(self) -> bool:
        """Whether it waits for people to approve it."""
        return any(key == "Approvers" for key, _ in self.pairs)

    @property
    def by_people(self) -> bool:
        """Whether an owner proposed it, and not an agent."""
        return self.agent.startswith("human:")

    def value(self, key: str) -> str:
        return next((value for name, value in self.pairs if name == key), "")


@dataclass(frozen=True, slots=True)
class Reason:
    """Whose changes are held, and why: the code of an error, by path. `pairs`: the trailers of a write that waits for
    people; its changes are held as one."""

    agent: str
    run: str
    why: Mapping[str, str]
    message: str
    pairs: Pairs = ()


def hold(parts: Parts, base: str, changes: Sequence[PathChange], reason: Reason, signer: Signer) -> list[str]:
    """Keeps each changed path for good under an id of its own, in their order. Durable when it returns."""
    with flock.exclusive(parts.repo.home / "lane.lock", what="the write path"):
        return keep(parts, base, changes, reason, signer)


def keep(parts: Parts, base: str, changes: Sequence[PathChange], reason: Reason, signer: Signer) -> list[str]:
    """The same for who has the lane."""
    now, fleet = parts.clock.now(), _fleet(parts)
    stamp = draft.Stamp(draft.agent_person(reason.agent, fleet), fleet, int(now), signer)
    made: list[Raw] = []
    groups = [changes] if reason.pairs else [[change] for change in changes]
    tops = {clock.new_id("h", now): _commit(parts, base, group, reason, stamp, made) for group in groups}
    note = refs.Note(str(stamp.author), stamp.when, "githarness: held")
    try:
        stem = pack.write(parts.repo.common_dir / "objects" / "pack", made)
        for held, top in tops.items():
            refs.update(parts.repo, _PREFIX + held, top, old=None, note=note)
        if stem:
            pack.release(stem)
    except OSError as error:
        raise Unavailable(f"a change could not be held: {error.strerror}",
                          fix="free disk space or repair the file system, then repeat") from error
    return list(tops)


def _fleet(parts: Parts) -> str:
    head = refs.read(parts.repo.common_dir, parts.ref)
    if head is None:
        raise NotFound(f"the governed branch '{parts.ref}' has no commit", fix="githarness init")
    return parts.governed.at(head).config.fleet


def _commit(parts: Parts, base: str, changes: Sequence[PathChange], reason: Reason, stamp: Stamp, made: list[Raw],
            ) -> str:
    """The changes on a commit that has their `old`: `base`, or one on top of it where a path came further since."""
    trees, root = Trees(parts.reader.tree), parts.reader.commit(base).tree
    made += [Raw("blob", entry.oid, parts.reader.blob(entry.oid)) for change in changes
             for entry in (change.old, change.new)
             if entry and entry.mode != SUBMODULE and parts.reader.has(entry.oid)]
    made += [Raw("blob", one.new.oid, one.data) for one in changes if one.new and one.data is not None]
    path = changes[0].path
    shown = path.encode("utf-8", "backslashreplace").decode() if len(changes) == 1 else f"{len(changes)} paths"
    named = reason.pairs or [("Agent", reason.agent), ("Run", reason.run), ("Held", reason.why[path])]
    olds = {one.path: one.old for one in changes if parts.reader.entry(base, one.path) != one.old}
    if olds:
        root = _with(trees, root, olds, made)
        made.append(draft.build(root, [base], trailers.render(f"before {shown} was held", "", named), stamp))
        base = made[-1].oid
    root = _with(trees, root, {one.path: one.new for one in changes}, made)
    made.append(draft.build(root, [base], trailers.render(f"held: {shown}", reason.message, named), stamp))
    return made[-1].oid


def _with(trees: Trees, root: str, entries: Mapping[str, Entry | None], made: list[Raw]) -> str:
    tree = trees.change(root, dict(entries), made)
    if tree is None:
        made.append(raw("tree", b""))
    return tree or made[-1].oid


def listed(parts: Parts) -> list[HeldChange]:
    """Oldest first. What somebody else put in that place, as whoever may push to a hub can, is none."""
    found = []
    for ref, oid in sorted(refs.under(parts.repo.common_dir, _PREFIX).items()):
        try:
            found.append(_read(parts, ref.removeprefix(_PREFIX), oid))
        except Integrity:
            if not parts.reader.has(oid):
                raise
    return found


def show(parts: Parts, held: str) -> HeldChange:
    """Raises NotFound."""
    oid = refs.read(parts.repo.common_dir, _PREFIX + held) if held.startswith("h-") else None
    if oid is not None:
        return _read(parts, held, oid)
    for change in rejected(parts, held):
        return change
    raise NotFound(f"no held change '{held}'", fix="githarness held list")


def is_own(parts: Parts, change: HeldChange) -> bool:
    """Whether its agent signed it; of what people propose, their statements tell."""
    return change.by_people or verifier(parts)(parts.reader.commit(change.commit))


def _own(parts: Parts, held: str) -> HeldChange:
    """Raises NotFound, and Denied for what would land in the name of an agent that never said it."""
    change = show(parts, held)
    if not is_own(parts, change):
        raise Denied(f"'{held}' is not signed by agent '{change.agent}'", fix=f"githarness held drop {held}")
    return change


def rejected(parts: Parts, held: str = "") -> Iterator[HeldChange]:
    """What people would not have, all or the one named: `why` says who and for which reason. By what they signed."""
    there, head = refs.under(parts.repo.common_dir, _PREFIX), refs.head(parts.repo.common_dir, parts.ref)
    humans = parts.governed.salvaged(head).registry.humans
    for ref, oid in sorted(refs.under(parts.repo.common_dir, f"{STATEMENTS}{held}/" if held else STATEMENTS).items()):
        id_, _, name = ref.removeprefix(STATEMENTS).partition("/")
        with contextlib.suppress(Integrity):  # whoever put it there: it says nothing
            for path, entry in parts.reader.files(oid) if _PREFIX + id_ not in there and name in humans else ():
                said, key, _data = approval.parse(parts.reader.blob(entry.oid), path)
                change = _read(parts, id_, parts.reader.commit(oid).parents[0])
                if (said.verdict, said.held, said.approver) == (approval.REJECT, id_, name) and any(
                        one.key == key for one in humans[name].keys):
                    yield replace(change, why=f"rejected by {name}" + (f": {said.why}" if said.why else ""))


def known(parts: Parts, pairs: Pairs, changes: Sequence[PathChange]) -> HeldChange | None:
    """What waits already, or was rejected, under the same policy: the same changes, or what the agent's same operation
    made of the same versions."""
    wanted, named = {(one.path, one.old, one.new) for one in changes}, dict(pairs)
    bases = {pair[:2] for pair in wanted}
    for one in (each for each in (*listed(parts), *rejected(parts)) if each.waits and is_own(parts, each)):
        if (one.agent, one.value("Policy")) != (named["Agent"], named["Policy"]):
            continue
        found, again = {(each.path, each.old, each.new) for each in one.changes}, dict(one.pairs).get("Operation")
        if found == wanted or (again and again == named.get("Operation") and {pair[:2] for pair in found} == bases):
            return one
    return None


def _read(parts: Parts, held: str, oid: str) -> HeldChange:
    commit = parts.reader.commit(oid)
    pairs = tuple(trailers.parse(commit.message))
    named = dict(pairs)
    if not {"Agent", "Run", "Held"} <= named.keys() or not commit.parents or not all(
            _APPROVERS.fullmatch(value) for key, value in pairs if key == "Approvers"):
        raise Integrity(f"'{_PREFIX}{held}' is not a held change", fix=f"git update-ref -d {_PREFIX}{held}")
    return HeldChange(held, named["Agent"], named["Run"], commit.time, named["Held"], oid, commit.parents[0],
                      parts.reader.changes(oid), commit.message.partition("\n\n")[2].rpartition("\n\n")[0].strip(),
                      pairs)


def since(parts: Parts, change: HeldChange) -> list[PathChange]:
    """What the governed branch has by now where the change was made, against what the change was made from."""
    head = refs.read(parts.repo.common_dir, parts.ref) or ""
    now = [PathChange(one.path, one.old, parts.reader.entry(head, one.path)) for one in change.changes]
    return [one for one in now if one.new != one.old]


def drop(parts: Parts, git: Git, held: str) -> HeldChange:
    """Lets a held change go; its commit stays in the repository until git prunes it. Raises NotFound."""
    change = show(parts, held)
    if refs.read(parts.repo.common_dir, _PREFIX + held):
        git.run("update-ref", "-d", _PREFIX + held, change.commit)
    with flock.exclusive(parts.repo.home / "lane.lock", what="the write path"):  # who is just signing has seen it
        for ref in refs.under(parts.repo.common_dir, f"{STATEMENTS}{held}/"):
            git.run("update-ref", "-d", ref)
    return change


@dataclass(frozen=True, slots=True)
class Actor:
    """Who lands a held change now: its agent, whose run may have ended, or the person who made something of it."""

    run: str
    token: str | None = None
    human: str | None = None


def retry(parts: Parts, git: Git, lane: Lane, held: str, actor: Actor) -> Written:
    """The held change once more, merged into what is there now. Raises what a write raises; then it stays held.

    One that waits for people lands by `approvals.land`.
    """
    change = _own(parts, held)
    ops = tuple(op_of(parts, one) for one in change.changes)
    ask = Ask(change.agent, actor.run, ops, message=_message(change, "retried"), merge=True, token=actor.token)
    try:
        done = lane.write(ask)
    except (Conflict, StaleWrite) as error:
        error.fix = f"githarness held show {held}, then githarness held resolve {held} --from FILE"
        raise
    except NeedsApproval as error:
        raise _kept_once(parts, git, held, error) from error
    drop(parts, git, held)
    return done


def _kept_once(parts: Parts, git: Git, held: str, error: NeedsApproval) -> NeedsApproval:
    """The gates held once more what is held already: that goes, and the id stays good. What waits for people now,
    waits under its own."""
    if "approvers" in error.details:
        if error.details["held"] != held:
            drop(parts, git, held)
        return error
    again = error.details.get("all_held")
    for one in again if isinstance(again, list) else ():
        drop(parts, git, str(one))
    return NeedsApproval(f"{error.message.partition('; it is held as ')[0]}; it stays held as {held}",
                         fix=f"githarness held resolve {held} --from FILE, once it is mended",
                         details={**error.details, "held": held, "all_held": [held]})


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a person or agent made of both sides; `if_match`: of which blob, None for the one that is there now."""

    content: bytes
    if_match: str | None = None


def resolve(parts: Parts, git: Git, lane: Lane, held: str, *, actor: Actor, wanted: Resolution) -> Written:
    """Raises what a write raises; then it stays held."""
    change = _own(parts, held)
    if len(change.changes) != 1:
        raise Usage(f"held change '{held}' has {len(change.changes)} paths", fix=f"githarness held retry {held}")
    path, new = change.changes[0].path, change.changes[0].new
    head = refs.read(parts.repo.common_dir, parts.ref)
    current = parts.reader.entry(head, path) if head else None
    base = wanted.if_match or (current.oid if current else "absent")
    mode = new.mode if new and new.mode in (FILE, EXECUTABLE) else None
    op = Op("write", path, wanted.content, if_match=base, mode=mode)
    message = _message(change, "resolved") + (f"\n\nIn place of {held} by agent {change.agent}." if actor.human else "")
    ask = Ask(actor.human or change.agent, actor.run, (op,), message, token=actor.token, human=actor.human)
    try:
        done = lane.write(ask)
    except NeedsApproval as error:
        raise _kept_once(parts, git, held, error) from error
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
