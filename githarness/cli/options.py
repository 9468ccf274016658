"""Options that several commands share, as dataclasses: `@command` takes them apart for typer and puts them together.

    @dataclass(frozen=True)
    class Filter:
        agent: Annotated[str | None, typer.Option(help="…")] = None

    @command
    def log(ctx: typer.Context, chosen: Filter) -> None: ...

Typer sees `--agent`; the function gets one `Filter`. Every field needs a default.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Any, cast, get_type_hints

import typer
from typer.core import TyperGroup

from githarness.cli import out
from githarness.cli.flags import Flags
from githarness.errors import HarnessError, Usage
from githarness.git.repo import discover


def command(function: Callable[..., None]) -> Callable[..., None]:
    hints = get_type_hints(function, include_extras=True)
    bundles = {name: hint for name, hint in hints.items() if isinstance(hint, type) and is_dataclass(hint)}

    @wraps(function)
    def call(**values: Any) -> None:
        for name, kind in bundles.items():
            values[name] = kind(**{field.name: values.pop(field.name) for field in fields(kind)})
        function(**values)

    parameters = []
    for name, parameter in inspect.signature(function).parameters.items():
        plain = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name])
        parameters += _fields(bundles[name]) if name in bundles else [plain]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return call


def _fields(kind: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(field.name, keyword, default=field.default, annotation=hints[field.name])
        for field in fields(kind)
    ]


class Group(TyperGroup):
    """In `--help` a subcommand has its whole first sentence, where click cuts it at 45 characters."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        rows = [(name, one.help or "") for name in self.list_commands(ctx) if (one := self.get_command(ctx, name))]
        with formatter.section("Commands"):
            formatter.write_dl([(name, " ".join(text.partition("\n\n")[0].split())) for name, text in rows])


def group(about: str, kind: type[Group] = Group, *, lists: bool = False) -> typer.Typer:
    """A command with subcommands: `app = group("…")`, then `@app.command("add")` above `@command`.

    Without a subcommand it prints its help, exit 2; with `lists` it does what its subcommand `list` does.
    """
    return typer.Typer(cls=kind, help=about, rich_markup_mode=None, add_completion=False, invoke_without_command=True,
                       callback=_listed if lists else _named)


def _listed(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        listing = cast(Group, ctx.command).commands["list"]
        with listing.make_context("list", [], parent=ctx) as own:
            listing.invoke(own)


def _named(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is not None:
        return
    if (ctx.find_object(Flags) or Flags()).json:
        raise Usage(f"no subcommand of '{ctx.command_path}' was named", fix=f"{ctx.command_path} --help")
    out.text(sys.stderr, ctx.get_help(), color=False)
    raise typer.Exit(2)


def agent_option(about: str) -> Any:
    """`--agent`, completed by the shell: `Annotated[str | None, agent_option("…")]`."""
    return typer.Option("--agent", metavar="NAME", autocompletion=_agent_names, help=about)


def _agent_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Of those that have an identity file in the worktree."""
    try:
        repo = discover(Path(*(ctx.find_root().params.get("directory") or ())))
    except HarnessError:
        return []
    files = (repo.worktree or repo.git_dir).glob(".githarness/agents/*.yaml")
    return sorted(file.stem for file in files if file.stem.startswith(incomplete))
