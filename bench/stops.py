"""How long it takes to stop a fleet: `agent quarantine --all` over N agents, whole process, and to release it again.

python bench/stops.py [--agents 100] [--runs 5]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from harness import ENV, command, git, machine, percentile, scratch

from githarness.policy import registry
from githarness.policy.model import Agent, Key
from githarness.seal import keys


def fleet(folder: Path, count: int) -> Path:
    """Governed, with so many agents, of keys that nobody has."""
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "a.md").write_text("a\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "start")
    command(folder, "init", "--fleet", "bench")
    lines = []
    for number in range(count):
        agent = Agent(f"bot-{number:04}", ("writer",), (Key(keys.generate().public, "x", "2026-01-01T00:00:00Z"),))
        lines.append({"op": "write", "path": f".githarness/agents/{agent.name}.yaml", "if_match": "absent",
                      "content": registry.render_agent(agent).decode()})
    human = json.loads(command(folder, "human", "list", "--json"))["items"][0]["name"]
    subprocess.run([sys.executable, "-m", "githarness", "apply", "--as", human], cwd=folder, env=ENV, check=True,
                   input="".join(json.dumps(line) + "\n" for line in lines).encode(), capture_output=True)
    return folder


def used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def once(folder: Path, verb: str) -> tuple[float, float]:
    began, before = time.perf_counter(), used()
    command(folder, "agent", verb, "--all", "--json")
    return time.perf_counter() - began, used() - before


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    print(machine())
    with scratch() as folder:
        repo = fleet(folder / "repo", options.agents)
        times = {verb: [] for verb in ("quarantine", "release")}
        for _ in range(options.runs):
            for verb, found in times.items():
                found.append(once(repo, verb))
    for verb, found in times.items():
        wall, cpu = [one[0] for one in found], [one[1] for one in found]
        print(f"agent {verb} --all, {options.agents} agents: {percentile(wall, 0.5):.2f} s (worst {max(wall):.2f} s), "
              f"processor time {percentile(cpu, 0.5):.2f} s")


if __name__ == "__main__":
    main()
