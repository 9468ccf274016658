"""What comes by a side branch or a merge: no permission returns by it, and a merger answers for what they made."""

from __future__ import annotations

from pathlib import Path
from time import sleep

import pytest

from githarness import clock
from githarness.policy import grants
from githarness.policy.model import Grant

SCOPE = """version: 1
rules:
  - {id: notes, effect: allow, agents: [deployer], actions: [write, append, delete, rename], paths: ["notes/**"]}
"""
FILE = ".githarness/policies/p.yaml"


@pytest.fixture
def scoped(forge) -> str:
    """An owner's policy: deployer has `notes/`."""
    return forge.commit({FILE: SCOPE, "notes/a.md": "a\nb\nc\nd\ne\n"}, agent=None, signer=forge.owner())


def _write(forge, parent: str, path: str = "notes/a.md", text: str = "x\n", rule: str = "p/notes", grant: str = "-",
           **more: object) -> str:
    pairs = forge.trailers(parent, Decision=f"allow rule={rule} grant={grant} event=e-x")
    return forge.commit({path: text}, parents=[parent], pairs=pairs, **more)


def _owner(forge, parent: str, files: dict[str, str | None]) -> str:
    return forge.commit(files, agent=None, parents=[parent], signer=forge.owner())


def _grant(forge, parent: str, ends: float, ident: str = "g-1") -> str:
    now = int(clock.SYSTEM.now())
    grant = Grant(ident, "deployer", ("write",), ("other/**",), now - 7200.0, ends, None, "test")
    return _owner(forge, parent, {f".githarness/grants/{ident}.yaml": grants.render(grant).decode()})


def test_an_ordinary_merge_of_agents_work_passes(forge, scoped) -> None:
    """Two sides, disjoint lines of one file: the control."""
    one = _write(forge, scoped, text="A\nb\nc\nd\ne\n")
    other = _write(forge, scoped, text="a\nb\nc\nd\nE\n")
    found = forge.verify(scoped, merged := forge.merge(one, other))
    assert (found.violations, found.human) == ([], [merged])


def test_a_narrowed_rule_does_not_come_back(forge, scoped) -> None:
    """The tip took the permission away before the side branch landed; judged by push, and by the main line alike."""
    side = _write(forge, scoped)
    narrowed = _owner(forge, scoped, {FILE: SCOPE.replace("notes/**", "docs/**")})
    merged = forge.merge(narrowed, side)
    for base in (narrowed, scoped, None):
        assert forge.codes(base, merged) == {"denied"}, base
    assert "denied" in forge.codes(narrowed, forge.merge(side, narrowed))  # the other way round


def test_what_both_sides_changed_holds_together(forge, scoped) -> None:
    """A side branch that an owner widened in one file keeps it, but for what the tip narrowed in another."""
    rule = SCOPE.replace("notes/**", "new/**")
    wide = _owner(forge, scoped, {".githarness/policies/more.yaml": rule})
    side = _write(forge, wide, "new/n.md", rule="more/notes")
    also = _write(forge, side, "notes/a.md")
    narrowed = _owner(forge, scoped, {FILE: SCOPE.replace("notes/**", "docs/**")})
    found = forge.verify(narrowed, forge.merge(narrowed, also)).violations
    assert {(one.commit, one.code) for one in found} == {(also, "denied")}


def test_a_removed_grant_and_a_rotated_key_do_not_come_back(forge, scoped, cli) -> None:
    """Whatever the side branch's own copy says, and also where an owner brought it back there."""
    granted = _grant(forge, scoped, clock.SYSTEM.now() + 3600)
    side = _write(forge, granted, "other/o.md", rule="grant", grant="g-1")
    assert forge.codes(granted, side) == set()
    gone = _owner(forge, granted, {".githarness/grants/g-1.yaml": None})
    assert forge.codes(gone, forge.merge(gone, side)) == {"denied"}
    forge.git("update-ref", "refs/heads/main", scoped)
    before, signer = forge.head, forge.signer()
    side = _write(forge, before, signer=signer)
    forge.git("checkout", "-q", "-f", "main")
    forge.cli("agent", "rotate-key", "deployer")
    assert forge.codes(forge.head, forge.merge(forge.head, side)) == {"retired"}


def test_a_merge_that_is_more_than_a_merge(forge, scoped) -> None:
    """Evil merges: a rule put back by taking the older side, a rule added, artifacts that a person changed."""
    narrowed = _owner(forge, scoped, {FILE: SCOPE.replace("notes/**", "docs/**")})
    side = forge.commit({"b.md": "b\n"}, agent=None, parents=[scoped])
    assert forge.codes(narrowed, forge.merge(narrowed, side, files={"b.md": "c\n"})) == set()
    for files in ({FILE: SCOPE}, {".githarness/policies/q.yaml": SCOPE}):
        for parents in ((narrowed, side), (side, narrowed)):
            assert forge.codes(narrowed, forge.merge(*parents, files=files)) == {"governance"}, (files, parents)


def test_a_merger_does_not_choose_between_owners(forge, scoped) -> None:
    """Where both sides changed one governance file, whoever merges decides, so an owner signs."""
    one = _owner(forge, scoped, {FILE: SCOPE.replace("notes/**", "docs/**")})
    other = _owner(forge, scoped, {FILE: SCOPE.replace("notes/**", "**")})
    for kept, first, second in ((one, one, other), (other, one, other), (other, other, one)):
        tree = forge.git("rev-parse", f"{kept}^{{tree}}")
        merged = forge.git("commit-tree", tree, "-p", first, "-p", second, "-m", "merge")
        assert forge.codes(one, merged) == {"governance"}


def test_an_octopus_is_judged_side_by_side(forge, scoped) -> None:
    """Three lines at once."""
    sides = [forge.commit({f"{name}.md": "x\n"}, agent=None, parents=[scoped]) for name in "abc"]
    assert forge.codes(scoped, forge.merge(*sides)) == set()
    assert forge.codes(scoped, forge.merge(*sides, files={FILE: None})) == {"governance"}


def test_a_grant_ends_for_everybody(forge, scoped, hub, push) -> None:
    """CI judges by the commit's date, the hub by the time of the push: backdating into a window lands nowhere new."""
    now = int(clock.SYSTEM.now())
    assert push(f"{scoped}:main").code == 0
    granted = _grant(forge, scoped, now - 60.0)
    assert push(f"{granted}:main").code == 0
    late = _write(forge, granted, "other/o.md", rule="grant", grant="g-1")
    assert "denied" in forge.codes(granted, late)
    early = _write(forge, granted, "other/o.md", rule="grant", grant="g-1", when=now - 120)
    assert forge.codes(granted, early) == set()
    assert "denied" in push(f"{early}:main").said


def test_a_grant_used_in_time_lands_later_by_a_branch(forge, scoped, hub, push) -> None:
    """What the hub took while the grant lasted it takes again when the branch is merged."""
    granted = _grant(forge, scoped, clock.SYSTEM.now() + 20)
    side = _write(forge, granted, "other/o.md", rule="grant", grant="g-1")
    assert push(f"{granted}:main").code == 0
    done = push(f"{side}:refs/heads/side")
    assert done.code == 0, done.said
    sleep(max(0.0, forge_end(forge, granted) - clock.SYSTEM.now()))
    merged = forge.merge(granted, side)
    done = push(f"{merged}:main")
    assert done.code == 0, done.said


def forge_end(forge, commit: str) -> float:
    text = forge.git("show", f"{commit}:.githarness/grants/g-1.yaml") + "\n"
    return grants.parse(text.encode(), "g-1.yaml").expires


def test_operators_stop_and_owners_do_the_rest(forge, cli, tmp_path: Path) -> None:
    """An operator's key quarantines, releases and takes grants away; it widens nothing and adds nobody."""
    from githarness.policy import registry
    from githarness.policy.model import Human, Key
    from githarness.seal.keys import KeySigner, generate

    key = KeySigner(generate())
    human = Human("otto", "otto@example.org", "operator", (Key(key.public, "h", "2020-01-01T00:00:00Z"),))
    start = _owner(forge, forge.head, {".githarness/humans/otto.yaml": registry.render_human(human).decode()})
    start = _grant(forge, start, clock.SYSTEM.now() + 3600)
    agent = forge.git("show", "main:.githarness/agents/deployer.yaml") + "\n"
    stopped = agent + "quarantined: '2026-01-01T00:00:00Z'\n"
    name = ".githarness/agents/deployer.yaml"
    for files, expected in (
        ({name: stopped}, set()), ({".githarness/grants/g-1.yaml": None}, set()),
        ({name: stopped.replace("writer", "reader")}, {"governance"}), ({name: None}, {"governance"}),
        ({name: ("100755", stopped)}, {"governance"}), ({".githarness/humans/otto.yaml": None}, {"governance"}),
        ({".githarness/agents/new.yaml": agent}, {"governance"}), ({".githarness/config.toml": "x"}, {"governance"}),
    ):
        made = forge.commit(files, agent=None, parents=[start], signer=key)
        assert forge.codes(start, made) == expected, files
    held = forge.commit({name: stopped}, agent=None, parents=[start], signer=key)
    assert forge.codes(held, forge.commit({name: agent}, agent=None, parents=[held], signer=key)) == set()


def test_uses_are_counted_over_all_branches(forge, scoped) -> None:
    """Two clones that each use up a grant used it twice; what a range begins with counts too."""
    granted = _grant(forge, scoped, clock.SYSTEM.now() + 3600)
    text = forge.git("show", f"{granted}:.githarness/grants/g-1.yaml").replace("why:", "uses: 1\nwhy:") + "\n"
    once = _owner(forge, granted, {".githarness/grants/g-1.yaml": text})
    sides = [_write(forge, once, f"other/{name}.md", rule="grant", grant="g-1") for name in "ab"]
    assert [forge.codes(once, side) for side in sides] == [set(), set()]
    assert len(forge.verify(once, forge.merge(*sides)).violations) == 1
    again = _write(forge, sides[0], "other/c.md", rule="grant", grant="g-1")
    assert "may be used 1 time(s)" in forge.verify(sides[0], again).violations[0].message
