"""Time-boxed permissions: given and revoked by owners, one signed commit each, swept when their time is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from githarness import clock
from githarness.errors import Denied, NotFound, Usage
from githarness.policy.model import Grant
from githarness.policy.rules import CHANGES
from githarness.store.db import Connection
from githarness.work import audit_record, breaker, ends, govern
from githarness.work.agents import active
from githarness.work.govern import Desk, Edit
from githarness.work.governance import FOLDER_NAME, Governance
from githarness.work.parts import Parts
from githarness.work.permit import Permit

_WHAT = "changing grants"


@dataclass(frozen=True, slots=True)
class Standing:
    """A grant as it is now. `state`: good, early, expired, spent, or stopped where its agent may not act."""

    grant: Grant
    state: str
    used: int


def give(desk: Desk, wanted: Grant) -> tuple[Grant, str]:
    """A grant of what `wanted` says, with an id and from now on, to the second; the grant and its commit. What looks
    like a secret in its reason is not written.

    Raises NotFound, Conflict for a retired agent, Denied where policy allows no grant as long, Usage.
    """
    now = float(int(desk.parts.clock.now()))
    grant = replace(wanted, id=clock.new_id("g", now), granted=now, expires=float(int(wanted.expires)),
                    why=audit_record.redacted(wanted.why))
    if not grant.allow or not grant.paths:
        raise Usage("a grant needs what it allows and where", fix="pass --allow ACTION and --path GLOB")
    if set(grant.allow) <= CHANGES and all(f"{path}/".lower().startswith(f"{FOLDER_NAME}/") for path in grant.paths):
        raise Usage("agents never change governance, so this grant would allow nothing",
                    fix="an owner changes it: githarness write PATH --as OWNER")
    if grant.uses is not None and CHANGES.isdisjoint(grant.allow):
        raise Usage(f"uses are commits, and to {', '.join(grant.allow)} makes none: it would never be used up",
                    fix=f"leave --uses out, or allow one of {', '.join(sorted(CHANGES))} too")

    def edit(governance: Governance) -> Edit:
        active(governance, grant.agent)
        longest = governance.policy.longest_grant
        if longest is not None and grant.expires - grant.granted > longest:
            raise Denied(f"policy allows no grant for longer than {breaker.length(longest)}",
                         fix=f"githarness grant {grant.agent} --for {breaker.length(longest)}",
                         details={"rule": "longest-grant", "seconds": longest})
        return Edit(f"grant {grant.agent} {', '.join(grant.allow)} until {clock.rfc3339(grant.expires)}: {grant.why}",
                    grants={grant.id: grant})

    commit = govern.change(desk, edit, what=_WHAT)
    _note(desk.parts, grant)
    return grant, commit or ""


def _note(parts: Parts, grant: Grant) -> None:
    """Its end is known to the clock of this boot from the beginning."""
    ends.note(parts.db, {ends.key(grant): grant.expires}, parts.clock)


def revoke(desk: Desk, name: str, why: str = "") -> str:
    """The commit. A grant that does not load can be revoked too. Raises NotFound."""
    said = audit_record.redacted(why)

    def edit(governance: Governance) -> Edit:
        if desk.parts.reader.entry(governance.commit, f"{FOLDER_NAME}/grants/{name}.yaml") is None:
            raise NotFound(f"no grant '{name}'", fix="githarness grants list")
        grant = governance.grants.get(name)
        subject = f"revoke grant {name}" + (f" of {grant.agent}" if grant else "") + (f": {said}" if said else "")
        return Edit(subject, grants={name: None}, whys={name: said} if said else {})

    return govern.change(desk, edit, what=_WHAT) or ""


def sweep(desk: Desk) -> tuple[list[Grant], str | None]:
    """Takes away what is over, in one commit; what that was, and the commit, None where there was nothing."""
    swept: list[Grant] = []

    def edit(governance: Governance) -> Edit | None:
        swept[:] = govern.over(desk.parts, governance)
        names = {grant.id: None for grant in swept}
        return Edit(f"sweep {len(swept)} expired grant(s)", grants=names) if names else None

    return swept, govern.change(desk, edit, what=_WHAT)


def listed(conn: Connection, parts: Parts, governance: Governance) -> Sequence[Standing]:
    """By id, which is by time."""
    permit = Permit.of(governance, conn, parts.clock, parts.clock.now())
    return [_standing(permit, grant) for _, grant in sorted(governance.grants.items())]


def _standing(permit: Permit, grant: Grant) -> Standing:
    used = permit.uses(grant)
    if ends.key(grant) in permit.over:
        return Standing(grant, "expired", used)
    if grant.granted > permit.now:
        return Standing(grant, "early", used)
    if grant.uses is not None and used >= grant.uses:
        return Standing(grant, "spent", used)
    return Standing(grant, "good" if permit.may_act(grant.agent) else "stopped", used)
