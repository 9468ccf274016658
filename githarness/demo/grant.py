"""A permission that was given for one test; beside it the same in a configuration, where nothing ends."""

from __future__ import annotations

from githarness.demo.incident import Found, Incident
from githarness.demo.stage import Stage

FLAGS = "config/flags.json"
ON, OFF = '{"new-checkout": true}\n', '{"new-checkout": false}\n'
PERMISSIONS = "permissions.json"
LEFT = '{"tester": {"write": ["config/**"]}}\n'
HOURS = 2


def _play(stage: Stage) -> Found:
    left = _left_in_a_file(stage)
    stage.must("agent", "add", "tester", "--role", "reader")
    early = _write(stage, ON)
    stage.must("grant", "tester", "--allow", "write", "--path", "config/**", "--for", f"{HOURS}h", "--why",
               "try the new checkout", shown=True)
    during = _write(stage, ON)
    stage.say("tell", f"{HOURS} hours later (nobody waits: the clocks of the next commands are set ahead):")
    late = _write(stage.ahead(wall=HOURS * 3600, boot=HOURS * 3600), OFF)
    stage.ahead(wall=HOURS * 3600, boot=HOURS * 3600).must("grants", "list", shown=True)
    back = stage.ahead(wall=0, boot=HOURS * 3600).githarness("write", FLAGS, "--agent", "tester", stdin=OFF).code
    stage.say("tell", f"and with the wall clock set back again: {'refused' if back == 10 else 'not refused'}")
    kept = stage.git("show", f"HEAD:{FLAGS}").out == ON
    good = (early, during, late, back) == (10, 0, 10, 10) and kept
    stage.say("good" if good else "bad", "the write within the time landed, the one after it did not; nobody had to "
              "remember" if good else "the grant did not end")
    return Found(good, {"exit_before": early, "exit_during": during, "exit_after": late, "exit_clock_set_back": back,
                        "left_in_a_file": left})


def _write(stage: Stage, text: str) -> int:
    return stage.githarness("write", FLAGS, "--agent", "tester", stdin=text, shown=True).code


def _left_in_a_file(stage: Stage) -> bool:
    """Today's practice: whether the line that was for one afternoon still stands there months later."""
    twin = stage.folder / "twin-permissions"
    stage.git("clone", "-q", str(stage.repo), str(twin), cwd=stage.folder)
    (twin / PERMISSIONS).write_text(LEFT)
    stage.git("add", PERMISSIONS, cwd=twin)
    stage.git("commit", "-q", "--date=7.months.ago", "-m", "let tester write config, for this afternoon", cwd=twin)
    said = stage.git("log", "-1", "--format=%ad: '%s'", "--date=relative", "--", PERMISSIONS, cwd=twin).out.strip()
    left = stage.git("show", f"HEAD:{PERMISSIONS}", cwd=twin).out == LEFT
    stage.say("loss", f"in a configuration file, {said}; it still may" if left else "it is gone")
    return left


INCIDENT = Incident(
    "grant", "a permission for one test that outlives it",
    "An agent gets write access for a test. Nobody takes it back, and months later it is used.", _play)
