"""A group of asks becomes a chain of signed commits in memory; each is judged by what the ones before it left."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from githarness import canon, clock
from githarness.canon import Json
from githarness.errors import HarnessError, NeedsApproval, Usage
from githarness.git.objects import Raw
from githarness.git.worktrees import AllHeld
from githarness.policy import disguise, renames, trailers
from githarness.policy.model import Agent
from githarness.seal.signer import Signer
from githarness.settings import RepoConfig
from githarness.store import operations
from githarness.store.db import Connection
from githarness.store.rows import CommitRow, EventRow, RunRow
from githarness.work import audit_intent, draft, landing, people, proposed
from githarness.work.admit import Admission, Scene
from githarness.work.asks import ApprovedAsk, Ask, Landed, LeftAsk, TooLarge, Withheld, Written
from githarness.work.draft import Draft
from githarness.work.governance import FOLDER_NAME, Governance
from githarness.work.lease_guard import LeaseGuard
from githarness.work.permit import Permit
from githarness.work.runbook import ASSERTED, Runbook, name_of, tier

if TYPE_CHECKING:  # every gate comes with it
    from githarness.work.gate import WriteGate

Gates = Callable[[RepoConfig, Connection, date], "WriteGate"]


@dataclass(slots=True)
class Group:
    """`tip`: the last commit so far. `drafted` says by (agent, operation) what this group did already."""

    tip: str
    scene: Scene
    permit: Permit
    gate: WriteGate
    book: Runbook
    held: AllHeld | None
    signer_of: Callable[[Agent], Signer]
    now: float
    leases: LeaseGuard
    drafts: list[Draft] = field(default_factory=list)
    refused: list[EventRow] = field(default_factory=list)
    drafted: dict[tuple[str, str], int] = field(default_factory=dict)
    governed_anew: bool = False  # `governance` is no longer that of `tip`: nothing more is judged
    pinned: tuple[str, str] | None = None  # the audit log before this group, for all of its commits

    def place(self, ask: Ask) -> int | Written | HarnessError:
        """The number of the ask's draft, or its result where nothing needs to land."""
        if not _is_text(ask):
            return Usage("a name, a path or the message of this write is not text", fix="use UTF-8")
        if self.governed_anew:
            return TooLarge("a write earlier in this group changes who may do what")
        try:
            return self._repeated(ask) if self._known(ask) else self._admit(ask)
        except TooLarge as error:
            return error  # another lane will do it: no refusal
        except HarnessError as error:
            if not isinstance(ask, LeftAsk):  # else its owner meets the refusal by itself
                self._refuse(ask, error)
            return error

    def _known(self, ask: Ask) -> bool:
        return ask.operation is not None and (
            (ask.agent, ask.operation) in self.drafted
            or operations.find(self.book.conn, ask.agent, ask.operation) is not None)

    def _repeated(self, ask: Ask) -> int | Written:
        operation = ask.operation or ""
        here = self.drafted.get((ask.agent, operation))
        if here is not None:
            return here
        found = operations.find(self.book.conn, ask.agent, operation)
        commit, answer = found if found else ("", "{}")
        return answered(commit, operation, answer)

    def _admit(self, ask: Ask) -> int | Written:
        agent = people.as_writer(self.governance, ask.human) if ask.human else self.permit.agent(ask.agent)
        if isinstance(ask, ApprovedAsk):
            run, kind, proof = ask.row, ask.admission, ask.row.tier
        else:
            run, kind = self.book.run(ask.run, f"human:{agent.name}" if ask.human else agent.name), Admission
            proof = tier(run, ask.token)
        chain = (*map(name_of, run.chain), *ask.chain)
        admission = kind(ask, agent, chain, proof, self.scene, self.book, self.permit)
        admission.judge()
        changes = admission.changes()
        self.leases.check(ask, [change.path for change in changes])
        try:
            self.gate.check(self.scene, changes)
        except NeedsApproval as error:
            raise Withheld(error, changes) from error
        if changes and ask.human is None:
            self.permit.keep_limits(ask.agent, writes=1, deletes=sum(change.new is None for change in changes))
        if self.held and changes:
            self.held.must_be_clean(changes)
        if ask.human and self.governance.policy.owners and any(disguise.governs(change.path) for change in changes):
            raise Withheld(NeedsApproval("governance takes several owners"), changes, (("Human", agent.name),),
                           ask.message or _subject(ask))
        if changes and not admission.approvals and (waiting := proposed.of(admission)):
            pairs = proposed.pairs(admission, self._trailers(ask, run, admission, proposed.DECISION))
            raise Withheld(waiting, changes, pairs, ask.message or _subject(ask))
        placed: int | Written = Written(None, tuple(admission.landed.values()), ask.operation, None, "none")
        if changes:
            placed = self._draft(ask, agent, run, admission)
        for path, blob in admission.learned.items():  # only now: a refused write teaches nothing
            self.book.learn(ask.run, path, blob)
        return placed

    @property
    def governance(self) -> Governance:
        return self.permit.governance

    def _author(self, ask: Ask, fleet: str) -> draft.Person:
        if ask.human is None:
            return draft.agent_person(ask.agent, fleet)
        human = people.named(self.governance, ask.human)
        return draft.Person(human.name, human.mail)

    def _draft(self, ask: Ask, agent: Agent, run: RunRow, admission: Admission) -> int:
        signer = self.signer_of(agent)
        changes, event = admission.changes(), clock.new_id("e", self.now)
        decision = trailers.decision_text(admission.decision, event) if admission.decision else ""
        subject, _, body = (ask.message or _subject(ask)).partition("\n")
        self.pinned = self.pinned or audit_intent.pin(self.book.conn)
        message = trailers.render(subject, body, [*self._trailers(ask, run, admission, decision), self.pinned])
        made: list[Raw] = []
        root = self.scene.trees.change(self.scene.root, {c.path: c.new for c in changes}, made) or ""
        fleet = self.governance.config.fleet
        stamp = draft.Stamp(self._author(ask, fleet), fleet, int(self.now), signer)
        commit = draft.build(root, [self.tip], message, stamp)
        row = CommitRow(
            commit.oid, (self.tip,), main=True, time=stamp.when, author=str(stamp.author),
            subject=trailers.subject_of(message), agent=None if ask.human else agent.name, human=ask.human, run=ask.run,
            chain=admission.chain, operation=ask.operation, decision=decision, signed=True,
            renames=tuple(admission.renames), changes=tuple(map(draft.change_row, changes)))
        left = ask.left if isinstance(ask, LeftAsk) else None
        intent = EventRow(event, self.now, "intent", row.agent, ask.human, ask.run, ask.operation, commit.oid,
                          body=landing.intent_body(changes, admission.learned, left),
                          safe=audit_intent.safe(changes, admission.decision, _scope(admission)))
        self.drafts.append(Draft(commit, changes, row, intent, ask.operation, _answer(event, admission)))
        self.permit.drafted.append(row)
        self.scene.objects += [*admission.blobs, *made, commit]
        self.scene.root, self.tip = root, commit.oid
        self.governed_anew = any(change.path.startswith(FOLDER_NAME + "/") for change in changes)
        if ask.operation:
            self.drafted[agent.name, ask.operation] = len(self.drafts) - 1
        return len(self.drafts) - 1

    def _trailers(self, ask: Ask, run: RunRow, admission: Admission, decision: str) -> list[tuple[str, str]]:
        pairs = [("Human" if ask.human else "Agent", admission.agent.name), ("Run", ask.run)]
        pairs += [("On-Behalf-Of", name) for name in run.chain]
        pairs += [("On-Behalf-Of", f"{name} {ASSERTED}") for name in ask.chain]
        if ask.assisted_by:
            pairs.append(("Assisted-by", ask.assisted_by))
        pairs.append(("Tier", admission.tier))
        if ask.operation:
            pairs.append(("Operation", ask.operation))
        pairs += [("Policy", self.governance.digest), ("Decision", decision)]
        pairs += [("Approval", text) for text in admission.approvals]
        return pairs + [("Rename", renames.text(old, new)) for old, new in admission.renames]

    def _refuse(self, ask: Ask, error: HarnessError) -> None:
        self.refused.append(self._refusal(ask, error))
        if error.code == "denied" and ask.human is None and ask.agent in self.governance.registry.agents:
            here = sum(event.kind == "denial" and event.agent == ask.agent for event in self.refused)
            self.permit.count_denials(ask.agent, here)

    def _refusal(self, ask: Ask, error: HarnessError) -> EventRow:
        kind = "denial" if error.code == "denied" else "refusal"
        body = canon.dumps({"paths": [op.path for op in ask.ops][:100], "message": error.message})
        return EventRow(clock.new_id("e", self.now), self.now, kind, None if ask.human else ask.agent, ask.human,
                        ask.run, ask.operation, outcome=error.code, body=body, safe=audit_intent.refused(
                            [op.path for op in ask.ops], error.details.get("rule"), error.details.get("action")))


def _is_text(ask: Ask) -> bool:
    """Python carries bytes that are no UTF-8 as lone surrogates (PEP 383); no store of ours could keep them."""
    texts = [ask.agent, ask.run, ask.message, ask.operation, ask.assisted_by, ask.token, ask.lease, *ask.chain]
    texts += [text for op in ask.ops for text in (op.path, op.to, op.if_match)]
    return not any("\ud800" <= character <= "\udfff" for text in texts if text and not text.isascii()
                   for character in text)


def _scope(admission: Admission) -> dict[str, Json]:
    """Under what the write was admitted, beside rule and grant."""
    return {"lease": admission.ask.lease, "tier": admission.tier, "chain": list[Json](admission.chain),
            "approval": list[Json](admission.approvals)}


def _subject(ask: Ask) -> str:
    first = ask.ops[0]
    if len(ask.ops) > 1:
        return f"apply {len(ask.ops)} changes"
    return f"rename {first.path} to {first.to}" if first.kind == "rename" else f"{first.kind} {first.path}"


def _answer(event: str, admission: Admission) -> str:
    landed = sorted(admission.landed.values(), key=lambda one: one.path)  # as an index made from git would say it
    return canon.dumps({"event": event, "paths": [[one.path, one.blob, one.previous, one.merged] for one in landed]})


def answered(commit: str, operation: str | None, answer: str, worktree: str = "none") -> Written:
    """The result that `operation` had, from what was stored with it."""
    stored = json.loads(answer)
    return Written(commit, tuple(Landed(*row) for row in stored["paths"]), operation, stored["event"], worktree)
