"""Approvals: what a person signed about one change, `.githarness/approvals/ID.json` (docs/approvals.md).

    {"signature": SSHSIG of the statement in the namespace githarness-approval, "statement": {
      "agent": whose change, "approver": NAME, "expires": TIME, "held": the held change, "id": a-…, "nonce": 32 hex,
      "paths": [{"mode", "new", "old", "path"}], "policy": the digest of the trailer Policy, "ref": REF,
      "time": TIME, "uses": 1, "verdict": "approve" | "reject", "version": 1, "why": TEXT}}

in canonical JSON and one LF; signed are the bytes of the statement in that form. Blobs and mode are null where nothing
is there; the mode is the new one; the agent is `human:` where people change governance. A text that is not the one form
of what it says is no statement.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from githarness import canon
from githarness.errors import HarnessError, Integrity
from githarness.policy.model import Approvers, Human
from githarness.policy.tables import instant
from githarness.seal import sshsig

FOLDER = ".githarness/approvals/"
NAMESPACE = "githarness-approval"
APPROVE, REJECT = "approve", "reject"
_VERSION = 1
_LARGEST = 16 << 20  # bytes of a file
_RANKS = ("contributor", "operator", "owner")
_NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
_FORMS = {"id": r"a-[0-9a-z]{1,40}", "held": r"h-[0-9a-z]{1,40}", "agent": f"human:|{_NAME}", "approver": _NAME,
          "nonce": r"[0-9a-f]{32}", "policy": r"sha256:[0-9a-f]{64}", "ref": r"refs/heads/.{1,500}",
          "verdict": f"{APPROVE}|{REJECT}", "why": r"[\s\S]{0,4096}"}
_BLOB, _MODE = re.compile("[0-9a-f]{40}"), re.compile("100644|100755")


class Bound(NamedTuple):
    """A path with its blobs before and after, None where nothing is there, and the mode after."""

    path: str
    old: str | None
    new: str | None
    mode: str | None


@dataclass(frozen=True, slots=True)
class Matter:
    """What lands, or has landed. `chain`: on whose behalf, names alone; `time`: Unix seconds of the commit."""

    agent: str
    ref: str
    policy: str
    paths: tuple[Bound, ...]  # sorted, without the files of statements
    chain: tuple[str, ...]
    time: float


@dataclass(frozen=True, slots=True)
class Statement:
    id: str
    held: str
    agent: str
    approver: str
    ref: str
    policy: str
    paths: tuple[Bound, ...]  # sorted
    nonce: str
    time: float
    expires: float
    verdict: str = APPROVE
    why: str = ""

    @property
    def file(self) -> str:
        return f"{FOLDER}{self.id}.json"

    def table(self) -> dict[str, canon.Json]:
        return {"version": _VERSION, "id": self.id, "held": self.held, "agent": self.agent, "approver": self.approver,
                "ref": self.ref, "policy": self.policy, "nonce": self.nonce, "time": _time(self.time),
                "expires": _time(self.expires), "uses": 1, "verdict": self.verdict, "why": self.why,
                "paths": [dict(bound._asdict()) for bound in self.paths]}

    def payload(self) -> bytes:
        """What is signed."""
        return canon.dumps(self.table()).encode()


class Signed(NamedTuple):
    statement: Statement
    key: str  # the public key line of who signed it
    data: bytes  # the file


def render(statement: Statement, signature: str) -> bytes:
    return canon.dumps({"signature": signature, "statement": statement.table()}).encode() + b"\n"


def parse(data: bytes, file: str) -> Signed:
    """Raises Integrity where it is not in its one form, badly signed, or in a file of another name: one statement under
    two names would be used twice."""
    try:
        statement, signature = _read(data)
        if render(statement, signature) != data or file not in (statement.file, f"{statement.id}.json"):
            raise ValueError
        return Signed(statement, sshsig.verify(signature, statement.payload(), NAMESPACE), data)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, HarnessError) as error:
        why = f": {error.message}" if isinstance(error, Integrity) else ""
        raise Integrity(f"'{file}' is no signed statement{why}", fix="githarness proposals") from error


def _read(data: bytes) -> tuple[Statement, str]:
    table = json.loads(data) if len(data) <= _LARGEST else {}
    said = table["statement"]
    for name, form in _FORMS.items():
        if not re.fullmatch(form, said[name]):
            raise ValueError
    texts = {name: said[name] for name in _FORMS}
    paths = tuple(_bound(**one) for one in said["paths"])
    return Statement(**texts, paths=paths, time=instant(said["time"]), expires=instant(said["expires"])), str(
        table["signature"])


def _bound(path: str, old: str | None, new: str | None, mode: str | None) -> Bound:
    good = isinstance(path, str) and all(blob is None or _BLOB.fullmatch(blob) for blob in (old, new))
    if not good or not (new is None if mode is None else _MODE.fullmatch(mode) and new):
        raise ValueError
    return Bound(path, old, new, mode)


def _time(moment: float) -> str:
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def fault(statement: Statement, matter: Matter, grace: float) -> str | None:
    """Why it does not let this land; whose key signed it is another question. `grace`: how clocks may differ."""
    if statement.verdict != APPROVE:
        return "it rejects the change"
    if (statement.agent, statement.ref) != (matter.agent, matter.ref):
        return "it is about another agent's change, or another branch"
    if statement.policy != matter.policy:
        return "it was made under another policy"
    if statement.paths != matter.paths:
        return "it is about other content"
    if not statement.time - grace <= matter.time < statement.expires:
        return f"it counts from {_time(statement.time)} until {_time(statement.expires)}"
    return partial(statement.approver, matter.agent, matter.chain)


def partial(approver: str, agent: str, chain: Sequence[str]) -> str | None:
    """Why this person may not judge a change of `agent`; None where they may."""
    involved = {agent, *(name.removeprefix("human:") for name in chain)}
    return f"'{approver}' has a part in the change" if approver in involved else None


def enough(people: Collection[Human], wanted: Approvers) -> bool:
    """Whether that many different persons of at least that role are among them."""
    least = _RANKS.index(wanted.role)
    return len({human.name for human in people if _RANKS.index(human.role) >= least}) >= wanted.count
