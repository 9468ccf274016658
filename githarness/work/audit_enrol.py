"""This clone's audit log gets a key, and an owner's word for it: `.githarness/logs/LOG.yaml`.

The key is made in the user's data folder like agents' keys. An enrolment is no part of the Policy digest: it changes
nothing that is allowed.
"""

from __future__ import annotations

from githarness import clock
from githarness.errors import Unavailable
from githarness.git import refs
from githarness.git.objects import FILE, Entry, PathChange, oid_of
from githarness.policy import logs
from githarness.policy.logs import EnrolledLog
from githarness.seal.keys import KeySigner
from githarness.store import audit
from githarness.work import founder, people
from githarness.work.asks import Plan
from githarness.work.clone_config import Values
from githarness.work.governance import FOLDER_NAME, Governance
from githarness.work.lane import LocalLane
from githarness.work.parts import Parts

_FOLDER = FOLDER_NAME + "/logs/"
NOTED = "githarness.log"


def change(parts: Parts) -> PathChange:
    """The file that enrols this clone's log, with a new key of this host."""
    with parts.db.read() as conn:
        log = audit.log(conn).id
    signer = parts.keyring.create(f"audit log {log} {founder.host()}")
    data = logs.render(EnrolledLog(log, founder.host(), signer.public, clock.rfc3339(parts.clock.now())))
    return PathChange(path_of(log), None, Entry(FILE, oid_of("blob", data)), data)


def path_of(log: str) -> str:
    return f"{_FOLDER}{log}.yaml"


def is_due(parts: Parts, commit: str) -> bool:
    """Whether this clone has recorded anything for which nobody vouches; one that only reads needs no log."""
    if not (parts.repo.home / "harness.db").exists():
        return False
    with parts.db.read() as conn:
        log = audit.log(conn)
    return log.size > 0 and parts.reader.entry(commit, path_of(log.id)) is None


def setting(parts: Parts, values: Values) -> dict[str, str]:
    """What git's configuration notes once the log is enrolled, and keeps: another log in its place is told by it."""
    if values.local(NOTED) or not (parts.repo.home / "harness.db").exists():
        return {}
    with parts.db.read() as conn:
        log = audit.log(conn).id
    head = refs.head(parts.repo.common_dir, parts.ref)
    return {NOTED: log} if parts.reader.entry(head, path_of(log)) else {}


def enrol(parts: Parts, governance: Governance, mail: str) -> str:
    """One commit by the owner with this mail; its id. Raises NotFound, Denied, Unavailable, refs.Moved."""
    owner, signer = people.acting(parts, governance, name=None, mail=mail)
    people.require(owner, "owner", "enrolling an audit log")
    added = change(parts)
    plan = Plan("govern", (added,), f"enrol the audit log of {founder.host()}", owner, signer,
                body=f"Its checkpoints are signed by the key in {added.path}.")
    return LocalLane(parts).land(plan).commit or ""


def of_entry(parts: Parts, log: str, entry: Entry) -> EnrolledLog:
    """Raises Integrity for a file that does not load."""
    return logs.parse(parts.reader.blob(entry.oid), path_of(log))


def signer_of(parts: Parts, log: EnrolledLog) -> KeySigner:
    """Raises Unavailable where this host does not hold the log's key."""
    signer = parts.keyring.find([log.key])
    if not isinstance(signer, KeySigner):
        raise Unavailable(f"this host does not hold the key of its audit log '{log.id}'",
                          fix="put the key back into the data folder, or start a log anew: docs/audit.md")
    return signer
