"""The commit index follows any history, and always equals the one that is built from nothing."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from githarness import clock
from githarness.git.reader import Reader
from githarness.git.repo import discover
from githarness.store import commits, operations
from githarness.store.commits import CommitFilter
from githarness.store.db import Database
from githarness.work import index


@dataclass
class Story:
    """A history in the making: commits by number, each with the numbers of its parents; one fast-import makes it."""

    parents: list[tuple[int, ...]] = field(default_factory=list)
    stream: list[str] = field(default_factory=list)

    def commit(self, *parents: int, path: str | None = None, message: str | None = None) -> int:
        number = len(self.parents)
        text = message if message is not None else self._message(number)
        before = [f"{'merge' if place else 'from'} :{parent + 1}\n" for place, parent in enumerate(parents)]
        self.stream.append(
            f"commit refs/story/{number}\nmark :{number + 1}\ncommitter A <a@x.invalid> {1000 + number} +0000\n"
            f"data {len(_bytes(text))}\n{text}\n{''.join(before)}"
            f"M 100644 inline {path or f'f{number % 4}.md'}\ndata {len(str(number))}\n{number}\n\n")
        self.parents.append(parents)
        return number

    @staticmethod
    def _message(number: int) -> str:
        return (f"change {number}\n\nAgent: bot-{number % 3}\nRun: r-{number % 5}\nOperation: op-{number // 2}\n"
                f"Decision: allow rule=role:writer grant=- event=e-{number}\n")

    def make(self, folder: Path) -> list[str]:
        folder.mkdir(parents=True, exist_ok=True)
        _git(folder, "init", "-q", "--bare")
        marks = folder / "marks"
        _git(folder, "fast-import", "--quiet", f"--export-marks={marks}", stdin="".join(self.stream))
        found = dict(line.split() for line in marks.read_text().splitlines())
        return [found[f":{number + 1}"] for number in range(len(self.parents))]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _git(folder: Path, *args: str, stdin: str = "") -> None:
    subprocess.run(["git", *args], cwd=folder, input=_bytes(stdin), check=True)


@dataclass
class World:
    db: Database
    reader: Reader
    oids: list[str]

    def update(self, number: int | None) -> int:
        return index.update(self.db, self.reader, None if number is None else self.oids[number], lambda _: True)

    def rebuild(self, number: int) -> int:
        return index.rebuild(self.db, self.reader, self.oids[number], lambda _: True)

    def numbers(self) -> list[int]:
        """The indexed commits, oldest first, as the story numbers them."""
        return [self.oids.index(row.oid) for row in self.rows()]

    def rows(self) -> list[commits.CommitRow]:
        with self.db.read() as conn:
            return commits.log(conn, CommitFilter())[::-1]

    def content(self) -> tuple[object, ...]:
        """Everything that the index holds."""
        with self.db.read() as conn:
            rows = commits.log(conn, CommitFilter())
            by_path = {path: commits.history(conn, path) for row in rows for path in [one.path for one in row.changes]}
            return rows, by_path, sorted(conn.execute("SELECT * FROM operations")), commits.rollbacks(conn)


def world(folder: Path, story: Story) -> World:
    oids = story.make(folder / "repo")
    return World(Database(folder / "home", clock.SYSTEM), Reader(discover(folder / "repo")), oids)


def test_a_commit_tells_who_did_what(tmp_path: Path) -> None:
    """Trailers, subject and changes of a commit become its row."""
    story = Story()
    story.commit(path="a.md")
    story.commit(0, path="a.md", message=(
        f"Fix it\n\nBecause.\n\nAgent: bot\nRun: r-1\nOn-Behalf-Of: planner\nOn-Behalf-Of: boss asserted\n"
        f"Operation: k\nDecision: allow rule=role:writer grant=- event=e-7\n"
        f"Rolls-Back: {'a' * 40}\nRename: b.md => \"c => d.md\"\n"))
    here = world(tmp_path, story)
    here.update(1)
    row = here.rows()[1]
    assert (row.subject, row.agent, row.run, row.operation, row.signed) == ("Fix it", "bot", "r-1", "k", True)
    assert (row.chain, row.renames) == (("planner", "boss"), (("b.md", "c => d.md"),))
    assert row.rolls_back == ()  # people roll back
    assert [(one.path, one.old_mode, one.new_mode) for one in row.changes] == [("a.md", "100644", "100644")]
    assert row.parents == (here.oids[0],) and row.time == 1001 and row.author == "A <a@x.invalid>"
    with here.db.read() as conn:
        commit, answer = operations.find(conn, "bot", "k") or ("", "")
    assert commit == here.oids[1] and '"event":"e-7"' in answer and '"a.md"' in answer


def test_only_new_commits_are_read(tmp_path: Path) -> None:
    """An update adds what came since the last one, and nothing where nothing came."""
    story = Story()
    for number in range(6):
        story.commit(*([number - 1] if number else []))
    here = world(tmp_path, story)
    assert [here.update(2), here.update(5), here.update(5)] == [3, 3, 0]
    assert here.numbers() == [0, 1, 2, 3, 4, 5]


def test_what_a_merge_brought_in_stands_before_it(tmp_path: Path) -> None:
    """Side commits of an octopus merge, itself with merges inside, come parents first in the order of its parents."""
    story = Story()
    base = story.commit()
    left = story.commit(story.commit(base))
    right = story.commit(base)
    inner = story.commit(right, left)
    main = story.commit(base)
    merge = story.commit(main, inner, left, story.commit(base))
    here = world(tmp_path, story)
    here.update(merge)
    assert here.numbers() == [base, main, right, 1, left, inner, merge - 1, merge]
    assert [here.oids.index(row.oid) for row in here.rows() if row.main] == [base, main, merge]


def test_a_rewound_branch_loses_its_commits_and_their_operations(tmp_path: Path) -> None:
    """After `git reset --hard` and other commits, nothing of the old ones is left."""
    story = Story()
    first = story.commit(message="one\n")
    old = story.commit(first, message="two\n\nAgent: bot\nOperation: k\n", path="old.md")
    new = story.commit(first, message="three\n\nAgent: bot\nOperation: k\n")
    here = world(tmp_path, story)
    here.update(old)
    here.update(new)
    assert here.numbers() == [first, new]
    with here.db.read() as conn:
        assert commits.history(conn, "old.md") == []
        assert (operations.find(conn, "bot", "k") or "")[0] == here.oids[new]
    here.update(first)
    with here.db.read() as conn:
        assert here.numbers() == [first] and operations.find(conn, "bot", "k") is None


def test_a_branch_without_commits_has_an_empty_index(tmp_path: Path) -> None:
    """An unborn branch, before and after it had commits."""
    story = Story()
    story.commit()
    here = world(tmp_path, story)
    assert (here.update(None), here.update(0), here.update(None)) == (0, 1, 0)
    assert here.rows() == [] and index.status(here.db, None).current


def test_the_lane_adds_exactly_what_update_would(tmp_path: Path) -> None:
    """Rows that are added right after a landing leave nothing for the next update to change."""
    story = Story()
    for number in range(4):
        story.commit(*([number - 1] if number else []))
    here = world(tmp_path, story)
    here.update(1)
    rows = [index.row_of(here.reader.commit(oid), here.reader.changes(oid), lambda _: True) for oid in here.oids[2:4]]
    with here.db.write(durable=False) as conn:
        commits.extend(conn, rows)
    assert here.update(3) == 0
    lane = here.rows()
    here.rebuild(3)
    assert here.rows() == lane and [replace(row, seq=0) for row in lane[2:]] == rows


def test_operations_of_unsigned_commits_answer_nothing(tmp_path: Path) -> None:
    """Anybody can write an Operation trailer; only a good signature makes it an answer."""
    story = Story()
    story.commit()
    here = world(tmp_path, story)
    index.update(here.db, here.reader, here.oids[0], lambda _: False)
    with here.db.read() as conn:
        assert operations.find(conn, "bot-0", "op-0") is None


def test_a_rebuild_keeps_operations_that_are_on_their_way(tmp_path: Path) -> None:
    """A write that is about to land has its operation recorded before its commit is anywhere."""
    story = Story()
    story.commit()
    here = world(tmp_path, story)
    with here.db.write() as conn:
        operations.put(conn, "bot-1", "next", "f" * 40, "{}")
    here.rebuild(0)
    with here.db.read() as conn:
        assert operations.find(conn, "bot-1", "next") == ("f" * 40, "{}")
        assert operations.find(conn, "bot-0", "op-0") is not None


def test_names_and_texts_that_are_no_unicode(tmp_path: Path) -> None:
    """A path in Latin-1 is kept byte for byte; a message in Latin-1 is shown with U+FFFD."""
    story = Story()
    story.commit(path='"caf\\351.md"', message="caf\udce9\n")
    here = world(tmp_path, story)
    here.update(0)
    assert (here.rows()[0].subject, here.rows()[0].changes[0].path) == ("caf\ufffd", "caf\udce9.md")
    with here.db.read() as conn:
        assert len(commits.history(conn, "caf\udce9.md")) == 1
        assert len(commits.log(conn, CommitFilter(path="caf*"))) == 1


def test_two_updates_at_once_make_one_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update that finds the index moved by another starts again from there."""
    monkeypatch.setattr(index, "_CHUNK", 3)
    story = Story()
    tip = story.commit()
    heads = [tip]
    for _ in range(12):
        tip = story.commit(tip, story.commit(tip))
        heads.append(tip)
    here = world(tmp_path, story)
    intruder = iter([heads[3], heads[6], heads[1], heads[0], heads[12]])

    def meddle(done: int, total: int) -> None:
        if done < total and (number := next(intruder, None)) is not None:
            here.update(number)

    index.update(here.db, here.reader, here.oids[heads[10]], lambda _: True, meddle)
    assert here.numbers() == list(range(heads[10] + 1)) and next(intruder, None) is None


@st.composite
def stories(draw: st.DrawFn) -> tuple[Story, list[int]]:
    """Commits anywhere, merges of anything, and the heads that the branch had one after the other."""
    story, heads = Story(), [0]
    story.commit()
    for _ in range(draw(st.integers(1, 25))):
        last = len(story.parents) - 1
        near = st.integers(max(0, last - 6), last)
        parents = draw(st.lists(near, min_size=1, max_size=3, unique=True))
        heads.append(story.commit(*parents, message=draw(st.sampled_from([None, "plain\n"]))))
        if draw(st.integers(0, 3)) == 0:
            heads.append(draw(st.integers(0, last)))
    return story, heads


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=stories(), chunk=st.sampled_from([1, 3, 500]))
def test_an_updated_index_equals_a_rebuilt_one(
    made: tuple[Story, list[int]], chunk: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """After any commits, merges and rewinds, whatever was indexed in between."""
    story, heads = made
    here = world(tmp_path_factory.mktemp("story"), story)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "_CHUNK", chunk)
        for head in heads:
            here.update(head)
            updated = here.content()
            here.rebuild(head)
            assert updated == here.content()
            assert sorted(here.numbers()) == _reachable(story, head)


def _reachable(story: Story, head: int) -> list[int]:
    found: set[int] = set()
    todo = [head]
    while todo:
        number = todo.pop()
        if number not in found:
            found.add(number)
            todo += story.parents[number]
    return sorted(found)
