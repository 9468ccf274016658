"""githarness-ci, and the shell of action.yml and of the templates, run as GitHub and GitLab would run it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.checks.conftest import ROOT, bad
from tests.conftest import Once

TOKEN = "ghp_" + "aB3dE6gH9jK2" * 3
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")  # what `shell: bash` is on a runner


def _load(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


ACTION: list[dict[str, Any]] = _load("action.yml")["runs"]["steps"]
WORKFLOW: list[dict[str, Any]] = _load("templates/github.yml")["jobs"]["check"]["steps"]
GITLAB: list[str] = _load("templates/gitlab.yml")["githarness"]["script"]


@pytest.fixture(scope="module")
def installed(clone: Path, once: Once) -> Path:
    """The folder for temporary files of a runner, after the action's own step has installed githarness into it."""
    step = next(step for step in ACTION if "Install" in step.get("name", ""))

    def install(temp: Path) -> None:
        values = {"steps.python.outputs.python-path": shutil.which("python3") or "", "github.action_path": str(clone),
                  "runner.temp": str(temp)}
        done = _run(step, clone, values, PIP_CACHE_DIR=str(clone.parent / "PIP_CACHE_DIR"))
        assert done.returncode == 0, done.stderr

    return once("runner", install)


def _run(step: dict[str, Any], cwd: Path, values: dict[str, str], **env: str) -> subprocess.CompletedProcess[str]:
    """A step with its expressions filled in: of `A || B` the first that has a value."""
    def fill(found: re.Match[str]) -> str:
        names = [name.strip() for name in found[1].split("||")]
        return next((values[name] for name in names if values.get(name)), "")

    given = {name: re.sub(r"\$\{\{(.*?)\}\}", fill, text) for name, text in step.get("env", {}).items()}
    assert "${{" not in step["run"]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([*BASH, step["run"]], cwd=cwd, env={**clean, **given, **env}, capture_output=True, text=True,
                          check=False)


def _two_commits(git, repo: Path) -> str:
    """What was there, then a bad skill, a secret, a tag and a forged agent; the commit before them."""
    bad(repo, "old")
    git(repo, "add", "--all")
    git(repo, "commit", "-q", "-m", "debt")
    before = git(repo, "rev-parse", "HEAD")
    bad(repo)
    (repo / "deploy.sh").write_text(f"T={TOKEN}\n")
    (repo / "action.yml").write_text("runs:\n  steps:\n    - uses: actions/checkout@v4\n")
    git(repo, "add", "--all")
    git(repo, "commit", "-q", "-m", "change", "-m", "Agent: deployer")
    return before


def test_everything_in_one_list(hook, git, skills: Path) -> None:
    """Skills, secrets, pins and signatures of the range; nothing twice, nothing of what was there before."""
    base = _two_commits(git, skills)
    done = hook("ci", "--since", base, "--format", "json", cwd=skills)
    found = [(item["path"].partition(" ")[0], item["gate"]) for item in json.loads(done.out)["items"]]
    wanted = {"skills/beta/SKILL.md": "GH005", "deploy.sh": "GH050", "action.yml": "GH055", "commit": "GH060"}
    assert wanted.items() <= {*found}
    assert done.code == 1 and len(found) == len({*found}) and not any("old" in path for path, _ in found)
    assert hook("ci", "--since", "HEAD", cwd=skills).code == 0
    assert hook("ci", cwd=skills).code == 2


@pytest.fixture
def widened(git, fleet: Path) -> str:
    """A fleet in which the last commit opens `src/`; the commit before it."""
    for folders in ('"docs/**"', '"docs/**", "src/**"'):
        (fleet / ".githarness/policies").mkdir(exist_ok=True)
        (fleet / ".githarness/policies/p.yaml").write_text(
            "version: 1\nrules:\n"
            f"  - {{id: r, effect: allow, agents: [deployer], actions: [write, append], paths: [{folders}]}}\n")
        git(fleet, "add", "--all")
        git(fleet, "commit", "-q", "-m", "rules")
    return str(git(fleet, "rev-parse", "HEAD^"))


@pytest.mark.parametrize("severity", ["warning", "error"])
def test_what_a_range_newly_allows_is_said(hook, fleet: Path, widened: str, severity: str) -> None:
    """At the policy file, several actions at once; a warning where nobody asks for more. Nothing without a start."""
    asked = ("--policy-widening", "error") if severity == "error" else ()
    done = hook("ci", "--since", widened, *asked, "--format", "json", cwd=fleet)
    (found,) = [one for one in json.loads(done.out)["items"] if one["gate"] == "GH083"]
    assert (found["path"], found["severity"]) == (".githarness/policies/p.yaml", severity)
    for part in ("deployer append, write e.g. src/", "deny by default-deny -> allow by p/r"):
        assert part in found["message"]
    assert "GH083" not in hook("ci", "--since", "", *asked, cwd=fleet).out


@pytest.mark.parametrize("steps", ["action", "workflow"])
def test_workflows_hand_on_what_a_widening_is(git, installed: Path, fleet: Path, widened: str, tmp_path: Path,
                                              steps: str) -> None:
    """The action's input, the repository's variable; an empty one is a warning."""
    step = _check_step(ACTION if steps == "action" else WORKFLOW)
    files = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), "GITHUB_OUTPUT": str(tmp_path / "output"),
             "PATH": f"{installed}/githarness/bin:{os.environ['PATH']}"}
    for given, said in (("", "warning"), ("error", "error")):
        values = _values(installed, widened, "github.event.before") | {
            "inputs.policy-widening": given, "vars.GITHARNESS_POLICY_WIDENING": given}
        done = _run(step, fleet, values, **files)
        assert f"::{said} file=.githarness/policies/p.yaml,line=1,title=GH083::" in done.stdout, done.stderr


def _check_step(steps: list[dict[str, Any]]) -> dict[str, Any]:
    return next(step for step in steps if "githarness-ci" in step.get("run", ""))


def _values(installed: Path, base: str, event: str) -> dict[str, str]:
    return {"runner.temp": str(installed), event: base}


@pytest.mark.parametrize("event", ["inputs.base", "github.event.pull_request.base.sha", "github.event.before",
                                   "github.event.merge_group.base_sha"])
def test_the_action_checks_each_events_range(git, installed: Path, skills: Path, tmp_path: Path, event: str) -> None:
    """Annotations on stdout, a table in the job's summary, SARIF for the upload, the exit code of the check."""
    base = _two_commits(git, skills)
    files = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), "GITHUB_OUTPUT": str(tmp_path / "output")}
    done = _run(_check_step(ACTION), skills, _values(installed, base, event), **files)
    assert done.returncode == 1, done.stderr
    assert "::error file=skills/beta/SKILL.md,line=4,title=GH005::" in done.stdout
    assert ("old" in done.stdout, TOKEN in done.stdout) == (False, False)
    assert "| GH050 | error | `deploy.sh:1` |" in (tmp_path / "summary").read_text()
    sarif = Path((tmp_path / "output").read_text().strip().removeprefix("sarif="))
    assert json.loads(sarif.read_text())["version"] == "2.1.0"


@pytest.mark.parametrize("steps", [ACTION, WORKFLOW], ids=["action", "workflow"])
def test_a_good_range_passes_and_a_new_branch_is_checked_whole(git, installed: Path, skills: Path, tmp_path: Path,
                                                               steps: list[dict[str, Any]]) -> None:
    """The workflow that `install github` writes runs the same check; zeros stand for a branch that is new."""
    files = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), "GITHUB_OUTPUT": str(tmp_path / "output"),
             "PATH": f"{installed}/githarness/bin:{os.environ['PATH']}"}
    head = git(skills, "rev-parse", "HEAD")
    for base in (head, "0" * 40, ""):
        done = _run(_check_step(steps), skills, _values(installed, base, "github.event.before"), **files)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "githarness: 0 error" in (tmp_path / "summary").read_text()
    bad(skills)
    git(skills, "commit", "-q", "-a", "-m", "bad")
    values = _values(installed, "0" * 40, "github.event.before")
    assert _run(_check_step(steps), skills, values, **files).returncode == 1


@pytest.mark.parametrize("steps", [ACTION, WORKFLOW], ids=["action", "workflow"])
def test_a_shallow_checkout_fails_closed(git, installed: Path, skills: Path, tmp_path: Path,
                                         steps: list[dict[str, Any]]) -> None:
    """Exit 3 with the fix, and no output that could be uploaded."""
    git(skills, "commit", "-q", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{skills}", tmp_path / "shallow")
    files = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), "GITHUB_OUTPUT": str(tmp_path / "output"),
             "PATH": f"{installed}/githarness/bin:{os.environ['PATH']}"}
    done = _run(_check_step(steps), tmp_path / "shallow", _values(installed, "", "github.event.before"), **files)
    assert (done.returncode, "fetch-depth: 0" in done.stderr) == (3, True)
    assert not (tmp_path / "output").exists() and not (tmp_path / "summary").exists()


def test_a_hostile_base_is_no_command(git, installed: Path, skills: Path, tmp_path: Path) -> None:
    """What an event says reaches the shell as a value."""
    values = _values(installed, f"$(touch {tmp_path}/owned); touch {tmp_path}/owned #", "inputs.base")
    done = _run(_check_step(ACTION), skills, values, GITHUB_STEP_SUMMARY="/dev/null", GITHUB_OUTPUT="/dev/null")
    assert (done.returncode, (tmp_path / "owned").exists()) == (3, False)


@pytest.mark.parametrize("name", ["CI_MERGE_REQUEST_DIFF_BASE_SHA", "CI_COMMIT_BEFORE_SHA"])
def test_the_script_for_gitlab(git, installed: Path, skills: Path, name: str) -> None:
    """The last line of the template checks the range of a merge request, or of a push."""
    base = _two_commits(git, skills)
    env = {"PATH": f"{installed}/githarness/bin:{os.environ['PATH']}", name: base}
    done = _run({"run": GITLAB[-1]}, skills, {}, **env)
    assert (done.returncode, "GH005" in done.stdout, "old" in done.stdout) == (1, True, False)


def test_a_schedule_of_gitlab_checks_everything(git, installed: Path, skills: Path) -> None:
    """Whatever it says was there before."""
    env = {"PATH": f"{installed}/githarness/bin:{os.environ['PATH']}", "CI_PIPELINE_SOURCE": "schedule"}
    done = _run({"run": GITLAB[-1]}, skills, {}, **env, CI_COMMIT_BEFORE_SHA=_two_commits(git, skills))
    assert (done.returncode, "skills/old" in done.stdout) == (1, True)


@pytest.mark.parametrize("tool", [("zizmor", "--offline", "--no-progress"), ("actionlint",)], ids=lambda tool: tool[0])
def test_linters_of_actions_are_content(tool: tuple[str, ...]) -> None:
    """Nothing in our action, our workflows or the template."""
    found = shutil.which(tool[0]) or shutil.which(tool[0], path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(f"{tool[0]} is not installed")
    files = [*(ROOT / ".github" / "workflows").glob("*.yml"), ROOT / "templates" / "github.yml"]
    files += [ROOT / "action.yml"] if tool[0] == "zizmor" else []  # actionlint knows workflows only
    done = subprocess.run([found, *tool[1:], *map(str, files)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
