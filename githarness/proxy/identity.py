"""Who asks: what the kernel says of the process at the other end, and what it says of itself, as far as that holds.

T0: a process of this user that names an agent. T1: it has the bearer token of a run and descends from the process that
the run is recorded for. What runs inside a run is that run, whatever it says; it gives no operator's orders.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass

from githarness.errors import Denied, Usage
from githarness.proxy.ground import Ground
from githarness.store.rows import RunRow
from githarness.work.runbook import name_of, tier

_DEEPEST = 256


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a connection is: an agent in a run, a person, or nobody in particular (`agent` and `human` both None)."""

    pid: int
    within: str | None = None  # the run that its process belongs to
    agent: str | None = None
    run: str | None = None
    runs: tuple[str, ...] = ()  # the run and those that it was started by
    since: float = 0.0  # when the first of them began
    chain: tuple[str, ...] = ()
    tier: str = "T0"
    human: str | None = None

    @property
    def who(self) -> str:
        return f"agent '{self.agent}'" if self.agent else f"human '{self.human}'"

    @property
    def is_free(self) -> bool:
        """Whether it acts for no agent and is part of no run."""
        return not (self.agent or self.within) and self.pid > 0


def ancestry(pid: int) -> dict[int, int]:
    """The process and those that it descends from, nearest first: start time by process id.

    Raises Denied where one of them went meanwhile, itself included: then it could have been of any run.
    """
    found: dict[int, int] = {}
    while pid > 0 and pid not in found:
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            if found and _lives(pid):
                break  # another user's, which this system hides
            fields = []
        if not fields or len(found) >= _DEEPEST:
            raise Denied(f"whose process {pid} is cannot be told any more", fix="ask again, and wait for the answer")
        found[pid] = int(fields[19])
        pid = int(fields[1])
    return found


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno == errno.EPERM
    return True


def introduce(ground: Ground, pid: int, said: Mapping[str, object]) -> Caller:
    """Raises Usage, NotFound; Denied for who it is not."""
    texts = {name: said[name] for name in ("agent", "run", "token", "human") if name in said}
    if not all(isinstance(text, str) for text in texts.values()):
        raise Usage("agent, run, token and human are texts", fix="see docs/vault-protocol.md")
    names = {name: str(text) for name, text in texts.items()}
    above = ancestry(pid)
    within = ground.within(above)
    if human := names.get("human"):
        if within or len(names) > 1:
            raise Denied(f"a process of run '{within.id}' is no person" if within else "who acts is one, not two",
                         fix="leave --as out")
        return Caller(pid, human=ground.human(human).name)
    if "agent" not in names and within is None:
        if names:
            raise Usage("a run and a token are those of an agent", fix="name it with --agent")
        return Caller(pid)
    return _agent(ground, Caller(pid, within.id if within else None), names, within, above)


def _agent(ground: Ground, caller: Caller, names: Mapping[str, str], within: RunRow | None, above: Mapping[int, int],
           ) -> Caller:
    agent = names.get("agent") or (within.agent if within else "")
    run = names.get("run") or (within.id if within else None)
    if run is None:
        raise Usage(f"in which run does agent '{agent}' ask", fix="name it with --run")
    ground.governance().agent(agent)
    line = ground.lineage(run)
    if within and within.id not in [each.id for each in line]:
        raise Denied(f"this process belongs to run '{within.id}' of agent '{within.agent}', not to run '{run}'",
                     fix="leave --agent and --run out: inside a run they are those of the run")
    row = ground.run(run, agent)
    proven = tier(row, names.get("token"))
    if proven != "T0" and row.pid and above.get(row.pid) != row.pid_start:
        raise Denied(f"the token of run '{run}' is used by a process that is not of that run",
                     fix="ask from inside the run")
    if row.pid is None:
        proven = "T0"
    line = line or [row]
    return Caller(caller.pid, caller.within, agent, run, tuple(each.id for each in line),
                  min(each.started for each in line), tuple(map(name_of, row.chain)), proven)


def may_order(caller: Caller, what: str) -> None:
    """Whether this process may give orders that are people's. Raises Denied."""
    if not caller.is_free:
        raise Denied(f"{what} is for people: this process acts as an agent, or is part of a run",
                     fix="do it from a terminal of your own")



