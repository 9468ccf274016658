"""From the commit index and git alone: what the gates say of every version of a skill, and who made it what it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from githarness import canon
from githarness.errors import NotFound
from githarness.git.reader import Reader
from githarness.skills import judge, near, portability, report
from githarness.skills.catalogue import GATES
from githarness.skills.document import Document
from githarness.skills.model import Neighbour, Place
from githarness.skills.portability import folded
from githarness.skills.profiles import Profile
from githarness.store import artifacts, verdicts
from githarness.store.artifacts import Artifact
from githarness.store.db import Connection
from githarness.store.verdicts import Judged, Unjudged, Verdict
from githarness.work.check import findings_of
from githarness.work.files_of import Committed


@dataclass(frozen=True, slots=True)
class Standing:
    """A skill with the verdict of its present version, None where it came by a commit that is not indexed."""

    artifact: Artifact
    verdict: Judged | None

    @property
    def findings(self) -> list[dict[str, canon.Json]]:
        found: list[dict[str, canon.Json]] = json.loads(self.verdict.verdict.findings) if self.verdict else []
        return found

    @property
    def clients(self) -> dict[str, portability.Verdict]:
        raw = json.loads(self.verdict.verdict.portability) if self.verdict else {}
        return {name: portability.Verdict(state, tuple(gates)) for name, (state, gates) in raw.items()}


def judging(reader: Reader, profile: Profile) -> Callable[[Unjudged, bytes], Verdict]:
    """Judges a version as its commit shows it: with the files that were there, on the day of the commit."""
    def of(version: Unjudged, data: bytes) -> Verdict:
        doc = Document(version.path, data, "skill")
        today = datetime.fromtimestamp(reader.commit(version.commit).time, UTC).date()
        found = findings_of(doc, Place(profile, Committed(reader, version.commit), {}, today), GATES)
        clients = portability.verdict(doc, found, profile.judge)
        count = [finding.severity for finding in found].count
        return Verdict(judge.score(found), count("error"), count("warning"),
                       canon.dumps([report.item(finding) for finding in found]), canon.dumps(clients))
    return of


def named(conn: Connection, name: str) -> Standing:
    """The skill of that name, or at that path. Raises NotFound, also where several have the name."""
    wanted = name.rstrip("/")
    skills = artifacts.listing(conn, "skill")
    found = [one for one in skills if wanted in (one.path, one.path.rpartition("/")[0])]
    found = found or [one for one in skills if folded(one.name) == folded(wanted)]
    if len(found) > 1:
        raise NotFound(f"{len(found)} skills are named '{name}'", fix=f"name one by its path: '{found[0].path}'",
                       details={"paths": [one.path for one in found]})
    if not found:
        raise NotFound(f"there is no skill '{name}' on the governed branch", fix="githarness skills list")
    return Standing(found[0], verdicts.present(conn, found[0].path, found[0].blob))


def neighbours(conn: Connection, doc: Document) -> list[Neighbour]:
    """Skills of the registry that are nearly the same, the likest first."""
    return _near(conn, doc.path, near.signature(doc.body))


def alike(conn: Connection, skill: Artifact) -> list[tuple[str, float]]:
    """Path and score of the skills that are nearly the same."""
    found = [artifacts.get(conn, one.path) for one in _near(conn, skill.path, skill.sketch)]
    return [(one.path, one.score or 0) for one in found if one]


def _near(conn: Connection, path: str, sketch: bytes) -> list[Neighbour]:
    rows = artifacts.near(conn, near.keys(sketch))
    found = [Neighbour(other, near.likeness(sketch, theirs)) for other, theirs in rows if other != path]
    return sorted((one for one in found if one.likeness >= near.NEAR), key=lambda one: -one.likeness)


def trend(history: Sequence[Judged]) -> str:
    """`better`, `worse` or `level`: the last score against the mean of those before it."""
    scores = [one.verdict.score for one in history]
    if len(scores) < 2:
        return "level"
    before = sum(scores[:-1]) / (len(scores) - 1)
    return "level" if abs(scores[-1] - before) < 1 else "better" if scores[-1] > before else "worse"
