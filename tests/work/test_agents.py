"""The life of an agent and its keys, by the commands, on real repositories."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Everything is loaded before the start, so that all nineteen are in the same few milliseconds.
AT_ONCE = """\
import sys
import githarness.cli.cmd_agent, githarness.git.reader, githarness.work.lane
from githarness.__main__ import main
print("ready", flush=True)
sys.stdin.read()
main()
"""


def _show(cli, repo: Path, name: str = "worker"):
    return cli("agent", "show", name, "--json", cwd=repo).json


def test_add_is_one_commit_by_the_owner_with_the_signers_made_anew(cli, git, fleet):
    """Identity file and allowed_signers change together; stock git calls the commit good."""
    ran = cli("agent", "add", "worker", "--purpose", "rolls out", "--json", cwd=fleet)
    assert (ran.json["roles"], ran.json["keys"][0]["here"]) == (["writer"], True)
    paths = git(fleet, "show", "--format=%G? %an", "--name-only", ran.json["commit"]).split("\n")
    assert paths == ["G olive", "", ".githarness/agents/worker.yaml", ".githarness/allowed_signers"]
    assert git(fleet, "status", "--porcelain") == ""


def test_nineteen_processes_that_add_one_agent_make_one_identity(cli, git, fleet):
    """All succeed with the same key, there is one commit, and no key is left over."""
    keys = Path(os.environ["XDG_DATA_HOME"], "githarness/keys")
    before = set(keys.iterdir())
    command = [sys.executable, "-c", AT_ONCE, "-C", str(fleet), "--json", "agent", "add", "worker"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    started = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(19)]
    assert [one.stdout.readline() for one in started] == [b"ready\n"] * 19
    for one in started:
        one.stdin.close()
    answers = [json.loads(one.stdout.read()) for one in started]
    for one in started:
        one.wait()
    assert [one.returncode for one in started] == [0] * 19
    assert len({answer["keys"][0]["key"] for answer in answers}) == 1
    assert sum(answer["commit"] is not None for answer in answers) == 1
    assert git(fleet, "rev-list", "--count", "HEAD") == "5"
    assert len(set(keys.iterdir()) - before) == 2  # the private key and the public one


def test_the_same_agent_with_other_roles_is_a_conflict(cli, fleet):
    """Roles are not changed in passing; an unknown role is wrong usage that lists those there are."""
    cli("agent", "add", "worker", cwd=fleet)
    assert cli("agent", "add", "worker", "--role", "reader", cwd=fleet).code == 11
    assert cli("agent", "add", "worker", "--role", "writer", cwd=fleet).code == 0
    ran = cli("agent", "add", "other", "--role", "admin", "--json", cwd=fleet)
    assert (ran.code, ran.json["error"]["fix"]) == (2, "use writer or reader")


@pytest.mark.parametrize("name", ["Deployer", "\u0430dmin", "-x", "a/b", "..", "a b", "", "x" * 65])
def test_a_name_that_could_be_mistaken_is_refused(cli, fleet, name):
    """Only plain lower-case names make identities."""
    assert cli("agent", "add", "--", name, cwd=fleet).code == 2


def test_rotation_keeps_old_commits_good_and_signs_with_the_new_key(cli, git, fleet):
    """The old key is retired in the identity file, its private file stays, stock git and the index still know it."""
    cli("write", "a.md", "--agent", "deployer", cwd=fleet, stdin="one\n")
    ran = cli("agent", "rotate-key", "deployer", "--json", cwd=fleet)
    old, new = ran.json["keys"]
    assert (old["retired"], old["here"], new["retired"]) == (new["added"], True, None)
    cli("write", "b.md", "--agent", "deployer", cwd=fleet, stdin="two\n")
    log = git(fleet, "log", "--format=%G? %GF", "--author=deployer").splitlines()
    assert log == [f"G {new['fingerprint']}", f"G {old['fingerprint']}"]
    assert all(item["signed"] for item in cli("log", "--json", "-n", "4", cwd=fleet).json["items"])


def test_a_second_host_enrols_a_key_of_its_own(cli, git, fleet, tmp_path):
    """What one host signs the other verifies; enrolling twice is no error."""
    data = Path(os.environ["XDG_DATA_HOME"])
    other = {"XDG_DATA_HOME": str(tmp_path / "data2")}
    assert cli("write", "a.md", "--agent", "deployer", cwd=fleet, stdin="x", **other).code == 18
    keys = tmp_path / "data2/githarness/keys"
    keys.mkdir(parents=True, mode=0o700)
    owner = cli("human", "list", "--json", cwd=fleet).json["items"][0]["keys"][0]["fingerprint"]
    for file in (data / "githarness/keys").glob(owner.replace("/", "_").replace("+", "-") + "*"):
        (keys / file.name).write_bytes(file.read_bytes())
        (keys / file.name).chmod(0o600)
    ran = cli("agent", "enroll", "deployer", "--json", cwd=fleet, **other)
    assert [key["here"] for key in ran.json["keys"]] == [False, True]
    assert cli("agent", "enroll", "deployer", "--json", cwd=fleet, **other).json["commit"] is None
    assert cli("write", "b.md", "--agent", "deployer", cwd=fleet, stdin="x", **other).code == 0
    assert git(fleet, "log", "-1", "--format=%G? %an") == "G deployer"


def test_a_retired_agent_is_refused_and_its_history_stays_good(cli, git, fleet):
    """Writes are denied from then on; the name is not given again."""
    cli("write", "a.md", "--agent", "deployer", cwd=fleet, stdin="one\n")
    assert cli("agent", "retire", "deployer", "--json", cwd=fleet).json["retired"]
    assert cli("write", "b.md", "--agent", "deployer", cwd=fleet, stdin="two\n").code == 10
    assert cli("agent", "add", "deployer", cwd=fleet).code == 11
    assert cli("agent", "rotate-key", "deployer", cwd=fleet).code == 11
    assert cli("agent", "retire", "deployer", "--json", cwd=fleet).json["commit"] is None
    assert git(fleet, "log", "-1", "--format=%G?", "--author=deployer") == "G"


def test_only_owners_change_identities(cli, git, fleet):
    """An operator, a stranger and a retired owner are turned away, and no key is made."""
    cli("human", "add", "grace", "--mail", "grace@example.org", "--role", "operator", cwd=fleet)
    keys = len(list(Path(os.environ["XDG_DATA_HOME"], "githarness/keys").iterdir()))
    for mail, code in (("grace@example.org", 10), ("stranger@example.org", 14)):
        git(fleet, "config", "user.email", mail)
        assert cli("agent", "add", "worker", cwd=fleet).code == code
    assert len(list(Path(os.environ["XDG_DATA_HOME"], "githarness/keys").iterdir())) == keys
    assert len(cli("agent", "list", "--json", cwd=fleet).json["items"]) == 2


def test_a_persons_edit_of_the_signers_file_is_not_written_over(cli, fleet):
    """Dirty is refused before anything changes."""
    (fleet / ".githarness/allowed_signers").write_text("mine\n")
    assert cli("agent", "add", "worker", cwd=fleet).code == 11
    assert (fleet / ".githarness/allowed_signers").read_text() == "mine\n"


def test_an_unknown_agent_is_not_found(cli, fleet):
    """show, enroll, rotate-key and retire say so with exit 14."""
    codes = [cli("agent", verb, "ghost", cwd=fleet).code for verb in ("show", "enroll", "rotate-key", "retire")]
    assert codes == [14, 14, 14, 14]
