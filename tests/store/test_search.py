"""Full-text search by FTS5 and by FTS4: the same answers to any text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from githarness import clock
from githarness.errors import Unavailable
from githarness.store import artifacts, search
from githarness.store.artifacts import Described, Kind
from githarness.store.db import Database
from githarness.store.search import Engine, Wanted

FILLER = "filler words that stand in every one of them"


class Library:
    """Texts in the registry without a repository; `find` asks as `search` does."""

    def __init__(self, home: Path, version: str) -> None:
        self.db = Database(home, clock.SYSTEM)
        self.texts: dict[str, tuple[int, search.Words]] = {}
        with self.db.write() as conn:
            self.engine: Engine = search.engine(conn, version)
            search.create(conn, self.engine)
        for number in range(6):
            self.put(f"other-{number}", body=f"{FILLER} {number}")

    def put(self, name: str, description: str = "", tags: str = "", body: str = "", kind: Kind = "skill") -> None:
        words = (name, description, tags, body)
        with self.db.write() as conn:
            artifacts.mirror(conn, name, kind, "a" * 40)
            row = next(row for row in artifacts.stale(conn, 100) if row.path == name)
            search.add(conn, self.engine, row.id, words)
            artifacts.describe(conn, row, Described(name, name, name, description, tags, 0, b"", ()))
        self.texts[name] = (row.id, words)

    def drop(self, name: str) -> None:
        number, words = self.texts.pop(name)
        with self.db.write() as conn:
            search.remove(conn, self.engine, number, words)
            artifacts.mirror(conn, name, None, None)
            artifacts.describe(conn, artifacts.stale(conn, 1)[0], None)

    def find(self, text: str, **asked: object) -> list[str]:
        with self.db.read() as conn:
            terms = search.rarest(conn, self.engine, search.terms(text))
            found, total = search.matches(conn, self.engine, Wanted(terms, **asked))  # type: ignore[arg-type]
        assert total >= len(found)
        return [match.path for match in found]


@pytest.fixture(params=["5", "4"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Library:
    return Library(tmp_path / "githarness", request.param)


def test_columns_have_their_weights(library: Library) -> None:
    """A word in the name counts more than one in the description, that more than one in the tags, or the body."""
    library.put("in-body", body="canary")
    library.put("in-tags", tags="canary")
    library.put("in-description", description="canary")
    library.put("canary")
    assert library.find("canary") == ["canary", "in-description", "in-tags", "in-body"]


@pytest.mark.parametrize("query", ["CAFE", "café", "cafe\u0301", "Café!", "(café", '"café"'])
def test_case_accents_and_signs_count_for_nothing(library: Library, query: str) -> None:
    """However a word is typed, it is found however it was written."""
    library.put("one", body="In the Cafe\u0301 they sit.")
    library.put("two", body="In the CAFÉ they sit.")
    assert sorted(library.find(query)) == ["one", "two"]


def test_parts_of_cjk_text_are_found(library: Library) -> None:
    """Text without spaces is found by any two signs that stand side by side, and by no others."""
    library.put("guide", body="本番環境への部署指南です")
    library.put("other", body="部品と署名")
    assert library.find("部署") == ["guide"]
    assert library.find("環境への部署")[0] == "guide"


def test_the_rarest_words_of_a_long_text_decide(library: Library) -> None:
    """A text of many words is cut down to those in the fewest documents."""
    library.put("rare", body="zeppelin")
    text = " ".join([FILLER, *(f"unknown{number}" for number in range(30)), "zeppelin"])
    assert library.find(text)[0] == "rare"


def test_a_common_word_counts_outside_of_bodies(library: Library) -> None:
    """One that is in many bodies is looked for in names and the like, and in bodies where it is nowhere else."""
    for number in range(40):
        library.put(f"many-{number}", body=f"deploy the thing {number}")
    library.put("deploy", body="x")
    assert library.find("deploy")[0] == "deploy"
    assert len(library.find("thing", limit=99)) == 40


def test_phrases_and_words_to_leave_out(library: Library) -> None:
    """What must stand there and what must not are asked for apart from the text."""
    library.put("a", body="roll the release back")
    library.put("b", body="release the roll")
    assert library.find("release roll", phrases=["the release"]) == ["a"]
    assert library.find("release roll", without=["back"]) == ["b"]


def test_only_one_kind(library: Library) -> None:
    """A kind narrows the answer down."""
    library.put("note", body="canary", kind="memory")
    library.put("skill", body="canary")
    assert library.find("canary", kind="memory") == ["note"]


def test_what_was_removed_is_not_found(library: Library) -> None:
    """No trace of its words is left."""
    library.put("gone", description="部署", body="canary Ünïcode")
    library.drop("gone")
    assert [library.find(word) for word in ("canary", "gone", "部署", "unicode")] == [[], [], [], []]


OPERATORS = ['"', "a AND b", "a OR", "NOT x", "NEAR(a b, 2)", "name:canary", "a*", "^a", "(", "-a", "{name}: x",
             "a + b", "'; DROP TABLE words5; --", "\0canary", "\ud800canary", "\U0001f600", "", "_", "%", "*",
             "\ufb01 \u0130 \u03c2 \xdf", "\u0301", "\u0e51 \u0e44\u0e17\u0e22"]


@pytest.mark.parametrize("text", [*OPERATORS, "x" * (1 << 20), "canary " * 150_000, "\0" * (1 << 20)],
                         ids=lambda text: ascii(text[:20]))
def test_any_text_is_a_question(library: Library, text: str) -> None:
    """Nothing in a text is an operator, and nothing makes a question fail."""
    library.put("skill", body="canary")
    assert set(library.find(text)) <= set(library.texts)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.text(max_size=60))
@example(text="\x000")
def test_any_text_finds_itself(library: Library, text: str) -> None:
    """Whatever a document says finds it, if it has a word; and it is forgotten again."""
    if "itself" in library.texts:
        library.drop("itself")
    library.put("itself", body=text.encode("utf-8", "replace").decode())
    words = [word for word in search.terms(text) if word.isascii()]
    assert not words or "itself" in library.find(text)


def test_reasons_count_terms_by_column(library: Library) -> None:
    """Which term stands how often in which column."""
    words = [("canary-release", "", "", "canary canary"), ("other", "a release 部署", "", "")]
    assert search.reasons(words, ["canary", "release", "部 署"]) == [
        {"name": {"canary": 1, "release": 1}, "body": {"canary": 2}},
        {"description": {"release": 1, "部 署": 1}}]


def test_a_version_that_is_not_there_is_named(library: Library) -> None:
    """GITHARNESS_FTS may ask for anything."""
    with library.db.read() as conn, pytest.raises(Unavailable, match="has no fts9"):
        search.engine(conn, "9")
