"""A person's plan becomes one draft: rollback, restore and governance, signed by that person."""

from __future__ import annotations

from dataclasses import dataclass

from githarness import canon, clock
from githarness.canon import Json
from githarness.git import refs
from githarness.git.objects import Entry, Raw
from githarness.git.trees import Trees
from githarness.git.worktrees import AllHeld
from githarness.policy import renames, trailers
from githarness.policy.model import Decision
from githarness.store.rows import CommitRow, EventRow
from githarness.work import audit_intent, draft, landing
from githarness.work.asks import Plan
from githarness.work.draft import Draft, Person
from githarness.work.governance import Governance
from githarness.work.parts import Parts


@dataclass(frozen=True, slots=True)
class Drafted:
    draft: Draft
    objects: list[Raw]
    events: tuple[EventRow, ...]


@dataclass(frozen=True, slots=True)
class Footing:
    """What a plan is drafted on: head with its tree (None: there is none yet), and the checkout as it looks now."""

    head: str | None
    root: str | None
    seen: AllHeld | None


def draft_plan(plan: Plan, footing: Footing, parts: Parts, trees: Trees) -> Drafted:
    """Raises refs.Moved where a path is not as the plan found it, Dirty where a person's edit stands in the way."""
    if plan.again and not _holds(plan, footing, trees):
        plan = plan.again()
    if not _holds(plan, footing, trees):
        raise refs.Moved("a path")
    if footing.seen:
        footing.seen.must_be_clean(plan.changes)
    now = parts.clock.now()
    governance = parts.governed.salvaged(footing.head) if footing.head and not plan.fleet else None
    fleet = governance.config.fleet if governance else plan.fleet
    event, author = clock.new_id("e", now), Person(plan.human.name, plan.human.mail)
    with parts.db.read() as conn:
        pairs = [*_trailers(plan, event, governance), audit_intent.pin(conn)]
    message = trailers.render(plan.subject, plan.body, pairs)
    objects = _blobs(plan)
    tree = trees.change(footing.root, {change.path: change.new for change in plan.changes}, objects) or ""
    stamp = draft.Stamp(author, fleet, int(now), plan.signer)
    commit = draft.build(tree, [footing.head] if footing.head else [], message, stamp)
    events = tuple(one._replace(id=clock.new_id("e", now), time=now, commit_oid=commit.oid)
                   for one in plan.events)
    made = _draft(plan, footing.head, commit, message, _intent(plan, commit, event, now))
    return Drafted(made, [*objects, commit], events)


def _holds(plan: Plan, footing: Footing, trees: Trees) -> bool:
    return all((trees.lookup(footing.root, change.path) if footing.root else None) == change.old
               for change in plan.changes)


def _blobs(plan: Plan) -> list[Raw]:
    return [Raw("blob", change.new.oid, change.data) for change in plan.changes
            if change.new and change.data is not None]


def _trailers(plan: Plan, event: str, governance: Governance | None) -> list[tuple[str, str]]:
    """The first commit of a governed repository has no policy that it could be judged by."""
    pairs = [("Human", plan.human.name), *([("Run", plan.run)] if plan.run else []), *plan.trailers]
    if governance:
        decision = trailers.decision_text(_decision(plan), event)
        pairs += [("Policy", governance.digest), ("Decision", decision)]
    return pairs


def _decision(plan: Plan) -> Decision:
    return Decision("allow", f"human:{plan.human.role}")


def _intent(plan: Plan, commit: Raw, event: str, now: float) -> EventRow:
    undone = [value for key, value in plan.trailers if key == "Rolls-Back"]
    return EventRow(event, now, "intent", None, plan.human.name, plan.run, dict(plan.trailers).get("Operation"),
                    commit.oid, body=landing.intent_body(plan.changes, {}), safe=audit_intent.safe(
                        plan.changes, _decision(plan), {"what": plan.kind, "rolls-back": list[Json](undone)}))


def _draft(plan: Plan, head: str | None, commit: Raw, message: str, intent: EventRow) -> Draft:
    values = dict(trailers.parse(message))
    row = CommitRow(
        commit.oid, (head,) if head else (), main=True, time=int(intent.time),
        author=f"{plan.human.name} <{plan.human.mail}>", subject=trailers.subject_of(message), human=plan.human.name,
        run=plan.run, operation=values.get("Operation"), decision=values.get("Decision"), signed=True,
        rolls_back=tuple(value for key, value in plan.trailers if key == "Rolls-Back"),
        renames=tuple(pair for key, value in plan.trailers if key == "Rename" and (pair := renames.parse(value))),
        changes=tuple(map(draft.change_row, plan.changes)))
    answer = canon.dumps({"event": intent.id, "paths": [
        [change.path, _oid(change.new), _oid(change.old), False] for change in plan.changes]})
    return Draft(commit, plan.changes, row, intent, values.get("Operation"), answer)


def _oid(entry: Entry | None) -> str | None:
    return entry.oid if entry else None
