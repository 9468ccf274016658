"""Moves agents' signing keys behind the vault's ssh-agent, and back; at no moment is a key nowhere."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from githarness.errors import NotFound
from githarness.policy.model import Agent
from githarness.settings import Settings
from githarness.store.keyring import Keyring
from githarness.vault import signing


def adopt(settings: Settings, keyring: Keyring, place: Path, agents: Iterable[Agent], socket: Path) -> list[str]:
    """The public keys that moved. `socket`: where the vault's ssh-agent listens."""
    moved = []
    for key in _keys(agents):
        if pem := keyring.plain(key):
            signing.put(settings, place, key, pem)
            keyring.give_away(key, socket)
            moved.append(key)
    return moved


def release(settings: Settings, keyring: Keyring, place: Path, agents: Iterable[Agent]) -> list[str]:
    """The public keys that are files again."""
    held = {key: bytes(pem) for key, pem in signing.load(settings, place, lambda size: memoryview(bytearray(size)))}
    moved = [key for key in _keys(agents) if key in held]
    for key in moved:
        keyring.take_back(key, held[key])
        signing.remove(place, key)
    return moved


def named(agents: Iterable[Agent], name: str | None) -> list[Agent]:
    """One of them, or all. Raises NotFound."""
    found = [agent for agent in agents if name in (None, agent.name)]
    if not found:
        raise NotFound(f"there is no agent '{name}'", fix="githarness agent list")
    return found


def _keys(agents: Iterable[Agent]) -> list[str]:
    return [key.key for agent in agents for key in agent.keys if key.usable]
