"""What commits bring: contents and names of files, messages, people's names, tags and notes. All of it is pushed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from githarness.git import refs
from githarness.git.modes import SUBMODULE
from githarness.git.porcelain import Git
from githarness.git.reader import Reader
from githarness.git.repo import Repo
from githarness.settings import Settings
from githarness.vault.scanning import Content

_TAG = "%(objectname)%00%(*objectname)%00%(refname)%00%(contents)%00"


def of_commits(reader: Reader, tips: Sequence[str], hidden: Sequence[str]) -> Iterator[Content]:
    """Of each commit that `tips` have and `hidden` have not: itself and what it changed, undone later or not.

    Each content once, by the name that it has first.
    """
    seen: set[tuple[str, str]] = set()
    for oid in dict.fromkeys(one for tip in tips for one in reader.walk(tip, hidden)):
        yield Content(f"commit {oid[:12]}", reader.commit(oid).raw)
        for change in reader.changes(oid):
            new = change.new
            if new is None or new.mode == SUBMODULE or (change.path, new.oid) in seen:
                continue
            seen.add((change.path, new.oid))
            yield Content(f"{oid[:12]}:{change.path}", reader.blob(new.oid))


def of_labels(settings: Settings, repo: Repo, reader: Reader, commits: frozenset[str]) -> Iterator[Content]:
    """Tags and notes of these commits; `commits` may have ids of tags, too."""
    listed = Git(settings, repo.common_dir).run("for-each-ref", f"--format={_TAG}", "refs/tags")
    fields = listed.decode("utf-8", "surrogateescape").split("\0")
    for own, target, ref, text in zip(*(fields[at::4] for at in range(4)), strict=False):
        if not commits.isdisjoint((target, own.strip())):
            yield Content(f"tag {ref.strip()}", text.encode("utf-8", "surrogateescape"))
    for ref, tip in refs.under(repo.common_dir, "refs/notes/").items():
        for path, entry in reader.files(tip):
            about = path.replace("/", "")
            if about in commits:
                yield Content(f"note {ref} of {about[:12]}", reader.blob(entry.oid))


def of_push(settings: Settings, repo: Repo, reader: Reader, updates: str) -> Iterator[Content]:
    """What a push brings, from git's lines for pre-push: all that no remote is known to have."""
    lines = [line.split(" ") for line in updates.splitlines()]
    sent = [fields[1] for fields in lines if len(fields) == 4 and fields[1] != refs.ZERO]
    known = [fields[3] for fields in lines if len(fields) == 4 and fields[3] != refs.ZERO and reader.has(fields[3])]
    remotes = refs.under(repo.common_dir, "refs/remotes/")
    hidden = [reader.resolve(oid + "^{commit}") for oid in (*known, *remotes.values())]
    tips = [reader.resolve(oid + "^{commit}") for oid in sent]
    yield from of_commits(reader, tips, hidden)
    commits = {oid for tip in tips for oid in reader.walk(tip, hidden)}
    yield from of_labels(settings, repo, reader, frozenset(commits.union(sent)))
