"""A password manager that wants a fingerprint, asked by a cron job; beside it the vault, which asks policy."""

from __future__ import annotations

import base64
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from githarness.demo.incident import Found, Incident
from githarness.demo.stage import Stage
from githarness.errors import Unavailable

SECRET = "deploy/token"
RULES = ".githarness/policies/rules.yaml"
_RULE = """
  - id: deploy-secrets
    effect: allow
    agents: [deployer]
    actions: [secret]
    paths: ["deploy/**"]
"""
# What a job of cron has: no terminal, no input, a session of its own, and of the surroundings where its home is.
_KEPT = ("HOME", "PATH", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "PYTHONPATH")
_PROMPT = "import os; os.open('/dev/tty', os.O_RDWR)"


def _play(stage: Stage) -> Found:
    prompted = _cron(stage, ["-c", _PROMPT]).returncode
    stage.say("loss", "a password manager asks at the terminal; in a job of cron: "
              + ("there is none" if prompted else "somebody answered"))
    value = secrets.token_urlsafe(24)
    _set_up(stage, value)
    with _served(stage) as pid:
        got = _get(stage, "deployer")
        stage.say("good" if got.stdout.decode() == value else "bad",
                  f"deployer, from cron, got {len(got.stdout)} characters")
        denied = _get(stage, "scribe").returncode
        spread = _places(stage, value, pid)
    stage.must("vault", "exposures", "--secret", SECRET, shown=True)
    stage.must("audit", "log", "--kind", "secret", "-n", "1", shown=True)
    good = prompted != 0 and (got.stdout.decode(), denied, spread) == (value, 10, [])
    stage.say("good" if good else "bad", "nobody was asked, another agent was denied; the value is in no file, object "
              "of git, log or command line" if good else f"somebody got what they should not, or it is in {spread}")
    return Found(good, {"prompt_answered": prompted == 0, "exit_of_cron": got.returncode, "exit_of_other": denied,
                        "value_found_in": [*spread]})


def _set_up(stage: Stage, value: str) -> None:
    stage.must("vault", "init", shown=True)
    stage.must("vault", "set", SECRET, stdin=value, shown=True)
    rules = stage.must("policy", "show", "default").out + _RULE
    stage.must("write", RULES, "--as", "olive", "-m", "deployer may use the secrets of deploy", stdin=rules)


@contextmanager
def _served(stage: Stage) -> Iterator[int]:
    """The daemon's process id."""
    serving = stage.start(["-m", "githarness", "vault", "serve", "--json"], stage.repo)
    try:
        assert serving.stdout
        if '"ready"' not in serving.stdout.readline():
            raise Unavailable("the vault's daemon did not start")
        yield serving.pid
    finally:
        serving.terminate()
        serving.communicate()


def _get(stage: Stage, agent: str) -> subprocess.CompletedProcess[bytes]:
    done = _cron(stage, ["-m", "githarness", "vault", "get", SECRET, "--agent", agent])
    said = done.stderr.decode().splitlines()
    stage.show(f"env -i setsid githarness vault get {SECRET} --agent {agent} < /dev/null > value", said)
    return done


def _cron(stage: Stage, program: list[str]) -> subprocess.CompletedProcess[bytes]:
    environ = {name: stage.environ[name] for name in _KEPT if name in stage.environ}
    return subprocess.run([sys.executable, *program], cwd=stage.repo, env=environ, stdin=subprocess.DEVNULL,
                          capture_output=True, start_new_session=True, check=False)


def _places(stage: Stage, value: str, pid: int) -> list[str]:
    """Where the value is, plain or in base 64: files, git's objects and messages, what the daemon was started with."""
    forms = [value.encode(), base64.b64encode(value.encode())]
    content = {str(path.relative_to(stage.folder)): path.read_bytes() for path in stage.folder.rglob("*")
               if path.is_file() and not path.is_symlink()}
    objects = [stage.git_binary, "cat-file", "--batch", "--batch-all-objects", "--buffer"]
    content["git"] = subprocess.run(objects, cwd=stage.repo, env=stage.environ, capture_output=True, check=True).stdout
    content |= {name: Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")}
    return sorted(place for place, data in content.items() if any(form in data for form in forms))


INCIDENT = Incident(
    "fingerprint", "a password manager that wants a fingerprint from a cron job",
    "A job at night needs a credential. What keeps it asks for a finger, and there is nobody.", _play)
