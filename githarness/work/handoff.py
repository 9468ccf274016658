"""Handing a task on, with what the next stage needs to begin where this one stopped: its run, what that run saw and
wrote with the blobs as of one commit, what is in its journal, and the questions that are open.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from githarness import canon, clock
from githarness.canon import Json
from githarness.errors import Conflict, Usage
from githarness.git import refs
from githarness.store import audit, bases, commits, runs, tasks
from githarness.store.audit import EventFilter
from githarness.store.commits import CommitFilter
from githarness.store.tasks import Task
from githarness.work import channels
from githarness.work.coordination import Act
from githarness.work.tasks import free, known, lapse, must_hold, record, shown

_EVENTS = 50  # of the journal
_FILES = 1000
_LEFT_OUT = ("read", "task")  # what the artifacts and the task say already


@dataclass(frozen=True, slots=True)
class HandoffAsk:
    task: str
    to: str  # an agent, or human:NAME
    note: str = ""
    questions: str | None = None  # canonical JSON
    refs: Sequence[str] = ()  # artifacts and runs beside those of the run
    token: int | None = None


@dataclass(frozen=True, slots=True)
class ShowAsk:
    task: str
    bundle: bool = False


def handoff(act: Act, ask: HandoffAsk) -> dict[str, Json]:
    """By who holds the claim, or an operator; from here on only `to` can claim the task. Raises LeaseLost, Denied."""
    task = _mine(act, ask)
    to = channels.addressed(act, ask.to)
    if not to.startswith(("agent:", "human:")):
        raise Usage("a task is handed to one agent or person", fix="pass --to AGENT")
    bundle: dict[str, Json] = {
        "from": act.who.name, "to": to.removeprefix("agent:"), "time": clock.rfc3339(act.turn.now), "note": ask.note,
        "questions": json.loads(ask.questions) if ask.questions else None, **_context(act, task.run or act.caller.run),
        "refs": channels.references(act, ask.refs)}
    record(act, task, "handoff", {"to": bundle["to"], "note": ask.note})
    task = free(task)._replace(status="open", handed=to, attempts=0, bundle=canon.dumps(bundle), updated=act.turn.now)
    tasks.put(act.conn, task)
    return shown(task)


def _mine(act: Act, ask: HandoffAsk) -> Task:
    """Raises LeaseLost, Denied, Conflict."""
    if not act.caller.human:
        return must_hold(act, ask.task, ask.token)
    task = known(act, ask.task)
    if task.status not in ("open", "claimed"):
        raise Conflict(f"task '{task.id}' is {task.status}", fix="githarness task show ID")
    if (task.human, task.run) != (act.caller.human, act.caller.run):
        act.require("operator", "hand on a task of others")
    return task


def _context(act: Act, run: str) -> dict[str, Json]:
    """What a run did, as of the head of the governed branch."""
    head = refs.head(act.turn.parts.repo.common_dir, act.turn.parts.ref)
    seen = bases.seen(act.conn, run)
    landed = commits.log(act.conn, CommitFilter(run=run, limit=_FILES))
    wrote = {change.path for row in landed for change in row.changes}
    artifacts: list[Json] = [{"path": path, "blob": _blob(act, head, path), "seen": seen.get(path),
                              "wrote": path in wrote} for path in sorted(wrote | seen.keys())[:_FILES]]
    told = (one.leaf for one in audit.told(act.conn, EventFilter(run=run), oldest_first=False))
    journal: list[Json] = [{"id": leaf.id, "time": clock.rfc3339(leaf.time), "kind": leaf.kind,
                            "fields": json.loads(leaf.safe)}
                           for leaf in islice((one for one in told if one.kind not in _LEFT_OUT), _EVENTS)]
    row = act.run if act.run.id == run else runs.get(act.conn, run)
    about: Json = None if row is None else {
        "id": row.id, "agent": row.agent, "parent": row.parent, "chain": list[Json](row.chain),
        "started": clock.rfc3339(row.started), "start_commit": row.start_commit}
    return {"run": about, "commit": head, "artifacts": artifacts, "journal": journal[::-1]}


def show(act: Act, ask: ShowAsk) -> dict[str, Json]:
    """A task; with its bundle, as far as the caller may read it, and what changed since. Raises NotFound, Denied."""
    lapse(act)
    task = known(act, ask.task)
    if not ask.bundle:
        return shown(task)
    bundle = json.loads(task.bundle) if task.bundle else None
    if bundle:
        head = refs.head(act.turn.parts.repo.common_dir, act.turn.parts.ref)
        bundle["artifacts"] = [{**one, "changed": _blob(act, head, one["path"]) != one["blob"]}
                               for one in bundle["artifacts"] if act.may("read", one["path"])]
    act.record("task", {"task": task.id, "what": "bundle"})
    return {**shown(task), "bundle": bundle}


def _blob(act: Act, commit: str, path: str) -> str | None:
    entry = act.turn.parts.reader.entry(commit, path)
    return entry.oid if entry else None
