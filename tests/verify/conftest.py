"""Governed repositories with a hub, and commits made by plumbing: signed by whom you like, saying what you like."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from githarness import clock, settings, wiring
from githarness.git.reader import Reader
from githarness.git.repo import discover
from githarness.policy import trailers
from githarness.policy.model import Decision
from githarness.seal.commits import signed_commit
from githarness.seal.signer import Signer
from githarness.work import judge_range
from githarness.work.judge_range import Bench, Range
from githarness.work.judged import Report
from tests.conftest import run_cli, run_git

NOW = 1_900_000_000


@dataclass
class Forge:
    """Makes commits on top of others without the harness; what is not said is as an honest harness writes it."""

    folder: Path
    made: list[str] = field(default_factory=list)

    def git(self, *args: str, **more: object) -> str:
        return run_git(self.folder, *args, **more)  # type: ignore[arg-type]

    def cli(self, *args: str, stdin: str = "") -> str:
        done = run_cli(*args, cwd=self.folder, stdin=stdin)
        assert done.code == 0, done.err
        return done.out

    @property
    def head(self) -> str:
        return self.git("rev-parse", "main")

    def signer(self, agent: str = "deployer") -> Signer:
        return wiring.open(self.folder, settings.load()).local.signer(agent)

    def owner(self) -> Signer:
        return wiring.open(self.folder, settings.load()).human()[1]

    def tree(self, base: str, files: Mapping[str, str | tuple[str, str] | None]) -> str:
        """`base`'s tree with files changed: text, (mode, object id or text), or None for gone."""
        index = str(self.folder / ".git/forge-index")
        lines = []
        for path, content in files.items():
            mode, text = content if isinstance(content, tuple) else ("100644", content)
            if text is None:
                lines.append(f"0 {'0' * 40}\t{path}\0")
                continue
            known = len(text) == 40 and not text.strip("0123456789abcdef")
            oid = text if known else self.git("hash-object", "-w", "--stdin", stdin=text)
            lines.append(f"{mode} {oid}\t{path}\0")

        def run(*args: str, stdin: str | None = None) -> str:
            allowed = [part for name in ("NTFS", "HFS") for part in ("-c", f"core.protect{name}=false")]
            done = subprocess.run(["git", *allowed, *args], cwd=self.folder, input=stdin, text=True,
                                  capture_output=True, check=False,
                                  env={"GIT_INDEX_FILE": index, "PATH": "/usr/bin:/bin"})
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

        run("read-tree", base or "--empty")
        run("update-index", "-z", "--index-info", stdin="".join(lines))
        return run("write-tree")

    def trailers(self, parent: str, agent: str = "deployer", *, drop: Iterable[str] = (), **changed: str,
                 ) -> list[tuple[str, str]]:
        harness = wiring.open(self.folder, settings.load())
        digest = harness.parts.governed.salvaged(parent).digest
        pairs = {"Agent": agent, "Run": "r-forged", "Tier": "T0", "Policy": digest,
                 "Decision": trailers.decision_text(Decision("allow", "role:writer"), "e-forged")}
        pairs |= {key.replace("_", "-"): value for key, value in changed.items()}
        return [(key, value) for key, value in pairs.items() if key not in drop]

    def commit(self, files: Mapping[str, str | tuple[str, str] | None], *, agent: str | None = "deployer",
               signer: Signer | None = None, parents: Sequence[str] | None = None, when: int | None = None,
               **more: object) -> str:
        """An agent's, signed; with agent=None a person's, signed where a signer is given."""
        parents = [self.head] if parents is None else list(parents)
        base = parents[0] if parents else ""
        pairs = more.get("pairs", self.trailers(base, agent) if agent and base else [])
        message = trailers.render(str(more.get("subject", "forged")), "", pairs)  # type: ignore[arg-type]
        author = more.get("author", f"{agent} <{agent}@acme.invalid>" if agent else "Olive Owner <olive@example.org>")
        stamp = f"{int(clock.SYSTEM.now()) if when is None else when} +0000"
        committer = "githarness <githarness@acme.invalid>" if agent else author
        lines = [f"tree {self.tree(base, files)}", *(f"parent {one}" for one in parents),
                 f"author {author} {stamp}", f"committer {committer} {stamp}", *more.get("headers", ()), "",  # type: ignore[misc]
                 message]
        data = "\n".join(lines).encode()
        key = signer or (self.signer(agent) if agent and more.get("signed", True) else None)
        namespace = str(more.get("namespace", "git"))
        data = signed_commit(data, key.sign(data, namespace)) if key else data
        oid = self.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=data)
        self.made.append(oid)
        return oid

    def merge(self, first: str, *others: str, files: Mapping[str, str | tuple[str, str] | None] | None = None) -> str:
        """A person's merge of what plain git makes of it, with `files` changed on top."""
        self.git("checkout", "-q", "--detach", first)
        self.git("-c", "core.hooksPath=/dev/null", "merge", "-q", "--no-ff", "-m", "merge", *others)
        if not files:
            return self.git("rev-parse", "HEAD")
        tree, parents = self.tree("HEAD", files), [part for one in (first, *others) for part in ("-p", one)]
        return self.git("commit-tree", tree, *parents, "-m", "merge")

    def verify(self, base: str | None, head: str, **more: object) -> Report:
        reader = Reader(discover(self.folder))
        bench = Bench(reader, clock.SYSTEM.now(), **more)  # type: ignore[arg-type]
        return judge_range.judge(bench, Range(base, head))

    def codes(self, base: str | None, head: str, **more: object) -> set[str]:
        return {one.code for one in self.verify(base, head, **more).violations}


@pytest.fixture
def forge(fleet: Path) -> Forge:
    """In the governed repository of the suite: fleet acme, owner olive, agents deployer and scribe."""
    return Forge(fleet)


@dataclass(frozen=True)
class Pushed:
    code: int
    said: str


@pytest.fixture
def hub(forge: Forge, tmp_path: Path) -> Path:
    """A hub of that repository, with its governed branch in it, known as remote `hub`."""
    forge.cli("hub", "init", str(tmp_path / "hub.git"))
    forge.git("remote", "add", "hub", str(tmp_path / "hub.git"))
    forge.git("push", "-q", "hub", "main")
    return tmp_path / "hub.git"


@pytest.fixture
def push(forge: Forge) -> Callable[..., Pushed]:
    """`push("OID:refs/heads/main", …)` to the hub, past every hook of the clone."""

    def run(*refspecs: str, options: Sequence[str] = ()) -> Pushed:
        done = subprocess.run(["git", "push", "--no-verify", *options, "hub", *refspecs], cwd=forge.folder,
                              capture_output=True, text=True, check=False)
        return Pushed(done.returncode, done.stderr)

    return run
