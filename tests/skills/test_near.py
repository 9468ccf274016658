"""Likeness: the estimate follows Jaccard's J, keys find near-duplicates, numbers stay the same everywhere."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys

import pytest

from githarness.skills import near

_WORDS = [first + second for first in ("ta", "re", "mo", "ki", "su", "lo") for second in ("ble", "der", "nal", "pto")]


def _text(seed: int, size: int) -> str:
    return " ".join(f"{random.Random(f'{seed}{at}').choice(_WORDS)}{random.Random(f'{at}{seed}').randrange(50)}"
                    for at in range(size))


def _changed(text: str, every: int) -> str:
    return " ".join("other" if at % every == 0 else word for at, word in enumerate(text.split(), 1))


def _jaccard(a: str, b: str) -> float:
    one, other = (set(zip(words, words[1:], words[2:], strict=False)) for words in (a.split(), b.split()))
    return len(one & other) / len(one | other)


@pytest.mark.parametrize("every", [20, 40, 80, 160])
@pytest.mark.parametrize("size", [300, 3000])
def test_likeness_estimates_jaccard(every: int, size: int) -> None:
    """Within three standard errors."""
    text = _text(1, size)
    other = _changed(text, every)
    assert near.likeness(near.signature(text), near.signature(other)) == pytest.approx(_jaccard(text, other), abs=0.13)


def test_the_same_words_are_wholly_alike() -> None:
    """Case, spaces and line ends do not count."""
    assert near.likeness(near.signature("Read the table\nnow"), near.signature("read  THE table now ")) == 1.0


def test_different_texts_are_not_alike() -> None:
    """No shared phrase, no likeness, no shared key."""
    one, other = near.signature(_text(1, 500)), near.signature(_text(2, 500))
    assert near.likeness(one, other) < 0.05
    assert not set(near.keys(one)) & set(near.keys(other))


@pytest.mark.parametrize("text", ["", "two words"])
def test_a_text_without_a_phrase_is_like_none(text: str) -> None:
    """Otherwise all empty skills were duplicates of each other."""
    assert near.likeness(near.signature(text), near.signature("")) == 0.0
    assert near.keys(near.signature(text)) == []


@pytest.mark.parametrize("size", [40, 400, 2000])
def test_near_duplicates_share_a_key(size: int) -> None:
    """Of 50 pairs with J of 0.8 or more, each is found by its keys."""
    for seed in range(50):
        text = _text(seed, size)
        other = _changed(text, 29)
        assert _jaccard(text, other) >= 0.8
        assert set(near.keys(near.signature(text))) & set(near.keys(near.signature(other)))


def test_few_far_texts_share_a_key() -> None:
    """Half of the phrases in common propose few pairs; keys that proposed all would make the lookup a scan."""
    pairs = [(_text(seed, 400), _changed(_text(seed, 400), 7)) for seed in range(60)]
    assert all(_jaccard(*pair) < 0.5 for pair in pairs)
    assert sum(bool(set(near.keys(near.signature(a))) & set(near.keys(near.signature(b)))) for a, b in pairs) < 30


def test_keys_fit_sqlite_and_the_signature_its_size() -> None:
    """Integers below 2**37, 504 bytes."""
    sketch = near.signature(_text(1, 900))
    assert len(sketch) == 504
    assert all(0 <= key < 2**37 for key in near.keys(sketch))


def test_signatures_are_the_same_in_every_process() -> None:
    """They are stored: a hash that differs between processes would match nothing tomorrow."""
    code = "import sys; from githarness.skills.near import *; sys.stdout.buffer.write(signature('read the wide table'))"
    runs = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env={"PYTHONHASHSEED": seed})
            .stdout for seed in ("1", "2")}
    assert runs == {near.signature("read the wide table")}
    assert hashlib.sha256(runs.pop()).hexdigest()[:12] == "4c6a27aef3d9"
