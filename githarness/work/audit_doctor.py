"""What `doctor` says of the audit log: whether somebody vouches for it, and how much of it stands in git."""

from __future__ import annotations

from collections.abc import Iterator

from githarness.errors import HarnessError
from githarness.git import refs
from githarness.store import audit
from githarness.work import audit_chain, audit_enrol
from githarness.work.doctor import Finding, Subject

_MANY = 20_000  # unsealed events: the daemon seals sooner, and without it somebody should


def audit_log(subject: Subject) -> Iterator[Finding]:
    parts = subject.parts()
    with parts.db.read() as conn:
        log = audit.log(conn)
    head = refs.head(parts.repo.common_dir, parts.ref)
    entry = parts.reader.entry(head, audit_enrol.path_of(log.id))
    if entry is None:
        if log.size:
            yield Finding("audit log", "warn", f"the log of this clone is not enrolled: its {log.size} events cannot "
                          "be sealed", "githarness init, as an owner")
        return
    try:
        audit_enrol.signer_of(parts, audit_enrol.of_entry(parts, log.id, entry))
    except HarnessError as error:
        yield Finding("audit log", "warn", error.message, error.fix or "githarness audit verify")
        return
    tip = audit_chain.tip(parts, log.id)
    stated = audit_chain.batch(parts, tip).checkpoint.size if tip else 0
    if stated > log.size:
        yield Finding("audit log", "warn", f"harness.db has {log.size} events of it, and git {stated}: it was put back "
                      "from a copy, or cut", "githarness audit verify; docs/audit.md, a log anew")
        return
    behind = log.size - log.sealed
    state = f"{log.size} events, {log.sealed} of them sealed"
    if behind > _MANY:
        yield Finding("audit log", "warn", state, "githarness audit seal")
    else:
        yield Finding("audit log", "ok", f"{state}; whether each is as it was recorded: githarness audit verify")
