"""Generated pages are what their sources say, and nothing that users meet is left undocumented."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from githarness.cli.app import COMMANDS
from githarness.policy import roles
from githarness.store import schema

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
DESIGN = (ROOT / "docs" / "design.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SOURCES = {path: path.read_text() for path in sorted((ROOT / "githarness").rglob("*.py"))}


def _in_sources(pattern: str, folder: str = "") -> set[str]:
    return {found for path, text in SOURCES.items()
            if path.is_relative_to(ROOT / "githarness" / folder) and path.parent.name != "demo"
            for found in re.findall(pattern, text)}


def _row(first: str) -> str:
    """The row of a table in docs/design.md that is about `first`."""
    rows = [line for line in DESIGN.splitlines() if line.startswith("|") and f"`{first}`" in line.split("|")[1]]
    assert rows, f"docs/design.md has no row about '{first}'"
    return rows[0]


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_commands_is_up_to_date() -> None:
    """docs/cli.md is the help of every command; `make docs` writes it."""
    assert (ROOT / "docs" / "cli.md").read_text() == _script("generate").cli_page()


def test_pages_are_generated_from_this_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python docs/generate.py` takes the package beside it, installed or not."""
    monkeypatch.delenv("PYTHONPATH")
    script = str(ROOT / "docs" / "generate.py")
    code = f"import runpy; print(runpy.run_path({script!r})['command_line'].__code__.co_filename)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(ROOT / "githarness" / "cli" / "app.py")


def test_the_page_of_gates_is_up_to_date() -> None:
    """docs/gates.md is what the gates and their examples say; `make docs` writes it."""
    assert (ROOT / "docs" / "gates.md").read_text() == _script("generate").gates_page.page()


def test_the_hooks_are_those_of_the_catalogue() -> None:
    """`make docs` writes the manifest and the template; each hook is a console script with a row in docs/checks.md."""
    catalogue, page = _script("hooks_catalogue"), (ROOT / "docs" / "checks.md").read_text()
    assert catalogue.MANIFEST.read_text() == catalogue.manifest()
    assert catalogue.TEMPLATE.read_text() == catalogue.template()
    ids = {hook.id for hook in catalogue.HOOKS}
    others = {"githarness-ci", "githarness-hook", "git-credential-githarness"}
    assert ids | others == PROJECT["project"]["scripts"].keys() - {"githarness"}
    assert [name for name in sorted(ids) if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example(name: str) -> None:
    """Each command, or each of its subcommands, has one call to copy."""
    page = (ROOT / "docs" / "cli.md").read_text()
    heads = (f"githarness {name}\n", f"githarness {name} ")
    sections = [part for part in page.split("\n## ") if part.startswith(heads)]
    for section in sections if len(sections) == 1 else sections[1:]:
        title = section.partition("\n")[0]
        assert "Example:" in section and title in section.partition("Example:")[2].replace("\n  ", " "), title


def test_the_readme_shows_the_numbers() -> None:
    """The table of docs/numbers.md stands in the README; `make docs` puts it there."""
    assert _script("generate").readme() == README and "| githarness |" in README


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_names_every_command(name: str) -> None:
    """The overview leaves no command out."""
    assert f"`{name}`" in README.partition("## Commands")[2].partition("\n## ")[0]


def test_every_table_of_the_database_is_described() -> None:
    """docs/design.md has a row for each table, with each of its columns."""
    for statement in (one for migration in schema.MIGRATIONS for one in migration if one.startswith("CREATE TABLE")):
        name, columns = re.match(r"CREATE TABLE (\w+) \((.*)\)", statement, re.DOTALL).groups()
        row = _row(name)
        missing = [column for column in re.findall(r"(?:^|,)\s*([a-z_]+)\b", columns) if f"`{column}`" not in row]
        assert missing == [], name


@pytest.mark.parametrize("name", ["config", "agent", "human", "grant", "log"])
def test_every_schema_and_its_keys_are_described(name: str) -> None:
    """docs/design.md links each schema of a file and names each of its keys."""
    table = json.loads((ROOT / "schemas" / f"{name}.schema.json").read_text())
    keys = {*table["properties"], *(table.get("$defs", {}).get("keys", {}).get("items", {}).get("properties", {}))}
    assert f"../schemas/{name}.schema.json" in DESIGN
    assert [key for key in sorted(keys) if f"`{key}`" not in DESIGN] == []


def test_every_schema_is_linked() -> None:
    """No schema is known to the package alone."""
    pages = DESIGN + (ROOT / "docs" / "errors.md").read_text() + (ROOT / "docs" / "protocol.md").read_text()
    assert [path.name for path in (ROOT / "schemas").glob("*.json") if path.name not in pages] == []


def test_every_variable_of_the_environment_is_described() -> None:
    """What the package looks up in the environment stands in docs/design.md."""
    read = _in_sources(r"environ\.get\(\"([A-Z_]+)\"") | _in_sources(r"env(?:\.get\(|\[)\"([A-Z_]+)\"")
    read |= _in_sources(r"\"([A-Z_]+)\" (?:not )?in env\b")
    assert {"GITHARNESS_RUN", "NO_COLOR"} <= read
    assert [name for name in sorted(read - {"PATH", "_GITHARNESS_COMPLETE"}) if name not in DESIGN] == []


def test_every_trailer_is_described() -> None:
    """A trailer that the package writes has its row."""
    written = _in_sources(r"\(\"([A-Z][A-Za-z]+(?:-[A-Za-z]+)*)\", ", "work")
    assert {"Agent", "Rolls-Back", "Held", "Operation"} <= written
    for name in written:
        _row(name)


def test_every_file_of_the_home_folder_is_described() -> None:
    """What the package keeps beside git has its row."""
    kept = _in_sources(r"(?:repo|self)\.home / \"([a-z.-]+)\"") | {"runs/ID/"}
    assert "lane.lock" in kept
    assert [name for name in sorted(kept) if f"`{name}`" not in DESIGN] == []


def test_every_ref_is_described() -> None:
    """Refs of ours have their row."""
    for name in _in_sources(r"refs/githarness/([a-z]+)/"):
        _row(f"refs/githarness/{name}/ID")


def test_every_protected_path_is_described() -> None:
    """What no agent may change is named."""
    assert [name for name in sorted(roles._AT_TOP | roles._IN_EVERY_FOLDER) if f"`{name}`" not in DESIGN] == []


def test_every_dependency_says_what_it_serves() -> None:
    """Each package of pyproject.toml has its row."""
    for wanted in PROJECT["project"]["dependencies"]:
        _row(re.split(r"[<>=~,]", wanted)[0].lower())


def test_the_floors_are_drawn_as_they_are_held() -> None:
    """The drawing names what exists of import-linter's layers, floor by floor."""
    drawn = [line.split("  ")[0] for line in DESIGN.partition("```text\n")[2].partition("```")[0].splitlines()]
    layers = next(one["layers"] for one in PROJECT["tool"]["importlinter"]["contracts"] if one["id"] == "floors")
    named = [[name.strip("() ") for name in layer.split("|")] for layer in layers]
    there = [{name for name in floor if (ROOT / "githarness" / name).exists()
              or (ROOT / "githarness" / f"{name}.py").exists()} for floor in named]
    assert [set(floor.replace(" ", "").split("|")) for floor in drawn] == there[1:]


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page is a file that is there."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


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
        assert all(use.startswith("./ ") or len(use.partition("@")[2].split(" ")[0]) == 40 for use in uses)
        assert not any("pull_request_target" in line for line in lines)


ATTACKS = (ROOT / "docs" / "attacks.md").read_text()
# The numbers of the catalogue of attacks on governance; those that are missing were never given.
GOVERNANCE = """01 02 03 04 05 06 08 09 10 11 13 14 16 18 20 21 23 24 25 27 28 30 31 32 35 36 37 38 39 40 42 43 45 46 47
    48 49 50 51 52 53 55 56 57 58 59 61 63 64 65 66 68 69 72 73 74 75 76 77 78 80 81 82 84 86 87 88 89 91 93 94"""


def _rows_of_attacks() -> dict[str, str]:
    """What is said of each case."""
    rows = [line.split("|") for line in ATTACKS.splitlines() if re.match(r"\| [GIV]\d\d", line)]
    return {case: row[3] for row in rows for case in row[1].split()}


# The same of the attacks on the vault.
VAULT = "01 02 03 05 06 08 10 11 13 15 16 17 18 19 20 21 22 23 25 26 27 28 30 32 33 35 36 38 39 40 41 42 44 45 47 48"


@pytest.mark.parametrize("case", [*(f"G{n}" for n in GOVERNANCE.split()), *(f"V{n}" for n in VAULT.split())])
def test_every_attack_has_its_test(case: str) -> None:
    """A row names a test, says why the case does not apply, or what it waits for."""
    said = _rows_of_attacks()[case]
    assert re.search(r"`[\w/]+\.py(?:::\w+)?`", said) or re.search(r"\bwaits? for\b|\bdoes not apply\b", said)


@pytest.mark.parametrize("page", ["attacks", "controls"])
def test_named_tests_exist(page: str) -> None:
    """Every `folder/test_file.py::test_name` of the page is one."""
    named = re.findall(r"`((?:[\w]+/)*test_\w+\.py)(?:::(\w+))?`", (ROOT / "docs" / f"{page}.md").read_text())
    assert len(named) > 20
    files = {file: (ROOT / "tests" / file) for file, _ in named}
    assert [file for file, path in files.items() if not path.is_file()] == []
    assert [f"{file}::{test}" for file, test in named if test and f"\ndef {test}(" not in files[file].read_text()] == []
