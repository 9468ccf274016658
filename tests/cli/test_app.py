"""The command line as a whole: help, completion, usage errors, and what it does not import."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from githarness.cli.app import COMMANDS, command_line


def test_help_lists_every_command_of_the_table(cli) -> None:
    """`--help` prints each command with its line, on stdout, in sections."""
    done = cli("--help")
    assert (done.code, done.err) == (0, "")
    for name, row in COMMANDS.items():
        assert f"\n  {name} " in done.out
        assert f"\n{row.section}:\n" in done.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_row_of_the_table_leads_to_a_command(name: str) -> None:
    """No row names a module or attribute that is not there."""
    module, _, attribute = COMMANDS[name].target.partition(":")
    assert callable(getattr(import_module(f"githarness.cli.{module}"), attribute))


def test_no_command_prints_the_help(cli) -> None:
    """The bare command shows what there is."""
    assert cli().out == cli("--help").out


@pytest.mark.parametrize("name", ["agent", "human", "audit", "runs", "index", "hook"])
def test_a_group_without_a_subcommand_prints_its_help(cli, name: str) -> None:
    """On stderr, with exit 2; as JSON it is an error like any other."""
    done, document = cli(name), cli(name, "--json")
    assert (done.code, done.out, done.err) == (2, "", cli(name, "--help").out)
    assert (document.code, document.json["error"]["fix"]) == (2, f"githarness {name} --help")


@pytest.mark.parametrize("name", ["grants", "held"])
def test_a_group_that_lists_needs_no_subcommand(cli, fleet, name: str) -> None:
    """As `git branch` does; where there is nothing, stderr says so."""
    told, document = cli(name, cwd=fleet), cli(name, "--json", cwd=fleet)
    assert (told.code, told.out, bool(told.err)) == (0, "", True)
    assert document.json == {"items": []}


def test_the_help_of_a_group_cuts_no_sentence(cli) -> None:
    """Click alone ends them after 45 characters."""
    assert "..." not in cli("agent", "--help").out.partition("Commands:")[2]


@pytest.mark.parametrize(
    ("argv", "message", "fix"),
    [
        (["lgo"], "there is no command 'lgo'", "githarness log"),
        (["frobnicate"], "there is no command 'frobnicate'", "githarness --help"),
        (["read"], "missing argument 'PATH'", "githarness read --help"),
        (["install"], "missing argument 'TARGET'. Choose from: github, gitlab, pre-commit, systemd",
         "githarness install --help"),
        (["log", "--xyz"], "no such option: --xyz", "githarness log --help"),
        (["-C"], "option '-C' requires an argument", "githarness --help"),
        (["vault", "set", "a/b", "typed"], "the content is no argument: it is read from stdin",
         "githarness vault set … < FILE"),
        (["log", "docs"], "got unexpected extra argument(s) (docs)", "githarness log --path GLOB"),
        (["run", "sh", "-c", "x"], "no such option: -c", "githarness run … -- CMD; githarness run --help"),
        (["log", "-n", "x"], "invalid value for '-n': 'x' is not a whole number from 0 on", "githarness log --help"),
        (["runs", "list", "-n", "0"], "invalid value for '-n': 0 is not a whole number from 1 on",
         "githarness runs list --help"),
        (["demo", "--agents", "-1"], "invalid value for '--agents': -1 is not a whole number from 1 to 99",
         "githarness demo --help"),
    ],
)
def test_wrong_usage_has_our_error_shape(cli, argv: list[str], message: str, fix: str) -> None:
    """Whatever the parser refuses is exit 2, `usage`, with what to type; as text and JSON; no secret is repeated."""
    told, document = cli(*argv), cli("--json", *argv)
    assert (told.code, told.out, told.err) == (2, "", f"error: {message}\nhint: {fix}\n")
    assert document.code == 2
    assert document.json == {"error": {"code": "usage", "message": message, "fix": fix, "details": {}}}


def test_help_of_a_command_is_text_also_with_json(cli) -> None:
    """As git does; the group's and the command's."""
    for argv in (["log"], ["agent"], ["agent", "add"]):
        done = cli("--json", *argv, "--help")
        assert (done.code, done.out, done.err) == (0, cli(*argv, "--help").out, "")


def test_a_folder_that_is_not_there_is_named(cli, tmp_path) -> None:
    """Not the repository is missing: `-C` is wrong."""
    done = cli("-C", tmp_path / "nowhere", "log")
    assert (done.code, done.err.splitlines()[0]) == (14, f"error: there is no folder '{tmp_path / 'nowhere'}'")


def test_version_as_text_and_as_json(cli) -> None:
    """`--version` prints the package's version."""
    text = cli("--version").out
    assert text == f"githarness {cli('--version', '--json').json['version']}\n"


def test_outside_a_repository_is_not_found(cli, tmp_path) -> None:
    """`-C` leads to a folder that is no repository: exit 14 and one JSON document."""
    done = cli("-C", tmp_path, "log", "--json")
    assert (done.code, done.json["error"]["code"]) == (14, "not-found")


@pytest.mark.parametrize("name", ["write", "log", "read", "run"])
def test_completion_knows_agents(cli, fleet, name: str) -> None:
    """By their identity files, also of another folder's repository; outside of one there is none."""
    line = f"githarness {name} --agent "
    ask = {"_GITHARNESS_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": "3"}
    assert cli(cwd=fleet, **ask).out.split() == ["deployer", "scribe"]
    assert cli(cwd=fleet, **ask | {"COMP_WORDS": line + "s"}).out.split() == ["scribe"]
    elsewhere = {"COMP_WORDS": f"githarness -C {fleet} {name} --agent ", "COMP_CWORD": "5"}
    assert cli(cwd=fleet.parent, **ask | elsewhere).out.split() == ["deployer", "scribe"]
    assert cli(cwd=fleet.parent, **ask).out.split() == []


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("githarness ap", ["append", "apply", "approve"]),
        ("githarness --q", ["--quiet"]),
        ("githarness log --si", ["--since"]),
        ("githarness index re", ["rebuild"]),
    ],
)
def test_completion_knows_commands_and_options(cli, line: str, completed: list[str]) -> None:
    """The shell completes names of commands, subcommands and options."""
    words = str(len(line.split()) - 1)
    done = cli(_GITHARNESS_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=words)
    assert done.out.split() == completed


def test_completion_script_is_shell() -> None:
    """`--show-completion` prints a script for the shell that it is typed in."""
    typed = f"'{sys.executable}' -m githarness --show-completion; true"
    done = subprocess.run(["bash", "-c", typed], capture_output=True, text=True, check=False)
    assert "complete -o default -F" in done.stdout, done.stderr


def test_every_command_has_help_and_an_example(cli) -> None:
    """Help of a command says what it does and shows one call."""
    for name, row in COMMANDS.items():
        if not row.target.endswith(":app"):
            help_text = " ".join(cli(name, "--help").out.split())
            assert re.search(rf"Example: .*githarness {name}\b", help_text), name


def numbers(one: Any) -> Iterator[tuple[str, Any]]:
    """Every parameter of a command, and of those below it, that is a number."""
    yield from ((f"{one.name} {param.name}", param.type) for param in one.params
                if param.type.name.startswith(("int", "float")))
    for below in getattr(one, "commands", {}).values():
        yield from numbers(below)


def test_every_number_has_a_range() -> None:
    """So that what is refused says what is taken; `_usage` counts on it."""
    line: Any = command_line()
    found = [number for name in COMMANDS for number in numbers(line.get_command(None, name))]
    assert len(found) > 20 and [name for name, kind in found if not hasattr(kind, "min") or kind.min is None] == []
