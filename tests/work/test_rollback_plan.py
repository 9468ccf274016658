"""What a rollback plans for files: texts, creations, deletions, modes, binary files, links, renames, merges."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from githarness.errors import NotFound, Usage
from githarness.git.objects import PathChange
from tests.work.ledger import Ledger, actions, rename


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "repo")
    yield made
    made.close()


def test_one_agent_is_undone_and_the_others_stay(ledger: Ledger) -> None:
    """Lines of one agent go from every file that it changed, whatever stands next to them."""
    ledger.commit(None, {"log": b"start\n", "a.md": b"one\ntwo\n"})
    for number in range(9):
        who = "abc"[number % 3]
        ledger.commit(who, {"log": b"".join([b"start\n", *(b"%d\n" % n for n in range(number + 1))])})
    ledger.commit("a", {"a.md": b"ONE\ntwo\n"})
    plan = ledger.undo(agent="a")
    assert ledger.texts() == {"log": b"start\n1\n2\n4\n5\n7\n8\n", "a.md": b"one\ntwo\n"}
    assert actions(plan) == {"log": "merged", "a.md": "restored"}
    assert len(plan.rows) == 4
    assert plan.whole


def test_what_was_rolled_back_is_not_selected_again_until_that_is_undone(ledger: Ledger) -> None:
    """Undo, undo of the undo, undo again: the tree is exactly what it was each time."""
    start = ledger.commit(None, {"a.md": b"1\n2\n3\n"})
    mine = ledger.commit("a", {"a.md": b"1\nx\n3\n", "new.md": b"new\n"})
    ledger.undo(agent="a")
    undo = ledger.head
    assert ledger.tree() == ledger.tree(start)
    assert ledger.plan(agent="a").rows == ()
    assert [one.why for one in ledger.plan(commits=(ledger.oids[mine],)).excluded] == ["rolled back already"]
    ledger.undo(commits=(undo,))
    assert ledger.tree() == ledger.tree(mine)
    ledger.undo(agent="a")
    assert ledger.tree() == ledger.tree(start)


def test_files_come_and_go(ledger: Ledger) -> None:
    """Created: removed, unless others have lines in it. Deleted: recreated. Deleted since: left so."""
    ledger.commit(None, {"gone.md": b"x\ny", "both.md": b"1\n"})
    ledger.commit("a", {"mine.md": b"m\n", "shared.md": b"m\n", "gone.md": None, "both.md": b"1\n2\n"})
    ledger.commit("b", {"shared.md": b"m\nb\n", "both.md": None})
    plan = ledger.undo(agent="a")
    assert ledger.texts() == {"gone.md": b"x\ny", "shared.md": b"b\n"}
    assert actions(plan) == {
        "gone.md": "recreated", "mine.md": "removed", "shared.md": "merged", "both.md": "unchanged"}


def test_a_deleted_file_that_others_made_anew_stays_theirs(ledger: Ledger) -> None:
    """What stands there now is a new file; nothing of the old one is mixed into it."""
    ledger.commit(None, {"a.md": b"old\n", "b.md": b"same\n"})
    ledger.commit("a", {"a.md": None, "b.md": None})
    ledger.commit("b", {"a.md": b"new\n"})
    ledger.commit(None, {"b.md": b"same\n"})
    assert actions(ledger.plan(agent="a")) == {"a.md": "unchanged", "b.md": "unchanged"}
    assert actions(ledger.plan(agent="b")) == {"a.md": "removed"}


def test_lines_restored_by_a_person_are_not_doubled(ledger: Ledger) -> None:
    """A restore before the rollback leaves nothing to do in that file."""
    ledger.commit(None, {"a.md": b"1\n2\n3\n4\n"})
    ledger.commit("a", {"a.md": b"1\n4\n"})
    ledger.commit(None, {"a.md": b"1\n2\n3\n4\n"})
    assert actions(ledger.plan(agent="a")) == {"a.md": "unchanged"}


def test_modes_binary_files_and_links(ledger: Ledger) -> None:
    """A mode is undone by itself; what is no text gets its last version by others."""
    ledger.commit(None, {"x.sh": b"1\n", "b.bin": b"\0one", "c.bin": b"\0one", "link": ("120000", b"a")})
    ledger.commit("a", {"x.sh": ("100755", b"1\n"), "b.bin": b"\0two", "c.bin": b"\0two", "link": ("120000", b"b"),
                        "new.bin": b"\0"})
    ledger.commit("b", {"x.sh": ("100755", b"1\n2\n"), "c.bin": b"\0three"})
    ledger.undo(agent="a")
    tree = ledger.tree()
    assert ledger.texts() == {"x.sh": b"1\n2\n", "b.bin": b"\0one", "c.bin": b"\0three", "link": b"a"}
    assert [tree[path].mode for path in ("x.sh", "link")] == ["100644", "120000"]


def test_a_file_that_became_a_link_becomes_a_file_again(ledger: Ledger) -> None:
    """Type and content come back together."""
    start = ledger.commit(None, {"a.md": ("100755", b"text\n")})
    ledger.commit("a", {"a.md": ("120000", b"/etc/passwd")})
    ledger.undo(agent="a")
    assert ledger.tree() == ledger.tree(start)


def test_a_rename_is_followed_and_undone(ledger: Ledger) -> None:
    """Others' edits after the rename go back with the file; undoing that takes them along again."""
    ledger.commit(None, {"old.md": b"1\n2\n"})
    ledger.commit("a", {"old.md": None, "new.md": b"1\n2\na\n"}, trailers=rename("old.md", "new.md"))
    ledger.commit("b", {"new.md": b"0\n1\n2\na\n"})
    plan = ledger.undo(agent="a")
    assert ledger.texts() == {"old.md": b"0\n1\n2\n"}
    assert plan.renamed == (("new.md", "old.md"),)
    ledger.commit("b", {"old.md": b"0\n1\n2\n3\n"})
    ledger.undo(commits=(ledger.oids[4],))
    assert ledger.texts() == {"new.md": b"0\n1\n2\na\n3\n"}


@pytest.mark.parametrize(("names", "there"), [
    ((("a", "t"), ("b", "a"), ("t", "b")), {"a": b"b\n", "b": b"a\n", "c": b"c\n"}),
    ((("c", "d"), ("b", "c"), ("a", "b")), {"d": b"c\n", "c": b"b\n", "b": b"a\n"}),
    ((("a", "t"), ("b", "a"), ("c", "b"), ("t", "c")), {"a": b"b\n", "b": b"c\n", "c": b"a\n"}),
])
def test_files_that_changed_places(ledger: Ledger, names: tuple[tuple[str, str], ...], there: dict[str, bytes]) -> None:
    """A swap, a chain, a ring: undone at once, given back at once, undone again, and each file keeps its own lines."""
    texts = {name: f"{name}\n".encode() for name in "abc"}
    ledger.commit(None, texts)
    for old, new in names:
        text = texts.pop(old)
        texts[new] = text
        ledger.commit("a", {old: None, new: text}, trailers=rename(old, new))
    assert texts == there
    for _ in range(2):
        ledger.undo(agent="a")
        assert ledger.texts() == {name: f"{name}\n".encode() for name in "abc"}
        ledger.undo(commits=(ledger.head,))
        assert ledger.texts() == there


def test_a_rename_over_another_file(ledger: Ledger) -> None:
    """What was in the place comes back when the file goes back to where it was; and the other way round."""
    start = ledger.commit(None, {"x": b"x\n", "y": b"y\n"})
    over = ledger.commit("a", {"x": b"y\n", "y": None}, trailers=rename("y", "x"))
    for _ in range(3):
        ledger.undo(agent="a")
        assert ledger.tree() == ledger.tree(start)
        ledger.undo(commits=(ledger.head,))
        assert ledger.tree() == ledger.tree(over)


def test_a_rename_that_leaves_an_equal_file_behind(ledger: Ledger) -> None:
    """The copy takes the place of the one that cannot come back without a change; only the new name goes."""
    start = ledger.commit(None, {"x": b"x\n"})
    ledger.commit("a", {"x": None, "y": b"x\n"}, trailers=rename("x", "y"))
    copied = ledger.commit("a", {"x": b"x\n"})
    for _ in range(2):
        assert [change.path for change in ledger.undo(agent="a").changes] == ["y"]
        assert ledger.tree() == ledger.tree(start)
        ledger.undo(commits=(ledger.head,))
        assert ledger.tree() == ledger.tree(copied)


def test_a_file_that_was_renamed_and_then_deleted(ledger: Ledger) -> None:
    """It comes back under its old name, and goes from there when that is undone."""
    start = ledger.commit(None, {"x": b"x\n", "z": b"z\n"})
    ledger.commit("a", {"x": None, "y": b"x\n"}, trailers=rename("x", "y"))
    gone = ledger.commit("a", {"y": None})
    for _ in range(3):
        ledger.undo(agent="a")
        assert ledger.tree() == ledger.tree(start)
        ledger.undo(commits=(ledger.head,))
        assert ledger.tree() == ledger.tree(gone)


def test_a_file_that_one_commit_made_and_renamed(ledger: Ledger) -> None:
    """It was nowhere before, and goes."""
    start = ledger.commit(None, {"z": b"z\n"})
    ledger.commit("a", {"y": b"y\n"}, trailers=rename("tmp", "y"))
    ledger.undo(agent="a")
    assert ledger.tree() == ledger.tree(start)


def test_a_rename_that_leaves_another_file_behind(ledger: Ledger) -> None:
    """A stub in the old place goes, unless others wrote in it: then the file has no place to go back to."""
    ledger.commit(None, {"x": b"x\n"})
    ledger.commit("a", {"x": b"see y\n", "y": b"x\n"}, trailers=rename("x", "y"))
    moved = ledger.commit("b", {"y": b"x\nb\n"})
    for _ in range(3):
        ledger.undo(agent="a")
        assert ledger.texts() == {"x": b"x\nb\n"}
        ledger.undo(commits=(ledger.head,))
        assert ledger.tree() == ledger.tree(moved)
    ledger.commit("b", {"x": b"see y\nb\n"}, parents=(moved,))
    assert actions(ledger.plan(agent="a")) == {"x": "merged", "y": "conflict"}


def test_an_edit_before_others_renamed_the_file(ledger: Ledger) -> None:
    """The lines go from the file under the name that it has now, also when the name is not the one that was edited."""
    ledger.commit(None, {"docs/a.md": b"1\n"})
    ledger.commit("a", {"docs/a.md": b"1\nbad\n"})
    ledger.commit("b", {"docs/a.md": None, "runbooks/a.md": b"1\nbad\n"}, trailers=rename("docs/a.md", "runbooks/a.md"))
    ledger.commit("c", {"docs/a.md": b"another\n"})
    for glob in ("docs/**", "runbooks/*"):
        plan = ledger.plan(agent="a", paths=(glob,))
        assert [(change.path, change.data) for change in plan.changes] == [("runbooks/a.md", None)]
    assert ledger.plan(agent="a", paths=("other/**",)).changes == ()


def test_a_place_that_is_taken_clashes(ledger: Ledger) -> None:
    """Nothing is overwritten: neither a file at the old name nor one where its folder was."""
    ledger.commit(None, {"a": b"1\n", "d/f": b"1\n"})
    ledger.commit("a", {"a": None, "b": b"1\n", "d/f": None}, trailers=rename("a", "b"))
    ledger.commit("b", {"a": b"mine\n", "d": b"a file\n"})
    plan = ledger.plan(agent="a")
    assert [(one.path, one.ours, one.theirs) for one in plan.conflicts] == [("b", "mine\n", "1\n"),
                                                                            ("d/f", "a file\n", "1\n")]
    assert plan.changes == ()


def test_a_clash_names_the_commits_and_both_sides(ledger: Ledger) -> None:
    """Only the file with the clash stays; the rest is undone, and marked as a part."""
    ledger.commit(None, {"stock": b"10\n", "log": b""})
    ledger.commit("a", {"stock": b"9\n", "log": b"a\n"})
    ledger.commit("b", {"stock": b"8\n"})
    plan = ledger.plan(agent="a")
    assert [(one.path, one.commits, one.ours, one.theirs) for one in plan.conflicts] == [
        ("stock", (ledger.oids[2], ledger.oids[3]), "8\n", "10\n")]
    assert [change.path for change in plan.changes] == ["log"]
    assert not plan.whole
    ledger.land(plan)
    again = ledger.plan(agent="a")
    assert actions(again) == {"stock": "conflict"}


def test_a_part_by_paths_leaves_the_rest_for_later(ledger: Ledger) -> None:
    """What one rollback left out is found by the next, and each is undone by itself."""
    ledger.commit(None, {"x/1": b"1\n", "y/1": b"1\n"})
    mine = ledger.commit("a", {"x/1": b"1\na\n", "y/1": b"1\na\n"})
    ledger.undo(agent="a", paths=("x/**",))
    part = ledger.head
    assert ledger.texts() == {"x/1": b"1\n", "y/1": b"1\na\n"}
    ledger.undo(agent="a")
    assert ledger.texts() == {"x/1": b"1\n", "y/1": b"1\n"}
    ledger.undo(commits=(part,))
    assert ledger.texts() == {"x/1": b"1\na\n", "y/1": b"1\n"}
    assert [row.oid for row in ledger.plan(agent="a").rows] == [ledger.oids[mine]]


def test_governance_is_left_out_and_said(ledger: Ledger) -> None:
    """Rollback brings back no grant, key or vault record, however it is spelled."""
    ledger.commit(None, {".githarness/grants/g.yaml": b"g\n", ".GitHarness/agents/a.yaml": b"a\n", "a": b"1\n"})
    ledger.commit("a", {".githarness/grants/g.yaml": None, ".GitHarness/agents/a.yaml": None, "a": b"2\n",
                        ".githarness/config.toml": b"x\n"})
    plan = ledger.plan(agent="a")
    assert [change.path for change in plan.changes] == ["a"]
    assert {one.path: one.why.split()[0] for one in plan.excluded} == {
        ".githarness/grants/g.yaml": "a", ".GitHarness/agents/a.yaml": "identities",
        ".githarness/config.toml": "governance"}


def test_a_merged_branch_can_be_rolled_back(ledger: Ledger) -> None:
    """Commits that came by a branch are undone like any others, and the main line's stay."""
    fork = ledger.commit(None, {"a.md": b"1\n2\n3\n", "b.md": b"b\n"})
    main = ledger.commit("b", {"a.md": b"1\nmain\n2\n3\n"})
    ledger.commit("a", {"a.md": b"1\n2\nside\n3\n"}, parents=(fork,))
    side = ledger.commit("c", {"b.md": b"b\nc\n"})
    ledger.commit(None, {"a.md": b"1\nmain\n2\nside\n3\n", "b.md": b"b\nc\n"}, parents=(main, side))
    ledger.commit("b", {"a.md": b"1\nmain\n2\nside\nlater\n3\n"})
    ledger.undo(agent="a")
    assert ledger.texts() == {"a.md": b"1\nmain\n2\nlater\n3\n", "b.md": b"b\nc\n"}
    ledger.undo(agent="b")
    assert ledger.texts() == {"a.md": b"1\n2\n3\n", "b.md": b"b\nc\n"}


def test_a_branch_whose_changes_a_merge_dropped_has_nothing_to_undo(ledger: Ledger) -> None:
    """The merge took the other side: the branch's lines were never in head."""
    fork = ledger.commit(None, {"a.md": b"1\n"})
    main = ledger.commit("b", {"a.md": b"1\nmain\n"})
    side = ledger.commit("a", {"a.md": b"1\nside\n"}, parents=(fork,))
    ledger.commit(None, {"a.md": b"1\nmain\n"}, parents=(main, side))
    assert ledger.plan(agent="a").changes == ()


def test_a_rename_on_a_branch(ledger: Ledger) -> None:
    """The merge brings the rename in without saying so; main's edits under the old name are still the file's."""
    fork = ledger.commit(None, {"old.md": b"1\n2\n3\n"})
    main = ledger.commit("a", {"old.md": b"1\n2\n3\nmain\n"})
    side = ledger.commit("b", {"old.md": None, "new.md": b"1\n2\n3\n"}, parents=(fork,),
                         trailers=rename("old.md", "new.md"))
    ledger.commit(None, {"old.md": None, "new.md": b"1\n2\n3\nmain\n"}, parents=(main, side))
    ledger.undo(agent="a")
    assert ledger.texts() == {"new.md": b"1\n2\n3\n"}
    ledger.undo(agent="b")
    assert ledger.texts() == {"old.md": b"1\n2\n3\n"}


def test_selections(ledger: Ledger) -> None:
    """By agent with delegates, run, time, commit; people's commits by id only; unknown names are not found."""
    ledger.commit(None, {"f0": b"0\n"}, when=1000)
    one = ledger.commit("a", {"f1": b"1\n"}, run="r-1", when=2000)
    two = ledger.commit("b", {"f2": b"2\n"}, run="r-2", when=3000, trailers=(("On-Behalf-Of", "a"),))
    three = ledger.commit(None, {"f3": b"3\n"}, when=4000)

    def found(**selection: object) -> set[int]:
        oids = {row.oid for row in ledger.plan(**selection).rows}
        return {mark for mark, oid in ledger.oids.items() if oid in oids}

    assert found(agent="a") == {one}
    assert found(agent="a", with_delegates=True) == {one, two}
    assert found(run="r-2") == {two}
    assert found(since=2500.0) == {two}
    assert found(until=2500.0) == {one}
    assert found(commits=(ledger.oids[three][:8],)) == {three}
    assert [one.commit for one in ledger.plan(since=2500.0).excluded] == [ledger.oids[three]]
    assert ledger.plan(since=2500.0, paths=("f2",)).excluded == ()
    assert found(commits=("HEAD~1",)) == found(commits=("main^",)) == {two}
    for wrong in ({"run": "r-9"}, {"commits": ("abcd1234",)}, {"commits": ("HEAD~9",)}):
        with pytest.raises(NotFound):
            ledger.plan(**wrong)
    with pytest.raises(Usage):
        ledger.plan()


def test_paths_that_a_person_edits_are_skipped(ledger: Ledger) -> None:
    """They stay out of the plan, and the plan says why."""
    ledger.commit("a", {"x": b"1\n", "y": b"1\n"})
    plan = ledger.plan(agent="a", skip=("x",))
    assert [change.path for change in plan.changes] == ["y"]
    assert [(one.path, one.why) for one in plan.excluded] == [("x", "an uncommitted edit in the working tree")]


def test_content_that_was_there_before_is_not_written_again(ledger: Ledger) -> None:
    """A restored version names the blob that git has already."""
    start = ledger.commit(None, {"a": b"1\n"})
    ledger.commit("a", {"a": b"2\n"})
    change = ledger.plan(agent="a").changes[0]
    assert change == PathChange("a", ledger.tree()["a"], ledger.tree(start)["a"], None)


def test_a_rollback_counts_in_files_that_it_left_as_they_were(ledger: Ledger) -> None:
    """Somebody had deleted the line before the rollback: undoing that deletion does not bring the line back."""
    ledger.commit(None, {"a": b"1\n", "b": b"1\n"})
    ledger.commit("a", {"a": b"1\nbad\n", "b": b"1\nbad\n"})
    ledger.commit("b", {"a": b"1\n"})
    ledger.undo(agent="a")
    assert actions(ledger.plan(agent="b")) == {"a": "unchanged"}
    ledger.undo(commits=(ledger.head,))
    assert actions(ledger.plan(agent="b")) == {"a": "restored"}


def test_an_empty_file_stays_an_empty_file(ledger: Ledger) -> None:
    """A file without lines is still there; one that was created without lines goes."""
    start = ledger.commit(None, {"empty": b"", "x": b"1\n"})
    ledger.commit("a", {"empty": b"a\n", "new": b""})
    ledger.commit("b", {"x": b"2\n", "empty": b"a\nb\n"})
    ledger.commit("b", {"x": b"1\n", "empty": b"a\n"})
    ledger.undo(agent="a")
    assert ledger.tree() == ledger.tree(start)
