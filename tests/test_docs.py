"""Generated pages are what their sources say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from githarness.cli.app import COMMANDS

ROOT = Path(__file__).resolve().parent.parent


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_commands_is_up_to_date() -> None:
    """docs/cli.md is the help of every command; `make docs` writes it."""
    assert (ROOT / "docs" / "cli.md").read_text() == _script("generate").cli_page()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example(name: str) -> None:
    """Each command, or each of its subcommands, has one call to copy."""
    page = (ROOT / "docs" / "cli.md").read_text()
    heads = (f"githarness {name}\n", f"githarness {name} ")
    sections = [part for part in page.split("\n## ") if part.startswith(heads)]
    for section in sections if len(sections) == 1 else sections[1:]:
        title = section.partition("\n")[0]
        assert "Example:" in section and title in section.partition("Example:")[2].replace("\n  ", " "), title


def test_the_changelog_is_up_to_date() -> None:
    """CHANGELOG.md is what changes/ says; `make changelog` writes it."""
    assert (ROOT / "CHANGELOG.md").read_text() == _script("changelog").changelog()


def test_decisions_are_short_and_numbered() -> None:
    """ADRs have at most 60 lines and a number of their own."""
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [record.name for record in records if len(record.read_text().splitlines()) > 60] == []
    assert len({record.name[:4] for record in records}) == len(records)


def test_workflows_pin_every_action_by_commit() -> None:
    """No tag, no branch, no pull_request_target in .github/workflows."""
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        lines = [line.strip() for line in workflow.read_text().splitlines()]
        uses = [line.partition("uses:")[2].strip() for line in lines if "uses:" in line]
        assert all(len(use.partition("@")[2].split(" ")[0]) == 40 for use in uses)
        assert not any("pull_request_target" in line for line in lines)
