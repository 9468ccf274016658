"""`githarness demo`: the incidents are played with real processes, and what it says is what git says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from githarness.demo.appends import LINES, LOG
from githarness.demo.burst import DELETES, POISONED, TRIED
from githarness.demo.cascade import CALLS, HAD, MOST
from githarness.demo.erased import RUNBOOK
from githarness.demo.grant import FLAGS, ON
from githarness.demo.own_policy import POLICY
from githarness.demo.twice import NOTES
from tests.conftest import Once

AGENTS = 7
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
sys.argv = ["githarness", "demo", "--agents", "1", *sys.argv[1:]]
from githarness.__main__ import main
main()
"""


@pytest.fixture(scope="module")
def played(once: Once) -> tuple[dict, Path]:
    """In the folder for temporary files, where it is played without --keep."""
    def play(folder: Path) -> None:
        (folder / "tmp").mkdir()
        command = [sys.executable, "-m", "githarness", "demo", "--json", "--agents", str(AGENTS), "--keep"]
        done = subprocess.run([*command, folder / "tmp/kept"], capture_output=True, text=True, check=False,
                              env={**os.environ, "TMPDIR": str(folder / "tmp")})
        assert done.returncode == 0, done.stdout + done.stderr
        (folder / "said.json").write_text(done.stdout)

    folder = once("demo", play)
    return json.loads((folder / "said.json").read_text()), folder / "tmp/kept"


def facts_of(document: dict, name: str) -> dict:
    (found,) = (one["facts"] for one in document["incidents"] if one["incident"] == name)
    return found


def test_every_incident_is_stopped(played: tuple[dict, Path]) -> None:
    """The document names each incident, and says that each was stopped."""
    document, _ = played
    found = {one["incident"]: one["stopped"] for one in document["incidents"]}
    names = ["appends", "stale", "erased", "malformed", "outdated", "twice", "unnoticed", "grant", "own-policy",
             "cascade", "burst", "fingerprint"]
    assert document["stopped"] and found == dict.fromkeys(names, True) and list(found) == names


def test_a_failing_job_is_paused_and_told(played: tuple[dict, Path]) -> None:
    """Three of seventeen runs are begun, operators hear of it once, and a release lets it go on."""
    facts = facts_of(played[0], "unnoticed")
    assert (facts["failed"], facts["not_begun"], facts["told"], facts["exit_after_release"]) == (3, 14, 1, 0)


def test_work_is_done_once(played: tuple[dict, Path], git) -> None:
    """One announcement is on the branch; who did not have the claim could not say that it is done."""
    document, folder = played
    facts = facts_of(document, "twice")
    assert facts["claims"] == [0, 14, 14] and facts["exit_of_late_done"] == 12 and facts["plain"] > 1
    assert len(git(folder / "repo", "show", f"HEAD:{NOTES}").splitlines()) == 1


def test_an_outdated_read_is_seen(played: tuple[dict, Path]) -> None:
    """The run hears of it before it acts, and its write is stale."""
    facts = facts_of(played[0], "outdated")
    assert (facts["drift"], facts["exit_of_late_write"], facts["acted_on_the_new"]) == (1, 11, True)


def test_every_line_is_kept_and_plain_git_loses_some(played: tuple[dict, Path], git) -> None:
    """The counts of the log are git's own: all lines here, not all of them there."""
    document, folder = played
    facts = facts_of(document, "appends")
    lines = git(folder / "repo", "show", f"HEAD:{LOG}").splitlines()
    assert len(set(lines)) == len(lines) == facts["kept"] == AGENTS * LINES
    twin = git(folder / "twin-rewrite", "show", f"HEAD:{LOG}").splitlines()
    assert facts["git_rewrite"]["lines"] <= len(twin) < AGENTS * LINES
    assert facts["git_append"]["in_commit_of_their_writer"] < AGENTS * LINES


def test_the_trail_is_back_and_others_lines_stayed(played: tuple[dict, Path], git) -> None:
    """After the rollback the runbook has the approvals, and the lines of the two who went on."""
    _, folder = played
    text = git(folder / "repo", "show", f"HEAD:{RUNBOOK}")
    assert "v42: Grace, Olive" in text and "Build from any commit" not in text
    assert "Owner: the release team" in text and "Page the release channel" in text


def test_a_grant_is_over_when_its_time_is(played: tuple[dict, Path], git) -> None:
    """One write by its agent is in git, between the grant's two times; what was left in a file still permits."""
    document, folder = played
    facts, repo = facts_of(document, "grant"), folder / "repo"
    assert git(repo, "show", f"HEAD:{FLAGS}").strip() == ON.strip()
    assert git(repo, "rev-list", "--count", "--author=tester@", "main").strip() == "1"
    assert (facts["exit_after"], facts["exit_clock_set_back"], facts["left_in_a_file"]) == (10, 10, True)


def test_no_agent_has_changed_its_policy(played: tuple[dict, Path], git) -> None:
    """Neither here nor in the hub; a bare repository without judgement has the loosened one."""
    document, folder = played
    shown = {name: git(folder / name, "show", f"main:{POLICY}") for name in ("repo", "hub.git", "plain.git")}
    assert "id: release" in shown["repo"] == shown["hub.git"] and "id: release" not in shown["plain.git"]
    assert facts_of(document, "own-policy")["exit_of_verify"] == 1


def test_each_sale_is_one_commit_for_the_planner(played: tuple[dict, Path], git) -> None:
    """As many as the tree's limit admits, each with the chain; undone by the planner's name."""
    document, folder = played
    chain = git(folder / "repo", "log", "--grep=sell one lamp", "--format=%(trailers:key=On-Behalf-Of,valueonly)")
    assert chain.split() == ["planner"] * MOST
    facts = facts_of(document, "cascade")
    assert (facts["sold"], facts["left"], facts["restored"]) == (MOST, HAD - MOST, True)
    assert facts["plain"] == {"sold": CALLS, "left": HAD - 1}


def test_the_burst_is_short_and_undone(played: tuple[dict, Path], git) -> None:
    """The library is what it was before; who read what was poisoned is known."""
    document, folder = played
    facts, repo = facts_of(document, "burst"), folder / "repo"
    first = git(repo, "log", "--reverse", "--author=courier@", "--format=%H").split()[0]
    assert git(repo, "diff", "--stat", f"{first}^", "HEAD", "--", "library") == ""
    assert (facts["landed"], facts["plain_lost"]) == (POISONED + DELETES, TRIED)
    assert facts["readers"] == ["scribe"]


def test_a_cron_job_gets_its_secret(played: tuple[dict, Path]) -> None:
    """Without terminal, input or surroundings; another agent is denied, and the value is nowhere but with who asked."""
    document, _ = played
    facts = facts_of(document, "fingerprint")
    assert facts == {"prompt_answered": False, "exit_of_cron": 0, "exit_of_other": 10, "value_found_in": []}


def test_the_four_questions_have_answers(played: tuple[dict, Path]) -> None:
    """What was read, what changed, who allowed it, whether it rolls back."""
    document, _ = played
    answers = ["\n".join(one["answer"]) for one in document["questions"]]
    words = ("README.md at blob", "janitor: simplify", "Decision: allow rule=role:writer", "just as cleanly")
    assert [word in answer for word, answer in zip(words, answers, strict=True)] == [True] * 4


def test_an_incident_that_is_not_stopped_fails_the_demo(tmp_path: Path) -> None:
    """Exit 1 with the whole document, also where an incident breaks off."""
    command = [sys.executable, "-c", FAILING, "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    document = json.loads(done.stdout)
    assert (done.returncode, document["stopped"], len(document["incidents"])) == (1, False, 2)
    assert document["incidents"][1]["facts"] == {"error": "the lights went out"}


def test_a_folder_that_is_not_empty_is_not_played_in(cli, tmp_path: Path) -> None:
    """--keep never mixes with what is there."""
    (tmp_path / "mine.txt").write_text("mine\n")
    done = cli("demo", "--keep", ".", cwd=tmp_path)
    assert (done.code, [path.name for path in tmp_path.iterdir()]) == (2, ["mine.txt"])


def test_nothing_is_left_behind(tmp_path: Path, home: Path, played: tuple[dict, Path]) -> None:
    """Without --keep the folder goes; for people it is text without colours where nobody has a terminal."""
    done = subprocess.run([sys.executable, "-c", FAILING], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "\x1b" in done.stdout) == (1, False)
    assert "NOT the lights went out\n" in done.stdout and "0 of 2 incidents stopped" in done.stdout
    assert list((home / "tmp").iterdir()) == [] and [*played[1].parent.iterdir()] == [played[1]]
