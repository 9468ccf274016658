"""Waiting on channels without asking over and over: for messages, and for the reply to one."""

from __future__ import annotations

from collections.abc import Callable

from githarness.canon import Json
from githarness.clock import SYSTEM
from githarness.errors import Unavailable
from githarness.store import channels
from githarness.work.channels import AnswerAsk, PublishAsk, ReadAsk
from githarness.work.coordination import Caller
from githarness.work.parts import Parts
from githarness.work.pause import Pause

Ask = Callable[[Caller, object], dict[str, Json]]  # carries out one verb
_HELD = 1.0  # seconds between two looks at what another reader has in hand


def read(parts: Parts, caller: Caller, ask: ReadAsk, carry_out: Ask, *, wait: float) -> dict[str, Json]:
    """`channels.read`; where there is nothing, for up to so many seconds until there is."""
    pause, began, asked, last = Pause(parts), SYSTEM.monotonic(), 0.0, -1
    while True:
        pause.mark()
        now = SYSTEM.monotonic()
        if (newest := _last(parts, ask.channel)) != last or (ask.hold and now - asked >= _HELD):
            found, last, asked = carry_out(caller, ask), newest, now
            if found["items"]:
                return found
        if (left := wait - (SYSTEM.monotonic() - began)) <= 0:
            return found
        pause.wait(min(left, _HELD) if ask.hold else left)


def ask(parts: Parts, caller: Caller, message: PublishAsk, carry_out: Ask, *, wait: float) -> dict[str, Json]:
    """Publishes, and waits for the reply: {"asked": the message, "reply": the other}. Raises Unavailable."""
    asked = carry_out(caller, message)
    identity, pause, began = str(asked["id"]), Pause(parts), SYSTEM.monotonic()
    while True:
        pause.mark()
        if _replied(parts, identity):
            items = carry_out(caller, AnswerAsk(identity))["items"]
            if isinstance(items, list) and items and isinstance(items[0], dict):
                carry_out(caller, AnswerAsk(identity, taken=str(items[0]["id"])))
                return {"asked": asked, "reply": items[0]}
        if (left := wait - (SYSTEM.monotonic() - began)) <= 0:
            raise Unavailable(f"nobody has replied to message '{identity}' within {wait:g} s",
                              fix=f"githarness channel read '{message.channel}' shows a reply that comes later",
                              details={"id": identity})
        pause.wait(left)


def _last(parts: Parts, channel: str) -> int:
    with parts.db.read() as conn:
        found = channels.get(conn, channel)
    return found.last if found else 0


def _replied(parts: Parts, message: str) -> bool:
    with parts.db.read() as conn:
        return bool(channels.replies(conn, message))
