"""The gates at write time: an error that a write brings into a skill refuses it, or holds it; old debt does not block.

Judged is the skill as the write would leave it, against the skill as it is: only errors that were not there count. A
bundled file is judged with its skill. What the write itself says in defence of a finding does not count before it has
landed, nor once the write takes it out. Of the files beside the skill only those are read that the write touches: the
others were judged with it before. Of a skill that is new nothing was, so up to 200 that lie there already are read too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice

from githarness import paths
from githarness.errors import Denied, Detail, HarnessError, NeedsApproval
from githarness.git.objects import EXECUTABLE, FILE, LINK, Entry, PathChange
from githarness.settings import RepoConfig
from githarness.skills import judge, report, suppress
from githarness.skills.catalogue import GATES
from githarness.skills.document import LARGEST, Document
from githarness.skills.model import Finding, Place
from githarness.skills.part import Versions
from githarness.skills.portability import named_after
from githarness.skills.profiles import Profile
from githarness.work import policy_gate
from githarness.work.admit import Scene

_GATES = tuple(gate for gate in GATES if gate.severity == "error")
_NAME = "SKILL.md"
_BESIDE = 200  # files beside a new skill that are read
_Added = dict[str, list[str]]
_SHOWN = 20  # findings in an error


@dataclass(frozen=True, slots=True)
class WriteGate:
    """`names`: every skill's paths by its name, as the registry has them. `versions`: as `remembered` made them."""

    profile: Profile
    config: RepoConfig
    names: Mapping[str, Sequence[str]]
    today: date
    versions: Versions
    added: _Added = field(default_factory=dict)  # paths by name, of what this group was asked for: not all of it landed

    def check(self, scene: Scene, changes: Sequence[PathChange]) -> None:
        """Raises Denied, or NeedsApproval where config.toml says `gate = "hold"`, with the findings."""
        policy_gate.check(scene, changes)
        if self.config.gate == "off" or not changes:
            return
        now, before = _Tree(scene, changes, "new"), _Tree(scene, changes, "old")
        skills = list(self._skills(now, changes))
        for path in skills:
            self.added.setdefault(named_after(path), []).append(path)
        if found := [finding for path in skills for finding in self._introduced(path, now, before)]:
            raise self._refusal(found)

    def _skills(self, now: _Tree, changes: Sequence[PathChange]) -> Iterator[str]:
        """The skills that the changes leave behind changed: themselves, or by a file that lies in their folder."""
        seen = set()
        for change in changes:
            path = self._skill_of(now, change.path)
            if path is not None and path not in seen and now.mode(path) in (FILE, EXECUTABLE):
                seen.add(path)
                yield path

    def _skill_of(self, now: _Tree, path: str) -> str | None:
        if self._is_skill(path):
            return path
        folder = path
        while folder:
            folder = folder.rpartition("/")[0]
            skill = f"{folder}/{_NAME}" if folder else _NAME
            if now.mode(skill) in (FILE, EXECUTABLE) and self._is_skill(skill):
                return skill
        return None

    def _is_skill(self, path: str) -> bool:
        """Also in another letter case: where that does not count, clients load it."""
        folder, slash, name = path.rpartition("/")
        exact = folder + slash + (_NAME if name.lower() == "skill.md" else name)
        return any(paths.matches(glob, exact) for glob in self.config.skills)

    def _introduced(self, path: str, now: _Tree, before: _Tree) -> list[Finding]:
        if before.mode(path) is None:
            now.look_beside(path.rpartition("/")[0])
        doc, place, oid = Document(path, now.content(path), "skill"), self._place(now), now.oid(path) or ""
        if now.touches_only(path) and self.versions.leads_to(before.oid(path) or "", oid, doc, place):
            return []
        findings = judge.judge(doc, place, _GATES)
        self.versions.learn(oid, doc, findings)
        if not any(finding.severity == "error" for finding in findings):
            return []  # nothing that could be introduced: what was there need not be judged
        old: list[Finding] = []
        source = path if before.mode(path) is not None else before.at(now.oid(path))
        if source is not None:
            was = Document(source, before.content(source), "skill")
            old = judge.judge(was, self._place(before), _GATES)
            landed = {text for text, _ in self._excuses(was)}
            findings = suppress.apply(findings, [one for text, one in self._excuses(doc) if text in landed])
        return judge.introduced(findings, old)

    def _excuses(self, doc: Document) -> Iterator[tuple[tuple[str, bool], suppress.Suppression]]:
        """With what they say, and whether of the whole file."""
        for one in suppress.suppressions(doc, self.today):
            said = doc.lines[one.line - 1].partition("githarness: allow")[2].partition("-->")[0].strip()
            yield (said, one.whole), one

    def _place(self, files: _Tree) -> Place:
        return Place(self.profile, files, _Names(self.names, self.added), self.today)

    def _refusal(self, found: Sequence[Finding]) -> HarnessError:
        first = found[0]
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        details: dict[str, Detail] = {"path": first.path, "paths": list(dict.fromkeys(each.path for each in found)),
                                      "rule": f"gate:{first.gate}",
                                      "findings": [report.item(each) for each in found[:_SHOWN]]}
        kind = NeedsApproval if self.config.gate == "hold" else Denied
        return kind(f"'{first.path}' line {first.line} would fail {first.gate}: {first.message}{more}", fix=first.fix,
                    details=details)


def remembered() -> Versions:
    """For the gates of all groups of a lane."""
    return Versions(_GATES)


class _Names(Mapping[str, Sequence[str]]):
    """Those of the registry, asked one by one, and those of the group."""

    def __init__(self, names: Mapping[str, Sequence[str]], added: _Added) -> None:
        self._names, self._added = names, added

    def __getitem__(self, name: str) -> Sequence[str]:
        if found := [*self._names.get(name, ()), *self._added.get(name, ())]:
            return found
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._names, *self._added)))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Tree:
    """`Files` of the tree as the changes leave it (`new`) or found it (`old`)."""

    def __init__(self, scene: Scene, changes: Sequence[PathChange], side: str) -> None:
        self._scene = scene
        self._entries: dict[str, Entry | None] = {
            change.path: change.new if side == "new" else change.old for change in changes}
        self._folders = {folder for path, entry in self._entries.items() if entry for folder in _above(path)}
        self._beside: dict[str, Entry] = {}

    def _entry(self, path: str) -> Entry | None:
        return self._entries[path] if path in self._entries else self._scene.trees.lookup(self._scene.root, path)

    def mode(self, path: str) -> str | None:
        if path in ("", "."):
            return "040000"
        entry = self._entry(path)
        if entry is None:
            return "040000" if path in self._folders else None
        return entry.mode if entry.mode in (FILE, EXECUTABLE, LINK) else "040000"

    def oid(self, path: str) -> str | None:
        entry = self._entry(path)
        return entry.oid if entry else None

    def touches_only(self, path: str) -> bool:
        return list(self._entries) == [path]

    def at(self, oid: str | None) -> str | None:
        """Where a changed path has this blob: whence a moved skill comes, with its old debt."""
        return next((path for path, entry in self._entries.items() if entry and entry.oid == oid), None)

    def content(self, path: str) -> bytes:
        """As much as is judged. Raises TooLarge, Integrity."""
        entry = self._entry(path)
        return self._scene.blob(entry.oid)[:LARGEST + 1] if entry and entry.mode in (FILE, EXECUTABLE, LINK) else b""

    def size(self, path: str) -> int:
        entry = self._entry(path)
        if entry is None or entry.mode not in (FILE, EXECUTABLE, LINK):
            return 0
        fresh = self._scene.fresh.get(entry.oid)
        return len(fresh) if fresh is not None else self._scene.reader.size(entry.oid)

    def read(self, path: str, limit: int) -> bytes:
        """Of what is not new nothing where that is too large."""
        entry = self._entry(path)
        known = entry is not None and (entry.oid in self._scene.fresh or self.size(path) <= LARGEST)
        return self.content(path)[:limit] if known else b""

    def under(self, folder: str) -> Sequence[str]:
        start = f"{folder}/" if folder else ""
        files = {path for path, entry in self._entries.items() if entry}
        return sorted(path for path in files | set(self._beside) if path.startswith(start))

    def look_beside(self, folder: str) -> None:
        """Takes in what lies in a folder untouched."""
        files = islice(self._scene.trees.files(self._scene.root, folder), _BESIDE)
        self._beside.update((path, entry) for path, entry in files if path not in self._entries)


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path
