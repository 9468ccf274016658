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


def of_labels(settings: Settings, repo: Repo, reader: Reader, commits: frozenset[str] | None) -> Iterator[Content]:
    """Tags and notes, of these commits or of all."""
    listed = Git(settings, repo.common_dir).run("for-each-ref", f"--format={_TAG}", "refs/tags")
    fields = listed.decode("utf-8", "surrogateescape").split("\0")
    for own, target, ref, text in zip(*(fields[at::4] for at in range(4)), strict=False):
        if commits is None or (target or own.strip()) in commits:
            yield Content(f"tag {ref.strip()}", text.encode("utf-8", "surrogateescape"))
    for ref, tip in refs.under(repo.common_dir, "refs/notes/").items():
        for path, entry in reader.files(tip):
            about = path.replace("/", "")
            if commits is None or about in commits:
                yield Content(f"note {ref} of {about[:12]}", reader.blob(entry.oid))
