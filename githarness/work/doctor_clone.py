"""What `doctor` asks of one clone: its set-up, its hooks, its state and what a crash or another clone left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from githarness.errors import Integrity
from githarness.git import refs
from githarness.git import repo as repos
from githarness.store import events
from githarness.work import adopted, divergence, hooks_setup, index
from githarness.work.clone_config import Values
from githarness.work.clone_setup import ALLOWED_SIGNERS, BRANCH, HOOKS_PATH
from githarness.work.doctor import Finding, State, Subject
from githarness.work.governance import CONFIG, SIGNERS, last_config

_FRESH = 60.0  # seconds; a younger lock belongs to a command that is running
_INIT = "githarness init"


def set_up(subject: Subject) -> Iterator[Finding]:
    record, values = adopted.load(subject.repo.home), Values(subject.git)
    if record is None:
        if subject.repo.worktree is None:
            yield Finding("set-up", "fail", "this is a bare repository: nobody works in it", "look at a clone of it")
        else:
            yield Finding("set-up", "fail", "this clone is not set up", _INIT)
        return
    wanted = {BRANCH: record.branch, ALLOWED_SIGNERS: SIGNERS}
    wrong = [key for key, text in wanted.items() if values.last(key) != text]
    if wrong:
        yield Finding("set-up", "fail", f"git config {wrong[0]} is '{values.last(wrong[0]) or ''}', not "
                      f"'{wanted[wrong[0]]}'", _INIT)
    else:
        yield Finding("set-up", "ok", f"branch {record.branch}, signers in {SIGNERS}")


def hooks(subject: Subject) -> Iterator[Finding]:
    record = adopted.load(subject.repo.home)
    if record is None:
        return
    named, own = Values(subject.git).last(HOOKS_PATH), hooks_setup.own_folder(subject.repo)
    if named and named != str(own):
        yield Finding("core.hooksPath", "fail", f"it names '{named}', so githarness's hooks do not run", _INIT)
        return
    if record.former is None:
        states = [hooks_setup.state_beside(hooks_setup.default_folder(subject.repo), name) for name in hooks_setup.OURS]
    else:
        states = [hooks_setup.state_instead(subject.repo, record.former, name) for name in hooks_setup.OURS]
        missing = ", ".join(hooks_setup.not_passed_on(subject.repo, record.former))
        yield Finding("core.hooksPath", "warn" if missing else "ok", f"passes on to '{record.former}'"
                      + (f", but not {missing}" if missing else ""), _INIT if missing else "")
    yield from map(_hook_finding, states)


def _hook_finding(state: hooks_setup.HookState) -> Finding:
    push = state.name == hooks_setup.PUSH
    bad: State = "fail" if push else "warn"  # the other one only hastens what the next write does
    if state.place is None:
        return Finding(state.name, bad, "githarness's hook is not there: another tool has replaced it", _INIT)
    if not state.executable:
        return Finding(state.name, bad, f"'{state.place}' is not executable, so git ignores it", _INIT)
    runs = f"runs, after the hook '{state.chained.name}'" if state.chained else "runs"
    return Finding(state.name, "ok", f"{runs}; git push --no-verify leaves it out" if push else runs,
                   grade="advisory" if push else None)


def kind_of_clone(subject: Subject) -> Iterator[Finding]:
    if repos.is_shallow(subject.repo):
        yield Finding("history", "fail", "this clone is shallow: what is not here cannot be judged or rolled back",
                      "git fetch --unshallow")
    elif repos.is_partial(subject.repo):
        yield Finding("history", "warn", "this is a partial clone: objects are fetched when they are needed",
                      "git fetch --refetch --no-filter")
    else:
        yield Finding("history", "ok", "complete")
    if repos.is_sparse(subject.repo.git_dir):
        yield Finding("sparse checkout", "warn", "this checkout is sparse: files outside of it do not appear",
                      "git sparse-checkout disable")


def locks(subject: Subject) -> Iterator[Finding]:
    """Lock files of git. One of ours without an owner is finished by the next write; others stay."""
    ours = [entry.lstat() for entry in subject.repo.home.glob("*lock") if not entry.is_symlink()]
    found = [lock for lock in _lock_files(subject) if not _is_fresh(lock, subject.clock.now())]
    for lock in found:
        if any(os.path.samestat(lock.lstat(), mine) for mine in ours):
            yield Finding("locks", "warn", f"'{lock}' is ours, left by a crash", "the next write finishes it")
        else:
            yield Finding("locks", "fail", f"'{lock}' is older than a minute and stops every write",
                          f"if no git is running: rm '{lock}'")
    if not found:
        yield Finding("locks", "ok", "none left behind")


def _lock_files(subject: Subject) -> Iterator[Path]:
    common = subject.repo.common_dir
    for git_dir in (common, *common.glob("worktrees/*")):
        yield from (git_dir / name for name in ("index.lock", "HEAD.lock"))
    yield from (common / name for name in ("config.lock", "packed-refs.lock", "shallow.lock"))
    yield from (common / "refs").rglob("*.lock")


def _is_fresh(lock: Path, now: float) -> bool:
    try:
        return lock.lstat().st_mtime > now - _FRESH
    except FileNotFoundError:
        return True


def commit_index(subject: Subject) -> Iterator[Finding]:
    parts = subject.parts()
    state = index.status(parts.db, refs.read(parts.repo.common_dir, parts.ref))
    if state.current:
        yield Finding("commit index", "ok", f"{state.commits} commits, at head")
    else:
        yield Finding("commit index", "ok", f"{state.commits} commits; who reads it next brings it to head")
    with parts.db.read() as conn:
        left = events.any_open(conn)
    if left:
        yield Finding("writes", "warn", "some are open or were cut off by a crash", "githarness log -n 1 finishes them")
    else:
        yield Finding("writes", "ok", "none was cut off")


def worktree(subject: Subject) -> Iterator[Finding]:
    """Where the governed branch is checked out: its index should be that of head, but for what a person has staged."""
    parts = subject.parts()
    found = repos.checkouts(parts.repo, parts.ref)
    if not found:
        yield Finding("checkout", "ok", f"'{parts.ref}' is checked out nowhere")
    for checkout in found[1:]:
        yield Finding("checkout", "warn", f"'{checkout.root}' has the governed branch checked out a second time: "
                      "what a person commits in one shows as a change in the other",
                      f"git -C '{checkout.root}' checkout --detach")
    if found and (operation := repos.operation_in_progress(found[0].git_dir)):
        yield Finding("checkout", "warn", f"a {operation} is in progress in '{found[0].root}'", "finish or abort it")
    if found and subject.repo.git_dir == found[0].git_dir:
        names = subject.git.run("diff-index", "--cached", "--name-only", "-z", "HEAD", "--").split(b"\0")[:-1]
        if names:
            first = names[0].decode("utf-8", "replace")
            yield Finding("pending paths", "warn", f"{len(names)} path(s) of git's index are not as in head, such as "
                          f"'{first}': staged by you, or left behind by a write", "git status")
        else:
            yield Finding("pending paths", "ok", "none")


def reflog(subject: Subject) -> Iterator[Finding]:
    values = Values(subject.git)
    for key in ("gc.reflogExpire", "gc.reflogExpireUnreachable", "gc.pruneExpire"):
        if values.last(key) in ("now", "all", "0"):
            yield Finding("reflog", "warn", f"git config {key} is '{values.last(key)}': git gc removes at once what a "
                          "running command may still need", f"git config --unset {key}")
            return
    yield Finding("reflog", "ok", "kept long enough")


def other_clones(subject: Subject) -> Iterator[Finding]:
    parts = subject.parts()
    remotes = parts.repo.common_dir / "refs" / "remotes"
    names = {entry.name for entry in remotes.iterdir()} if remotes.is_dir() else set()
    names |= {name for name in subject.git.run("remote").decode("utf-8", "surrogateescape").split("\n") if name}
    found = [one for name in sorted(names) if (one := divergence.of_tracking(parts, name))]
    for one in found:
        yield Finding("one writer", "fail", one.message, one.fix)
    if not found:
        yield Finding("one writer", "ok", "as of the last fetch, no other clone's agents have written beside ours")


def governed_branch(subject: Subject) -> Iterator[Finding]:
    parts = subject.parts()
    head = refs.read(parts.repo.common_dir, parts.ref) or ""
    try:
        governance = parts.governed.at(head)
    except Integrity as error:
        good = last_config(parts.reader, head)[0][:12]
        yield Finding("governed branch", "fail", f"{error.message}: no agent can write",
                      f"githarness restore --to {good} {CONFIG}")
        return
    yield Finding("governed branch", "ok", f"{governance.config.branch} of fleet {governance.config.fleet}")
    for broken in governance.broken:
        yield Finding("identities", "fail", broken, "mend the file as an owner")


CHECKS = (governed_branch, set_up, hooks, kind_of_clone, locks, commit_index, worktree, reflog, other_clones)
