"""`githarness skills new|prune`: a skill begins as a file that passes, and ends as a commit that can be undone."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from githarness import clock
from githarness.cli import out
from githarness.cli.options import command
from githarness.cli.shell import shell
from githarness.errors import Conflict, Usage
from githarness.skills.edit import scalar
from githarness.skills.naming import is_valid, slug
from githarness.work import prune as work
from githarness.work import skillset
from githarness.work.prune import Candidate

_TEMPLATE = """\
---
name: {name}
description: {about}
---

# {title}

1. Say what the agent does first.
"""


@dataclass(frozen=True, slots=True)
class NewOptions:
    description: Annotated[str, typer.Option(
        "--description", "-d", metavar="TEXT", help="What it does, and when to use it.")] = ""
    folder: Annotated[str | None, typer.Option("--in", metavar="DIR", help="Where it goes: `skills`.")] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the file, write nothing.")] = False


@command
def new(
    ctx: typer.Context, *, name: Annotated[str, typer.Argument(metavar="NAME")], options: NewOptions,
) -> None:
    """Begin a skill in the working tree, in the form that the gates want.

    Example: githarness skills new release-notes -d "Writes release notes. Use when a version is tagged."
    """
    sh = shell(ctx)
    if not is_valid(name):
        near = slug(name) or "my-skill"
        raise Usage(f"'{name[:80]}' is not the name of a skill", fix=f"githarness skills new {near}")
    about = options.description or f"Does the work of {name}. Use when (say when, and what it does)."
    text = _TEMPLATE.format(name=name, about=scalar(about), title=name.replace("-", " ").capitalize())
    chosen = skillset.at(sh.directory)
    path = f"{(options.folder or 'skills').strip('/')}/{name}/SKILL.md"
    if (chosen.root / path).parent.exists():
        raise Conflict(f"'{path.rpartition('/')[0]}' exists already", fix=f"githarness skills check '{path}'")
    if not options.dry_run:
        chosen.create(path, text.encode())
    sh.document({"path": path, "content": text, "written": not options.dry_run})
    sh.line(text if options.dry_run else path)


@command
def prune(
    ctx: typer.Context, *,
    older_than: Annotated[str, typer.Option(metavar="T", help="Leave alone what was changed since.")] = work.STALE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which and why, remove nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; without a terminal nothing is asked.")] = False,
) -> None:
    """Remove skills whose time is over, by two signals each, as one commit by the operator that can be rolled back.

    Signals: no run has read it for as long as T, nothing else names it, it has errors, a skill that is nearly the same
    is worth more, the agent that wrote it has retired. One with `pinned: "true"` in its metadata stays.

    Example: githarness skills prune --dry-run --older-than 30d
    """
    sh = shell(ctx)
    before = clock.instant(older_than, clock.SYSTEM.now())
    harness = sh.open()
    with sh.progress("judging") as progress:
        harness.fresh_registry(progress)
    ask = not (dry_run or yes or sh.json) and sys.stdin.isatty() and sys.stdout.isatty()
    with sh.progress("reading") as progress:
        done = work.prune(harness, harness.registry, before, agreed=lambda _: not (dry_run or ask), progress=progress)
    sh.document({"commit": done.commit, "items": [_item(one) for one in done.candidates], "paths": list(done.paths)})
    for one in done.candidates:
        sh.line(f"{one.artifact.path}: " + "; ".join(f"{name}: {why}" for name, why in one.signals.items()))
    if ask and done.paths:
        files = out.counted(len(done.paths), "file")
        if not typer.confirm(f"remove {out.counted(len(done.candidates), 'skill')} ({files})?", err=True):
            sh.note("nothing was removed")
            return
        shown = done
        done = work.prune(harness, harness.registry, before, agreed=lambda found: found == shown)
    if done.commit:
        sh.line(f"pruned as {done.commit}")
        sh.note(f"to undo this: githarness rollback --commit {done.commit[:12]}")
    elif ask and done.candidates:
        raise Conflict("what would go is not what was shown any more", fix="githarness skills prune")
    else:
        sh.note("a dry run: nothing was removed" if done.candidates else "nothing to prune")


def _item(one: Candidate) -> dict[str, object]:
    return {"path": one.artifact.path, "name": one.artifact.name, "changed": clock.rfc3339(one.last.time),
            "agent": one.last.agent, "signals": dict(one.signals)}
