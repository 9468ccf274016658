"""`githarness policy`: policy files checked, tried, explained and compared; each subcommand has a module of its own."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from githarness.cli.app import typer_command
from githarness.cli.options import Group, group

_WHERE = {"check": "policy_check:check", "test": "policy_check:test", "explain": "policy_explain:explain",
          "diff": "policy_diff:diff", "simulate": "policy_diff:simulate", "show": "policy_show:show"}


class _Subcommands(Group):
    def list_commands(self, ctx: Any) -> list[str]:
        self.commands = {name: self.get_command(ctx, name) for name in _WHERE}
        return list(_WHERE)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _WHERE:
            self.list_commands(ctx)  # what was meant is looked for among all
            return None
        module, _, attribute = _WHERE[cmd_name].partition(":")
        return typer_command(cmd_name, getattr(import_module(f"githarness.cli.{module}"), attribute))


app = group("Check policy files, ask why they decide as they do, compare them.", _Subcommands)
