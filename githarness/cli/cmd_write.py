"""`githarness write`: the whole new content of one artifact."""

from __future__ import annotations

from typing import Annotated

import typer

from githarness.cli.options import command
from githarness.cli.shell import shell
from githarness.cli.write_options import IfMatch, Merge, Path, WriteOptions, if_match, land, show_one
from githarness.work.asks import Op


@command
def write(
    ctx: typer.Context,
    path: Path,
    *,
    options: WriteOptions,
    source: Annotated[str | None, typer.Option("--from", metavar="FILE", help="Read FILE instead of stdin.")] = None,
    base: IfMatch = None,
    merge: Merge = False,
) -> None:
    """Write an artifact as one signed commit; a change that was made from an old version is refused.

    Example: githarness write runbooks/release.md --agent deployer -m "add a step" < new.md
    """
    sh = shell(ctx)
    op = Op("write", path, sh.content(source), if_match=if_match(base))
    show_one(sh, land(sh, options, [op], merge=merge), path)
