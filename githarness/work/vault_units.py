"""User units of systemd: what lets agents write and get credentials after a boot at which nobody has logged in.

    githarness-vault-TAG   .socket, .service   the credential proxy, from the boot on
    githarness-serve-TAG   .socket, .service   the ledger's daemon, from the first write on
    githarness-seal-TAG, githarness-sweep-TAG   .timer, .service   `audit seal` and `grants sweep`

TAG tells repositories apart: it is the one in the names of their sockets.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import sys
from pathlib import Path

from githarness import resources
from githarness.errors import Usage
from githarness.git.reader import Reader
from githarness.git.repo import Repo
from githarness.settings import Settings
from githarness.vault import folder
from githarness.work import install
from githarness.work.governance import Governance
from githarness.work.install import Change

TARGET = "systemd"
_FILES = ("vault.socket", "vault.service", "serve.socket", "serve.service", "seal.timer", "seal.service",
          "sweep.timer", "sweep.service")
_STARTED = ("vault.socket", "vault.service", "serve.socket", "seal.timer", "sweep.timer")


def has_vault(reader: Reader, governance: Governance) -> bool:
    return reader.entry(governance.commit, folder.path_of(governance.config.vault, folder.MARKER)) is not None


def plan(settings: Settings, repo: Repo, *, vault: bool, remove: bool) -> list[Change]:
    """The units; those of the vault only where the repository has one, but all that are there are removed.

    Raises Conflict for what somebody else wrote or edited, Usage for a path that no unit can name.
    """
    units, changes = _units(settings), []
    for file in _FILES:
        path = units / _name(repo, file)
        before = install.read(units, path.name)
        text = "" if remove or not (vault or not file.startswith("vault")) else _text(settings, repo, file)
        changes.append(Change(path, before, install.whole(path, before, text, TARGET)))
    return changes


def started(repo: Repo, *, vault: bool) -> list[str]:
    """Those that are enabled; they start the others."""
    return [_name(repo, file) for file in _STARTED if vault or not file.startswith("vault")]


def linger() -> bool:
    """Whether this user's services start at boot and outlive the last logout."""
    return os.path.exists(f"/var/lib/systemd/linger/{pwd.getpwuid(os.getuid()).pw_name}")


def there(settings: Settings, repo: Repo, kind: str) -> bool:
    return (_units(settings) / _name(repo, f"{kind}.service")).is_file()


def _units(settings: Settings) -> Path:
    home = settings.environ.get("HOME") or os.path.expanduser("~")
    return Path(os.path.realpath(Path(settings.environ.get("XDG_CONFIG_HOME") or f"{home}/.config", "systemd/user")))


def _tag(repo: Repo) -> str:
    return hashlib.sha256(os.path.realpath(repo.common_dir).encode()).hexdigest()[:16]


def _name(repo: Repo, file: str) -> str:
    kind, _, end = file.partition(".")
    return f"githarness-{kind}-{_tag(repo)}.{end}"


def _text(settings: Settings, repo: Repo, file: str) -> str:
    where = os.path.realpath(repo.worktree or repo.common_dir)
    if not where.isprintable() or not sys.executable.isprintable():
        raise Usage(f"no unit can name '{where}'", fix="move the repository to a path of printable characters")
    hardened = resources.read("templates", "systemd/hardened").decode().rstrip()
    if named := settings.environ.get("XDG_DATA_HOME"):  # a service has the surroundings of no login
        hardened = f"Environment={_quoted(f'XDG_DATA_HOME={named}')}\n{hardened}"
    command = " ".join([_quoted(sys.executable), "-m githarness -C", _quoted(where).replace("$", "$$")])
    values = {"@HARDENED@": hardened, "@COMMAND@": command, "@TAG@": _tag(repo), "@WHERE@": where.replace("%", "%%")}
    text = resources.read("templates", f"systemd/{file}").decode()
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text


def _quoted(text: str) -> str:
    """As systemd.syntax(7) reads it back, `%` being its sign for what it fills in."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
