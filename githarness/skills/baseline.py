"""Old debt that passes: `.githarness/skills-baseline.json`, written by `skills check --write-baseline`.

    {"version": 1, "findings": {"skills/x/SKILL.md": ["3f0c…", "91ab…"]}}

A finding passes where its fingerprint stands under its path, or under a path that is gone: a moved skill keeps its
debt. Each entry serves once, so that a second violation of the same kind fails.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping

from githarness.canon import Json
from githarness.errors import Integrity
from githarness.skills.model import Finding

PATH = ".githarness/skills-baseline.json"
Debt = Mapping[str, Counter[str]]


def dump(findings: Iterable[Finding]) -> bytes:
    """Errors and warnings; stable, one line per path."""
    debt: dict[str, list[str]] = {}
    for finding in sorted(findings, key=lambda each: (each.path, each.fingerprint)):
        if finding.severity != "info":
            debt.setdefault(finding.path, []).append(finding.fingerprint)
    lines = ",\n".join(f"  {json.dumps(path)}: {json.dumps(prints)}" for path, prints in debt.items())
    return ('{"version": 1, "findings": {\n' + lines + "\n}}\n").encode()


def load(data: bytes) -> Debt:
    """Raises Integrity where the file is none of ours."""
    try:
        found: Json = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _malformed() from error
    table = found.get("findings") if isinstance(found, dict) and found.get("version") == 1 else None
    if not isinstance(table, dict) or not all(isinstance(prints, list) for prints in table.values()):
        raise _malformed()
    return {path: Counter(map(str, prints)) for path, prints in table.items() if isinstance(prints, list)}


def new(findings: Iterable[Finding], debt: Debt, present: Iterable[str]) -> list[Finding]:
    """What is no old debt. `present`: the paths that are there now."""
    here = {path: Counter(prints) for path, prints in debt.items()}
    gone = sum((here[path] for path in here.keys() - set(present)), Counter[str]())
    return [finding for finding in findings if not _pays(here.get(finding.path, gone), finding.fingerprint)]


def _pays(debt: Counter[str], fingerprint: str) -> bool:
    if debt[fingerprint] < 1:
        return False
    debt[fingerprint] -= 1
    return True


def _malformed() -> Integrity:
    return Integrity(f"'{PATH}' is not a baseline of version 1", fix="githarness skills check --write-baseline")
