"""Policy files and grants as of one commit, read once for as long as their folders stay as they are.

A repository that has never had a policy file is judged by the shipped roles. Where there was one and is none now, and
where one does not load, agents are denied everything: taking the rules away must not be a way to get around them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from githarness.errors import HarnessError, Integrity
from githarness.git import treediff
from githarness.git.objects import EXECUTABLE, FILE, FOLDER, Entry
from githarness.git.reader import Reader
from githarness.policy import evaluate, grants, language
from githarness.policy.evaluate import Policy
from githarness.policy.model import Grant
from githarness.policy.rules import PolicyFile

POLICIES = ".githarness/policies"
GRANTS = ".githarness/grants"
# Whether the history of a commit ever had a policy file; None where whoever is asked does not know that commit.
Ever = Callable[[str], bool | None]
_MOST_KNOWN = 50_000


def unknown(commit: str) -> None:
    """`Ever` where there is no index: history is walked."""


class Rulebook:
    """Raises what reading objects raises; what does not load is in the policy and in the problems, not raised.

    `had`: what was learnt of history, by commit; for who makes several of these for one repository.
    """

    def __init__(self, reader: Reader, ever: Ever = unknown, had: dict[str, bool] | None = None) -> None:
        self._reader = reader
        self._ever = ever
        self._had: dict[str, bool] = {} if had is None else had
        self._policy: tuple[str, Policy] | None = None
        self._grants: tuple[str, dict[str, Grant], tuple[str, ...]] | None = None

    def policy(self, commit: str) -> Policy:
        folder = self._reader.entry(commit, POLICIES)
        if folder is None:
            return self._without(commit)
        if self._policy is None or self._policy[0] != folder.oid:
            self._policy = (folder.oid, self._loaded(folder))
        return self._policy[1]

    def followed(self, before: str, after: str) -> None:
        """Nothing between the two changed a policy."""
        if before in self._had:
            self._learn((after,), had=self._had[before])

    def grants(self, commit: str) -> tuple[Mapping[str, Grant], tuple[str, ...]]:
        """Those that load, and what is wrong with the others, which grant nothing."""
        folder = self._reader.entry(commit, GRANTS)
        if folder is None:
            return {}, ()
        if self._grants is None or self._grants[0] != folder.oid:
            found: dict[str, Grant] = {}
            problems = []
            for path, entry in self._files(folder, GRANTS):
                try:
                    grant = grants.parse(self._content(path, entry), path)
                    found[grant.id] = grant
                except HarnessError as error:
                    problems.append(error.message)
            self._grants = (folder.oid, found, tuple(problems))
        return self._grants[1], self._grants[2]

    def _loaded(self, folder: Entry) -> Policy:
        files: list[PolicyFile] = []
        try:
            for path, entry in self._files(folder, POLICIES):
                if not path.endswith(".md"):
                    files.append(language.parse(self._content(path, entry), path))
        except HarnessError as error:
            return evaluate.broken(f"{error.message}; fix: {error.fix}")
        return Policy(files) if files else evaluate.broken(f"'{POLICIES}' has no policy file left")

    def _files(self, folder: Entry, at: str) -> list[tuple[str, Entry]]:
        """What is directly in the folder, or the folder's name itself where it is none."""
        if folder.mode != FOLDER:
            return [(at, folder)]
        return [(f"{at}/{name}", entry) for name, entry in treediff.entries(self._reader.tree(folder.oid))]

    def _content(self, path: str, entry: Entry) -> bytes:
        if entry.mode not in (FILE, EXECUTABLE):
            raise Integrity(f"'{path}' is no plain file", fix="put a file NAME.yaml in its place, or remove it")
        return self._reader.blob(entry.oid)

    def _without(self, commit: str) -> Policy:
        if self._once(commit):
            return evaluate.broken(f"'{POLICIES}' is gone, or this clone is shallow and cannot know that it never was;"
                                   " fix: githarness policy show default, or git fetch --unshallow")
        return evaluate.shipped()

    def _once(self, commit: str) -> bool:
        """Along first parents, until somebody knows."""
        walked = []
        at = commit
        while (had := self._known(at)) is None:
            walked.append(at)
            parents = self._reader.commit(at).parents
            if not parents:
                had = self._reader.is_cut_off(at)
                break
            at = parents[0]
        self._learn((*walked, commit), had=had)
        return had

    def _learn(self, commits: Sequence[str], *, had: bool) -> None:
        if len(self._had) > _MOST_KNOWN:
            self._had.clear()
        self._had.update(dict.fromkeys(commits, had))

    def _known(self, commit: str) -> bool | None:
        if commit in self._had:
            return self._had[commit]
        if self._reader.entry(commit, POLICIES) is not None:
            return True
        return self._ever(commit)
