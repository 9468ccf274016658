"""Undoing steps where many lines are equal: who owns which is told by position alone."""

import random
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from githarness.git.reader import Reader
from githarness.lines import follow
from githarness.lines.history import Step, Steps
from githarness.lines.hunk import changes, split
from githarness.lines.undo import undo
from githarness.lines.weave import Weave
from tests.lines.woven import starts, undone, weave


@dataclass(eq=False)
class Ever:
    text: bytes
    ins: int
    dels: set[int] = field(default_factory=set)


class Stepwise(Weave):
    """Takes every version by itself, also where several could be one."""

    def _replay_runs(self, _selected: Steps) -> None:
        for step in range(self.history.head + 1):
            self._versions[step] = self._replayed(step, self._load(step))


def some_texts(rng: random.Random, count: int) -> list[bytes | None]:
    """Of few different lines, so that what comes is often equal to what has gone; now and then no final LF, no file."""
    now: list[bytes] = rng.choices([b"x\n", b"y\n", b"z\n"], k=rng.randint(0, 4))
    found: list[bytes | None] = []
    while len(found) < count:
        line, at, kind = rng.choice(b"xyz").to_bytes() + b"\n", rng.randint(0, len(now)), rng.random()
        if kind < 0.45:
            now.append(line)
        elif kind < 0.7:
            del now[-rng.randint(1, 2):]
        elif kind < 0.95:
            now[at:at + rng.randint(0, 1)] = [line]
        else:
            now.clear()
        text = b"".join(now)
        found.append(None if kind > 0.97 else text[:-1] if rng.random() < 0.1 else text)
    return found


def rolled_back(rng: random.Random, texts: list[bytes | None]) -> tuple[list[bytes | None], list[Step]]:
    """The same history with a rollback of some steps in its middle, and what came after it."""
    steps = [Step((number - 1,)) for number in range(len(texts) - 1)]
    at = rng.randrange(1, len(steps))
    undoes = frozenset(rng.sample(range(at), rng.randint(1, at)))
    steps[at] = Step((at - 1,), undoes)
    texts[at + 1] = undone(texts[0], texts[1:at + 1], sorted(undoes)).data
    return texts, steps


@pytest.mark.parametrize("seed", range(20))
def test_taking_steps_together_makes_no_difference(seed: int) -> None:
    """Whoever deletes and adds equal lines: the result is that of every version by itself, in 2,000 histories."""
    for number in range(100):
        rng = random.Random(f"{seed} {number}")
        texts = some_texts(rng, rng.randint(4, 13))
        texts, steps = rolled_back(rng, texts) if number % 3 == 0 else (texts, None)
        chosen = rng.sample(range(len(texts) - 1), rng.randint(1, 3))
        fast, slow = (undo(weave(texts[0], texts[1:], steps, chosen, kind=kind), chosen) for kind in (Weave, Stepwise))
        shown = [[(clash.ours, clash.theirs) for clash in one.clashes] for one in (fast, slow)]
        assert (fast.data, shown[0]) == (slow.data, shown[1]), (texts, steps, chosen)


@pytest.mark.parametrize("seed", range(20))
def test_what_nobody_touched_is_told_without_a_weave(seed: int) -> None:
    """The same text as by the weave, in 4,000 histories; in some hundred of them somebody else was in the way."""
    told = 0
    for number in range(200):
        rng = random.Random(f"{seed} {number}")
        texts = some_texts(rng, rng.randint(3, 9))
        texts = [b"".join(rng.sample([b"%d\n" % line for line in range(4)], 2)) + (text or b"") for text in texts
                 ] if number % 2 else texts
        chosen = frozenset(rng.sample(range(len(texts) - 1), rng.randint(1, 2)))
        made = weave(texts[0], texts[1:], None, sorted(chosen))
        data = follow.undone(made.history, [*texts[1:], texts[0]].__getitem__, chosen, hunks=Reader.hunks,
                             begins=lambda step, data, texts=texts: starts(texts[step + 1], data))
        if data is not None:
            told += 1
            assert (data, ()) == (undo(made, chosen).data, undo(made, chosen).clashes), (texts, chosen)
    assert told > 20


def plainly(versions: list[bytes], selected: Collection[int]) -> bytes | None:
    """What is left by a list of all lines ever; None where a line was replaced that goes. Version 0 is the base."""
    ever: list[Ever] = []
    seen: list[Ever] = []
    for who, (old, new) in enumerate(pairwise([b"", *versions]), -1):
        out, done = [], 0
        for start, end, new_start, new_end in changes(old, new, Reader.hunks):
            first, last = old.count(b"\n", 0, start), old.count(b"\n", 0, end)
            out, gone, done = out + seen[done:first], seen[first:last], last
            born = [Ever(text, who) for text in split(new[new_start:new_end])]
            if born and who not in selected and any(not {cell.ins, *cell.dels}.isdisjoint(selected) for cell in gone):
                return None
            above = (gone or out)[-1:] if start < len(old) or gone else ever[-1:]
            at = ever.index(above[0]) + 1 if above else 0
            ever[at:at] = born
            for cell in gone:
                cell.dels.add(who)
            out += born
        seen = out + seen[done:]
    return b"".join(cell.text for cell in ever if cell.ins not in selected and cell.dels.issubset(selected))


@pytest.mark.parametrize("seed", range(20))
def test_a_weave_is_a_list_of_all_lines_ever(seed: int) -> None:
    """The same text as by the plainest of ways, in 2,000 histories of few different lines."""
    for number in range(100):
        rng = random.Random(f"{seed} {number}")
        texts = [text if not text or text.endswith(b"\n") else text + b"\n"
                 for text in (text or b"" for text in some_texts(rng, rng.randint(4, 13)))]
        chosen = rng.sample(range(len(texts) - 1), rng.randint(1, 3))
        expected = plainly(texts, chosen)
        if expected is not None:
            found = undone(texts[0], texts[1:], chosen)
            assert (found.data, found.clashes) == (expected, ()), (texts, chosen)
