"""`githarness delete`: takes one artifact away."""

from __future__ import annotations

import typer

from githarness.cli.options import command
from githarness.cli.shell import shell
from githarness.cli.write_options import IfMatch, Path, WriteOptions, if_match, land, show_one
from githarness.work.asks import Op


@command
def delete(ctx: typer.Context, path: Path, *, options: WriteOptions, base: IfMatch = None) -> None:
    """Delete an artifact that this run has read, as one signed commit.

    Example: githarness delete runbooks/old.md --agent deployer -m "superseded"
    """
    sh = shell(ctx)
    show_one(sh, land(sh, options, [Op("delete", path, if_match=if_match(base))]), path)
