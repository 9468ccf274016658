"""Whether two clones have both written a governed branch. One clone is its writer; each side's agents' commits tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from githarness.errors import NotFound, Unavailable
from githarness.git import refs
from githarness.git.porcelain import Git
from githarness.git.reader import Reader
from githarness.policy import trailers
from githarness.work.parts import Parts

_HEADS = "refs/heads/"


@dataclass(frozen=True, slots=True)
class Divergence:
    branch: str
    remote: str
    ours: int  # agents' commits that only this clone has
    theirs: int

    @property
    def message(self) -> str:
        return (f"two clones have both written '{self.branch}': {self.ours} agent commit(s) are only here, "
                f"{self.theirs} only on '{self.remote}'")

    @property
    def fix(self) -> str:
        return (f"git pull --no-rebase {self.remote} {self.branch} joins them with every signature kept; "
                "then let one clone write")


@dataclass(frozen=True, slots=True)
class Update:
    """A line that git gives to pre-push: a ref of the remote, what it has and what it is to have; zeros for nothing."""

    local_oid: str
    remote_ref: str
    remote_oid: str


def updates_of(text: str) -> list[Update]:
    """githooks(5), pre-push: `LOCAL-REF LOCAL-OID REMOTE-REF REMOTE-OID` a line."""
    return [Update(*found[1:]) for line in text.splitlines() if len(found := line.split(" ")) == 4]


@dataclass(frozen=True, slots=True)
class Verdict:
    divergence: Divergence
    blocks: bool  # False: the push concerns other branches, such as the one that is to bring the commits over


def of_tracking(parts: Parts, remote: str) -> Divergence | None:
    """By what the last fetch from `remote` brought; asks nobody."""
    tracking = f"refs/remotes/{remote}/{parts.ref.removeprefix(_HEADS)}"
    ours, theirs = (refs.read(parts.repo.common_dir, ref) for ref in (parts.ref, tracking))
    return _between(parts, remote, ours, theirs) if ours and theirs else None


def of_push(parts: Parts, git: Git, remote: str, updates: Sequence[Update]) -> Verdict | None:
    """Judges a push. Git keeps from `updates` what it rejects itself as no fast-forward; then the remote is asked."""
    governed = [update for update in updates if update.remote_ref == parts.ref]
    if updates and not governed:
        found = of_tracking(parts, remote)
        return Verdict(found, blocks=False) if found else None
    ours = governed[0].local_oid if governed else refs.read(parts.repo.common_dir, parts.ref)
    theirs = governed[0].remote_oid if governed else _ask(parts, git, remote)
    if ours in (None, refs.ZERO) or theirs in (None, refs.ZERO):
        return None
    found = _between(parts, remote, str(ours), str(theirs)) if _have(parts, git, remote, str(theirs)) else None
    return Verdict(found, blocks=True) if found else None


def _between(parts: Parts, remote: str, ours: str, theirs: str) -> Divergence | None:
    reader = parts.reader
    if reader.is_ancestor(theirs, ours) or reader.is_ancestor(ours, theirs):
        return None
    here, there = _agent_commits(reader, ours, theirs), _agent_commits(reader, theirs, ours)
    return Divergence(parts.ref.removeprefix(_HEADS), remote, here, there) if here and there else None


def _agent_commits(reader: Reader, of: str, without: str) -> int:
    return sum("Agent" in dict(trailers.parse(reader.commit(oid).message)) for oid in reader.walk(of, [without]))


def _ask(parts: Parts, git: Git, remote: str) -> str | None:
    """What the remote's governed branch is at now; None where it has none or does not answer."""
    try:
        return git.run("ls-remote", "--", remote, parts.ref).decode()[:40] or None
    except (Unavailable, NotFound):
        return None


def _have(parts: Parts, git: Git, remote: str, oid: str) -> bool:
    """Fetches the remote's commits where they are not here: objects only, no ref follows."""
    if parts.reader.has(oid):
        return True
    try:
        git.run("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--refmap=", "--", remote, parts.ref)
    except (Unavailable, NotFound):
        return False
    return parts.reader.has(oid)
