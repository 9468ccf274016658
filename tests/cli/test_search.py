"""`search` and `index` as people and programs meet them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Cli, Git

SKILL = "---\nname: deploy\ndescription: Use when a canary has to be rolled out.\n---\n# Deploy\n\nRoll it out.\n"


@pytest.mark.parametrize("version", ["4", "5"])
def test_search_finds_what_was_written(cli: Cli, fleet: Path, git: Git, version: str) -> None:
    """Through the ledger or by a person's commit; the document has path, name, title, score, snippet and blob."""
    cli("write", "skills/deploy/SKILL.md", "--agent", "deployer", cwd=fleet, stdin=SKILL)
    found = cli("search", "CANARY?", "--json", cwd=fleet, GITHARNESS_FTS=version).json
    blob = git(fleet, "rev-parse", "main:skills/deploy/SKILL.md")
    score = found["items"][0].pop("score")
    assert score >= 0 and found == {"total": 1, "items": [{
        "path": "skills/deploy/SKILL.md", "name": "deploy", "title": "Deploy", "blob": blob,
        "snippet": "Use when a canary has to be rolled out. # Deploy Roll it out. "}]}
    git(fleet, "mv", "skills/deploy", "skills/rollout")
    git(fleet, "commit", "-q", "-m", "move")
    shown = cli("search", "canary", cwd=fleet, GITHARNESS_FTS=version).out
    assert shown.startswith("skills/rollout/SKILL.md  deploy\n")


def test_search_explains_itself(cli: Cli, fleet: Path) -> None:
    """Words by column, in the document and for people."""
    cli("write", "skills/deploy/SKILL.md", "--agent", "deployer", cwd=fleet, stdin=SKILL)
    shown = cli("search", "canary deploy", "--explain", cwd=fleet).out
    assert "    name: deploy 1\n" in shown
    item = cli("search", "canary deploy", "--explain", "--json", cwd=fleet).json["items"][0]
    assert item["explain"]["description"] == {"canary": 1}


@pytest.mark.parametrize("argv", [("search", " "), ("search", "x", "--kind", "y"), ("search", "x", "--phrase", "!")])
def test_what_asks_for_nothing_is_refused(cli: Cli, fleet: Path, argv: tuple[str, ...]) -> None:
    """An empty text, a kind that is none, a phrase without a word."""
    assert cli(*argv, cwd=fleet).code == 2


def test_a_text_without_words_finds_nothing(cli: Cli, fleet: Path) -> None:
    """It is a question all the same; where nothing is found, stderr says what is looked at."""
    done = cli("search", "--json", "--", "-*!", cwd=fleet)
    assert done.json == {"items": [], "total": 0} and "docs in .githarness/config.toml" in done.err
    assert cli("search", "--quiet", "zebra", cwd=fleet).err == ""


def test_index_tells_how_far_it_is(cli: Cli, fleet: Path) -> None:
    """Behind, up to date after update, and after rebuild the same."""
    assert cli("index", "status", "--json", cwd=fleet).json["current"] is False
    assert cli("index", "update", "--json", cwd=fleet).json["artifacts"] == 0
    cli("write", "skills/deploy/SKILL.md", "--agent", "deployer", cwd=fleet, stdin=SKILL)
    assert cli("index", "rebuild", "--json", cwd=fleet).json["artifacts"] == 1
    status = cli("index", "status", "--json", cwd=fleet).json
    assert (status["current"], status["artifacts"]) == (True, 1)
