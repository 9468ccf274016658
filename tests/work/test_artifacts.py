"""The registry follows any history, and always equals the one that is built from nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from githarness import clock, wiring
from githarness import settings as surroundings
from githarness.git.objects import raw
from githarness.git.reader import Reader
from githarness.store import artifacts, verdicts
from githarness.store.db import Database
from githarness.store.rows import CommitRow, EventRow
from githarness.store.verdicts import Unjudged, Verdict
from githarness.work import artifacts as registry
from githarness.work import index
from githarness.work.artifacts import Registry
from githarness.work.draft import Draft
from githarness.work.search import Query, find
from tests.work.ledger import Ledger

CONFIG = 'version = 1\nfleet = "acme"\nbranch = "main"\nmemory = ["memory/"]\ndocs = ["docs/**/*.md"]\n'
PLACE = ".githarness/config.toml"


def skill(name: str, text: str = "Do it.") -> bytes:
    head = f"name: {name}\ndescription: Use to {name}.\nmetadata:\n  tags: [one, two]"
    return f"---\n{head}\n---\n# The {name}\n\n{text}\n".encode()


class World:
    def __init__(self, folder: Path, fts: str | None = None) -> None:
        self.ledger = Ledger(folder)
        self.db = Database(self.ledger.repo.home, clock.SYSTEM)
        self.fts = fts
        self.commit({PLACE: CONFIG.encode()})

    def commit(self, files: dict[str, bytes | tuple[str, bytes] | None], parent: int | None = None) -> int:
        return self.ledger.commit("bot", files, parents=None if parent is None else (parent,))

    @property
    def registry(self) -> Registry:
        self.ledger.checkpoint()
        return Registry(self.db, Reader(self.ledger.repo), self.fts)

    def update(self) -> int:
        return self.registry.update(self.ledger.head)

    def note(self, before: str) -> None:
        """What the lane says after it has landed the newest commit."""
        reader = self.registry._reader
        oid = self.ledger.head
        row = CommitRow(oid, (before,), main=True, time=1, author="", subject="")
        commit = raw("commit", b"")
        draft = Draft(type(commit)("commit", oid, b""), reader.changes(oid), row, EventRow("e", 1.0, "intent"))
        with self.db.write() as conn:
            registry.note(conn, before, [draft])

    def find(self, text: str, **asked: object) -> list[str]:
        return [hit.match.path for hit in find(self.registry, Query(text, **asked)).items]  # type: ignore[arg-type]

    def content(self) -> dict[str, object]:
        """Everything that the registry holds but for the numbers of its rows."""
        with self.db.read() as conn:
            rows = sorted(conn.execute("""SELECT path, kind, blob, indexed, name, folded, title, description, tags,
                start, sketch FROM artifacts"""))
            bands = sorted(conn.execute("SELECT path, band FROM bands LEFT JOIN artifacts ON id = artifact"))
            conn.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.places USING fts5vocab(main, words5, instance)")
            places = sorted(conn.execute("""SELECT path, col, "offset", term FROM temp.places
                LEFT JOIN artifacts ON id = doc"""))
            return {"rows": rows, "bands": bands, "places": places, "state": artifacts.state(conn)}

    def close(self) -> None:
        self.ledger.close()
        self.db.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "repo")
    yield made
    made.close()


def test_an_artifact_says_what_it_is(world: World) -> None:
    """Name, title, description and tags come from the file, else from where it stands."""
    world.commit({"skills/a/SKILL.md": skill("deploy"), "skills/b/SKILL.md": b"no frontmatter", "memory/x.txt": b"# T",
                  "docs/y/README.md": b"text\n\n# Heading #\n", ".githarness/policies/p.yaml": b"deny: all\n",
                  "other/z.md": b"no artifact"})
    assert world.update() == 5
    with world.db.read() as conn:
        found = {one.path: one for one in artifacts.listing(conn)}
    assert {path: (one.kind, one.name, one.title, one.tags) for path, one in found.items()} == {
        "skills/a/SKILL.md": ("skill", "deploy", "The deploy", "one two"),
        "skills/b/SKILL.md": ("skill", "b", "b", ""), "memory/x.txt": ("memory", "x", "T", ""),
        "docs/y/README.md": ("doc", "y", "Heading #", ""), ".githarness/policies/p.yaml": ("policy", "p", "p", "")}
    assert found["skills/a/SKILL.md"].description == "Use to deploy."


def test_odd_files_do_not_stop_the_others(world: World) -> None:
    """Links are no artifacts; of what is too large the path is known; any bytes and any name are taken."""
    world.commit({"a/SKILL.md": ("120000", b"../b"), "large/SKILL.md": b"zeppelin " * 200_000,
                  '"caf\\351/SKILL.md"': b"---\nname: \"\\ud800x\"\n---\n\xff\xfe zeppelin", "nul/SKILL.md": b"\0" * 99,
                  "open/SKILL.md": b"---\nname: x", "deep/SKILL.md": b"---\nname: " + b"[" * 30_000})
    assert world.update() == 5
    assert world.find("zeppelin") == ["caf\udce9/SKILL.md"] and world.find("large") == ["large/SKILL.md"]


def test_a_landing_is_followed_without_reading(world: World) -> None:
    """The rows are right at once; texts are read by the next update, which reads nothing else."""
    world.commit({"a/SKILL.md": skill("alpha"), "b/SKILL.md": skill("beta")})
    world.update()
    before = world.ledger.head
    world.commit({"b/SKILL.md": skill("gamma"), "a/SKILL.md": None, "c/SKILL.md": skill("delta")})
    world.note(before)
    with world.db.read() as conn:
        assert artifacts.state(conn).head == world.ledger.head
        assert set(artifacts.blobs(conn)) == {"b/SKILL.md", "c/SKILL.md"}
    assert world.update() == 3
    found = [world.find(word) for word in ("alpha", "beta", "gamma", "delta")]
    assert found == [[], [], ["b/SKILL.md"], ["c/SKILL.md"]]


def test_a_landing_elsewhere_is_left_to_the_next_update(world: World) -> None:
    """A registry that is not at the commit before stays as it is."""
    world.update()
    at = world.ledger.head
    world.commit({"a/SKILL.md": skill("alpha")})
    between = world.ledger.head
    world.commit({PLACE: CONFIG.replace("docs/", "pages/").encode(), "pages/x.md": b"x", "docs/x.md": b"y"})
    world.note(between)
    with world.db.read() as conn:
        assert artifacts.state(conn).head == at
    world.update()
    with world.db.read() as conn:
        assert set(artifacts.blobs(conn)) == {"a/SKILL.md", "pages/x.md"}


def test_a_landing_that_changes_the_globs_is_left_to_the_next_update(world: World) -> None:
    """What is an artifact is another question then, also where nothing else has happened."""
    world.commit({"docs/x.md": b"y", "pages/x.md": b"x"})
    world.update()
    before = world.ledger.head
    world.commit({PLACE: CONFIG.replace("docs/", "pages/").encode()})
    world.note(before)
    world.update()
    with world.db.read() as conn:
        assert set(artifacts.blobs(conn)) == {"pages/x.md"}


def test_a_commit_that_git_forgot(world: World) -> None:
    """After a rewind and `git gc` neither the old head nor the old texts are there: the words are made anew."""
    kept = world.commit({"a/SKILL.md": skill("alpha")})
    world.commit({"a/SKILL.md": skill("secret"), "b/SKILL.md": skill("beta")})
    world.update()
    world.ledger.tip = world.commit({"c/SKILL.md": skill("gamma")}, parent=kept)
    world.ledger.close()
    subprocess.run(["git", "-c", "core.logAllRefUpdates=false", "update-ref", "refs/heads/main", world.ledger.head],
                   cwd=world.ledger.folder, check=True)
    subprocess.run(["git", "gc", "-q", "--prune=now"], cwd=world.ledger.folder, check=True)
    one = Registry(world.db, Reader(world.ledger.repo))
    one.update(world.ledger.head)
    assert [[hit.match.path for hit in find(one, Query(word)).items] for word in ("secret", "beta", "alpha")] == [
        [], [], ["a/SKILL.md"]]
    world.ledger = Ledger(world.ledger.folder.parent / "unused")


def test_another_version_of_full_text_search(world: World) -> None:
    """Who changes the setting gets the words anew, and back."""
    world.commit({"a/SKILL.md": skill("alpha"), "b/SKILL.md": skill("beta")})
    for version in ("5", "4", "5"):
        world.fts = version
        assert (world.update(), world.update()) == (2, 0)
        assert world.find("alpha") == ["a/SKILL.md"]


def test_names_and_neighbours(world: World) -> None:
    """Skills by folded name, and by the bands of their sketch; what is no skill or is gone is not among them."""
    text = " ".join(f"word{number}" for number in range(200))
    world.commit({"a/SKILL.md": skill("Deploy", text), "b/SKILL.md": skill("deploy", text + " more"),
                  "memory/c.md": skill("deploy", text), "d/SKILL.md": skill("other")})
    world.update()
    with world.db.read() as conn:
        names = artifacts.Names(conn)
        assert dict(names) == {"deploy": ["a/SKILL.md", "b/SKILL.md"], "other": ["d/SKILL.md"]} and len(names) == 2
        known = registry.described("x.md", skill("x", text).decode())
        assert [path for path, _ in artifacts.near(conn, known.bands)] == ["a/SKILL.md", "b/SKILL.md"]


FILES = ["a/SKILL.md", "b/SKILL.md", "docs/x.md", "memory/y", "other", ".githarness/policies/p.yaml"]
STEP = st.tuples(
    st.dictionaries(st.sampled_from(FILES), st.sampled_from([None, *map(skill, ("one", "two", "drei"))]), min_size=1),
    st.sampled_from(["", "", "", "rewind", "config"]), st.sampled_from(["note", "note", "update", "nothing"]))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEP, min_size=1, max_size=10), chunk=st.sampled_from([1, 2, 200]))
def test_a_registry_that_followed_equals_a_rebuilt_one(
    steps: list[tuple[dict[str, bytes | None], str, str]], chunk: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """After any writes, moves, deletions, rewinds and changes of the globs, noted, updated or neither in between."""
    world = World(tmp_path_factory.mktemp("world") / "repo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_CHUNK", chunk)
        world.update()
        for number, (files, turn, follow) in enumerate(steps):
            before = world.ledger.head
            if turn == "config":
                globs = f'skills = ["*/SKILL.md", "{"other" if number % 2 else "docs/*"}"]\n'
                files = {**files, PLACE: f"{CONFIG}{globs}".encode()}
            world.commit(dict(files), parent=max(1, world.ledger.tip - 3) if turn == "rewind" else None)
            if follow == "note" and turn != "rewind":
                world.note(before)
            elif follow != "nothing":
                world.update()
        world.update()
        followed = world.content()
        world.registry.rebuild(world.ledger.head)
        assert followed == world.content()
    world.close()


def judge(one: Unjudged, data: bytes) -> Verdict:
    """A gate that wants no `bad`."""
    return Verdict(1.0, data.count(b"bad"), 0, "[]", "{}")


def test_quality_history_names_who_broke_it(world: World) -> None:
    """One verdict for each version that a commit gave a skill; the blame is on the first of the failing stretch."""
    marks = [world.commit({"a/SKILL.md": skill("a", text)}) for text in ("bad", "good", "bad", "bad too", "bad bad")]
    world.commit({"docs/bad.md": b"bad"})
    world.update()
    index.update(world.db, world.registry._reader, world.ledger.head, lambda _: True)
    assert (world.registry.judge(judge), world.registry.judge(judge)) == (5, 0)
    with world.db.read() as conn:
        rows = verdicts.history(conn, "a/SKILL.md")
        assert [(one.agent, one.verdict.errors) for one in rows] == [("bot", n) for n in (1, 0, 1, 1, 2)]
        blamed = verdicts.blame(conn, "a/SKILL.md", rows[-1].blob)
        assert blamed and blamed.commit == world.ledger.oids[marks[2]]
        assert verdicts.blame(conn, "a/SKILL.md", rows[1].blob) is None
        found = artifacts.get(conn, "a/SKILL.md")
        assert found and (found.score, found.errors, found.warnings) == (1.0, 2, 0)


def test_verdicts_go_with_their_commits(world: World) -> None:
    """A rewind takes those of its commits along; they are judged again when the commits come back."""
    kept = world.commit({"a/SKILL.md": skill("a", "bad")})
    tip = world.commit({"a/SKILL.md": skill("a", "good")})
    for head, judged in ((tip, 2), (kept, 0), (tip, 1)):
        world.ledger.checkpoint()
        world.registry.update(world.ledger.oids[head])
        index.update(world.db, world.registry._reader, world.ledger.oids[head], lambda _: True)
        assert world.registry.judge(judge) == judged
    with world.db.read() as conn:
        assert [one.verdict.errors for one in verdicts.history(conn, "a/SKILL.md")] == [1, 0]


def test_rows_of_the_lane_equal_rebuilt_ones(fleet: Path) -> None:
    """Real landings and a real rollback, followed in their transactions, leave what a rebuild makes."""
    def run(*argv: str, given: bytes = b"") -> None:
        command = [sys.executable, "-m", "githarness", *argv]
        subprocess.run(command, cwd=fleet, input=given, check=True, capture_output=True)

    harness = wiring.open(fleet, surroundings.load())
    harness.registry.update(harness.head())
    for number in range(3):
        run("write", f"skills/s{number}/SKILL.md", "--agent", "deployer", given=skill(f"s{number}"))
    run("rename", "skills/s1/SKILL.md", "moved/s1/SKILL.md", "--agent", "deployer")
    with harness.db.read() as conn:
        assert artifacts.state(conn).head == harness.head()
        assert set(artifacts.blobs(conn)) == {"skills/s0/SKILL.md", "moved/s1/SKILL.md", "skills/s2/SKILL.md"}
    run("rollback", "deployer")
    with harness.db.read() as conn:
        assert artifacts.state(conn).head == harness.head() and artifacts.blobs(conn) == {}
    harness.close()


CLIENT = """
import sys
from pathlib import Path
from githarness import clock
from githarness.git.reader import Reader
from githarness.git.repo import discover
from githarness.store.db import Database
from githarness.work.artifacts import Registry
from githarness.work.search import Query, find
folder, heads = Path(sys.argv[1]), sys.argv[2:]
repo = discover(folder)
one = Registry(Database(repo.home, clock.SYSTEM), Reader(repo))
for head in heads:
    one.update(head)
    find(one, Query("use to skill one", explain=True))
print(one.update(heads[-1]), find(one, Query("s7")).items[0].match.path)
"""


def test_eight_processes_index_and_search_at_once(world: World) -> None:
    """Each follows the branch through the same commits; all end with the same answers and one sound registry."""
    heads = []
    for turn in range(6):
        world.commit({f"s{number}/SKILL.md": skill(f"s{number}", f"turn {turn}") for number in range(turn, 40)})
        heads.append(world.ledger.head)
    world.ledger.checkpoint()
    running = [subprocess.Popen([sys.executable, "-c", CLIENT, world.ledger.folder, *heads], stdout=subprocess.PIPE)
               for _ in range(8)]
    answers = [one.communicate()[0].decode().split()[1] for one in running]
    assert [one.returncode for one in running] == [0] * 8 and set(answers) == {"s7/SKILL.md"}
    world.update()
    followed = world.content()
    world.registry.rebuild(world.ledger.head)
    assert followed == world.content()


def test_a_snippet_shows_the_place_that_fits(world: World) -> None:
    """One line around most of the words, each marked, whatever their case and accents."""
    text = "nothing here\n" * 100 + "then the CAFÉ\nserves\ttea, and 部署 is done\n" + "nothing more\n" * 100
    world.commit({"a/SKILL.md": skill("a", text)})
    world.update()
    hit = find(world.registry, Query("cafe tea 部署", explain=True)).items[0]
    shown = "".join(piece for piece, _ in hit.snippet)
    assert "then the CAFÉ serves tea, and 部署 is done" in shown and len(shown) < 200
    assert [piece for piece, marked in hit.snippet if marked] == ["CAFÉ", "tea", "部署"]
    assert hit.reasons == {"body": {"cafe": 1, "tea": 1, "部 署": 1}}
