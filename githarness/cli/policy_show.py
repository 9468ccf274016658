"""`githarness policy show`: the files that ship with githarness, to start from."""

from __future__ import annotations

from typing import Annotated

import typer

from githarness.cli.options import command
from githarness.cli.shell import shell
from githarness.work import policies


@command
def show(
    ctx: typer.Context, *,
    name: Annotated[str | None, typer.Argument(
        metavar="[NAME]", help="One of the names, `schema` for editors, `conformance` for other evaluators.")] = None,
) -> None:
    """Print a policy file that ships with githarness.

    Without NAME their names. An owner's write puts one in force: githarness policy show default |
    githarness write .githarness/policies/default.yaml --as OWNER. Example: githarness policy show default
    """
    sh = shell(ctx)
    if name is None:
        sh.document({"items": list(policies.SHIPPED)})
        for one in policies.SHIPPED:
            sh.line(one)
        return
    text = policies.shipped(name)
    sh.document({"name": name, "content": text.decode()})
    if not sh.json:
        sh.data(text)
