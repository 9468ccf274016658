"""What a client asks: seven verbs, their headers and bodies. Unknown keys are refused, never ignored: a key may guard.

    {"do":"hello","id":1,"protocol":[1],"repository":"/srv/fleet/.git"}
    {"do":"write","id":2,"agent":…,"run":…,"ops":[{"kind","path","size","to","if_match","mode"}],"message":…,…}
    {"do":"read","id":3,"path":…,"agent":…,"run":…,"at":…}   {"do":"ping","id":4}   {"do":"status","id":5}
    {"do":"ask","id":6,"verb":"state.set","caller":{"agent":…,"run":…},"with":{"key":…,"value":…}}   see work/ops.py
    {"do":"changed","id":7,"mark":…,"wait":…}
A key whose value is absent is left out. `size`: how many bytes of the body are this op's content, in the ops' order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, get_args

from githarness import frames
from githarness.errors import HarnessError, Usage
from githarness.frames import REQUEST, Frame
from githarness.work.asks import Ask, Op, OpKind, ReadAsk

_KINDS = frozenset(get_args(OpKind))
_MODES = frozenset((None, "100644", "100755"))


class Hello(NamedTuple):
    protocols: tuple[int, ...]
    repository: str  # resolved path of the common git directory


class Changed(NamedTuple):
    mark: int | None  # None: only the mark as of now is wanted
    wait: int  # milliseconds


class Asked(NamedTuple):
    """A verb of coordination as it came: `work.ops.of_client` tells whether there is one, and whether these fit it."""

    verb: str
    caller: object
    values: object


What = Ask | ReadAsk | Hello | Asked | Changed


class Request(NamedTuple):
    id: int
    verb: str
    what: What | HarnessError | None  # HarnessError: the verb is "refused"
    size: int = 0  # bytes of its frame


def hello(number: int, repository: str) -> bytes:
    header = {"do": "hello", "id": number, "protocol": [frames.VERSION], "repository": repository}
    return frames.pack(header, b"", REQUEST)


def bare(number: int, verb: str) -> bytes:
    return frames.pack({"do": verb, "id": number}, b"", REQUEST)


def read(number: int, ask: ReadAsk) -> bytes:
    header = {"do": "read", "id": number, "path": ask.path, "agent": ask.agent, "run": ask.run, "at": ask.at,
              "token": ask.token}
    return frames.pack(_present(header), b"", REQUEST)


def ask(number: int, asked: Asked) -> bytes:
    header = {"do": "ask", "id": number, "verb": asked.verb, "caller": asked.caller, "with": asked.values}
    return frames.pack(header, b"", REQUEST)


def changed(number: int, mark: int | None, wait: int) -> bytes:
    return frames.pack(_present({"do": "changed", "id": number, "mark": mark, "wait": wait}), b"", REQUEST)


def write(number: int, ask: Ask) -> bytes:
    header = {
        "do": "write", "id": number, "agent": ask.agent, "run": ask.run, "ops": [_op(op) for op in ask.ops],
        "message": ask.message, "operation": ask.operation, "merge": ask.merge or None,
        "chain": list(ask.chain) or None, "assisted_by": ask.assisted_by, "token": ask.token,
        "lease": ask.lease,
    }
    return frames.pack(_present(header), b"".join(op.content for op in ask.ops if op.content), REQUEST)


def _op(op: Op) -> dict[str, Any]:
    size = None if op.content is None else len(op.content)
    return _present({"kind": op.kind, "path": op.path, "size": size, "to": op.to, "if_match": op.if_match,
                     "mode": op.mode})


def _present(header: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in header.items() if value is not None}


def parse(frame: Frame) -> Request:
    """Raises Usage where not even an id can be answered; other faults come back as a request of verb `refused`."""
    header = frames.parse(frame.header)
    number, verb = header.pop("id", None), header.pop("do", None)
    if type(number) is not int or not 0 < number < 1 << 53 or not isinstance(verb, str):
        raise Usage("a request has a positive 'id' and a verb 'do'", fix="see docs/protocol.md")
    try:
        if verb not in _VERBS:
            raise Usage(f"'{verb}' is no request of this protocol", fix="see docs/protocol.md")
        return Request(number, verb, _VERBS[verb](_Fields(header), frame.body), frame.size)
    except Usage as error:
        return Request(number, "refused", error, frame.size)


class _Fields:
    """Takes typed values out of a JSON object, and knows what nobody took."""

    def __init__(self, table: object) -> None:
        if not isinstance(table, dict):
            raise Usage("an op is a JSON object", fix="see docs/protocol.md")
        self._table = table

    def text(self, key: str) -> str:
        value = self._table.pop(key, None)
        if not isinstance(value, str):
            raise self._wrong(key)
        return value

    def maybe(self, key: str) -> str | None:
        return self.text(key) if key in self._table else None

    def one(self, key: str) -> object:
        return self._table.pop(key, None)

    def flag(self, key: str) -> bool:
        value = self._table.pop(key, False)
        if not isinstance(value, bool):
            raise self._wrong(key)
        return value

    def count(self, key: str) -> int | None:
        value = self._table.pop(key, None)
        if value is not None and (type(value) is not int or value < 0):
            raise self._wrong(key)
        return value

    def some(self, key: str, kind: type) -> list[Any]:
        value = self._table.pop(key, [])
        if not isinstance(value, list) or not all(type(one) is kind for one in value):
            raise self._wrong(key)
        return value

    def done(self) -> None:
        if self._table:
            raise self._wrong(next(iter(self._table)))

    def _wrong(self, key: str) -> Usage:
        return Usage(f"'{key}' is missing, of another type or unknown", fix="see docs/protocol.md")


def _hello(fields: _Fields, body: bytes) -> Hello:
    found = Hello(tuple(fields.some("protocol", int)), fields.text("repository"))
    _nothing(fields, body)
    return found


def _nothing(fields: _Fields, body: bytes | memoryview) -> None:
    fields.done()
    if body:
        raise Usage("the body is longer than its header says", fix="see docs/protocol.md")


def _read(fields: _Fields, body: bytes) -> ReadAsk:
    found = ReadAsk(fields.text("path"), fields.maybe("agent"), fields.maybe("run"), fields.maybe("at"),
                    fields.maybe("token"))
    _nothing(fields, body)
    return found


def _ask(fields: _Fields, body: bytes) -> Asked:
    found = Asked(fields.text("verb"), fields.one("caller"), fields.one("with"))
    _nothing(fields, body)
    return found


def _changed(fields: _Fields, body: bytes) -> Changed:
    found = Changed(fields.count("mark"), fields.count("wait") or 0)
    _nothing(fields, body)
    return found


def _write(fields: _Fields, body: bytes) -> Ask:
    wanted, rest = list[Op](), memoryview(body)
    for table in fields.some("ops", dict):
        op = _parse_op(_Fields(table), rest)
        rest = rest[len(op.content or b"") :]
        wanted.append(op)
    found = Ask(
        fields.text("agent"), fields.text("run"), tuple(wanted), fields.maybe("message"), fields.maybe("operation"),
        fields.flag("merge"), tuple(fields.some("chain", str)), fields.maybe("assisted_by"), fields.maybe("token"),
        lease=fields.maybe("lease"),
    )
    _nothing(fields, rest)
    if not wanted:
        raise Usage("a write has at least one op", fix="see docs/protocol.md")
    return found


def _parse_op(fields: _Fields, rest: memoryview) -> Op:
    kind, path, size = fields.text("kind"), fields.text("path"), fields.count("size")
    to, if_match, mode = fields.maybe("to"), fields.maybe("if_match"), fields.maybe("mode")
    fields.done()
    if kind not in _KINDS or mode not in _MODES:
        raise Usage(f"'{kind}' with mode '{mode}' is no op of this protocol", fix="see docs/protocol.md")
    if size is not None and size > len(rest):
        raise Usage("the body is shorter than its header says", fix="see docs/protocol.md")
    content = None if size is None else bytes(rest[:size])
    return Op(kind, path, content, to, if_match, mode)  # type: ignore[arg-type]  # narrowed by the two sets


_VERBS: dict[str, Callable[[_Fields, bytes], What | None]] = {
    "hello": _hello,
    "write": _write,
    "ask": _ask,
    "changed": _changed,
    "read": _read,
    "ping": _nothing,
    "status": _nothing,
}
