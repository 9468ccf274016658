"""`githarness hub`: a bare repository that lets in what verifies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from githarness.cli.options import command, group
from githarness.cli.shell import shell
from githarness.work import hub, judge_range

app = group("Make a bare repository that verifies what is pushed to it.")


@app.command("init")
@command
def init(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")],
) -> None:
    """Make an empty hub that trusts this clone's governed branch: its first commit and its owners' keys.

    Run it in a governed repository. Example: githarness hub init /srv/git/fleet.git
    """
    sh = shell(ctx)
    harness = sh.open()
    judge_range.must_be_whole(harness.repo)
    anchor = hub.anchor_of(harness.reader, harness.parts.governed.at(harness.head()))
    place = hub.make(sh.settings, sh.directory / directory, anchor)
    sh.document({"hub": str(place), "branch": anchor.branch, "init": anchor.init, "head": anchor.head,
                 "owners": sorted(anchor.owners)})
    sh.line(f"hub in '{place}'; the first push must contain {anchor.init}")
    sh.note(f"next: git push '{place}' {anchor.branch}")
