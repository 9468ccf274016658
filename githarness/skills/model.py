"""The values that gates take and give: a gate is one pure function over one document and the place that it stands in.

Nothing here reads a file: `Files` is answered by a working tree, by git's index or by a commit's tree (work floor).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Literal, NamedTuple, Protocol

from githarness.skills.document import Document
from githarness.skills.document import Kind as Kind
from githarness.skills.profiles import Profile

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
SKILL: frozenset[Kind] = frozenset(("skill",))
WITH_FRONTMATTER: frozenset[Kind] = frozenset(("skill", "agent", "command", "rule", "prompt"))
EVERY: frozenset[Kind] = WITH_FRONTMATTER | {"instructions"}


class Found(NamedTuple):
    """What a gate saw. `line` counts from 1 in the file; `fix` is one sentence or a command."""

    line: int
    message: str
    fix: str
    severity: Severity | None = None  # the gate's own where None
    shown: str | None = None  # instead of the text of the line, where that may not be shown
    basis: str | None = None  # what tells it from its like, where that is not the text of the line; only hashed


class Finding(NamedTuple):
    """`Found` with its gate and path: what is printed, stored and compared."""

    path: str
    line: int
    gate: str
    severity: Severity
    message: str
    fix: str
    snippet: str = ""  # the text of the line
    fingerprint: str = ""  # equal for the same violation after a move or an edit elsewhere


class Files(Protocol):
    """The files around a document, as one tree shows them. Paths are relative to the repository, with `/`."""

    def mode(self, path: str) -> str | None:
        """Git's mode of a file or link (`100644`, `100755`, `120000`), `040000` for a folder, None for nothing."""

    def size(self, path: str) -> int:
        """Bytes of a file; 0 for what is none."""

    def read(self, path: str, limit: int) -> bytes:
        """At most `limit` bytes of a file, a link's target for a link, empty for what is none."""

    def under(self, folder: str) -> Sequence[str]:
        """Every file and link below a folder, sorted; at most 2,000."""


class Neighbour(NamedTuple):
    """Another skill that is like this one."""

    path: str
    likeness: float  # 0 to 1


class Place(NamedTuple):
    """What a gate may know beside the document. A caller that cannot know a part says so by None or an empty value."""

    profile: Profile
    files: Files
    names: Mapping[str, Sequence[str]]  # every skill's paths by its name, case-folded and NFKC
    today: date
    before: Document | None = None  # the version that this one replaces
    near: Callable[[Document], Sequence[Neighbour]] | None = None  # near-duplicates among the other skills


# What a finding hangs on, besides path and profile. "head": on the frontmatter. "lines": on the lines that it is about,
# and `part.REACH` bytes around them; only how severe it is may hang on more, and a word that must occur before a gate
# searches must stand in what it searches for. "all": on anything. `skills/part.py` takes a change apart by this.
Reads = Literal["all", "head", "lines"]
Check = Callable[[Document, Place], Iterable[Found]]
Fix = Callable[[Document, Place], bytes]  # the same bytes where there is nothing that it can mend


class Gate(NamedTuple):
    id: str
    severity: Severity  # of what it finds, where a finding does not say otherwise
    check: Check
    fix: Fix | None = None
    kinds: frozenset[Kind] = SKILL
    # Lower-case words of which one must stand in the document for the check to be worth running; empty: always run.
    triggers: tuple[str, ...] = ()
    reads: Reads = "all"
