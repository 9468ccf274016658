"""Attacks on the vault by who is inside of a run, by what a run leaves, and by files and processes that were harmed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness.clock import SYSTEM
from githarness.errors import HarnessError, RateLimited, Unavailable
from githarness.proxy import spool
from githarness.proxy.mover import Mover
from githarness.store import exposures
from githarness.store.db import Database
from tests.conftest import Cli, run_git
from tests.proxy.conftest import POLICY, Daemon, answer, events, frame
from tests.proxy.served import eventually

GITHARNESS = f"{sys.executable} -m githarness"
ASK = """\
import sys, json
from pathlib import Path
from githarness import settings
from githarness.vault.client import Client
with Client(settings.load(), Path(sys.argv[1])) as vault:
    print(json.dumps(vault.ask(sys.argv[2]).header))
"""


@pytest.mark.parametrize("op", ["list", "status"])
def test_v36_who_says_nothing_is_still_of_its_run(op: str, daemon: Daemon, cli: Cli) -> None:
    """V36: without a hello, a process of a run is told no more names than with one, and of the others how many."""
    done = cli("run", "--agent", "deployer", "--", sys.executable, "-c", ASK, str(daemon.git_dir), op,
               cwd=daemon.folder)
    said = json.loads(done.out)
    if op == "status":
        assert said["refused"] == said["rejected"] == 0
    else:
        assert {one["name"] for one in said["items"]} == {"github/token", "github/fast"}


def test_v33_what_was_revoked_stays_so_for_runs_that_a_run_starts(daemon: Daemon, cli: Cli) -> None:
    """V33: a run that begins after that, but within one that was there before, is no new one."""
    flag = daemon.folder.parent / "flag"
    script = (f"echo $GITHARNESS_RUN > {flag}; while [ -e {flag} ]; do sleep 0.1; done; unset GITHARNESS_TOKEN_FILE; "
              f"{GITHARNESS} vault get github/fast --run $({GITHARNESS} runs start --agent deployer)")
    with subprocess.Popen([sys.executable, "-m", "githarness", "run", "--agent", "deployer", "--", "sh", "-c", script],
                          cwd=daemon.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert eventually(lambda: flag.exists() and flag.read_text().endswith("\n"))
        assert cli("vault", "revoke", "--run", flag.read_text().strip(), cwd=daemon.folder).code == 0
        flag.unlink()
        out, err = running.communicate()
    assert "was revoked for run" in err and not out


@pytest.mark.parametrize("word", ["lock", "unlock"])
def test_orders_are_peoples_where_no_daemon_runs_too(word: str, vaulted: Path, cli: Cli) -> None:
    """A process of a run neither locks the vault nor takes away a person's lock."""
    if word == "unlock":
        assert cli("vault", "lock", cwd=vaulted).code == 0
    done = cli("run", "--agent", "deployer", "--", *GITHARNESS.split(), "vault", word, cwd=vaulted)
    assert done.code == 10 and "is for people" in done.err
    assert cli("vault", "get", "github/fast", "--agent", "deployer", cwd=vaulted).code == (0 if word == "lock" else 15)


def test_no_run_stops_the_daemon(daemon: Daemon, cli: Cli) -> None:
    """That is an order as the others are."""
    done = cli("run", "--agent", "deployer", "--", *GITHARNESS.split(), "vault", "serve", "--stop", cwd=daemon.folder)
    assert done.code == 10 and "is for people" in done.err
    assert daemon.process.poll() is None
    assert cli("vault", "serve", "--stop", cwd=daemon.folder).code == 0


@pytest.mark.parametrize("op", ["route", "rejected"])
def test_a_locked_vault_is_no_missing_secret(op: str, daemon: Daemon, cli: Cli) -> None:
    """Also where the doors are asked about."""
    cli("vault", "lock", cwd=daemon.folder)
    with daemon.client() as vault, pytest.raises(HarnessError) as refused:
        vault.ask(op, name="github/token", host="example.org")
    assert refused.value.code == "vault-locked"


def test_nobody_says_that_a_secret_out_of_scope_was_refused(daemon: Daemon) -> None:
    """V36: it would be an event about a secret that the agent has never had."""
    with daemon.client() as vault:
        for name in ("other/key", "other/none"):
            with pytest.raises(HarnessError) as refused:
                vault.ask("rejected", name=name, host="example.org")
            assert refused.value.code == "denied"


FORGED = (
    b"not json", b"[]", b'{"kind":"secret"}', b'{"kind":"secret","safe":"x","time":1.000000,"n":2}',
    b'{"kind":"denial","safe":"{}","time":1e400,"n":3}', b'{"kind":["x"],"safe":"{}","time":1.000000,"n":3}',
    b'{"kind":"intent","safe":"{}","time":1.000000,"n":3}', b'{"kind":"denial","safe":"[]","time":1.000000,"n":1}',
    b'{"kind":"denial","safe":"{}","agent":"\\ud800","time":1.000000,"n":3}', b"[" * 5000,
    b'{"kind":"denial","safe":"{}","time":1.000000,"kind":"intent","n":1}',
    b'{"kind":"secret","safe":"{\\"mode\\":\\"get\\",\\"secret\\":[],\\"version\\":1}","time":1.000000,"n":3}',
)


def test_forged_lines_of_the_spool_keep_no_other_out_of_the_log(vaulted: Path, cli: Cli) -> None:
    """Whole by their sums, and nothing that a daemon writes: they are passed over, and commands go on."""
    file = vaulted / ".git/githarness/vault-audit.spool"
    safe = json.dumps({"mode": "get", "secret": "github/fast", "version": 1, "lease": "vl-1"})
    use = f'{{"kind":"secret","agent":"deployer","run":"r-x","safe":{json.dumps(safe)},"time":1.000000,"n":9}}'
    file.write_bytes(b"".join(b"%08x %b\n" % (zlib.crc32(text), text) for text in (*FORGED, use.encode())))
    assert cli("vault", "get", "github/fast", "--agent", "deployer", cwd=vaulted).code == 0
    first, second = events(vaulted, "secret")
    assert first["run"] == "r-x" and second["run"] != "r-x"
    assert cli("audit", "verify", cwd=vaulted).code == 0


def _spent(pid: int) -> int:
    """Ticks of processor time."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_the_daemon_does_not_spin_where_its_mover_was_killed(daemon: Daemon) -> None:
    """The end of their pipe is seen once."""
    for child in Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
    with daemon.client() as vault:
        vault.ask("get", name="github/fast", mode="get")
        assert eventually(lambda: len(events(daemon.folder, "secret")) == 1)
        before, slept = _spent(daemon.pid), os.sysconf("SC_CLK_TCK")
        subprocess.run(["sleep", "1"], check=True)
    assert _spent(daemon.pid) - before < slept / 5


def test_what_a_client_adds_to_its_requests_is_not_kept(daemon: Daemon) -> None:
    """256 requests of 60 KB each, all different, leave the daemon as large as it was."""
    def size() -> int:
        return int(Path(f"/proc/{daemon.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    with daemon.client() as vault:
        vault.ask("get", name="github/fast", mode="get", pad="x" * 60_000)
        before = size()
        for number in range(256):
            vault.ask("get", name="github/fast", mode="get", pad=f"{number:060000}")
        assert size() - before < 4 << 20


def test_a_key_of_another_machine_locks_nothing_else(vaulted: Path, start: Callable[..., Daemon], cli: Cli) -> None:
    """A record under a key that is not here, while nothing opens the vault alone, is refused by itself."""
    keys = next((Path(os.environ["XDG_DATA_HOME"]) / "githarness/vault").glob("v-*"))
    daemon = start()
    old = (keys / "keyslots.json").read_bytes()
    with daemon.client() as vault:
        assert vault.ask("get", name="github/fast", mode="get").body
        os.kill(daemon.pid, signal.SIGSTOP)
        cli("vault", "rekey", cwd=daemon.folder)
        (keys / "keyslots.json").write_bytes(old)
        (keys / "keyfile").rename(keys / "away")
        os.kill(daemon.pid, signal.SIGCONT)
        assert vault.ask("status").header["state"] == "unlocked"


def test_a_scan_swallows_no_answer(daemon: Daemon) -> None:
    """Asked right behind other requests it is refused, and those are answered."""
    with daemon.raw() as raw:
        raw.sendall(frame(op="hello", agent="deployer", run="r-q") + frame(b"x", op="scan") + frame(op="status"))
        heads = [answer(raw)[0] for _ in range(3)]
    assert "tier" in heads[0] and heads[1]["error"]["code"] == "usage" and heads[2]["state"] == "unlocked"


def test_an_agent_that_hoards_leases_takes_them_from_no_other(daemon: Daemon) -> None:
    """A thousand of its own; its uses without one go on, too."""
    with daemon.client() as vault:
        for _ in range(1000):
            vault.ask("lease", names=["github/**"], modes=["get"], ttl="1d")
        with pytest.raises(Unavailable):
            vault.ask("lease", names=["github/**"], modes=["get"])
        assert vault.ask("get", name="github/fast", mode="get").body


@pytest.mark.parametrize("said", [{"op": "lock"}, {"op": "hello", "human": "olive"}])
def test_who_has_gone_before_it_was_looked_at_is_nobody(said: dict[str, str], daemon: Daemon) -> None:
    """It may have been of a run, and another process may have its descriptor: no orders, no person, no secret."""
    with daemon.raw() as raw:
        os.kill(daemon.pid, signal.SIGSTOP)
        code = ("import socket, sys, os; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
                "s.sendall(bytes.fromhex(sys.argv[2])); os.fork() or (print(s.recv(4096)), print(s.recv(4096)))")
        sent = frame(**said) + frame(op="get", name="other/key", mode="get")
        with subprocess.Popen([sys.executable, "-c", code, daemon.socket, sent.hex()], stdout=subprocess.PIPE) as gone:
            assert gone.wait(60) == 0
            os.kill(daemon.pid, signal.SIGCONT)
            assert gone.stdout and b"denied" in gone.stdout.readline()
        raw.sendall(frame(op="status"))
        assert answer(raw)[0]["state"] == "unlocked"


def test_who_is_too_deep_is_nobody() -> None:
    """Below more processes than are looked at, a run could be above them."""
    code = ("import os\nfor _ in range(260):\n    if child := os.fork():\n"
            "        os.waitpid(child, 0)\n        os._exit(0)\n"
            "from githarness.errors import Denied\nfrom githarness.proxy import identity\n"
            "try: identity.ancestry(os.getpid())\nexcept Denied: print('denied')")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "denied\n"


def test_uses_that_are_on_their_way_into_the_log_count(vaulted: Path, start: Callable[..., Daemon], cli: Cli) -> None:
    """A limit of calls is kept while the mover has the file that they are in."""
    path = ".githarness/policies/main.yaml"
    limited = POLICY.replace('"t1/**"]}', '"t1/**"], limits: {calls: 3/1h}}')
    blob = run_git(vaulted, "rev-parse", f"HEAD:{path}")
    assert cli("write", path, "--as", "olive", "--if-match", blob, cwd=vaulted, stdin=limited).code == 0
    daemon = start()
    mover = int(Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()[0])
    with daemon.client() as vault:
        for _ in range(2):
            vault.ask("get", name="github/token", mode="get")
        os.kill(mover, signal.SIGSTOP)
        threading.Timer(2.0, os.kill, (mover, signal.SIGCONT)).start()
        vault.ask("get", name="github/token", mode="get")
        subprocess.run(["sleep", "0.6"], check=True)
        with pytest.raises(RateLimited):
            vault.ask("get", name="github/token", mode="get")


def test_a_file_of_the_spool_that_was_not_moved_is_not_taken_for_empty(tmp_path: Path) -> None:
    """Where the database could not take its lines, they are moved first, once it can."""
    (tmp_path / "harness.db").mkdir()
    book = spool.Spool(tmp_path)
    mover = Mover(tmp_path)
    book.note(spool.prefix("denial", "a", None, "r", None, {}), 1.0, durable=False)
    assert book.write()
    mover.start(book.turn())
    assert not mover.done() and not mover.wait()
    (tmp_path / "harness.db").rmdir()
    assert mover.wait() and not spool.any_left(tmp_path)
    mover.close()
    book.close()


def test_a_crowd_in_the_spool_is_counted_exactly(tmp_path: Path) -> None:
    """Of two kinds in turn, in more bytes than are read at once; what is torn behind them is gone with them."""
    db, book = Database(tmp_path, SYSTEM), spool.Spool(tmp_path)
    safe = {"secret": "a/b", "version": 1, "lease": "vl-1"}
    kinds = [spool.prefix("secret", "a", None, "r", None, {**safe, "mode": mode}) for mode in ("get", "exec")]
    for number in range(1001):
        book.note(kinds[number % 2], 1.0 + number, durable=False)
    assert book.write()
    with open(path := book.turn(), "r+b") as file:
        file.seek(file.read().index(b"\0"))
        file.write(b"00000000 torn")
    spool.move(db, path)
    with db.read() as conn:
        assert {one.mode: one.uses for one in exposures.listed(conn)} == {"get": 501, "exec": 500}
        assert conn.execute("SELECT count(*) FROM events").fetchone()[0] == 34
    assert not path.read_bytes().strip(b"\0")
    book.close()
