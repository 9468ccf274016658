"""What the daemon says is what the client gets: values equal, errors of the same class."""

from __future__ import annotations

import pytest

from githarness import errors
from githarness.daemon import answers
from githarness.errors import HarnessError, Refused, StaleWrite, Stopped, Unavailable
from githarness.frames import ANSWER, Cutter
from githarness.work.asks import Doc, Landed, Written


def parsed(frame: bytes) -> answers.Answer:
    cutter = Cutter(ANSWER)
    cutter.feed(frame)
    cut = cutter.next()
    assert cut is not None and not len(cutter)
    return answers.parse(cut)


def test_a_result_crosses_unchanged() -> None:
    """Every field, None included."""
    done = Written("c" * 40, (Landed("a", "b" * 40, None, True), Landed("d", None, "e" * 40)), "op", "e-1", "updated")
    assert parsed(answers.written(3, done)) == (3, "written", done)
    nothing = Written(None, (), None, None, "none")
    assert parsed(answers.written(4, nothing)).what == nothing


def test_content_crosses_as_it_is() -> None:
    """Bytes that are no UTF-8 are not encoded in any way."""
    doc = Doc("a", "b" * 40, "c" * 40, "100644", bytes(range(256)))
    assert parsed(answers.doc(3, doc)).what == doc


def test_every_error_is_raised_again_as_its_own_class() -> None:
    """The map of codes has every class that is raised, so that a new one cannot be forgotten."""
    shared = {HarnessError, Refused, Stopped}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HarnessError)]
    assert set(errors.CLASSES.values()) == set(kinds) - shared
    for kind in set(kinds) - shared:
        sent = kind("it is 'so'", fix="do that", details={"path": "a", "n": [1, None]})
        got = parsed(answers.error(2, sent)).what
        assert type(got) is kind and isinstance(got, HarnessError) and got.document() == sent.document()


def test_an_error_of_a_newer_daemon_is_unavailable() -> None:
    """The exit code says that it is not the caller's fault, the message says what it was."""
    got = answers.raised({"code": "eclipsed", "message": "dark", "fix": "", "details": {}})
    assert type(got) is Unavailable and got.message == "dark"


def test_what_is_too_large_for_an_answer_is_deferred() -> None:
    """Content above a frame's body, and a refusal whose diff is above its header."""
    assert parsed(answers.doc(1, Doc("a", "b", "c", "100644", bytes(ANSWER.body + 1)))).kind == "defer"
    huge = StaleWrite("stale", details={"diff": "x" * ANSWER.header})
    assert parsed(answers.error(1, huge)).kind == "defer"


@pytest.mark.parametrize("header", [{}, {"is": "written", "id": 1}, {"is": "doc", "id": 1}, {"is": "error", "id": 1}])
def test_an_answer_that_is_none_is_refused(header: dict[str, object]) -> None:
    """The client treats it like a broken connection."""
    from githarness import frames

    with pytest.raises(errors.Usage):
        parsed(frames.pack(header, b"", ANSWER))
