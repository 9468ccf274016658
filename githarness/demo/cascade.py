"""A planner's delegates sell the same stock at once; beside it the same with a file and plain git."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from githarness.demo.appends import together
from githarness.demo.incident import Found, Incident
from githarness.demo.stage import Stage

STOCK, PRICES = "stock/lamp.json", "prices/lamp.json"
HAD, CALLS, MOST = 10, 4, 3
TEXT = f'{{"on_hand": {HAD}}}\n'
POLICY = f"""\
version: 1
rules:
  - id: plan
    effect: allow
    agents: [planner]
    actions: [write]
    paths: ["stock/**"]
    limits: {{writes: {MOST}/10m, per: tree, then: refuse}}
  - id: sell
    effect: allow
    agents: [scribe]
    actions: [write]
    paths: ["stock/**", "prices/**"]
"""

# Each has read the stock before any of them writes.
OURS = """\
import json, sys, githarness
from githarness.errors import Conflict, HarnessError
run, path = sys.argv[1:]
with githarness.open(".") as h:
    me, said, lost = h.agent("scribe", run=run), "", 0
    doc = me.read(path)
    print("ready", flush=True)
    sys.stdin.read()
    while not said:
        level = json.dumps({"on_hand": json.loads(doc.text)["on_hand"] - 1}) + "\\n"
        try:
            me.write(path, level, base=doc.blob, merge=True, message="sell one lamp")
            said = "sold"
        except Conflict:
            doc, lost = me.read(path), lost + 1
        except HarnessError as error:
            said = error.code
    print(said, lost)
"""
PLAIN = """\
import json, os, pathlib, subprocess, sys
path, own = sys.argv[1], f"level-{os.getpid()}"
level = json.load(open(path))["on_hand"]
print("ready", flush=True)
sys.stdin.read()
pathlib.Path(own).write_text(json.dumps({"on_hand": level - 1}) + "\\n")
os.replace(own, path)
subprocess.call(["git", "commit", "-q", "-a", "-m", "sell one lamp"])
print("sold 0")
"""


def _play(stage: Stage) -> Found:
    plain, plain_sold = _plain(stage)
    stage.must("agent", "add", "planner")
    with ThreadPoolExecutor(2) as pool:
        policy = pool.submit(stage.must, "write", ".githarness/policies/stock.yaml", "--as", "olive", stdin=POLICY)
        planner = _run(stage, "planner")
        policy.result()
        calls = list(pool.map(lambda _: _run(planner, "scribe"), range(CALLS)))
    stage.say("tell", f"planner's run has started {CALLS} runs of scribe, each to sell one lamp.")
    stage.say("tell", f"policy lets planner, with all on its behalf, write {MOST} times in ten minutes.")
    said = together(stage, stage.repo, [["-c", OURS, call.environ["GITHARNESS_RUN"], STOCK] for call in calls])
    words = [(line or "failed 0").split() for line in said]
    outcomes, conflicts = [word for word, _ in words], sum(int(lost) for _, lost in words)
    sold, left = outcomes.count("sold"), _left(stage, stage.repo)
    _table(stage, ("file and plain git", plain_sold, plain), ("githarness", sold, left))
    stage.say("tell", f"{conflicts} times another had sold since: two equal levels are a conflict, not one sale.")
    stage.say("tell", f"{outcomes.count('rate-limited')} was refused: over the limit of all that is done for planner.")
    beyond = calls[0].githarness("write", PRICES, "--agent", "scribe", stdin="{}\n", shown=True).code
    stage.githarness("log", "--agent", "planner", "--chain", shown=True)
    stage.git("log", f"-{MOST}", "--format=%h %an for %(trailers:key=On-Behalf-Of,valueonly,separator=%x2C)",
              shown=True)
    undone = stage.githarness("rollback", "planner", "--with-delegates", "-m", "undo the sales", shown=True).code
    restored = _left(stage, stage.repo) == HAD
    good = (sorted(outcomes) == ["rate-limited"] + ["sold"] * MOST and left == HAD - sold and conflicts > 0
            and beyond == 10 and undone == 0 and restored)
    stage.say("good" if good else "bad", "every sale is in the stock, none beyond what planner may do, and all are "
              "undone by its name" if good else f"{left} left of {HAD} after {sold} sales")
    return Found(good, {"sold": sold, "left": left, "conflicts": conflicts, "outcomes": [*outcomes],
                        "exit_beyond_the_chain": beyond, "restored": restored,
                        "plain": {"sold": plain_sold, "left": plain}})


def _run(stage: Stage, agent: str) -> Stage:
    """A stage within a new run of `agent`, which has started within that of `stage`."""
    run = stage.must("runs", "start", "--agent", agent, "--json").json
    own = {"GITHARNESS_RUN": run["run"], "GITHARNESS_TOKEN_FILE": run["token_file"]}
    return replace(stage, environ={**stage.environ, **own})


def _plain(stage: Stage) -> tuple[int, int]:
    """What is left, and how many say that they sold."""
    twin = stage.folder / "twin-stock"
    stage.git("clone", "-q", str(stage.repo), str(twin), cwd=stage.folder)
    said = together(stage, twin, [["-c", PLAIN, STOCK]] * CALLS)
    return _left(stage, twin), len(said)


def _left(stage: Stage, repo: Path) -> int:
    level: int = json.loads(stage.git("show", f"HEAD:{STOCK}", cwd=repo).out)["on_hand"]
    return level


def _table(stage: Stage, *rows: tuple[str, int, int]) -> None:
    stage.say("tell", f"  {f'of {HAD} lamps, {CALLS} calls at once':34} {'say they sold':>13} {'in stock':>9}")
    for label, sold, left in rows:
        stage.say("tell" if left == HAD - sold else "loss", f"  {label:34} {sold:13} {left:9}")


INCIDENT = Incident(
    "cascade", "a cascade of delegated calls, one stock",
    "A planner's sub-agents sell from one stock at the same moment: all write one level, and nobody knows for whom.",
    _play)
