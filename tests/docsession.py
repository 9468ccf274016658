"""Sessions in documents: blocks of `console` are run in a real repository, and compared with what the page shows.

A line that begins with `$ ` is a command, the lines up to the next one are what it prints; `...` alone stands for any
lines. `<!-- fresh repository -->` begins anew. What differs from run to run (ids, times, keys, hosts, folders) is
masked on both sides.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

_LONGEST = 180.0  # seconds that a session may take
FRESH = "<!-- fresh repository -->"
FILES = {
    "runbooks/release.md":
        "# Release\n\n1. Build from the tagged commit.\n2. Get two approvals.\n3. Deploy to production.\n",
    "skills/deploy/SKILL.md": "---\nname: deploy\ndescription: Deploy a service.\n---\nFollow runbooks/release.md.\n",
}
_BLOCK = re.compile(rf"^{FRESH}$|^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MASKS = [
    (r"\b[0-9a-f]{64}\b|\b[0-9a-f]{40}\b", "OBJECT"),
    (r"\b[0-9a-f]{12}\b|\b[0-9a-f]{7}\b", "OBJECT"),
    (r"\b([aeghlrv])-(session-)?[0-9a-z]{20}\b", r"\1-ID"),
    (r"\broot [A-Za-z0-9+/]{43}=", "root ROOT"),
    (r"Audit: l-ID \d+ [A-Za-z0-9+/=]{44}", "Audit: l-ID SIZE ROOT"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    (r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4} \+0000", "DATE"),
    (r"SHA256:[A-Za-z0-9+/]+ \S+, from", "SHA256:KEY HOST, from"),
    (r"SHA256:[A-Za-z0-9+/]+", "SHA256:KEY"),
    (r"\bprocess \d+", "process PID"),
]


class Session(NamedTuple):
    page: str
    language: str
    blocks: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}:{self.blocks[0].splitlines()[0][:40]}"


def sessions(page: Path) -> list[Session]:
    found: list[Session] = []
    fresh = True
    for block in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        language, text = block[1], block[2]
        if language is None:
            fresh = True
        elif fresh or found[-1].language != language:
            found.append(Session(page.name, language, (text,)))
            fresh = False
        else:
            found[-1] = found[-1]._replace(blocks=(*found[-1].blocks, text))
    return found


def steps(session: Session) -> list[tuple[str, str]]:
    """Each command with the output that the page shows."""
    parts = re.split(r"^\$ ", "".join(session.blocks), flags=re.MULTILINE)
    assert not parts[0], f"output before the first command: {parts[0]!r}"
    return [(command, shown) for command, _, shown in (part.partition("\n") for part in parts[1:])]


def build(folder: Path) -> Path:
    """The repository that the pages talk about: a runbook and a skill, committed by a person."""
    repo = folder / "ops"
    for path, text in FILES.items():
        (repo / path).parent.mkdir(parents=True, exist_ok=True)
        (repo / path).write_text(text)
    for args in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "what we had"]):
        subprocess.run(["git", *args], cwd=repo, check=True)
    return repo


def environ(folder: Path) -> dict[str, str]:
    """A shell's, with `githarness` on the PATH; output comes in the order of its printing."""
    tool = folder / "bin" / "githarness"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m githarness "$@"\n')
    tool.chmod(0o755)
    return {**os.environ, "PATH": f"{tool.parent}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1", "GIT_PAGER": "cat"}


def run(commands: list[str], repo: Path, env: dict[str, str]) -> list[str]:
    """What each command prints, stdout and stderr together."""
    mark, out = "\x1e", repo.parent / "printed"
    script = "".join(f"printf '{mark}'\n{command}\n" for command in commands)
    with open(out, "wb") as file:  # no pipe: a daemon that a page leaves running would keep it open
        subprocess.run([shutil.which("bash") or "sh", "-c", script], cwd=repo, env=env, stdin=subprocess.DEVNULL,
                       stdout=file, stderr=subprocess.STDOUT, timeout=_LONGEST, check=False)
    return out.read_text(encoding="utf-8").split(mark)[1:]


def masked(text: str, repo: Path | None = None) -> str:
    if repo is not None:
        text = text.replace(str(repo.parent), "/srv")
    for pattern, name in _MASKS:
        text = re.sub(pattern, name, text)
    return "\n".join(line.rstrip() for line in text.rstrip("\n").split("\n"))


def agree(shown: str, printed: str) -> bool:
    pattern = re.escape(shown).replace(re.escape("\n...\n"), "\n(?:.*\n)*?")
    return re.fullmatch(pattern, printed) is not None
