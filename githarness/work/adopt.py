"""`init`: a repository becomes governed by one commit that its owner signs; nothing in it is moved.

The commit adds `.githarness/` to the tree of the branch that is checked out; index and files of a person's unfinished
work stay as they are. In a clone of a governed repository only that clone is set up.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from githarness import flock
from githarness.clock import Clock
from githarness.errors import Denied, Locked, NotFound, Unavailable, Usage
from githarness.git import refs
from githarness.git import repo as repos
from githarness.git.objects import FILE, Entry, PathChange, oid_of
from githarness.git.porcelain import Git
from githarness.git.reader import Reader
from githarness.git.repo import Repo
from githarness.policy import registry
from githarness.policy.model import Human, Registry
from githarness.settings import RepoConfig, Settings, parse_config
from githarness.store.keyring import Keyring, Passphrase
from githarness.work import adopted, audit_enrol, clone_setup, founder
from githarness.work.asks import Plan
from githarness.work.clone_config import Values
from githarness.work.clone_setup import Site
from githarness.work.founder import KeyChoice
from githarness.work.governance import CONFIG, FOLDER_NAME, SIGNERS, Governed
from githarness.work.lane import LocalLane
from githarness.work.parts import Parts

BRANCH = "main"  # of a repository that init makes itself
_HEADS = "refs/heads/"
# Identity files are hashed, and read by ssh-keygen: no clone may convert them on checkout, whatever it does elsewhere.
_ATTRIBUTES = b"# read byte by byte: no clone may convert these files\n* -text -ident -filter -working-tree-encoding\n"


@dataclass(frozen=True, slots=True)
class Request:
    directory: Path
    fleet: str | None = None
    owner: str | None = None
    signing_key: Path | None = None
    skills: tuple[str, ...] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Tools:
    settings: Settings
    clock: Clock
    passphrase: Passphrase
    parts: Callable[[Repo, str], Parts]  # of a repository and the full name of its governed branch


@dataclass(frozen=True, slots=True)
class Outcome:
    root: Path
    fleet: str
    branch: str
    commit: str | None  # the one that init made; None where the repository was governed already, and with --dry-run
    owner: Human | None
    steps: tuple[str, ...]  # what was, or would be, done; empty: nothing was left to do
    notes: tuple[str, ...] = ()


def adopt(request: Request, tools: Tools) -> Outcome:
    """Raises Usage, NotFound, Unavailable, Locked, Dirty; what it did before an error, the next run goes on from."""
    steps = _ensure_repository(request, tools)
    if request.dry_run and steps:
        return _would_be(request, steps)
    repo = _suitable(repos.discover(request.directory))
    if request.dry_run:
        return _in(repo, request, tools)
    repo.home.mkdir(mode=0o700, exist_ok=True)
    with flock.exclusive(repo.home / "govern.lock", wait=60, what="the governance of this clone"):
        outcome = _in(repo, request, tools)
    return replace(outcome, steps=(*steps, *outcome.steps))


def _ensure_repository(request: Request, tools: Tools) -> list[str]:
    folder = Path(os.path.abspath(request.directory))
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    if not existing.is_dir():
        raise Usage(f"'{existing}' is no folder", fix="name a folder: githarness init DIR")
    try:
        around = repos.discover(existing)
    except NotFound:
        around = None
    if around and existing == folder:
        return []
    if around:
        raise Usage(f"'{folder}' would lie inside the repository '{around.worktree or around.git_dir}'",
                    fix=f"githarness -C '{around.worktree or around.git_dir}' init")
    if not request.dry_run:
        folder.mkdir(parents=True, exist_ok=True)
        Git(tools.settings, folder).run("init", "--quiet", f"--initial-branch={BRANCH}")
    return [f"git repository in '{folder}', branch {BRANCH}"]


def _suitable(repo: Repo) -> Repo:
    if repo.worktree is None:
        raise Unavailable(f"'{repo.git_dir}' is a bare repository: nobody works in it",
                          fix="run githarness init in a clone of it")
    if repos.is_shallow(repo):
        raise Unavailable("this clone is shallow: history that is not here cannot be judged or rolled back",
                          fix="git fetch --unshallow")
    return repo


def _in(repo: Repo, request: Request, tools: Tools) -> Outcome:
    site = Site(repo, Git(tools.settings, repo.worktree or repo.git_dir), tools.settings)
    ref = _branch(repo)
    config = _governed(repo, ref)
    if config is not None:
        return _clone(site, config, request, tools)
    return _found(site, ref, request, tools)


def _branch(repo: Repo) -> str:
    """The governed branch as this clone knows it, else the one that is checked out, in full."""
    known = adopted.load(repo.home)
    if known and refs.read(repo.common_dir, _HEADS + known.branch):
        return _HEADS + known.branch
    ref = repos.head(repo.git_dir)
    if ref is None or not ref.startswith(_HEADS):
        raise Unavailable("HEAD is detached: there is no branch to govern", fix="git switch BRANCH")
    return ref


def _governed(repo: Repo, ref: str) -> RepoConfig | None:
    """What governs the branch's head, None where nothing does. Raises Integrity where it does not load."""
    head, reader = refs.read(repo.common_dir, ref), Reader(repo)
    if head is None or reader.entry(head, FOLDER_NAME) is None:
        return None
    return Governed(reader).at(head).config


def _clone(site: Site, config: RepoConfig, request: Request, tools: Tools) -> Outcome:
    if request.fleet not in (None, config.fleet):
        raise Usage(f"this repository is governed already, as fleet '{config.fleet}'", fix="leave --fleet out")
    if refs.read(site.repo.common_dir, config.ref) is None:
        raise NotFound(f"the governed branch '{config.branch}' is not in this clone",
                       fix=f"git branch {config.branch} origin/{config.branch}")
    parts = tools.parts(site.repo, config.ref)
    enrolled, note = _enrol(site, parts, dry=request.dry_run)
    more = {} if request.dry_run else audit_enrol.setting(parts, Values(site.git))
    steps = [*enrolled, *clone_setup.set_up(site, config.branch, more=more, dry=request.dry_run)]
    notes = ("this repository is governed already: owner, key and skills are as .githarness/ has them",
             ) if request.owner or request.signing_key or request.skills else ()
    return Outcome(_root(site.repo), config.fleet, config.branch, None, None, tuple(steps), (*notes, *note))


def _enrol(site: Site, parts: Parts, *, dry: bool) -> tuple[list[str], list[str]]:
    """Steps and notes: the audit log of a clone that has recorded something takes an owner's word."""
    head = refs.head(site.repo.common_dir, parts.ref)
    if not audit_enrol.is_due(parts, head):
        return [], []
    if dry:
        return ["commit that enrols this clone's audit log"], []
    try:
        commit = audit_enrol.enrol(parts, parts.governed.at(head), Values(site.git).last("user.email") or "")
    except (NotFound, Denied, Unavailable, refs.Moved) as error:
        return [], [f"this clone's audit log is not enrolled, an owner does it by githarness init: {error}"]
    return [f"commit {commit} that enrols this clone's audit log"], []


def _found(site: Site, ref: str, request: Request, tools: Tools) -> Outcome:
    values = Values(site.git)
    who = founder.person(request.owner, values)
    config = _config(site.repo, ref, request)
    more = {} if values.last("user.email") else {"user.name": who.name or who.mail, "user.email": who.mail}
    if request.dry_run:
        steps = clone_setup.set_up(site, config.branch, more=more, dry=True)
        steps = [f"commit on {config.branch}: adopt githarness, signed by {who.mail}", *steps]
        return Outcome(_root(site.repo), config.fleet, config.branch, None, None, tuple(steps))
    keyring = Keyring(tools.settings)
    choice = KeyChoice(request.signing_key, values, tools.settings, keyring, tools.passphrase)
    signer, origin = choice.signer(f"{who.mail} githarness")
    owner = founder.human(who, signer, tools.clock.now())
    parts = tools.parts(site.repo, ref)
    plan = Plan("govern", (*_files(config, owner), audit_enrol.change(parts)), "adopt githarness", owner, signer,
                fleet=config.fleet,
                body=f"{owner.name} is the owner of the fleet {config.fleet}; agents may write from here on.")
    try:
        commit = LocalLane(parts).land(plan).commit
    except refs.Moved:
        raise Locked(f"'{ref}' was governed by somebody else just now", fix="githarness init") from None
    more |= audit_enrol.setting(parts, values)
    steps = clone_setup.set_up(site, config.branch, more=more, dry=False)
    steps = [f"commit {commit} on {config.branch}, signed by {owner.mail} (key: {origin})", *steps]
    return Outcome(_root(site.repo), config.fleet, config.branch, commit, owner, tuple(steps), _notes(values, who.mail))


def _notes(values: Values, mail: str) -> tuple[str, ...]:
    acts = values.last("user.email")
    if acts and acts.lower() != mail.lower():
        return (f"git's user.email is {acts}, so you do not act as {mail} here: git config user.email {mail}",)
    return ()


def _config(repo: Repo, ref: str, request: Request) -> RepoConfig:
    fleet = registry.check_name(request.fleet) if request.fleet else founder.slug(_folder_name(repo)) or "fleet"
    config = RepoConfig(fleet, ref.removeprefix(_HEADS))
    return replace(config, skills=request.skills) if request.skills else config


def _folder_name(repo: Repo) -> str:
    """Of the main worktree, also seen from a linked one."""
    if repo.worktree and repo.git_dir == repo.common_dir:
        return repo.worktree.name
    return (repo.common_dir.parent if repo.common_dir.name == ".git" else repo.common_dir).name.removesuffix(".git")


def _files(config: RepoConfig, owner: Human) -> tuple[PathChange, ...]:
    contents = {
        CONFIG: _config_file(config),
        f"{FOLDER_NAME}/humans/{owner.name}.yaml": registry.render_human(owner),
        SIGNERS: registry.allowed_signers(Registry(humans={owner.name: owner}), config.fleet),
        f"{FOLDER_NAME}/.gitattributes": _ATTRIBUTES,
    }
    return tuple(PathChange(path, None, Entry(FILE, oid_of("blob", data)), data) for path, data in contents.items())


def _config_file(config: RepoConfig) -> bytes:
    """TOML's basic strings and arrays of them are JSON's."""
    lines = ["# What githarness governs in this repository; owners change it by signed commits.", "version = 1"]
    lines += [f"fleet = {json.dumps(config.fleet)}", f"branch = {json.dumps(config.branch)}",
              f"skills = {json.dumps(list(config.skills))}"]
    data = ("\n".join(lines) + "\n").encode()
    parse_config(data)
    return data


def _root(repo: Repo) -> Path:
    return repo.worktree or repo.git_dir


def _would_be(request: Request, steps: list[str]) -> Outcome:
    """A dry run where there is no repository yet: there is nothing more to look at."""
    folder = Path(os.path.abspath(request.directory))
    fleet = request.fleet or founder.slug(folder.name) or "fleet"
    return Outcome(folder, fleet, BRANCH, None, None, (*steps, f"commit on {BRANCH}: adopt githarness"))
