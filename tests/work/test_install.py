"""`githarness install`: integration files are written and taken away byte for byte, and nobody else's are touched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from githarness.errors import Usage
from githarness.work import install

CONFIG = """\
# ours
default_stages: [pre-commit]
repos:   # all of them

  # local first
{0}- repo: local
{0}  hooks:
{0}    - {{id: x, name: x, entry: 'true', language: system}}

exclude: ^vendored/  # no end of line follows"""


def _files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*"))
            if path.is_file() and ".git" not in path.relative_to(root).parts}


@pytest.mark.parametrize(("target", "path"), [("github", ".github/workflows/githarness.yml"),
                                              ("gitlab", ".gitlab/githarness.yml"),
                                              ("pre-commit", ".pre-commit-config.yaml")])
def test_written_and_removed(cli, repo: Path, target: str, path: str) -> None:
    """One file comes, a second time changes nothing, and it goes with the folders that were made for it."""
    before = _files(repo)
    head, *diff = cli("install", target, "--dry-run", cwd=repo).out.splitlines()
    assert head == f"would be written: {path}" and diff[:2] == ["--- /dev/null", f"+++ b/{path}"]
    assert _files(repo) == before
    done = cli("install", target, "--json", cwd=repo)
    assert done.json == {"target": target, "changed": True, "files": [{"path": path, "action": "written"}]}
    assert _files(repo).keys() - before.keys() == {path}
    assert [line[1:] for line in diff[3:]] == (repo / path).read_text().splitlines()
    assert cli("install", target, cwd=repo).out == f"unchanged: {path}\n"
    assert cli("install", target, "--remove", cwd=repo).out == f"removed: {path}\n"
    assert _files(repo) == before and not (repo / path.split("/")[0]).exists()
    assert cli("install", target, "--remove", cwd=repo).out == f"unchanged: {path}\n"


@pytest.mark.parametrize("indent", ["", "  ", "    "])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_configuration_keeps_every_other_byte(cli, repo: Path, indent: str, ends: str) -> None:
    """Our entry is the first of the list, whatever surrounds it; without it the file is what it was."""
    place, text = repo / ".pre-commit-config.yaml", CONFIG.format(indent).replace("\n", ends).encode() + b" \xff"
    place.write_bytes(text)
    place.chmod(0o640)
    assert cli("install", "pre-commit", cwd=repo).out == "changed: .pre-commit-config.yaml\n"
    inside = place.read_bytes()
    head = inside.index(b"repos:")
    assert inside.startswith(text[:head]) and inside.endswith(text[text.index(b"exclude:"):]) and inside != text
    assert inside.count(b"\r\n") == (inside.count(b"\n") if ends == "\r\n" else 0)
    assert cli("install", "pre-commit", "--remove", cwd=repo).code == 0
    assert (place.read_bytes(), place.stat().st_mode & 0o777) == (text, 0o640)


def test_pre_commit_takes_the_configuration(cli, repo: Path) -> None:
    """Both a new one and one with entries are valid."""
    place = repo / ".pre-commit-config.yaml"
    for text in (None, CONFIG.format("  ") + "\n"):
        if text:
            place.write_text(text)
        assert cli("install", "pre-commit", cwd=repo).code == 0
        command = [sys.executable, "-m", "pre_commit", "validate-config", place]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
        place.unlink()


@pytest.mark.parametrize("target", ["github", "gitlab"])
def test_what_somebody_else_wrote_stays(cli, repo: Path, target: str) -> None:
    """A file that was there, one edited since, and a link are refused both ways, with the fix."""
    assert cli("install", target, cwd=repo).code == 0
    place = next(path for path in (repo / f".{target}").rglob("*.yml"))
    for text in (place.read_text() + "# edited\n", "name: mine\n"):
        place.write_text(text)
        for args in ((), ("--remove",)):
            done = cli("install", target, *args, cwd=repo)
            assert (done.code, "hint: move it away" in done.err, place.read_text()) == (11, True, text)


@pytest.mark.parametrize("place", [".github", ".github/workflows", ".github/workflows/githarness.yml"])
@pytest.mark.parametrize("args", [(), ("--remove",)])
def test_nothing_is_written_through_a_link(cli, repo: Path, tmp_path: Path, place: str, args: tuple[str, ...]) -> None:
    """A linked folder and a linked file, also one that leads nowhere yet, are refused by name with the fix."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (repo / place).parent.mkdir(parents=True, exist_ok=True)
    (repo / place).symlink_to(outside / "new.yml" if place.endswith("yml") else outside)
    done = cli("install", "github", *args, cwd=repo)
    assert done.code == 11 and f"error: '{place}' is a link to" in done.err and "hint: move it away" in done.err
    assert not list(outside.iterdir())


@pytest.mark.parametrize(("above", "text"), [("", "# mine\n"), ("# above\n", "# mine, and no end of line"),
                                             ("# above\n", "- repo: local\n  hooks: []\n")])
def test_a_second_time_changes_nothing_whatever_surrounds_ours(cli, repo: Path, above: str, text: str) -> None:
    """What was added above and below our entry stays where it is; taken away, no empty list is left behind."""
    cli("install", "pre-commit", cwd=repo)
    place = repo / ".pre-commit-config.yaml"
    place.write_text(added := place.read_text().replace("repos:\n", f"repos:\n{above}") + text)
    assert cli("install", "pre-commit", cwd=repo).out == "unchanged: .pre-commit-config.yaml\n"
    assert place.read_text() == added
    assert cli("install", "pre-commit", "--remove", cwd=repo).code == 0
    left = place.read_text() if place.exists() else ""
    assert left == (ONLY_A_HEAD if text.startswith("-") else "") + above + text


def test_an_edited_entry_stays(cli, repo: Path) -> None:
    """Whoever changed a line of ours has to take it out."""
    cli("install", "pre-commit", cwd=repo)
    place = repo / ".pre-commit-config.yaml"
    place.write_text(edited := place.read_text().replace("require_serial: true", "require_serial: false"))
    for args in ((), ("--remove",)):
        assert cli("install", "pre-commit", *args, cwd=repo).code == 11
    assert place.read_text() == edited


ONLY_A_HEAD = "default_install_hook_types: [pre-commit, commit-msg]\nrepos:\n"


@pytest.mark.parametrize("text", ["repos: []\n", ONLY_A_HEAD, "{repos: [{repo: local}]}\n", "", "repos:\n", "x: 1\n"])
def test_an_unusual_configuration_is_refused(cli, repo: Path, text: str) -> None:
    """What has no list of lines is not guessed at."""
    (repo / ".pre-commit-config.yaml").write_text(text)
    done = cli("install", "pre-commit", cwd=repo)
    assert (done.code, (repo / ".pre-commit-config.yaml").read_text()) == (11, text)
    assert cli("install", "pre-commit", "--remove", cwd=repo).out == "unchanged: .pre-commit-config.yaml\n"
    assert (repo / ".pre-commit-config.yaml").read_text() == text


def test_an_older_version_is_replaced(cli, repo: Path) -> None:
    """What an earlier githarness wrote, and nobody edited, becomes what this one writes."""
    place = repo / ".github/workflows/githarness.yml"
    place.parent.mkdir(parents=True)
    place.write_text(install._sealed("github", "name: old\n"))
    assert cli("install", "github", cwd=repo).out == "changed: .github/workflows/githarness.yml\n"
    assert "name: old" not in place.read_text()


def test_a_bare_repository_has_no_place(cli, make_repo) -> None:
    """There is no working tree to write into."""
    assert cli("install", "github", cwd=make_repo(bare=True)).code == 2


PIN = "git+https://git.example.org/githarness@" + "0a1b2c3d" * 5


def test_another_source_is_written_instead(cli, repo: Path) -> None:
    """What pip takes, said again in the message; with it a second time changes nothing."""
    for target, path in (("github", ".github/workflows/githarness.yml"), ("pre-commit", ".pre-commit-config.yaml")):
        done = cli("install", target, "--from", PIN, cwd=repo)
        assert (done.code, f"it installs '{PIN}'\n" in done.err, "note:" in done.err) == (0, True, False)
        assert f'"{PIN}"' in (repo / path).read_text()
        assert cli("install", target, "--from", PIN, cwd=repo).out == f"unchanged: {path}\n"
    assert "names no commit" in cli("install", "gitlab", "--from", PIN.replace("0a", "v1"), cwd=repo).err


@pytest.mark.parametrize("text", ["githarness==1.2", "githarness[x]>=1,<2", "githarness @ " + PIN,
                                  PIN + "#subdirectory=p", "./wheels/githarness-1.0-py3-none-any.whl"])
def test_what_pip_takes_is_a_source(text: str) -> None:
    """Names with versions, addresses, files."""
    assert install.source(text) == text


@pytest.mark.parametrize("text", ["", "a\nb", "a\n", 'a" b', "a; b", "a b", "$(a)", "`a`", "a|b", "a&b",
                                  "-r x", "--pre", "-r @ x", "${{ github.token }}", "a: b", "a #b", "a\\",
                                  "'a'", "\u00e4", "a @ b @ c", "a" * 999])
def test_what_a_shell_could_take_for_more_is_no_source(text: str) -> None:
    """One line, no quotes, no marks, no option."""
    with pytest.raises(Usage, match="nothing that pip takes"):
        install.source(text)


def test_a_source_for_what_is_taken_away(cli, repo: Path) -> None:
    """Is a wrong call."""
    assert cli("install", "github", "--from", PIN, "--remove", cwd=repo).code == 2
