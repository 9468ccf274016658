"""A broadly permitted agent rewrites a runbook and erases its approval trail; others go on working in that file."""

from __future__ import annotations

from githarness.demo.incident import Found, Incident
from githarness.demo.stage import Stage

RUNBOOK = "runbooks/release.md"
STEPS = """\
# Release

1. Build from the tagged commit.
2. Run the full test suite.
3. Get two approvals.
4. Deploy to staging and watch it for thirty minutes.
5. Deploy to production.
"""
APPROVALS = """\

## Approvals

- v41: Ada, Grace
- v42: Grace, Olive
- v43: Ada, Olive
"""
TEXT = STEPS + APPROVALS
REWRITTEN = "# Release\n\n1. Build from any commit.\n2. Deploy to production.\n"
OWNER = "Owner: the release team\n"
ON_CALL = "\n## On call\n\n- Page the release channel first.\n"
RUN = "r-janitor-nightly"
UNDO = "undo janitor"


def _play(stage: Stage) -> Found:
    janitor = ("--agent", "janitor", "--run", RUN)
    stage.must("read", "README.md", *janitor)
    stage.must("read", RUNBOOK, *janitor)
    stage.say("tell", f"janitor, in run {RUN}, first shortens the steps, then deletes the approvals:")
    stage.must("write", RUNBOOK, *janitor, "-m", "simplify the release", stdin=REWRITTEN + APPROVALS, shown=True)
    stage.must("write", RUNBOOK, *janitor, "-m", "remove old entries", stdin=REWRITTEN, shown=True)
    stage.say("tell", "scribe and deployer, who know nothing of it, go on in the same file:")
    stage.must("append", RUNBOOK, "--agent", "deployer", "-m", "say whom to page", stdin=ON_CALL, shown=True)
    stage.must("read", RUNBOOK, "--agent", "scribe")
    later = REWRITTEN.replace("# Release\n", f"# Release\n\n{OWNER}") + ON_CALL
    stage.must("write", RUNBOOK, "--agent", "scribe", "-m", "name the owner", stdin=later, shown=True)
    reverts = _git_reverts(stage)
    stage.say("tell", f"git revert of janitor's two commits, tried in a copy: {'clean' if reverts else 'conflict'}")
    stage.githarness("rollback", "janitor", "--dry-run", shown=True)
    undone = stage.githarness("rollback", "janitor", "-m", UNDO, shown=True)
    expected = TEXT.replace("# Release\n", f"# Release\n\n{OWNER}") + ON_CALL
    restored = stage.git("show", f"HEAD:{RUNBOOK}").out == expected
    good = undone.code == 0 and restored
    stage.say("good" if good else "bad",
              "steps and approvals are back; scribe's and deployer's lines stayed" if good else "not restored")
    return Found(good, {"exit_of_rollback": undone.code, "restored": restored, "git_revert_clean": reverts})


def _git_reverts(stage: Stage) -> bool:
    """Whether stock git can undo the same two commits, in a clone."""
    copy = stage.folder / "revert"
    stage.git("clone", "-q", str(stage.repo), str(copy), cwd=stage.folder)
    bad = stage.git("log", "--author=janitor@", "--format=%H", cwd=copy).out.split()
    return stage.git("revert", "--no-edit", *bad, cwd=copy).code == 0


INCIDENT = Incident(
    "erased", "a runbook rewritten, its approval trail erased",
    "A broadly permitted agent rewrites a runbook and deletes who approved what; repair by hand took 48 hours.", _play)
