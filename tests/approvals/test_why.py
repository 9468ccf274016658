"""`why` of what people approved: whose statements let it land."""

from __future__ import annotations

from tests.approvals.conftest import RUNBOOK, Office


def test_who_approved_is_told(office: Office) -> None:
    """The approver, when and why, beside the rule that asked for it; the run's read comes first."""
    held = office.propose("build\nsign\n")
    done = office.good("approve", held, "--why", "looked at it", "--json", who="otto").json
    found = office.good("why", f"{RUNBOOK}:2", "--json").json
    assert found["commit"] == done["commit"] and found["line"]["text"] == "sign"
    allowed = found["allowed"]
    assert (allowed["effect"], allowed["rule"]) == ("require_approval", "main/runbooks")
    assert [(one["good"], one["approver"], one["why"]) for one in allowed["approvals"]] == [
        (True, "otto", "looked at it")]
    assert [one["path"] for one in found["read"]["items"]] == [RUNBOOK] and found["signature"]["violations"] == []
    assert f"    approved: {done['approval']} by otto" in office.good("why", done["commit"]).out
