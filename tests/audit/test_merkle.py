"""The tree of RFC 9162: the quick way agrees with the definition, and proofs prove what they say and nothing else."""

from __future__ import annotations

from itertools import product

import pytest

from githarness.audit import merkle
from githarness.audit.merkle import Tree
from githarness.errors import Integrity

LINES = [b"line %d\n" % number for number in range(33)]
LEAVES = [merkle.leaf(line) for line in LINES]


def grown(size: int) -> Tree:
    tree = Tree()
    for line in LINES[:size]:
        tree.add(line)
    return tree


def test_known_roots() -> None:
    """The vectors of certificate-transparency-go's merkletree: empty, one empty leaf, and eight leaves."""
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    tree = Tree()
    assert tree.root.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    tree.add(b"")
    assert tree.root.hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    for text in inputs[1:]:
        tree.add(bytes.fromhex(text))
    assert tree.root.hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@pytest.mark.parametrize("size", range(34))
def test_a_frontier_gives_the_root_of_the_definition(size: int) -> None:
    """Also where the tree went on from what was stored of it."""
    stored = grown(size // 2)
    tree = Tree(stored.size, stored.frontier)
    for line in LINES[size // 2 : size]:
        tree.add(line)
    assert tree.root == grown(size).root == merkle.root(LEAVES[:size])


def test_a_frontier_fits_its_size() -> None:
    """One that does not is refused before anything is built on it."""
    with pytest.raises(Integrity):
        Tree(3, grown(4).frontier)


def test_inclusion_is_proved_for_the_right_place_only() -> None:
    """Every leaf of every size; the same proof leads to another root for any other line, place or size."""
    for size in range(1, 34):
        root = merkle.root(LEAVES[:size])
        for index in range(size):
            proof = merkle.inclusion(LEAVES[:size], index)
            assert merkle.included(LINES[index], index, size, proof) == root
            assert merkle.included(b"another", index, size, proof) != root
            for other in {0, index ^ 1, size - 1, size} - {index}:
                assert merkle.included(LINES[index], other, size, proof) != root


def test_consistency_is_proved_for_a_beginning_only() -> None:
    """Every pair of sizes; no proof for another old root."""
    for old, new in product(range(1, 33), range(1, 34)):
        if old >= new:
            continue
        proof = merkle.consistency(LEAVES[:new], old)
        before, after = grown(old).root, grown(new).root
        assert merkle.consistent((old, before), (new, after), proof)
        assert not merkle.consistent((old, merkle.leaf(before)), (new, after), proof)
        assert not merkle.consistent((old, before), (new, merkle.leaf(after)), proof)
        assert not merkle.consistent((old, before), (new, after), [*proof, before])
