"""Several agents see the same work to be done, and each of them does it; beside it the same with a list in a file."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

from githarness.demo.appends import together
from githarness.demo.incident import Found, Incident
from githarness.demo.stage import Ran, Stage

WORK, KEY, NOTES = "announce v45", "announce-v45", "log/announced.md"
AGENTS = ("deployer", "scribe", "janitor")
# Each looks at the list, and then does what nobody has done.
PLAIN = """\
import json, pathlib, sys
open_ = not pathlib.Path("done").exists()
print("ready", flush=True)
sys.stdin.read()
if open_:
    pathlib.Path("done").touch()
print(json.dumps(open_))
"""


def _play(stage: Stage) -> Found:
    twin = stage.folder / "twin-todo"
    twin.mkdir()
    plain = sum(map(json.loads, together(stage, twin, [["-c", PLAIN]] * len(AGENTS))))
    stage.say("loss", f"a list in a file: {plain} of {len(AGENTS)} agents announce the same release")
    asked = {stage.must("task", "add", WORK, "--key", KEY, "--as", "olive", "--json").json["task"] for _ in range(2)}
    stage.say("tell", f"the work is asked for twice with one key, which is {len(asked)} task; all claim it at once:")
    with ThreadPoolExecutor(len(AGENTS)) as pool:
        claims = list(pool.map(lambda agent: _claim(stage, agent), AGENTS))
    for agent, claim in zip(AGENTS, claims, strict=True):
        stage.say("output", f"{agent:10} {'does it' if claim.code == 0 else f'has nothing to do (exit {claim.code})'}")
    winner = next((agent for agent, claim in zip(AGENTS, claims, strict=True) if claim.code == 0), AGENTS[0])
    loser = next(agent for agent in AGENTS if agent != winner)
    (task,) = asked
    stage.must("append", NOTES, "--agent", winner, "-m", WORK, stdin=f"- {WORK}, by {winner}\n")
    late = stage.githarness("task", "done", task, "--agent", loser, stdin="{}", shown=True).code
    stage.must("task", "done", task, "--agent", winner, stdin='{"announced": "v45"}', shown=True)
    lines = stage.git("show", f"HEAD:{NOTES}").out.splitlines()
    again = stage.must("task", "add", WORK, "--key", KEY, "--as", "olive", "--json").json
    codes = sorted(claim.code for claim in claims)
    good = (codes == [0] + [14] * (len(AGENTS) - 1) and len(asked) == len(lines) == 1 and late == 12
            and again["status"] == "done")
    stage.say("good" if good else "bad", f"{len(lines)} announcement, and who asks again is told that it is done")
    return Found(good, {"claims": list(codes), "announced": len(lines), "exit_of_late_done": late, "plain": plain})


def _claim(stage: Stage, agent: str) -> Ran:
    return stage.githarness("task", "claim", "--agent", agent, "--ttl", "10m", "--json")


INCIDENT = Incident(
    "twice", "two agents do the same task",
    "Work stands in a list that all agents read: each finds it open, and customers hear of one release three times.",
    _play)
