"""githarness-pinned reads YAML as its users do: no way to write a tag gets past it, and each has its line."""

from __future__ import annotations

from pathlib import Path

import pytest

PIN = "0123456789abcdef" * 2 + "01234567"
WORKFLOW = f"""\
x-of: &checkout actions/checkout@v4
jobs:
  reuse:
    uses: o/r/.github/workflows/x.yml@main
  steps:
    steps:
      - uses: *checkout
      - {{name: image, uses: "docker://alpine:3"}}
      - "uses": >-
          a/b@v1
      - ? uses
        : c/d@v2
      - uses: e/f@{PIN[:7]}
      - uses: g/h@{PIN.upper()}
      - uses: i/j
      - uses: k/l@{PIN} # v1
      - uses: k/l/sub/folder@{PIN}
      - uses: docker://alpine@sha256:{"0" * 64}
      - uses: ./local
      - uses: $/local
      - run: "uses: m/n@v1"
"""


def _check(hook, folder: Path, name: str, text: str):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return hook("pinned", name, cwd=folder)


def test_every_way_to_write_a_tag(hook, tmp_path: Path) -> None:
    """Plain, quoted, flow, folded, complex key, alias; short and upper-case ids are none; full ids and `./` pass."""
    done = _check(hook, tmp_path, ".github/workflows/x.yml", WORKFLOW)
    assert done.code == 1
    lines = [int(line.split(":")[1]) for line in done.out.splitlines() if line.startswith(".github")]
    assert lines == [4, 7, 8, 9, 12, 13, 14, 15]
    assert "git ls-remote https://github.com/c/d v2 v2^{} shows it; write c/d@COMMIT # v2" in done.out


def test_revs_of_pre_commit(hook, tmp_path: Path) -> None:
    """A tag is refused, a frozen commit passes."""
    text = f"repos:\n- repo: https://x\n  rev: v6.0.0\n- repo: https://y\n  rev: {PIN}  # frozen: v1\n- repo: local\n"
    done = _check(hook, tmp_path, ".pre-commit-config.yaml", text)
    assert (done.code, done.out.splitlines()[0], "pre-commit autoupdate --freeze" in done.out) == (
        1, ".pre-commit-config.yaml:3: GH055 error: rev 'v6.0.0' is no full commit id", True)


@pytest.mark.parametrize("text", ["a: [\n", "\xff\n", "a: \x01\n", "[" * 50_000, "a: *nothing\n"])
def test_what_does_not_parse_is_refused(hook, tmp_path: Path, text: str) -> None:
    """A file that nobody can read pins nothing; deep nesting ends in a finding, not in a crash."""
    (tmp_path / "action.yml").write_bytes(text.encode("latin-1"))
    done = hook("pinned", "action.yml", cwd=tmp_path)
    assert (done.code in (0, 1), "Traceback" in done.err) == (True, False)
    assert done.code == (0 if "nothing" in text else 1)


def test_other_files_are_left_alone_in_a_range(hook, git, make_repo) -> None:
    """In a range of commits only the files count that pre-commit and the forges read; a named file always does."""
    repo = make_repo({"a.md": "a\n"})
    for name in ("values.yml", "sub/action.yaml"):
        _check(hook, repo, name, "uses: a/b@v1\n")
    git(repo, "add", "--all")
    git(repo, "commit", "-q", "-m", "two")
    done = hook("pinned", "--since", "HEAD~1", cwd=repo)
    assert (done.code, "values.yml" in done.out, "sub/action.yaml:1:" in done.out) == (1, False, True)
    assert hook("pinned", "values.yml", cwd=repo).code == 1


def test_this_repository_is_pinned(hook) -> None:
    """Our own workflows, action, configuration and templates."""
    root = Path(__file__).resolve().parents[2]
    files = [str(path) for folder in (".github/workflows", "templates") for path in (root / folder).iterdir()]
    assert hook("pinned", *files, "action.yml", ".pre-commit-config.yaml", cwd=root).out == ""
