"""Texts that tell globs apart, held against a search through all short texts."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from githarness import paths
from githarness.policy import globs

PARTS = ("a", "b", "*", "?", "**", "a*", "*b", "ab", "a?")
SHORT = ["".join(text) for length in range(1, 6) for text in product("ab/x", repeat=length)]
SHORT = [text for text in SHORT if text[0] != "/" and text[-1] != "/" and "//" not in text]


def _answers(text: str, inside: list[str], outside: list[str]) -> bool:
    return (all(paths.matches(glob, text) for glob in inside)
            and not any(paths.matches(glob, text) for glob in outside))


@pytest.mark.parametrize("seed", range(60))
def test_a_witness_is_one_and_is_found_where_there_is_one(seed: int) -> None:
    """Of two globs: inside of both, and of the one but not the other."""
    rng = Random(seed)
    one, other = ("/".join(rng.choice(PARTS) for _ in range(rng.randint(1, 3))) for _ in range(2))
    for inside, outside in (([one], [other]), ([one, other], [])):
        found = globs.witness(inside, outside)
        if found is None:
            assert not any(_answers(text, inside, outside) for text in SHORT)
        else:
            assert _answers(found, inside, outside) and globs.is_path(found)


@pytest.mark.parametrize(("glob", "by", "covered"), [
    ("docs/a.md", ["docs/*"], True), ("docs/**", ["docs/*"], False), ("**", ["*", "*/**"], True), ("a", ["b"], False),
    ("a/*/c", ["a/**"], True), ("*", ["?*"], True), ("[ab]", ["?"], False), ("ci-*", ["ci-?*", "ci-"], True)])
def test_what_is_covered(glob: str, by: list[str], covered: bool) -> None:
    """Also by several together."""
    assert globs.covered(glob, by) == covered


def test_what_cannot_be_told_is_not_covered() -> None:
    """A search that is given up proves nothing."""
    assert not globs.covered("*".join("abcdefgh"), ["*".join("abcdefgh"[::-1]), "?" * 300])
