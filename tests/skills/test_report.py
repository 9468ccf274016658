"""Findings as text, annotations, JSON, JUnit and SARIF."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from githarness.skills import report
from githarness.skills.model import Finding, Found, Gate

FINDING = Finding("skills/a,b:c/SKILL.md", 3, "GH010", "error", "name 'A%\n' is bad", "name: a", "name: A\x1b[31m",
                  "f1")
GATE = Gate("GH010", "error", lambda _doc, _place: [Found(1, "", "")])


def test_text_names_place_gate_line_and_fix() -> None:
    """What a finding quotes cannot drive the terminal or look like a finding of its own."""
    assert report.text(FINDING) == (
        "skills/a,b:c/SKILL.md:3: GH010 error: name 'A%\\n' is bad\n    name: A\\x1b[31m\n    hint: name: a")


def test_annotation_is_one_line() -> None:
    """Commas and colons of a path do not end the property, percent signs and line feeds stand escaped."""
    assert report.github(FINDING) == (
        "::error file=skills/a%2Cb%3Ac/SKILL.md,line=3,title=GH010::name 'A%25%0A' is bad%0Ahint: name: a")


def test_sarif_has_rule_place_and_fingerprint() -> None:
    """A result points at its rule, at a URI that is one, and carries what survives a move."""
    run = report.sarif([FINDING], [GATE], title=lambda gate: f"about {gate.id}", explanation=lambda _: "why",
                       version="1.0.0")["runs"]
    assert isinstance(run, list)
    text = json.dumps(run[0])
    assert '"uri": "skills/a%2Cb%3Ac/SKILL.md"' in text
    assert '"partialFingerprints": {"githarness/v1": "f1"}' in text
    assert '"id": "GH010", "shortDescription": {"text": "about GH010"}, "help": {"text": "why"}' in text


def test_junit_has_a_case_for_each_finding_and_each_good_file() -> None:
    """Errors are failures, what is less is skipped; what XML cannot hold or would take for markup stands escaped."""
    odd = FINDING._replace(path='a"<\udcff\uffff>&.md', severity="warning")
    suite = ElementTree.fromstring(report.junit([FINDING, odd], ["good.md"]).encode())
    assert suite.attrib == {"name": "githarness", "tests": "3", "failures": "1", "errors": "0", "skipped": "1"}
    first, second, third = suite
    assert (first.attrib["name"], first.attrib["line"], first[0].tag) == ("GH010 line 3", "3", "failure")
    assert first[0].attrib["message"] == FINDING.message and "hint: name: a" in str(first[0].text)
    assert (second[0].tag, second.attrib["file"]) == ("skipped", 'a"<\\udcff?>&.md')
    assert (len(third), third.attrib["file"]) == (0, "good.md")


def test_info_is_a_note() -> None:
    """What GitHub calls a notice and SARIF a note."""
    note = FINDING._replace(severity="info")
    assert report.github(note).startswith("::notice ")
    assert '"level": "note"' in json.dumps(report.sarif([note], [GATE], title=str, explanation=str, version="1"))
