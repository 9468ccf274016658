"""Whether a commit says that an agent made it: by trailer, by address, by what a forge leaves of a squashed branch."""

from __future__ import annotations

import re
from collections.abc import Container

from githarness.git.commits import Commit
from githarness.policy.model import Registry
from githarness.policy.trailers import Trailers
from githarness.work.judged import Fault

_ADDRESS = re.compile(r"([^<>]*)<([^<>@]+)@([a-z0-9._-]+)\.invalid>", re.IGNORECASE)
# As listings show it: blanks and signs before the `>` and text behind it make it nobody else's.
_LIKE_ONE = re.compile(r"<[^<>]*@[a-z0-9._-]+\.invalid[^a-z0-9<>]*>", re.IGNORECASE)
# The trailers of an agent's commit in the middle of a text: a forge lists the messages of the commits that it squashes.
_FOLDED = re.compile(r"^[ \t*>-]*Agent: ?([a-z0-9][a-z0-9._-]{0,63})[ \t]*$(?=[\s\S]*^[ \t*>-]*"
                     r"(?:Policy: ?sha256:[0-9a-f]{64}|Decision: ?(?:allow|require_approval) rule=))", re.MULTILINE)
_LONGEST = 1 << 20  # characters of a message in which folded commits are looked for


def of_agent(commit: Commit, pairs: Trailers, known: Registry) -> bool:
    """An address that no mail reaches is an agent's, unless it is that of a person who is known."""
    mail = commit.author.rpartition("<")[2].rstrip(">").lower()
    return any(key.lower() == "agent" for key, _ in pairs) or (
        bool(_LIKE_ONE.search(commit.author)) and all(human.mail.lower() != mail for human in known.humans.values()))


def squashed(commit: Commit, pairs: Trailers, fleet: str, agents: Container[str]) -> Fault | None:
    """Of a commit that names no agent as its maker."""
    for key, value in pairs:
        found = _ADDRESS.fullmatch(value) if key.lower() == "co-authored-by" else None
        if found and found[3] == fleet and found[2] in agents:
            return _fault(found[2])
    text = commit.message[:_LONGEST]
    folded = next((one for one in _FOLDED.finditer(text) if one[1] in agents), None) if "Agent:" in text else None
    return _fault(folded[1]) if folded else None


def _fault(agent: str) -> Fault:
    return Fault("squashed", f"it carries commits of agent '{agent}' that it took out of history: their signatures are "
                 "gone")
