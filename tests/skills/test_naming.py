"""Valid names, the nearest valid name, and slips of the finger; and gates that judge by a client's own rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from githarness.skills import profiles
from githarness.skills.gates import gh010, gh030, gh032
from githarness.skills.judge import judge as judge_by
from githarness.skills.model import Gate
from githarness.skills.naming import is_valid, one_slip, slug
from githarness.skills.schemas import judge
from tests.skills.fakes import document, place

FRONT = "---\n{}description: Use when a PDF holds tables.\n{}---\n\nRead it.\n"
PATH = "skills/demo/SKILL.md"


@given(st.text())
def test_a_slug_is_a_valid_name_or_nothing(text: str) -> None:
    """Whatever it is made from; and of a valid name it is that name."""
    made = slug(text)
    assert not made or (is_valid(made) and slug(made) == made)


@given(st.text("abc", min_size=1, max_size=6), st.integers(0, 5), st.sampled_from("abc"))
def test_one_slip_leads_there_and_back(word: str, at: int, letter: str) -> None:
    """A letter added, left out, replaced or swapped is one slip, seen from either side."""
    head, tail = word[:at], word[at:]
    for other in (head + letter + tail, head + tail[1:], head + letter + tail[1:], head + tail[1::-1] + tail[2:]):
        assert one_slip(word, other) and one_slip(other, word), other


@pytest.mark.parametrize("other", ["frontend-dezing", "frnotend-desing", "design-frontend", "frontend"])
def test_two_slips_are_no_slip(other: str) -> None:
    """Two letters, two swaps, or another order of words."""
    assert not one_slip("frontend-design", other)


CASES = [
    (gh010.GATE, "", "", {"agentskills", "copilot", "gemini", "cursor"}),  # a name is wanted
    (gh030.GATE, "name: demo\n", "version: '1'\n", {"agentskills"}),  # the others ignore what they do not know
    (gh030.GATE, "name: demo\n", "user_invocable: false\n", {"agentskills", "claude-code", "copilot", "openclaw"}),
    (gh032.GATE, "name: demo\n", "allowed-tools: Read, Grep\n", {"agentskills"}),  # Claude Code takes commas too
    (gh032.GATE, "name: demo\n", "allowed-tools: [Read]\n", {"agentskills"}),
]


@pytest.mark.parametrize(("gate", "name", "more", "strict"), CASES)
def test_a_gate_judges_by_the_profile(gate: Gate, name: str, more: str, strict: set[str]) -> None:
    """The same file is wrong for those clients that want it otherwise."""
    data = FRONT.format(name, more).encode()
    found = {client for client in profiles.NAMES
             if judge_by(document(PATH, data), place({PATH: data}, profile=profiles.load(client, judge)), [gate])}
    assert found == strict
