"""Everything that can go wrong, as one tree; each class has a code, an exit code and a fix.

    HarnessError
    ├── Internal        internal       3    a defect of githarness itself
    ├── Usage           usage          2    the words of the call are off
    │   └── BadPath     bad-path       2    a path that no artifact may have
    ├── Denied          denied        10    policy says no, or the caller may not act as it claims
    ├── Refused                       11    the write does not fit what is there now
    │   ├── StaleWrite  stale-write   11    the artifact changed since the writer read it
    │   ├── Unread      unread        11    the artifact exists and this run never read it
    │   ├── Conflict    conflict      11    two changes of the same lines, or of the same key
    │   └── Dirty       dirty         11    a person's uncommitted edit stands in the way
    ├── Locked          locked        12    somebody else holds a lock for too long
    ├── LeaseLost       lease-lost    12    the fencing token is old
    ├── NeedsApproval   needs-approval 13   the change is held until a person approves it
    ├── NotFound        not-found     14    no such artifact, agent, run, commit or repository
    ├── VaultLocked     vault-locked  15    the vault has not been unlocked
    ├── Stopped                       16    the agent may not act now
    │   ├── Quarantined quarantined   16    an operator or a breaker stopped it
    │   ├── Paused      paused        16    too many failures in a row
    │   └── RateLimited rate-limited  16    more writes than the policy admits
    ├── Integrity       integrity     17    corruption or a bad signature: the command cannot go on
    ├── Unavailable     unavailable   18    disk full, daemon gone, time out, repository state not served
    └── Interrupted     interrupted  130    stopped from the keyboard

Messages are lower case, without a full stop, the subject in quotes. `fix` is a command to paste or one sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

Detail = str | int | float | bool | None | list["Detail"] | dict[str, "Detail"]


class HarnessError(Exception):
    """The root: what the doors catch and print. Never raised itself."""

    code: ClassVar[str] = "internal"
    exit_code: ClassVar[int] = 3
    default_fix: ClassVar[str] = ""

    def __init__(self, message: str, *, fix: str | None = None, details: Mapping[str, Detail] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = self.default_fix if fix is None else fix
        self.details: dict[str, Detail] = dict(details or {})

    def document(self) -> dict[str, Detail]:
        """The one JSON error shape of CLI.md, `schemas/error.schema.json`."""
        return {"error": {"code": self.code, "message": self.message, "fix": self.fix, "details": self.details}}


class Internal(HarnessError):
    default_fix = "report it with the log above"


class Usage(HarnessError):
    code = "usage"
    exit_code = 2
    default_fix = "githarness --help"


class BadPath(Usage):
    code = "bad-path"
    default_fix = "name a file inside the repository by its plain relative path"


class Denied(HarnessError):
    code = "denied"
    exit_code = 10
    default_fix = "githarness agent show NAME"


class Refused(HarnessError):
    """What the four errors with exit code 11 share; never raised itself."""

    code = "conflict"
    exit_code = 11


class StaleWrite(Refused):
    code = "stale-write"
    default_fix = "read the artifact again and repeat the change, or pass --merge"


class Unread(Refused):
    code = "unread"
    default_fix = "githarness read PATH --agent NAME"


class Conflict(Refused):
    code = "conflict"
    default_fix = "githarness held list"


class Dirty(Refused):
    code = "dirty"
    default_fix = "git stash push --include-untracked -- PATH, or commit the edit"


class Locked(HarnessError):
    code = "locked"
    exit_code = 12
    default_fix = "wait for the other process, or run githarness doctor"


class LeaseLost(HarnessError):
    code = "lease-lost"
    exit_code = 12
    default_fix = "acquire the lease again and repeat the change"


class NeedsApproval(HarnessError):
    code = "needs-approval"
    exit_code = 13
    default_fix = "githarness held list"


class NotFound(HarnessError):
    code = "not-found"
    exit_code = 14
    default_fix = "githarness doctor"


class VaultLocked(HarnessError):
    code = "vault-locked"
    exit_code = 15
    default_fix = "githarness vault unlock"


class Stopped(HarnessError):
    """What the three errors with exit code 16 share; never raised itself."""

    code = "quarantined"
    exit_code = 16


class Quarantined(Stopped):
    code = "quarantined"
    default_fix = "ask an operator"


class Paused(Stopped):
    code = "paused"
    default_fix = "ask an operator"


class RateLimited(Stopped):
    code = "rate-limited"
    default_fix = "wait and repeat"


class Integrity(HarnessError):
    code = "integrity"
    exit_code = 17
    default_fix = "githarness doctor"


class Unavailable(HarnessError):
    code = "unavailable"
    exit_code = 18
    default_fix = "githarness doctor"


class Interrupted(HarnessError):
    code = "interrupted"
    exit_code = 130
    default_fix = "run the command again; what was acknowledged is kept"


CLASSES: dict[str, type[HarnessError]] = {
    kind.code: kind
    for kind in (
        Internal, Usage, BadPath, Denied, StaleWrite, Unread, Conflict, Dirty, Locked, LeaseLost, NeedsApproval,
        NotFound, VaultLocked, Quarantined, Paused, RateLimited, Integrity, Unavailable, Interrupted,
    )
}


def raised(document: dict[str, Any]) -> HarnessError:
    """The error that a daemon answered, as the class that it was raised as; an unknown code is of a newer daemon."""
    kind = CLASSES.get(document["code"], Unavailable)
    return kind(document["message"], fix=document["fix"], details=document["details"])
