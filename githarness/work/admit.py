"""Judges one ask against head as its group sees it: paths, bases, merge, policy. Nothing is written here.

What is admitted becomes part of what the next ask of the group sees; a refused ask leaves no trace in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from githarness import paths
from githarness.errors import BadPath, Conflict, Detail, NotFound, StaleWrite, Unread, Usage
from githarness.git.objects import EXECUTABLE, FILE, FOLDER, LINK, Entry, PathChange, Raw, raw
from githarness.git.reader import Reader
from githarness.git.trees import Trees, append_delta
from githarness.lines import merge
from githarness.lines.hunk import is_binary
from githarness.policy import delegation
from githarness.policy.model import Agent, Decision, Request
from githarness.work import people
from githarness.work.asks import Ask, Landed, Op, TooLarge
from githarness.work.governance import Governance
from githarness.work.permit import Permit, denied
from githarness.work.runbook import Runbook

_MODES = {FILE, EXECUTABLE, None}


@dataclass(slots=True)
class Scene:
    """Head plus what this group admitted so far. `fresh`: blobs that are not in the repository yet."""

    reader: Reader
    trees: Trees
    root: str
    largest: int | None = None  # bytes of an existing artifact that may be worked on
    fresh: dict[str, bytes] = field(default_factory=dict)
    objects: list[Raw] = field(default_factory=list)

    def blob(self, oid: str) -> bytes:
        """Raises TooLarge, Integrity."""
        known = self.fresh.get(oid)
        if known is not None:
            return known
        check_size(self.reader, oid, self.largest)
        return self.reader.blob(oid)


def check_size(reader: Reader, oid: str, largest: int | None) -> None:
    if largest is not None and reader.size(oid) > largest:
        raise TooLarge(f"'{oid}' has more than {largest} bytes")


@dataclass(slots=True)
class Admission:
    """One ask on its way: the tree as its earlier operations left it, and what they changed."""

    ask: Ask
    agent: Agent
    chain: tuple[str, ...]
    tier: str
    scene: Scene
    book: Runbook
    permit: Permit
    root: str = ""
    changed: dict[str, Entry | None] = field(default_factory=dict)
    unseen: set[str] = field(default_factory=set)  # of `changed`: content that is not the writer's alone
    old: dict[str, Entry | None] = field(default_factory=dict)
    blobs: list[Raw] = field(default_factory=list)
    landed: dict[str, Landed] = field(default_factory=dict)
    renames: list[tuple[str, str]] = field(default_factory=list)
    learned: dict[str, str | None] = field(default_factory=dict)
    decision: Decision | None = None  # the strictest, with every grant that it took
    asked: dict[tuple[str, str], Decision] = field(default_factory=dict)  # by action and path
    approvals: list[str] = field(default_factory=list)  # values of the trailer

    @property
    def governance(self) -> Governance:
        return self.permit.governance

    def judge(self) -> None:
        """Raises what DESIGN §5.2 to 5.4 name; afterwards `changes` says what the commit does."""
        self.root = self.scene.root
        if not self.ask.ops:
            raise Usage("there is nothing to do: no operation was given")
        for op in self.ask.ops:
            {"write": self._write, "append": self._append, "delete": self._delete, "rename": self._rename}[op.kind](op)

    def changes(self) -> tuple[PathChange, ...]:
        fresh = self.scene.fresh
        return tuple(PathChange(path, self.old[path], entry, fresh.get(entry.oid) if entry else None)
                     for path, entry in self.changed.items() if self.old[path] != entry)

    def _write(self, op: Op) -> None:
        path, content = paths.check(op.path), _content(op)
        was = self._at(path)
        self._decide("write", path)
        merged = False
        base = self._base(op, path, was)
        if was is not None and base != was.oid:
            content, merged = self._merge(path, base, was, content), True
        self._put(path, was, raw("blob", content), op.mode, merged=merged)
        self.learned[path] = None if merged else self.landed[path].blob
        (self.unseen.add if merged else self.unseen.discard)(path)

    def _append(self, op: Op) -> None:
        path, addition = paths.check(op.path), _content(op)
        was = self._at(path)
        self._decide("append", path)
        if op.if_match is not None:
            self._base(op, path, was)
        elif was and self._seen(path, was) != was.oid:
            self.unseen.add(path)
        before = self._text(path, was) if was else b""
        if is_binary(addition):
            raise BadPath(f"what is to be appended to '{path}' is not text", fix="githarness write PATH --from FILE")
        if not addition:
            self._put(path, was, raw("blob", before), op.mode)
            return
        if before and not before.endswith(b"\n"):
            addition = b"\n" + addition
        addition += b"" if addition.endswith(b"\n") else b"\n"
        blob = raw("blob", before + addition)
        if was:
            blob = replace(blob, base=was.oid, delta=append_delta(len(before), addition))
        self._put(path, was, blob, op.mode)
        self.learned[path] = None

    def _text(self, path: str, was: Entry) -> bytes:
        before = self.scene.blob(was.oid)
        if is_binary(before):
            raise BadPath(f"'{path}' is binary; append adds lines of text", fix="githarness write PATH --from FILE")
        return before

    def _delete(self, op: Op) -> None:
        path = paths.check(op.path)
        was = self._present(path)
        self._decide("delete", path)
        self._same(op, path, was)
        self._set(path, was, None)
        self.landed[path] = Landed(path, None, was.oid)
        self.learned[path] = None

    def _rename(self, op: Op) -> None:
        if op.to is None:
            raise Usage("a rename needs the new name", fix="githarness rename OLD NEW --agent NAME")
        path, target = paths.check(op.path), paths.check(op.to)
        was = self._present(path)
        for one in (path, target):
            self._decide("rename", one)
        self._same(op, path, was)
        if path == target:
            raise Usage(f"'{path}' has this name already")
        self._set(path, was, None)
        if self._at(target) is not None:
            raise Conflict(f"'{target}' exists already", fix=f"githarness delete '{target}' --agent {self.agent.name}",
                           details={"path": target})
        self._set(target, None, was)
        self.renames.append((path, target))
        self.landed[path] = Landed(path, None, was.oid)
        self.landed[target] = Landed(target, was.oid, None)
        self.learned.update({path: None, target: was.oid})

    def _at(self, path: str) -> Entry | None:
        """The file at `path` now. Raises BadPath for folders, links, submodules, twins and files as parents."""
        entry = self.scene.trees.lookup(self.root, path)
        if entry is None:
            self.scene.trees.check_new(self.root, path)
        elif entry.mode not in (FILE, EXECUTABLE):
            kind = {FOLDER: "a folder", LINK: "a symbolic link, which is never followed"}.get(entry.mode, "a submodule")
            raise BadPath(f"'{path}' is {kind}")
        return entry

    def _present(self, path: str) -> Entry:
        entry = self._at(path)
        if entry is None:
            raise NotFound(f"no artifact '{path}'", fix="githarness log", details={"path": path})
        return entry

    def _decide(self, action: str, path: str) -> None:
        request = Request(self.agent.name, self.agent.roles, action, path, self.chain, self.tier, time=self.book.now)
        vault = self.governance.config.vault
        decision = people.decide(request, vault) if self.ask.human else self.permit.decide(request)
        if decision.effect == "deny":
            raise denied("human" if self.ask.human else "agent", request, decision)
        self.asked[action, path] = decision
        known = self.decision
        self.decision = decision if known is None or known == decision else delegation.strictest(known, decision)

    def _base(self, op: Op, path: str, was: Entry | None) -> str | None:
        """The blob that the writer saw last: None for a new file. Raises Unread and StaleWrite (without --merge)."""
        base = op.if_match
        if base is None or (path in self.changed and path not in self.unseen):
            base = self._seen(path, was)
        if base == "absent" or (base is None and was is None):
            if was is not None:
                raise self._stale(path, "absent", was)
            return None
        if base is None:
            raise Unread(f"run '{self.ask.run}' never read '{path}'",
                         fix=self._look(path, was), details={"path": path, "current": was.oid if was else None})
        if was is None or (base != was.oid and not self.ask.merge):
            raise self._stale(path, base, was)
        return base

    def _seen(self, path: str, was: Entry | None) -> str | None:
        """The blob that the writer knows: what earlier operations of the ask made of it, else what its run saw last."""
        if path in self.changed and path not in self.unseen:
            return was.oid if was else None
        return self.book.base(self.ask.run, path)

    def _same(self, op: Op, path: str, was: Entry) -> None:
        base = self._base(op, path, was)
        if base != was.oid:
            raise self._stale(path, base, was)

    def _stale(self, path: str, base: str | None, was: Entry | None) -> StaleWrite:
        details: dict[str, Detail] = {"path": path, "base": base, "current": was.oid if was else None,
                                      "diff": self._diff(path, base, was)}
        what = "changed" if was else "was deleted"
        return StaleWrite(f"'{path}' {what} since run '{self.ask.run}' read it",
                          fix=f"{self._look(path, was)}, or pass --merge", details=details)

    def _look(self, path: str, was: Entry | None) -> str:
        """How the version that is there becomes the base: by reading it; people name it, as their reads are git's."""
        if self.ask.human:
            return f"git show {was.oid}, then pass --if-match {was.oid}" if was else f"git log -- '{path}'"
        return f"githarness read '{path}' --agent {self.agent.name}"

    def _diff(self, path: str, base: str | None, was: Entry | None) -> str:
        before = self._base_bytes(base) if base not in (None, "absent") else b""
        if before is None:
            return ""
        return self.scene.reader.unified(before, self.scene.blob(was.oid) if was else b"", path)

    def _base_bytes(self, base: str | None) -> bytes | None:
        if base is None or (base not in self.scene.fresh and not self.scene.reader.has_blob(base)):
            return None
        return self.scene.blob(base)

    def _merge(self, path: str, base: str | None, was: Entry, content: bytes) -> bytes:
        before = self._base_bytes(base)
        if before is None:
            raise self._stale(path, base, was)
        current = self.scene.blob(was.oid)
        merged = merge.three_way(before, current, content, hunks=self.scene.reader.hunks)
        if merged.data is None:
            clashes: list[Detail] = [{"line": clash.line, "base": _shown(clash.base), "ours": _shown(clash.ours),
                                      "theirs": _shown(clash.theirs)} for clash in merged.clashes]
            raise Conflict(f"'{path}' was changed in the same or neighbouring lines since run '{self.ask.run}' read it",
                           fix=f"{self._look(path, was)}, then repeat the change",
                           details={"path": path, "base": base, "current": was.oid, "diff": self._diff(path, base, was),
                                    "clashes": clashes})
        return merged.data

    def _put(self, path: str, was: Entry | None, blob: Raw, mode: str | None, *, merged: bool = False) -> None:
        if mode not in _MODES:
            raise Usage(f"'{mode}' is not a mode of a file", fix="use 100644 or 100755")
        entry = Entry(mode or (was.mode if was else FILE), blob.oid)
        if was is None or was.oid != entry.oid:
            self.blobs.append(blob)
            self.scene.fresh[entry.oid] = blob.data
        self._set(path, was, entry)
        first = self.landed[path].previous if path in self.landed else was.oid if was else None
        self.landed[path] = Landed(path, entry.oid, first, merged)

    def _set(self, path: str, was: Entry | None, entry: Entry | None) -> None:
        self.old.setdefault(path, was)
        self.changed[path] = entry
        if len(self.ask.ops) != 1 or self.ask.ops[0].kind == "rename":
            self.root = self.scene.trees.change(self.root, {path: entry}, []) or self.root


def _content(op: Op) -> bytes:
    if op.content is None:
        raise Usage(f"a {op.kind} needs content", fix="pass it on stdin or with --from FILE")
    return op.content


def _shown(data: bytes) -> str:
    return data.decode("utf-8", "replace")
