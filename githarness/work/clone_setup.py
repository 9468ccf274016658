"""What governing takes in one clone beside the commits: our home folder, git's configuration, hooks. All can be undone.

Linked worktrees share all of it. A second run finds nothing to do.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from githarness.errors import Integrity
from githarness.git.porcelain import Git
from githarness.git.repo import Repo
from githarness.settings import Settings
from githarness.work import adopted, clone_config, hooks_setup
from githarness.work.adopted import Adopted
from githarness.work.clone_config import Values
from githarness.work.governance import SIGNERS

HOOKS_PATH = "core.hooksPath"
BRANCH = "githarness.branch"
ALLOWED_SIGNERS = "gpg.ssh.allowedSignersFile"


@dataclass(frozen=True, slots=True)
class Site:
    """One clone and the git that works on it."""

    repo: Repo
    git: Git
    settings: Settings


def set_up(site: Site, branch: str, *, more: Mapping[str, str], dry: bool) -> list[str]:
    """Returns what it did, or with `dry` would do, one line each; `more`: further values for git's configuration.

    The signers' file is named relative to the worktree, which is where git stands when it starts ssh-keygen: so every
    worktree is judged by the file of the commit that it has checked out, and the repository may be moved.
    """
    repo, values = site.repo, Values(site.git)
    record = adopted.load(repo.home) or Adopted(branch)
    former = _former(site, values, record)
    wanted = {BRANCH: branch, ALLOWED_SIGNERS: SIGNERS, **more}
    if former is not None:
        wanted[HOOKS_PATH] = str(hooks_setup.own_folder(repo))
    steps = [f"git config {key} {shlex.quote(text)}" for key, text in wanted.items() if values.local(key) != [text]]
    made = record.made_hooks or (former is None and not hooks_setup.default_folder(repo).exists())
    record = replace(record, branch=branch, former=former, made_hooks=made)
    if dry:
        return [*_hooks(repo, former, dry=True), *steps]
    if record == adopted.load(repo.home) and not steps:
        return _hooks(repo, former, dry=False)
    repo.home.mkdir(mode=0o700, exist_ok=True)
    adopted.save(repo.home, record)
    done = _hooks(repo, former, dry=False)
    adopted.save(repo.home, clone_config.apply(site.git, repo, record, wanted))
    return [*done, *steps]


def _hooks(repo: Repo, former: str | None, *, dry: bool) -> list[str]:
    if former is None:
        return hooks_setup.install_beside(hooks_setup.default_folder(repo), dry=dry)
    return hooks_setup.install_instead(repo, former, dry=dry)


def _former(site: Site, values: Values, record: Adopted) -> str | None:
    """The folder that core.hooksPath named before us; None where hooks lie where git expects them."""
    named = values.last(HOOKS_PATH)
    ours = (str(hooks_setup.own_folder(site.repo)), record.set.get(HOOKS_PATH))  # differ once the repository was moved
    if named and named in ours:
        if record.former is None:
            raise Integrity("core.hooksPath names our folder, but 'adopted.json' does not say what it named before",
                            fix="git config --unset core.hooksPath, then githarness init")
        return record.former
    if not named:
        return None
    home = site.settings.environ["HOME"] if named.startswith("~/") else ""
    return str(Path(home) / named[2:]) if home else named.rstrip("/") or "/"
