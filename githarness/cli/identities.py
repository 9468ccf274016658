"""What `agent` and `human` share: the desk at which identities are changed, and how keys print."""

from __future__ import annotations

from githarness import wiring
from githarness.cli.shell import Shell
from githarness.policy.model import Key
from githarness.seal import public
from githarness.store.keyring import Keyring
from githarness.work import agents
from githarness.work.govern import Desk


def desk(harness: wiring.Harness) -> Desk:
    return Desk(harness.parts, harness.local, harness.mail)


def key_table(keyring: Keyring, key: Key) -> dict[str, object]:
    return {
        "fingerprint": public.fingerprint(key.key), "key": key.key, "host": key.host, "added": key.added,
        "retired": key.retired, "compromised_since": key.compromised_since, "here": agents.held(keyring, key),
    }


def key_lines(sh: Shell, keyring: Keyring, keys: tuple[Key, ...]) -> None:
    for key in keys:
        window = f"from {key.added}" + (f" until {key.retired}" if key.retired else "")
        here = ", private key on this host" if agents.held(keyring, key) else ""
        compromised = f", compromised since {key.compromised_since}" if key.compromised_since else ""
        sh.line(f"  {public.fingerprint(key.key)} {key.host}, {window}{compromised}{here}")
