"""`githarness append`: lines at the end of one artifact, never stale."""

from __future__ import annotations

import typer

from githarness.cli.options import command
from githarness.cli.shell import shell
from githarness.cli.write_options import Path, WriteOptions, land, show_one
from githarness.work.asks import Op


@command
def append(ctx: typer.Context, path: Path, *, options: WriteOptions) -> None:
    """Add the lines of stdin at the end of an artifact; nothing needs to be read before.

    Example: echo '{"step": "done"}' | githarness append journal.jsonl --agent deployer
    """
    sh = shell(ctx)
    show_one(sh, land(sh, options, [Op("append", path, sh.content(None))]), path)
