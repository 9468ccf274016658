"""`githarness policy`: policy files checked, tried, explained and compared; each subcommand has a module of its own."""

from __future__ import annotations

from githarness.cli.lazy import lazy_group

app = lazy_group("Check policy files, ask why they decide as they do, compare them.", {
    "check": "policy_check:check", "test": "policy_check:test", "explain": "policy_explain:explain",
    "diff": "policy_diff:diff", "simulate": "policy_diff:simulate", "show": "policy_show:show",
})
