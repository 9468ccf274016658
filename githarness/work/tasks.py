"""Tasks: work that is asked for once and done once, by whoever claims it first, in the order of asking.

A claim ends with its time, with its run, or when its agent may act no longer; then the task goes back, and the attempt
counts. Only who holds the claim can say that the task is done: what comes from a claim that was lost is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from githarness import canon, clock
from githarness.canon import Json
from githarness.clock import SYSTEM
from githarness.errors import HarnessError, LeaseLost, NotFound, Usage
from githarness.store import tasks
from githarness.store.tasks import Task, Wanted
from githarness.work import channels, leases
from githarness.work.coordination import Act, Caller
from githarness.work.parts import Parts
from githarness.work.pause import Pause

PATH = "@task/"
_LONGEST = 7 * 86400.0  # seconds of a claim
_TEXT, _WORD = 20_000, 200  # characters
_NEEDS = 1000
_LOOK = 1.0  # seconds between two looks whether a claim is over
_REFUSED = 100  # tasks that a claimer may not take, before it is told so


@dataclass(frozen=True, slots=True)
class AddAsk:
    text: str
    needs: Sequence[str] = ()
    key: str | None = None
    role: str | None = None
    skill: str | None = None
    retries: int = 2


@dataclass(frozen=True, slots=True)
class ClaimAsk:
    skills: Sequence[str] = ()
    ttl: float = 600.0  # seconds


@dataclass(frozen=True, slots=True)
class BeatAsk:
    task: str
    token: int | None = None


@dataclass(frozen=True, slots=True)
class DoneAsk:
    task: str
    result: str | None = None  # canonical JSON, as `channels.body_of` makes it
    token: int | None = None


@dataclass(frozen=True, slots=True)
class FailAsk:
    task: str
    note: str = ""
    token: int | None = None


@dataclass(frozen=True, slots=True)
class ListAsk:
    status: str | None = None
    most: int = 200


def add(act: Act, ask: AddAsk) -> dict[str, Json]:
    """The task, with "repeated" where one with this key was there already. Raises NotFound, Denied, Usage."""
    turn, caller = act.turn, act.caller
    identity = clock.new_id("t", turn.now)
    act.permit("write", PATH + identity)
    _check(ask)
    if ask.role:
        channels.addressed(act, f"role:{ask.role}")
    if ask.key is not None and (first := tasks.by_key(act.conn, ask.key)):
        act.permit("read", PATH + first.id)
        return {**shown(first), "repeated": True}
    needs = list(dict.fromkeys(ask.needs))
    states = {known(act, need).status for need in needs}
    status = "blocked" if states & {"failed", "blocked"} else "waiting" if states - {"done"} else "open"
    task = Task(0, identity, ask.key, ask.text, status, canon.dumps(needs), ask.role, ask.skill, caller.agent,
                caller.human, caller.run, most=ask.retries + 1, created=turn.now, updated=turn.now)
    tasks.add(act.conn, task, needs)
    record(act, task, "add", channels.excerpt(canon.dumps(ask.text)))
    return {**shown(task), "repeated": False}


def _check(ask: AddAsk) -> None:
    if not ask.text.strip() or len(ask.text) > _TEXT:
        raise Usage(f"a task has a text of 1 to {_TEXT:,} characters", fix="write an artifact, and name it in the text")
    if any(word is not None and not 0 < len(word) <= _WORD for word in (ask.key, ask.skill)):
        raise Usage(f"a key and a skill have 1 to {_WORD} characters")
    if not 0 <= ask.retries <= _NEEDS or len(ask.needs) > _NEEDS:
        raise Usage(f"a task has at most {_NEEDS:,} retries, and needs at most {_NEEDS:,} others")


def claim(act: Act, ask: ClaimAsk) -> dict[str, Json]:
    """The first task that the caller can take. Raises NotFound where there is none, Denied."""
    turn, caller = act.turn, act.caller
    _check_ttl(ask.ttl)
    lapse(act)
    found = _first(act, ask)
    if found is None and lapse_dead(act):
        found = _first(act, ask)
    if found is None:
        raise NotFound("there is nothing to claim", fix="githarness task list; --wait 10m waits for a task")
    task = found._replace(
        status="claimed", agent=caller.agent, human=caller.human, run=caller.run, token=leases.token(act),
        boot=turn.boot_id, until_boot=turn.boot + ask.ttl, ttl=ask.ttl, expires=turn.now + ask.ttl,
        attempts=found.attempts + 1, updated=turn.now)
    tasks.put(act.conn, task)
    record(act, task, "claim")
    return shown(task)


def _first(act: Act, ask: ClaimAsk) -> Task | None:
    caller, refused = act.caller, list[Task]()
    mine = f"agent:{caller.agent}" if caller.agent else f"human:{caller.human}"
    for task in tasks.ready(act.conn, Wanted(mine, act.who.roles, ask.skills)):
        if act.may("write", PATH + task.id):
            return task
        refused.append(task)
        if len(refused) == _REFUSED:
            break
    if refused:
        act.permit("write", PATH + refused[0].id)
    return None


def wait_for(parts: Parts, caller: Caller, ask: ClaimAsk, carry_out: Callable[[Caller, ClaimAsk], dict[str, Json]], *,
             wait: float) -> dict[str, Json]:
    """`claim`, for up to so many seconds until there is something. Raises what it raises."""
    pause, began = Pause(parts), SYSTEM.monotonic()
    nothing: HarnessError | None = None
    while True:
        pause.mark()
        if nothing is None or _worth_asking(parts):
            try:
                return carry_out(caller, ask)
            except NotFound as error:
                nothing = error
        if (left := wait - (SYSTEM.monotonic() - began)) <= 0:
            raise nothing
        pause.wait(min(left, _LOOK))


def _worth_asking(parts: Parts) -> bool:
    with parts.db.read() as conn:
        return tasks.any_ready(conn, clock.boot_id(), parts.clock.boot())


def beat(act: Act, ask: BeatAsk) -> dict[str, Json]:
    """The claim ends later, by as much as it was made for. Raises LeaseLost."""
    task, turn = must_hold(act, ask.task, ask.token), act.turn
    ttl = task.ttl or 0.0
    task = task._replace(until_boot=turn.boot + ttl, expires=turn.now + ttl)
    tasks.put(act.conn, task)
    return shown(task)


def done(act: Act, ask: DoneAsk) -> dict[str, Json]:
    """Once, by who holds the claim; the same again by the same is told the same. Raises LeaseLost, Denied."""
    there = known(act, ask.task)
    if there.status == "done" and _is_holder(act, there, ask.token) and there.result == ask.result:
        return shown(there)
    task = must_hold(act, ask.task, ask.token)._replace(status="done", result=ask.result, updated=act.turn.now)
    tasks.put(act.conn, task)
    tasks.free(act.conn, task.id, act.turn.now)
    record(act, task, "done", channels.excerpt(ask.result or "null"))
    return shown(task)


def fail(act: Act, ask: FailAsk) -> dict[str, Json]:
    """It goes back for another attempt, or has failed where there is none left. Raises LeaseLost, Denied."""
    return shown(_back(act, must_hold(act, ask.task, ask.token), "fail", ask.note[:_TEXT]))


def listed(act: Act, ask: ListAsk) -> dict[str, Json]:
    """The last so many that may be read, in the order of asking."""
    if ask.status not in (None, *tasks.STATUSES) or not 0 < ask.most <= 10_000:
        raise Usage(f"'{ask.status}' is not a status", fix="use " + ", ".join(tasks.STATUSES))
    lapse(act)
    lapse_dead(act)
    return {"items": [shown(task) for task in tasks.newest(act.conn, ask.status, ask.most)
                      if act.may("read", PATH + task.id)]}


def known(act: Act, task: str) -> Task:
    """Raises NotFound, Denied."""
    found = tasks.get(act.conn, task)
    if found is None:
        raise NotFound(f"no task '{task[:80]}'", fix="githarness task list")
    act.permit("read", PATH + found.id)
    return found


def must_hold(act: Act, task: str, token: int | None) -> Task:
    """Raises LeaseLost where the caller's claim is over or was never there, NotFound, Denied."""
    found = known(act, task)
    act.permit("write", PATH + found.id)
    if found.status != "claimed" or not _is_holder(act, found, token) or _is_over(act, found):
        over = found.status == "claimed" and _is_over(act, found)
        raise LeaseLost(f"run '{act.caller.run}' does not hold task '{found.id}', "
                        + ("whose claim has ended" if over else f"which is {found.status}"),
                        fix="githarness task claim; what is done under a claim that has ended is not taken",
                        details={"task": found.id, "status": found.status, "agent": found.agent, "run": found.run})
    return found


def _is_holder(act: Act, task: Task, token: int | None) -> bool:
    caller = act.caller
    return ((task.agent, task.human, task.run) == (caller.agent, caller.human, caller.run)
            and token in (None, task.token))


def _is_over(act: Act, task: Task) -> bool:
    return task.boot != act.turn.boot_id or (task.until_boot or 0.0) <= act.turn.boot


def lapse(act: Act) -> None:
    """Claims whose time is over, or whose run has ended."""
    for task in tasks.over(act.conn, act.turn.boot_id, act.turn.boot):
        _back(act, task, "lapse", "its claim ended without a result")


def lapse_dead(act: Act) -> bool:
    """Claims of runs whose process is gone, and of agents that may act no longer. Whether there were any."""
    gone = [task for task, pid, start in tasks.claimed(act.conn)
            if (pid and clock.process_start(pid) != start) or (task.agent and not act.turn.permit.may_act(task.agent))]
    for task in gone:
        _back(act, task, "lapse", f"'{task.agent or task.human}', who had claimed it, is gone")
    return bool(gone)


def _back(act: Act, task: Task, what: str, note: str) -> Task:
    """Another attempt, or none."""
    now, last = act.turn.now, task.attempts >= task.most
    record(act, task, what, {"note": note})
    task = task._replace(status="failed" if last else "open", note=note, updated=now)
    if not last:
        task = free(task)
    tasks.put(act.conn, task)
    if last:
        tasks.block(act.conn, task.id, now)
    return task


def free(task: Task) -> Task:
    """Nobody's."""
    return task._replace(agent=None, human=None, run=None, token=None, boot=None, until_boot=None, expires=None)


def record(act: Act, task: Task, what: str, body: Json = None) -> None:
    act.record("task", {"task": task.id, "token": task.token, "holder": task.agent or task.human, "what": what}, body)


def _check_ttl(ttl: float) -> None:
    if not 0 < ttl <= _LONGEST:
        raise Usage(f"a claim of {ttl:g} seconds is none", fix="pass --ttl 10m; the longest is 7d")


def shown(task: Task) -> dict[str, Json]:
    """The JSON form of CLI.md."""
    return {"task": task.id, "text": task.text, "status": task.status, "agent": task.agent, "human": task.human,
            "run": task.run, "token": task.token, "expires": clock.rfc3339(task.expires) if task.expires else None,
            "key": task.key, "needs": json.loads(task.needs), "role": task.want_role, "skill": task.want_skill,
            "to": task.handed.removeprefix("agent:") if task.handed else None, "attempts": task.attempts,
            "retries": task.most - 1, "by": task.by_agent or task.by_human, "note": task.note,
            "result": json.loads(task.result) if task.result is not None else None,
            "created": clock.rfc3339(task.created), "updated": clock.rfc3339(task.updated)}
