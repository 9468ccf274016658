"""The Merkle tree of RFC 9162 §2.1 over lines: leaf SHA-256(00 line), node SHA-256(01 left right).

A *frontier* is what a growing tree needs to know: the roots of its complete subtrees, the largest first, one for each
bit that is set in the size. Adding a leaf costs two hashes on average.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from githarness.errors import Integrity

EMPTY = sha256(b"").digest()
_WIDTH = 32


class Tree:
    """A tree as far as it has grown: its size and frontier."""

    def __init__(self, size: int = 0, frontier: bytes = b"") -> None:
        """Raises Integrity where the two do not fit."""
        if len(frontier) != _WIDTH * size.bit_count():
            raise Integrity("the frontier of the audit log does not fit its size", fix="githarness audit verify")
        self.size = size
        self._nodes = [frontier[at : at + _WIDTH] for at in range(0, len(frontier), _WIDTH)]

    def add(self, line: bytes) -> None:
        node = sha256(b"\0" + line).digest()
        size, nodes = self.size, self._nodes
        self.size = size + 1
        while size & 1:
            node = sha256(b"\1" + nodes.pop() + node).digest()
            size >>= 1
        nodes.append(node)

    @property
    def frontier(self) -> bytes:
        return b"".join(self._nodes)

    @property
    def root(self) -> bytes:
        if not self._nodes:
            return EMPTY
        node = self._nodes[-1]
        for left in self._nodes[-2::-1]:
            node = sha256(b"\1" + left + node).digest()
        return node


def leaf(line: bytes) -> bytes:
    return sha256(b"\0" + line).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Of leaf hashes; the definition, where `Tree` is the quick way."""
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY
    split = _split(len(leaves))
    return _node(root(leaves[:split]), root(leaves[split:]))


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The proof that leaf `index` is in the tree (§2.1.3.1)."""
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion(leaves[:split], index), root(leaves[split:])]
    return [*inclusion(leaves[split:], index - split), root(leaves[:split])]


def included(line: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that `proof` leads to (§2.1.3.2), None where it cannot be one for that place."""
    if index >= size:
        return None
    place, last, node = index, size - 1, leaf(line)
    for step in proof:
        if not last:
            return None
        if place & 1 or place == last:
            node = _node(step, node)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            node = _node(node, step)
        place, last = place >> 1, last >> 1
    return node if not last else None


def consistency(leaves: Sequence[bytes], old: int) -> list[bytes]:
    """The proof that the tree of the first `old` leaves is a beginning of this one (§2.1.4.1)."""
    return _subproof(leaves, old, whole=True) if 0 < old < len(leaves) else []


def _subproof(leaves: Sequence[bytes], old: int, *, whole: bool) -> list[bytes]:
    if old == len(leaves):
        return [] if whole else [root(leaves)]
    split = _split(len(leaves))
    if old <= split:
        return [*_subproof(leaves[:split], old, whole=whole), root(leaves[split:])]
    return [*_subproof(leaves[split:], old - split, whole=False), root(leaves[:split])]


def consistent(old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree of `old` (size and root) is a beginning of that of `new` (§2.1.4.2)."""
    place, last = old[0] - 1, new[0] - 1
    if not 0 <= place < last:
        return place == last and old[1] == new[1] and not proof
    steps = list(proof) if old[0] & place else [old[1], *proof]
    while place & 1:
        place, last = place >> 1, last >> 1
    if not steps:
        return False
    before = after = steps[0]
    for step in steps[1:]:
        if not last:
            return False
        if place & 1 or place == last:
            before, after = _node(step, before), _node(step, after)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            after = _node(after, step)
        place, last = place >> 1, last >> 1
    return not last and (before, after) == (old[1], new[1])
