"""Files and environment, parsed once into frozen values; nothing else reads `os.environ` or a configuration file.

`Settings` is about the machine and the caller. `RepoConfig` is `.githarness/config.toml` of one commit: governance,
so it is read from git, never from the working tree.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from githarness import clock
from githarness.errors import Integrity, Unavailable

CONFIG = ".githarness/config.toml"
CONFIG_VERSION = 1
_LOGINS = Path("/run/user")
_CHOICES = {"humans": ("warn", "signed"), "gate": ("deny", "hold", "off")}
# The names that git gives branches (git-check-ref-format), short enough for any file system.
_BRANCH = re.compile(r"(?![-./]|@$)(?!.*(?:\.\.|@\{|//|/\.|\.lock(?:/|$)))"
                     r"[^\x00-\x20\x7f~^:?*\[\\]{1,200}(?<![./])")
_CHANNEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,63}){0,7}")
# A folder that has nothing else of governance in it.
_VAULT = re.compile(r"\.githarness/(?!(?:agents|approvals|grants|humans|logs|policies|allowed_signers)(?:/|$))"
                    r"[a-z0-9][a-z0-9_-]*(?:/[a-z0-9][a-z0-9_-]*)*")


@dataclass(frozen=True, slots=True)
class Settings:
    data_dir: Path  # private keys; 0700
    runtime_dir: Path  # sockets; 0700
    git: str  # absolute path of the git binary
    agent: str | None  # GITHARNESS_AGENT
    run: str | None  # GITHARNESS_RUN
    socket: Path | None  # GITHARNESS_SOCKET
    token_file: Path | None  # GITHARNESS_TOKEN_FILE
    session: str  # what tells this login session from every other: boot, leader, start time of the leader
    color: bool
    fts: str | None  # GITHARNESS_FTS: the version of full-text search to use, where it is not to be the best
    environ: Mapping[str, str]  # what child processes inherit, every GIT_* taken out

    def run_of(self, agent: str) -> str:
        """The run that `agent` acts in: as told, else one for all that it does in this login session."""
        told_apart = f"{self.session} {agent}".encode(errors="replace")
        return self.run or "r-session-" + hashlib.sha256(told_apart).hexdigest()[:20]


def load(environ: Mapping[str, str] | None = None) -> Settings:
    env = dict(os.environ if environ is None else environ)
    home = Path(env.get("HOME") or os.path.expanduser("~"))
    return Settings(
        data_dir=Path(env.get("XDG_DATA_HOME") or home / ".local/share") / "githarness",
        runtime_dir=_runtime_dir(env),
        git=shutil.which("git", path=env.get("PATH", os.defpath)) or "",
        agent=env.get("GITHARNESS_AGENT") or None,
        run=env.get("GITHARNESS_RUN") or None,
        socket=Path(env["GITHARNESS_SOCKET"]) if env.get("GITHARNESS_SOCKET") else None,
        token_file=Path(env["GITHARNESS_TOKEN_FILE"]) if env.get("GITHARNESS_TOKEN_FILE") else None,
        session=_session(),
        color="NO_COLOR" not in env and env.get("TERM") != "dumb",
        fts=env.get("GITHARNESS_FTS") or None,
        environ={name: value for name, value in env.items() if not name.startswith("GIT_")},
    )


def unwanted_names(environ: Mapping[str, str]) -> list[str]:
    """What this process inherited and a child with `environ` must not: for starters that can only add variables."""
    return [name for name in os.environ if name not in environ]


def hook_git_dir(environ: Mapping[str, str] | None = None) -> Path | None:
    """The git directory that git named to a hook; only the hooks' door asks, every other takes the folder it is in."""
    named = (os.environ if environ is None else environ).get("GIT_DIR")
    return Path(named) if named else None


def of_hook(name: Literal["GIT_INDEX_FILE", "GIT_AUTHOR_EMAIL", "GIT_QUARANTINE_PATH", "GIT_OBJECT_DIRECTORY"],
            ) -> str | None:
    """What git tells the hook that it runs: the index that it commits, the author's mail, the objects of a push."""
    return os.environ.get(name) or None


def _runtime_dir(env: Mapping[str, str]) -> Path:
    if env.get("XDG_RUNTIME_DIR"):
        return Path(env["XDG_RUNTIME_DIR"]) / "githarness"
    login = _LOGINS / str(os.getuid())  # a job of cron is told nothing, and looks where services of its user are
    if login.is_dir() and login.stat().st_uid == os.getuid():
        return login / "githarness"
    return Path(tempfile.gettempdir()) / f"githarness-{os.getuid()}"


def _session() -> str:
    leader = clock.session_id()
    return f"{clock.boot_id()} {leader} {clock.process_start(leader)}"


@dataclass(frozen=True, slots=True)
class Notify:
    """Where operators are told what stops agents: a channel, a command that gets it as JSON on stdin, or both."""

    channel: str | None = None
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RepoConfig:
    fleet: str
    branch: str  # short name of the governed branch
    skills: tuple[str, ...] = ("**/SKILL.md",)
    memory: tuple[str, ...] = ()
    docs: tuple[str, ...] = ()
    humans: str = "warn"  # or "signed"
    gate: str = "deny"  # what becomes of a write that brings an error into a skill; or "hold", "off"
    vault: str = ".githarness/vault"  # the folder of its records
    notify: Notify | None = None

    @property
    def ref(self) -> str:
        return branch_ref(self.branch)


def parse_config(data: bytes) -> RepoConfig:
    """Raises Integrity where the file does not load, Unavailable where a newer githarness wrote it."""
    try:
        table = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Integrity(f"'.githarness/config.toml' does not load: {error}") from error
    version = table.pop("version", None)
    if isinstance(version, int) and version > CONFIG_VERSION:
        raise Unavailable(f"'.githarness/config.toml' has version {version}, newer than this githarness",
                          fix="pip install --upgrade githarness")
    return _typed_config(table, version)


def branch_ref(branch: str) -> str:
    """The full name of a branch. Raises Integrity for what git would not take as one."""
    if not _BRANCH.fullmatch(branch):
        raise Integrity(f"'{branch[:80]}' is not the name of a branch", fix="git check-ref-format --branch NAME")
    return "refs/heads/" + branch


def _typed_config(table: dict[str, Any], version: object) -> RepoConfig:
    lists: dict[str, Any] = {name: table[name] for name in ("skills", "memory", "docs") if name in table}
    texts: dict[str, Any] = {name: table[name] for name in ("fleet", "branch", "vault", *_CHOICES) if name in table}
    if why := _why_not(table, lists, texts, version):
        raise Integrity(f"'.githarness/config.toml' is not of the form of schemas/config.schema.json: {why}")
    fields = texts | {name: tuple(globs) for name, globs in lists.items()}
    if (notify := table.get("notify")) is not None:
        fields["notify"] = Notify(notify.get("channel"), tuple(notify.get("command", ())))
    branch_ref(texts["branch"])
    return RepoConfig(**fields)


def _why_not(table: dict[str, Any], lists: dict[str, Any], texts: dict[str, Any], version: object) -> str:
    """Empty where nothing is wrong."""
    if version != CONFIG_VERSION:
        return f"'version' is not {CONFIG_VERSION}"
    if unknown := set(table) - set(RepoConfig.__slots__):
        return f"there is no key '{min(unknown)}'"
    if missing := {"fleet", "branch"} - set(texts):
        return f"'{min(missing)}' is missing"
    if wrong := [name for name, text in texts.items() if not isinstance(text, str) or text not in _CHOICES.get(
            name, (text,))]:
        return f"'{wrong[0]}' is {texts[wrong[0]]!r}, not {' or '.join(_CHOICES.get(wrong[0], ('text',)))}"
    if "vault" in texts and not _VAULT.fullmatch(texts["vault"]):
        return "'vault' is no folder of its own below '.githarness/'"
    if "notify" in table and not _is_notify(table["notify"]):
        return "'notify' is not of the form {channel = \"NAME\", command = [\"PROGRAM\", ...]}"
    return next((f"'{name}' is no list of globs" for name, value in lists.items() if not _is_texts(value)), "")


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_notify(value: object) -> bool:
    if not isinstance(value, dict) or not value or set(value) - {"channel", "command"}:
        return False
    channel, command = value.get("channel", "ops"), value.get("command", ["x"])
    return isinstance(channel, str) and bool(_CHANNEL.fullmatch(channel)) and _is_texts(command) and bool(command)
