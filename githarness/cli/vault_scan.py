"""`githarness vault scan`: the vault's own values in any encoding, and tokens of known shape; never shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from githarness.cli.options import command
from githarness.cli.out import Painted, counted
from githarness.cli.shell import Shell, shell
from githarness.errors import Usage
from githarness.git import index
from githarness.proxy import local
from githarness.skills import secrets
from githarness.vault import scanning
from githarness.vault.scanning import Content
from githarness.wiring import Harness
from githarness.work import vault_contents
from githarness.work.files_of import Staged, Worktree

_LARGEST = 64 << 20
_BINARY_WINDOW = 8000  # bytes in which git looks for NUL
_NEVER = 1 << 40


class _Row(NamedTuple):
    path: str
    line: int
    what: str
    secret: str  # of the vault; empty for a shape, or where the asker may not know its name
    form: str


@command
def scan(
    ctx: typer.Context, *,
    paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="Files or folders [tracked].")] = None,
    staged: Annotated[bool, typer.Option("--staged", help="What the next commit will have.")] = False,
    between: Annotated[str | None, typer.Option(
        "--range", metavar="A..B", help="Commits, with messages, tags and notes; ..B is all of B.")] = None,
) -> None:
    """Look for the vault's own values, in any encoding and split over lines, and for known shapes of tokens.

    Values are not printed, only where, which secret and in which form. Exit 1 where something was found.
    Example: githarness vault scan --range origin/main..HEAD
    """
    sh = shell(ctx)
    if bool(paths) + staged + (between is not None) > 1:
        raise Usage("PATH, --staged and --range are three ways to say what is looked through", fix="use one of them")
    harness = sh.open()
    contents = _contents(sh, harness, paths or [], staged=staged, between=between)
    shapes: list[tuple[str, secrets.Secret]] = []

    def passing() -> Iterator[Content]:
        for content in contents:
            shapes.extend((content.path, secret) for secret in _shapes(content))
            yield content

    with sh.progress("scanning"), local.reach(harness.settings, harness.parts) as vault:
        found = list(scanning.look(vault, passing()))
    shown = {one.of: one.path for one in found}
    rows = [_Row(one.path, one.line, "value of the vault", one.name, one.form) for one in found]
    rows += [_Row(shown.get(path, path), secret.line, secret.kind, "", "shape") for path, secret in shapes]
    sh.document({"items": [{"path": row.path, "line": row.line, "kind": row.what, "secret": row.secret or None,
                            "form": row.form} for row in rows]})
    for row in rows:
        what = f"secret '{row.secret}'" if row.secret else "a secret" if row.form != "shape" else row.what
        sh.line(row.path, f":{row.line}: " if row.line else ": in the name: ", Painted(what, "red"), f" ({row.form})")
    fix = "; rotate what has left this machine: githarness vault rotate NAME" if rows else ""
    sh.note(counted(len(rows), "finding") + fix)
    raise typer.Exit(1 if rows else 0)


def _shapes(content: Content) -> Iterator[secrets.Secret]:
    if b"\0" not in content.data[:_BINARY_WINDOW]:
        yield from secrets.scan(content.data.decode("utf-8", "replace"))


def _contents(sh: Shell, harness: Harness, paths: list[str], *, staged: bool, between: str | None,
              ) -> Iterator[Content]:
    reader, repo = harness.reader, harness.repo
    if between is not None:
        base, dots, head = between.partition("..")
        if not dots or head.startswith("."):
            raise Usage(f"'{between}' is not a range of commits", fix="write it like origin/main..HEAD")
        hidden = [reader.resolve(base)] if base else []
        tip = reader.resolve(head or "HEAD")
        yield from vault_contents.of_commits(reader, [tip], hidden)
        yield from vault_contents.of_labels(harness.settings, repo, reader, frozenset(reader.walk(tip, hidden)))
        return
    root = repo.worktree
    if root is None:
        raise Usage("this repository has no worktree", fix="githarness vault scan --range ..HEAD")
    listed = index.parse((repo.git_dir / "index").read_bytes(), _NEVER)
    names = [name.decode("utf-8", "surrogateescape") for name in listed.under(b"")]
    if staged:
        shown, before = Staged(root, listed, reader), dict(reader.files(reader.resolve("HEAD")))
        yield from (Content(name, shown.read(name, _LARGEST)) for name in names
                    if (entry := listed.get(name.encode("utf-8", "surrogateescape"))) is None
                    or name not in before or before[name].oid != entry.oid)
        return
    disk = Worktree(root)
    for name in _named(root, sh.directory, paths, names):
        yield Content(name, disk.read(name, _LARGEST))


def _named(root: Path, here: Path, paths: list[str], tracked: list[str]) -> Iterator[str]:
    """All tracked files, or those that are named, tracked or not. Raises Usage."""
    if not paths:
        yield from tracked
    for path in paths:
        inside = os.path.relpath(os.path.normpath(os.path.join(here.absolute(), path)), root)
        if inside.startswith("..") or not os.path.lexists(root / inside):
            raise Usage(f"there is no file '{path}' in this repository", fix="name files that are there")
        if not os.path.isdir(root / inside):
            yield inside
            continue
        for folder, below, files in os.walk(root / inside):
            below[:] = [each for each in below if each != ".git"]
            yield from (os.path.relpath(os.path.join(folder, file), root) for file in files)
