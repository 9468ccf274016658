"""Commits that must carry the signature of whom they name, and do not: what a range may bring into a branch.

Judged by the identities of each commit's first parent, so that no commit brings the key that proves it. Whether an
agent was allowed to write what it wrote is a question to policy, and not asked here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from githarness.errors import NotFound
from githarness.git.commits import Commit
from githarness.git.reader import Reader
from githarness.policy import trailers
from githarness.work.governance import FOLDER_NAME, Governance, Governed
from githarness.work.verify import is_signed


class Unsigned(NamedTuple):
    commit: Commit
    why: str  # it must be signed


def unsigned(reader: Reader, base: str | None, head: str) -> Iterator[Unsigned]:
    """Of the commits that `head` has and `base` has not, all of its history where there is no base; parents first."""
    governed = Governed(reader)
    for oid in reader.walk(head, [base] if base else []):
        commit = reader.commit(oid)
        governance = _before(governed, commit)
        why = _claim(commit) or (_duty(reader, commit, governance) if governance else None)
        if why and not (governance and is_signed(commit, governance)):
            yield Unsigned(commit, why)


def _before(governed: Governed, commit: Commit) -> Governance | None:
    """None where there are no identities yet; the commit that makes them is anybody's."""
    try:
        return governed.salvaged(commit.parents[0]) if commit.parents else None
    except NotFound:
        return None


def _claim(commit: Commit) -> str | None:
    names = [value for key, value in trailers.parse(commit.message) if key.lower() == "agent"]
    if names:
        return f"says that agent '{names[0][:80]}' made it"
    return "has an agent's address as author" if commit.author.lower().endswith(".invalid>") else None


def _duty(reader: Reader, commit: Commit, governance: Governance) -> str | None:
    folders = [reader.entry(oid, FOLDER_NAME) for oid in commit.parents]
    if reader.entry(commit.oid, FOLDER_NAME) not in folders:
        return f"changes {FOLDER_NAME}/"
    return "is in a repository where people sign" if governance.config.humans == "signed" else None
