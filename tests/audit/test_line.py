"""The line of an event: the same bytes from the same row, harmless on a terminal, nothing secret in its digest."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from githarness.audit import line
from githarness.audit.line import Leaf
from githarness.canon import Json

LEAF = Leaf(7, "e-1", 1.5, "read", "bot", None, "r-1", None, None, None, None, '{"paths":[]}', b"\x01" * 32)
HOSTILE = "a\nb\x1b[31m\x7f\u202e\u200b\x9b\ud800\U000e0041"


def test_a_line_is_json_in_a_fixed_order() -> None:
    """What is not there is left out."""
    assert line.line(LEAF) == (b'{"seq":7,"id":"e-1","time":1.5,"kind":"read","agent":"bot","run":"r-1",'
                               b'"safe":{"paths":[]},"digest":"' + b"01" * 32 + b'"}\n')


def test_hostile_text_is_harmless_in_the_log() -> None:
    """G88: newlines, escapes, marks of direction and invisible characters stand escaped, in safe fields and names."""
    made = line.line(LEAF._replace(agent=HOSTILE, safe=line.safe({"tool": HOSTILE})))
    assert made.count(b"\n") == 1 and made.endswith(b"\n") and all(32 <= byte < 127 for byte in made[:-1])
    assert json.loads(made)["agent"] == json.loads(made)["safe"]["tool"] == HOSTILE


def test_huge_fields_are_cut() -> None:
    """G88: and say how long they were; nothing is cut in the middle of what makes the line JSON."""
    fields = json.loads(line.safe({"tool": "x" * 10_000, "paths": [{"path": "y" * 2000}] * 5000, "empty": ""}))
    assert fields["tool"] == "x" * 1000 + "... (10000 characters)" and "empty" not in fields
    assert len(fields["paths"]) == 101 and fields["paths"][-1] == "... (5000 items)"


@pytest.mark.parametrize(("salt", "body"), [(b"a" * 16, "{}"), (b"b" * 16, '{"x":1}')])
def test_a_digest_depends_on_salt_and_body(salt: bytes, body: str) -> None:
    """So that equal bodies cannot be told from outside."""
    assert line.digest(salt, body) != line.digest(b"b" * 16, "{}")


@pytest.mark.parametrize("what", ["x", "\u20ac"])
def test_safe_fields_are_bounded_together(what: str) -> None:
    """Lists of long paths too, also of what JSON writes with six characters each; a digest tells what was there."""
    paths: Json = [{"path": f"{at}{what * 900}"} for at in range(5000)]
    text = line.safe({"paths": paths, "rules": paths, "why": "because"})
    fields = json.loads(text)
    assert len(text) <= 128 * 1024 and fields["why"] == "because" and fields["paths"][-1] == "... (5000 items)"
    whole = json.dumps({"paths": paths, "rules": paths, "why": "because"}, separators=(",", ":"))
    assert fields["left_out"] == {"bytes": len(whole), "sha256": sha256(whole.encode()).hexdigest()}
