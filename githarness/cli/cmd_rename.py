"""`githarness rename`: gives one artifact another path; its history follows."""

from __future__ import annotations

from typing import Annotated

import typer

from githarness.cli.options import command
from githarness.cli.shell import shell
from githarness.cli.write_options import IfMatch, WriteOptions, if_match, land, show_one
from githarness.work.asks import Op


@command
def rename(
    ctx: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD", help="The artifact's path.")],
    *,
    new: Annotated[str, typer.Argument(metavar="NEW", help="The path that it gets; nothing may be there.")],
    options: WriteOptions,
    base: IfMatch = None,
) -> None:
    """Give an artifact that this run has read another path, as one signed commit.

    Example: githarness rename runbooks/deploy.md runbooks/release.md --agent deployer
    """
    sh = shell(ctx)
    done = land(sh, options, [Op("rename", old, to=new, if_match=if_match(base))])
    show_one(sh, done, new, **{"from": old})
