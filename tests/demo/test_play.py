"""`githarness demo`: the incidents are played with real processes, and what it says is what git says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from githarness.demo.appends import LINES, LOG
from githarness.demo.erased import RUNBOOK

# One incident that comes true, one that breaks off, with a fleet of one.
FAILING = """
import sys
from githarness.demo import play
from githarness.demo.incident import Found, Incident
from githarness.errors import Unavailable

def broken(stage):
    raise Unavailable("the lights went out")

play.INCIDENTS = (Incident("true", "t", "s", lambda stage: Found(stopped=False, facts={})),
                  Incident("broken", "t", "s", broken))
sys.argv = ["githarness", "demo", "--json", "--agents", "1"]
from githarness.__main__ import main
main()
"""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, _session_world: None) -> tuple[dict, Path]:
    folder = tmp_path_factory.mktemp("d") / "kept"
    command = [sys.executable, "-m", "githarness", "demo", "--json", "--keep", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout), folder


def test_every_incident_is_stopped(played: tuple[dict, Path]) -> None:
    """The document names each incident, and says that each was stopped."""
    document, _ = played
    found = {one["incident"]: one["stopped"] for one in document["incidents"]}
    assert document["stopped"] and found == {"appends": True, "stale": True, "erased": True, "malformed": True}


def test_every_line_is_kept_and_plain_git_loses_most(played: tuple[dict, Path], git) -> None:
    """The counts of the log are git's own: all lines here, fewer than half there."""
    document, folder = played
    facts = document["incidents"][0]["facts"]
    lines = git(folder / "repo", "show", f"HEAD:{LOG}").splitlines()
    assert len(set(lines)) == len(lines) == facts["kept"] == 19 * LINES
    twin = git(folder / "twin-rewrite", "show", f"HEAD:{LOG}").splitlines()
    assert facts["git_rewrite"]["lines"] <= len(twin) < 19 * LINES / 2
    assert facts["git_append"]["in_commit_of_their_writer"] < 19 * LINES / 2


def test_the_trail_is_back_and_others_lines_stayed(played: tuple[dict, Path], git) -> None:
    """After the rollback the runbook has the approvals, and the lines of the two who went on."""
    _, folder = played
    text = git(folder / "repo", "show", f"HEAD:{RUNBOOK}")
    assert "v42: Grace, Olive" in text and "Build from any commit" not in text
    assert "Owner: the release team" in text and "Page the release channel" in text


def test_the_four_questions_have_answers(played: tuple[dict, Path]) -> None:
    """What was read, what changed, who allowed it, whether it rolls back."""
    document, _ = played
    answers = ["\n".join(one["answer"]) for one in document["questions"]]
    words = ("README.md at blob", "janitor: simplify", "Decision: allow rule=role:writer", "just as cleanly")
    assert [word in answer for word, answer in zip(words, answers, strict=True)] == [True] * 4


def test_an_incident_that_is_not_stopped_fails_the_demo(tmp_path: Path) -> None:
    """Exit 1 with the whole document, also where an incident breaks off."""
    done = subprocess.run([sys.executable, "-c", FAILING], cwd=tmp_path, capture_output=True, text=True, check=False)
    document = json.loads(done.stdout)
    assert (done.returncode, document["stopped"], len(document["incidents"])) == (1, False, 2)
    assert document["incidents"][1]["facts"] == {"error": "the lights went out"}


def test_a_folder_that_is_not_empty_is_not_played_in(cli, tmp_path: Path) -> None:
    """--keep never mixes with what is there."""
    (tmp_path / "mine.txt").write_text("mine\n")
    done = cli("demo", "--keep", ".", cwd=tmp_path)
    assert (done.code, [path.name for path in tmp_path.iterdir()]) == (2, ["mine.txt"])


def test_nothing_is_left_behind(cli, home: Path) -> None:
    """Without --keep the folder goes; for people it is text without colours where nobody has a terminal."""
    done = cli("demo", "--agents", "2")
    assert done.code == 0 and "4 of 4 incidents stopped" in done.out and "\x1b" not in done.out
    assert list((home / "tmp").iterdir()) == []
