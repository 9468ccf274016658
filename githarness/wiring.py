"""Settings become engines, engines become use cases: the only place, beside the command table, that imports lazily."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from githarness import clock, flock
from githarness.clock import Clock
from githarness.errors import HarnessError, Locked, NotFound, Unavailable
from githarness.git import config
from githarness.git.repo import Repo, discover, settings_of
from githarness.settings import RepoConfig, Settings, branch_ref

if TYPE_CHECKING:
    from datetime import date

    from githarness.canon import Json
    from githarness.daemon.client import Line
    from githarness.daemon.table import RemoteTable
    from githarness.git.porcelain import Git
    from githarness.git.reader import Reader
    from githarness.policy.model import Human
    from githarness.seal.signer import Signer
    from githarness.skills.document import Document
    from githarness.skills.model import Neighbour
    from githarness.skills.part import Versions
    from githarness.store.db import Connection, Database
    from githarness.store.keyring import Keyring
    from githarness.work.artifacts import Registry
    from githarness.work.asks import Lane, Plan, Progress
    from githarness.work.audit_keep import Retention
    from githarness.work.combine import Combined
    from githarness.work.divergence import Verdict
    from githarness.work.gate import WriteGate
    from githarness.work.governance import Governance
    from githarness.work.lane import LocalLane
    from githarness.work.parts import Parts
    from githarness.work.rulebook import Ever


class Harness:
    """One repository with everything that works on it; engines are made when they are first used."""

    def __init__(self, settings: Settings, repo: Repo, *, ref: str | None = None, clock: Clock = clock.SYSTEM) -> None:
        self.settings = settings
        self.repo = repo
        self.clock = clock
        self._ref = ref

    @cached_property
    def ref(self) -> str:
        """The governed branch, in full: as told, as `init` set it in this clone, else as config.toml at HEAD says."""
        if self._ref:
            return self._ref
        if branch := self.config_values.get("githarness.branch"):
            return branch_ref(branch[-1])
        return self._ref_of_head()

    def _ref_of_head(self) -> str:
        from githarness.work.governance import CONFIG, last_config

        try:
            commit = self.reader.resolve("HEAD")
        except NotFound:
            raise NotFound("this repository has no commit yet", fix="githarness init") from None
        if self.reader.entry(commit, CONFIG) is None:
            raise NotFound("this repository is not governed by githarness", fix="githarness init")
        return last_config(self.reader, commit)[1].ref

    @cached_property
    def config_values(self) -> dict[str, tuple[str, ...]]:
        return dict(config.read(self.repo.common_dir / "config"))

    @cached_property
    def db(self) -> Database:
        from githarness.store.db import Database

        return Database(self.repo.home, self.clock)

    @cached_property
    def reader(self) -> Reader:
        return reader(self.repo)

    @cached_property
    def registry(self) -> Registry:
        from githarness.work.artifacts import Registry

        return Registry(self.db, self.reader, self.settings.fts)

    @cached_property
    def git(self) -> Git:
        from githarness.git.porcelain import Git

        return Git(self.settings, self.repo.worktree or self.repo.git_dir)

    @cached_property
    def keyring(self) -> Keyring:
        from githarness.store.keyring import Keyring

        return Keyring(self.settings, self._gits_key)

    def _gits_key(self) -> Path | None:
        try:
            form = self.git.run("config", "--get", "gpg.format").strip()
            named = os.fsdecode(self.git.run("config", "--type=path", "--get", "user.signingkey").removesuffix(b"\n"))
        except NotFound:
            return None
        if form != b"ssh" or named.startswith(("key::", "ssh-")):  # a key itself: ssh-agent has it, or nobody
            return None
        return (self.repo.worktree or self.repo.git_dir) / named

    @cached_property
    def parts(self) -> Parts:
        from githarness.daemon.client import RemoteBell
        from githarness.work.governance import Governed
        from githarness.work.parts import Parts

        law, bell = Governed(self.reader, self._had_policy), RemoteBell(self._line)
        return Parts(self.repo, self.ref, self.clock, self.db, self.reader, self.keyring, law, bell)

    def _gate(self, config: RepoConfig, conn: Connection, today: date) -> WriteGate:
        """What judges the writes of one group."""
        from githarness.skills import profiles
        from githarness.store import artifacts
        from githarness.work.gate import WriteGate

        profile = profiles.load("agentskills", schema_judge)
        return WriteGate(profile, config, artifacts.Names(conn), today, self._judged)

    @cached_property
    def _judged(self) -> Versions:
        from githarness.work.gate import remembered

        return remembered()

    def _had_policy(self, commit: str) -> bool | None:
        from githarness.store import commits
        from githarness.work.rulebook import POLICIES

        with self.db.read() as conn:
            return commits.touched(conn, commit, POLICIES)

    @cached_property
    def ever(self) -> Ever:
        """Whether there ever was a policy, by the commit index as far as this clone has one; none is made for it."""
        from githarness.work.rulebook import unknown

        if not (self.repo.home / "harness.db").exists():
            return unknown

        def ever(commit: str) -> bool | None:
            try:
                return self._had_policy(commit)
            except HarnessError:
                return None  # git tells

        return ever

    @cached_property
    def local(self) -> LocalLane:
        from githarness.work.lane import LocalLane

        return LocalLane(self.parts, self._gate, owners=_owners)

    @cached_property
    def served(self) -> LocalLane:
        """The lane that a daemon serves: large artifacts are left to the lane of each client."""
        from githarness.work.lane import LocalLane

        return LocalLane(self.parts, self._gate, largest=1 << 20, tidy=self.maintain)

    def maintain(self) -> None:
        """The audit log into git, packs of deltas in place of many small ones, a commit-graph, where enough is new; and
        bodies that policy keeps no longer are let go."""
        from githarness.git import maintenance
        from githarness.work import audit_seal

        if maintenance.is_due(self.repo):
            maintenance.maintain(self.git, self.repo)
        self.watch()
        audit_seal.seal_if_due(self.parts)  # late: a log that was changed is refused, and stops nothing before it
        self._retention.purge_if_due(self.parts)

    def watch(self) -> None:
        """Closes runs that nobody runs, pauses agents that fail or fell silent, and tells operators what is due."""
        from githarness.work import guard, notify

        guard.watch(self.parts)
        notify.tell(self.parts, self._deliver if "githarness.branch" in self.config_values else None)

    def _deliver(self, command: Sequence[str], message: bytes) -> str:
        """Only where `init` has set this clone up: nobody is to run a program by reading a repository."""
        from githarness.runner import tell

        environ = {name: value for name, value in self.settings.environ.items() if not name.startswith("GITHARNESS_")}
        return tell.tell(command, message, directory=self.repo.worktree or self.repo.git_dir, environ=environ)

    @cached_property
    def _retention(self) -> Retention:
        from githarness.work.audit_keep import Retention

        return Retention()

    @cached_property
    def lane(self) -> Lane:
        """Through the daemon where one listens, else in process, with the same results."""
        from githarness.daemon.client import RemoteLane
        return RemoteLane(self._line, fallback=lambda: self.local)

    @cached_property
    def _line(self) -> Line:
        from githarness.daemon.client import Line
        return Line(self.settings, self.repo)

    @cached_property
    def table(self) -> RemoteTable:
        """The verbs of coordination, as the lane: through the daemon where one listens."""
        from githarness.daemon.table import RemoteTable
        return RemoteTable(self._line, fallback=lambda: self.combined)

    @cached_property
    def combined(self) -> Combined:
        """The verbs of coordination, in process."""
        from githarness.work.combine import Combined

        return Combined(self.parts)

    def token(self) -> str | None:
        """The bearer token of the run that this process belongs to."""
        file = self.settings.token_file
        if file is None:
            return None
        try:
            return file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Unavailable(f"the token file '{file}' cannot be read", fix="unset GITHARNESS_TOKEN_FILE") from error

    def head(self) -> str:
        """Raises NotFound where the governed branch has no commit."""
        from githarness.git import refs

        return refs.head(self.repo.common_dir, self.ref)

    def governance(self) -> Governance:
        """For people: it is there also while config.toml does not load, so that they can look, undo and mend."""
        return self.parts.governed.salvaged(self.head())

    def human(self, name: str | None = None) -> tuple[Human, Signer]:
        """The person of `git config user.email`, or the one named, with a key that this host holds."""
        from githarness.work.people import acting

        return acting(self.parts, self.governance(), name=name, mail=self.mail)

    def judge_push(self, remote: str, updates: str) -> Verdict | None:
        """What pre-push has to say, from git's lines on its stdin; None where all is well."""
        from githarness.work import divergence

        return divergence.of_push(self.parts, self.git, remote, divergence.updates_of(updates))

    def judge_pushed(self, updates: str) -> list[str]:
        """What a hub would say to these commits; nothing where all is well."""
        from githarness.work import divergence, judge_push, judge_report
        from githarness.work.judge_range import Bench

        bench = Bench(self.reader, self.clock.now(), cores=os.cpu_count() or 1, ever=self.ever)
        return list(map(judge_report.line, judge_push.of_push(bench, self.ref, divergence.updates_of(updates))))

    @cached_property
    def mail(self) -> str:
        known = config.told("user.email", self._git_settings())
        if known is not None:
            return known.strip()
        try:
            return self.git.run("config", "--get", "user.email").decode().strip()
        except NotFound:
            raise NotFound("git does not know who you are", fix="git config user.email YOU@EXAMPLE.ORG") from None

    def _git_settings(self) -> Iterator[Mapping[str, tuple[str, ...]]]:
        """Git's configuration as far as it is where every git has it, the strongest file first."""
        yield settings_of(self.repo.git_dir)
        environ = self.settings.environ
        if home := environ.get("HOME"):
            yield config.read(Path(home, ".gitconfig"))
            yield config.read(Path(environ.get("XDG_CONFIG_HOME") or f"{home}/.config", "git", "config"))

    def fresh_index(self) -> None:
        """Brings the commit index up to head; nothing to do, and no libgit2 loaded, where it is there already."""
        from githarness.store import commits

        head = self.head()
        with self.db.read() as conn:
            if commits.head(conn) == head:
                return
        from githarness.work import index
        from githarness.work.verify import verifier

        index.update(self.db, self.reader, head, verifier(self.parts))

    def fresh_registry(self, progress: Progress | None = None) -> None:
        """Brings index, registry and the verdicts on skills up to head."""
        from githarness.skills import profiles
        from githarness.work import quality

        self.fresh_index()
        self.registry.update(self.head(), progress)
        self.registry.judge(quality.judging(self.reader, profiles.load("agentskills", schema_judge)), progress)

    def finish_what_was_left(self) -> None:
        """After a crash, the next command by anybody completes it; beside a living writer there is nothing to do."""
        from githarness.store import events

        if not (self.repo.home / "harness.db").exists():
            return
        self._finish_spool()
        with self.db.read() as conn:
            left = events.any_open(conn)
        if not left and not any(self.repo.home.glob("worktree-*.lock")):
            return
        try:
            self.local.recover(wait=0.0)
        except (Locked, Unavailable):
            return  # its owner is alive, or the disk is full, which is no matter of a reader's

    def _finish_spool(self) -> None:
        """What a vault daemon that was killed has noted of uses becomes events."""
        if not (self.repo.home / "vault-audit.spool").exists():
            return
        from githarness.proxy import spool

        if spool.any_left(self.repo.home):
            with suppress(Locked), flock.exclusive(self.repo.home / spool.LOCK, wait=0.0, what="the vault"):
                spool.move_all(self.db, self.repo.home)

    def close(self) -> None:
        if "db" in self.__dict__:
            self.db.close()


def _owners(parts: Parts, head: str, plan: Plan) -> Plan:
    from githarness.work import owners

    return owners.check(parts, head, plan)


def reader(repo: Repo) -> Reader:
    """The objects of a repository, for who needs nothing else of it."""
    from githarness.git.reader import Reader

    return Reader(repo)


def receive(git_dir: Path, lines: str) -> list[str]:
    """Why a push into the hub at `git_dir` is not let in; nothing where it is. `lines`: what git tells pre-receive."""
    from githarness.git.repo import receiving
    from githarness.settings import of_hook
    from githarness.work import hub, hub_receive, judge_report
    from githarness.work.judge_range import Bench

    repo = receiving(discover(git_dir), of_hook("GIT_QUARANTINE_PATH"), of_hook("GIT_OBJECT_DIRECTORY"))
    updates = hub_receive.updates_of(lines)
    bench = Bench(reader(repo), clock.SYSTEM.now(), cores=os.cpu_count() or 1)
    found = hub_receive.receive(repo, hub.load(repo.home), updates, bench)
    return list(map(judge_report.line, found))


def schema_judge(file: str, field: str, value: Json) -> list[str]:
    """`skills.schemas.judge`, with jsonschema imported at the first value that is not plainly right."""
    from githarness.skills import schemas

    return schemas.judge(file, field, value)


def neighbours(repo: Repo) -> Callable[[Document], Sequence[Neighbour]] | None:
    """Near-duplicates by the registry of this clone, opened at the first question: a process that forks asks after."""
    if not (repo.home / "harness.db").exists():
        return None
    opened: list[Database] = []

    def near(doc: Document) -> Sequence[Neighbour]:
        from githarness.store.db import Database
        from githarness.work import quality

        opened.extend([] if opened else [Database(repo.home, clock.SYSTEM)])
        with opened[0].read() as conn:
            return quality.neighbours(conn, doc)

    return near


def open(directory: Path, settings: Settings) -> Harness:
    """The repository around `directory`, found sound: what a crash left is finished. Raises NotFound, Unavailable."""
    harness = Harness(settings, discover(directory))
    harness.finish_what_was_left()
    return harness
