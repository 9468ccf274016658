"""What `doctor` asks of agents and grants: who is stopped, and what is over or will be soon."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from githarness import clock
from githarness.git import refs
from githarness.policy import trailers
from githarness.store import stops
from githarness.work import govern
from githarness.work.doctor import Finding, Subject
from githarness.work.governance import Governance
from githarness.work.parts import Parts

_SOON = 7 * 86400.0
_MONTH = 30 * 86400.0
_LOOKED_AT = 5_000  # commits


def _governance(parts: Parts) -> Governance:
    return parts.governed.salvaged(refs.read(parts.repo.common_dir, parts.ref) or "")


def stopped(subject: Subject) -> Iterator[Finding]:
    """Agents that an operator, a limit or the breaker stopped; here, and what git says for every clone."""
    parts = subject.parts()
    with parts.db.read() as conn:
        here = stops.in_force(conn)
    known = {name: agent for name, agent in _governance(parts).registry.agents.items() if not agent.retired}
    for name in sorted(name for name, agent in known.items() if agent.quarantined or name in here):
        why = f": {here[name].why}" if name in here and here[name].why else ""
        unsaid = "" if known[name].quarantined else "; in this clone only, other clones do not know"
        yield Finding("quarantine", "warn", f"agent '{name}' may not act{why}{unsaid}",
                      f"githarness agent release {name}, or githarness agent quarantine {name} to say it in git")


def ends(subject: Subject) -> Iterator[Finding]:
    """Agents that expired or will within a week; grants that are over, or do not load."""
    parts = subject.parts()
    governance, now = _governance(parts), subject.clock.now()
    for name, agent in sorted(governance.registry.agents.items()):
        left = datetime.fromisoformat(agent.expires).timestamp() - now if agent.expires else _SOON
        if not agent.retired and left < _SOON:
            what = f"agent '{name}' {'expires' if left > 0 else 'expired'} at {agent.expires}"
            yield Finding("agents' time", "warn", what,
                          f"githarness agent add {name} --expires 30d, or githarness agent retire {name}")
    over = govern.over(parts, governance)
    if over:
        yield Finding("grants", "warn", f"{len(over)} are over: {', '.join(grant.id for grant in over[:5])}",
                      "githarness grants sweep")
    for problem in governance.broken_grants:
        yield Finding("grants", "warn", f"a grant does not load and grants nothing: {problem}", "githarness revoke it")
    if governance.grants and not over:
        yield Finding("grants", "ok", f"{len(governance.grants)} in force or to come; githarness grants list")


def recovery(subject: Subject) -> Iterator[Finding]:
    """Governance that one owner changed by a recovery key in the last 30 days, as far as the newest commits tell."""
    parts = subject.parts()
    at, now = refs.read(parts.repo.common_dir, parts.ref), subject.clock.now()
    for _ in range(_LOOKED_AT):
        if at is None:
            return
        commit = parts.reader.commit(at)
        who = [value for key, value in trailers.parse(commit.message) if key == "Recovery"]
        if who and abs(now - commit.time) < _MONTH:
            yield Finding("recovery", "warn", f"'{who[0]}' changed governance by a recovery key at "
                          f"{clock.rfc3339(commit.time)}, without a second owner: {at[:12]}", f"git show {at[:12]}")
        at = commit.parents[0] if commit.parents else None


CHECKS = (stopped, ends, recovery)
