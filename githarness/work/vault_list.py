"""What the vault has, without any key: names, versions, terms and who wrote them when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from githarness.errors import HarnessError, NotFound
from githarness.git.reader import Reader
from githarness.policy.model import Registry
from githarness.store import commits
from githarness.store.db import Connection
from githarness.vault import folder, record
from githarness.vault.record import Header
from githarness.work import vault_records
from githarness.work.governance import Governance
from githarness.work.vault_records import Found


class Version(NamedTuple):
    """`header`: None where it does not load, and `why` then says why."""

    commit: str
    header: Header | None
    why: str = ""


def listed(reader: Reader, governance: Governance, *, removed: bool = False) -> Sequence[Found]:
    """By name; what is not to be believed too. `removed`: with tombstones."""
    return [found for found in vault_records.every(reader, governance)
            if removed or not found.record or found.record.header.state == record.LIVE]


def history(conn: Connection, reader: Reader, governance: Governance, name: str) -> Sequence[Version]:
    """Newest first. Raises NotFound."""
    path = folder.path_of(governance.config.vault, record.check_name(name))
    found = list(_versions(conn, reader, path, name))[::-1]
    if not found:
        raise NotFound(f"there never was a secret '{name}'", fix="githarness vault list --removed",
                       details={"secret": name})
    return found


def _versions(conn: Connection, reader: Reader, path: str, name: str) -> Iterator[Version]:
    for touch in commits.history(conn, path):
        if not touch.main:
            continue
        if touch.new_oid is None:
            yield Version(touch.oid, None, "its file was deleted")
            continue
        try:
            yield Version(touch.oid, record.parse(reader.blob(touch.new_oid), name).header)
        except HarnessError as error:
            yield Version(touch.oid, None, error.message)


def writer(registry: Registry, key: str) -> str:
    """The name of whose key it is; empty where it is nobody's."""
    return next((human.name for human in registry.humans.values() if any(one.key == key for one in human.keys)), "")
