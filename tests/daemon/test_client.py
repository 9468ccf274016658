"""The two adapters of the lane give the same results, and what is not certain is not claimed."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from githarness import settings
from githarness.daemon import link, place
from githarness.daemon.client import Line, RemoteLane
from githarness.daemon.serve import status
from githarness.errors import BadPath, Internal, NotFound, Unavailable
from githarness.frames import REQUEST
from githarness.git.repo import Repo
from githarness.work.asks import Ask, Op, ReadAsk
from tests.fakes import FakeLane

Start = Callable[..., Any]


def ask(path: str = "a.md", content: bytes = b"x", operation: str | None = None) -> Ask:
    return Ask("deployer", "r-1", (Op("append", path, content),), operation=operation)


def test_a_write_goes_through_the_daemon(daemon: Start, lane: RemoteLane, fallback: FakeLane) -> None:
    """Found by daemon.json; the lane in process is not used."""
    daemon()
    done = lane.write(ask(operation="op-1"))
    assert done.operation == "op-1" and done.paths[0].path == "a.md"
    assert lane.read(ReadAsk("a.md")).content == b"x"
    assert fallback.groups == [] and fallback.lines()[0]["pid"] != os.getpid()


def test_without_a_daemon_the_lane_in_process_works(lane: RemoteLane, fallback: FakeLane) -> None:
    """No note, no socket: nothing to wait for."""
    assert lane.write(ask()).commit and lane.read(ReadAsk("a.md")).content == b"x"
    assert fallback.groups == [1]


def test_after_a_killed_daemon_nothing_is_in_the_way(daemon: Start, lane: RemoteLane, fallback: FakeLane) -> None:
    """Its note and its socket are still there, but nobody answers; a kept connection is not trusted."""
    served = daemon()
    lane.write(ask(content=b"1"))
    served.end(signal.SIGKILL)
    assert place.note_path(served.repo).exists() and served.socket.exists()
    lane.write(ask(content=b"2"))
    assert fallback.groups == [1] and fallback.read(ReadAsk("a.md")).content == b"12"


def test_a_new_daemon_is_found_by_an_old_client(daemon: Start, lane: RemoteLane, fallback: FakeLane) -> None:
    """A restart costs one connection, not a detour."""
    first = daemon()
    lane.write(ask())
    first.end()
    daemon()
    lane.write(ask())
    assert fallback.groups == []


def test_refusals_come_as_the_same_errors(daemon: Start, lane: RemoteLane) -> None:
    """Class, message and details."""
    daemon()
    with pytest.raises(BadPath, match="'bad' is bad") as refused:
        lane.write(ask("bad"))
    assert refused.value.details == {"agent": "deployer"}
    with pytest.raises(NotFound):
        lane.read(ReadAsk("nothing"))


def test_a_defect_in_a_read_is_an_internal_error(daemon: Start, lane: RemoteLane) -> None:
    """It is logged by the daemon, which goes on."""
    served = daemon()
    with pytest.raises(Internal):
        lane.read(ReadAsk("defect"))
    assert "ZeroDivisionError" in served.next("note")
    lane.write(ask())


def test_a_defect_in_a_group_leaves_the_outcome_open(daemon: Start, lane: RemoteLane, fallback: FakeLane) -> None:
    """Nobody is told that nothing happened; the daemon goes on."""
    served = daemon()
    with pytest.raises(Unavailable) as unknown:
        lane.write(ask("defect"))
    assert unknown.value.details == {"outcome": "unknown"}
    assert "ZeroDivisionError" in served.next("note")
    lane.write(ask())
    assert fallback.groups == []


@pytest.mark.parametrize("big", [ask(content=bytes(REQUEST.body + 1)), ask("large"), ask("x" * REQUEST.header)])
def test_large_contents_do_not_pass_through_the_daemon(
    big: Ask, daemon: Start, lane: RemoteLane, fallback: FakeLane
) -> None:
    """Because of the request's own size, or of the artifact that it would extend."""
    daemon()
    lane.write(big)
    assert fallback.groups == [1]
    assert lane.read(ReadAsk(big.ops[0].path)).content == big.ops[0].content


def test_text_that_is_no_unicode_is_for_the_lane_in_process(daemon: Start, lane: RemoteLane) -> None:
    """An argument with broken UTF-8 gets the error that it gets without a daemon."""
    daemon()
    with pytest.raises(NotFound):
        lane.read(ReadAsk("\udcff"))


@pytest.mark.parametrize("point", ["begin", "written", "durable", "acknowledged"])
def test_a_kill_in_mid_group_is_repeated_where_an_operation_makes_it_safe(
    point: str, daemon: Start, lane: RemoteLane, fallback: FakeLane
) -> None:
    """Landed once, whether the kill came before or after."""
    daemon(at=point)
    assert lane.write(ask(operation="op-1")).operation == "op-1"
    assert [line["operation"] for line in fallback.lines()] == ["op-1"]


@pytest.mark.parametrize("point", ["begin", "durable"])
def test_a_kill_in_mid_group_leaves_the_outcome_open_without_an_operation(
    point: str, daemon: Start, lane: RemoteLane, fallback: FakeLane
) -> None:
    """It is not repeated by itself: an append could land twice."""
    daemon(at=point)
    with pytest.raises(Unavailable) as unknown:
        lane.write(ask())
    assert unknown.value.details == {"outcome": "unknown"} and unknown.value.exit_code == 18
    assert len(fallback.lines()) == (point == "durable") and fallback.groups == []


def test_a_daemon_of_another_repository_is_not_used(
    daemon: Start, place_of: Repo, make_repo: Any, make_settings: Any, fallback: FakeLane
) -> None:
    """GITHARNESS_SOCKET is inherited by commands that work elsewhere."""
    from githarness.git.repo import discover

    served = daemon()
    elsewhere = FakeLane(served.repo.common_dir.parent / "elsewhere")
    other = RemoteLane(Line(make_settings(socket=served.socket), discover(make_repo(name="other"))), lambda: elsewhere)
    other.write(ask())
    assert elsewhere.groups == [1] and fallback.lines() == []


def test_threads_and_forks_have_connections_of_their_own(daemon: Start, lane: RemoteLane, fallback: FakeLane) -> None:
    """Frames of two callers never mix."""
    served = daemon()
    lane.write(ask("main"))
    threads = [threading.Thread(target=lane.write, args=(ask(f"t{n}"),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    before = status(settings.load(), served.repo)["connections"]
    ready, wait = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        lane.write(ask("child"))
        os.write(ready[1], b"!")
        os.read(wait[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    assert status(settings.load(), served.repo)["connections"] == before + 1
    os.write(wait[1], b"!")
    assert os.waitpid(child, 0)[1] == 0
    lane.write(ask("main"))
    assert len(fallback.lines()) == 11 and fallback.groups == []


def test_a_stopped_daemon_is_not_waited_for_for_ever(
    daemon: Start, lane: RemoteLane, fallback: FakeLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It accepts and says nothing: the write goes in process; one that it has already lands once when it goes on."""
    monkeypatch.setattr(link, "_HELLO_WAIT", 0.5)
    monkeypatch.setattr(link, "_ANSWER_WAIT", 0.5)
    served = daemon()
    lane.write(ask(operation="op-1"))
    served.process.send_signal(signal.SIGSTOP)
    lane.write(ask(operation="op-2"))  # sent, not answered, repeated
    lane.write(ask(operation="op-3"))  # no hello
    assert fallback.groups == [1, 1]
    served.process.send_signal(signal.SIGCONT)
    assert served.end() == 0
    assert [line["operation"] for line in fallback.lines()] == ["op-1", "op-2", "op-3"]
