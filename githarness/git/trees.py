"""Trees read, looked up and rewritten as bytes: a tree of thousands of entries changes by one splice.

A rewritten tree also says how it follows from its predecessor (a delta in the form of git's `gitformat-pack`), so that
the trees of one group of commits cost a pack a few bytes each. Nothing here touches a file.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from githarness import paths
from githarness.errors import BadPath
from githarness.git.objects import FOLDER, Entry, Raw, oid_of

_CACHED = 16 << 20  # bytes of trees that are kept
_MAX_COPY = 0xFFFFFF  # a copy instruction carries three bytes of size


# Longer ones first: `40000` ends no other mode of git's, and old trees have `100664`.
_MODES = (b"100644", b"100755", b"100664", b"120000", b"160000", b"40000")


@dataclass(slots=True)
class _Node:
    data: bytes
    places: dict[bytes, tuple[str, int]] | None = None  # name -> mode, offset of the id
    twins: dict[str, bytes] | None = field(default=None)
    found: dict[bytes, tuple[str, int]] = field(default_factory=dict)  # places that were searched for

    def parsed(self) -> dict[bytes, tuple[str, int]]:
        if self.places is None:
            self.places = {name: (mode, offset) for mode, name, offset in _scan(self.data)}
        return self.places

    def place(self, name: bytes) -> tuple[str, int] | None:
        """Mode and offset of the id, found by search where the tree is not parsed: one entry of thousands is wanted.

        A name with spaces may end in something like an entry, so a hit counts only where a mode stands before it that
        no space precedes; where an id ends in the byte of a space, parsing decides. That an id holds a whole entry by
        chance or design takes more than 2**70 tries.
        """
        if self.places is not None:
            return self.places.get(name)
        place = self.found.get(name) or self._search(name)
        if place:
            self.found[name] = place
        return place

    def _search(self, name: bytes) -> tuple[str, int] | None:
        at = self.data.find(b" " + name + b"\0")
        while at >= 0:
            mode = next((mode for mode in _MODES if self.data.endswith(mode, 0, at)), None)
            if mode is not None:
                start = at - len(mode)
                if start and self.data[start - 1 : start] == b" ":
                    return self.parsed().get(name)
                return mode.decode(), at + len(name) + 2
            at = self.data.find(b" " + name + b"\0", at + 1)
        return None

    def entry(self, name: str) -> Entry | None:
        place = self.place(name.encode("utf-8", "surrogateescape"))
        return Entry(place[0], self.data[place[1] : place[1] + 20].hex()) if place else None


def _scan(data: bytes) -> Iterator[tuple[str, bytes, int]]:
    at, end = 0, len(data)
    while at < end:
        space = data.index(b" ", at)
        nul = data.index(b"\0", space)
        yield data[at:space].decode(), data[space + 1 : nul], nul + 1
        at = nul + 21


class Trees:
    """`load` gives a tree's data by id; what has been seen or made is kept, least recently used out first."""

    def __init__(self, load: Callable[[str], bytes]) -> None:
        self._load = load
        self._nodes: OrderedDict[str, _Node] = OrderedDict()
        self._size = 0

    def lookup(self, root: str, path: str) -> Entry | None:
        """The entry at `path`, folders included; None where nothing is there."""
        entry: Entry | None = Entry(FOLDER, root)
        for name in path.split("/"):
            if entry is None or entry.mode != FOLDER:
                return None
            entry = self._node(entry.oid).entry(name)
        return entry

    def files(self, root: str, folder: str) -> Iterator[tuple[str, Entry]]:
        """All that is no folder below one, empty for the whole tree."""
        entry = self.lookup(root, folder) if folder else Entry(FOLDER, root)
        node = self._node(entry.oid) if entry and entry.mode == FOLDER else _Node(b"")
        for name in sorted(node.parsed()):
            path = f"{folder}{'/' if folder else ''}{name.decode('utf-8', 'surrogateescape')}"
            mode, at = node.parsed()[name]
            if mode == FOLDER:
                yield from self.files(root, path)
            else:
                yield path, Entry(mode, node.data[at : at + 20].hex())

    def check_new(self, root: str, path: str) -> None:
        """Raises BadPath where a parent of `path` is no folder, or a name differs from another by case or NFC only."""
        tree: str | None = root
        for index, name in enumerate(names := path.split("/")):
            if tree is None:
                return
            node = self._node(tree)
            twin = self._twins(node).get(paths.twin_key(name))
            if twin is not None and twin != name.encode():
                raise BadPath(f"'{path}' differs from '{'/'.join([*names[:index], twin.decode(errors='replace')])}' "
                              "only by letter case or normalisation")
            entry = node.entry(name)
            if entry is not None and entry.mode != FOLDER and index < len(names) - 1:
                raise BadPath(f"'{'/'.join(names[: index + 1])}' is not a folder")
            tree = entry.oid if entry and entry.mode == FOLDER else None

    def change(self, root: str | None, changes: Mapping[str, Entry | None], made: list[Raw]) -> str | None:
        """The id of `root` with `changes` applied (None removes), None for an empty one; new trees go to `made`."""
        here: dict[str, Entry | None] = {}
        below: dict[str, dict[str, Entry | None]] = {}
        for path, entry in changes.items():
            name, slash, rest = path.partition("/")
            if slash:
                below.setdefault(name, {})[rest] = entry
            else:
                here[name] = entry
        node = self._node(root) if root else _Node(b"")
        for name, inner in below.items():
            if here.get(name) is not None:
                continue  # a file takes the folder's place: what was below it goes with it
            was = node.entry(name)
            tree = self.change(was.oid if was and was.mode == FOLDER else None, inner, made)
            here[name] = Entry(FOLDER, tree) if tree else None
        return self._rewrite(root, node, here, made)

    def _rewrite(self, root: str | None, node: _Node, here: Mapping[str, Entry | None], made: list[Raw]) -> str | None:
        splices = sorted(filter(None, (_splice(node, name.encode("utf-8", "surrogateescape"), entry)
                                       for name, entry in here.items())))
        pieces, at = [], 0
        for offset, length, _, insert in splices:
            pieces += [node.data[at:offset], insert]
            at = offset + length
        data = b"".join([*pieces, node.data[at:]])
        if not data or data == node.data:
            return root if data else None
        same = all(length == len(insert) == 20 for _, length, _, insert in splices)
        fresh = _Node(data, node.places, node.twins, node.found) if same else _Node(data)
        oid = oid_of("tree", data)
        if oid not in self._nodes:
            self._keep(oid, fresh)
        made.append(Raw("tree", oid, data, root, _delta(node.data, len(data), splices) if root else None))
        return oid

    def _node(self, oid: str) -> _Node:
        node = self._nodes.get(oid)
        if node is None:
            node = _Node(self._load(oid))
            self._keep(oid, node)
        else:
            self._nodes.move_to_end(oid)
        return node

    def _keep(self, oid: str, node: _Node) -> None:
        self._nodes[oid] = node
        self._size += len(node.data)
        while self._size > _CACHED and len(self._nodes) > 1:
            self._size -= len(self._nodes.popitem(last=False)[1].data)

    def _twins(self, node: _Node) -> dict[str, bytes]:
        if node.twins is None:
            node.twins = {paths.twin_key(name.decode("utf-8", "surrogateescape")): name for name in node.parsed()}
        return node.twins


_Splice = tuple[int, int, bytes, bytes]  # offset, bytes removed, sort key among equal offsets, bytes inserted


def _splice(node: _Node, name: bytes, entry: Entry | None) -> _Splice | None:
    place = node.place(name)
    if place is None:
        return (_slot(node, name, entry), 0, _order(name, entry.mode), _line(name, entry)) if entry else None
    mode, offset = place
    if entry is not None and entry.mode == mode:
        return offset, 20, b"", bytes.fromhex(entry.oid)
    start = offset - len(name) - len(mode) - 2
    if entry is None:
        return start, offset + 20 - start, b"", b""
    if (entry.mode == FOLDER) == (mode == FOLDER):
        return start, offset + 20 - start, b"", _line(name, entry)
    return _moved(node, name, entry, start, offset + 20)


def _moved(node: _Node, name: bytes, entry: Entry, start: int, end: int) -> _Splice:
    """A file became a folder or the reverse: its place in the order may change, so one splice spans both places."""
    slot, line = _slot(node, name, entry), _line(name, entry)
    if slot <= start:
        return slot, end - slot, b"", line + node.data[slot:start]
    return start, slot - start, b"", node.data[end:slot] + line


def _slot(node: _Node, name: bytes, entry: Entry) -> int:
    key = _order(name, entry.mode)
    for other, (mode, offset) in node.parsed().items():
        if _order(other, mode) > key:
            return offset - len(other) - len(mode) - 2
    return len(node.data)


def _order(name: bytes, mode: str) -> bytes:
    return name + b"/" if mode == FOLDER else name


def _line(name: bytes, entry: Entry) -> bytes:
    return entry.mode.encode() + b" " + name + b"\0" + bytes.fromhex(entry.oid)


def _delta(old: bytes, size: int, splices: list[_Splice]) -> bytes:
    out = [varint(len(old)), varint(size)]
    at = 0
    for offset, length, _, insert in splices:
        out.append(copy(at, offset - at))
        out.extend(bytes([len(piece)]) + piece for piece in _cut(insert, 127))
        at = offset + length
    out.append(copy(at, len(old) - at))
    return b"".join(out)


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def append_delta(old: int, addition: bytes) -> bytes:
    """How a blob of `old` bytes becomes itself followed by `addition`."""
    inserts = [bytes([len(piece)]) + piece for piece in _cut(addition, 127)]
    return b"".join([varint(old), varint(old + len(addition)), copy(0, old), *inserts])


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def copy(offset: int, length: int) -> bytes:
    """Copy instructions for `length` bytes of the base from `offset` on."""
    out = bytearray()
    while length > 0:
        size = min(length, _MAX_COPY)
        head, args = 0x80, bytearray()
        for bit in range(4):
            if byte := offset >> (8 * bit) & 255:
                head |= 1 << bit
                args.append(byte)
        for bit in range(3):
            if byte := size >> (8 * bit) & 255:
                head |= 16 << bit
                args.append(byte)
        out.append(head)
        out += args
        offset, length = offset + size, length - size
    return bytes(out)
