"""The lines that `apply` reads."""

from __future__ import annotations

import pytest

from githarness.cli.cmd_apply import _op
from githarness.errors import Usage
from githarness.work.asks import Op


@pytest.mark.parametrize(
    ("line", "op"),
    [
        (b'{"op":"write","path":"a","content":"x\\n","mode":"100755"}', Op("write", "a", b"x\n", mode="100755")),
        (b'{"op":"append","path":"a","content_base64":"AAE="}', Op("append", "a", b"\0\1")),
        (b'{"op":"delete","path":"a","if_match":"absent"}', Op("delete", "a", if_match="absent")),
        (b'{"op":"rename","path":"a","to":"b"}', Op("rename", "a", to="b")),
    ],
)
def test_each_kind_of_line_becomes_an_op(line: bytes, op: Op) -> None:
    """The four ops, text and base 64, mode and base."""
    assert _op(line, 1) == op


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"op":"write"}',
        b'{"op":"chmod","path":"a"}',
        b'{"op":"write","path":"a"}',
        b'{"op":"delete","path":"a","content":"x"}',
        b'{"op":"rename","path":"a"}',
        b'{"op":"delete","path":"a","to":"b"}',
        b'{"op":"write","path":"a","content":"x","content_base64":"eA=="}',
        b'{"op":"write","path":"a","content_base64":"*"}',
        b'{"op":"write","path":"a","content":"x","mode":"120000"}',
        b'{"op":"write","path":"a","content":"x","more":"y"}',
        b'{"op":"write","path":"a","content":"\\ud800"}',
        b'{"op":"write","path":1,"content":"x"}',
    ],
)
def test_a_bad_line_is_refused_by_its_number(line: bytes) -> None:
    """Whatever is not a change is a usage error that names the line."""
    with pytest.raises(Usage, match="line 7 of stdin") as caught:
        _op(line, 7)
    assert caught.value.details == {"line": 7}
