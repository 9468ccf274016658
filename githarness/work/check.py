"""Skills of a working tree through the gates: which files, what they find, what was old debt, what a fix would change.

Judges what is on disk, in a governed repository, in any other, and in a folder without git. One bad file never stops
the run: what is wrong with it is a finding.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from githarness import paths
from githarness.errors import NotFound, Usage
from githarness.git.modes import EXECUTABLE, FILE
from githarness.skills import baseline, judge, portability, suppress
from githarness.skills.document import LARGEST, Document, kind_of
from githarness.skills.model import Finding, Gate, Kind, Neighbour, Place
from githarness.skills.portability import Verdict
from githarness.skills.profiles import Profile
from githarness.work.crew import spread
from githarness.work.files_of import Worktree

if TYPE_CHECKING:
    from githarness.work.asks import Progress

_PASSED_OVER = frozenset((".git", "node_modules", ".venv", "__pycache__"))
_ROUNDS = 4  # a fix may make way for another one


class Scope(NamedTuple):
    """What is judged, and by what."""

    root: Path
    gates: Sequence[Gate]
    profiles: Sequence[Profile]
    today: date
    globs: tuple[str, ...] = ("**/SKILL.md",)
    before: Callable[[str], bytes | None] | None = None  # the version that a file had, for what a change made worse
    near: Callable[[Document], Sequence[Neighbour]] | None = None
    cores: int = 1
    fix: bool = False  # also what the fixes make of each file; nothing is written


class Judged(NamedTuple):
    """One file with what is wrong with it, and what each client makes of it."""

    path: str
    findings: tuple[Finding, ...]
    verdicts: Mapping[str, Verdict]
    fixed: tuple[bytes, bytes] | None = None  # its bytes, and those after the fixes, where these change any

    @property
    def score(self) -> int:
        return judge.score(self.findings)

    @property
    def failed(self) -> bool:
        return any(finding.severity == "error" for finding in self.findings)


class Report(NamedTuple):
    files: tuple[Judged, ...]
    passed: int = 0  # findings that the baseline forgave

    @property
    def findings(self) -> list[Finding]:
        return [finding for judged in self.files for finding in judged.findings]

    @property
    def failed(self) -> int:
        return sum(judged.failed for judged in self.files)

    @property
    def unread(self) -> list[str]:
        """Folders that cannot be looked into; each counts as one file that failed."""
        return [judged.path for judged in self.files if judged.path.endswith("/")]

    @property
    def checked(self) -> int:
        return len(self.files) - len(self.unread)


def skills(root: Path, globs: Iterable[str]) -> list[str]:
    """Every file that a glob names; also a `skill.md` in another letter case, which is a mistake and not no skill."""
    chosen = tuple(globs)
    return [path for path in _walk(root, "")
            if any(paths.matches(glob, path) for glob in chosen) or path.lower().endswith(("/skill.md", "/"))]


def named(root: Path, wanted: Sequence[str], globs: Iterable[str]) -> list[str]:
    """The files that paths relative to `root` name; of a folder all below that a gate judges. Raises NotFound."""
    found: dict[str, None] = {}
    chosen, tree = tuple(globs), Worktree(root)
    for path in wanted:
        if tree.mode(path) in (FILE, EXECUTABLE) and _is_judged(path, chosen):
            found[path] = None  # as nearly all that are named
            continue
        full = root / path
        if not tree.holds(path.rpartition("/")[0]) and os.path.lexists(full):
            raise Usage(f"'{path}' lies behind a link or in another repository", fix="name it where it lies, with -C")
        if full.is_dir() and not full.is_symlink():
            found |= dict.fromkeys(one for one in _walk(root, "" if path == "." else path) if _is_judged(one, chosen))
        elif os.path.lexists(full):
            if not _is_judged(path, chosen):
                raise Usage(f"'{path}' is no skill, nor another file that the gates know",
                            fix="name a skill or a folder; the block of any markdown: githarness-frontmatter FILE")
            found[path] = None
        else:
            raise NotFound(f"there is no file '{path}'", fix="githarness skills check")
    return list(found)


def _is_judged(path: str, globs: Sequence[str]) -> bool:
    return path.endswith("/") or kind_of(path) is not None or any(paths.matches(glob, path) for glob in globs)


def _walk(root: Path, folder: str) -> list[str]:
    """Every file and link below, sorted; also, with a `/` at its end, each folder that cannot be looked into."""
    found, stack = [], [folder]
    while stack:
        here = stack.pop()
        try:
            with os.scandir(root / here) as scanned:
                entries = list(scanned)
            for entry in () if here and any(entry.name == ".git" for entry in entries) else entries:
                path = f"{here}/{entry.name}" if here else entry.name
                if not entry.is_dir(follow_symlinks=False):
                    found.append(path)
                elif entry.name not in _PASSED_OVER:
                    stack.append(path)
        except FileNotFoundError:
            pass  # gone meanwhile
        except OSError:
            found.append(f"{here or '.'}/")
    return sorted(found)


def check(scope: Scope, targets: Sequence[str], progress: Progress | None = None) -> Report:
    names = portability.by_name(targets if scope.before is None else skills(scope.root, scope.globs))
    return Report(tuple(spread(partial(_judge_share, scope, names), targets, cores=scope.cores, progress=progress)))


def forgiven(report: Report, debt: baseline.Debt, present: Iterable[str]) -> Report:
    """The report without old debt. `present`: every path that is there, judged or not."""
    left = baseline.new(report.findings, debt, present)
    of: dict[str, list[Finding]] = {}
    for finding in left:
        of.setdefault(finding.path, []).append(finding)
    files = tuple(Judged(one.path, tuple(of.get(one.path, ())), one.verdicts, one.fixed) for one in report.files)
    return Report(files, len(report.findings) - len(left))


def _judge_share(scope: Scope, names: Mapping[str, Sequence[str]], share: Sequence[str]) -> Iterator[Judged]:
    files = Worktree(scope.root)
    places = [Place(profile, files, names, scope.today, near=scope.near) for profile in scope.profiles]
    for path in share:
        yield _unread(path) if path.endswith("/") else _judge(scope, places, path, files.read(path, LARGEST + 1))


def _unread(folder: str) -> Judged:
    found = Finding(folder, 1, "GH002", "error", "this folder cannot be read, and nothing in it was judged",
                    "make it readable, or name the files and folders to check", fingerprint="unread")
    return Judged(folder, (found,), {})


def _judge(scope: Scope, places: Sequence[Place], path: str, data: bytes) -> Judged:
    kind = kind_of(path) or "skill"
    doc = Document(path, data, kind)
    old = scope.before(path) if scope.before else None
    before = Document(path, old, kind) if old is not None else None
    found = judge.once(each for place in places
                       for each in findings_of(doc, place._replace(before=before), scope.gates))
    if before is not None:
        old_ones = judge.once(each for place in places for each in findings_of(before, place, scope.gates))
        found += judge.regressions(found, old_ones)
    leads_on = judge.leads_on(doc, places[0])
    verdicts = {} if leads_on else portability.verdict(doc, found, scope.profiles[0].judge)
    return Judged(path, tuple(found), verdicts, _fixed(doc, places[0], scope.gates, kind) if scope.fix else None)


def findings_of(doc: Document, place: Place, gates: Iterable[Gate]) -> list[Finding]:
    """What is left after what the author answers for."""
    return suppress.apply(judge.judge(doc, place, gates), suppress.suppressions(doc, place.today))


def _fixed(doc: Document, place: Place, gates: Sequence[Gate], kind: Kind) -> tuple[bytes, bytes] | None:
    """Rounds until nothing changes, so that a second run of the fixes finds nothing to do. Nothing of what is no file
    of this tree, and of what was not read to its end."""
    if len(doc.data) > LARGEST or place.files.mode(doc.path) not in (FILE, EXECUTABLE):
        return None
    data = doc.data
    for _ in range(_ROUNDS):
        start = data
        for gate in gates:
            if gate.fix is not None and kind in gate.kinds:
                now = Document(doc.path, data, kind)
                if any(True for _ in gate.check(now, place)):
                    data = gate.fix(now, place)
        if data == start:
            break
    return (doc.data, data) if data != doc.data else None
