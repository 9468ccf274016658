"""The incidents in the order of play: an incident is one file, and one row here."""

from __future__ import annotations

from githarness.demo import (
    appends,
    burst,
    cascade,
    erased,
    fingerprint,
    grant,
    malformed,
    outdated,
    own_policy,
    stale,
    twice,
    unnoticed,
)
from githarness.demo.incident import Incident

INCIDENTS: tuple[Incident, ...] = (
    appends.INCIDENT, stale.INCIDENT, erased.INCIDENT, malformed.INCIDENT, outdated.INCIDENT, twice.INCIDENT,
    unnoticed.INCIDENT, grant.INCIDENT, own_policy.INCIDENT, cascade.INCIDENT, burst.INCIDENT, fingerprint.INCIDENT)

# What lies in the repository before its adoption.
FILES = {
    "README.md": "# Operations\n\nSkills, runbooks and logs of the fleet.\n",
    appends.LOG: "",
    stale.SKILL: stale.TEXT,
    erased.RUNBOOK: erased.TEXT,
    cascade.STOCK: cascade.TEXT,
    outdated.PLAN: outdated.OLD,
    **malformed.files(),
}
