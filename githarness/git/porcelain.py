"""Drives the real git, for what is git's own: worktrees, maintenance, configuration, checks. No ref is moved here.

Git never sees a `GIT_*` of the surroundings, never a replaced object, and runs no hook, filter or program that the
repository's configuration names: an agent may have written it.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from githarness.errors import NotFound, Unavailable
from githarness.settings import Settings, unwanted_names

try:
    from git.cmd import Git as Command
    from git.exc import GitCommandNotFound
except ImportError as missing:  # GitPython looks for git when it is loaded
    raise Unavailable("git cannot be run", fix="install git 2.34 or newer") from missing

_ENV = "/usr/bin/env"
_ALWAYS = (
    ("core.hooksPath", "/dev/null"), ("core.fsmonitor", "false"), ("core.pager", "cat"), ("core.editor", "false"),
    ("sequence.editor", "false"), ("core.fsync", "committed"), ("gc.auto", "0"), ("maintenance.auto", "false"),
    ("commit.gpgSign", "false"), ("tag.gpgSign", "false"), ("protocol.ext.allow", "never"),
    ("submodule.recurse", "false"), ("pack.packSizeLimit", "0"),
)
# What may name a program, and what git does where nothing is named.
_PROGRAMS = (
    (re.compile(r"gpg\.program"), "gpg"),
    (re.compile(r"gpg\.ssh\.program"), "ssh-keygen"),
    (re.compile(r"gpg\.x509\.program"), "gpgsm"),
    (re.compile(r"core\.sshcommand"), "ssh"),
    (re.compile(r"submodule\..*\.update"), "checkout"),
    (re.compile(r"diff\..*\.textconv"), "cat"),
    (re.compile(r"core\.(askpass|alternaterefscommand)|diff\.external|diff\..*\.command|merge\..*\.driver|"
                r"trailer\..*\.(command|cmd)|gpg\.ssh\.defaultkeycommand|uploadpack\.packobjectshook|"
                r"gc\.recentobjectshook|interactive\.difffilter|pager\..*"), ""),
)
# Of these git takes the first value, so that nothing that is said later takes them back.
_LASTING = re.compile(r"remote\..*\.(uploadpack|receivepack|vcs)|core\.gitproxy")
_REMOTE = frozenset({"archive", "clone", "fetch", "fetch-pack", "ls-remote", "pull", "push", "remote", "submodule"})
_PARTIAL = re.compile(r"extensions\.partialclone|remote\..*\.promisor")
_FILTER = re.compile(r"filter\.(.*)\.(clean|smudge|process|required)")
_HELPER = re.compile(r"credential\.(.*\.)?helper")
_DIFFS = frozenset({"diff", "diff-files", "diff-index", "diff-tree", "format-patch", "log", "show"})
_Pairs = list[tuple[str, str]]


class Git:
    def __init__(self, settings: Settings, directory: Path, git_dir: Path | None = None) -> None:
        """`git_dir`: that of the worktree `directory`, where what stands at `.git` in it is not to be trusted."""
        if not settings.git:
            raise Unavailable("git is not installed", fix="install git 2.34 or newer")
        self._settings = settings
        self._directory = directory
        self._place = [f"--git-dir={git_dir}", f"--work-tree={directory}"] if git_dir else []

    def run(self, *args: str, input: bytes | None = None, index: Path | None = None) -> bytes:
        """What git prints. Raises Unavailable with git's words on stderr.

        `index` stands in for the worktree's own; objects made with it are the caller's to make durable.
        """
        if args[0] in _DIFFS:
            args = (args[0], "--no-ext-diff", "--no-textconv", *args[1:])
        always = (*_ALWAYS, ("core.fsync", "none")) if index else _ALWAYS
        return self._answer(args, [*always, *self._overrides(args[0])], input, index)

    def _overrides(self, verb: str) -> _Pairs:
        """Takes back what the repository's configuration, or a file that it includes, says about programs."""
        listed = self._answer(("config", "--list", "--includes", "--show-scope", "-z"), (), None)
        fields = listed.decode("utf-8", "surrogateescape").split("\0")[:-1]
        pairs = [item.partition("\n")[::2] for item in fields[1::2]]
        inner = [pair for scope, pair in zip(fields[::2], pairs, strict=True) if scope in ("local", "worktree")]
        outer = [pair for scope, pair in zip(fields[::2], pairs, strict=True) if scope not in ("local", "worktree")]
        _refuse_lasting(verb, [name for name, _ in inner])
        found = [(name, "false" if name.endswith("required") else "") for name, _ in pairs if _FILTER.fullmatch(name)]
        usual = dict(outer)
        for pattern, instead in _PROGRAMS:
            found += [(name, usual.get(name, instead)) for name, _ in inner if pattern.fullmatch(name)]
        if any(_HELPER.fullmatch(name) for name, _ in inner):  # a list, which an empty value clears
            found += [("credential.helper", ""), *(pair for pair in outer if _HELPER.fullmatch(pair[0]))]
        return found

    def _answer(self, args: Sequence[str], overrides: Sequence[tuple[str, str]], input: bytes | None,
                index: Path | None = None) -> bytes:
        environ = {**self._settings.environ, **_as_environ(overrides)}
        if index is not None:
            environ["GIT_INDEX_FILE"] = str(index)
        forget = [part for name in unwanted_names(environ) for part in ("-u", name)]
        command = [_ENV, *forget, self._settings.git, "--no-replace-objects", "--no-pager", *self._place, *args]
        with tempfile.TemporaryFile() as stdin:
            stdin.write(input or b"")
            stdin.seek(0)
            try:
                status, out, err = Command(str(self._directory)).execute(
                    command, istream=stdin, env=environ, shell=False, with_extended_output=True, with_exceptions=False,
                    stdout_as_string=False, strip_newline_in_stdout=False)
            except (GitCommandNotFound, OSError) as error:
                raise Unavailable(f"'{self._settings.git}' cannot be run", fix="git --version") from error
        if status:
            raise _failure(args, str(err))
        return bytes(out)

    def worktree_add(self, path: Path, commit: str) -> None:
        """A new worktree with HEAD detached at `commit`; no filter runs: LFS pointers stay pointers."""
        self.run("worktree", "add", "--detach", "--quiet", str(path), commit)

    def worktree_remove(self, path: Path) -> None:
        """Removes the folder with all that is in it, and its record."""
        self.run("worktree", "remove", "--force", "--force", str(path))

    def version(self) -> tuple[int, ...]:
        text = self._answer(("version",), (), None).decode()
        return tuple(int(number) for number in re.findall(r"\d+", text.split()[2])[:3])


def _refuse_lasting(verb: str, names: Sequence[str]) -> None:
    """A partial clone fetches what it lacks in the middle of any command."""
    lasting = next((name for name in names if _LASTING.fullmatch(name)), None)
    if lasting and verb != "config" and (verb in _REMOTE or any(_PARTIAL.fullmatch(name) for name in names)):
        raise Unavailable(f"the repository's configuration names a program in '{lasting}'",
                          fix=f"git config --unset-all '{lasting}', and set it with --global if you need it")


def _as_environ(overrides: Sequence[tuple[str, str]]) -> dict[str, str]:
    """As `-c name=value` would, for names with any character."""
    environ = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_COUNT": str(len(overrides))}
    for number, (name, value) in enumerate(overrides):
        environ |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return environ


def _failure(args: Sequence[str], said: str) -> Unavailable | NotFound:
    if args[0] == "config" and not said:
        return NotFound(f"git config has no '{args[-1]}'")
    first = said.strip().partition("\n")[0] or "no reason given"
    verb = next(arg for arg in args if not arg.startswith("-"))
    if "dubious ownership" in said:
        return Unavailable("the repository belongs to another user", fix=said.strip().rpartition("\n")[2].strip())
    return Unavailable(f"git {verb} failed: {first}", fix=f"git {' '.join(args)}", details={"stderr": said[-4000:]})
