"""A client of ssh-agent (OpenSSH's PROTOCOL.agent): lists its keys and has it sign; the keys never come here.

A frame is uint32(length), a byte for its type, and its body. Frames are bounded and every exchange has a deadline;
whatever goes wrong with the agent is Unavailable.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from githarness import clock
from githarness.errors import Integrity, Unavailable
from githarness.seal import public as public_keys
from githarness.seal import sshsig, wire

_LIST, _LISTED = 11, 12
_SIGN, _SIGNED = 13, 14
_RSA_SHA512 = 4  # the flag SSH_AGENT_RSA_SHA2_512
_LARGEST = 256 * 1024
_WAIT = 5.0
_TOUCH_WAIT = 30.0  # a key on a token waits for a finger
_FIX = "check ssh-agent with ssh-add -l"


def identities(path: str) -> list[str]:
    """The public keys that the agent holds, of those kinds that sign here; none where no agent listens any more."""
    with _mapped():
        try:
            connection = _connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return []
        body = wire.Reader(_exchange(connection, bytes((_LIST,)), _LISTED, _WAIT), "its list of keys")
        blobs = [(body.string(), body.string())[0] for _ in range(body.uint32())]
        body.end()
        return [line for line in map(public_keys.of_blob, blobs) if line.split()[0] in public_keys.KINDS]


class AgentSigner:
    """A Signer whose key stays in ssh-agent."""

    def __init__(self, path: str, public: str) -> None:
        self.public = public
        self._path = path

    def sign(self, message: bytes, namespace: str) -> str:
        blob = public_keys.blob_of(self.public)
        flags = _RSA_SHA512 if self.public.startswith("ssh-rsa ") else 0
        wait = _TOUCH_WAIT if self.public.startswith("sk-") else _WAIT
        request = wire.string(blob) + wire.string(sshsig.to_sign(message, namespace)) + flags.to_bytes(4, "big")
        with _mapped():
            answer = _exchange(_connect(self._path), bytes((_SIGN,)) + request, _SIGNED, wait)
            body = wire.Reader(answer, "its signature")
            armored = sshsig.armor(sshsig.head(blob, namespace) + wire.string(body.string()))
            body.end()
            sshsig.verify(armored, message, namespace)  # an old agent signs with SHA-1 whatever it is asked
        return armored


@contextlib.contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except (OSError, Integrity) as error:
        raise Unavailable(f"ssh-agent does not answer as it should: {error}", fix=_FIX) from error


def _connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(_WAIT)
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def _exchange(connection: socket.socket, request: bytes, wanted: int, wait: float) -> bytes:
    deadline = clock.SYSTEM.monotonic() + wait
    with connection:
        connection.sendall(wire.string(request))
        size = int.from_bytes(_receive(connection, 4, deadline), "big")
        if not 0 < size <= _LARGEST:
            raise Integrity(f"a frame of {size} bytes")
        answer = _receive(connection, size, deadline)
    if answer[0] != wanted:
        raise Integrity("it refused")
    return answer[1:]


def _receive(connection: socket.socket, size: int, deadline: float) -> bytes:
    data = bytearray()
    while len(data) < size:
        left = deadline - clock.SYSTEM.monotonic()
        if left <= 0:
            raise TimeoutError("it is too slow")
        connection.settimeout(left)
        piece = connection.recv(size - len(data))
        if not piece:
            raise Integrity("it hung up")
        data += piece
    return bytes(data)
