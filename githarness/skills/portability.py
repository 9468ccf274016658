"""What each client makes of a skill: it loads, it loads with warnings, or the client drops it; and by which gates.

From the frontmatter, the findings and the clients' own rules (`x-githarness` of their schemas): no client is asked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Literal, NamedTuple

from githarness.skills.document import Document, kind_of
from githarness.skills.frontmatter import Field
from githarness.skills.model import Finding
from githarness.skills.profiles import NAMES, Judge, Schema, fits, schema, trimmed

CLIENTS = NAMES[1:]
_PROBLEMS = {"absent": "GH003", "unclosed": "GH003", "late": "GH003", "fenced": "GH003", "not-mapping": "GH003",
             "large": "GH004", "deep": "GH004", "alias": "GH004", "many": "GH004", "syntax": "GH005",
             "duplicate": "GH007", "anchor": "GH007", "tag": "GH007", "merge": "GH007", "bom": "GH002"}
_FIELDS = {"name": "GH010", "description": "GH020", "metadata": "GH031"}
_LOADING = "GH040"  # gates below this one are about whether a file loads


class Verdict(NamedTuple):
    state: Literal["loads", "warnings", "dropped"]
    gates: tuple[str, ...] = ()  # why, sorted


def verdict(doc: Document, findings: Iterable[Finding], judge: Judge) -> dict[str, Verdict]:
    """By client. Empty for a file that is no skill: other kinds belong to one client each."""
    if doc.kind != "skill":
        return {}
    found = frozenset(finding.gate for finding in findings if finding.severity != "info" and finding.gate < _LOADING)
    if _is_ordinary(doc) and not any(found & _client(name).drops for name in CLIENTS):
        return dict.fromkeys(CLIENTS, _loaded(found))
    return {name: _of(name, doc, found, judge) for name in CLIENTS}


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
    return name.strip().lower() if name.isascii() else unicodedata.normalize("NFKC", name.strip()).casefold()


def named_after(path: str) -> str:
    """The name that a skill has by its place (GH011), as names are compared."""
    folder = path.rpartition("/")[0].rpartition("/")[2]
    return folded(folder if folder.isascii() else folder.encode("utf-8", "replace").decode())


def by_name(paths: Iterable[str]) -> dict[str, list[str]]:
    """The skills among `paths` by their names, so that no file needs to be read to find two of one name."""
    found: dict[str, list[str]] = {}
    for path in paths:
        if path[-8:].lower() == "skill.md" and kind_of(path) == "skill":
            found.setdefault(named_after(path), []).append(path)
    return found


class _Client(NamedTuple):
    breaks: frozenset[str]
    drops: frozenset[str]
    wanted: frozenset[str]
    fields: Mapping[str, Schema]  # those whose value decides


@cache
def _client(name: str) -> _Client:
    known = schema(f"skill.{name}")
    drops = frozenset(known["x-githarness"]["drops"])
    fields = {field: shape for field, shape in known["properties"].items() if field in drops}
    return _Client(frozenset(known["x-githarness"]["breaks"]), drops, frozenset(known.get("required", ())), fields)


def _of(name: str, doc: Document, found: frozenset[str], judge: Judge) -> Verdict:
    client = _client(name)
    wrong = _missing(client, doc) | {
        field for field, shape in client.fields.items()
        if field in doc.front.fields and _refuses(f"skill.{name}", shape, doc.front.fields[field], judge)}
    broken = {_PROBLEMS[kind] for kind in _kinds(doc) & client.breaks}
    if dropped := broken or {_FIELDS[field] for field in wrong & client.drops} | found & client.drops:
        return Verdict("dropped", tuple(sorted(dropped)))
    return _loaded(found | {_FIELDS[field] for field in wrong})


def _loaded(warned: frozenset[str]) -> Verdict:
    return Verdict("warnings", tuple(sorted(warned))) if warned else Verdict("loads")


def _is_ordinary(doc: Document) -> bool:
    """Whether nothing in the block can make a client differ: what the specification takes, all take."""
    fields, known = doc.front.fields, schema("skill.agentskills")["properties"]
    nested = fields.get("metadata")
    return not _kinds(doc) and (nested is None or fits(schema("skill.codex")["properties"]["metadata"], nested.value)) \
        and all(name in fields and fits(known[name], trimmed(fields[name].value)) for name in ("name", "description"))


def _kinds(doc: Document) -> set[str]:
    bom = {"bom"} if doc.text.startswith("\ufeff") else set()
    return {problem.kind for problem in doc.front.problems} | bom


def _missing(client: _Client, doc: Document) -> frozenset[str]:
    front = doc.front
    if front.problems and not front.fields:  # who reads on where YAML stops takes lines of one key and one value
        return client.wanted.difference(re.findall(r"^([\w-]+):", doc.text[front.start : front.close], re.MULTILINE))
    return client.wanted.difference(front.fields)


def _refuses(file: str, shape: Schema, field: Field, judge: Judge) -> bool:
    value = trimmed(field.value)
    return not fits(shape, value) and bool(judge(file, field.name, value))
