"""Every gate against its examples (`cases.py` says where they are and what form they have)."""

from __future__ import annotations

import pytest

from githarness.skills.catalogue import GATES
from githarness.skills.model import Gate
from tests.skills import cases
from tests.skills.cases import CASES

BY_ID = {gate.id: gate for gate in GATES}


def _gate(name: str) -> Gate:
    return BY_ID[name.split("/")[0]]


@pytest.mark.parametrize("name", [case for case in CASES if "/bad-" in case])
def test_a_bad_example_is_found(name: str) -> None:
    """At least one finding, each with a line of its file, a message and a fix in the house's grammar."""
    gate, case = _gate(name), cases.read(name)
    found = cases.found(gate, case)
    assert found
    for finding in found:
        assert 1 <= finding.line <= case.files[finding.path].count(b"\n") + 1
        assert finding.fix and finding.message
        assert not finding.message.endswith(".")


@pytest.mark.parametrize("name", [case for case in CASES if "/good-" in case])
def test_a_good_example_is_not_found(name: str) -> None:
    """None of that gate's findings."""
    assert cases.found(_gate(name), cases.read(name)) == []


@pytest.mark.parametrize("name", CASES)
def test_a_fix_silences_its_gate_and_rests(name: str) -> None:
    """After the fix the gate is silent, where the case does not say otherwise; a second fix changes nothing."""
    gate, case = _gate(name), cases.read(name)
    if gate.fix is None:
        return
    fixed = cases.fixed(gate, case)
    assert cases.fixed(gate, fixed).files == fixed.files
    if "/good-" in name:
        assert fixed.files == case.files
    elif case.unfixable:
        assert cases.found(gate, fixed)
    else:
        assert cases.found(gate, fixed) == []


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
