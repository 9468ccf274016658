"""`verify`: every commit that a range brings, judged by the state before it; for the CLI, hooks, hubs and CI alike.

Objects are read raw: no replaced object, graft, mailmap, filter or program of anybody's configuration has a say.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass

from githarness.errors import Integrity, Unavailable, Usage
from githarness.git.commits import Commit
from githarness.git.reader import Reader
from githarness.git.repo import Repo, is_shallow
from githarness.policy import trailers
from githarness.policy.trailers import Trailers
from githarness.work import judge_agent, judge_changes, judge_claims, judge_founding, judge_human
from githarness.work.judge_agent import Deed
from githarness.work.judge_human import Act
from githarness.work.judge_policy import Claim
from githarness.work.judge_states import State, States, landings
from githarness.work.judge_time import Times
from githarness.work.judged import Fault, Report, Violation

Progress = Callable[[int, int], None]
_SHALLOW = "git fetch --unshallow; in CI fetch-depth: 0 (GitHub) or GIT_DEPTH: 0 (GitLab)"


@dataclass(frozen=True, slots=True)
class Range:
    base: str | None  # None: all of the history of `head`
    head: str


@dataclass(frozen=True, slots=True)
class Bench:
    """Where judging takes place. `now`: Unix seconds; `humans`: warn or signed, in place of what config.toml says;
    `pushed`: Unix seconds at which the commits arrive, but for those in `arrived`: a grant that ended before does not
    count. `owners`: the only keys that sign for governance, where it matters which owners are believed."""

    reader: Reader
    now: float
    humans: str | None = None
    progress: Progress | None = None
    pushed: float | None = None
    arrived: frozenset[str] = frozenset()
    owners: frozenset[str] | None = None


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


def judge(bench: Bench, span: Range) -> Report:
    """Raises Unavailable where objects are left out of a partial clone."""
    judging = _Judging(bench, span)
    for done, oid in enumerate(judging.order):
        if bench.progress:
            bench.progress(done, len(judging.order))
        judging.take(oid)
    return judging.report


class _Judging:
    def __init__(self, bench: Bench, span: Range) -> None:
        self._bench = bench
        self._reader = bench.reader
        self._states = States(bench.reader)
        self._times = Times(bench.reader, bench.now, span.base)
        self.report = Report()
        self.order = _order(bench.reader, span)
        parents = {oid: _parents(bench.reader, oid) for oid in self.order}
        self._tips = landings(parents, span.head, span.base)
        self._founded = judge_founding.founding(self._states, parents, span.head)
        self.report.commits = len(self.order)

    def take(self, oid: str) -> None:
        try:
            faults = list(self._judge(self._reader.commit(oid)))
        except Integrity as error:
            faults = [Fault("malformed", error.message)]
        self.report.violations += [Violation(oid, fault.path, fault.code, fault.message)
                                   for fault in dict.fromkeys(faults)]

    def _judge(self, commit: Commit) -> Iterator[Fault]:
        pairs = trailers.parse(commit.message)
        states = self._states.judging(commit, self._tips[commit.oid])
        if not states:
            yield from self._before_governance(commit)
            return
        faults = list(self._of_governed(commit, pairs, states))
        self._times.note(commit, dated=not faults and commit.signature is not None)
        yield from faults

    def _before_governance(self, commit: Commit) -> Iterator[Fault]:
        if commit.oid == self._founded:
            self.report.human.append(commit.oid)
            yield from judge_founding.judge(commit, self._states)
        else:
            self.report.ungoverned.append(commit.oid)

    def _of_governed(self, commit: Commit, pairs: Trailers, states: Sequence[State]) -> Iterator[Fault]:
        changes = judge_changes.own(self._reader, commit)
        if judge_claims.of_agent(commit, pairs):
            pushed = None if commit.oid in self._bench.arrived else self._bench.pushed
            yield from judge_agent.judge(Deed(Claim(commit, pairs), changes, pushed), states, self._reader)
            yield from self._times.judge(commit)
            return
        self.report.human.append(commit.oid)
        governance = states[0].governance
        signed = any((self._bench.humans or state.governance.config.humans) == "signed" for state in states)
        act = Act(commit, tuple(value for key, value in pairs if key == "Human"), changes, signed, self._bench.owners)
        yield from judge_human.judge(act, states, self._reader)
        if folded := judge_claims.squashed(commit, pairs, governance.config.fleet, governance.registry.agents):
            yield folded


def _order(reader: Reader, span: Range) -> list[str]:
    """What the range has, a commit after its parents."""
    try:
        return list(reader.walk(span.head, [span.base] if span.base else []))
    except Integrity:
        known = {} if span.base is None else dict.fromkeys(_reached(reader, span.base, ()))
        return list(_reached(reader, span.head, known))


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
