"""What each client makes of a skill: it loads, it loads with warnings, or the client passes it over; and by which gates.

From the frontmatter, the findings and the clients' own rules (`x-githarness` of their schemas): no client is asked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from githarness.skills.document import Document
from githarness.skills.model import Finding
from githarness.skills.profiles import NAMES, Judge, Profile, load, schema

CLIENTS = NAMES[1:]
_PROBLEMS = {"absent": "GH003", "unclosed": "GH003", "late": "GH003", "fenced": "GH003", "not-mapping": "GH003",
             "large": "GH004", "deep": "GH004", "alias": "GH004", "many": "GH004", "syntax": "GH005",
             "duplicate": "GH007", "anchor": "GH007", "tag": "GH007", "merge": "GH007", "bom": "GH002"}
_FIELDS = {"name": "GH010", "description": "GH020", "metadata": "GH031", "allowed-tools": "GH032", "license": "GH033",
           "compatibility": "GH033"}
_LOADING = "GH040"  # gates below this one are about whether a file loads


class Verdict(NamedTuple):
    state: Literal["loads", "warnings", "dropped"]
    gates: tuple[str, ...] = ()  # why, sorted


def verdict(doc: Document, findings: Iterable[Finding], judge: Judge) -> dict[str, Verdict]:
    """By client. Empty for a file that is no skill: other kinds belong to one client each."""
    if doc.kind != "skill":
        return {}
    found = {finding.gate for finding in findings if finding.severity != "info" and finding.gate < _LOADING}
    return {name: _of(load(name, judge), doc, found) for name in CLIENTS}


def sentence(verdicts: Mapping[str, Verdict]) -> str:
    """One line for people, without the path: `Codex and Copilot drop it (GH003); elsewhere it loads`."""
    dropped = {schema(f"skill.{name}")["x-githarness"]["client"]: verdict.gates
               for name, verdict in verdicts.items() if verdict.state == "dropped"}
    warned = any(verdict.state == "warnings" for verdict in verdicts.values())
    rest = "it loads with warnings" if warned else "it loads"
    if not dropped:
        return rest
    clients = " and ".join(filter(None, (", ".join(list(dropped)[:-1]), list(dropped)[-1])))
    gates = ", ".join(sorted({gate for each in dropped.values() for gate in each}))
    return f"{clients} {'drop' if len(dropped) > 1 else 'drops'} it ({gates})" + (
        f"; elsewhere {rest}" if len(dropped) < len(verdicts) else "")


def folded(name: str) -> str:
    """The form in which two names are one: file systems and clients tell neither case nor width apart."""
    return unicodedata.normalize("NFKC", name.strip()).casefold()


def _of(client: Profile, doc: Document, found: set[str]) -> Verdict:
    rules, front = client.rules, doc.front
    kinds = {problem.kind for problem in front.problems} | ({"bom"} if doc.text.startswith("\ufeff") else set())
    broken = {_PROBLEMS[kind] for kind in kinds if kind in rules["breaks"]}
    wrong = _wrong(client, doc)
    dropped = broken | {_FIELDS.get(name, "GH030") for name in wrong & set(rules["drops"])} | found & set(rules["drops"])
    if dropped:
        return Verdict("dropped", tuple(sorted(dropped)))
    warned = found | {_FIELDS.get(name, "GH030") for name in wrong}
    return Verdict("warnings", tuple(sorted(warned))) if warned else Verdict("loads")


def _wrong(client: Profile, doc: Document) -> set[str]:
    """Fields that are missing, or whose value the client does not take."""
    file, front = client.file(doc.path, "skill"), doc.front
    wanted = set(schema(file).get("required", ()))
    if front.problems and not front.fields:  # who reads on where YAML stops takes lines of one key and one value
        return wanted - set(re.findall(r"^([\w-]+):", doc.text[front.start : front.close], re.MULTILINE))
    return wanted - front.fields.keys() | {name for name, field in front.fields.items() if client.wrong(file, field)}
