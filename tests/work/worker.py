"""An agent's run with a worktree of its own, as the runner makes it, and the capture of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from githarness import settings
from githarness.git.porcelain import Git
from githarness.git.repo import Checkout, linked_dir
from githarness.store.rows import RunRow
from githarness.wiring import Harness
from githarness.work import runs
from githarness.work.asks import Ask
from githarness.work.capture import Captured, capture
from githarness.work.changed import Source


@dataclass
class Worker:
    harness: Harness
    row: RunRow
    tree: Path

    @property
    def git_dir(self) -> Path:
        found = linked_dir(self.harness.repo, self.tree)
        assert found is not None
        return found

    def capture(self, *only: str, message: str | None = None, token: str | None = None) -> Captured:
        token = token or runs.token_of(self.harness.repo, self.row.id)
        ask = Ask(self.row.agent, self.row.id, (), message=message, token=token)
        source = Source(self.row, Checkout(self.tree, self.git_dir), ask, only)
        git = Git(settings.load(), self.tree, self.git_dir)
        return capture(self.harness.parts, git, self.harness.local, source)

    def write(self, path: str, content: str | bytes) -> Path:
        file = self.tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def read(self, path: str) -> str:
        return (self.tree / path).read_text()
