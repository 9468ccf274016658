"""`githarness human`: the people of a fleet and their roles."""

from __future__ import annotations

from typing import Annotated

import typer

from githarness.cli.identities import desk, key_lines, show_change, table
from githarness.cli.options import command, group
from githarness.cli.out import Painted
from githarness.cli.passphrase import asking
from githarness.cli.shell import opened
from githarness.policy.model import Human
from githarness.work import humans

app = group("People: owners change governance, operators undo and restore, contributors write.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The person's short name.")]


@app.command("add")
@command
def add(
    ctx: typer.Context,
    name: Name,
    *,
    mail: Annotated[str, typer.Option(metavar="M", help="The address of their git config user.email.")],
    role: Annotated[str, typer.Option(metavar="ROLE", help="owner, operator or contributor.")],
    key: Annotated[str | None, typer.Option(metavar="FILE", help="Their SSH key [a new one on this host].")] = None,
) -> None:
    """Add a person with a role; the same person again is no error.

    Example: githarness human add grace --mail grace@example.org --role operator --key grace.pub
    """
    sh, harness = opened(ctx)
    at = desk(harness)

    def public_key(comment: str) -> str:
        if key is None:
            return harness.keyring.create(comment).public
        return humans.key_of_file(at, sh.directory / key, asking(sh))

    done = humans.add(at, Human(name, mail, role, ()), public_key)
    show_change(sh, harness, done.human, done.commit, what="added")


@app.command("list")
@command
def show_all(ctx: typer.Context) -> None:
    """List the people of this fleet with their keys.

    Example: githarness human list
    """
    sh, harness = opened(ctx)
    found = sorted(harness.governance().registry.humans.values(), key=lambda human: human.name)
    sh.document({"items": [table(harness, human) for human in found]})
    for human in found:
        sh.line(Painted(human.name, "cyan"), f" ({human.role}, {human.mail}",
                f", retired {human.retired})" if human.retired else ")")
        key_lines(sh, harness.keyring, human.keys)


@app.command("retire")
@command
def retire(ctx: typer.Context, name: Name) -> None:
    """Retire a person: their later commands are refused, their history stays; the last owner stays.

    Example: githarness human retire grace
    """
    sh, harness = opened(ctx)
    done = humans.retire(desk(harness), name)
    show_change(sh, harness, done.human, done.commit, what="retired")
