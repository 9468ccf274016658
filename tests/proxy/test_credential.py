"""`git-credential-githarness`: real git clones from and pushes to a real server that wants a password."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import build_repo
from tests.proxy import githost
from tests.proxy.githost import Host
from tests.proxy.served import AGENT, RUN, Served, eventually, served

USER, TOKEN = "x-access-token", "ghp-of-the-tests+/42"
HELPER = f"{sys.executable} -m githarness.checks.credential"


@pytest.fixture(scope="module")
def place(_session_world: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("v")


@pytest.fixture(scope="module")
def host(place: Path) -> Iterator[Host]:
    bare = build_repo(place / "hosted/work.git", {"a.md": "a\n"}, bare=True)
    subprocess.run(["git", "-C", bare, "config", "http.receivepack", "true"], check=True)
    with githost.running(place / "hosted", USER, TOKEN) as made:
        yield made


@pytest.fixture(scope="module")
def vault(_fleet_template: tuple[Path, Path], host: Host, place: Path) -> Iterator[Served]:
    with served(_fleet_template, place) as made:
        made.secret("git/token", TOKEN, "--mode", "get", "--host", host.url)
        made.secret("git/pair", '{"username": "joe", "password": "pass-of-joe"}', "--mode", "get", "--host",
                    "git.example.org", "--host", "*.example.net")
        made.secret("git/unseen", TOKEN, "--mode", "proxy", "--host", "unseen.example.org")
        made.secret("git/door", TOKEN, "--mode", "proxy", "--host", host.url, "--header",
                    "Authorization: Basic {base64}")
        made.secret("other/token", TOKEN, "--mode", "get", "--host", "other.example.org")
        yield made


def _env(vault: Served, **more: str) -> dict[str, str]:
    return {**os.environ, **vault.env, "GITHARNESS_AGENT": AGENT, "GITHARNESS_RUN": RUN, "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "false", **more}


def _git(vault: Served, cwd: Path, *words: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    helper = f"credential.helper=!{HELPER} --repo {vault.folder}"
    return subprocess.run(["git", "-c", helper, *words], cwd=cwd, env=_env(vault, **more), capture_output=True,
                          text=True, check=False)


def _asked(vault: Served, said: bytes, operation: str = "get", *words: str, **more: str,
           ) -> subprocess.CompletedProcess[bytes]:
    command = [*HELPER.split(), "--repo", str(vault.folder), *words, operation]
    return subprocess.run(command, input=said, env=_env(vault, **more), capture_output=True, check=False)


def test_git_clones_and_pushes_with_the_vaults_password(vault: Served, host: Host, tmp_path: Path) -> None:
    """No prompt, no password in any file or URL; git itself asks the helper."""
    assert _git(vault, tmp_path, "clone", "-q", f"{host.url}/work.git", "here").returncode == 0
    here = tmp_path / "here"
    (here / "b.md").write_text("b\n")
    _git(vault, here, "add", ".")
    _git(vault, here, "commit", "-qm", "b")
    assert _git(vault, here, "push", "-q", "origin", "main").returncode == 0
    assert "b.md" in _git(vault, host.root / "work.git", "ls-tree", "--name-only", "main").stdout
    assert TOKEN not in (here / ".git/config").read_text()


def test_without_the_helper_git_is_refused(vault: Served, host: Host, tmp_path: Path) -> None:
    """The negative control: the server lets nobody in without it."""
    done = subprocess.run(["git", "clone", "-q", f"{host.url}/work.git", "here"], cwd=tmp_path, env=_env(vault),
                          capture_output=True, check=False)
    assert done.returncode != 0


def test_git_clones_through_the_http_door(vault: Served, host: Host, tmp_path: Path) -> None:
    """With mode proxy git never sees the password either."""
    url = vault.url("git/door")
    assert _git(vault, tmp_path, "clone", "-q", f"{url}/work.git", "here").returncode != 0  # the value is no pair
    vault.cli("vault", "rotate", "git/door", stdin=f'{{"username": "{USER}", "password": "{TOKEN}"}}')
    done = subprocess.run(["git", "clone", "-q", f"{url}/work.git", "there"], cwd=tmp_path, env=_env(vault),
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_answer_says_when_it_ends(vault: Served) -> None:
    """A pair of the vault, not to be kept, and for minutes."""
    done = _asked(vault, b"protocol=https\nhost=git.example.org\n\n")
    told = dict(line.split("=", 1) for line in done.stdout.decode().splitlines())
    assert (told["username"], told["password"], told["ephemeral"]) == ("joe", "pass-of-joe", "1")
    assert 0 < int(told["password_expiry_utc"]) - time.time() <= 300


@pytest.mark.parametrize(("said", "fits"), [
    ("protocol=https\nhost=GIT.example.org:443\n", True), ("protocol=https\nhost=a.example.net\n", True),
    ("protocol=http\nhost=git.example.org\n", False), ("protocol=https\nhost=git.example.org:8443\n", False),
    ("protocol=https\nhost=evil-example.net\n", False), ("protocol=https\nhost=git.example.org.evil.test\n", False),
    ("protocol=https\nhost=unseen.example.org\n", False), ("protocol=https\nhost=other.example.org\n", False),
    ("protocol=https\nhost=git.example.org\nusername=eve\n", False),
])
def test_a_password_is_for_the_records_hosts_alone(said: str, fits: bool, vault: Served) -> None:
    """Another port, scheme, name or user gets nothing, nor does what policy or the record's modes do not give."""
    done = _asked(vault, said.encode() + b"\n")
    assert (b"password=" in done.stdout, done.returncode) == (fits, 0)


@pytest.mark.parametrize("said", [
    b"protocol=https\nhost=git.example.org\r\n\n", b"protocol=https\nhost=git.example.org\0\n\n",
    b"protocol=https\nhost=\n\n", b"protocol=https\nhost= \n\n", b"protocol=https\n\n", b"\n", b"",
    b"protocol=https\nhost=evil.test\nhost=git.example.org\n\n", b"protocol=https\nhost=evil.test/git.example.org\n\n",
    b"protocol=https\nhost=evil.test@git.example.org\n\n", b"host\n\n", b"protocol=https\nhost=" + b"a" * 20000,
    b"protocol=https\nhost=git.example.org\nusername=joe\r\n\n",
    "protocol=https\nhost=git.example.org\u2028\n\n".encode(), b"protocol=https\nhost=git.example.org%0a\n\n",
])
def test_v48_a_request_with_two_readings_gets_nothing(said: bytes, vault: Served) -> None:
    """V48: CR, NUL, a blank or second host, and what could hide another one."""
    done = _asked(vault, said)
    assert (done.stdout, done.returncode) == (b"", 1)


def test_store_and_erase_change_nothing(vault: Served) -> None:
    """What git would have kept stays in the vault; that it was refused is an event."""
    before = vault.cli("vault", "list").out
    for operation in ("store", "erase", "unheard-of"):
        done = _asked(vault, b"protocol=https\nhost=git.example.org\nusername=joe\npassword=x\n\n", operation)
        assert (done.stdout, done.returncode) == (b"", 0)
    assert vault.cli("vault", "list").out == before
    assert eventually(lambda: "credential-rejected" in vault.cli("--json", "audit", "log", "--kind", "secret").out)


def test_another_agent_gets_nothing(vault: Served) -> None:
    """Policy decides here as everywhere."""
    done = _asked(vault, b"protocol=https\nhost=git.example.org\n\n", GITHARNESS_AGENT="scribe", GITHARNESS_RUN="r-s")
    assert done.stdout == b""
    assert b"that you may use is for 'git.example.org'" in done.stderr


def test_without_a_daemon_git_is_told(vault: Served, tmp_path: Path) -> None:
    """And goes on to its next helper."""
    done = _asked(vault, b"protocol=https\nhost=git.example.org\n\n", XDG_RUNTIME_DIR=str(tmp_path))
    assert (done.stdout, done.returncode) == (b"", 0)
    assert b"githarness vault serve" in done.stderr


def test_an_agent_without_a_run_has_that_of_its_session(vault: Served) -> None:
    """As `--run` defaults everywhere."""
    done = _asked(vault, b"protocol=https\nhost=git.example.org\n\n", GITHARNESS_RUN="")
    assert b"password=pass-of-joe" in done.stdout


def test_the_helper_loads_next_to_nothing() -> None:
    """Git starts it for every fetch: neither what types nor what hashes with OpenSSL is loaded, nor our settings."""
    heavy = ("typing", "dataclasses", "hashlib", "socket", "githarness.settings", "githarness.errors", "pathlib")
    show = f"import sys, githarness.checks.credential; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
