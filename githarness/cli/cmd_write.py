"""`githarness write`: the whole new content of one artifact."""

from __future__ import annotations

from typing import Annotated

import typer

from githarness import paths
from githarness.cli.options import command
from githarness.cli.shell import Shell, shell
from githarness.cli.write_options import IfMatch, Merge, Path, WriteOptions, if_match, land, show_one
from githarness.errors import Usage
from githarness.git.objects import oid_of
from githarness.work.asks import Op

_EMPTY = oid_of("blob", b"")


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

    An empty stdin, as a filter that failed leaves it, does not empty an artifact; --from /dev/null does.

    Example: githarness write runbooks/release.md --agent deployer -m "add a step" < new.md
    """
    sh = shell(ctx)
    content = sh.content(source)
    if not content and source in (None, "-"):
        _must_have_nothing(sh, path)
    op = Op("write", path, content, if_match=if_match(base))
    show_one(sh, land(sh, options, [op], merge=merge), path)


def _must_have_nothing(sh: Shell, path: str) -> None:
    harness = sh.open()
    entry = harness.reader.entry(harness.head(), paths.check(path))
    if entry and entry.oid != _EMPTY:
        raise Usage(f"stdin is empty, and '{path}' is not", details={"path": path},
                    fix="look at what should have written to stdin; pass --from /dev/null to empty it")
