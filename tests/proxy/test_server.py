"""What the loop does with slow, silent and late clients, and with a repository that changes under it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness.errors import Denied, Unavailable, Usage
from githarness.proxy.connection import Connection, Foreign, Limits
from githarness.proxy.desk import Reply
from tests.conftest import Cli, run_cli, run_git
from tests.proxy.conftest import Daemon, answer, frame, value_of

LIMITS = Limits()


@pytest.fixture
def pair() -> tuple[Connection, socket.socket]:
    """The daemon's side of a connection of this process, and the client's."""
    ours, theirs = socket.socketpair()
    return Connection(ours, 0.0), theirs


def test_requests_come_out_whole_however_they_came_in(pair: tuple[Connection, socket.socket]) -> None:
    """Byte by byte, and two at once; a body is not in the buffer afterwards."""
    one, client = pair
    sent = frame(b"a passphrase", op="unlock") + frame(op="status")
    found = []
    for at in range(len(sent)):
        client.send(sent[at : at + 1])
        one.receive()
        while request := one.request():
            found.append(request)
    assert [body for _, body in found] == [bytearray(b"a passphrase"), bytearray()]
    assert b"passphrase" not in one.held and not one.got


def test_a_large_body_makes_room_and_gives_it_back(pair: tuple[Connection, socket.socket]) -> None:
    """Up to a mebibyte; more is refused by its length alone."""
    one, client = pair
    client.sendall(frame(bytes(100_000), op="scan"))
    while (found := one.request()) is None:
        one.receive()
    assert len(found[1]) == 100_000 and len(one.held) < 10_000
    client.sendall((5 << 20).to_bytes(4, "big") + (4).to_bytes(4, "big"))
    one.receive()
    with pytest.raises(Usage):
        one.request()


def test_answers_that_are_not_taken_wait(pair: tuple[Connection, socket.socket]) -> None:
    """In order and whole, once they are."""
    one, client = pair
    values = [bytes([n]) * 50_000 for n in range(20)]
    one.replies = [Reply(b"head", memoryview(value)) for value in values]
    one.deliver()
    assert one.out and one.overdue(LIMITS.drain + 1, LIMITS)
    want, got = b"".join(b"head" + value for value in values), b""
    while len(got) < len(want):
        got += client.recv(1 << 16)
        one.flush()
    assert got == want and not one.out


@pytest.mark.parametrize(("used", "begun", "last", "ends"), [
    (False, None, LIMITS.first, True), (True, None, LIMITS.first, False), (True, 0.0, LIMITS.frame, True),
    (True, None, LIMITS.idle, True)])
def test_who_is_silent_or_slow_has_an_end(pair: tuple[Connection, socket.socket], *, used: bool, begun: float | None,
                                          last: float, ends: bool) -> None:
    """Before the first request, in the middle of one, and between two after an hour."""
    one, _ = pair
    one.used, one.begun = used, begun
    assert one.overdue(last + 1, LIMITS) is ends and not one.overdue(1.0, LIMITS)


def test_a_message_of_another_process_is_foreign(pair: tuple[Connection, socket.socket]) -> None:
    """A child that inherited the descriptor is not the process that connected."""
    one, client = pair
    if os.fork() == 0:
        client.send(frame(op="status"))
        os._exit(0)
    os.wait()
    with pytest.raises(Foreign):
        one.receive()


def test_pipelined_requests_are_answered_in_order(daemon: Daemon) -> None:
    """Each once, with its id."""
    with daemon.raw() as raw:
        raw.sendall(frame(op="hello", agent="deployer", run="r-x")
                    + b"".join(frame(id=n, op="get", name="github/fast", mode="get") for n in range(2, 200)))
        answer(raw)
        for number in range(2, 200):
            header, body = answer(raw)
            assert header["id"] == number and body == value_of("github/fast").encode()


def test_a_governed_branch_that_is_gone_gives_nothing(daemon: Daemon) -> None:
    """And what was there is given again once it is back."""
    ref = daemon.git_dir / "refs/heads/main"
    with daemon.client() as vault:
        vault.ask("get", name="github/fast", mode="get")
        head = ref.read_text()
        ref.unlink()
        with pytest.raises(Unavailable, match="nothing can be decided"):
            vault.ask("get", name="github/fast", mode="get")
        ref.write_text(head)
        assert vault.ask("get", name="github/fast", mode="get").body


def test_rekey_under_the_daemon(daemon: Daemon, cli: Cli) -> None:
    """It takes up the new key by the keyfile."""
    with daemon.client() as vault:
        vault.ask("get", name="github/fast", mode="get")
        assert cli("vault", "rekey", cwd=daemon.folder).code == 0
        assert vault.ask("get", name="github/fast", mode="get").header["version"] == 2


def test_packed_refs_are_seen(daemon: Daemon, cli: Cli) -> None:
    """A branch that moves after it was packed."""
    run_git(daemon.folder, "pack-refs", "--all")
    with daemon.client() as vault:
        vault.ask("get", name="github/fast", mode="get")
        assert cli("vault", "set", "github/fast", "--mode", "get", cwd=daemon.folder, stdin="new value").code == 0
        assert vault.ask("get", name="github/fast", mode="get").body == b"new value"


def test_a_compromised_owner_key_takes_back_what_it_signed(daemon: Daemon) -> None:
    """All records of that writer are refused from the next request on."""
    file = daemon.folder / ".githarness/humans/olive.yaml"
    with daemon.client() as vault:
        vault.ask("get", name="github/fast", mode="get")
        text = file.read_text()
        assert "added:" in text
        lines = [line + "\n    compromised_since: '2020-01-01T00:00:00Z'" if "added:" in line else line
                 for line in text.splitlines()]
        file.write_text("\n".join(lines) + "\n")
        run_git(daemon.folder, "-c", "core.hooksPath=/dev/null", "commit", "-qam", "stolen")
        with pytest.raises(Exception) as refused:
            vault.ask("get", name="github/fast", mode="get")
    assert getattr(refused.value, "code", "") in ("integrity", "vault-locked", "denied")


def test_many_denials_stop_the_agent(daemon: Daemon, cli: Cli) -> None:
    """The breaker of the ledger counts denials of the vault too."""
    with daemon.client("scribe") as vault:
        codes = []
        for _ in range(60):
            try:
                vault.ask("get", name="github/token", mode="get")
            except Exception as error:  # noqa: BLE001
                codes.append(getattr(error, "code", ""))
    assert codes[0] == "denied"
    assert cli("agent", "list", cwd=daemon.folder).code == 0


def test_the_daemon_outlives_its_mover(daemon: Daemon) -> None:
    """Killed, it is done without: events come all the same."""
    children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    with daemon.client() as vault:
        vault.ask("get", name="github/token", mode="get")
    daemon.end()
    assert len(daemon.events("secret")) == 1


def test_a_second_daemon_says_who_serves(daemon: Daemon) -> None:
    """Locked, with the way to end the first."""
    done = run_cli("--json", "vault", "get", "github/fast", "--agent", "deployer", cwd=daemon.folder)
    assert done.code == 0
    with pytest.raises(AssertionError, match="locked"):
        Daemon(daemon.folder)


def test_a_lease_ends_by_the_clock_of_the_boot(start: Callable[..., Daemon]) -> None:
    """A lease of a second is over after it."""
    with start().client() as vault:
        lease = vault.ask("lease", names=["github/*"], modes=["get"], ttl="1s").header["lease"]
        vault.ask("get", name="github/fast", mode="get", lease=lease)
        begun = os.times().elapsed
        with pytest.raises(Denied, match=r"over|no lease"):
            while True:
                vault.ask("get", name="github/fast", mode="get", lease=lease)
        assert os.times().elapsed - begun < 10
