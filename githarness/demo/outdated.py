"""An agent acts on what it has read an hour ago; what it read has been corrected since."""

from __future__ import annotations

from dataclasses import replace

from githarness.demo.incident import Found, Incident
from githarness.demo.stage import Stage

PLAN, OLD, NEW = "runbooks/rollout.md", "Roll out to all regions at once.\n", "Roll out to one region, wait an hour.\n"
REPORT = "log/rollout.md"


def _play(stage: Stage) -> Found:
    run = stage.must("runs", "start", "--agent", "deployer", "--json").json
    own = {"GITHARNESS_RUN": run["run"], "GITHARNESS_TOKEN_FILE": run["token_file"], "GITHARNESS_AGENT": "deployer"}
    inside = replace(stage, environ={**stage.environ, **own})
    read = inside.must("read", PLAN, "--json").json
    stage.say("tell", "deployer's run has read the runbook; before it acts, scribe corrects it.")
    stage.must("read", PLAN, "--agent", "scribe")
    fixed = stage.must("write", PLAN, "--agent", "scribe", "-m", "one region first", "--json", stdin=NEW).json["commit"]
    stage.say("loss", f"plain git: the agent acts on what it remembers: {read['content'].strip()}")
    drift = inside.must("runs", "show", run["run"], "--context", "--json").json["drift"]
    inside.must("runs", "show", run["run"], "--context", shown=True)
    late = inside.githarness("write", PLAN, "-m", "done as it says", stdin=OLD + "Done.\n").code
    text = inside.must("read", PLAN).out
    clean = inside.must("runs", "show", run["run"], "--context", "--json").json["drift"] == []
    inside.must("append", REPORT, "-m", "rolled out", stdin=f"- {text}")
    inside.must("runs", "finish", run["run"], "--status", "ok")
    named = [(one["path"], one["agent"], one["commit"]) for one in drift] == [(PLAN, "scribe", fixed)]
    did = stage.git("show", f"HEAD:{REPORT}").out == f"- {NEW}"
    good = named and late == 11 and clean and did
    stage.say("good" if good else "bad", "the run is told which blob it has read, who has changed it and where"
              + (", and acts on what holds" if did else ""))
    return Found(good, {"drift": len(drift), "exit_of_late_write": late, "acted_on_the_new": did})


INCIDENT = Incident(
    "outdated", "the outdated read",
    "An agent reads a runbook, works for an hour, and acts as it remembers: in between the runbook was corrected.",
    _play)
