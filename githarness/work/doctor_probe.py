"""What `doctor` asks of the surfaces that stop somebody: each gets a change that it must refuse, and is graded by that.

The change is a commit that says it is an agent's and that nobody signed. It is made in a repository of its own, which
borrows this clone's objects: nothing of it stays, here or in a hub.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from githarness.errors import Denied, HarnessError, Integrity, NotFound, Stopped, Unavailable
from githarness.git import refs
from githarness.git.porcelain import Git
from githarness.git.reader import Reader
from githarness.git.repo import discover, settings_of
from githarness.work import hooks_setup, hub, judge_push
from githarness.work.asks import Ask, Op
from githarness.work.divergence import Update
from githarness.work.doctor import Finding, Grade, Subject
from githarness.work.governance import FOLDER_NAME
from githarness.work.judge_range import Bench

_BRANCH = "refs/heads/githarness-doctor-probe"
_WORKFLOW = ".github/workflows/githarness.yml"


def write_path(subject: Subject) -> Iterator[Finding]:
    """A write of governance by an agent, judged and thrown away."""
    parts = subject.parts()
    governance = parts.governed.salvaged(refs.head(parts.repo.common_dir, parts.ref))
    names = sorted(agent.name for agent in governance.registry.agents.values() if agent.retired is None)
    what = "writes through githarness"
    if not names:
        yield Finding(what, "ok", "there is no agent yet who could write", grade="best-effort")
        return
    probe = Op("write", f"{FOLDER_NAME}/policies/doctor-probe.yaml", b"version: 1\n", if_match="absent")
    try:
        subject.lane().preview(Ask(names[0], "r-doctor-probe", (probe,)))
    except (Denied, Stopped, Integrity) as error:
        yield Finding(what, "ok", f"a probe was refused: {error.message}", grade="best-effort")
        return
    yield Finding(what, "fail", f"agent '{names[0]}' could write governance", "githarness policy check", "advisory")


def who_calls(subject: Subject) -> Iterator[Finding]:
    del subject
    yield Finding("who calls", "ok", "T0: a process of this user names its agent and may name another; the token of a "
                  "run (T1) ties it to that run", grade="advisory")


def pushes(subject: Subject) -> Iterator[Finding]:
    """What pre-push would say, then every remote that is a hub on this machine."""
    parts = subject.parts()
    head = refs.head(parts.repo.common_dir, parts.ref)
    with _forged(subject, head) as (git, place, oid):
        bench = Bench(Reader(discover(place)), subject.clock.now())
        said = [one.code for one in judge_push.of_push(bench, parts.ref, [Update(oid, parts.ref, head)])]
        if said:
            found = ", ".join(dict.fromkeys(said))
            yield Finding("plain git commits", "ok", f"people's stand beside; doctor's forged one is found: {found}. "
                          "Only pre-push says so here, and git push --no-verify leaves it out", grade="advisory")
        else:
            yield Finding("plain git commits", "fail", "doctor's forged one is not found",
                          "githarness doctor in a fresh clone", "advisory")
        for name, url in _remotes(subject):
            yield _pushed(git, oid, name, url)


def ci(subject: Subject) -> Iterator[Finding]:
    parts = subject.parts()
    if parts.reader.entry(refs.head(parts.repo.common_dir, parts.ref), _WORKFLOW) is not None:
        yield Finding("continuous integration", "ok", f"'{_WORKFLOW}' judges what is pushed, weekly all of history; "
                      "it stops a merge only where the forge requires it for the branch", grade="advisory")


@contextmanager
def _forged(subject: Subject, head: str) -> Iterator[tuple[Git, Path, str]]:
    with tempfile.TemporaryDirectory(prefix="githarness-doctor-") as name:
        place, repo = Path(name), subject.repo
        git = Git(subject.settings, place)
        git.run("init", "--quiet", "--bare", "--template=", ".")
        (place / "objects" / "info").mkdir(exist_ok=True)
        (place / "objects" / "info" / "alternates").write_text(f"{repo.common_dir / 'objects'}\n", encoding="utf-8")
        tree = subject.parts().reader.commit(head).tree
        who = f"doctor-probe <doctor-probe@example.invalid> {int(subject.clock.now())} +0000"
        raw = f"tree {tree}\nparent {head}\nauthor {who}\ncommitter {who}\n\nprobe\n\nAgent: doctor-probe\n"
        yield git, place, git.run("hash-object", "-t", "commit", "-w", "--stdin", input=raw.encode()).decode().strip()


def _remotes(subject: Subject) -> Iterator[tuple[str, str]]:
    try:
        listed = subject.git.run("config", "--get-regexp", "-z", r"^remote\..*\.url$").decode("utf-8", "replace")
    except (NotFound, Unavailable):
        return
    for item in listed.split("\0")[:-1]:
        key, _, url = item.partition("\n")
        yield key.removeprefix("remote.").removesuffix(".url"), url


def _pushed(git: Git, oid: str, name: str, url: str) -> Finding:
    place, what = Path(url.removeprefix("file://")), f"remote '{name}'"
    if not (place / "githarness" / "hub.json").is_file():
        return Finding(what, "ok", "is no hub on this machine, so what it lets in is not known here")
    try:
        git.run("push", "--quiet", "--no-verify", str(place), f"{oid}:{_BRANCH}")
    except Unavailable as error:
        said = str(error.details["stderr"]) if "stderr" in error.details else error.message
        if "githarness let nothing" not in said:
            return Finding(what, "warn", f"a probe did not get as far as its verification: {error.message}", error.fix)
        return Finding(what, "ok", f"a forged commit was refused; {_worth(place)[1]}", grade=_worth(place)[0])
    git.run("push", "--quiet", "--no-verify", str(place), f":{_BRANCH}")
    return Finding(what, "fail", "the hub let a forged commit in", "githarness hub init a new one", "advisory")


def _worth(place: Path) -> tuple[Grade, str]:
    """Who owns the hub's files is not stopped by its hook."""
    if os.stat(place / "hooks").st_uid != os.getuid() and not os.access(place / "hooks", os.W_OK):
        return "enforced", "its files are another user's"
    return "best-effort", "its files are this user's, who may change them: give it a user of its own"


def the_hub(subject: Subject) -> Iterator[Finding]:
    """Of a hub, looked at from inside."""
    anchor = hub.load(subject.repo.home)
    yield Finding("trust anchor", "ok", f"branch {anchor.branch}, begun by {anchor.init[:12]}, "
                  f"{len(anchor.owners)} owner(s)")
    hook = subject.repo.common_dir / "hooks" / hooks_setup.RECEIVE
    named = settings_of(subject.repo.git_dir).get("core.hookspath", ())[-1:]
    if not hooks_setup.is_ours(hook) or not os.access(hook, os.X_OK) or named != (str(hook.parent),):
        yield Finding(hooks_setup.RECEIVE, "fail", f"'{hook}' is not there, not executable, or git looks elsewhere",
                      "githarness hub init a new hub", "advisory")
        return
    grade, why = _worth(subject.repo.common_dir)
    yield Finding(hooks_setup.RECEIVE, "ok", f"verifies every push; {why}", grade=grade)
    try:
        head = refs.head(subject.repo.common_dir, anchor.ref)
    except HarnessError as error:
        yield Finding("governed branch", "warn", error.message, f"git push to it, with {anchor.init[:12]}")
        return
    yield Finding("governed branch", "ok", f"{anchor.branch} at {head[:12]}")


CHECKS = (write_path, who_calls, pushes, ci)
HUB_CHECKS = (the_hub,)
