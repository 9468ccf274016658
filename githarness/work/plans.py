"""A person's plan becomes one draft: rollback, restore and governance, signed by that person."""

from __future__ import annotations

from dataclasses import dataclass

from githarness import canon, clock
from githarness.errors import Dirty
from githarness.git import refs
from githarness.git.objects import Entry, Raw
from githarness.git.trees import Trees
from githarness.policy import renames, trailers
from githarness.store.rows import CommitRow, EventRow
from githarness.work import draft, landing
from githarness.work.asks import Plan
from githarness.work.draft import Draft, Person
from githarness.work.landing import Ground
from githarness.work.parts import Parts


@dataclass(frozen=True, slots=True)
class Drafted:
    draft: Draft
    objects: list[Raw]


def draft_plan(plan: Plan, ground: Ground, parts: Parts, trees: Trees, root: str | None) -> Drafted:
    """Raises refs.Moved where a path is not as the plan found it, Dirty where a person's edit stands in the way."""
    for change in plan.changes:
        if (trees.lookup(root, change.path) if root else None) != change.old:
            raise refs.Moved(change.path)
    if ground.held and (dirty := ground.held.dirty(plan.changes)):
        raise Dirty(f"'{dirty[0]}' has an uncommitted edit in the working tree", details={"paths": list(dirty)})
    now = parts.clock.now()
    fleet = plan.fleet or (parts.governed.at(ground.head).config.fleet if ground.head else "")
    event, author = clock.new_id("e", now), Person(plan.human.name, plan.human.mail)
    message = trailers.render(plan.subject, plan.body, _trailers(plan))
    objects = _blobs(plan)
    tree = trees.change(root, {change.path: change.new for change in plan.changes}, objects) or ""
    stamp = draft.Stamp(author, fleet, int(now), plan.signer)
    commit = draft.build(tree, [ground.head] if ground.head else [], message, stamp)
    return Drafted(_draft(plan, ground, commit, event, now, message), [*objects, commit])


def _blobs(plan: Plan) -> list[Raw]:
    return [Raw("blob", change.new.oid, change.data) for change in plan.changes
            if change.new and change.data is not None]


def _trailers(plan: Plan) -> list[tuple[str, str]]:
    return [("Human", plan.human.name), *([("Run", plan.run)] if plan.run else []), *plan.trailers]


def _draft(plan: Plan, ground: Ground, commit: Raw, event: str, now: float, message: str) -> Draft:
    values = dict(plan.trailers)
    row = CommitRow(
        commit.oid, (ground.head,) if ground.head else (), main=True, time=int(now),
        author=f"{plan.human.name} <{plan.human.mail}>", subject=message.partition("\n")[0], human=plan.human.name,
        run=plan.run, operation=values.get("Operation"), signed=True,
        rolls_back=tuple(value for key, value in plan.trailers if key == "Rolls-Back"),
        renames=tuple(pair for key, value in plan.trailers if key == "Rename" and (pair := renames.parse(value))),
        changes=tuple(map(draft.change_row, plan.changes)))
    intent = EventRow(event, now, "intent", None, plan.human.name, plan.run, values.get("Operation"), commit.oid,
                      body=landing.intent_body(plan.changes, {}))
    answer = canon.dumps({"event": event, "paths": [
        [change.path, _oid(change.new), _oid(change.old), False] for change in plan.changes]})
    return Draft(commit, plan.changes, row, intent, values.get("Operation"), answer)


def _oid(entry: Entry | None) -> str | None:
    return entry.oid if entry else None
