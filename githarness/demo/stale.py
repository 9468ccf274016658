"""Two agents rewrite one skill from the same base; the second must not silently undo the first."""

from __future__ import annotations

from githarness.demo.incident import Found, Incident
from githarness.demo.stage import Stage

SKILL = "skills/deploy/SKILL.md"
TEXT = """\
---
name: deploy
description: Deploy a service to production, step by step.
---
# Deploy

1. Build the image from the tagged commit.
2. Run the full test suite.

# After the deployment

1. Watch the error rate for ten minutes.
2. Post the result in the release channel.
"""
FIRST = TEXT.replace("Run the full test suite.", "Run the full test suite and the smoke tests.")
SECOND = TEXT.replace("ten minutes", "thirty minutes")
BOTH = FIRST.replace("ten minutes", "thirty minutes")


def _play(stage: Stage) -> Found:
    for agent in ("deployer", "scribe"):
        stage.must("read", SKILL, "--agent", agent)
    stage.say("tell", "deployer and scribe have read the same version; deployer writes first.")
    stage.must("write", SKILL, "--agent", "deployer", "-m", "run the smoke tests too", stdin=FIRST, shown=True)
    late = stage.githarness("write", SKILL, "--agent", "scribe", "-m", "watch longer", stdin=SECOND, shown=True)
    kept = stage.git("show", f"HEAD:{SKILL}").out == FIRST
    merged = stage.githarness("write", SKILL, "--agent", "scribe", "--merge", "-m", "watch longer", stdin=SECOND,
                              shown=True)
    both = stage.git("show", f"HEAD:{SKILL}").out == BOTH
    good = late.code == 11 and "smoke tests" in late.err and kept and merged.code == 0 and both
    stage.say("good" if good else "bad",
              f"the late write was {'refused with the difference' if late.code == 11 else 'not refused'}; "
              f"merged, the skill has {'both changes' if both else 'not both changes'}")
    return Found(good, {"exit_of_late_write": late.code, "first_kept": kept, "merged": both})


INCIDENT = Incident(
    "stale", "two agents, one skill",
    "Two agents read one skill and rewrite it thirty seconds apart: the second write silently undoes the first.", _play)
