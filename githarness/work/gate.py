"""The gates at write time: an error that a write brings into a skill refuses it, or holds it; old debt does not block.

Judged is the skill as the write would leave it, against the skill as it is: only errors that were not there count. A
bundled file is judged with its skill. What the write itself says in defence of a finding does not count before it has
landed, and of the files beside the skill only those are read that the write touches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from githarness import paths
from githarness.errors import Denied, Detail, HarnessError, NeedsApproval
from githarness.git.objects import EXECUTABLE, FILE, FOLDER, LINK, Entry, PathChange
from githarness.settings import RepoConfig
from githarness.skills import judge, report, suppress
from githarness.skills.catalogue import GATES
from githarness.skills.document import Document
from githarness.skills.model import Finding, Place
from githarness.skills.profiles import Profile
from githarness.work.admit import Scene

_GATES = tuple(gate for gate in GATES if gate.severity == "error")
_NAME = "/SKILL.md"
_SHOWN = 20  # findings in an error


@dataclass(frozen=True, slots=True)
class WriteGate:
    """`names`: every skill's paths by its name, as the registry has them."""

    profile: Profile
    config: RepoConfig
    names: Mapping[str, Sequence[str]]
    today: date

    def check(self, scene: Scene, changes: Sequence[PathChange]) -> None:
        """Raises Denied, or NeedsApproval where config.toml says `gate = "hold"`, with the findings."""
        if self.config.gate == "off" or not changes:
            return
        now, before = _Tree(scene, changes, "new"), _Tree(scene, changes, "old")
        found = [finding for path in self._skills(now, changes) for finding in self._introduced(path, now, before)]
        if found:
            raise self._refusal(found)

    def _skills(self, now: _Tree, changes: Sequence[PathChange]) -> Iterator[str]:
        """The skills that the changes leave behind changed: themselves, or by a file that lies in their folder."""
        seen = set()
        for change in changes:
            path = self._skill_of(now, change)
            if path is not None and path not in seen and now.mode(path) in (FILE, EXECUTABLE):
                seen.add(path)
                yield path

    def _skill_of(self, now: _Tree, change: PathChange) -> str | None:
        if any(paths.matches(glob, change.path) for glob in self.config.skills):
            return change.path
        folder = change.path
        while folder := folder.rpartition("/")[0]:
            path = folder + _NAME
            if now.mode(path) is not None:
                return path if any(paths.matches(glob, path) for glob in self.config.skills) else None
        return None

    def _introduced(self, path: str, now: _Tree, before: _Tree) -> list[Finding]:
        findings = judge.judge(Document(path, now.content(path), "skill"), self._place(now), _GATES)
        if not findings:
            return []
        old: list[Finding] = []
        if before.mode(path) is not None:
            was = Document(path, before.content(path), "skill")
            old = judge.judge(was, self._place(before), _GATES)
            findings = suppress.apply(findings, suppress.suppressions(was, self.today))
        return judge.introduced(findings, old)

    def _place(self, files: _Tree) -> Place:
        return Place(self.profile, files, self.names, self.today)

    def _refusal(self, found: Sequence[Finding]) -> HarnessError:
        first = found[0]
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        details: dict[str, Detail] = {"path": first.path, "paths": list(dict.fromkeys(each.path for each in found)),
                                      "rule": f"gate:{first.gate}",
                                      "findings": [report.item(each) for each in found[:_SHOWN]]}
        kind = NeedsApproval if self.config.gate == "hold" else Denied
        return kind(f"'{first.path}' line {first.line} would fail {first.gate}: {first.message}{more}", fix=first.fix,
                    details=details)


class _Tree:
    """`Files` of the tree as the changes leave it (`new`) or found it (`old`)."""

    def __init__(self, scene: Scene, changes: Sequence[PathChange], side: str) -> None:
        self._scene = scene
        self._entries: dict[str, Entry | None] = {
            change.path: change.new if side == "new" else change.old for change in changes}

    def _entry(self, path: str) -> Entry | None:
        return self._entries[path] if path in self._entries else self._scene.trees.lookup(self._scene.root, path)

    def mode(self, path: str) -> str | None:
        if path in ("", "."):
            return "040000"
        entry = self._entry(path)
        if entry is None:
            within = any(one.startswith(path + "/") for one, entry in self._entries.items() if entry)
            return "040000" if within else None
        return entry.mode if entry.mode in (FILE, EXECUTABLE, LINK) else "040000"

    def content(self, path: str) -> bytes:
        entry = self._entry(path)
        return self._scene.blob(entry.oid) if entry and entry.mode in (FILE, EXECUTABLE, LINK) else b""

    def size(self, path: str) -> int:
        return len(self.content(path))

    def read(self, path: str, limit: int) -> bytes:
        return self.content(path)[:limit]

    def under(self, folder: str) -> Sequence[str]:
        """Only what the changes touch: the rest was judged when it was written."""
        start = f"{folder}/" if folder else ""
        return sorted(path for path, entry in self._entries.items()
                      if path.startswith(start) and entry and entry.mode != FOLDER)
