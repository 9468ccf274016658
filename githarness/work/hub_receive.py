"""What a hub answers to a push: nothing where it is let in whole, else the reasons why nothing of it is.

Git compares and swaps: the update goes through only while each ref has the value that it was judged with, so that of
two pushes at once the second is refused by git itself. A side branch is judged by the governed branch as it was
meanwhile, and once more by whatever that has become when it lands there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from githarness.errors import Integrity, NotFound
from githarness.git import refs
from githarness.git.repo import Repo
from githarness.work import audit_chain, judge_range
from githarness.work.hub import Anchor
from githarness.work.judge_range import Bench, Range
from githarness.work.judged import Violation

_HEADS, _TAGS = "refs/heads/", "refs/tags/"
_AUDIT = "refs/githarness/audit/"
_GROWING = ("refs/notes/", _AUDIT)
_FREE = ("refs/githarness/held/", "refs/githarness/statements/")


@dataclass(frozen=True, slots=True)
class Update:
    old: str
    new: str
    ref: str


def updates_of(text: str) -> list[Update]:
    """githooks(5), pre-receive: `OLD NEW REF` a line. Raises Integrity: a line that is not understood is not let by."""
    found = [line.split(" ", 2) for line in text.splitlines()]
    if not found or any(len(fields) != 3 for fields in found):
        raise Integrity("git did not say what is pushed", fix="push again")
    return [Update(*fields) for fields in found]


def receive(repo: Repo, anchor: Anchor, updates: Sequence[Update], bench: Bench) -> list[Violation]:
    """`bench`: over the repository with what is pushed."""
    return list(dict.fromkeys(_Push(repo, anchor, bench).judge(updates)))


class _Push:
    def __init__(self, repo: Repo, anchor: Anchor, bench: Bench) -> None:
        self._repo = repo
        self._anchor = anchor
        self._reader = bench.reader
        self._bench = replace(bench, pushed=bench.now)
        self._tip = self._newest = refs.read(repo.common_dir, anchor.ref)

    def judge(self, updates: Sequence[Update]) -> Iterator[Violation]:
        governed = [update for update in updates if update.ref == self._anchor.ref]
        for update in governed:
            yield from self._governed(update)
            self._tip = self._tip or update.new  # side branches of a first push are built on what it brings
        self._newest = next((update.new for update in governed if update.new != refs.ZERO), self._tip)
        for update in updates:
            if update not in governed:
                yield from self._other(update)

    def _governed(self, update: Update) -> Iterator[Violation]:
        new, tip = update.new, self._tip
        if new == refs.ZERO:
            yield _about(update, "rewound", f"'{update.ref}' is governed, and is not deleted")
        elif tip is None:
            yield from self._first(update)
        elif update.old != tip or not self._reader.is_ancestor(tip, new):
            yield _about(update, "rewound", f"'{update.ref}' is governed, and would lose commits that it has")
        else:
            yield from self._span(tip, new)

    def _first(self, update: Update) -> Iterator[Violation]:
        """History that begins with the anchor's; what the anchor knows of it is trusted no more than the rest."""
        anchor, new = self._anchor, update.new
        if not self._has(anchor.init, new):
            yield _about(update, "not-anchored", f"it does not contain {anchor.init}, which began the governance that "
                         "this hub was made from")
            return
        if self._has(anchor.head, new):
            yield from self._span(anchor.head, new)
            bench = replace(self._bench, pushed=None)
        else:  # nothing tells who was an owner then but the keys that the hub knows
            bench = replace(self._bench, pushed=None, owners=anchor.keys)
        yield from judge_range.judge(bench, Range(anchor.init, new)).violations

    def _has(self, oid: str, new: str) -> bool:
        return self._reader.has(oid) and self._reader.is_ancestor(oid, new)

    def _span(self, base: str, new: str) -> Iterator[Violation]:
        """Commits that the hub has already came in when they were judged: only new ones are pushed now."""
        here = {oid for prefix in (_HEADS, _TAGS) for tip in refs.under(self._repo.common_dir, prefix).values()
                for oid in self._reader.walk(self._reader.resolve(tip), [base])}
        yield from judge_range.judge(replace(self._bench, arrived=frozenset(here)), Range(base, new)).violations

    def _other(self, update: Update) -> Iterator[Violation]:
        ref, gone = update.ref, update.new == refs.ZERO
        if ref.startswith(_FREE):
            return
        if ref.startswith((_TAGS, *_GROWING)) and update.old != refs.ZERO and (
                gone or ref.startswith(_TAGS) or not self._has(update.old, update.new)):
            yield _about(update, "rewound", f"'{ref}' is there already: it is not moved, taken back or deleted")
        elif ref.startswith((_HEADS, _TAGS)):
            if not gone:
                yield from self._branch(update)
        elif ref.startswith(_AUDIT) and not audit_chain.is_of(
                self._reader, ref, (update.old, update.new), self._newest):
            yield _about(update, "ref", f"'{ref}' grows by what the key of that log signed, once it is enrolled on "
                         f"'{self._anchor.ref}'")
        elif not ref.startswith(_GROWING):
            yield _about(update, "ref", f"'{ref}' is no ref that this hub takes")

    def _branch(self, update: Update) -> Iterator[Violation]:
        if self._tip is None:
            yield _about(update, "not-anchored", f"'{self._anchor.ref}' has to be pushed first")
            return
        try:
            new = self._reader.resolve(update.new)
        except NotFound:
            yield _about(update, "ref", f"'{update.ref}' would name something that is no commit")
            return
        yield from self._span(self._tip, new)


def _about(update: Update, code: str, message: str) -> Violation:
    return Violation(update.new, None, code, message)

