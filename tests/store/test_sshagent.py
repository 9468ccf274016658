"""ssh-agent as the holder of keys: a real one, and some that misbehave."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from githarness.errors import Unavailable
from githarness.seal import keys, public, sshsig, wire
from githarness.settings import Settings
from githarness.store import sshagent
from githarness.store.keyring import Keyring

MakeSettings = Callable[..., Settings]
KEY = keys.generate()


def nobody(path: str) -> bytes:
    raise AssertionError(f"asked for the passphrase of {path}")


@pytest.fixture
def agent(home: Path) -> Iterator[str]:
    """The socket of an ssh-agent of this test's own."""
    path = home / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    while not path.exists():
        time.sleep(0.01)
    yield str(path)
    process.terminate()
    process.wait()


@pytest.fixture
def here(agent: str, make_settings: MakeSettings) -> Settings:
    return make_settings(environ={"SSH_AUTH_SOCK": agent})


def add_key(folder: Path, agent: str, kind: str, bits: str) -> str:
    """A key that ssh-agent holds and whose file is encrypted afterwards; returns its public line."""
    path = folder / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-b", bits, "-N", "", "-f", str(path)], check=True)
    subprocess.run(["ssh-add", "-q", str(path)], env={"SSH_AUTH_SOCK": agent, "PATH": "/usr/bin:/bin"}, check=True)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", str(path)], check=True, stdout=subprocess.DEVNULL)
    return public.line(path.with_suffix(".pub").read_text())


@pytest.mark.parametrize(("kind", "bits"), [("ed25519", "256"), ("rsa", "2048"), ("ecdsa", "256"), ("ecdsa", "521")])
def test_ssh_agent_signs(kind: str, bits: str, agent: str, here: Settings, tmp_path: Path) -> None:
    """A key that the agent holds is found without any file, and signs as SSHSIG wants it."""
    line = add_key(tmp_path, agent, kind, bits)
    assert sshagent.identities(agent) == [line]
    signer = Keyring(here).find([line])
    assert signer is not None
    assert sshsig.verify(signer.sign(b"x", "git"), b"x", "git") == line


@pytest.mark.parametrize("name", ["id", "id.pub"])
def test_an_encrypted_key_in_ssh_agent_asks_nobody(name: str, agent: str, here: Settings, tmp_path: Path) -> None:
    """Importing its file or its .pub, and finding it later, go through the agent."""
    line = add_key(tmp_path, agent, "ed25519", "256")
    assert Keyring(here).import_file(tmp_path / name, nobody).public == line
    signer = Keyring(here).find([line])
    assert signer is not None
    assert sshsig.verify(signer.sign(b"x", "git"), b"x", "git") == line


def test_a_key_that_left_ssh_agent_is_named(agent: str, here: Settings, tmp_path: Path) -> None:
    """Found once and removed since: signing is refused with a fix, and finding says how to add it again."""
    line = add_key(tmp_path, agent, "ed25519", "256")
    signer = Keyring(here).import_file(tmp_path / "id", nobody)
    subprocess.run(["ssh-add", "-q", "-D"], env={"SSH_AUTH_SOCK": agent, "PATH": "/usr/bin:/bin"}, check=True)
    with pytest.raises(Unavailable, match="ssh-agent"):
        signer.sign(b"x", "git")
    with pytest.raises(Unavailable) as caught:
        Keyring(here).find([line])
    assert caught.value.fix == f"ssh-add '{tmp_path / 'id'}'"


def test_an_agent_that_is_gone_holds_no_keys(home: Path, make_settings: MakeSettings) -> None:
    """SSH_AUTH_SOCK of a session that ended is as good as none: a socket nobody listens at, or no file at all."""
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(home / "left"))
    left.close()
    for path in (home / "left", home / "nothing"):
        assert Keyring(make_settings(environ={"SSH_AUTH_SOCK": str(path)})).find([KEY.public]) is None


Answer = Callable[[bytes], Iterable[bytes]]


@pytest.fixture
def agent_that(home: Path) -> Iterator[Callable[[Answer], str]]:
    """`agent_that(answer)`: a listener that sends the pieces of `answer(request)` as they are, and then hangs up."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(home / "false-agent"))
    listener.listen()

    def start(answer: Answer) -> str:
        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    for piece in answer(connection.recv(65536)):
                        connection.sendall(piece)

        threading.Thread(target=serve, daemon=True).start()
        return str(home / "false-agent")

    yield start
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


LISTED = wire.string(b"\x0c\0\0\0\1" + wire.string(public.blob_of(KEY.public)) + wire.string(b"comment"))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0\0",
        b"\0\0\0\0",
        b"\xff\xff\xff\xff\x0c",
        b"\0\4\0\1",
        wire.string(b"\5"),
        LISTED[:-3],
        wire.string(b"\x0c\0\0\0\2"),
        wire.string(b"\x0c\xff\xff\xff\xff"),
        wire.string(b"\x0c\0\0\0\0rest"),
        wire.string(b"\x0e\0\0\0\0"),
        wire.string(b"\x0c\0\0\0\1" + wire.string(b"") + wire.string(b"")),
    ],
    ids=map(str, range(12)),  # one answer holds a fresh key: its text is another in each worker
)
def test_an_agent_that_answers_nonsense_is_unavailable(answer: bytes, agent_that: Callable[[Answer], str]) -> None:
    """Nothing, frames that are empty, huge, cut short, of another type or with too much: Unavailable with a fix."""
    path = agent_that(lambda _: [answer])
    with pytest.raises(Unavailable) as caught:
        sshagent.identities(path)
    assert "ssh-add" in caught.value.fix


@pytest.mark.parametrize("pieces", [[b""] * 50, [b"\0\0\0\x40"] + [b"x"] * 50], ids=["silent", "trickling"])
def test_an_agent_that_is_slow_is_given_up(
    pieces: list[bytes], agent_that: Callable[[Answer], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline holds for the whole exchange, also against single bytes that keep coming."""
    monkeypatch.setattr(sshagent, "_WAIT", 0.2)
    gate = threading.Event()

    def slow(_: bytes) -> Iterator[bytes]:
        for piece in pieces:
            yield piece
            gate.wait(0.1)

    start = time.monotonic()
    with pytest.raises(Unavailable, match=r"timed out|slow"):
        sshagent.identities(agent_that(slow))
    assert time.monotonic() - start < 4  # of the five seconds that all pieces take
    gate.set()


def test_keys_that_do_not_sign_here_are_not_listed(agent_that: Callable[[Answer], str]) -> None:
    """A certificate or another type that the agent holds too is passed over."""
    strange = wire.string(wire.string(b"ssh-ed25519-cert-v01@openssh.com") + b"rest") + wire.string(b"")
    ours = wire.string(public.blob_of(KEY.public)) + wire.string(b"")
    assert sshagent.identities(agent_that(lambda _: [wire.string(b"\x0c\0\0\0\2" + strange + ours)])) == [KEY.public]


@pytest.mark.parametrize(
    "signature",
    [
        keys.generate().sign(sshsig.to_sign(b"x", "git")),
        KEY.sign(b"something else"),
        b"",
        wire.string(b"ssh-rsa") + wire.string(b"y"),
    ],
    ids=["another key", "other bytes", "empty", "another algorithm"],
)
def test_a_signature_that_is_not_good_never_leaves(signature: bytes, agent_that: Callable[[Answer], str]) -> None:
    """An agent that signs with another key, other bytes or another algorithm is Unavailable, not believed."""
    signer = sshagent.AgentSigner(agent_that(lambda _: [wire.string(b"\x0e" + wire.string(signature))]), KEY.public)
    with pytest.raises(Unavailable):
        signer.sign(b"x", "git")
