"""The vault's ssh-agent before OpenSSH's own programs: keys of mode sign sign, and never leave."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from githarness.seal import keys, wire
from tests.proxy.served import AGENT, RUN, Served, eventually, served

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")


@pytest.fixture(scope="module")
def key(_session_world: None) -> keys.PrivateKey:
    return keys.generate()


@pytest.fixture(scope="module")
def vault(_fleet_template: tuple[Path, Path], key: keys.PrivateKey, tmp_path_factory: pytest.TempPathFactory,
          ) -> Iterator[Served]:
    with served(_fleet_template, tmp_path_factory.mktemp("v")) as made:
        made.secret("key/deploy", key.to_pem().decode(), "--mode", "sign")
        made.secret("key/password", "no key at all, but long", "--mode", "sign")
        made.secret("other/key", keys.generate().to_pem().decode(), "--mode", "sign")
        yield made


def _run(vault: Served, *words: str | Path, agent: str = AGENT, ok: bool = True) -> str:
    """A command under `githarness vault exec --ssh`."""
    done = vault.cli("vault", "exec", "--agent", agent, "--run", f"{RUN}-{agent}", "--ssh", "--", *words, ok=False)
    assert done.code == 0 or not ok, done.err
    return done.out + done.err


@pytest.fixture
def agent(vault: Served) -> str:
    """The path of the socket, to which this process and its children are the agent `deployer`."""
    return str(vault.ask("ssh")["socket"])


def test_ssh_add_lists_the_keys_in_scope(vault: Served, key: keys.PrivateKey) -> None:
    """By the public key and the secret's name; what is no key, or out of scope, is not there."""
    listed = _run(vault, "ssh-add", "-L").split("\n")
    assert [line for line in listed if line] == [f"{key.public} key/deploy"]
    assert keys.fingerprint(key.public) in _run(vault, "ssh-add", "-l")


def test_ssh_keygen_signs_by_it(vault: Served, key: keys.PrivateKey, tmp_path: Path) -> None:
    """What it signs verifies."""
    (tmp_path / "k.pub").write_text(key.public + "\n")
    (tmp_path / "doc").write_text("text\n")
    (tmp_path / "allowed").write_text(f"me {key.public}\n")
    _run(vault, "ssh-keygen", "-Y", "sign", "-q", "-n", "file", "-f", tmp_path / "k.pub", tmp_path / "doc")
    words = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "me", "-n", "file", "-s", "doc.sig"]
    with open(tmp_path / "doc", "rb") as file:
        assert subprocess.run(words, cwd=tmp_path, stdin=file, capture_output=True, check=False).returncode == 0


def test_every_signature_is_in_the_audit_log(vault: Served, agent: str, key: keys.PrivateKey) -> None:
    """As a use of the secret in mode sign."""
    data = wire.string(wire_blob(key)) + wire.string(b"x") + bytes(4)
    assert _exchange(agent, b"\x0d" + data)[:1] == b"\x0e"
    assert eventually(lambda: '"sign"' in vault.cli("--json", "audit", "log", "--kind", "secret").out)


def wire_blob(key: keys.PrivateKey) -> bytes:
    from githarness.seal import public

    return public.blob_of(key.public)


def _exchange(path: str, request: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(20)
        one.connect(path)
        one.sendall(wire.string(request))
        size = int.from_bytes(one.recv(4), "big")
        answer = b""
        while len(answer) < size:
            answer += one.recv(size)
        return answer


@pytest.mark.parametrize("kind", [1, 9, 10, 17, 18, 19, 20, 21, 22, 23, 25, 26, 27, 255])
def test_nothing_is_added_removed_or_locked(kind: int, agent: str) -> None:
    """Every other request is refused, extensions included, and the agent goes on."""
    assert _exchange(agent, bytes((kind,)) + bytes(40)) == b"\5"
    assert _exchange(agent, b"\x0b")[:1] == b"\x0c"


@pytest.mark.parametrize("request_", [b"\x0d", b"\x0d\xff\xff\xff\xff", b"\x0d" + bytes(8),
                                      b"\x0d\0\0\0\4abcd\0\0\0\1x"])
def test_a_malformed_request_is_refused(request_: bytes, agent: str) -> None:
    """And harms nobody."""
    assert _exchange(agent, request_) == b"\5"


def test_an_oversized_request_ends_its_connection(agent: str) -> None:
    """Before its bytes are awaited."""
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(agent)
        one.sendall((1 << 30).to_bytes(4, "big"))
        assert one.recv(1) == b""


def test_another_agent_has_no_key(vault: Served) -> None:
    """Scope is decided by who asks."""
    assert "no identities" in _run(vault, "ssh-add", "-l", agent="scribe", ok=False)


def test_who_is_nobody_gets_nothing(vault: Served) -> None:
    """A process that no run and no exec answers for is refused, of whatever user; the path is told by status."""
    path = vault.cli("--json", "vault", "status").json["ssh_agent"]
    start = ["setsid", "--fork", "sh", "-c", "sleep 0.3; ssh-add -l > out 2>&1; mv out done"]
    subprocess.run(start, cwd=vault.folder.parent, env={**os.environ, "SSH_AUTH_SOCK": path}, check=True)
    done = vault.folder.parent / "done"
    assert eventually(done.exists)
    assert "SHA256" not in done.read_text()


def test_a_key_is_handed_to_no_client(vault: Served) -> None:
    """The daemon's own door signs; a value of mode sign goes to nobody."""
    with pytest.raises(Exception, match="hands no value out"):
        vault.ask("get", name="key/deploy", mode="sign")


@pytest.mark.skipif(SSHD is None, reason="there is no sshd")
def test_a_real_login(vault: Served, key: keys.PrivateKey, tmp_path: Path) -> None:
    """OpenSSH's server lets in who has the vault's ssh-agent, and nobody else."""
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    (tmp_path / "authorized").write_text(key.public + "\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {tmp_path}/host\nAuthorizedKeysFile {tmp_path}/authorized\n"
        f"StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nPidFile none\n")
    os.makedirs("/run/sshd", exist_ok=True)
    server = subprocess.Popen([str(SSHD), "-D", "-e", "-f", tmp_path / "config"], stderr=subprocess.PIPE)
    words = ["ssh", "-p", str(port), "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes",
             "-o", f"UserKnownHostsFile={tmp_path}/known", "127.0.0.1", "echo", "let", "in"]
    try:
        assert eventually(lambda: "let in" in _run(vault, *words, ok=False))
        assert "let in" not in subprocess.run(words, capture_output=True, text=True, check=False).stdout
    finally:
        server.terminate()
        server.communicate()
