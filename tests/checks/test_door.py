"""What all hooks share: exit codes, forms of output, and that whatever goes wrong refuses without a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from githarness.checks import door
from githarness.errors import Integrity
from githarness.skills.model import Finding
from tests.checks.conftest import bad

EACH = ("skills", "frontmatter", "secrets", "pinned")


def _run(check: object, *argv: str) -> int:
    return door.run(door.Parser("githarness-x", "`githarness-x`: looks."), check, argv)  # type: ignore[arg-type]


def _fail(error: BaseException):
    def check(_: object) -> list[Finding]:
        raise error

    return check


@pytest.mark.parametrize("error", [RuntimeError("odd\nlines"), RecursionError("deep"), MemoryError(), OSError(28, "x")])
def test_a_defect_refuses_in_one_line(error: Exception, capfd) -> None:
    """Exit 3, what went wrong, a hint; no traceback."""
    assert _run(_fail(error)) == 3
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2 and lines[0].startswith("error: githarness-x could not check: internal error: ")
    assert lines[1].startswith("hint: ")


def test_a_failing_check_ends_with_its_sum(capfd) -> None:
    """One line on stderr, whatever the form of the findings."""
    found = [Finding("a.md", 1, "GH010", "error", "m", "f"), Finding("a.md", 2, "GH021", "warning", "m", "f")]
    for form in door.FORMATS:
        assert _run(lambda _: [*found, found[0]._replace(path="b.md")], "--format", form) == 1
        assert capfd.readouterr().err == "githarness-x: 2 errors, 1 warning in 2 files\n"


def test_what_cannot_be_read_refuses(capfd) -> None:
    """Any of our errors is 3 for a hook, whatever the command line would say."""
    assert _run(_fail(Integrity("'x' is broken", fix="mend it"))) == 3
    assert capfd.readouterr().err == "error: githarness-x could not check: 'x' is broken\nhint: mend it\n"


def test_warnings_pass(capfd) -> None:
    """They are printed, and the exit code is 0."""
    found = [Finding("a.md", 1, "GH021", "warning", "is vague", "say when")]
    assert _run(lambda _: found) == 0
    assert capfd.readouterr().out == "a.md:1: GH021 warning: is vague\n    hint: say when\n"


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("args", [["--staged", "--since", "x"], ["README.md", "--staged"], ["absent.md"], ["../x"],
                                  ["skills"], ["--format", "xml"], ["--sta"]])
def test_wrong_calls_are_2(hook, skills: Path, name: str, args: list[str]) -> None:
    """Two ways at once, a file that is not there, one outside, a folder, an unknown form, a cut option."""
    (skills.parent / "x").touch()
    done = hook(name, *args, cwd=skills)
    assert (done.code, done.out, "Traceback" in done.err) == (2, "", False)


@pytest.mark.parametrize("name", EACH)
def test_nothing_named_is_nothing_found(hook, skills: Path, name: str) -> None:
    """Hooks are called without names where none fits."""
    assert hook(name, cwd=skills).code == 0


@pytest.mark.parametrize("name", [*EACH, "attribution", "ci"])
def test_a_shallow_clone_refuses(hook, git, skills: Path, tmp_path: Path, name: str) -> None:
    """What changed cannot be told there: exit 3 and how to get the rest."""
    git(skills, "commit", "-q", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{skills}", tmp_path / "shallow")
    done = hook(name, "--since", "", cwd=tmp_path / "shallow")
    assert (done.code, "this clone is shallow" in done.err, "fetch-depth: 0" in done.err) == (3, True, True)


@pytest.mark.parametrize("name", EACH)
def test_since_a_name_that_is_none_refuses(hook, skills: Path, name: str) -> None:
    """A mistyped branch is no empty range."""
    assert hook(name, "--since", "mian", cwd=skills).code == 3


def test_forms_of_output(hook, skills: Path) -> None:
    """JSON, GitHub's annotations, SARIF and a table of markdown say the same."""
    path = bad(skills)
    said = {form: hook("skills", path, "--format", form, cwd=skills) for form in door.FORMATS}
    assert {done.code for done in said.values()} == {1}
    items = json.loads(said["json"].out)["items"]
    assert items[0]["path"] == path
    assert said["github"].out.startswith(f"::error file={path},line=")
    run = json.loads(said["sarif"].out)["runs"][0]
    assert len(run["results"]) == len(items)
    assert "GH005" in [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert "| GH005 | error | `skills/beta/SKILL.md:4` |" in said["markdown"].out


def test_a_table_takes_no_markup_from_a_file(capfd) -> None:
    """Backticks, bars and line ends of a message cannot leave their cell; a long list is cut with a word."""
    found = [Finding("a|b.md", 1, "GH001", "error", "`<img>`\n| x |", "")] * 300
    assert _run(lambda _: found, "--format", "markdown") == 1
    out = capfd.readouterr().out
    assert r"| GH001 | error | `a\|b.md:1` | `'<img>' \| x \|` |" in out and "100 more are not shown." in out


def test_names_that_are_no_text(hook, git, skills: Path) -> None:
    """A file name that is no UTF-8, with ESC in it, is judged, and printed harmlessly."""
    folder = bytes(skills) + b"/skills/\x1b[31m\xff"
    subprocess.run(["mkdir", folder], check=True)
    (skills / "skills/beta/SKILL.md").rename(Path(folder.decode("utf-8", "surrogateescape")) / "SKILL.md")
    git(skills, "add", "--all")
    done = hook("skills", "--staged", cwd=skills)
    assert (done.code, "\x1b" in done.out, "\\x1b[31m" in done.out) == (1, False, True)


@pytest.mark.parametrize("where", ["full", "closed"])
def test_a_closed_pipe_is_no_pass(skills: Path, where: str) -> None:
    """Output that went nowhere was seen by nobody, and Python does not flush what is left of it once more at exit."""
    bad(skills)
    # Unbuffered, nothing would be left to flush, and above 8 KiB the buffer is passed by.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full" if where == "full" else _closed(), "wb") as out:
        done = subprocess.run([sys.executable, "-m", "githarness.checks.skills", "skills/beta/SKILL.md"], cwd=skills,
                              env=environ, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr, "Exception ignored" in done.stderr) == (3, False, False)


def _closed() -> int:
    """The end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def test_a_split_index_is_no_wall(hook, git, skills: Path) -> None:
    """What only git can read of the index is left out; the files are judged as they are on disk."""
    git(skills, "update-index", "--split-index")
    assert hook("skills", bad(skills), cwd=skills).code == 1


def test_outside_of_any_repository(hook, tmp_path: Path) -> None:
    """Files are judged all the same."""
    assert hook("skills", bad(tmp_path), cwd=tmp_path).code == 1
