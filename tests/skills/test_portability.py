"""What each client makes of a skill, against what their loaders were seen to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from githarness.skills import portability
from githarness.skills.document import Document
from githarness.skills.model import Finding
from githarness.skills.portability import CLIENTS, Verdict, sentence, verdict
from githarness.skills.schemas import judge

EXAMPLES = Path(__file__).parent / "examples"
DESCRIPTION = "description: Extracts tables. Use when a PDF holds data."


def _skill(front: str) -> Document:
    return Document("skills/demo/SKILL.md", f"---\n{front}\n---\n\nRead the file.\n".encode(), "skill")


def _finding(gate: str) -> Finding:
    return Finding("skills/demo/SKILL.md", 1, gate, "error", "x", "y")


def _dropped(doc: Document, *gates: str) -> dict[str, tuple[str, ...]]:
    found = verdict(doc, [_finding(gate) for gate in gates], judge)
    return {client: each.gates for client, each in found.items() if each.state == "dropped"}


def test_what_the_specification_takes_loads_everywhere() -> None:
    """Every client is named."""
    assert verdict(_skill(f"name: demo\n{DESCRIPTION}"), [], judge) == dict.fromkeys(CLIENTS, Verdict("loads"))


WRONG = {
    "no frontmatter": (Document("skills/demo/SKILL.md", b"# Demo\n", "skill"),
                       {"codex": "GH003", "copilot": "GH003", "gemini": "GH003", "openclaw": "GH003"}),
    "byte-order mark": (Document("demo/SKILL.md", f"\ufeff---\nname: demo\n{DESCRIPTION}\n---\n".encode(), "skill"),
                        {"codex": "GH002", "gemini": "GH002"}),
    "a colon in plain text": (_skill("name: demo\ndescription: Use when: a PDF"),
                              {"codex": "GH005", "copilot": "GH005"}),
    "no description": (_skill("name: demo"), {name: "GH020" for name in ("codex", "copilot", "gemini", "openclaw")}),
    "no name": (_skill(DESCRIPTION), {"copilot": "GH010", "gemini": "GH010"}),
    "a name of 65": (_skill(f"name: {'a' * 65}\n{DESCRIPTION}"), {"codex": "GH010", "copilot": "GH010"}),
    "a list for a name": (_skill(f"name: [demo]\n{DESCRIPTION}"),
                          {name: "GH010" for name in ("codex", "hermes", "copilot", "gemini")}),
    "1,025 characters": (_skill(f"name: demo\ndescription: {'a' * 1025}"), {"codex": "GH020", "copilot": "GH020"}),
    "metadata that is text": (_skill(f"name: demo\n{DESCRIPTION}\nmetadata: olive"), {"codex": "GH031"}),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_client_drops_what_its_loader_drops(what: str) -> None:
    """Each with the gate that says why, and no other client."""
    doc, clients = WRONG[what]
    assert _dropped(doc) == {client: (gate,) for client, gate in clients.items()}


def test_a_name_that_is_not_the_folders_keeps_copilot_from_loading() -> None:
    """The finding of a gate decides where a schema cannot."""
    assert _dropped(_skill(f"name: demo\n{DESCRIPTION}"), "GH011") == {"copilot": ("GH011",)}


def test_findings_about_the_body_do_not_keep_a_file_from_loading() -> None:
    """Only gates below GH040 are about loading; an info is no warning."""
    doc = _skill(f"name: demo\n{DESCRIPTION}")
    found = verdict(doc, [_finding("GH050"), _finding("GH033")._replace(severity="info")], judge)
    assert found["codex"] == Verdict("loads")
    assert verdict(doc, [_finding("GH021")], judge)["codex"] == Verdict("warnings", ("GH021",))


def test_other_kinds_have_no_verdict() -> None:
    """A rule of Cursor is for Cursor alone."""
    assert verdict(Document("a.mdc", b"---\nglobs: x\n---\n", "rule"), [], judge) == {}


SENTENCES = {
    "it loads": {},
    "it loads with warnings": {"codex": Verdict("warnings", ("GH030",))},
    "Codex drops it (GH020); elsewhere it loads": {"codex": Verdict("dropped", ("GH020",))},
    "Codex, Hermes and Gemini CLI drop it (GH003, GH010); elsewhere it loads": {
        "codex": Verdict("dropped", ("GH003",)), "hermes": Verdict("dropped", ("GH010",)),
        "gemini": Verdict("dropped", ("GH003",))},
}


@pytest.mark.parametrize("text", SENTENCES)
def test_a_verdict_is_one_sentence(text: str) -> None:
    """The clients by their own names, the gates, and what the others do."""
    assert sentence(dict.fromkeys(CLIENTS, Verdict("loads")) | SENTENCES[text]) == text


def test_the_short_way_gives_the_same_verdicts() -> None:
    """Over every example: one verdict for all is what each client alone would get."""
    paths = sorted(EXAMPLES.rglob("SKILL.md"))
    assert len(paths) > 50
    for path in paths:
        doc = Document(path.relative_to(EXAMPLES).as_posix(), path.read_bytes(), "skill")
        alone = {name: portability._of(name, doc, frozenset(), judge) for name in CLIENTS}
        assert verdict(doc, [], judge) == alone, path


def test_names_fold_case_and_width() -> None:
    """What a file system or a reader takes for one name is one."""
    assert portability.folded(" \uff30DF-Tables ") == "pdf-tables"


def test_skills_are_known_by_their_folders() -> None:
    """Only skills, also in another letter case; equal names are one whatever their case and width."""
    paths = ["a/Greet/SKILL.md", "b/greet/skill.md", "b/other/my-skill.md", "b/other/notes.md"]
    assert portability.by_name(paths) == {"greet": ["a/Greet/SKILL.md", "b/greet/skill.md"]}
