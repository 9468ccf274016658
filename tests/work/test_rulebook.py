"""Policy files and grants as of a commit: loaded once, broken ones deny, and no history forgets that it had one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness.errors import Denied
from githarness.git.reader import Reader
from githarness.git.repo import discover
from githarness.policy.model import Request
from githarness.wiring import Harness
from githarness.work import read
from githarness.work.asks import Ask, Op, ReadAsk
from githarness.work.rulebook import Rulebook
from tests.conftest import Git, RepoFactory

GOOD = "version: 1\nrules:\n  - {id: all, effect: allow, actions: [read, write]}\n"
BAD = GOOD + "  - {id: all, effect: allow, actons: [read]}\n"
FILE = ".githarness/policies/p.yaml"
Commit = Callable[..., str]


@pytest.fixture
def plain(make_repo: RepoFactory) -> Path:
    return make_repo()


@pytest.fixture
def commit(plain: Path, git: Git) -> Commit:
    """`commit({path: text, or None: deleted})`: the new head."""

    def make(files: dict[str, str | None], *, at: Path = plain) -> str:
        for path, text in files.items():
            (at / path).parent.mkdir(parents=True, exist_ok=True)
            (at / path).unlink(missing_ok=True) if text is None else (at / path).write_text(text)
        git(at, "add", "-A")
        git(at, "commit", "-q", "--allow-empty", "-m", "change")
        return git(at, "rev-parse", "HEAD")

    return make


def _book(at: Path) -> Rulebook:
    return Rulebook(Reader(discover(at)))


def _rule(book: Rulebook, head: str, role: str = "writer") -> str:
    return book.policy(head).decide(Request("deployer", (role,), "read", "docs/a.md")).rule


def test_without_a_policy_the_shipped_roles_decide(plain: Path, commit: Commit) -> None:
    """As long as there never was one."""
    assert _rule(_book(plain), commit({"x": "1"})) == "role:writer"


def test_a_policy_counts_as_of_its_commit(plain: Path, commit: Commit) -> None:
    """Not before, and whatever comes later."""
    before, with_it = commit({"x": "1"}), commit({FILE: GOOD})
    commit({FILE: BAD})
    book = _book(plain)
    assert [_rule(book, head) for head in (with_it, before)] == ["p/all", "role:writer"]


def test_no_history_is_walked_of_what_followed(plain: Path, commit: Commit) -> None:
    """Nobody is asked about the commits between."""
    first, _, last = (commit({"x": str(number)}) for number in range(3))
    asked: list[str] = []
    book = Rulebook(Reader(discover(plain)), asked.append)
    book.policy(first)
    asked.clear()
    book.followed(first, last)
    assert _rule(book, last) == "role:writer" and not asked


@pytest.mark.parametrize("path", [FILE, ".githarness/policies/q.yml", ".githarness/policies/sub/q.yaml",
                                  ".githarness/policies/Q.yaml"])
def test_a_file_that_does_not_load_denies_everything(plain: Path, commit: Commit, path: str) -> None:
    """Beside good ones, and with the place and the fix."""
    head = commit({".githarness/policies/good.yaml": GOOD, path: BAD})
    decision = _book(plain).policy(head).decide(Request("deployer", ("writer",), "read", "docs/a.md"))
    assert (decision.effect, decision.rule) == ("deny", "no-policy")
    assert path.rsplit("/", 1)[0] in decision.why and "fix:" in decision.why


def test_a_link_is_no_policy(plain: Path, commit: Commit) -> None:
    """What it points to may lie where agents write."""
    commit({".githarness/policies/good.yaml": GOOD})
    (plain / FILE).symlink_to("../../docs/0000.md")
    assert _rule(_book(plain), commit({})) == "no-policy"


def test_notes_beside_policies_are_none(plain: Path, commit: Commit) -> None:
    """Markdown is passed over."""
    assert _rule(_book(plain), commit({FILE: GOOD, ".githarness/policies/README.md": "# why\n"})) == "p/all"


def test_a_policy_that_is_gone_denies_everything(plain: Path, commit: Commit) -> None:
    """However long ago, and for who asks about the next commits too."""
    commit({FILE: GOOD})
    book = _book(plain)
    heads = [commit({FILE: None}), commit({"x": "1"}), commit({"x": "2"})]
    assert [_rule(book, head) for head in reversed(heads)] == ["no-policy"] * 3


def test_the_index_is_asked_before_history_is_walked(plain: Path, commit: Commit) -> None:
    """Its answer is taken for the commit that it knows."""
    known, head = commit({"x": "1"}), commit({"x": "2"})
    asked = []

    def ever(oid: str) -> bool | None:
        asked.append(oid)
        return True if oid == known else None

    assert _rule(Rulebook(Reader(discover(plain)), ever), head) == "no-policy"
    assert asked == [head, known]


def test_a_shallow_clone_cannot_know(plain: Path, commit: Commit, tmp_path: Path) -> None:
    """That there never was one: it denies until the history is there."""
    commit({"x": "1"})
    head = commit({"x": "2"})
    subprocess.run(["git", "clone", "-q", "--depth", "1", plain.as_uri(), tmp_path / "clone"], check=True)
    decision = _book(tmp_path / "clone").policy(head).decide(Request("deployer", ("writer",), "read", "docs/a.md"))
    assert decision.rule == "no-policy" and "--unshallow" in decision.why


def test_a_folder_is_read_once(plain: Path, commit: Commit) -> None:
    """The compiled policy stands as long as the tree does."""
    first, second = commit({FILE: GOOD}), commit({"x": "1"})
    book = _book(plain)
    assert book.policy(first) is book.policy(second)


def test_grants_that_load_are_known_by_id(plain: Path, commit: Commit) -> None:
    """What is wrong with the others is told."""
    grant = ("version: 1\nagent: deployer\nallow: [write]\npaths: [x]\ngranted: 2026-01-01T00:00:00Z\n"
             "expires: 2026-01-02T00:00:00Z\nwhy: test\n")
    head = commit({".githarness/grants/g-1.yaml": grant, ".githarness/grants/g-2.yaml": grant + "more: x\n"})
    known, problems = _book(plain).grants(head)
    assert list(known) == ["g-1"] and "'.githarness/grants/g-2.yaml' line 8 under 'more'" in problems[0]


def test_a_policy_rules_writes_and_reads(fleet: Path, harness: Harness, commit: Commit) -> None:
    """From the commit on that adds it; taking it away does not bring the roles back."""
    rules = GOOD.replace("[read, write]", "[read]") + "  - {id: no, effect: deny, actions: [read], paths: [secret/]}\n"
    harness.local.write(Ask("deployer", "r-1", (Op("write", "secret/x", b"1\n"),)))
    commit({FILE: rules}, at=fleet)
    for path in ("new.md", "secret/x"):
        with pytest.raises(Denied) as caught:
            if path == "new.md":
                harness.local.write(Ask("deployer", "r-1", (Op("write", path, b"1\n"),)))
            else:
                read.read(harness.parts, ReadAsk(path, "deployer", "r-1"))
        assert caught.value.details["rule"] == ("default-deny" if path == "new.md" else "p/no")
    commit({FILE: None}, at=fleet)
    with pytest.raises(Denied) as caught:
        harness.local.write(Ask("deployer", "r-1", (Op("write", "new.md", b"1\n"),)))
    assert caught.value.details["rule"] == "no-policy"
