"""What leases mean to a write: one that rests on a lease lands only while it is held, and what others hold is theirs.

Asked in the lane, under the repository's lock: a holder that slept, and wakes up with its lease gone, is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from githarness import paths
from githarness.errors import Denied, Locked
from githarness.store import leases
from githarness.store.db import Connection
from githarness.store.leases import PATHS, Lease
from githarness.work import lease_holder
from githarness.work.asks import Ask
from githarness.work.leases import details_of, lost


@dataclass(slots=True)
class LeaseGuard:
    """For one group of writes, on one snapshot. `boot`: seconds of the boot clock."""

    conn: Connection
    boot_id: str
    boot: float
    _held: Sequence[Lease] | None = field(default=None, init=False)

    def check(self, ask: Ask, touched: Iterable[str]) -> None:
        """Raises LeaseLost, Denied for somebody else's lease, Locked where others hold a touched path."""
        if ask.lease:
            self._must_hold(ask, ask.lease)
        for path in touched:
            if holder := self._holder_of(path, ask):
                raise Locked(f"'{path}' is leased by {holder.holder} until {details_of(holder)['expires']}",
                             fix="wait for it: githarness lease list",
                             details={**details_of(holder), "path": path})

    def _holder_of(self, path: str, ask: Ask) -> Lease | None:
        """Who else has leased the path."""
        if self._held is None:
            found = leases.all_held(self.conn, self.boot_id, self.boot, PATHS)
            self._held = [one for one in found if not lease_holder.is_gone(one)]
        return next((one for one in self._held if not _is_of(one, ask)
                     and paths.matches(one.name.removeprefix(PATHS), path)), None)

    def _must_hold(self, ask: Ask, lease: str) -> None:
        found = leases.by_id(self.conn, lease)
        if found is None or not found.held(self.boot_id, self.boot):
            raise lost(lease, found)
        if (found.agent or found.human) != ask.agent or (found.human is None) != (ask.human is None):
            raise Denied(f"lease '{lease[:80]}' belongs to {found.holder}", fix="githarness lease list",
                         details={"rule": "lease"})


def _is_of(lease: Lease, ask: Ask) -> bool:
    return lease.id == ask.lease or (lease.run == ask.run and (lease.agent or lease.human) == ask.agent)
