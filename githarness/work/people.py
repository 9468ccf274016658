"""Which person acts, and with which key: rollback, restore and governance carry that person's signature."""

from __future__ import annotations

from githarness.errors import Denied, NotFound, Unavailable
from githarness.policy import roles
from githarness.policy.model import Agent, Decision, Human, Request
from githarness.seal.signer import Signer
from githarness.work.governance import APPROVALS, Governance
from githarness.work.parts import Parts

RANKS = {"contributor": 0, "operator": 1, "owner": 2}


def acting(parts: Parts, governance: Governance, *, name: str | None, mail: str) -> tuple[Human, Signer]:
    """Raises NotFound for an unknown person, Denied for a retired one, Unavailable where this host holds no key."""
    human = named(governance, name) if name else governance.human_of(mail)
    _not_retired(human)
    keys = [key.key for key in human.keys if key.usable]
    signer = parts.keyring.find(keys) or parts.keyring.find_gits(keys)
    if signer is None:
        raise Unavailable(f"this host can use no key of human '{human.name}'",
                          fix="ssh-add the key, or name its file by git config user.signingkey, with gpg.format ssh")
    return human, signer


def named(governance: Governance, name: str) -> Human:
    try:
        return governance.registry.humans[name]
    except KeyError:
        raise NotFound(f"no human '{name}' in this fleet", fix="githarness human list") from None


def _not_retired(human: Human) -> None:
    if human.retired:
        raise Denied(f"human '{human.name}' was retired at {human.retired}", fix="githarness human list")


def as_writer(governance: Governance, name: str) -> Agent:
    """The person in the shape that the write path works with. Raises NotFound, Denied for a retired one."""
    human = named(governance, name)
    _not_retired(human)
    return Agent(human.name, (human.role,), human.keys)


def decide(request: Request, vault: str | None = None) -> Decision:
    """People are outside agents' rules: everybody writes artifacts, owners alone write governance. `vault`: the folder
    of its records, which nobody writes by hand."""
    role = request.roles[0]
    if vault and request.action != "read" and request.path.startswith(vault + "/"):
        return Decision("deny", f"human:{role}", "secrets are written by githarness vault set")
    if roles.is_protected(request.path) and RANKS[role] < RANKS["owner"]:
        return Decision("deny", f"human:{role}", "governance is written by owners")
    if request.action != "read" and request.path.startswith(APPROVALS):
        return Decision("deny", f"human:{role}", "approvals come with what they let land, and stay as they are")
    return Decision("allow", f"human:{role}")


def require(human: Human, role: str, what: str) -> None:
    """Roles include those below them. Raises Denied."""
    if RANKS[human.role] < RANKS[role]:
        raise Denied(f"human '{human.name}' is {human.role}; {what} takes {role}",
                     fix="ask an owner; githarness human list shows who is one")
