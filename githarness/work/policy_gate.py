"""A policy file or a grant that does not load would deny every agent everything, or grant nothing: no write lands one.

What is there already does not block: a write that mends one file of two lands.
"""

from __future__ import annotations

from collections.abc import Sequence

from githarness.errors import Denied
from githarness.git.objects import EXECUTABLE, FILE, PathChange
from githarness.policy import grants, language
from githarness.policy.tables import Fault
from githarness.work.admit import Scene
from githarness.work.rulebook import GRANTS, POLICIES


def check(scene: Scene, changes: Sequence[PathChange]) -> None:
    """Raises Denied with the first fault: file, line, key and fix."""
    for change in changes:
        folder = change.path.casefold()
        if change.new is None or not folder.startswith((f"{POLICIES}/", f"{GRANTS}/")) or folder.endswith(".md"):
            continue
        data = scene.blob(change.new.oid) if change.new.mode in (FILE, EXECUTABLE) else b""
        faults = (grants if folder.startswith(GRANTS) else language).check(data, change.path)[1]
        if faults:
            raise _refusal(faults)


def _refusal(faults: Sequence[Fault]) -> Denied:
    first = faults[0]
    more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
    return Denied(f"{first.message}{more}", fix=first.fix,
                  details={"path": first.file, "line": first.line, "key": first.key, "rule": "policy-file",
                           "findings": [{"line": fault.line, "key": fault.key, "message": fault.problem,
                                         "fix": fault.fix} for fault in faults[:20]]})
