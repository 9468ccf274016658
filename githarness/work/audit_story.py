"""What `git log refs/githarness/audit/LOG` tells a reviewer: the events of a batch in a person's words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from githarness import canon, clock
from githarness.audit import note
from githarness.audit.line import Leaf
from githarness.audit.note import Checkpoint
from githarness.policy import trailers

_MOST = 60  # lines of one message; the rest is counted
_LONGEST = 500  # characters of a line: what agents name shall not make a message that cannot be sealed
_LISTED = 300  # of these, for paths
_WORDS = {"intent": "write", "denial": "denial", "refusal": "refusal", "read": "read", "tool": "tool call",
          "secret": "secret use"}
_COORDINATED = ("state", "lease", "channel", "task", "run")
_QUIET = ("read", "outcome", *_COORDINATED)  # too many to tell one by one, or told with their intent
# What people do to an agent; where nobody is named, githarness did it by itself.
_VERDICTS = {"approve": "approved", "reject": "rejected"}
_SECRETLY = {"get": "read", "exec": "ran a program with", "sign": "signed with", "proxy": "used", "set": "set",
             "rotate": "changed", "rm": "removed", "import": "imported", "rekey": "sealed anew",
             "lock": "gave the vault the order to", "unlock": "gave the vault the order to"}
_DEEDS = {"grant": "granted", "revoke": "took from", "quarantine": "quarantined", "release": "released",
          "guard": "paused"}


def message(leaves: Sequence[Leaf], stated: Checkpoint) -> str:
    """Subject, a line for each event that changed or refused something, counts of the others, and the checkpoint."""
    told = [one for leaf in leaves for one in told_of(leaf)]
    lines = told[:_MOST] + ([f"and {len(told) - _MOST} more in events.jsonl"] if len(told) > _MOST else [])
    reads = Counter(_who(leaf) for leaf in leaves if leaf.kind == "read")
    lines += [f"{who} read {count} times" for who, count in sorted(reads.items())[:_MOST]]
    lines += [f"and {len(reads) - _MOST} more read"] if len(reads) > _MOST else []
    lines += ["", f"log {stated.log}, {stated.size} events, root {note.coded(stated.root)}"]
    return trailers.render(_subject(leaves), "\n".join(lines), [])


def _subject(leaves: Sequence[Leaf]) -> str:
    counts = Counter(_WORDS.get(leaf.kind, leaf.kind) for leaf in leaves if leaf.kind != "outcome")
    parts = [f"{count} {word}{'' if count == 1 else 's'}" for word, count in counts.most_common(5)]
    return f"audit {leaves[0].seq}-{leaves[-1].seq}: {', '.join(parts) or 'outcomes'}"


def told_of(leaf: Leaf) -> Iterator[str]:
    """The line of one event; none of those that are only counted, or said by another."""
    if leaf.kind in _QUIET and leaf.outcome in (None, "landed"):
        return
    told = canon.printable(f"{clock.rfc3339(leaf.time)} {sentence(leaf)[:_LONGEST]}").replace("\n", " ")
    yield told if len(told) <= _LONGEST else f"{told[:_LONGEST]}..."


def sentence(leaf: Leaf) -> str:
    fields: dict[str, Any] = json.loads(leaf.safe)
    what = _listed([str(path["path"] if isinstance(path, dict) else path) for path in fields.get("paths", ())])
    what = what or (_secret(fields) if "secret" in fields else
                    str(fields.get("tool") or fields.get("path") or fields.get("what") or ""))
    if leaf.kind in _COORDINATED:
        what = str(fields.get("key") or fields.get("name") or fields.get("task") or "")
    if leaf.kind == "revoke" and fields.get("what") == "vault":
        whose = [f"{name} {fields[name]}" for name in ("lease", "run", "agent", "secret") if name in fields]
        return f"{_who(leaf)} ended {fields['leases']} leases of secrets: {', '.join(whose) or 'all'}"
    if "allow" in fields:
        what = f"{', '.join(map(str, fields['allow']))} on {what}"
    told = [f"{_deed(leaf, fields)} {what}".rstrip()]
    told += [f"{word} {fields[name]}" for word, name in (("by", "rule"), ("grant", "grant")) if fields.get(name)]
    if "chain" in fields:
        told.append(f"on behalf of {' > '.join(map(str, fields['chain']))}")
    if leaf.commit and leaf.kind == "intent":
        told.append(f"commit {leaf.commit[:12]}")
    why = fields.get("why") if leaf.kind in (*_DEEDS, "approval", "lease") else None
    return ", ".join(told) + (f": {why}" if why else "")


def _listed(names: list[str]) -> str:
    """As many as leave room in the line for what stands behind them."""
    shown = max(1, sum(len(", ".join(names[: count + 1])) <= _LISTED for count in range(min(len(names), _MOST))))
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def _secret(fields: dict[str, Any]) -> str:
    """Its name, which version was used, for which request where it was added to one, how often where more than once."""
    version = f" version {fields['version']}" if fields.get("version") else ""
    asked = f"{fields.get('method') or ''} {fields.get('host') or ''}{fields.get('path') or ''}".strip()
    times = f", {fields['uses']} times" if "uses" in fields else ""
    return f"secret {fields['secret']}{version}" + (f" for {asked}" if asked else "") + times


def _deed(leaf: Leaf, fields: dict[str, Any]) -> str:
    """Who did what, up to what it was done to."""
    if leaf.kind in _DEEDS and leaf.agent:
        return f"{leaf.human or 'githarness'} {_DEEDS[leaf.kind]} {leaf.agent}"
    if leaf.kind == "approval":
        return f"{leaf.human} {_VERDICTS[fields['verdict']]} what {leaf.agent or 'a person'} asked for:"
    if leaf.kind in _COORDINATED:
        return f"{_who(leaf)} {leaf.kind} {fields.get('what', '')}"
    if leaf.kind == "secret" and leaf.outcome:
        return f"{_who(leaf)} was answered '{leaf.outcome}' with"
    verb = {"intent": "rolled back" if fields.get("what") == "rollback" else "wrote", "read": "read",
            "denial": "was denied", "refusal": f"was refused ({leaf.outcome})",
            "secret": _SECRETLY.get(str(fields.get("mode") or fields.get("what"))), "tool": "called",
            "outcome": f"{leaf.intent} {leaf.outcome}"}.get(leaf.kind)
    # Without a person the kind is a word of the reporter's own, which shall not pass for one of ours.
    return f"{_who(leaf)} {verb or (leaf.kind if leaf.human else f'reported {leaf.kind}')}"


def _who(leaf: Leaf) -> str:
    return leaf.agent or leaf.human or "githarness"
