"""`vault exec` and `run --env`: who has the secret, and who sees it, at terminals, in pipes and afterwards."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from githarness import clock
from githarness.vault.forms import forms
from tests.proxy.conftest import _vault_template, daemon, events, start, value_of, vaulted  # noqa: F401

Call = Callable[..., Any]
VALUE = value_of("github/token")
EXEC = ("vault", "exec", "--agent", "deployer", "--env", "TOK=github/token")


@pytest.fixture
def lent(vaulted: Path, cli: Call) -> Call:  # noqa: F811
    """`lent("echo $TOK")`: in a shell that has the secret as TOK."""
    return lambda script, *flags, **env: cli(*EXEC, *flags, "--", "sh", "-c", script, cwd=vaulted, **env)


@pytest.mark.parametrize(("script", "out"), [
    ("echo $TOK; echo $TOK >&2", "[secret github/token]\n"),
    ('printf "%s" "$TOK" | base64 -w0', "[secret github/token]"),
    ('printf "%s" "$TOK" | od -An -tx1 -v | tr -d " \\n"', "[secret github/token]"),
    ('printf "%.9s" "$TOK"; sleep 0.2; printf "%s" "${TOK#?????????}"', "[secret github/token]"),
    ("for i in $(seq 200); do printf x; done; echo $TOK", "x" * 200 + "[secret github/token]\n")])
def test_output_is_redacted(lent: Call, script: str, out: str) -> None:
    """V48: plain, base64, hex, split over writes, on stdout and stderr."""
    done = lent(script)
    assert (done.code, done.out) == (0, out)
    assert not any(form.text.decode(errors="replace") in done.out + done.err for form in forms(VALUE.encode()))


def test_stdout_and_stderr_stay_apart(lent: Call) -> None:
    """And the exit code is the command's."""
    done = lent("echo out; echo err $TOK >&2; exit 7")
    assert (done.code, done.out, done.err) == (7, "out\n", "err [secret github/token]\n")
    assert lent("kill -9 $$").code == 137


def test_the_child_has_the_value(lent: Call) -> None:
    """Byte for byte, in the variable and in a file that is its own."""
    done = lent('printf %s "$TOK" | sha256sum; sha256sum < $F; stat -c "%a %U" $F; stat -c %a $(dirname $F)',
                "--file", "F=github/token")
    digest = subprocess.run(["sha256sum"], input=VALUE.encode(), capture_output=True, check=True).stdout.decode()
    assert done.out.splitlines()[:2] == [digest.strip()] * 2, done.err
    assert done.out.splitlines()[2].split()[0] == "600" and done.out.splitlines()[3] == "700"


def test_a_file_goes_with_the_child(lent: Call) -> None:
    """The path, and the folder around it."""
    path = Path(lent("echo $F", "--file", "F=github/token").out.strip())
    assert path.name == "F" and not path.parent.exists()


def test_a_file_of_who_was_killed_goes_with_the_next(vaulted: Path, lent: Call) -> None:  # noqa: F811
    """kill -9 leaves it; the next command of this kind removes it."""
    command = [sys.executable, "-m", "githarness", *EXEC, "--file", "F=github/token", "--", "sh", "-c",
               "echo $F; exec sleep 60"]
    with subprocess.Popen(command, cwd=vaulted, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout
        path = Path(one.stdout.readline().strip())
        assert path.exists()
        child = int(Path(f"/proc/{one.pid}/task/{one.pid}/children").read_text().split()[0])
        one.kill()
        os.kill(child, signal.SIGKILL)
    assert path.exists()
    assert lent("true", "--file", "F=github/token").code == 0
    assert not path.parent.exists()


def test_it_is_in_nobody_s_arguments_nor_in_our_environment(vaulted: Path) -> None:  # noqa: F811
    """V20: while the child runs, every process that may be looked at but the child."""
    command = [sys.executable, "-m", "githarness", *EXEC, "--", "sh", "-c", "echo ready; exec sleep 60"]
    with subprocess.Popen(command, cwd=vaulted, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout and one.stdout.readline() == "ready\n"
        child = int(Path(f"/proc/{one.pid}/task/{one.pid}/children").read_text().split()[0])
        assert VALUE.encode() in Path(f"/proc/{child}/environ").read_bytes()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                assert VALUE.encode() not in (folder / "cmdline").read_bytes()
                assert folder.name == str(child) or VALUE.encode() not in (folder / "environ").read_bytes()
        one.send_signal(signal.SIGTERM)
        assert one.wait() == 143


def test_nothing_of_it_is_left(vaulted: Path, lent: Call, home: Path, git: Call) -> None:  # noqa: F811
    """V48, V20: no form of it in the repository, its objects, index and logs, nor in any file of the user's."""
    assert lent("echo $TOK; cat $F; echo x > new.txt; git add new.txt", "--file", "F=github/token").code == 0
    objects = git(vaulted, "cat-file", "--batch-all-objects", "--batch", "--unordered").encode(errors="surrogateescape")
    files = [path for top in (vaulted, home) for path in top.rglob("*") if path.is_file()]
    texts = [objects, *(path.read_bytes() for path in files)]
    assert [form for form in forms(VALUE.encode()) if any(form.text in text for text in texts)] == []


def test_each_use_is_in_the_log(vaulted: Path, lent: Call, cli: Call) -> None:  # noqa: F811
    """Mode exec, with agent and version; and policy refuses what it does not allow."""
    assert lent("true").code == 0
    (use,) = events(vaulted, "secret")
    assert (use["secret"], use["mode"], use["agent"], use["version"]) == ("github/token", "exec", "deployer", 1)
    done = cli("vault", "exec", "--agent", "scribe", "--env", "T=github/token", "--", "touch", "ran", cwd=vaulted)
    assert done.code == 10 and not (vaulted / "ran").exists()
    assert cli("vault", "exec", "--agent", "deployer", "--env", "T=github/fast", "--", "true", cwd=vaulted).code == 10


@pytest.mark.parametrize(("flags", "code"), [
    (("--env", "TOK"), 2), (("--env", "1A=github/token"), 2), (("--env", "LD_PRELOAD=github/token"), 2),
    (("--env", "GITHARNESS_RUN=github/token"), 2), (("--env", "A=github/token", "--file", "A=github/token"), 2),
    (("--env", "A=no/such"), 10), ((), 2)])
def test_what_is_off_is_named(vaulted: Path, cli: Call, flags: tuple[str, ...], code: int) -> None:  # noqa: F811
    """With a fix, and nothing is started."""
    done = cli("--json", "vault", "exec", "--agent", "deployer", *flags, "--", "touch", "ran", cwd=vaulted)
    assert (done.code, bool(done.json["error"]["fix"]), (vaulted / "ran").exists()) == (code, True, False)


def test_with_a_daemon(daemon: Any, lent: Call) -> None:  # noqa: F811
    """The same answers; one event for each secret, however often it is lent."""
    assert lent("echo $TOK", "--env", "B=github/token").out == "[secret github/token]\n"


def test_run_lends_as_its_own_run(vaulted: Path, cli: Call, git: Call) -> None:  # noqa: F811
    """`run --env`: at T1, redacted, and what it changed is captured without the secret being in it."""
    done = cli("run", "--agent", "deployer", "--env", "TOK=github/token", "--", "sh", "-c",
               'echo "$TOK"; printf %s "$TOK" | wc -c > size.md', cwd=vaulted)
    assert (done.code, done.out) == (0, "[secret github/token]\n"), done.err
    assert git(vaulted, "show", "HEAD:size.md") == str(len(VALUE))
    (use,) = events(vaulted, "secret")
    assert (use["mode"], use["tier"]) == ("exec", "T1")


def test_a_run_without_its_secret_does_not_start(vaulted: Path, cli: Call) -> None:  # noqa: F811
    """Denied, and the record says that it failed."""
    done = cli("run", "--agent", "scribe", "--env", "TOK=github/token", "--", "touch", "x", cwd=vaulted)
    assert done.code == 10
    assert cli("runs", "list", "--json", cwd=vaulted).json["items"][0]["status"] == "failed"


def test_signals_are_handed_on(vaulted: Path) -> None:  # noqa: F811
    """The child decides what SIGTERM and SIGUSR1 are to it; what it left running ends with it."""
    script = "trap 'echo one' USR1; trap 'echo ended; exit 9' TERM; sleep 300 & echo $!; while :; do sleep 0.05; done"
    command = [sys.executable, "-m", "githarness", *EXEC, "--", "sh", "-c", script]
    with subprocess.Popen(command, cwd=vaulted, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout
        left = int(one.stdout.readline())
        began = clock.process_start(left)
        one.send_signal(signal.SIGUSR1)
        assert one.stdout.readline() == "one\n"
        one.send_signal(signal.SIGTERM)
        assert one.stdout.readline() == "ended\n"
        assert one.wait() == 9
    assert not clock.is_alive(left, began)


def test_nobody_reads_any_more(vaulted: Path) -> None:  # noqa: F811
    """A child that writes to a closed pipe is told so, and ends."""
    command = [sys.executable, "-m", "githarness", *EXEC, "--", "sh", "-c", "yes $TOK; echo $? >&2"]
    with subprocess.Popen(command, cwd=vaulted, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as one:
        assert one.stdout
        assert one.stdout.readline() == b"[secret github/token]\n"
        one.stdout.close()
        assert one.wait(120) == 0


class Terminal:
    """A command at a terminal of its own, as a person sees it."""

    def __init__(self, folder: Path, *command: str) -> None:
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvp(command[0], command)
        self.resize(33, 77)
        self.shown = ""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def until(self, pattern: str, wait: float = 30.0) -> str:
        end = time.monotonic() + wait
        while not re.search(pattern, self.shown) and time.monotonic() < end:
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self.master, 65536).decode(errors="replace")
                except OSError:
                    break
        assert re.search(pattern, self.shown), self.shown
        return self.shown

    def end(self) -> int:
        with contextlib.suppress(OSError):
            while part := os.read(self.master, 65536):
                self.shown += part.decode(errors="replace")
        os.close(self.master)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def terminal(vaulted: Path) -> Call:  # noqa: F811
    """`terminal("echo $TOK")`: the same at a terminal."""
    return lambda script: Terminal(vaulted, sys.executable, "-m", "githarness", *EXEC, "--", "bash", "-c", script)


def test_at_a_terminal_the_child_has_one(terminal: Call) -> None:
    """isatty on all three, its size, its colour; and what it shows is redacted."""
    one = terminal('[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo yes; stty size; ls --color=auto -d /; echo "$TOK"; exit 5')
    assert one.end() == 5
    assert "yes\r\n33 77\r\n" in one.shown and "\x1b[" in one.shown
    assert "[secret github/token]\r\n" in one.shown and VALUE not in one.shown


def test_a_prompt_does_not_wait(terminal: Call) -> None:
    """What ends like the begin of a secret is shown after a moment; what was typed arrives."""
    one = terminal('printf "continue, c"; read x; echo "got $x"')
    one.until("continue, c")
    one.type("yes\n")
    one.until("got yes")
    assert one.end() == 0


def test_the_size_follows(terminal: Call) -> None:
    """SIGWINCH reaches the child with the new size."""
    one = terminal("trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done")
    one.until("ready")
    one.resize(50, 120)
    one.until("50 120")
    assert one.end() == 0


def test_the_size_follows_where_stdout_is_a_file(vaulted: Path, tmp_path: Path) -> None:  # noqa: F811
    """With --json what the child prints goes to stderr, and that is the terminal."""
    job = [sys.executable, "-m", "githarness", "--json", *EXEC, "--", "bash", "-c",
           "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done"]
    one = Terminal(vaulted, "sh", "-c", f"{shlex.join(job)} > {tmp_path / 'out'}")
    one.until("ready")
    one.resize(50, 120)
    one.until("50 120")
    assert one.end() == 0


def test_control_c_is_the_child_s(terminal: Call) -> None:
    """It may do something else than end."""
    one = terminal("trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.05; done")
    one.until("ready")
    one.type("\x03")
    one.until("caught")
    assert one.end() == 3


def test_control_z_stops_and_fg_goes_on(vaulted: Path) -> None:  # noqa: F811
    """In a shell with job control: the shell is back at once, and the child goes on where it was."""
    one = Terminal(vaulted, "bash", "--norc", "-i")
    script = "'echo is $((20+21)) up; exec sleep 5'"
    command = " ".join([sys.executable, "-m", "githarness", *EXEC, "--", "sh", "-c", script])
    one.type(f"PS1='@ '; {command}; echo ended=$?\n")
    one.until("is 41 up")
    one.type("\x1a")
    one.until("Stopped")
    one.type("echo $((40+2))\n")
    one.until("[\r\n]42")
    one.type("fg; echo again=$?\n")
    one.until("again=0")
    one.type("stty -a; exit\n")
    one.end()
    assert " icanon " in one.shown


@pytest.mark.parametrize("door", [("--proxy", "U=github/token"), ("--ssh",)])
def test_without_a_daemon_there_are_no_doors(vaulted: Path, cli: Call, door: tuple[str, ...]) -> None:  # noqa: F811
    """It says how to get one, before any value is handed out."""
    done = cli("vault", "exec", "--agent", "deployer", "--env", "T=github/token", *door, "--", "true", cwd=vaulted)
    assert done.code == 18 and done.err.endswith("hint: githarness vault serve\n")
    assert not events(vaulted, "secret")
