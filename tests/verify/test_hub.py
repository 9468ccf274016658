"""A hub lets in what verifies and nothing else of a push: with the real git, over its own transport."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def _branch(git, hub: Path, ref: str = "refs/heads/main") -> str:
    return git(hub, "rev-parse", "-q", "--verify", ref, ok=False)


def test_writes_are_pushed_and_cloned(forge, git, hub, push, cli, tmp_path) -> None:
    """What the harness wrote goes through; a clone of the hub verifies alike."""
    forge.cli("append", "notes.md", "--agent", "deployer", stdin="one")
    forge.git("commit", "-q", "--allow-empty", "-m", "by hand")
    done = push("main")
    assert (done.code, _branch(git, hub)) == (0, forge.head), done.said
    git(tmp_path, "clone", "-q", hub, tmp_path / "clone")
    assert cli("verify", "--json", cwd=tmp_path / "clone").json["violations"] == []


def test_a_bad_commit_takes_the_whole_push_with_it(forge, git, hub, push) -> None:
    """Refused with commit, code and reason; no ref of the push moved, and none of its objects stayed."""
    before, good = _branch(git, hub), forge.commit({"a.md": "a\n"})
    bad = forge.commit({"a.md": "b\n"}, parents=[good], signer=forge.signer("scribe"))
    done = push(f"{bad}:main", f"{good}:refs/heads/side")
    assert done.code == 1
    assert f"remote: {bad[:12]}: wrong-signer: " in done.said
    assert (_branch(git, hub), _branch(git, hub, "refs/heads/side")) == (before, "")
    assert git(hub, "cat-file", "-t", good, ok=False) == ""
    assert push(f"{good}:main").code == 0


def test_the_first_push_brings_the_anchor(forge, git, cli, push, tmp_path) -> None:
    """A hub takes no other history than that of the clone that it was made from."""
    forge.cli("hub", "init", str(tmp_path / "hub.git"))
    forge.git("remote", "add", "hub", str(tmp_path / "hub.git"))
    other = forge.commit({"x.md": "x\n"}, agent=None, parents=[])
    assert "not-anchored" in push(f"{other}:refs/heads/main").said
    assert "has to be pushed first" in push("main:refs/heads/side").said
    assert push("main", "main:refs/heads/side").code == 0
    assert json.loads((tmp_path / "hub.git/githarness/hub.json").read_text())["owners"].keys() == {"olive"}


def test_history_may_not_be_rewound(forge, git, hub, push) -> None:
    """Not by force, not by deletion; side branches are people's own."""
    forge.git("push", "-q", "hub", "main:refs/heads/side")
    for refspec in ("+main~1:main", ":main"):
        assert "rewound" in push(refspec).said
    assert push("+main~1:refs/heads/side").code == push(":refs/heads/side").code == 0


@pytest.mark.parametrize("ref", ["refs/replace/{oid}", "refs/pull/1/head", "refs/githarness/keys/x", "refs/stash",
                                 "refs/meta/config"])
def test_refs_that_a_hub_does_not_take(forge, git, hub, push, ref: str) -> None:
    """G42: whatever is no branch, tag, note or ref of ours."""
    ref = ref.format(oid=forge.head)
    done = push(f"{forge.git('rev-parse', 'main~1')}:{ref}")
    assert (done.code, "no ref that this hub takes" in done.said) == (1, True)


def test_tags_and_notes_are_not_overwritten(forge, git, hub, push) -> None:
    """G42 G74: a tag or note that is there stays; notes grow."""
    for name in ("-a", "light"):
        forge.git("tag", *([name, "v1", "-m", "v1"] if name == "-a" else [name]))
    forge.git("notes", "add", "-m", "one", "main")
    assert push("v1", "light", "refs/notes/commits").code == 0
    for refspec in (f"+{forge.git('rev-parse', 'main~1')}:refs/tags/light", ":refs/tags/v1", ":refs/notes/commits"):
        assert "rewound" in push(refspec).said
    forge.git("notes", "add", "-m", "two", "main~1")
    assert push("refs/notes/commits").code == 0
    forge.git("update-ref", "-d", "refs/notes/commits")
    forge.git("notes", "add", "-m", "other", "main")
    assert "rewound" in push("+refs/notes/commits").said


def test_nobody_writes_the_audit_log_of_somebody_else(forge, hub, push) -> None:
    """G84: a commit on top of a log that was pushed would stop its own clone from pushing it ever again."""
    forge.cli("append", "notes.md", "--agent", "deployer", stdin="one")
    forge.cli("audit", "seal")
    ref = forge.git("for-each-ref", "--format=%(refname)", "refs/githarness/audit")
    forged = forge.git("commit-tree", "main^{tree}", "-p", ref, "-m", "more")
    assert push(f"{forged}:{ref}").code == 1
    assert push("main", ref).code == 0
    for target in (ref, "refs/githarness/audit/l-00000000000000000000"):
        assert "the key of that log" in push(f"{forged}:{target}").said
    forge.cli("audit", "seal")
    assert push(ref).code == 0


def test_a_tag_brings_no_commit_past_the_branch(forge, hub, push) -> None:
    """G42: what a tag or a side branch brings is judged as well."""
    bad = forge.commit({"a.md": "b\n"}, signed=False)
    for ref in ("refs/tags/v9", "refs/heads/side"):
        assert "unsigned" in push(f"{bad}:{ref}").said
    blob = forge.git("rev-parse", "main:runbooks/release.md")
    assert "no commit" in push(f"{blob}:refs/tags/blob").said


def test_of_two_pushes_at_once_git_lets_one_in(forge, git, hub) -> None:
    """Both are judged by the same tip; the second finds the ref moved, and is refused by git's own comparison."""
    tips = [forge.commit({"notes.md": f"{name}\n"}) for name in ("one", "two")]
    hook = hub / "hooks/pre-receive"
    hook.rename(hub / "hooks/real")
    hook.write_text(f'#!/bin/sh\n"{hub}/hooks/real" || exit\ntouch "{hub}/judged.$$"\n'
                    f'while [ "$(ls "{hub}" | grep -c judged)" -lt 2 ]; do sleep 0.05; done\n')
    hook.chmod(0o755)
    running = [subprocess.Popen(["git", "push", "--no-verify", "hub", f"{tip}:main"], cwd=forge.folder,
                                stderr=subprocess.PIPE, text=True) for tip in tips]
    said = [process.communicate()[1] for process in running]
    codes = [process.returncode for process in running]
    assert sorted(codes) == [0, 1], said
    assert _branch(git, hub) == tips[codes.index(0)]


def test_a_hub_without_its_interpreter_takes_nothing(forge, hub, push) -> None:
    """G40: what cannot be verified is not let in."""
    hook = hub / "hooks/pre-receive"
    hook.write_text(hook.read_text().replace(f"python={sys.executable}", "python=/nowhere/python"))
    forge.commit({"a.md": "a\n"})
    done = push(f"{forge.made[-1]}:main")
    assert (done.code, "interpreter '/nowhere/python' is gone" in done.said) == (1, True)


def test_a_broken_anchor_takes_nothing(forge, hub, push) -> None:
    """An error of any kind refuses."""
    (hub / "githarness/hub.json").write_text("{")
    done = push(f"{forge.commit({'a.md': 'a'})}:main")
    assert (done.code, "cannot be verified" in done.said) == (1, True)


def test_configuration_of_the_pusher_turns_no_hook_off(forge, hub, push, home) -> None:
    """G37: hooksPath of who pushes, in the environment or in a file."""
    bad = forge.commit({"a.md": "b\n"}, signed=False)
    forge.git("config", "--global", "core.hooksPath", "/nowhere")
    assert push(f"{bad}:main").code == 1
    done = subprocess.run(["git", "-c", "core.hooksPath=/nowhere", "push", "hub", f"{bad}:main"], cwd=forge.folder,
                          capture_output=True, text=True, check=False)
    assert (done.returncode, "unsigned" in done.stderr) == (1, True)


def test_a_hub_is_made_once(forge, hub, cli) -> None:
    """Nothing that is there is touched."""
    assert cli("hub", "init", hub, cwd=forge.folder).code == 11
