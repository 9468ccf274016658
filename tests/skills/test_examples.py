"""Every gate against its examples: `examples/GHNNN/{bad,good}-WORDS/` is the root of a tiny repository each.

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

import pytest

from githarness.skills.catalogue import GATES
from githarness.skills.document import Document, kind_of
from githarness.skills.judge import applies, judge
from githarness.skills.model import Finding, Gate, Neighbour, Place
from tests.skills.fakes import document, place

EXAMPLES = Path(__file__).parent / "examples"
BY_ID = {gate.id: gate for gate in GATES}
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
def _case(name: str) -> Case:
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


def _found(gate: Gate, case: Case) -> list[Finding]:
    around = _around(case)
    documents = [document(path, data) for path, data in sorted(case.files.items()) if kind_of(path)]
    return [finding for doc in documents for finding in judge(doc, around, [gate])]


def _fixed(gate: Gate, case: Case) -> Case:
    assert gate.fix is not None
    around = _around(case)
    files = dict(case.files)
    for path, data in case.files.items():
        if kind_of(path) and applies(gate, doc := document(path, data)):
            files[path] = gate.fix(doc, around)
    return case._replace(files=files)


def _gate(name: str) -> Gate:
    return BY_ID[name.split("/")[0]]


@pytest.mark.parametrize("name", [case for case in CASES if "/bad-" in case])
def test_a_bad_example_is_found(name: str) -> None:
    """At least one finding, each with a line of its file, a message and a fix in the house's grammar."""
    gate, case = _gate(name), _case(name)
    found = _found(gate, case)
    assert found
    for finding in found:
        assert 1 <= finding.line <= case.files[finding.path].count(b"\n") + 1
        assert finding.fix and finding.message
        assert not finding.message.endswith(".")


@pytest.mark.parametrize("name", [case for case in CASES if "/good-" in case])
def test_a_good_example_is_not_found(name: str) -> None:
    """None of that gate's findings."""
    assert _found(_gate(name), _case(name)) == []


@pytest.mark.parametrize("name", CASES)
def test_a_fix_silences_its_gate_and_rests(name: str) -> None:
    """After the fix the gate is silent, where the case does not say otherwise; a second fix changes nothing."""
    gate, case = _gate(name), _case(name)
    if gate.fix is None:
        return
    fixed = _fixed(gate, case)
    assert _fixed(gate, fixed).files == fixed.files
    if "/good-" in name:
        assert fixed.files == case.files
    elif case.unfixable:
        assert _found(gate, fixed)
    else:
        assert _found(gate, fixed) == []


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.id)
def test_a_gate_has_both_kinds_of_examples(gate: Gate) -> None:
    """A gate without a bad and a good example is not done."""
    names = [case for case in CASES if case.startswith(f"{gate.id}/")]
    assert any("/bad-" in name for name in names)
    assert any("/good-" in name for name in names)


def test_the_examples_are_of_gates() -> None:
    """Folders are GHNNN/{bad,good}-WORDS, of a gate in the catalogue: another name would never run."""
    assert {name.split("/")[0] for name in CASES} <= BY_ID.keys()
    assert all(name.split("/")[1].startswith(("bad-", "good-")) for name in CASES)
