"""What the commands of the write path share: who acts, for whom, under which operation, and how the result prints."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from githarness.cli.options import agent_option
from githarness.cli.shell import Shell
from githarness.errors import Usage
from githarness.work.asks import Ask, Landed, Op, Written

Path = Annotated[str, typer.Argument(metavar="PATH", help="The artifact, from the top of the repository.")]
IfMatch = Annotated[
    str | None, typer.Option("--if-match", metavar="BLOB", help="The blob that the change was made from, or 'absent'.")
]
Merge = Annotated[bool, typer.Option("--merge", help="Admit a clean three-way merge where the artifact has changed.")]


@dataclass(frozen=True, slots=True)
class WriteOptions:
    agent: Annotated[str | None, agent_option("The agent that acts [GITHARNESS_AGENT].")] = None
    human: Annotated[str | None, typer.Option("--as", metavar="HUMAN", help="Act as a person of the fleet.")] = None
    run: Annotated[str | None, typer.Option(metavar="RUN", help="The run that acts [GITHARNESS_RUN].")] = None
    message: Annotated[str | None, typer.Option("-m", "--message", metavar="MSG", help="The commit's message.")] = None
    operation: Annotated[
        str | None, typer.Option(metavar="ID", help="Makes a retry safe: the second call gets the first one's result.")
    ] = None
    lease: Annotated[str | None, typer.Option(metavar="LEASE", help="Only while this lease is held.")] = None
    on_behalf_of: Annotated[
        list[str] | None, typer.Option(metavar="WHO", help="Whom the agent acts for, outermost first; repeatable.")
    ] = None
    assisted_by: Annotated[str | None, typer.Option(metavar="TOOL:MODEL", help="What produced the content.")] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge the change and change nothing.")] = False


def land(shell: Shell, options: WriteOptions, ops: Sequence[Op], *, merge: bool = False) -> Written:
    """One commit of `ops`, or an error and no change."""
    if options.assisted_by and not re.fullmatch(r"[^\s:]+:\S+", options.assisted_by):
        raise Usage(f"'{options.assisted_by}' is not of the form TOOL:MODEL", fix="--assisted-by codex:gpt-5")
    actor = _actor(shell, options)
    harness = shell.open()
    run, chain = options.run or shell.settings.run_of(actor), tuple(options.on_behalf_of or ())
    ask = Ask(actor, run, tuple(ops), options.message, options.operation, merge=merge, chain=chain,
              assisted_by=options.assisted_by, token=harness.token(), lease=options.lease)
    if options.dry_run:
        return harness.local.preview(ask, human=options.human)
    return harness.local.write_as(ask, options.human) if options.human else harness.lane.write(ask)


def _actor(shell: Shell, options: WriteOptions) -> str:
    if options.agent and options.human:
        raise Usage("an agent and a person cannot both act", fix="pass --agent or --as, not both")
    if not (options.agent or options.human or shell.settings.agent):
        raise Usage("nobody was named who acts", fix="pass --agent NAME, or --as NAME for a person")
    return options.human or agent_name(shell, options.agent)


def agent_name(shell: Shell, named: str | None) -> str:
    name = named or shell.settings.agent
    if name is None:
        raise Usage("no agent was named", fix="pass --agent NAME, or set GITHARNESS_AGENT")
    return name


def if_match(text: str | None) -> str | None:
    if text is None or text == "absent" or re.fullmatch(r"[0-9a-f]{40}", text):
        return text
    raise Usage(f"'{text}' is not a blob", fix="pass the 40 digits that read --json prints, or 'absent'")


def show_one(shell: Shell, done: Written, path: str, **more: str) -> None:
    """The result of a command that changes one artifact."""
    one = done.at(path)
    shell.document({"commit": done.commit, **landed(one), **more, **_common(done)})
    _for_people(shell, done, [one.path])


def show_all(shell: Shell, done: Written) -> None:
    shell.document({"commit": done.commit, "paths": [landed(one) for one in done.paths], **_common(done)})
    _for_people(shell, done, [one.path for one in done.paths])


def landed(one: Landed) -> dict[str, object]:
    return {"path": one.path, "blob": one.blob, "previous": one.previous, "merged": one.merged}


def _common(done: Written) -> dict[str, object]:
    return {"operation": done.operation, "event": done.event, "worktree": done.worktree}


def _for_people(shell: Shell, done: Written, paths: Sequence[str]) -> None:
    differs = any(one.blob != one.previous for one in done.paths)
    outcome = done.commit[:12] if done.commit else "would change" if differs else "nothing differs in"
    shell.line(f"{outcome} {' '.join(paths)}")
    if done.worktree == "pending":
        shell.note("note: the commit is made; an edit, a full disk or a filter of git keeps the working tree behind")
