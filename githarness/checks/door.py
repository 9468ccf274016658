"""What the hooks' console scripts share: options, printing, exit codes. A check that cannot be made refuses.

    0 nothing found but warnings   1 an error was found   2 the call is off   3 it could not be checked, and why

Whatever goes wrong inside ends in 3 with one line and a fix, never in a traceback. Findings are printed on stdout, as
`githarness skills check` prints them, or as a table in markdown; a check that fails ends with their sum on stderr.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from githarness import __version__
from githarness.canon import Json, printable
from githarness.checks import scope as scopes
from githarness.checks.scope import Scope
from githarness.errors import HarnessError, Internal, Interrupted, Usage
from githarness.skills import report
from githarness.skills.model import SEVERITIES, Finding, Severity

if TYPE_CHECKING:
    import argparse

FORMATS = ("text", "json", "github", "sarif", "markdown")
_MOST_ROWS = 200  # of a table: GitHub shows no summary above 1 MiB


class Options:
    """What the command line says, of all scripts together."""

    def __init__(self, files: Sequence[str] = ()) -> None:
        self.files = files
        self.staged = False
        self.since: str | None = None
        self.format = "text"
        self.profile: Sequence[str] | None = None
        self.message: str | None = None
        self.range: str | None = None
        self.widening: Severity = "warning"


class Parser:
    """The options of one script; `about` is the first line of its module, `` `NAME`: WHAT ``.

    Names alone, which is what a hook gets, are read without argparse: to load it and to make its parser takes longer
    than to judge a file.
    """

    def __init__(self, name: str, about: str | None, *, files: bool = True) -> None:
        self.prog = name
        self._about = about or ""
        self._files = files
        self._more: list[Callable[[argparse.ArgumentParser], object]] = []

    def add(self, more: Callable[[argparse.ArgumentParser], object]) -> None:
        """An argument of the script's own, which `more` adds to its parser."""
        self._more.append(more)

    def parse(self, argv: Sequence[str] | None) -> Options:
        words = sys.argv[1:] if argv is None else argv
        if self._files and not any(word.startswith("-") for word in words):
            return Options(words)
        return self._parser().parse_args(words, Options())

    def _parser(self) -> argparse.ArgumentParser:
        import argparse

        what = self._about.partition("\n")[0].partition(": ")[2]
        made = argparse.ArgumentParser(prog=self.prog, description=what[:1].upper() + what[1:], allow_abbrev=False)
        if self._files:
            made.add_argument("files", nargs="*", metavar="FILE", help="what changed, as pre-commit passes it")
            made.add_argument("--staged", action="store_true", help="what the next commit changes, as it is staged")
        made.add_argument("--since", metavar="REV",
                          help="what changed from REV to HEAD, as committed; an empty REV: all")
        made.add_argument("--format", choices=FORMATS, default="text", help="how to print what is found")
        for more in self._more:
            more(made)
        return made


def run(asked: Parser, check: Callable[[Options], Iterable[Finding]], argv: Sequence[str] | None) -> int:
    """The exit code. Without `argv` this is all that the process does."""
    options = asked.parse(argv)
    if argv is None:
        gc.freeze()  # what start-up made is not looked through for garbage any more, also not when the process ends
    try:
        findings = list(check(options))
        _print(_shown(findings, options.format))
        failed = any(finding.severity == "error" for finding in findings)
        if failed:
            files = len({finding.path for finding in findings})
            sys.stderr.write(f"{asked.prog}: {report.counts(findings)} in {files} file{'s' * (files != 1)}\n")
        return int(failed)
    except HarnessError as error:
        problem = error
    except KeyboardInterrupt:
        problem = Interrupted("interrupted")
    except Exception as error:
        problem = Internal(f"internal error: {type(error).__name__}: {error}",
                           fix="report it with the files that were named")
    sys.stderr.write(printable(f"error: {asked.prog} could not check: {problem.message}".replace("\n", " ")) + "\n")
    sys.stderr.write(printable(f"hint: {problem.fix}") + "\n")
    return problem.exit_code if isinstance(problem, Usage | Interrupted) else 3


def scope(options: Options) -> Scope:
    """What the options name. Raises Usage for two ways at once."""
    if (options.since is not None) + options.staged + bool(options.files) > 1:
        raise Usage("files, --staged and --since are three ways to say what is checked", fix="use one of them")
    if options.since is None and not options.staged:
        return scopes.named(options.files)
    from githarness.checks import revisions  # libgit2 is loaded only where git's history is asked

    return revisions.staged() if options.since is None else revisions.since(options.since)


def _shown(findings: Sequence[Finding], form: str) -> str:
    if form == "json":
        return json.dumps({"items": [report.item(finding) for finding in findings]}, indent=2)
    if form == "sarif":
        return json.dumps(_sarif(findings), indent=2)
    if form == "markdown":
        return _table(findings)
    line = report.github if form == "github" else report.text
    return "\n".join(line(finding) for finding in findings)


def _sarif(findings: Sequence[Finding]) -> dict[str, Json]:
    from githarness.skills import catalogue  # every gate, for the names of the rules

    return report.sarif(findings, catalogue.GATES, title=catalogue.title, explanation=catalogue.explanation,
                        version=__version__)


def _table(findings: Sequence[Finding]) -> str:
    counts = [f"{sum(each.severity == severity for each in findings)} {severity}" for severity in SEVERITIES]
    rows = [f"| {finding.gate} | {finding.severity} | {_code(f'{finding.path}:{finding.line}')} "
            f"| {_code(finding.message)} |" for finding in findings[:_MOST_ROWS]]
    head = ["| gate | severity | where | what |", "|---|---|---|---|"] if rows else []
    more = [f"\n{len(findings) - len(rows)} more are not shown."] if len(findings) > len(rows) else []
    return "\n".join([f"### githarness: {', '.join(counts)}\n", *head, *rows, *more])


def _code(text: str) -> str:
    """Text that no reader of markdown takes for markup."""
    return "`" + printable(" ".join(text.split())).replace("`", "'").replace("|", "\\|") + "`"


def _print(text: str) -> None:
    """UTF-8 whatever the locale says; what goes wrong with it is seen here, not at exit."""
    if text:
        try:
            sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")
            sys.stdout.buffer.flush()
        except OSError:
            sys.stdout = None  # at exit Python would flush it again, and end with 120
            raise
