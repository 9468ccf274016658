"""An agent loosens the policy that binds it: through the tool, and around it with plain git."""

from __future__ import annotations

from pathlib import Path

from githarness.demo.erased import REWRITTEN, RUNBOOK
from githarness.demo.incident import Found, Incident
from githarness.demo.stage import Stage

POLICY = ".githarness/policies/fleet.yaml"
_BOUND = '  - {id: release, effect: deny, agents: [scribe], actions: [write, rename], paths: ["runbooks/**"]}\n'
TEXT = """\
version: 1
rules:
  - {id: read, effect: allow, actions: [read]}
  - id: work
    effect: allow
    roles: [writer]
    actions: [write, append, delete, rename]
    paths: ["runbooks/**", "skills/**", "log/**"]
""" + _BOUND
THERE = ("-C", "../scribe")  # from the repository
LOOSE = TEXT.replace(_BOUND, "")


def _play(stage: Stage) -> Found:
    stage.must("write", POLICY, "--as", "olive", "-m", "say who may do what", stdin=TEXT, shown=True)
    for line in TEXT.splitlines():
        stage.say("output", f"  {line}")
    stage.say("tell", "scribe wants the last line gone, first through the tool:")
    inside = stage.githarness("write", POLICY, "--agent", "scribe", stdin=LOOSE, shown=True).code
    stage.say("tell", "then around it, in a clone: plain git for the policy, and in the same push what it now allows:")
    clone, hub = _prepared(stage)
    used = _loosened(stage, clone)
    stage.say("tell", "in its own clone the agent is believed; what counts is what others take from it.")
    plain = stage.git("push", "-q", "../plain.git", "main", cwd=clone).code
    stage.say("loss", f"a plain bare repository {'takes' if plain == 0 else 'refuses'} the push")
    pushed = stage.git("push", "origin", "main", cwd=clone, shown=True)
    found = stage.githarness(*THERE, "verify", "origin/main..main", shown=True).code
    stands = stage.git("show", f"main:{POLICY}", cwd=hub).out == TEXT
    good = inside == 10 and pushed.code != 0 and found == 1 and stands
    stage.say("good" if good else "bad", "refused by the tool, by the hub and by verify: a policy is judged by the one "
              "before it" if good else "the policy was loosened, or nobody said so")
    return Found(good, {"exit_of_write": inside, "exit_in_loosened_clone": used, "exit_of_verify": found,
                        "hub_refused": pushed.code != 0, "plain_took_it": plain == 0, "policy_stands": stands})


def _prepared(stage: Stage) -> tuple[Path, Path]:
    """scribe's clone, and the hub that it is of."""
    hub, clone = stage.folder / "hub.git", stage.folder / "scribe"
    stage.must("hub", "init", str(hub))
    stage.git("push", "-q", str(hub), "main")
    stage.git("init", "-q", "--bare", str(stage.folder / "plain.git"), cwd=stage.folder)
    stage.git("clone", "-q", str(hub), str(clone), cwd=stage.folder)
    return clone, hub


def _loosened(stage: Stage, clone: Path) -> int:
    """With the name that git finds there; then a write by the tool, which believes the clone that it stands in."""
    (clone / POLICY).write_text(LOOSE)
    stage.git("commit", "-q", "-a", "-m", "tidy the policy", cwd=clone, shown=True)
    stage.must(*THERE, "read", RUNBOOK, "--agent", "scribe")
    return stage.githarness(*THERE, "write", RUNBOOK, "--agent", "scribe", "-m", "simplify the release",
                            stdin=REWRITTEN, shown=True).code


INCIDENT = Incident(
    "own-policy", "an agent edits the policy that binds it",
    "An agent that may write files removes the rule against itself, and uses what it gave itself in the same push.",
    _play)
