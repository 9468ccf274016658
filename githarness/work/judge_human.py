"""A commit of a person: welcome, unless it touches governance without an owner's signature or pretends to be more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from githarness.git.commits import Commit
from githarness.git.objects import PathChange
from githarness.git.reader import Reader
from githarness.policy import disguise, trailers
from githarness.policy.model import Human
from githarness.work import judge_signature, owners
from githarness.work.governance import APPROVALS
from githarness.work.judge_approval import Brought
from githarness.work.judge_states import State
from githarness.work.judged import Fault
from githarness.work.owners import Decree
from githarness.work.people import RANKS


@dataclass(frozen=True, slots=True)
class Act:
    """A person's commit: whom its trailer names, what it changed itself, whether people must sign here, and the keys
    that owners are believed to have, where those are not all that the state before it says."""

    commit: Commit
    named: tuple[str, ...]
    changes: tuple[PathChange, ...]
    signed: bool
    owners: frozenset[str] | None = None

    @property
    def governing(self) -> tuple[PathChange, ...]:
        return tuple(change for change in self.changes if disguise.governs(change.path))


def judge(act: Act, states: Sequence[State], reader: Reader) -> Iterator[Fault]:
    """`states`: as for agents; not empty."""
    yield from _paths(act.changes)
    governing = act.governing
    if not governing and not act.signed and not act.named:
        return
    key = judge_signature.signer(act.commit)
    if not isinstance(key, Fault):
        for state in states:
            yield from _by(state, key, act, reader, states[0].governance.digest)
    elif governing:
        yield Fault("governance", f"'{governing[0].path}' is governance, and {key.message}", governing[0].path)
    elif act.signed:
        yield Fault(key.code, f"people sign here, and {key.message}")


def _by(state: State, key: str, act: Act, reader: Reader, digest: str) -> Iterator[Fault]:
    human, governing = judge_signature.human_of(state, key), act.governing
    if human is None:
        if governing:
            yield Fault("governance", f"'{governing[0].path}' is governance, and its signature is by no person's key "
                        "in the state before it", governing[0].path)
        else:
            yield Fault("wrong-signer", "its signature is by no key of a person in the state before it")
        return
    if act.named and act.named != (human.name,):
        yield Fault("author", f"the trailer 'Human: {act.named[0][:80]}' is not '{human.name}', who signed it")
    yield from judge_signature.ends(human, key, act.commit.time)
    if governing:
        named = [value for name, value in trailers.parse(act.commit.message) if name == "Approval"]
        decree = Decree(human, key, digest, float(act.commit.time), Brought(act.changes, named, reader.blob))
        statements = owners.signed_for(state.governance, decree)
        yield from (fault for change in governing if change.path not in statements
                    and (fault := _may_not(human, change, reader)))
        yield from _several(state, decree, governing)
    if governing and act.owners is not None and key not in act.owners:
        yield Fault("not-anchored", f"'{governing[0].path}' is governance, and the hub knows no such owner: push the "
                    "branch as it was when the hub was made first", governing[0].path)


def _may_not(human: Human, change: PathChange, reader: Reader) -> Fault | None:
    if change.path.startswith(APPROVALS):
        return Fault("governance", f"'{change.path}' comes with what it lets land, and stays as it is", change.path)
    if RANKS[human.role] >= RANKS["owner"]:
        return None
    if RANKS[human.role] >= RANKS["operator"] and owners.is_an_operators(change, reader.blob):
        return None
    return Fault("governance", f"'{change.path}' is governance, and '{human.name}', who signed it, is {human.role}",
                 change.path)


def _several(state: State, decree: Decree, governing: Sequence[PathChange]) -> Iterator[Fault]:
    if left := owners.lacking(state.governance, decree):
        yield Fault("needs-approval", f"'{governing[0].path}' is governance, and takes {left.count} more of role "
                    f"{left.role}", governing[0].path)


def _paths(changes: Sequence[PathChange]) -> Iterator[Fault]:
    """What no tree may have, whoever made it: names that some clone would take for git's own or for ours."""
    for change in changes:
        if change.new is not None and (why := disguise.why(change.path)):
            yield Fault("bad-path", f"{change.path!a} {why}", change.path)
