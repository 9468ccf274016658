"""What a command gets beside its own arguments: the harness of the directory, and the ways to print."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import typer

from githarness import settings, wiring
from githarness.cli import out
from githarness.cli.flags import Flags
from githarness.cli.out import Painted, ProgressLine
from githarness.errors import NotFound, Unavailable, Usage
from githarness.settings import Settings


@dataclass
class Shell:
    flags: Flags = field(default_factory=Flags)

    @cached_property
    def settings(self) -> Settings:
        return settings.load()

    @property
    def directory(self) -> Path:
        """Where the command starts from. Raises NotFound."""
        folder = self.flags.directory
        if not folder.is_dir():
            raise NotFound(f"there is no folder '{folder}'", fix="name an existing one with -C")
        return folder

    @property
    def json(self) -> bool:
        return self.flags.json

    def open(self) -> wiring.Harness:
        """The harness of the repository around `-C`; NotFound outside of a governed one."""
        return wiring.open(self.directory, self.settings)

    def document(self, value: object) -> None:
        if self.json:
            out.document(value)

    def line(self, *parts: str | Painted) -> None:
        """A line of data for people: nothing with --json."""
        if not self.json:
            out.text(sys.stdout, *parts, color=self._color)

    def note(self, *parts: str | Painted) -> None:
        if not self.flags.quiet:
            out.text(sys.stderr, *parts, color=self._color)

    def data(self, content: bytes) -> None:
        out.data(content)

    def progress(self, label: str) -> ProgressLine:
        """`with shell.progress("replaying") as progress:` and pass `progress` on as the `Progress` of a use case."""
        return ProgressLine(label, shown=not (self.json or self.flags.quiet))

    def content(self, source: str | None, *, most: int = -1) -> bytes:
        """The bytes of a file, relative to `-C`, or of stdin where none is named. Raises Usage past so many."""
        found = self._content(source, most + 1)
        if -1 < most < len(found):
            raise Usage(f"what is given is larger than {most:,} bytes", fix="write an artifact, and name it")
        return found

    def _content(self, source: str | None, most: int) -> bytes:
        if source is None or source == "-":
            if sys.stdin.isatty():
                self.note("reading from the terminal; end with ctrl-d")
            return sys.stdin.buffer.read(most or -1)
        try:
            with open(self.directory / source, "rb") as file:
                return file.read(most or -1)
        except FileNotFoundError:
            raise NotFound(f"there is no file '{source}'", fix="name an existing file with --from") from None
        except OSError as error:
            raise Unavailable(f"'{source}' cannot be read: {error.strerror}", fix="name a readable file") from error

    @property
    def _color(self) -> bool:
        return self.flags.color and self.settings.color


def shell(ctx: typer.Context) -> Shell:
    return Shell(ctx.find_object(Flags) or Flags())


def opened(ctx: typer.Context) -> tuple[Shell, wiring.Harness]:
    """As most commands begin. Raises NotFound outside of a governed repository."""
    sh = shell(ctx)
    return sh, sh.open()
