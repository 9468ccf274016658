"""Examples of the gates, for the tests and docs/gates.md.

`examples/GHNNN/{bad,good}-WORDS/` is the root of a tiny repository each.

What git cannot hold well is written by the case's `case.json`, which is no file of the repository itself:

    {"files": [{"path": "skills/x/SKILL.md", "text": "JSON \\u0000 escapes" or "hex": "efbbbf", "mode": "100755",
                "link": "target", "repeat": 1000}],
     "path": ..., "text": ...           the same for one file, without the list
     "near": true,                      every other skill of the case is a near-duplicate
     "unfixable": true}                 bad, and the gate's fix does not mend it
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple, NotRequired, TypedDict

from githarness.skills.document import Document, kind_of
from githarness.skills.judge import applies, judge
from githarness.skills.model import Finding, Gate, Neighbour, Place
from tests.skills.fakes import document, place

EXAMPLES = Path(__file__).parent / "examples"
CASES = sorted(f"{folder.parent.name}/{folder.name}" for folder in EXAMPLES.glob("GH*/*"))


class Entry(TypedDict):
    path: str
    text: NotRequired[str]
    hex: NotRequired[str]
    mode: NotRequired[str]
    link: NotRequired[str]
    repeat: NotRequired[int]


class Case(NamedTuple):
    files: dict[str, bytes]
    modes: dict[str, str]
    unfixable: bool
    near: bool = False


@cache
def read(name: str) -> Case:
    root = EXAMPLES / name
    files: dict[str, bytes] = {}
    modes: dict[str, str] = {}
    for path in sorted(root.rglob("*")):
        where = path.relative_to(root).as_posix()
        if where != "case.json" and path.is_file():
            files[where] = path.read_bytes()
            modes[where] = "100755" if path.stat().st_mode & 0o100 else "100644"
    spec = json.loads((root / "case.json").read_text()) if (root / "case.json").exists() else {}
    for entry in spec.get("files", [spec] if "path" in spec else []):
        files[entry["path"]] = _bytes(entry)
        modes[entry["path"]] = "120000" if "link" in entry else entry.get("mode", "100644")
    return Case(files, modes, bool(spec.get("unfixable")), bool(spec.get("near")))


def _around(case: Case) -> Place:
    def near(doc: Document) -> list[Neighbour]:
        return [Neighbour(path, 0.9) for path in case.files if path != doc.path and kind_of(path) == "skill"]

    return place(case.files, modes=case.modes, near=near if case.near else None)


def _bytes(entry: Entry) -> bytes:
    text = entry.get("link", entry.get("text", ""))
    data = bytes.fromhex(entry["hex"]) if "hex" in entry else text.encode()
    return data * entry.get("repeat", 1)


def found(gate: Gate, case: Case) -> list[Finding]:
    around = _around(case)
    documents = [document(path, data) for path, data in sorted(case.files.items()) if kind_of(path)]
    return [finding for doc in documents for finding in judge(doc, around, [gate])]


def fixed(gate: Gate, case: Case) -> Case:
    assert gate.fix is not None
    around = _around(case)
    files = dict(case.files)
    for path, data in case.files.items():
        if kind_of(path) and applies(gate, doc := document(path, data)):
            files[path] = gate.fix(doc, around)
    return case._replace(files=files)
