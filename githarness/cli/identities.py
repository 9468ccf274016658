"""What `agent` and `human` share: the desk at which identities are changed, and how they and their keys print."""

from __future__ import annotations

from dataclasses import asdict

from githarness import wiring
from githarness.cli.out import Painted
from githarness.cli.shell import Shell
from githarness.policy.model import Agent, Human, Key
from githarness.seal import public
from githarness.store.keyring import Keyring
from githarness.work import agents
from githarness.work.govern import Desk


def desk(harness: wiring.Harness) -> Desk:
    return Desk(harness.parts, harness.local, harness.mail, lambda: harness.git)


def table(harness: wiring.Harness, who: Agent | Human) -> dict[str, object]:
    """All that is on record, each key with its fingerprint and whether this host can sign with it."""
    return {**asdict(who), "keys": [
        {**asdict(key), "fingerprint": public.fingerprint(key.key), "here": agents.held(harness.keyring, key)}
        for key in who.keys]}


def show_change(sh: Shell, harness: wiring.Harness, who: Agent | Human, commit: str | None, *, what: str) -> None:
    sh.document({**table(harness, who), "commit": commit})
    state = f"{what if commit else 'nothing to do for'} {'agent' if isinstance(who, Agent) else 'human'}"
    sh.line(Painted(state, "green"), f" '{who.name}'", f" (commit {commit[:12]})" if commit else "")
    key_lines(sh, harness.keyring, who.keys)


def key_lines(sh: Shell, keyring: Keyring, keys: tuple[Key, ...]) -> None:
    for key in keys:
        window = f"from {key.added}" + (f" until {key.retired}" if key.retired else "")
        here = ", private key on this host" if agents.held(keyring, key) else ""
        compromised = f", compromised since {key.compromised_since}" if key.compromised_since else ""
        sh.line(f"  {public.fingerprint(key.key)} {key.host}, {window}{compromised}{here}")
