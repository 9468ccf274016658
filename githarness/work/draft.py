"""A commit as bytes before it lands: author, harness as committer, message with trailers, signature (DESIGN §4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from githarness.git.objects import PathChange, Raw, raw
from githarness.seal.commits import signed_commit
from githarness.seal.signer import Signer
from githarness.store.rows import ChangeRow, CommitRow, EventRow


@dataclass(frozen=True, slots=True)
class Draft:
    """One admitted change, with all that landing it takes."""

    commit: Raw
    changes: tuple[PathChange, ...]
    row: CommitRow
    intent: EventRow
    operation: str | None = None
    answer: str = "{}"  # canonical JSON of the paths that the operation changed, for its repetition


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    mail: str

    def __str__(self) -> str:
        return f"{self.name} <{self.mail}>"


def agent_person(name: str, fleet: str) -> Person:
    return Person(name, f"{name}@{fleet}.invalid")


def harness_person(fleet: str) -> Person:
    return Person("githarness", f"githarness@{fleet}.invalid")


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who writes, for which fleet, when, and with which key."""

    author: Person
    fleet: str
    when: int  # Unix seconds
    signer: Signer


def build(tree: str, parents: Sequence[str], message: str, stamp: Stamp) -> Raw:
    when = f"{stamp.when} +0000"
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents), f"author {stamp.author} {when}",
             f"committer {harness_person(stamp.fleet)} {when}", "", message]
    unsigned = "\n".join(lines).encode()
    return raw("commit", signed_commit(unsigned, stamp.signer.sign(unsigned, "git")))


def change_row(change: PathChange) -> ChangeRow:
    old, new = change.old, change.new
    return ChangeRow(change.path, old.mode if old else None, old.oid if old else None,
                     new.mode if new else None, new.oid if new else None)
