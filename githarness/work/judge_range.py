"""`verify`: every commit that a range brings, judged by the state before it; for the CLI, hooks, hubs and CI alike.

Objects are read raw: no replaced object, graft, mailmap, filter or program of anybody's configuration has a say.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from githarness.errors import HarnessError, Integrity, Unavailable, Usage
from githarness.git.commits import Commit
from githarness.git.objects import PathChange
from githarness.git.reader import Reader
from githarness.git.repo import Repo, is_shallow
from githarness.git.still import Still
from githarness.policy import trailers
from githarness.policy.trailers import Trailers
from githarness.work import (
    crew,
    judge_agent,
    judge_approval,
    judge_changes,
    judge_claims,
    judge_founding,
    judge_human,
    judge_signature,
    judge_uses,
    judge_vault,
)
from githarness.work.governance import Governance
from githarness.work.judge_agent import Deed
from githarness.work.judge_human import Act
from githarness.work.judge_policy import Claim
from githarness.work.judge_states import State, States, landings, line_of
from githarness.work.judge_time import Times
from githarness.work.judge_uses import Use, Uses
from githarness.work.judged import Fault, Report, Violation
from githarness.work.rulebook import Ever, unknown

Progress = Callable[[int, int], None]
_NEVER = float("inf")
_SHALLOW = "git fetch --unshallow; in CI fetch-depth: 0 (GitHub) or GIT_DEPTH: 0 (GitLab)"


@dataclass(frozen=True, slots=True)
class Range:
    base: str | None  # None: all of the history of `head`
    head: str


@dataclass(frozen=True, slots=True)
class Bench:
    """Where judging takes place. `now`: Unix seconds; `humans`: warn or signed, in place of what config.toml says;
    `pushed`: Unix seconds at which the commits arrive, but for those in `arrived`: a grant that ended before does not
    count, nor an approval that ended a day before. `owners`: the only keys that sign for governance, where it matters
    which owners are believed. `ever`: knows without a walk whether there ever was a policy file; `had`: what was learnt
    of that."""

    reader: Reader
    now: float
    humans: str | None = None
    progress: Progress | None = None
    pushed: float | None = None
    arrived: frozenset[str] = frozenset()
    owners: frozenset[str] | None = None
    cores: int = 1
    ever: Ever = unknown
    had: dict[str, bool] = field(default_factory=dict)


def parse_range(reader: Reader, text: str | None, default: str) -> Range:
    """`A..B`, `A..`, `..B`, `B`; A may be empty or git's zeros. Raises Usage, NotFound."""
    base, dots, head = (text or "").rpartition("..")
    if text and ("..." in text or (dots and ".." in base)):
        raise Usage(f"'{text[:100]}' is not a range of commits", fix="write it like origin/main..HEAD")
    to = _named(reader, head or ("HEAD" if text else default))
    return Range(_named(reader, base) if base.strip("0") else None, to)


def _named(reader: Reader, rev: str) -> str:
    """An id is taken as it is: what it names may be no commit that git can read."""
    return rev if reader.has(rev) else reader.resolve(rev)


def must_be_whole(repo: Repo) -> None:
    """Raises Unavailable for a shallow clone: what it left out cannot be judged, and judges."""
    if is_shallow(repo):
        raise Unavailable("this clone is shallow, so that what the commits are built on is not here", fix=_SHALLOW)


class Verdict(NamedTuple):
    """On one commit, by its own content and the states before it; its date is judged once all are known."""

    kind: str  # agent | human | before: governance; unread
    time: int = 0
    key: str = ""  # of its signature, where that says who made it
    faults: tuple[Fault, ...] = ()
    uses: tuple[Use, ...] = ()  # of grants
    stop: HarnessError | None = None  # nothing can be judged without what is missing


def judge(bench: Bench, span: Range) -> Report:
    """Raises Unavailable for a shallow clone, and where objects are left out of a partial one."""
    must_be_whole(bench.reader.repo)
    judging = _Judging(bench, span)
    stolen = judging.stolen(span.base or span.head)  # first: what it learns of history, every process has then
    verdicts = crew.spread(judging.each, judging.order, cores=bench.cores, progress=bench.progress)
    times, uses = Times(bench.reader, bench.now, span.base), Uses(bench.reader, span.base)
    report = Report(len(verdicts))
    for oid, verdict in zip(judging.order, verdicts, strict=True):
        if verdict.stop:
            raise verdict.stop
        faults = [*verdict.faults, *uses.judge(verdict.uses)]
        codes = {one.code for one in faults}
        if verdict.time >= stolen.get(verdict.key, _NEVER) and "compromised" not in codes:
            faults.append(Fault("compromised", "the key that signed it is marked as compromised since before its date"))
        if verdict.kind == "agent":
            faults += times.judge(judging.parents[oid], verdict.time)
        report.violations += [Violation(oid, one.path, one.code, one.message) for one in dict.fromkeys(faults)]
        times.note(oid, judging.parents[oid], verdict.time, dated=bool(verdict.key) and not faults)
        if verdict.kind in ("human", "before"):
            (report.human if verdict.kind == "human" else report.ungoverned).append(oid)
    if span.base is None and (governance := judging.governance(span.head)):
        report.violations += judge_vault.whole(bench.reader, governance, report.violations)
    return report


class _Judging:
    """Of many processes each has its own states; what they judge does not depend on each other's verdicts."""

    def __init__(self, bench: Bench, span: Range) -> None:
        self._bench = bench
        self._reader = Still(bench.reader.repo)
        self._states = States(self._reader, bench.ever, bench.had)
        self.parents = _order(bench.reader, span)
        self.order = list(self.parents)
        self._tips = landings(self.parents, span.head, span.base)
        self._line = frozenset(line_of(self.parents, span.head))
        self._governed = span.base is not None and self._states.folder(span.base) is not None

    def stolen(self, commit: str) -> dict[str, float]:
        """The keys that are known as compromised at a commit, since when."""
        governance = self.governance(commit)
        return judge_signature.compromised(governance.registry) if governance else {}

    def governance(self, commit: str) -> Governance | None:
        """None where the commit has none, or one that does not load."""
        try:
            state = self._states.at(commit)
        except Integrity:
            return None
        return replace(state.governance, commit=commit) if state else None

    def each(self, oids: Sequence[str]) -> Iterator[Verdict]:
        for oid in oids:
            try:
                yield self._judge(self._reader.commit(oid))
            except Integrity as error:
                yield Verdict("unread", faults=(Fault("malformed", error.message),))
            except HarnessError as error:
                yield Verdict("unread", stop=error)

    def _judge(self, commit: Commit) -> Verdict:
        if commit.parents != self.parents[commit.oid]:
            raise Integrity(f"commit '{commit.oid}' has other parents for git than for us")
        states = self._states.judging(commit, self._tips[commit.oid])
        if self._founds(commit, states):
            founding = tuple(judge_founding.judge(commit, self._states))
            if founding or not states:
                return Verdict("human", commit.time, _key(commit), founding)
        elif not states:
            return Verdict("before")
        pushed = None if commit.oid in self._bench.arrived else self._bench.pushed
        changes = judge_changes.own(self._reader, commit)
        verdict = self._of_somebody(commit, changes, states, pushed)
        late = judge_approval.late(changes, self._reader.blob, pushed)
        records = judge_vault.judge(commit, changes, states, self._reader)
        return verdict._replace(faults=(*verdict.faults, *late, *records))

    def _of_somebody(self, commit: Commit, changes: tuple[PathChange, ...], states: Sequence[State],
                     pushed: float | None) -> Verdict:
        pairs = trailers.parse(commit.message)
        if judge_claims.of_agent(commit, pairs, states[0].governance.registry):
            deed = Deed(Claim.of(commit, pairs), changes, pushed)
            faults = tuple(judge_agent.judge(deed, states, self._reader))
            return Verdict("agent", commit.time, _key(commit), faults, judge_uses.of(deed.claim, states[0]))
        return self._of_person(commit, pairs, changes, states)

    def _founds(self, commit: Commit, states: Sequence[State]) -> bool:
        """Whether the main line is governed from it on."""
        if self._governed or commit.oid not in self._line or (states and len(commit.parents) < 2):
            return False
        ungoverned = all(self._states.folder(parent) is None for parent in commit.parents[:1])
        return ungoverned and self._states.folder(commit.oid) is not None

    def _of_person(self, commit: Commit, pairs: Trailers, changes: tuple[PathChange, ...], states: Sequence[State],
                   ) -> Verdict:
        governance = states[0].governance
        signed = any((self._bench.humans or state.governance.config.humans) == "signed" for state in states)
        named = tuple(value for key, value in pairs if key == "Human")
        faults = list(judge_human.judge(Act(commit, named, changes, signed, self._bench.owners), states, self._reader))
        if folded := judge_claims.squashed(commit, pairs, governance.config.fleet, governance.registry.agents):
            faults.append(folded)
        return Verdict("human", commit.time, _key(commit) if named else "", tuple(faults))


def _key(commit: Commit) -> str:
    key = judge_signature.signer(commit)
    return "" if isinstance(key, Fault) else key


def _order(reader: Reader, span: Range) -> dict[str, tuple[str, ...]]:
    """What the range has with its parents, a commit after these."""
    try:
        return dict(reader.lineage(span.head, [span.base] if span.base else []))
    except Integrity:
        known = {} if span.base is None else _reached(reader, span.base, ())
        return {oid: _parents(reader, oid) for oid in _reached(reader, span.head, known)}


def _reached(reader: Reader, head: str, known: Container[str]) -> dict[str, None]:
    """By our own reading, for histories with commits that libgit2 does not read."""
    found: dict[str, None] = {}
    left = [(head, False)]
    while left:
        oid, below = left.pop()
        if below:
            found.setdefault(oid)
        elif oid not in known and oid not in found:
            left.append((oid, True))
            left.extend((parent, False) for parent in _parents(reader, oid))
    return found


def _parents(reader: Reader, oid: str) -> tuple[str, ...]:
    try:
        return reader.commit(oid).parents
    except Integrity:
        return ()
