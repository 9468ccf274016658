"""Which person acts, and with which key: rollback, restore and governance carry that person's signature."""

from __future__ import annotations

from githarness.errors import Denied, NotFound, Unavailable
from githarness.policy.model import Human
from githarness.seal.signer import Signer
from githarness.work.governance import Governance
from githarness.work.parts import Parts

RANKS = {"contributor": 0, "operator": 1, "owner": 2}


def acting(parts: Parts, governance: Governance, *, name: str | None, mail: str) -> tuple[Human, Signer]:
    """Raises NotFound for an unknown person, Denied for a retired one, Unavailable where this host holds no key."""
    human = _named(governance, name) if name else governance.human_of(mail)
    if human.retired:
        raise Denied(f"human '{human.name}' was retired at {human.retired}", fix="githarness human list")
    signer = parts.keyring.find(key.key for key in human.keys if not key.retired)
    if signer is None:
        raise Unavailable(f"this host can use no key of human '{human.name}'",
                          fix="ssh-add the key, or run the command where it is")
    return human, signer


def _named(governance: Governance, name: str) -> Human:
    try:
        return governance.registry.humans[name]
    except KeyError:
        raise NotFound(f"no human '{name}' in this fleet", fix="githarness human list") from None


def require(human: Human, role: str, what: str) -> None:
    """Roles include those below them. Raises Denied."""
    if RANKS[human.role] < RANKS[role]:
        raise Denied(f"human '{human.name}' is {human.role}; {what} takes {role}", fix="ask an owner, githarness human list")
