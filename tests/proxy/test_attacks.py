"""The attacks on the vault's process, socket and leases (attacks V17 to V39), against the running daemon."""

from __future__ import annotations

import array
import base64
import contextlib
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness import settings
from githarness.errors import Denied, HarnessError, Unavailable
from githarness.vault import arena
from githarness.vault.client import Client
from tests.conftest import Cli
from tests.proxy.conftest import CANARY, Daemon, answer, events, frame, start_run, value_of
from tests.proxy.served import eventually

NEEDS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root may read another process, or become another user")
_SECRET_AREA = "secretmem"


def copies(pid: int, needle: bytes, skip: str) -> int:
    """How often the bytes stand in a process's memory, without the mappings whose name has `skip`."""
    found = 0
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            fields = line.split()
            if "r" not in fields[1] or (skip and skip in line) or "[v" in line:
                continue
            first, last = (int(text, 16) for text in fields[0].split("-"))
            with contextlib.suppress(OSError, ValueError, OverflowError):
                memory.seek(first)
                found += memory.read(last - first).count(needle)
    return found


def forms(value: bytes) -> list[bytes]:
    return [value, value.hex().encode(), *(base64.b64encode(bytes(n) + value)[4 * (n > 0):-4] for n in range(3))]


@NEEDS_ROOT
def test_v19_no_copy_of_a_secret_is_in_the_daemon(daemon: Daemon) -> None:
    """V19: after gets, 0 in plain, hex and base 64, outside of the arena that not even root reads."""
    with daemon.client() as vault:
        for _ in range(50):
            vault.ask("get", name="github/token", mode="get")
            vault.ask("get", name="github/fast", mode="get")
        assert vault.ask("status").header["memory"] == arena.SECRET
        assert copies(daemon.pid, b"github/token", _SECRET_AREA) > 0  # the scan sees what lies open
        for needle in forms(value_of("github/token").encode()) + forms(CANARY.encode()):
            assert copies(daemon.pid, needle, _SECRET_AREA) == 0


@NEEDS_ROOT
def test_v19_the_scan_finds_what_an_ordinary_process_leaves() -> None:
    """The negative control: a value decrypted the ordinary way, into bytes, is found."""
    code = ("import sys; from cryptography.fernet import Fernet; key = Fernet.generate_key(); "
            f"value = Fernet(key).decrypt(Fernet(key).encrypt(bytes.fromhex('{CANARY.encode().hex()}'))); "
            "print('ready', flush=True); sys.stdin.read()")
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as one:
        assert one.stdout and one.stdin and one.stdout.readline() == b"ready\n"
        assert copies(one.pid, CANARY.encode(), "") > 0
        one.stdin.close()


@NEEDS_ROOT
def test_v17_another_process_reads_nothing_of_the_daemon(daemon: Daemon) -> None:
    """V17: memory, environment and descriptors are root's, for a process of the same or another user."""
    for name in ("mem", "environ", "fd", "maps"):
        assert os.stat(f"/proc/{daemon.pid}/{name}").st_uid == 0
        code = f"import os; os.setuid(65534); os.listdir('/proc/{daemon.pid}/fd')"
        assert b"PermissionError" in subprocess.run([sys.executable, "-c", code], capture_output=True,
                                                    check=False).stderr


def test_v18_a_crash_leaves_no_core(daemon: Daemon) -> None:
    """V18: the limit is zero; a killed daemon leaves no file with the value, and its successor serves."""
    limits = Path(f"/proc/{daemon.pid}/limits").read_text()
    assert next(line for line in limits.splitlines() if "core file" in line).split()[4:6] == ["0", "0"]
    assert daemon.end(signal.SIGSEGV) == -signal.SIGSEGV
    assert not [file for file in daemon.folder.iterdir() if file.name.startswith("core")]


def test_v20_no_secret_in_words_environment_or_errors(daemon: Daemon, cli: Cli) -> None:
    """V20: argv, environ, what fails says, and what the daemon wrote (checked at its end)."""
    with daemon.client() as vault:
        vault.ask("get", name="github/token", mode="get")
        with pytest.raises(HarnessError) as refused:
            vault.ask("get", name="github/token", mode="no-mode")
    said = cli("vault", "get", "other/key", "--agent", "deployer", cwd=daemon.folder)
    for text in (Path(f"/proc/{daemon.pid}/cmdline").read_bytes(), repr(refused.value.document()).encode(),
                 (said.out + said.err).encode()):
        assert CANARY.encode() not in text


def test_v21_memory_that_could_be_swapped_is_not_used() -> None:
    """V21: without memfd_secret it is locked; where it cannot be and swap is on, nothing is held."""
    assert arena.Arena(secret=False).kind == arena.LOCKED
    code = ("import os, resource; from githarness.vault import arena; "
            "resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0)); os.getuid() or os.setuid(65534); "
            "arena.swap_is_on = lambda: True; arena.Arena(secret=False)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "cannot be locked" in done.stderr


def test_freed_memory_is_wiped() -> None:
    """A slot that was given back has nothing in it, and serves the next one of its size."""
    memory = arena.Arena()
    slot = memory.take(100)
    view = slot.view
    view[:6] = b"secret"
    slot.free()
    assert not any(view) and memory.take(128).view is view


@NEEDS_ROOT
def test_v22_another_user_is_hung_up_on(daemon: Daemon) -> None:
    """V22: by the kernel's word, also where the socket's folder lets it in."""
    for path in (daemon.socket, daemon.socket.parent, *daemon.socket.parent.parents[:-1]):
        path.chmod(0o777)
    code = (f"import os, socket; os.setuid(65534); s = socket.socket(socket.AF_UNIX); s.connect('{daemon.socket}'); "
            f"s.sendall({frame(op='status')!r}); print(s.recv(100))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "b''\n" or "ConnectionResetError" in done.stderr or "BrokenPipe" in done.stderr


def test_v23_the_socket_is_never_open_to_others(daemon: Daemon) -> None:
    """V23: bound under umask, in a folder of the user's own."""
    assert stat.S_IMODE(daemon.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(daemon.socket.parent.stat().st_mode) == 0o700


def test_v25_a_thousand_connections(daemon: Daemon) -> None:
    """V25: all are served, none harms another, and those that wait are answered."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(daemon.raw()) for _ in range(1000)]
        for raw in clients:
            raw.sendall(frame(op="hello", agent="deployer", run="r-many")
                        + frame(op="get", name="github/fast", mode="get"))
        for raw in clients:
            assert answer(raw)[0]["agent"] == "deployer" and CANARY.encode() in answer(raw)[1]


def test_v25_running_out_of_descriptors(start: Callable[..., Daemon]) -> None:
    """V25: EMFILE turns connections away; who is there is served on, and newcomers when there is room again."""
    daemon = start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)))
    with contextlib.ExitStack() as stack, daemon.client() as vault:
        for _ in range(120):
            stack.enter_context(daemon.raw())
        assert vault.ask("get", name="github/fast", mode="get").body

    def served() -> bool:
        try:
            with daemon.client() as vault:
                return bool(vault.ask("get", name="github/fast", mode="get").body)
        except HarnessError:  # it has not seen all of them go
            return False

    assert eventually(served)


@pytest.mark.parametrize("bad", [
    b"\xff" * 64, b"\0\0\0\0\0\0\0\0", frame(op="get")[:7] + b"\xff" + b"{" * 300, b"GET / HTTP/1.1\r\n\r\n",
    (8).to_bytes(4, "big") + (4).to_bytes(4, "big") + b"nope", b"\0\0\0\x14\0\0\0\x10" + b"[" * 16,
    (60004).to_bytes(4, "big") + (60000).to_bytes(4, "big") + b'{"id":' + b"[" * 59994,
    (2 << 30).to_bytes(4, "big") + (4).to_bytes(4, "big"),
])
def test_v26_malformed_messages(daemon: Daemon, bad: bytes) -> None:
    """V26: huge, deep, torn or no JSON: a typed error or the end of that connection, and nothing for others."""
    with daemon.client() as vault, daemon.raw() as raw:
        raw.sendall(bad)
        raw.shutdown(socket.SHUT_WR)
        with contextlib.suppress(EOFError, ConnectionResetError):
            assert answer(raw)[0]["error"]["code"] == "usage"
        assert vault.ask("get", name="github/fast", mode="get").body


@pytest.mark.parametrize("wrong", [
    {"op": "get"}, {"op": "get", "name": 5, "mode": "get"}, {"op": "get", "name": "x" * 5000, "mode": "get"},
    {"op": ["get"]}, {"op": "hello", "agent": 1}, {"op": "lease", "names": "x", "modes": ["get"]},
    {"op": "lease", "names": ["*"], "modes": ["get"], "uses": True}, {"op": "nope"}, {"op": "get", "id": -1},
    {"op": "get", "id": "1"}, {"op": "get", "id": 1e300},
])
def test_v26_fields_of_another_type(daemon: Daemon, wrong: dict[str, object]) -> None:
    """V26: each is a typed answer; the connection goes on."""
    with daemon.raw() as raw:
        raw.sendall(frame(op="hello", agent="deployer", run="r-x") + frame(**wrong) + frame(op="status"))
        answer(raw)
        assert answer(raw)[0]["error"]["code"] in ("usage", "denied") and answer(raw)[0]["state"] == "unlocked"


def test_v27_a_process_of_a_run_is_no_other_agent(daemon: Daemon, cli: Cli) -> None:
    """V27: inside a run another agent's name, another run or a person's is refused, and recorded."""
    code = ("import os, sys; from pathlib import Path; from githarness import settings; "
            "from githarness.vault.client import Client; from githarness.errors import HarnessError\n"
            "for said in ((None, None, None, 'olive'), ('deployer', 'r-else', None, None)):\n"
            f"    with Client(settings.load(), Path({str(daemon.git_dir)!r})) as vault:\n"
            "        agent, run, token, human = said\n"
            "        try: vault.hello(agent, run, token, human=human); sys.exit(9)\n"
            "        except HarnessError as error: print(error.code)\n"
            f"with Client(settings.load(), Path({str(daemon.git_dir)!r})) as vault:\n"
            "    for op in ('revoke', 'leases', 'lock', 'unlock', 'reload'):\n"
            "        try: vault.ask(op, all=True); sys.exit(9)\n"
            "        except HarnessError as error: print(error.code)\n")
    done = cli("run", "--agent", "scribe", "--", sys.executable, "-c", code, cwd=daemon.folder)
    assert done.code == 0 and done.out.split() == ["denied"] * 7, done.err
    daemon.end()
    assert [one["rule"] for one in daemon.events("denial")] == ["identity"] * 2


def test_t1_takes_the_token_inside_the_run(daemon: Daemon, cli: Cli) -> None:
    """A secret that demands T1 is given where the token is the run's and the process is of it."""
    done = cli("run", "--agent", "deployer", "--", sys.executable, "-m", "githarness", "vault", "get", "t1/key",
               cwd=daemon.folder)
    assert (done.code, done.out) == (0, value_of("t1/key")), done.err
    daemon.end()
    assert [one["tier"] for one in daemon.events("secret")] == ["T1"]


def test_v28_a_stolen_token_is_worth_nothing_elsewhere(daemon: Daemon, cli: Cli) -> None:
    """V28: the run's own token, used by a process outside of the run."""
    out = daemon.folder.parent / "stolen"
    code = (f"import os, shutil, time; shutil.copy(os.environ['GITHARNESS_TOKEN_FILE'], {str(out)!r}); "
            f"open({str(out) + '.run'!r}, 'w').write(os.environ['GITHARNESS_RUN']); input()")
    command = [sys.executable, "-m", "githarness", "run", "--agent", "deployer", "--", sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=daemon.folder, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        while not (out.with_suffix(".run").exists() and out.with_suffix(".run").read_text()):
            assert running.poll() is None
        run, token = out.with_suffix(".run").read_text(), out.read_text().strip()
        with Client(settings.load(), daemon.git_dir) as thief:
            with pytest.raises(Denied, match="not of that run"):
                thief.hello("deployer", run, token)
            with pytest.raises(Denied, match="token"):
                thief.hello("deployer", run, "x" * 43)
        assert running.stdin
        running.communicate(b"\n")


def test_v28_a_lease_is_worth_nothing_to_another_run(daemon: Daemon) -> None:
    """V28: its id is no bearer."""
    with daemon.client(run="r-one") as one, daemon.client(run="r-two") as other:
        lease = one.ask("lease", names=["github/**"], modes=["get"]).header["lease"]
        assert one.ask("get", name="github/fast", mode="get", lease=lease).body
        with pytest.raises(Denied, match="no lease"):
            other.ask("get", name="github/fast", mode="get", lease=lease)


def test_v30_a_connection_is_of_the_process_that_made_it(daemon: Daemon) -> None:
    """V30: a descriptor that another process got hold of is closed at its first message."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    code = ("import array, socket, sys; s = socket.socket(fileno=int(sys.argv[1])); "
            "_, said, _, _ = s.recvmsg(1, socket.CMSG_SPACE(4)); fd = array.array('i', said[0][2])[0]; "
            f"v = socket.socket(fileno=fd); v.sendall({frame(op='get', name='github/fast', mode='get')!r}); "
            "print(v.recv(100))")
    with daemon.raw() as raw, ours, theirs:
        raw.sendall(frame(op="hello", agent="deployer", run="r-x"))
        answer(raw)
        raw.settimeout(None)  # the thief's descriptor is the same open file
        with subprocess.Popen([sys.executable, "-c", code, str(theirs.fileno())], pass_fds=[theirs.fileno()],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as thief:
            ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [raw.fileno()]))])
            out, err = thief.communicate(timeout=120)
    assert CANARY.encode() not in out and (out == b"b''\n" or b"Reset" in err)


def test_v32_uses_are_counted_exactly(daemon: Daemon) -> None:
    """V32: 32 clients of one lease with 20 uses get 20 values in all."""
    with daemon.client() as first:
        lease = first.ask("lease", names=["github/*"], modes=["get"], uses=20).header["lease"]
    given: list[int] = []

    def take() -> None:
        with daemon.client() as vault:
            for _ in range(5):
                with contextlib.suppress(Denied):
                    given.append(len(vault.ask("get", name="github/fast", mode="get", lease=lease).body))

    threads = [threading.Thread(target=take) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == 20


@pytest.mark.parametrize("what", [{"agent": "deployer"}, {"run": "r-one"}, {"secret": "github/fast"}, {"all": True}])
def test_v33_what_was_revoked_is_refused_from_the_next_request_on(daemon: Daemon, start: Callable[..., Daemon],
                                                                  what: dict[str, str | bool]) -> None:
    """V33: by run, agent, secret and all; on open connections, for new ones, and after a restart."""
    with daemon.client() as vault, daemon.client(None) as person:
        vault.ask("get", name="github/fast", mode="get")
        assert person.ask("revoke", **what).header["revoked"] == 1
        with pytest.raises(Denied, match="revoked"):
            vault.ask("get", name="github/fast", mode="get")
    daemon.end()
    with start().client() as again, pytest.raises(Denied, match="revoked"):
        again.ask("get", name="github/fast", mode="get")
    with daemon.client(run="r-new") as vault:
        assert vault.ask("get", name="github/fast", mode="get").body


def test_v33_a_revoked_lease(daemon: Daemon) -> None:
    """V33: by its id; what else the run has stays."""
    with daemon.client() as vault, daemon.client(None) as person:
        lease = vault.ask("get", name="github/fast", mode="get").header["lease"]
        vault.ask("get", name="github/token", mode="get")
        person.ask("revoke", lease=lease)
        with pytest.raises(Denied):
            vault.ask("get", name="github/fast", mode="get")
        assert vault.ask("get", name="github/token", mode="get").body


def test_v33_a_lease_ends_where_no_revocation_can_be_written_down(daemon: Daemon) -> None:
    """V33: who revoked it is told of the disk, and it is over all the same."""
    (daemon.git_dir / "githarness/vault-revoked").mkdir()
    with daemon.client() as vault, daemon.client(None) as person:
        lease = vault.ask("lease", names=["github/*"], modes=["get"]).header["lease"]
        with pytest.raises(Unavailable, match="cannot be written down"):
            person.ask("revoke", lease=lease)
        with pytest.raises(Denied, match="no lease"):
            vault.ask("get", name="github/token", mode="get", lease=lease)


def test_v33_a_value_that_waits_to_be_taken_is_withdrawn(daemon: Daemon, cli: Cli) -> None:
    """V33: a client that takes no answers, and so has some waiting in the daemon, loses them."""
    assert cli("vault", "set", "github/long", "--mode", "get", cwd=daemon.folder, stdin="z" * 60000).code == 0
    with daemon.raw() as raw, daemon.client(None) as person:
        raw.sendall(frame(op="hello", agent="deployer", run="r-one")
                    + b"".join(frame(op="get", name="github/long", mode="get") for _ in range(40)))
        while person.ask("status").header["leases"] == 0:
            pass
        person.ask("revoke", all=True)
        taken = 0
        with contextlib.suppress(EOFError, ConnectionResetError):
            while True:
                taken += len(answer(raw)[1]) > 0
        assert taken < 40


def test_leases_have_bounds(daemon: Daemon) -> None:
    """Names, modes, uses, rate; and there is none for what the agent may not use."""
    with daemon.client() as vault:
        lease = vault.ask("lease", names=["github/fast"], modes=["get"], rate="2/1h").header["lease"]
        for _ in range(2):
            vault.ask("get", name="github/fast", mode="get", lease=lease)
        with pytest.raises(HarnessError) as over:
            vault.ask("get", name="github/fast", mode="get", lease=lease)
        assert over.value.code == "rate-limited"
        with pytest.raises(Denied, match="not for"):
            vault.ask("get", name="github/token", mode="get", lease=lease)
        with pytest.raises(Denied, match="may use nothing"):
            vault.ask("lease", names=["other/*"], modes=["get"])


def test_v38_without_room_for_the_audit_nothing_is_given(start: Callable[..., Daemon]) -> None:
    """V38: a use that cannot be recorded is refused as unavailable, at once."""
    daemon = start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5 << 20, 5 << 20)))
    spool = daemon.git_dir / "githarness/vault-audit.spool"
    with daemon.client() as vault:
        assert vault.ask("get", name="github/fast", mode="get").body
    limit = f"import resource; resource.prlimit({daemon.pid}, resource.RLIMIT_FSIZE, (0, 0))"
    subprocess.run([sys.executable, "-c", limit], check=True)
    with daemon.client() as vault:
        with pytest.raises(Unavailable, match="cannot be recorded"):
            vault.ask("get", name="github/token", mode="get")
        with pytest.raises(Unavailable, match="cannot be recorded"):
            vault.ask("get", name="github/token", mode="get")
        assert vault.ask("status").header["state"] == "audit-blocked" and spool.exists()


def test_v39_no_value_without_an_event(daemon: Daemon, cli: Cli) -> None:
    """V39: killed at any moment, what a client was given stands in the log after the next command."""
    got = 0
    with contextlib.suppress(HarnessError), daemon.client() as vault:
        threading.Timer(0.3, daemon.process.kill).start()
        while True:
            vault.ask("get", name="github/token", mode="get")
            got += 1
    assert cli("vault", "list", cwd=daemon.folder).code == 0
    recorded = sum(int(one.get("uses", 1)) for one in events(daemon.folder, "secret"))
    assert 0 < got <= recorded <= got + 1


def test_v39_a_restart_in_the_middle_of_a_request(daemon: Daemon, start: Callable[..., Daemon]) -> None:
    """V39: half a request dies with its connection; the next daemon takes over socket and spool."""
    with daemon.raw() as raw:
        raw.sendall(frame(op="hello", agent="deployer", run="r-x")[:9])
        daemon.end(signal.SIGKILL)
        with pytest.raises((EOFError, ConnectionResetError)):
            answer(raw)
    with start().client() as vault:
        assert vault.ask("get", name="github/fast", mode="get").body


def test_moving_the_spool_twice_makes_one_event(daemon: Daemon, cli: Cli) -> None:
    """As after a crash between the transaction and the emptying of the file."""
    with daemon.client() as vault:
        vault.ask("get", name="github/fast", mode="get")
    spool = daemon.git_dir / "githarness/vault-audit.spool"
    daemon.process.send_signal(signal.SIGSTOP)
    kept = spool.read_bytes()
    daemon.process.send_signal(signal.SIGCONT)
    daemon.end()
    assert json.loads(kept.split(b"\n")[0][9:])["kind"] == "secret"
    spool.write_bytes(kept)
    assert cli("vault", "list", cwd=daemon.folder).code == 0
    assert len(events(daemon.folder, "secret")) == 1 and not spool.read_bytes().strip(b"\0")


def test_activation(vaulted: Path, home: Path) -> None:
    """A socket that systemd made is served, and stays when the daemon ends."""
    path = home / "run" / "given.sock"
    code = ("import os, socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); "
            "os.dup2(s.fileno(), 3); os.set_inheritable(3, True); "
            "os.environ |= {'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1'}; "
            "os.execv(sys.executable, [sys.executable, '-m', 'githarness', '--json', 'vault', 'serve'])")
    with subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=vaulted, stdout=subprocess.PIPE) as process:
        assert process.stdout and json.loads(process.stdout.readline())["socket"] == str(path)
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(path))
            raw.sendall(frame(op="hello", agent="deployer", run="r-x"))
            raw.sendall(frame(op="get", name="github/fast", mode="get"))
            assert answer(raw)[0]["tier"] == "T0" and answer(raw)[1] == value_of("github/fast").encode()
        process.terminate()
        assert process.wait(60) == 0 and path.exists()


def test_a_run_for_scripts_has_no_process_and_is_t0(daemon: Daemon) -> None:
    """Its token alone proves nothing about who uses it."""
    run, token = start_run(daemon.folder, "deployer")
    with daemon.client(None) as vault:
        assert vault.hello("deployer", run, token)["tier"] == "T0"
        with pytest.raises(Denied, match="takes T1"):
            vault.ask("get", name="t1/key", mode="get")
