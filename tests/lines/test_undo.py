"""Undoing steps of a text's history: what goes, what comes back, what clashes."""

import random
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from itertools import pairwise

import pytest

from githarness.git.reader import Reader
from githarness.lines.history import BASE, History, Step
from githarness.lines.undo import Undone, undo
from githarness.lines.weave import Weave
from tests.lines.woven import undone


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


@pytest.mark.parametrize("seed", range(80))
def test_undoing_a_rollback_restores_the_text(seed: int) -> None:
    """A rollback and its rollback, with or without other edits between, leave what would be there without both."""
    rng = random.Random(seed)
    model = Model(rng, own_only=True)
    whos = [rng.choice("abc") for _ in range(12)]
    versions = [model.edit(who) for who in whos]
    mine = [number for number, who in enumerate(whos) if who == "a"]
    steps = [Step((number - 1,)) for number in range(12)] + [Step((11,), frozenset(mine))]
    versions.append(undone(model.base, versions, mine).data)
    assert undone(model.base, versions, [12], steps).data == versions[11]
    later = versions[12] + b"later\n"
    again = undone(model.base, [*versions, later], [12], [*steps, Step((12,))])
    assert set(again.data.splitlines()) == {*versions[11].splitlines(), b"later"}
    assert undone(model.base, [*versions, later], [*mine, 12], [*steps, Step((12,))]).data == later


TALE = [
    ("a line changed and changed again", b"x\n", [b"y\n", b"z\n"], [0], None),
    ("a line changed and then deleted", b"a\nx\n", [b"a\ny\n", b"a\n"], [0], b"a\nx\n"),
    ("a line inserted and then deleted", b"a\n", [b"a\ny\n", b"a\n"], [0], b"a\n"),
    ("a neighbour inserted", b"a\nb\n", [b"a\nx\nb\n", b"a\nx\ny\nb\n"], [0], b"a\ny\nb\n"),
    ("a neighbour changed", b"a\nb\n", [b"A\nb\n", b"A\nB\n"], [0], b"a\nB\n"),
    ("equal lines", b"", [b"tick\n", b"tick\ntick\n", b"tick\ntick\ntick\n"], [0, 2], b"tick\n"),
    ("an equal line added where one was deleted", b"tick\n", [b"", b"tick\n"], [0], b"tick\ntick\n"),
    ("deleted by another and added again by a third", b"a\n", [b"a\nx\n", b"a\n", b"a\nx\n"], [0], b"a\nx\n"),
    ("the same, and more", b"a\n", [b"a\nx\ny\n", b"a\n", b"a\nx\n", b"a\nx\ny\nz\n"], [0], b"a\nx\ny\nz\n"),
    ("emptied by another and filled again", b"", [b"x\n", b"", b"x\n"], [0], b"x\n"),
    ("replaced by another and by a third as it was", b"a\n", [b"a\nx\n", b"a\nlong\n", b"a\nx\nz\n"], [0], None),
    ("repaired by hand", b"a\nx\nb\n", [b"a\ny\nb\n", b"a\nx\nb\n"], [0], b"a\nx\nb\n"),
    ("a final newline added by an append", b"a", [b"a\nb\n"], [0], b"a"),
    ("appended to a text without a final newline", b"a", [b"a\nb\n", b"a\nb\nc\n"], [0], b"a\nc\n"),
    ("a final newline taken away", b"a\n", [b"a", b"a\nb\n"], [0], b"a\nb\n"),
    ("a final newline added, then appended", b"a", [b"a\n", b"a\nb\n", b"a\nb\nc\n"], [2], b"a\nb\n"),
    ("a log cut short and continued", b"1\n2\n", [b"1\n", b"1\n3\n"], [0], b"1\n2\n3\n"),
    ("line ends converted", b"a\nb\n", [b"a\r\nb\r\n", b"a\r\nb\r\nc\n"], [0], b"a\nb\nc\n"),
    ("a text without newlines emptied", b"a", [b""], [0], b"a"),
    ("a file deleted", b"a\nb", [None], [0], b"a\nb"),
    ("a file created, and others' lines in it", None, [b"a\n", b"a\nb\n"], [0], b"b\n"),
    ("a file deleted and made anew", b"a\n", [None, b"a\n"], [0], b"a\n"),
    ("a file emptied, then deleted by another", b"a\n", [b"", None], [0], b""),
]


@pytest.mark.parametrize(("base", "versions", "selected", "result"), [row[1:] for row in TALE],
                         ids=[row[0] for row in TALE])
def test_undone_text(base: bytes | None, versions: list[bytes | None], selected: list[int], result: bytes | None,
                     ) -> None:
    """What is left of a text without the selected steps; None: they clash."""
    found = undone(base, versions, selected)
    assert (None if found.clashes else found.data) == result


def test_a_clash_tells_both_sides_and_the_steps() -> None:
    """The text as it is, the text as it was before, and everybody who built on the selected line."""
    found = undone(b"a\nstock 10\nb\n", [b"a\nstock 9\nb\n", b"a\nstock 8\nb\n", b"a\nstock 7\nb\n"], [0])
    assert [(clash.steps, clash.ours, clash.theirs) for clash in found.clashes] == [
        ((0, 1, 2), b"stock 7\n", b"stock 10\n")]


def test_a_line_deleted_in_a_rewritten_paragraph_is_not_replaced() -> None:
    """Where each new line stems from one that stays, the line beside it was merely deleted."""
    base, mine = b"the first sentence\n", b"the first sentence\nZZZ 123\n"
    assert undone(base, [mine, b"the first sentence, longer\n"], [0]).data == b"the first sentence, longer\n"
    assert undone(base, [mine, b"ZZZ 1234\n"], [0]).clashes


def test_undoing_a_rollback_clashes_where_restored_lines_were_replaced() -> None:
    """Somebody built on what the rollback brought back."""
    steps = [Step((BASE,)), Step((0,), frozenset({0})), Step((1,))]
    found = undone(b"x\n", [b"y\n", b"x\n", b"z\n"], [1], steps)
    assert [(clash.steps, clash.ours, clash.theirs) for clash in found.clashes] == [((0, 2), b"z\n", b"y\n")]


def test_what_a_person_put_back_is_not_doubled() -> None:
    """A restored version revives its lines: undoing the deletion of them changes nothing."""
    steps = [Step((BASE,)), Step((0,), like=BASE), Step((1,))]
    versions = [b"a\n", b"a\nb\nc\n", b"a\nb\nc\nd\n"]
    assert undone(b"a\nb\nc\n", versions, [0], steps).data == versions[2]
    assert undone(b"a\nb\nc\n", versions, [1], steps).data == b"a\nd\n"
    assert undone(b"a\nb\nc\n", versions, [0, 1], steps).data == versions[2]


MERGE = [Step((BASE,)), Step((BASE,)), Step((0, 1))]


@pytest.mark.parametrize(("merged", "without"), [
    (b"a\nm\ns\nb\n", b"a\nm\nb\n"), (b"a\ns\nm\nb\n", b"a\nm\nb\n"), (b"a\nm\ns\nown\nb\n", b"a\nm\nown\nb\n"),
    (b"a\nm\nb\n", b"a\nm\nb\n"),
])
def test_lines_of_a_merged_branch_are_its_own(merged: bytes, without: bytes) -> None:
    """Step 0 came by the main line, step 1 by a branch: undoing 1 leaves 0's lines and the merge's, in any order."""
    versions = [b"a\nm\nb\n", b"a\ns\nb\n", merged]
    assert undone(b"a\nb\n", versions, [1], MERGE).data == without


def test_a_merge_that_settles_a_conflict_replaced_both_sides() -> None:
    """The settled line is the merge's own, so undoing one side clashes and names the merge."""
    found = undone(b"10\n", [b"9\n", b"8\n", b"7\n"], [1], MERGE)
    assert [(clash.steps, clash.ours) for clash in found.clashes] == [((1, 2), b"7\n")]


def test_a_deletion_on_a_branch_is_undone_after_the_merge() -> None:
    """The merge took over the branch's deletion: it is the branch's, not the merge's."""
    versions = [b"a\nx\nb\nm\n", b"a\nb\n", b"a\nb\nm\n"]
    assert undone(b"a\nx\nb\n", versions, [1], MERGE).data == b"a\nx\nb\nm\n"


def test_long_runs_of_appends_read_few_versions() -> None:
    """A log is read where it changes hands, not once per commit."""
    versions = [b"".join(b"line %d\n" % line for line in range(number + 1)) for number in range(400)]
    read = []
    history = History([Step((number - 1,)) for number in range(400)])

    def load(step: int) -> bytes:
        read.append(step)
        return versions[step] if step >= 0 else b""

    made = Weave(history, load, hunks=Reader.hunks, begins=lambda step, _: len(versions[step]) if step >= 0 else 0,
                  selected=[100, 300])
    assert undo(made, [100, 300]).data == versions[-1].replace(b"line 100\n", b"").replace(b"line 300\n", b"")
    assert len(read) < 12


def merged(model: Model, main: list[Cell], side: list[Cell], fork: list[Cell]) -> list[Cell]:
    """What both kept and what either added, in some order that no version contradicts."""
    together = {cell.text for cell in main + side if (cell in main and cell in side) or cell not in fork}
    orders = TopologicalSorter[bytes]()
    for cell in model.rng.sample(model.cells, len(model.cells)):
        orders.add(cell.text)
    for one, other in {pair for order in model.orders for pair in pairwise(order)}:
        orders.add(other, one)
    by_text = {cell.text: cell for cell in model.cells}
    return [by_text[text] for text in orders.static_order() if text in together]


@pytest.mark.parametrize("seed", range(120))
def test_branches_and_merges_keep_whose_line_is_whose(seed: int) -> None:
    """Histories with branches that are merged: without one agent, the lines are those of all others.

    Of the order only head's is held: merges may contradict what an earlier version says about lines that are gone.
    """
    rng = random.Random(seed)
    model, whos, versions, steps = Model(rng, own_only=True), [], [], []

    def edits(parent: int, count: int) -> int:
        for _ in range(count):
            whos.append(rng.choice("abc"))
            versions.append(model.edit(whos[-1]))
            steps.append(Step((parent,)))
            parent = len(steps) - 1
        return parent

    last = edits(BASE, rng.randint(0, 4))
    for _ in range(2):
        fork = list(model.visible)
        main_tip = edits(last, rng.randint(1, 4))
        main, model.visible = list(model.visible), list(fork)
        side_tip = edits(last, rng.randint(1, 4))
        model.visible = merged(model, main, model.visible, fork)
        whos.append("merge")
        versions.append(model.text())
        steps.append(Step((main_tip, side_tip)))
        last = edits(len(steps) - 1, rng.randint(0, 3))
    result = undone(model.base, versions, [number for number, who in enumerate(whos) if who == "a"], steps)
    assert not result.clashes
    model.orders = model.orders[-1:]
    check(model, result, "a")
