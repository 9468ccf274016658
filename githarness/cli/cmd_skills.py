"""`githarness skills`: the gates on skills, the registry and its history; each subcommand has a module of its own.

That module is imported when its command is called: a check loads neither the registry nor libgit2.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from githarness.cli.app import typer_command
from githarness.cli.options import Group, group

_WHERE = {"check": "skills_check:check", "list": "skills_registry:list_skills", "show": "skills_registry:show",
          "history": "skills_registry:history", "blame": "skills_registry:blame", "gates": "skills_gates:gates",
          "new": "skills_tend:new", "prune": "skills_tend:prune"}


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


app = group("Check skills, list them, see how they became what they are.", _Subcommands)
