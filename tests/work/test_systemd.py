"""`githarness install systemd`: units that systemd takes, started where it answers, removed without a trace."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from githarness import settings

VERIFIER = shutil.which("systemd-analyze")


@pytest.fixture
def governed(cli, repo: Path) -> Path:
    assert cli("init", cwd=repo).code == 0
    return repo


@pytest.fixture
def units(home: Path) -> Path:
    return home / "config" / "systemd" / "user"


def manager(folder: Path, *, says: int = 0) -> dict[str, str]:
    """Surroundings in which systemctl notes what it was asked, and answers so."""
    folder.mkdir()
    program = folder / "systemctl"
    program.write_text(f'#!/bin/sh\necho "$*" >> "{folder}/asked"\nexit {says}\n')
    program.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_units_come_and_go(cli, governed: Path, units: Path, tmp_path: Path) -> None:
    """The same again changes nothing; removed, nothing of them is left."""
    quiet = manager(tmp_path / "bin", says=1)
    shown = cli("install", "systemd", "--dry-run", cwd=governed, **quiet)
    assert "would be written: " in shown.out and not units.exists()
    done = cli("install", "systemd", "--json", cwd=governed, **quiet).json
    assert done["changed"] and not done["started"]
    assert sorted(os.listdir(units)) == sorted(Path(one["path"]).name for one in done["files"])
    assert cli("install", "systemd", cwd=governed, **quiet).out == "unchanged\n"
    assert cli("install", "systemd", "--remove", cwd=governed, **quiet).code == 0
    assert not units.exists()


def test_where_a_manager_answers_it_is_told(cli, governed: Path, tmp_path: Path) -> None:
    """Reload, then enable and start; before the files go, disable."""
    env = manager(tmp_path / "bin")
    assert cli("install", "systemd", "--json", cwd=governed, **env).json["started"]
    cli("install", "systemd", "--remove", cwd=governed, **env)
    asked = (tmp_path / "bin" / "asked").read_text().splitlines()
    told = [line.split(" githarness-")[0] for line in asked if "show" not in line]
    assert told == ["--user daemon-reload", "--user enable --now", "--user disable --now", "--user daemon-reload"]


def test_where_none_answers_the_commands_are_said(cli, governed: Path, tmp_path: Path) -> None:
    """What to type, and how services come to start at boot."""
    said = cli("install", "systemd", cwd=governed, **manager(tmp_path / "bin", says=1)).err
    told = [line.split(" githarness-")[0] for line in said.splitlines() if line.startswith("next: ")]
    assert told[:2] == ["next: systemctl --user daemon-reload", "next: systemctl --user enable --now"]
    assert told[2].startswith("next: loginctl enable-linger")


def test_a_unit_that_was_edited_stays(cli, governed: Path, units: Path, tmp_path: Path) -> None:
    """Neither written over nor removed, and nothing else is changed either."""
    quiet = manager(tmp_path / "bin", says=1)
    cli("install", "systemd", cwd=governed, **quiet)
    edited = next(units.glob("*serve*.service"))
    edited.write_text(edited.read_text() + "Nice=5\n")
    before = sorted(os.listdir(units))
    for more in ((), ("--remove",)):
        done = cli("install", "systemd", *more, "--json", cwd=governed, **quiet)
        assert (done.code, done.json["error"]["code"]) == (11, "conflict")
    assert sorted(os.listdir(units)) == before and edited.read_text().endswith("Nice=5\n")


def test_services_name_their_interpreter_and_repository(cli, governed: Path, units: Path, tmp_path: Path) -> None:
    """Absolutely, quoted as systemd reads it, with the data folder that holds the keys."""
    odd = governed.rename(governed.with_name("50% of $x"))
    cli("install", "systemd", cwd=odd, **manager(tmp_path / "bin", says=1))
    text = next(units.glob("*serve*.service")).read_text()
    assert f'ExecStart="{sys.executable}" -m githarness -C "{tmp_path}/50%% of $$x" serve\n' in text
    assert f'Environment="XDG_DATA_HOME={os.environ["XDG_DATA_HOME"]}"\n' in text and "NoNewPrivileges=yes\n" in text


@pytest.mark.skipif(VERIFIER is None, reason="systemd-analyze is not installed: apt-get install systemd")
def test_systemd_takes_the_units(cli, governed: Path, units: Path, tmp_path: Path) -> None:
    """Each of them verified, with nothing to say against any line."""
    cli("install", "systemd", cwd=governed, **manager(tmp_path / "bin", says=1))
    done = subprocess.run([VERIFIER, "verify", "--user", "--man=no", *sorted(units.iterdir())], capture_output=True,
                          text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "githarness" in line]
    assert (done.returncode, ours) == (0, [])


RULES = """\
version: 1
rules:
  - {id: ci, effect: allow, agents: [deployer], actions: [secret], paths: ["ci/**"]}
"""
# What systemd does for a unit that its socket activates: descriptor 3 listens, and the variables are for this pid.
ACTIVATED = """
import os, socket, sys
path, *command = sys.argv[1:]
os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
listener = socket.socket(socket.AF_UNIX)
os.umask(0o177)
listener.bind(path)
listener.listen(1024)
os.umask(0o077)
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
print("listening", flush=True)
os.execv(command[0], command)
"""


def test_after_a_boot_an_agent_gets_its_secret(cli, governed: Path, units: Path, tmp_path: Path) -> None:
    """The unit's own command, activated by the unit's own socket, without terminal and surroundings."""
    for args, given in ((("agent", "add", "deployer"), ""), (("vault", "init"), ""),
                        (("vault", "set", "ci/token"), "the-value-of-ci"),
                        (("write", ".githarness/policies/ci.yaml", "--as", "olive"), RULES)):
        assert cli(*args, cwd=governed, stdin=given).code == 0
    cli("install", "systemd", cwd=governed, **manager(tmp_path / "bin", says=1))
    words = shlex.split(unit(units, "vault", "service", "ExecStart"))
    path = unit(units, "vault", "socket", "ListenStream").replace("%t", os.environ["XDG_RUNTIME_DIR"])
    name, _, value = shlex.split(unit(units, "vault", "service", "Environment"))[0].partition("=")
    bare = {name: value, **{name: os.environ[name] for name in ("HOME", "PATH", "XDG_RUNTIME_DIR", "PYTHONPATH")}}
    with session([sys.executable, "-c", ACTIVATED, path, *words], bare, stdout=subprocess.PIPE) as booted:
        assert booted.stdout and booted.stdout.readline() == b"listening\n"
        command = [sys.executable, "-m", "githarness", "vault", "get", "ci/token", "--agent", "deployer"]
        with session(command, bare, cwd=governed, stdout=subprocess.PIPE) as agent:
            assert agent.communicate(timeout=60)[0] == b"the-value-of-ci"
        assert cli("vault", "status", "--json", cwd=governed).json["pid"] == booted.pid  # no command did it itself
        booted.terminate()
    assert Path(path).is_socket()  # it is systemd's, for the next start


def test_a_job_of_cron_looks_where_the_services_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without XDG_RUNTIME_DIR: in the folder of its user's login, as long as that is theirs."""
    monkeypatch.setattr(settings, "_LOGINS", tmp_path)
    elsewhere = settings.load({}).runtime_dir
    (tmp_path / str(os.getuid())).mkdir()
    assert elsewhere.name == f"githarness-{os.getuid()}"
    assert settings.load({}).runtime_dir == tmp_path / str(os.getuid()) / "githarness"


def unit(units: Path, kind: str, end: str, key: str) -> str:
    text = next(units.glob(f"githarness-{kind}-*.{end}")).read_text()
    return next(line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}="))


def session(command: list[str], env: dict[str, str], **more: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=env, start_new_session=True, stdin=subprocess.DEVNULL, **more)
