"""The command line: a table of commands, each module imported when its command is called and not before.

`--help`, completion and a mistyped name need the table only.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

import typer
from typer.core import TyperCommand, TyperGroup

from githarness import __version__, settings
from githarness.cli import out
from githarness.cli.flags import Flags, hoist
from githarness.errors import Interrupted, Usage

_NAME = "githarness"
# What typer's parser raises has one ancestor: public in click, private in the copy of click that newer typers carry.
_PARSE_ERROR = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[2])


class Row(NamedTuple):
    section: str
    target: str  # "module:attribute" in githarness.cli: a function or a typer.Typer
    about: str


COMMANDS: dict[str, Row] = {
    "init": Row("Repository and identity", "cmd_init:init", "Create or adopt a repository, or set up a clone of one."),
    "doctor": Row("Repository and identity", "cmd_doctor:doctor", "Check the machine, this clone and its keys."),
    "uninstall": Row("Repository and identity", "cmd_uninstall:uninstall", "Take hooks and configuration away again."),
    "demo": Row("Repository and identity", "cmd_demo:demo", "Replay incidents in a temporary repository."),
    "agent": Row("Repository and identity", "cmd_agent:app", "Add agents, give them keys, stop and retire them."),
    "human": Row("Repository and identity", "cmd_human:app", "Add people with their roles, retire them."),
    "policy": Row("Policy and approvals", "cmd_policy:app", "Check policy files, explain and compare decisions."),
    "verify": Row("Policy and approvals", "cmd_verify:verify", "Judge the commits of a range, or all of history."),
    "hub": Row("Policy and approvals", "cmd_hub:app", "Make a bare repository that verifies what is pushed."),
    "hook": Row("Repository and identity", "cmd_hook:app", "Run the check behind one of git's hooks."),
    "read": Row("Writes", "cmd_read:read", "Print an artifact and remember that this run has seen it."),
    "write": Row("Writes", "cmd_write:write", "Write an artifact as one signed commit."),
    "append": Row("Writes", "cmd_append:append", "Add lines at the end of an artifact."),
    "delete": Row("Writes", "cmd_delete:delete", "Delete an artifact."),
    "rename": Row("Writes", "cmd_rename:rename", "Give an artifact another path."),
    "apply": Row("Writes", "cmd_apply:apply", "Make several changes as one commit."),
    "log": Row("Writes", "cmd_log:log", "List the commits, newest first."),
    "capture": Row("Writes", "cmd_capture:capture", "Commit what an agent changed in its worktree."),
    "held": Row("Writes", "cmd_held:app", "List, retry and resolve changes that could not land."),
    "restore": Row("Writes", "cmd_restore:restore", "Put paths back to a known-safe version."),
    "rollback": Row("Rollback", "cmd_rollback:rollback", "Undo exactly one agent's work, or one run's, or one commit."),
    "blast": Row("Rollback", "cmd_blast:blast", "Show how far writes reached: who read them and wrote on."),
    "why": Row("Rollback", "cmd_why:why", "Say what stands behind a commit or a line, and who allowed it."),
    "grant": Row("Policy and approvals", "cmd_grant:grant", "Give an agent a permission that ends by itself."),
    "revoke": Row("Policy and approvals", "cmd_revoke:revoke", "Take a grant away before its time."),
    "grants": Row("Policy and approvals", "cmd_grants:app", "List grants, sweep those whose time is over."),
    "proposals": Row("Policy and approvals", "cmd_proposals:proposals", "List and show what waits for approval."),
    "approve": Row("Policy and approvals", "cmd_proposals:approve", "Sign that a held change may land."),
    "reject": Row("Policy and approvals", "cmd_proposals:reject", "Let a change go that waits for approval."),
    "journal": Row("Runs", "cmd_journal:app", "Record what a run did beside reading and writing: calls of tools."),
    "audit": Row("Audit", "cmd_audit:app", "Show, seal and verify what was recorded; keep it, or let bodies go."),
    "vault": Row("Vault", "cmd_vault:app", "Keep credentials that agents use under policy, and nobody keeps."),
    "run": Row("Runs", "cmd_run:run", "Run an agent's command in a worktree of its own."),
    "runs": Row("Runs", "cmd_runs:app", "List runs, begin and end them from scripts, cancel them."),
    "state": Row("Coordination", "cmd_state:app", "Share values: versions, compare-and-set, history, watch."),
    "lease": Row("Coordination", "cmd_lease:app", "Take turns: locks that end by themselves, with fencing tokens."),
    "channel": Row("Coordination", "cmd_channel:app", "Send messages to agents, delivered until they acknowledge."),
    "task": Row("Coordination", "cmd_task:app", "Ask for work once; agents claim it, do it, hand it on."),
    "backup": Row("Coordination", "cmd_backup:save", "Save what only this machine knows to one file."),
    "restore-backup": Row("Coordination", "cmd_backup:restore", "Put a backup back."),
    "install": Row("Doors", "cmd_install:install", "Write what GitHub, GitLab, pre-commit or systemd run it by."),
    "serve": Row("Doors", "cmd_serve:serve", "Run the daemon: faster writes for many clients."),
    "skills": Row("Skills and index", "cmd_skills:app", "Check skills, list them, see how they came to be so."),
    "search": Row("Skills and index", "cmd_search:search_command", "Find skills, memory, policies, docs by any text."),
    "index": Row("Skills and index", "cmd_index:app", "Bring the index up to date, or build it again from git."),
}


class _Commands(TyperGroup):
    _listing = False

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        row = COMMANDS.get(cmd_name)
        if row is None or self._listing:
            return row and TyperCommand(cmd_name, help=row.about)
        module, _, attribute = row.target.partition(":")
        return typer_command(cmd_name, getattr(import_module(f"githarness.cli.{module}"), attribute))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in COMMANDS and not ctx.resilient_parsing and not args[0].startswith("-"):
            near = get_close_matches(args[0], COMMANDS, n=1)
            fix = f"{_NAME} {near[0]}" if near else f"{_NAME} --help"
            raise Usage(f"there is no command '{args[0]}'", fix=fix)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        for section in dict.fromkeys(row.section for row in COMMANDS.values()):
            rows = [(name, row.about) for name, row in COMMANDS.items() if row.section == section]
            with formatter.section(section):
                formatter.write_dl(rows)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        self._listing = True  # the names and their help, without the modules
        return super().shell_complete(ctx, incomplete)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # typer would make an exit code of it, without our document
            raise Interrupted("interrupted") from None


def typer_command(name: str, target: Any) -> Any:
    """What typer makes of a function or of an app."""
    if not isinstance(target, typer.Typer):
        function, target = target, typer.Typer(add_completion=False)
        target.command(name)(function)
    target.rich_markup_mode = None
    return typer.main.get_command(target)


def command_line() -> TyperGroup:
    app = typer.Typer(
        cls=_Commands, add_completion=True, rich_markup_mode=None, invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"]}, subcommand_metavar="COMMAND ...",
    )
    app.callback()(_root)
    return cast(TyperGroup, typer.main.get_command(app))


def _root(
    ctx: typer.Context,
    *,
    directory: Annotated[list[str] | None, typer.Option("-C", metavar="DIR", help="Run as if started in DIR.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document, also on failure.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no notes.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="Print no colour.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Git for what AI agents do: every write is one signed, attributed commit under a policy.

    The options below work before and after the command. Start with: githarness init
    """
    ctx.obj = Flags(Path(*(directory or ())), json=json, quiet=quiet, color=not no_color)
    if version and json:
        out.document({"version": __version__})
    elif version:
        out.text(sys.stdout, f"{_NAME} {__version__}", color=False)
    elif ctx.invoked_subcommand is None and json:
        raise Usage("no command was named")
    elif ctx.invoked_subcommand is None:
        out.text(sys.stdout, ctx.get_help(), color=False)


def run(argv: Sequence[str]) -> int:
    """The exit code; raises HarnessError, which the caller prints."""
    front, rest = hoist(argv)
    if rest[:1] == ["help"]:
        rest = [*rest[1:], "--help"]
    line = command_line()
    if settings.load().environ.get("_GITHARNESS_COMPLETE"):
        line.main(prog_name=_NAME)
    try:
        with line.make_context(_NAME, [*front, *rest]) as ctx:
            line.invoke(ctx)
    except typer.Exit as done:
        return done.exit_code
    except typer.Abort:
        raise Interrupted("interrupted") from None
    except _PARSE_ERROR as error:
        raise _usage(error, rest[:1]) from None
    return 0


def _usage(error: typer.BadParameter, named: list[str]) -> Usage:
    message = " ".join(error.format_message().rstrip(".").split())
    said, is_not, _ = message.rpartition(" is not ")
    if is_not and error.param and error.param.type.name.endswith(" range"):
        kind: Any = error.param.type
        message = f"{said} is not a whole number from {kind.min} {f'to {kind.max:,}' if kind.max else 'on'}"
    place = error.ctx.command_path if error.ctx else " ".join([_NAME, *(name for name in named if name in COMMANDS)])
    told, fix = error.ctx.get_help() if error.ctx else "", f"{place} --help"
    extra = "extra argument" in message
    if extra and "stdin" in told:  # what was typed may be a secret: it is not repeated
        message, fix = "the content is no argument: it is read from stdin", f"{place} … < FILE"
    elif extra and "--path GLOB" in told:
        fix = f"{place} --path GLOB"
    elif "-- CMD" in told:
        fix = f"{place} … -- CMD; {fix}"
    return Usage(message[:1].lower() + message[1:], fix=fix)
