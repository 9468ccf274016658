"""What judging commits gives: violations with stable codes (docs/verify.md), and who else wrote."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

CODES = {
    "unsigned": "a commit that must be signed is not",
    "bad-signature": "a signature does not fit the commit, or is of a kind that is not used here",
    "wrong-signer": "a good signature is not by a key of whom the commit names",
    "author": "author, trailer and signer are not one agent, named once",
    "unknown-agent": "no identity file of such an agent stood in the repository before the commit",
    "retired": "the agent, the person or the key was retired, or had expired",
    "quarantined": "an operator had stopped the agent",
    "compromised": "the key is marked as compromised since before the commit",
    "denied": "the policy before the commit does not allow the change",
    "needs-approval": "the policy before the commit wants an approval that is not there",
    "no-policy": "the governance before the commit does not load, so that agents may do nothing",
    "governance": "governance was changed without an owner's signature",
    "bad-path": "a path that no artifact may have",
    "twin": "a path that differs from another by letter case or normalisation alone",
    "mode": "a symbolic link, a submodule or a mode that agents do not make",
    "trailer": "a trailer of the harness is missing, double or not true",
    "chain": "a delegation that goes in a circle, or names nobody",
    "backdated": "the commit is dated before what it is built on",
    "future": "the commit is dated later than now",
    "squashed": "an agent's commits were folded into one that nobody signed",
    "malformed": "a commit or tree that cannot be read",
    "founding": "the commit that begins governance is not signed by an owner that it names",
    "not-anchored": "the push is not built on the commit that this hub was made from",
    "rewound": "a governed branch or a tag would lose what it has",
    "vault-record": "a record of the vault, or its marker, that is not of its form, or of another vault",
    "vault-version": "a record of the vault gives way to one that is not newer",
    "vault-removed": "a record of the vault, or its marker, is deleted",
    "vault-writer": "a record of the vault is not signed by an owner's key that may",
    "ref": "a ref that this hub does not take",
}


class Violation(NamedTuple):
    commit: str
    path: str | None
    code: str  # of CODES
    message: str


class Fault(NamedTuple):
    """A violation before it is known which commit it is of."""

    code: str
    message: str
    path: str | None = None


@dataclass(slots=True)
class Report:
    commits: int = 0
    violations: list[Violation] = field(default_factory=list)
    human: list[str] = field(default_factory=list)  # commits of people after governance began
    ungoverned: list[str] = field(default_factory=list)  # what precedes it
