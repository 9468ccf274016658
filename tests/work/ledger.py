"""Histories for rollback tests: real commits with the harness's trailers, and the planner on top of them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from githarness import clock
from githarness.git.objects import Entry
from githarness.git.reader import Reader
from githarness.git.repo import discover
from githarness.policy import renames
from githarness.store.db import Database
from githarness.work import index, rollback_plan
from githarness.work.rollback_plan import RollbackPlan
from githarness.work.rollback_select import Selection

Files = Mapping[str, bytes | tuple[str, bytes] | None]  # content, mode and content, or None: deleted


class Ledger:
    """Commits are made by one long fast-import; `tip` is where the next one goes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main"], cwd=folder, check=True)
        self._import = subprocess.Popen(["git", "fast-import", "--quiet", "--force", "--date-format=raw"], cwd=folder,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.marks = 0
        self.tip = 0
        self.oids: dict[int, str] = {}
        self.repo = discover(folder)

    def commit(self, who: str | None, files: Files, *, parents: tuple[int, ...] | None = None,
               trailers: tuple[tuple[str, str], ...] = (), run: str | None = None, when: int = 0) -> int:
        """By an agent, or by a person where `who` is None. Returns its mark; `oids` has its id."""
        self.marks += 1
        named = [("Agent", who)] if who else [("Human", "olive")]
        lines = [*named, *([("Run", run)] if run else []), *trailers]
        text = f"change {self.marks}\n\n" + "".join(f"{key}: {value}\n" for key, value in lines)
        stream = [f"commit refs/heads/main\nmark :{self.marks}\ncommitter {who or 'olive'} <x@x.invalid> "
                  f"{when or 1000 + self.marks} +0000\ndata {len(text)}\n{text}\n".encode()]
        before = parents if parents is not None else (self.tip,)
        if before and before[0]:
            stream += [b"%s :%d\n" % (b"merge" if place else b"from", mark) for place, mark in enumerate(before)]
        stream += [_file(path, content) for path, content in files.items()]
        self._feed(b"".join(stream) + f"\nget-mark :{self.marks}\n".encode())
        assert self._import.stdout is not None
        self.oids[self.marks] = self._import.stdout.readline().decode().strip()
        self.tip = self.marks
        return self.marks

    def _feed(self, data: bytes) -> None:
        assert self._import.stdin is not None
        self._import.stdin.write(data)
        self._import.stdin.flush()

    def checkpoint(self) -> None:
        self._feed(b"checkpoint\nprogress done\n")
        assert self._import.stdout is not None
        self._import.stdout.readline()

    @property
    def head(self) -> str:
        return self.oids[self.tip]

    def plan(self, *, skip: tuple[str, ...] = (), **selection: object) -> RollbackPlan:
        self.checkpoint()
        reader, db = Reader(self.repo), Database(self.repo.home, clock.SYSTEM)
        index.update(db, reader, self.head, lambda _: True)
        with db.read() as conn:
            return rollback_plan.make(conn, reader, Selection(**selection), skip=skip)  # type: ignore[arg-type]

    def undo(self, **selection: object) -> RollbackPlan:
        """Plans and lands it as the operator's commit."""
        plan = self.plan(**selection)
        assert not plan.conflicts, plan.conflicts
        self.land(plan)
        return plan

    def land(self, plan: RollbackPlan) -> int:
        reader = Reader(self.repo)
        files: dict[str, bytes | tuple[str, bytes] | None] = {}
        for change in plan.changes:
            assert reader.entry(self.head, change.path) == change.old
            data = change.data if change.data is not None or change.new is None else reader.blob(change.new.oid)
            files[change.path] = None if change.new is None or data is None else (change.new.mode, data)
        return self.commit(None, dict(sorted(files.items(), key=lambda item: item[1] is not None)),
                           trailers=plan.trailers)

    def tree(self, mark: int | None = None) -> dict[str, Entry]:
        self.checkpoint()
        return dict(Reader(self.repo).files(self.oids[mark or self.tip]))

    def texts(self) -> dict[str, bytes]:
        tree = self.tree()
        reader = Reader(self.repo)
        return {path: reader.blob(entry.oid) for path, entry in tree.items()}

    def close(self) -> None:
        assert self._import.stdin is not None
        assert self._import.stdout is not None
        self._import.stdin.close()
        self._import.stdout.close()
        self._import.wait()


def rename(old: str, new: str) -> tuple[tuple[str, str], ...]:
    return (("Rename", renames.text(old, new)),)


def actions(plan: RollbackPlan) -> dict[str, str]:
    return {one.path: one.action for one in plan.paths}


def _file(path: str, content: bytes | tuple[str, bytes] | None) -> bytes:
    if content is None:
        return f"D {path}\n".encode()
    mode, data = content if isinstance(content, tuple) else ("100644", content)
    return f"M {mode} inline {path}\ndata {len(data)}\n".encode() + data + b"\n"
