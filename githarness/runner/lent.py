"""Secrets that a child has for as long as it runs: in its environment, or in files that are only in memory.

    RUNTIME/lent-PID-START-RANDOM/VAR      0600 in 0700, on tmpfs; gone with the child

Where we are killed, the folder is left to the next one who lends: it belongs to nobody alive. The values are never in
our own environment and in nobody's arguments.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from githarness import clock, private
from githarness.errors import Unavailable, Usage
from githarness.runner import process
from githarness.runner.process import Ended, Job
from githarness.runner.redacted import Screen
from githarness.settings import Settings

_FOLDER = re.compile(r"lent-(\d+)-(\d+)-[0-9a-f]{16}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHARED = Path("/dev/shm")
# What has the child load or run something else, or tells it who it is.
_NOT_LENT = re.compile(r"GITHARNESS_.*|LD_.*|PATH|HOME|IFS|BASH_ENV|ENV|PYTHON.*")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Secrets' names by variable."""

    env: Mapping[str, str]
    files: Mapping[str, str]

    @property
    def names(self) -> list[str]:
        return sorted({*self.env.values(), *self.files.values()})


def wanted(env: list[str] | None, files: list[str] | None) -> Wanted:
    """From `VAR=NAME` texts. Raises Usage."""
    pairs = [_pair(text) for text in (env or [])], [_pair(text) for text in (files or [])]
    variables = [variable for some in pairs for variable, _ in some]
    for variable in variables:
        if variables.count(variable) > 1:
            raise Usage(f"the variable '{variable}' was given twice", fix="give each secret a variable of its own")
    return Wanted(dict(pairs[0]), dict(pairs[1]))


def _pair(text: str) -> tuple[str, str]:
    variable, equals, name = text.partition("=")
    if not equals or not name or not _VARIABLE.fullmatch(variable):
        raise Usage(f"'{text}' is not of the form VAR=NAME", fix="--env GITHUB_TOKEN=github/deploy-token")
    if _NOT_LENT.fullmatch(variable):
        raise Usage(f"the variable '{variable}' is not for secrets", fix="name another")
    return variable, name


class Lent:
    """`with Lent(settings, wanted, values) as lent:` the child's `environ`, on top of what it has."""

    def __init__(self, settings: Settings, wanted: Wanted, values: Mapping[str, bytes]) -> None:
        """`values`: by secret's name."""
        self._settings = settings
        self._wanted = wanted
        self._values = values
        self._folder: Path | None = None
        self.environ: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        sweep(self._settings)
        for variable, name in self._wanted.env.items():
            if b"\0" in self._values[name]:
                raise Usage(f"'{name}' has a NUL, which no variable can hold", fix=f"--file {variable}={name}")
            self.environ[variable] = self._values[name]
        for variable, name in self._wanted.files.items():
            self.environ[variable] = bytes(self._file(variable, self._values[name]))
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        self.environ.clear()

    def _file(self, variable: str, value: bytes) -> Path:
        if self._folder is None:
            start = clock.process_start(os.getpid())
            self._folder = _place(self._settings) / f"lent-{os.getpid()}-{start}-{secrets.token_hex(8)}"
            self._folder.mkdir(mode=0o700)
        path = self._folder / variable
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(value)
        return path


def run(settings: Settings, job: Job, wanted: Wanted, values: Mapping[str, bytes], *, stdout: int,
        seen: Sequence[int] | None = None) -> Ended:
    """Runs a job with its secrets, redacted; signals go to the child, or end its tree where they are `seen`."""
    with Lent(settings, wanted, values) as lent, Screen([*values.items()], stdout) as screen:
        job = replace(job, environ={**job.environ, **lent.environ}, streams=screen.streams, terminal=screen.terminal)
        with screen.signals() if seen is None else contextlib.nullcontext():
            return process.run(job, () if seen is None else seen, screen.started)


def sweep(settings: Settings) -> None:
    """Removes what was left by those who were killed."""
    for place in _places(settings):
        with contextlib.suppress(OSError):
            for name in os.listdir(place):
                owner = _FOLDER.fullmatch(name)
                if owner and not clock.is_alive(int(owner[1]), int(owner[2])):
                    shutil.rmtree(place / name, ignore_errors=True)


def _places(settings: Settings) -> tuple[Path, Path]:
    return settings.runtime_dir, _SHARED / f"githarness-{os.getuid()}"


def _place(settings: Settings) -> Path:
    """Raises Unavailable where there is no memory to put a file in."""
    for place in _places(settings):
        with contextlib.suppress(OSError):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            private.check_folder(place)
            if _is_memory(place):
                return place
    raise Unavailable(f"neither '{settings.runtime_dir}' nor '{_SHARED}' is in memory: a file would reach a disk",
                      fix="use --env, or set XDG_RUNTIME_DIR to a folder on tmpfs")


def _is_memory(place: Path) -> bool:
    device = os.stat(place).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        kinds = [line.partition(" - ")[2].split()[0] for line in file if line.split()[2] == wanted]
    return any(kind in ("tmpfs", "ramfs") for kind in kinds)
