"""Commands whose subcommands have modules of their own, each imported when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer

from githarness.cli.app import typer_command
from githarness.cli.options import Group, group


def lazy_group(about: str, where: dict[str, str]) -> typer.Typer:
    """`where`: "module:attribute" in githarness.cli, by the subcommand's name, in the order of the help."""

    class Subcommands(Group):
        def list_commands(self, ctx: Any) -> list[str]:
            self.commands = {name: self.get_command(ctx, name) for name in where}
            return list(where)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name not in where:
                self.list_commands(ctx)  # what was meant is looked for among all
                return None
            module, _, attribute = where[cmd_name].partition(":")
            return typer_command(cmd_name, getattr(import_module(f"githarness.cli.{module}"), attribute))

    return group(about, Subcommands)
