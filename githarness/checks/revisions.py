"""What changed as git has it: staged for the next commit, or committed since a revision. Loads libgit2."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from pathlib import Path

from githarness import settings
from githarness.checks.scope import History, Scope, names_of, read_index
from githarness.clock import SYSTEM
from githarness.errors import Integrity, NotFound, Unavailable
from githarness.git.index import Index
from githarness.git.objects import Entry
from githarness.git.reader import Reader
from githarness.git.repo import discover, is_shallow
from githarness.policy import trailers
from githarness.policy.model import Registry
from githarness.skills.model import Finding
from githarness.work import judge_claims, judge_range
from githarness.work.files_of import Committed, Staged
from githarness.work.judge_range import Bench, Range


def staged() -> Scope:
    """The index that git names to a hook, else the worktree's own."""
    repo = discover(settings.hook_git_dir() or Path.cwd())
    listed, reader = read_index(Path(settings.of_hook("GIT_INDEX_FILE") or repo.git_dir / "index")), Reader(repo)
    head = head_of(reader)
    before = dict(reader.files(head)) if head else {}
    files = Staged(repo.worktree or repo.git_dir, listed, reader)
    return Scope(files, _changed(before, listed), names_of(listed), base=Committed(reader, head) if head else None)


def head_of(reader: Reader) -> str | None:
    try:
        return reader.resolve("HEAD")
    except NotFound:
        return None  # the first commit


def _changed(before: Mapping[str, Entry], listed: Index) -> list[str]:
    names = names_of(listed)
    there = {name: listed.get(name.encode("utf-8", "surrogateescape")) for name in names}
    new = [name for name, entry in there.items() if entry and (
        name not in before or (before[name].oid, before[name].mode) != (entry.oid, f"{entry.mode:o}"))]
    return sorted([*new, *(before.keys() - there.keys())])


def since(rev: str, tip: str = "HEAD") -> Scope:
    """From where `tip` left `rev`'s history; everything for an empty name, or a commit that is not there any more.

    Raises NotFound for a name that is none, Unavailable in a shallow clone.
    """
    repo = discover(Path.cwd())
    if is_shallow(repo):
        raise Unavailable("this clone is shallow, so what changed cannot be told",
                          fix="git fetch --unshallow; in CI fetch-depth: 0 (GitHub) or GIT_DEPTH: 0 (GitLab)")
    reader = Reader(repo)
    head = reader.resolve(tip)
    landing = _landing(reader, rev)
    base = reader.merge_base(landing, head) if landing else None
    changes = reader.diff_trees(reader.commit(base).tree if base else None, reader.commit(head).tree)
    return Scope(Committed(reader, head), [change.path for change in changes], [path for path, _ in reader.files(head)],
                 base=Committed(reader, base) if base else None, history=History(reader, landing, head))


def _landing(reader: Reader, rev: str) -> str | None:
    """After a forced push GitHub names a commit that no clone has, and for a new branch one of zeros."""
    is_id = len(rev) == 40 and not rev.strip("0123456789abcdef")
    if not rev or (is_id and not reader.has(rev)):
        return None
    return reader.resolve(rev)


def judged(scope: Scope) -> Iterator[Finding]:
    """Commits of the scope's history that `verify` refuses, and from before governance those that claim an agent."""
    if scope.history is None:
        return
    reader, base, head = scope.history
    bench = Bench(reader, SYSTEM.now(), cores=os.cpu_count() or 1)
    found = judge_range.judge(bench, Range(base, head))
    for oid, group in groupby(found.violations, key=lambda one: one.commit):
        yield _finding(reader, oid, "; ".join(f"{one.code}: {one.message}" for one in group))
    for oid in found.ungoverned:
        commit = reader.commit(oid)
        if judge_claims.of_agent(commit, trailers.parse(commit.message), Registry()):
            yield _finding(reader, oid, "says that an agent made it, before there was one")


def _finding(reader: Reader, oid: str, why: str) -> Finding:
    subject = ""
    with suppress(Integrity):
        subject = trailers.subject_of(reader.commit(oid).message)[:80]
    return Finding(f"commit {oid[:12]}", 1, "GH060", "error", why,
                   "let who is named make the change through githarness, and rebase this commit away", subject)
