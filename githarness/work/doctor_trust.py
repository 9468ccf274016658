"""What `doctor` asks of identities and keys."""

from __future__ import annotations

from collections.abc import Iterator

from githarness.errors import HarnessError
from githarness.git import refs
from githarness.policy import registry
from githarness.seal.keys import KeySigner
from githarness.work import agents, people
from githarness.work.doctor import Finding, Subject
from githarness.work.governance import SIGNERS, Governance
from githarness.work.parts import Parts


def _governance(parts: Parts) -> Governance:
    return parts.governed.salvaged(refs.read(parts.repo.common_dir, parts.ref) or "")


def signers(subject: Subject) -> Iterator[Finding]:
    """Whether stock git finds our signatures good: the file's content, then git's own verdict on the newest commit."""
    parts = subject.parts()
    governance = _governance(parts)
    entry = parts.reader.entry(governance.commit, SIGNERS)
    wanted = registry.allowed_signers(governance.registry, governance.config.fleet)
    if entry is None or parts.reader.blob(entry.oid) != wanted:
        yield Finding("allowed signers", "fail", f"'{SIGNERS}' is not what the identity files give",
                      "githarness agent add or rotate-key makes it anew")
        return
    worktree = subject.repo.worktree
    if worktree and not (worktree / SIGNERS).is_file():
        yield Finding("allowed signers", "warn", f"'{SIGNERS}' is not in this worktree: stock git cannot check here",
                      f"git checkout {governance.config.branch}")
        return
    yield Finding("allowed signers", "ok", "as the identity files say")


def stock_git(subject: Subject) -> Iterator[Finding]:
    """Git's verdict on our newest commits; what a forge or a stranger signed with keys of theirs is not ours."""
    layout = "--format=%(trailers:key=Agent,key=Human,valueonly,separator=%x2C)%x00%G? %h %an"
    log = subject.git.run("log", "-n", "20", layout, _governance(subject.parts()).commit).decode("utf-8", "replace")
    found = [line for who, line in (row.split("\0", 1) for row in log.splitlines()) if who]
    signed = [line for line in found if line[0] != "N"]
    bad = [line for line in signed if line[0] not in "GU"]
    if bad:
        yield Finding("stock git", "warn", f"git log --show-signature does not call {bad[0][2:]} good ({bad[0][0]})",
                      f"git verify-commit {bad[0].split()[1]}")
    elif signed:
        yield Finding("stock git", "ok", f"calls {len(signed)} of the last {len(found)} commits good, the others are "
                      "not signed" if len(signed) < len(found) else f"calls the last {len(signed)} commits good")


def person(subject: Subject) -> Iterator[Finding]:
    """Who acts here, and what their key is worth against a process of the same user."""
    parts = subject.parts()
    try:
        human, signer = people.acting(parts, _governance(parts), name=None, mail=subject.mail())
    except HarnessError as error:
        yield Finding("person", "warn", f"no person can act here: {error.message}", error.fix)
        return
    who = f"{human.name} ({human.role})"
    if isinstance(signer, KeySigner):
        yield Finding("person", "warn", f"{who} signs with a key that is not encrypted: every process of this user can "
                      "act as them, so approvals, separation of duties and audit are advisory",
                      "use a key in ssh-agent with ssh-add -c, or give agents a user of their own", "advisory")
    else:
        yield Finding("person", "ok", f"{who} signs through ssh-agent", grade="best-effort")


def agent_keys(subject: Subject) -> Iterator[Finding]:
    parts = subject.parts()
    active = [agent for agent in _governance(parts).registry.agents.values() if not agent.retired]
    without = sorted(agent.name for agent in active if not any(
        agents.held(parts.keyring, key) for key in agent.keys if key.usable))
    if without:
        yield Finding("agent keys", "warn", f"this host holds no key of {', '.join(without[:5])}"
                      + (f" and {len(without) - 5} more" if len(without) > 5 else ""),
                      f"githarness agent enroll {without[0]}")
    else:
        yield Finding("agent keys", "ok", f"this host signs for {len(active)} agent(s)")


CHECKS = (signers, stock_git, person, agent_keys)
