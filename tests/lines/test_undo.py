"""Undoing steps of a text's history: what goes, what comes back, what clashes."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from githarness.git.reader import Reader
from githarness.lines.history import BASE, History, Step
from githarness.lines.undo import Undone, undo
from githarness.lines.weave import Weave


def weave(base: bytes | None, versions: Sequence[bytes | None], steps: Sequence[Step] | None = None,
          selected: Sequence[int] = ()) -> Weave:
    texts = {BASE: base, **dict(enumerate(versions))}
    steps = steps or [Step((number - 1,)) for number in range(len(versions))]
    return Weave(History(steps), texts.__getitem__, hunks=Reader.hunks, selected=selected)


def undone(base: bytes | None, versions: Sequence[bytes | None], selected: Sequence[int],
           steps: Sequence[Step] | None = None) -> Undone:
    return undo(weave(base, versions, steps, selected), selected)


@dataclass
class Cell:
    """A line of the model: it is there for everybody but `ins`'s undoer, and not for those of `dels`."""

    text: bytes
    ins: str
    dels: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)


class Model:
    """What a text is, told by the edits themselves: no differences are taken, positions are those of visible lines."""

    def __init__(self, rng: random.Random, *, own_only: bool = False) -> None:
        self.rng = rng
        self.own_only = own_only
        self.serial = 0
        self.cells: list[Cell] = []
        self.visible = [self.cell("base") for _ in range(rng.randint(0, 6))]
        self.orders: list[list[bytes]] = []
        self.base = self.text()

    def cell(self, who: str) -> Cell:
        self.serial += 1
        made = Cell(b"%d %x" % (self.serial, self.rng.getrandbits(60)), who)
        self.cells.append(made)
        return made

    def text(self) -> bytes:
        self.orders.append([cell.text for cell in self.visible])
        return b"".join(cell.text + b"\n" for cell in self.visible)

    def edit(self, who: str) -> bytes:
        at = self.rng.randint(0, len(self.visible))
        kind = self.rng.choice(["insert", "append", "delete", "replace"])
        count = 0 if kind in ("insert", "append") else self.rng.randint(1, 3)
        if kind == "append":
            at = len(self.visible)
        old = self.visible[at : at + count]
        if kind == "replace" and self.own_only and any(cell.ins not in (who, "base") for cell in old):
            old = []
        new = [] if kind == "delete" else [self.cell(who) for _ in range(self.rng.randint(1, 3))]
        for cell in old:
            cell.dels.add(who)
            if new:
                cell.replaced.add(who)
        self.visible[at : at + len(old)] = new
        return self.text()

    def without(self, who: str) -> set[bytes]:
        return {cell.text for cell in self.cells if cell.ins != who and not cell.dels - {who}}

    def may_clash(self, who: str) -> bool:
        return any(cell.ins == who and cell.replaced - {who} for cell in self.cells)


def check(model: Model, result: Undone, who: str) -> None:
    lines = result.data.splitlines()
    assert len(set(lines)) == len(lines)
    assert set(lines) == model.without(who)
    place = {line: number for number, line in enumerate(lines)}
    for order in model.orders:
        places = [place[line] for line in order if line in place]
        assert all(one < other for one, other in pairwise(places)), (lines, order)


@pytest.mark.parametrize("seed", range(150))
def test_undoing_one_agent_is_the_replay_of_the_others(seed: int) -> None:
    """Whatever several agents insert, delete and replace: without one of them, the lines are those of all others."""
    rng = random.Random(seed)
    model = Model(rng)
    whos = [rng.choice("abc") for _ in range(rng.randint(1, 25))]
    versions = [model.edit(who) for who in whos]
    result = undone(model.base, versions, [number for number, who in enumerate(whos) if who == "a"])
    if not model.may_clash("a"):
        assert not result.clashes
    if not result.clashes:
        check(model, result, "a")


@pytest.mark.parametrize("seed", range(100))
def test_nobody_who_leaves_others_lines_alone_clashes(seed: int) -> None:
    """Insertions anywhere, appends, deletions of anything and replacements of one's own lines never clash."""
    rng = random.Random(seed)
    model = Model(rng, own_only=True)
    whos = [rng.choice("abcd") for _ in range(25)]
    versions = [model.edit(who) for who in whos]
    result = undone(model.base, versions, [number for number, who in enumerate(whos) if who == "a"])
    assert not result.clashes
    check(model, result, "a")
