"""Skills that have had their time: proposed where two signals agree, removed by one commit that can be rolled back.

The signals: *unused* (no run has read it; only where reads have been recorded for that long), *unreferenced* (no other
artifact names it), *broken* (it has errors), *superseded* (another skill is nearly the same and worth more; of equals
the first stays), *orphaned* (the agent that wrote it last is gone). What was changed lately is left alone, and what
says `pinned: "true"` in its metadata stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from githarness.errors import Locked
from githarness.git import refs
from githarness.git.objects import PathChange
from githarness.skills import frontmatter
from githarness.store import artifacts, bases, verdicts
from githarness.store.artifacts import Artifact
from githarness.store.db import Connection
from githarness.store.verdicts import Judged
from githarness.work import people
from githarness.work.artifacts import Registry
from githarness.work.asks import Plan, Progress
from githarness.work.governance import Governance
from githarness.work.operator import TRIES, Ledger
from githarness.work.quality import alike

_WORD = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+|[a-z0-9]{3,}")
_ENOUGH = 2  # signals
STALE = "90d"  # what was changed since is not


@dataclass(frozen=True, slots=True)
class Candidate:
    artifact: Artifact
    last: Judged  # who made it what it is, and when
    signals: Mapping[str, str]  # name and what speaks for it


@dataclass(frozen=True, slots=True)
class Pruned:
    candidates: tuple[Candidate, ...]
    commit: str | None = None  # None: nothing to prune, or not agreed
    paths: tuple[str, ...] = ()


def prune(ledger: Ledger, registry: Registry, before: float, *, agreed: Callable[[Pruned], bool],
          progress: Progress | None = None) -> Pruned:
    """What was changed since `before` stays, and all where what would go is not `agreed`. Verdicts have to be up to
    date. Raises Denied, Dirty, Locked."""
    for _ in range(TRIES):
        head = ledger.local.head()
        found = propose(registry, ledger.governance(), before, progress)
        changes = _changes(ledger, head, found)
        done = Pruned(tuple(found), None, tuple(change.path for change in changes))
        if not changes or not agreed(done):
            return done
        human, signer = ledger.human()
        people.require(human, "operator", "prune")
        body = "\n".join(f"{one.artifact.path}: {', '.join(one.signals)}" for one in found)
        try:
            plan = Plan("restore", tuple(changes), f"prune {len(found)} skills", human, signer, body)
            return replace(done, commit=ledger.local.land(plan).commit)
        except refs.Moved:
            continue
    raise Locked("the governed branch kept moving under the pruning", fix="repeat the command")


def propose(registry: Registry, governance: Governance, before: float,
            progress: Progress | None = None) -> list[Candidate]:
    """Every skill of which two signals say that its time is over, with what speaks for each."""
    with registry.db.read() as conn:
        skills = artifacts.listing(conn, "skill")
        last = {one.path: verdicts.present(conn, one.path, one.blob) for one in skills}
        old = {one.path for one in skills if (judged := last[one.path]) and judged.time < before}
        names = _mentioned(registry, artifacts.listing(conn), {one.name for one in skills}, progress) if old else {}
        recorded = bases.recorded_since(conn) < before
        found = []
        for skill in skills:
            judged = last[skill.path]
            if judged is None or skill.path not in old or _pinned(registry.text(skill.blob)):
                continue
            signals = dict(_signals(conn, skill, judged, governance, names, recorded=recorded))
            if len(signals) >= _ENOUGH:
                found.append(Candidate(skill, judged, signals))
    return found


def _signals(conn: Connection, skill: Artifact, last: Judged, governance: Governance,
             mentioned: Mapping[str, Collection[str]], *, recorded: bool) -> Iterator[tuple[str, str]]:
    if recorded and not bases.readers(conn, skill.path):
        yield "unused", "no run of the last 30 days has read it"
    if not set(mentioned.get(skill.name, ())) - {skill.path}:
        yield "unreferenced", "no other artifact names it"
    if skill.errors:
        yield "broken", f"the gates find {skill.errors} errors"
    better = [path for path, score in alike(conn, skill) if (-score, path) < (-(skill.score or 0), skill.path)]
    if better:
        yield "superseded", f"'{better[0]}' is nearly the same and worth as much"
    agent = governance.registry.agents.get(last.agent) if last.agent else None
    if last.agent and (agent is None or agent.retired):
        yield "orphaned", f"agent '{last.agent}', who wrote it last, is gone"


def _mentioned(registry: Registry, all_of_them: Sequence[Artifact], names: Set[str],
               progress: Progress | None) -> dict[str, list[str]]:
    """The artifacts that have a skill's name among their words, by that name."""
    found: dict[str, list[str]] = {}
    for number, one in enumerate(all_of_them):
        for name in names & set(_WORD.findall(registry.text(one.blob).lower())):
            found.setdefault(name, []).append(one.path)
        if progress:
            progress(number + 1, len(all_of_them))
    return found


def _pinned(text: str) -> bool:
    metadata = frontmatter.read(text).values.get("metadata")
    return isinstance(metadata, dict) and str(metadata.get("pinned")).lower() == "true"


def _changes(ledger: Ledger, head: str, found: Sequence[Candidate]) -> list[PathChange]:
    """Each skill with its folder, but for files of a skill further below that stays."""
    gone = [one.artifact.path for one in found]
    entries = dict(ledger.parts.reader.files(head))
    kept = {path.rpartition("/")[0] for path in entries if path.endswith("/SKILL.md")} - {
        path.rpartition("/")[0] for path in gone}
    return [PathChange(path, entry, None) for path, entry in sorted(entries.items())
            if any(path == one or _is_below(path, one.rpartition("/")[0], kept) for one in gone)]


def _is_below(path: str, folder: str, kept: Collection[str]) -> bool:
    if not folder or not path.startswith(folder + "/"):
        return False
    return not any(path.startswith(each + "/") for each in kept if each.startswith(folder + "/"))
