"""Rollback as a property: whatever several agents do to several files, undoing one is the replay of the others."""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from tests.work.ledger import Ledger, rename

AGENTS = "abc"


@dataclass(eq=False)
class Cell:
    """A line, who inserted it, and who deleted it."""

    text: bytes
    ins: str
    dels: set[str] = field(default_factory=set)


@dataclass(eq=False)
class Document:
    """A file told by its edits: the names that it was given, its lines as they are seen, all that it ever had."""

    names: list[tuple[str, str]]  # who gave it, the name
    visible: list[Cell]
    cells: list[Cell]
    orders: list[list[bytes]] = field(default_factory=list)
    gone: list[Cell] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.names[-1][1]

    def text(self) -> bytes:
        self.orders.append([cell.text for cell in self.visible])
        return b"".join(cell.text + b"\n" for cell in self.visible)

    def without(self, who: str) -> tuple[str, list[bytes]]:
        name = next(name for giver, name in reversed(self.names) if giver != who)
        return name, sorted(cell.text for cell in self.cells if cell.ins != who and not cell.dels - {who})

    def again(self) -> bytes | None:
        """The text of the line that was taken out last, unless it is there."""
        there = {cell.text for cell in self.visible}
        return next((cell.text for cell in self.gone[-1:] if cell.text not in there), None)


class World:
    """Agents that insert, append, delete, add again, replace their own and the first lines, rename: one commit each."""

    def __init__(self, ledger: Ledger, rng: random.Random) -> None:
        self.ledger, self.rng, self.serial = ledger, rng, 0
        self.documents = [self.document(f"docs/{number}.md") for number in range(3)]
        ledger.commit(None, {one.name: one.text() for one in self.documents})

    def document(self, name: str) -> Document:
        cells = [self.cell("base") for _ in range(self.rng.randint(2, 6))]
        return Document([("base", name)], list(cells), list(cells))

    def cell(self, who: str) -> Cell:
        self.serial += 1
        return Cell(b"%d %x" % (self.serial, self.rng.getrandbits(50)), who)

    def act(self, who: str) -> None:
        one = self.rng.choice(self.documents)
        old = one.name
        if self.rng.random() < 0.15:
            self.serial += 1
            one.names.append((who, f"moved/{self.serial}.md"))
        if one.name == old or self.rng.random() < 0.5:
            self.edit(one, who)
        text = one.text()
        if one.name == old:
            self.ledger.commit(who, {old: text})
        else:
            self.ledger.commit(who, {old: None, one.name: text}, trailers=rename(old, one.name))

    def edit(self, one: Document, who: str) -> None:
        at = self.rng.randint(0, len(one.visible))
        kind = self.rng.choice(["insert", "append", "delete", "cut", "again", "replace"])
        at = len(one.visible) - (kind == "cut") if kind in ("append", "cut", "again") else at
        gone = one.visible[at:at + self.rng.randint(1, 3)] if kind in ("delete", "cut", "replace") else []
        if kind == "replace" and any(cell.ins not in ("base", who) for cell in gone):
            gone = []
        new = [] if kind in ("delete", "cut") else [self.cell(who) for _ in range(self.rng.randint(1, 3))]
        new[:1] = [Cell(text, who)] if kind == "again" and (text := one.again()) else new[:1]
        for cell in gone:
            cell.dels.add(who)
        one.gone += gone
        one.visible[at:at + len(gone)] = new
        one.cells += new


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "repo")
    yield made
    made.close()


def check(world: World, who: str) -> None:
    texts = world.ledger.texts()
    assert len(texts) == len(world.documents)
    for document in world.documents:
        name, expected = document.without(who)
        lines = texts[name].splitlines()
        assert sorted(lines) == expected
        once = Counter(cell.text for cell in document.cells)
        place = {line: number for number, line in enumerate(lines) if once[line] == 1}
        for order in document.orders:
            assert all(one < other for one, other in pairwise(place[line] for line in order if line in place))


def some_world(ledger: Ledger, seed: int, *, length: int = 30) -> World:
    rng = random.Random(seed)
    world = World(ledger, rng)
    for _ in range(length):
        world.act(rng.choice(AGENTS))
    return world


@pytest.mark.parametrize("seed", range(12))
def test_undoing_one_agent_is_the_replay_of_everybody_else(ledger: Ledger, seed: int) -> None:
    """No clash, and the lines and names are those of all others; undoing that gives the tree back."""
    world = some_world(ledger, seed)
    before = ledger.tree()
    ledger.undo(agent="a")
    check(world, "a")
    ledger.undo(commits=(ledger.head,))
    assert ledger.tree() == before


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 600))
def test_undoing_one_agent_many_times_over(ledger: Ledger, seed: int) -> None:
    """The same over many seeds and longer histories."""
    world = some_world(ledger, seed, length=seed % 90)
    before = ledger.tree()
    if ledger.plan(agent="a").rows:
        ledger.undo(agent="a")
        check(world, "a")
        ledger.undo(commits=(ledger.head,))
    assert ledger.tree() == before


@pytest.mark.parametrize("seed", range(4))
def test_undoing_agents_one_after_the_other_leaves_the_beginning(ledger: Ledger, seed: int) -> None:
    """Rollbacks add up: in any order, all of them together are the first commit's tree."""
    some_world(ledger, 50 + seed)
    order = random.Random(seed).sample(AGENTS, 3)
    for who in order:
        ledger.undo(agent=who)
    assert ledger.tree() == ledger.tree(1)


def test_git_revert_conflicts_where_rollback_does_not(ledger: Ledger, tmp_path: Path) -> None:
    """Negative control: on an interleaved log git's three-way merge stops at the neighbours' lines."""
    log = b""
    for number in range(8):
        log += b"entry %d\n" % number
        ledger.commit("ab"[number % 2], {"log": log})
    clone = tmp_path / "clone"
    ledger.checkpoint()
    subprocess.run(["git", "clone", "-q", ledger.folder, clone], check=True)
    revert = ["git", "revert", "--no-edit", ledger.oids[3]]
    done = subprocess.run(revert, cwd=clone, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "conflict" in (done.stdout + done.stderr).lower()
    ledger.undo(agent="a")
    assert ledger.texts() == {"log": b"".join(b"entry %d\n" % number for number in (1, 3, 5, 7))}
