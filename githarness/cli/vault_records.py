"""`githarness vault set|list|history|rm|rotate|import`: secrets as an owner writes them and everybody counts them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from githarness.cli import vault_get, vault_shown
from githarness.cli.identities import desk
from githarness.cli.options import agent_option, command
from githarness.cli.out import Painted, counted
from githarness.cli.shell import Shell, shell
from githarness.cli.vault_get import Who
from githarness.errors import Unavailable, Usage
from githarness.proxy import local
from githarness.vault import record
from githarness.wiring import Harness
from githarness.work import vault_import, vault_list, vault_records, vault_write
from githarness.work.vault_write import Item, Terms

Name = Annotated[str, typer.Argument(metavar="NAME", help="Like github/deploy-token.")]
From = Annotated[str | None, typer.Option("--from", metavar="FILE", help="The value [stdin, or a hidden prompt].")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Judge everything and change nothing.")]


@dataclass(frozen=True, slots=True)
class Use:
    """On what terms it may be used."""

    mode: Annotated[list[str] | None, typer.Option(
        metavar="M", help="get, exec, proxy or sign; repeatable [get and exec; with --host proxy].")] = None
    host: Annotated[list[str] | None, typer.Option(
        metavar="H", help="A host that it may be sent to; *.example.org is any below; repeatable.")] = None
    method: Annotated[list[str] | None, typer.Option(metavar="M", help="GET, POST, …; repeatable [any].")] = None
    path: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Like /v1/**; repeatable [any].")] = None
    header: Annotated[str, typer.Option(
        metavar="TEXT", help="The header that mode proxy adds, {} for the value [Authorization: Bearer {}].")] = ""
    tier: Annotated[str, typer.Option(
        metavar="T0|T1|T2", help="What an agent must have proven of its identity.")] = "T0"
    audit: Annotated[str, typer.Option(
        metavar="durable|written", help="durable: on disk before it is used; written: a power cut may lose it.")
                     ] = "durable"

    @property
    def terms(self) -> Terms:
        methods = tuple(method.upper() for method in self.method or ())
        return Terms(tuple(self.mode or ()), tuple(host.lower() for host in self.host or ()), methods,
                     tuple(self.path or ()), self.header, self.tier, self.audit)


@command
def set_(ctx: typer.Context, name: Name, use: Use, *, source: From = None, dry_run: DryRun = False) -> None:
    """Keep a secret, on these terms alone, in place of a former version; it takes an owner.

    The value comes from stdin, a file or a hidden prompt, never from the command line.
    Example: githarness vault set github/deploy-token --host api.github.com < token.txt
    """
    sh = shell(ctx)
    harness = sh.open()
    record.check_name(name)
    keks = vault_shown.unlocked(harness)
    item = Item(name, vault_shown.value(sh, name, source), use.terms)
    before = vault_records.find(harness.reader, harness.governance(), name)
    made = vault_write.put(desk(harness), harness.settings, [item], keks, dry_run=dry_run)
    vault_shown.done(sh, harness, "set", made)
    vault_shown.other_terms(sh, made, before)
    vault_shown.no_key(sh, made, item.value)


@command
def rotate(ctx: typer.Context, name: Name, *, source: From = None, dry_run: DryRun = False) -> None:
    """Give a secret a new value on the terms that it has; the value as for set.

    Example: githarness vault rotate github/deploy-token --from new-token.txt
    """
    sh = shell(ctx)
    harness = sh.open()
    at = desk(harness)
    vault_write.known(at, harness.governance(), name)
    keks = vault_shown.unlocked(harness)
    item = Item(name, vault_shown.value(sh, name, source))
    made = vault_write.put(at, harness.settings, [item], keks, what="rotate", dry_run=dry_run)
    vault_shown.done(sh, harness, "rotated", made)
    vault_shown.no_key(sh, made, item.value)


@command
def rm(ctx: typer.Context, name: Name, *, dry_run: DryRun = False) -> None:
    """Remove a secret: a signed tombstone takes its place, so that no older version comes back.

    Example: githarness vault rm github/deploy-token
    """
    sh = shell(ctx)
    harness = sh.open()
    made = vault_write.remove(desk(harness), harness.settings, name, dry_run=dry_run)
    vault_shown.done(sh, harness, "removed", made)
    sh.note("note: git's history keeps the ciphertext; end the credential where it was issued")


@command
def list_(
    ctx: typer.Context,
    *,
    removed: Annotated[bool, typer.Option("--removed", help="With the tombstones.")] = False,
    agent: Annotated[str | None, agent_option("Only what this agent may use now; asked of the opened vault.")] = None,
) -> None:
    """List the secrets with their versions and terms; it takes no key.

    Example: githarness vault list --agent deployer
    """
    sh = shell(ctx)
    harness = sh.open()
    if agent:
        if removed:
            raise Usage("what was removed is nobody's to use", fix="leave --removed or --agent out")
        _scope(sh, harness, agent)
        return
    governance = harness.governance()
    vault_records.vault_of(harness.reader, governance, harness.settings)
    found = vault_list.listed(harness.reader, governance, removed=removed)
    sh.document({"items": [
        {**vault_shown.table(governance.registry, one.record.header), "good": True, "why": ""} if one.record else
        {"name": one.name, "version": one.version, "good": False, "why": one.why} for one in found]})
    for one in found:
        if one.record:
            vault_shown.line(sh, governance.registry, one.record.header)
        else:
            sh.line(one.name, " ", Painted("refused", "red"), f" {one.why}")
    if not found:
        sh.note("there are no secrets; hint: githarness vault set NAME")


def _scope(sh: Shell, harness: Harness, agent: str) -> None:
    """The vault's own answer to the agent, in the run that it has or would have."""
    with local.reach(harness.settings, harness.parts) as vault:
        vault_get.introduce(harness, vault, Who(agent=agent))
        items = vault.ask("list").header["items"]
    sh.document({"items": items})
    for one in items:
        hosts = f"; hosts {', '.join(one['hosts'])}" if one["hosts"] else ""
        sh.line(one["name"], f" version {one['version']} ", Painted(f"modes {', '.join(one['modes'])}{hosts}", "cyan"))
    if not items:
        sh.note(f"agent '{agent}' may use no secret now; hint: githarness grant {agent} --allow secret --path NAME")


@command
def history(ctx: typer.Context, name: Name) -> None:
    """Show who wrote each version of a secret, newest first; it takes no key.

    Example: githarness vault history github/deploy-token
    """
    sh = shell(ctx)
    harness = sh.open()
    harness.fresh_index()
    governance = harness.governance()
    with harness.db.read() as conn:
        found = vault_list.history(conn, harness.reader, governance, name)
    sh.document({"items": [
        {**(vault_shown.table(governance.registry, one.header) if one.header else {"name": name}),
         "commit": one.commit, "why": one.why} for one in found]})
    for one in found:
        if one.header:
            vault_shown.line(sh, governance.registry, one.header, one.commit)
        else:
            sh.line(name, " ", Painted("refused", "red"), f" {one.why} ({one.commit[:12]})")


@command
def import_(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Chrome's CSV, a .env file, or latchkey's folder.")],
    *,
    form: Annotated[str | None, typer.Option(
        "--format", metavar="F", help="latchkey (also credential-proxy), csv or env [by the name].")] = None,
    delete: Annotated[bool, typer.Option("--delete-source", help="Delete what was read, if all was taken.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Take secrets over from where they lie today, in one commit; what the vault has already stays as it is.

    Example: githarness vault import "Google Passwords.csv" --delete-source
    """
    sh = shell(ctx)
    harness = sh.open()
    keks = vault_shown.unlocked(harness)
    there = {found.name for found in vault_list.listed(harness.reader, harness.governance())}
    source = vault_import.read(sh.directory / file, form, there.__contains__)
    made = vault_write.put(desk(harness), harness.settings, source.items, keks, what="import", dry_run=dry_run)
    deleted = delete and not source.left and not dry_run
    if deleted:
        _delete(source.files)
    registry = harness.governance().registry
    sh.document({"commit": made.commit, "items": [vault_shown.table(registry, one) for one in made.headers],
                 "left": [one._asdict() for one in source.left], "deleted": deleted})
    sh.line(f"{'would import' if dry_run else 'imported'} {counted(len(made.headers), 'secret')}")
    for header in made.headers:
        vault_shown.line(sh, registry, header)
    for one in source.left:
        sh.note(f"note: '{one.name}' was left: {one.why}")
    if not deleted:
        sh.note(f"note: '{file}' is as it was" + (", because some of it was left" if delete and source.left else ""))


def _delete(files: tuple[Path, ...]) -> None:
    for path in files:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"all was imported, and '{path}' cannot be deleted: {error.strerror}",
                              fix=f"rm '{path}'") from error
