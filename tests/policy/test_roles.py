"""The shipped roles: what writers and readers may do."""

from __future__ import annotations

import pytest

from githarness.policy import roles
from githarness.policy.model import Request

PROTECTED = [
    ".githarness/config.toml",
    ".githarness",
    ".githarness/vault/token",
    ".github/workflows/ci.yml",
    ".github",
    ".gitlab-ci.yml",
    "action.yml",
    ".pre-commit-config.yaml",
    ".husky/pre-commit",
    "lefthook.yml",
    ".gitattributes",
    ".gitmodules",
    ".gitignore",
    ".mailmap",
    "skills/x/.gitattributes",
    "skills/x/.gitignore",
]
FREE = [
    "skills/x/SKILL.md",
    "README.md",
    "githarness/x.py",
    "docs/.github/x",
    "sub/action.yml",
    ".githarness2/x",
    ".gitkeep",
    "a/.githarness/x",
    ".gitattributes.md",
    "x.gitignore",
    "vault/notes.md",
    "\u212aelvin.md",
]
CHANGES = ["write", "append", "delete", "rename"]


def effect(action: str, path: str, *held: str) -> str:
    return roles.decide(Request("deployer", held, action, path)).effect


@pytest.mark.parametrize("path", FREE)
def test_a_writer_changes_what_is_not_protected(path: str) -> None:
    """Every action of a writer passes on an ordinary path, and the rule is named."""
    for action in [*CHANGES, "read"]:
        decision = roles.decide(Request("deployer", ("writer",), action, path))
        assert (decision.effect, decision.rule) == ("allow", "role:writer")


@pytest.mark.parametrize("path", PROTECTED)
def test_a_writer_only_reads_what_is_protected(path: str) -> None:
    """No change of a protected path passes, in any letter case; reading it does."""
    for spelled in (path, path.upper(), path.title(), path.swapcase()):
        assert {effect(action, spelled, "writer", "reader") for action in CHANGES} == {"deny"}
        assert effect("read", spelled, "writer") == "allow"


@pytest.mark.parametrize(
    "path",
    [
        ".hu\u017fky/pre-commit",
        ".githarne\u017fs/config.toml",
        "lefthoo\u212a.yml",
        ".github/\u00fc/x",
        ".github/u\u0308/x",
        ".gitattributes/x",
        "action.yml/x",
    ],
)
def test_other_spellings_of_a_protected_path_are_protected(path: str) -> None:
    """Characters that fold to ASCII, other characters below, and a folder in place of the file change nothing."""
    assert effect("write", path, "writer") == "deny"


def test_a_reader_only_reads() -> None:
    """A reader reads everything and changes nothing."""
    assert effect("read", "a", "reader") == effect("read", ".githarness/config.toml", "reader") == "allow"
    assert {effect(action, "a", "reader") for action in CHANGES} == {"deny"}


@pytest.mark.parametrize("held", [(), ("admin",), ("Writer",), ("writer ",), ("",), ("wr\u0456ter",)])
def test_an_unknown_role_grants_nothing(held: tuple[str, ...]) -> None:
    """No role, a role that is not shipped and a lookalike of one: default deny, for reading too."""
    for action in [*CHANGES, "read"]:
        assert roles.decide(Request("deployer", held, action, "a")).rule == "default-deny"
        assert effect(action, "a", *held) == "deny"


@pytest.mark.parametrize("action", ["", "Write", "write ", "DROP", "exec", "approve"])
def test_an_action_that_no_role_has_is_denied(action: str) -> None:
    """Only the exact words of the vocabulary are allowed."""
    assert effect(action, "a", "writer", "reader") == "deny"


def test_a_denial_says_why() -> None:
    """The reason names the path or the agent, for the error that a person reads."""
    assert "'.mailmap'" in roles.decide(Request("deployer", ("writer",), "write", ".mailmap")).why
    assert "'deployer'" in roles.decide(Request("deployer", ("reader",), "write", "a")).why
