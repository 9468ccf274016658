"""`githarness verify` as a command: what it prints, its exit codes, and which commits it lists where."""

from __future__ import annotations

from pathlib import Path

from githarness import settings, wiring
from githarness.work import judge_range
from githarness.work.judge_range import Bench, Range
from githarness.work.judged import CODES

ROOT = Path(__file__).resolve().parents[2]


def test_an_ordinary_history_has_no_violation(cli, git, fleet: Path) -> None:
    """Writes of every kind, people by plain git, owners in governance, a rollback: all of it passes."""
    first = git(fleet, "rev-list", "--max-parents=0", "HEAD")
    for name, text in (("write", "a\n"), ("append", "b\n")):
        assert cli(name, "notes/a.md", "--agent", "deployer", cwd=fleet, stdin=text).code == 0
    cli("read", "notes/a.md", "--agent", "deployer", cwd=fleet)
    assert cli("rename", "notes/a.md", "notes/b.md", "--agent", "deployer", cwd=fleet).code == 0
    git(fleet, "commit", "-q", "--allow-empty", "-m", "by hand")
    assert cli("agent", "add", "third", cwd=fleet).code == 0
    assert cli("rollback", "deployer", cwd=fleet).code == 0
    ran = cli("verify", "--json", cwd=fleet)
    assert (ran.code, ran.json["violations"], ran.json["ungoverned"]) == (0, [], [first])
    assert (ran.json["commits"], len(ran.json["human"])) == (10, 6)
    assert cli("verify", cwd=fleet).out == ("10 commits: 0 commits with violations, 6 by people, "
                                            "1 before governance began\n")


def test_a_violation_is_told_in_every_format(cli, git, fleet: Path) -> None:
    """Exit 1, and the commit, the path and the code in each."""
    start = git(fleet, "rev-parse", "HEAD")
    (fleet / ".githarness/agents/mallory.yaml").write_text("version: 1\nroles: [writer]\nkeys: []\n")
    git(fleet, "add", "--all")
    git(fleet, "commit", "-q", "-m", "a new agent")
    bad, path = git(fleet, "rev-parse", "HEAD"), ".githarness/agents/mallory.yaml"
    found = cli("verify", f"{start}..", "--json", cwd=fleet)
    assert found.code == 1
    assert [(one["commit"], one["path"], one["code"]) for one in found.json["violations"]] == [
        (bad, path, "governance")]
    for form, start in (("text", f"{bad[:12]} '{path}': governance: "), ("github", f"::error file={path},line=1,")):
        ran = cli("verify", "HEAD~1..HEAD", "--format", form, cwd=fleet)
        assert (ran.code, ran.out.startswith(start)) == (1, True)
    sarif = cli("verify", "HEAD~1..HEAD", "--format", "sarif", cwd=fleet)
    assert (sarif.code, sarif.json["runs"][0]["results"][0]["ruleId"]) == (1, "governance")


def test_wrong_ranges(cli, fleet: Path) -> None:
    """A symmetric difference is no range, and a name must be one."""
    assert cli("verify", "HEAD~1...HEAD", cwd=fleet).code == 2
    assert cli("verify", "nowhere..HEAD", cwd=fleet).code == 14


def test_a_job_of_ci_and_a_bare_repository_are_audited_whole(cli, git, fleet: Path, tmp_path: Path) -> None:
    """Where the governed branch has no ref of its own, HEAD is judged."""
    git(tmp_path, "clone", "-q", "--bare", fleet, tmp_path / "bare")
    git(tmp_path, "clone", "-q", fleet, tmp_path / "job")
    git(tmp_path / "job", "checkout", "-q", "--detach")
    git(tmp_path / "job", "branch", "-q", "-D", "main")
    for folder in ("bare", "job"):
        assert cli("verify", cwd=tmp_path / folder).out == ("4 commits: 0 commits with violations, 3 by people, "
                                                            "1 before governance began\n")


def test_every_code_is_explained() -> None:
    """docs/verify.md has a row for each."""
    page = (ROOT / "docs" / "verify.md").read_text()
    assert [code for code, about in CODES.items() if f"| `{code}` | {about} |" not in page] == []


def test_history_is_not_walked_where_the_index_knows_and_otherwise_once(cli, git, fleet: Path) -> None:
    """Whether there ever was a policy file: the index is asked about the base alone, and what was learnt is kept."""
    for _ in range(3):
        assert cli("append", "a.md", "--agent", "deployer", cwd=fleet, stdin="x\n").code == 0
    harness = wiring.open(fleet, settings.load())
    harness.fresh_index()
    head, base, *before = git(fleet, "rev-list", "--first-parent", "HEAD").split()
    for knows in (True, False):
        asked: list[str] = []
        bench = Bench(harness.reader, harness.clock.now(), ever=lambda oid, knows=knows, asked=asked: (
            asked.append(oid), harness.ever(oid) if knows else None)[1])
        for _ in range(2):
            assert judge_range.judge(bench, Range(base, head)).violations == []
        assert asked == ([base] if knows else [base, *before])
    harness.close()


def test_verify_makes_no_index(cli, git, fleet: Path, tmp_path: Path) -> None:
    """Where a clone has none, git is asked, and nothing is written."""
    git(tmp_path, "clone", "-q", fleet, "clone")
    assert cli("verify", "HEAD~1..HEAD", cwd=tmp_path / "clone").code == 0
    assert not (tmp_path / "clone/.git/githarness").exists()
