"""Many agents append to one log at once; beside it the same load with plain `git add` and `git commit`."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from githarness.demo.incident import Fact, Found, Incident
from githarness.demo.stage import Stage

LOG = "log/events.jsonl"
LINES = 5  # of each agent

# Each waits for the end of its stdin, so that all of them begin at once.
OURS = """\
import sys, githarness
name, lines, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with githarness.open(".") as h:
    me = h.agent(name)
    print("ready", flush=True)
    sys.stdin.read()
    for n in range(lines):
        me.append(path, f'{{"agent":"{name}","n":{n}}}\\n')
"""
PLAIN = """\
import subprocess, sys
name, lines, path, how = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
print("ready", flush=True)
sys.stdin.read()
for n in range(lines):
    line = f'{{"agent":"{name}","n":{n}}}\\n'
    if how == "append":
        text, mode = line, "a"
    else:
        text, mode = open(path).read() + line, "w"
    with open(path, mode) as log:
        log.write(text)
    git = ["git", "-c", f"user.name={name}", "-c", f"user.email={name}@example.org"]
    if subprocess.call([*git, "add", path]) == 0:
        subprocess.call([*git, "commit", "-q", "-m", f"{name} {n}"])
"""


class Count(NamedTuple):
    lines: int  # of those asked for, whole and once, in the log at HEAD
    own: int  # of them, added by a commit of the agent that wrote the line
    commits: int

    def facts(self) -> dict[str, Fact]:
        return {"lines": self.lines, "in_commit_of_their_writer": self.own, "commits": self.commits}


def names(fleet: int) -> list[str]:
    return [f"agent-{number:02}" for number in range(1, fleet + 1)]


def _play(stage: Stage) -> Found:
    agents = names(stage.fleet)
    asked = [(name, n) for name in agents for n in range(LINES)]
    stage.say("tell", f"{stage.fleet} processes, {LINES} lines each: every line is one write of its agent.")
    rewritten, appended = (_plain(stage, how, asked) for how in ("rewrite", "append"))
    with stage.daemon():
        together(stage, stage.repo, [["-c", OURS, name, str(LINES), LOG] for name in agents])
    ours = _count(stage, stage.repo, asked)
    _table(stage, len(asked), ("git, file read and written back", rewritten),
           ("git, file opened for append", appended), ("githarness append", ours))
    signed = sum(row["signed"] for row in stage.must("log", "--path", LOG, "--json").json["items"] if row["agent"])
    sound = stage.git("fsck", "--strict").code == 0
    good = ours == Count(*3 * [len(asked)]) and signed == len(asked) and sound
    stage.say("good" if good else "bad", f"{ours.lines} of {len(asked)} lines kept, {signed} signatures of their "
              f"writers checked; git fsck --strict {'finds nothing' if sound else 'finds damage'}")
    return Found(good, {"asked": len(asked), "kept": ours.lines, "signed": signed, "fsck": sound,
                        "githarness": ours.facts(), "git_rewrite": rewritten.facts(), "git_append": appended.facts()})


def _plain(stage: Stage, how: str, asked: Sequence[tuple[str, int]]) -> Count:
    twin = stage.folder / f"twin-{how}"
    stage.git("clone", "-q", str(stage.repo), str(twin), cwd=stage.folder)
    together(stage, twin, [["-c", PLAIN, name, str(LINES), LOG, how] for name in names(stage.fleet)])
    return _count(stage, twin, asked)


def together(stage: Stage, repo: Path, programs: Sequence[Sequence[str]]) -> list[str]:
    """Starts all, waits until each is ready, lets them go at once, waits for the last; what each said then."""
    with ExitStack() as stack:
        agents = [stack.enter_context(stage.start(program, repo)) for program in programs]
        stack.callback(_kill, agents)
        for agent in agents:
            assert agent.stdout
            agent.stdout.readline()
        for agent in agents:
            assert agent.stdin
            agent.stdin.close()
        for agent in agents:
            assert agent.stderr
            agent.stderr.read()
            agent.wait()
        return [agent.stdout.read().strip() for agent in agents if agent.stdout]


def _kill(agents: Sequence[subprocess.Popen[str]]) -> None:
    """Where we were interrupted, none is left; those that have ended feel nothing."""
    for agent in agents:
        agent.kill()


def _count(stage: Stage, repo: Path, asked: Sequence[tuple[str, int]]) -> Count:
    kept = Counter(map(_parsed, stage.git("show", f"HEAD:{LOG}", cwd=repo).out.splitlines()))
    log = stage.git("log", "--first-parent", "--format=commit %an", "-p", "--", LOG, cwd=repo).out.splitlines()
    own, author = set(), ""
    for line in log:
        if line.startswith("commit "):
            author = line.removeprefix("commit ")
        elif line.startswith("+{") and (parsed := _parsed(line[1:])) and parsed[0] == author:
            own.add(parsed)
    commits = sum(line.startswith("commit agent-") for line in log)
    return Count(sum(kept[one] == 1 for one in asked), len(own & set(asked)), commits)


def _parsed(line: str) -> tuple[str, int] | None:
    """None for a torn line."""
    try:
        value = json.loads(line)
        return value["agent"], value["n"]
    except (ValueError, KeyError, TypeError):
        return None


def _table(stage: Stage, asked: int, *rows: tuple[str, Count]) -> None:
    stage.say("tell", f"  {f'of {asked} writes':34} {'lines in git':>13} {'in a commit of their writer':>29}")
    for label, count in rows:
        text = f"  {label:34} {count.lines:13} {count.own:29}"
        stage.say("tell" if count.own == asked else "loss", text)


INCIDENT = Incident(
    "appends", "one log, many writers",
    "Cron agents append to one JSONL log at once: lines are lost, and commits fail on git's index lock.", _play)
