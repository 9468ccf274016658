"""Asks a person at a terminal for the passphrase of a key; where there is no terminal, says how to do without."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from githarness.cli.shell import Shell
from githarness.errors import Unavailable


def asking(sh: Shell) -> Callable[[str], bytes]:
    def ask(file: str) -> bytes:
        if not sys.stdin.isatty():
            raise Unavailable(f"the key '{file}' is encrypted, with no terminal to ask at", fix=f"ssh-add '{file}'")
        sh.note(f"the key '{file}' is encrypted")
        answer: str = typer.prompt("passphrase", hide_input=True, err=True)
        return answer.encode()

    return ask
