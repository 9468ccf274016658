"""Paths that mean another file, or none: refused by every door, whatever stands in the tree or on disk."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.inputs.conftest import Desk, call_here, check_error, state

RUNBOOK = "runbooks/release.md"

TRAVERSAL = ["../outside.md", "/etc/passwd", "a//b", "a/../../b", "a/../b", "./a", "a/.", "a/", ""]
GIT = [".git/config", ".GIT/config", "git~1/config", ".git./config", ".git /config", ".git::$INDEX_ALLOCATION/config",
       ".g\u200cit/config", ".git\\config", "sub/.git/hooks/pre-commit", ".g\u0131t\u200b/x", "sub/.Git", "GIT~2/x"]
WINDOWS = ["CON", "con.txt", "a:b", "a.md:stream", "trailing.", "trailing ", "x" * 256, "d/" * 2500 + "f", "LPT1",
           "a/nul/b",
           "com¹.md"]
CONTROL = ["a\nb", "a\tb", "a\x1b[31mb", "a\x07b", "a\x7fb", "a\udcffb", "a\x85b", "a\u2028b", "a\rb"]
DECEIT = ["\u202egnp.md", "a\u200bb", "a\u2066b", "\U000e0041a", "e\u0301.md", "a\u3164b", "\ufeffa"]
BAD = {"traversal": TRAVERSAL, "git": GIT, "windows": WINDOWS, "control": CONTROL, "deceit": DECEIT}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_path_is_refused_by_every_door(desk: Desk, kind: str) -> None:
    """I29 I32 I33 I34 I36, G20 G23: with nothing done; `usage` where it is no text at all."""
    before = state(desk.folder)
    for path in BAD[kind]:
        code = "usage" if "\udcff" in path else "bad-path"
        shown = check_error(desk.act("write", "--json", path, stdin="x\n"), code, as_json=True)["message"]
        assert shown.isprintable() and len(shown) < 700, path
        check_error(desk.act("write", path, stdin="x\n"), code, as_json=False)
        for argv in (["read"], ["append"], ["delete"], ["rename", RUNBOOK]):
            assert desk.act(*argv, path, "--json", stdin="x\n").json["error"]["code"] in (code, "bad-path"), path
        lines = [{"op": "write", "path": "good.md", "content": "x"}, {"op": "write", "path": path, "content": "x"}]
        check_error(desk.act("apply", "--json", stdin="\n".join(map(json.dumps, lines))), code, as_json=True)
    assert state(desk.folder) == before


GOOD = ["-", "-rf", "--help", "x" * 255, "d" * 200 + "/" + "e" * 200, "ünïcödé/日本語.md", "a b", "a'b\"c", "$(touch)",
        "`id`", "*", "?", "[a]", ":(top)x", "!a", "#a", "~", "@{u}", "HEAD", "refs/heads/main", "a|b", "%00",
        ".githarnes"]


@pytest.mark.parametrize("path", [name for name in GOOD if ":" not in name], ids=ascii)
def test_a_path_that_only_looks_odd_is_a_path(desk: Desk, path: str) -> None:
    """I34: no shell, no pathspec, no revision and no option is seen in it; git has the file under this very name."""
    done = desk.run("write", "--agent", "deployer", "--json", "--", path, stdin="odd\n").json
    assert done["path"] == path and done["worktree"] == "updated"
    assert desk.git("ls-tree", "-z", "-r", "--name-only", "HEAD").split("\0").count(path) == 1
    assert (desk.folder / path).read_text() == "odd\n"
    assert desk.run("read", "--agent", "deployer", "--", path).out == "odd\n"
    desk.sound()


def test_odd_names_are_told_in_full_and_harmlessly(desk: Desk) -> None:
    """G24: quotes and other scripts come out of `log --json` as they are, and no text output drives a terminal."""
    desk.good("write", 'say "hi" \'日本\'.md', stdin="x\n")
    assert desk.run("log", "--json", "-n", "1").json["items"][0]["paths"] == ['say "hi" \'日本\'.md']
    assert "\x1b" not in desk.run("log").out


@pytest.mark.parametrize(("there", "twin"), [
    ("Docs/a.md", "docs/b.md"), ("Docs/a.md", "Docs/A.md"), ("Docs/a.md", "docs"), ("readme", "README/x.md"),
    ("stra\u00dfe.md", "strasse.md"), ("\u0130.md", "i\u0307.md"), ("k.md", "\u212a.md"), ("deep/er/x.md",
                                                                                           "deep/ER/y/z.md"),
])  # fmt: skip
def test_a_twin_by_letter_case_is_refused(desk: Desk, there: str, twin: str) -> None:
    """G21: file beside file, folder beside file and folder beside folder; also as the target of a rename."""
    desk.good("write", there, stdin="x\n")
    desk.refused("bad-path", "write", twin, stdin="y\n")
    desk.good("read", RUNBOOK)
    desk.refused("bad-path", "rename", RUNBOOK, twin)


def test_twins_within_one_apply_are_refused(desk: Desk) -> None:
    """G21: what an earlier line makes counts for a later one; what it removes does not."""
    lines = [{"op": "write", "path": "New/a.md", "content": ""}, {"op": "write", "path": "new/b.md", "content": ""}]
    desk.refused("bad-path", "apply", stdin="\n".join(map(json.dumps, lines)))
    desk.good("write", "Old.md", stdin="x\n")
    desk.good("rename", "Old.md", "old.md")
    assert desk.git("ls-tree", "--name-only", "HEAD", "--", "old.md", "Old.md") == "old.md"
    desk.sound()


def _commit(desk: Desk, *entries: str) -> None:
    """Entries `MODE OID NAME` of the top folder beside what is there, by a person with plumbing."""
    tree = desk.git("ls-tree", "-z", "HEAD") + "".join(f"{entry}\0" for entry in entries)
    made = desk.git("mktree", "-z", "--missing", stdin=os.fsencode(tree))
    commit = desk.git("commit-tree", made, "-p", "HEAD", "-m", "odd tree")
    desk.git("update-ref", "refs/heads/main", commit)
    desk.git("read-tree", "HEAD", ok=False)
    desk.git("checkout-index", "-af", ok=False)


def _blob(desk: Desk, data: bytes) -> str:
    return desk.git("hash-object", "-w", "--stdin", stdin=data)


def test_links_in_the_tree_are_never_followed(desk: Desk, tmp_path: Path) -> None:
    """I30 G16: not the link itself, not through it; to a folder inside, outside, to /proc, or to itself."""
    targets = {"inside": "runbooks", "outside": str(tmp_path), "proc": "/proc/self/environ", "loop": "loop",
               "file": RUNBOOK}
    _commit(desk, *(f"120000 blob {_blob(desk, to.encode())}\t{name}" for name, to in targets.items()))
    for name in targets:
        for path in (name, f"{name}/release.md"):
            desk.refused("bad-path", "write", path, stdin="x\n")
            assert desk.act("append", path, "--json", stdin="x\n").json["error"]["code"] == "bad-path"
        assert desk.act("read", name, "--json").json["error"]["code"] == "bad-path"
    desk.good("write", "beside.md", stdin="x\n")
    desk.sound()


def test_a_file_that_a_person_replaced_by_a_link_is_dirty(desk: Desk, tmp_path: Path) -> None:
    """I30: the artifact on disk leads elsewhere; neither it nor its target is touched."""
    target = tmp_path / "target.md"
    target.write_text("theirs\n")
    file = desk.folder / RUNBOOK
    file.unlink()
    file.symlink_to(target)
    desk.refused("dirty", "append", RUNBOOK, stdin="x\n")
    assert file.is_symlink() and target.read_text() == "theirs\n"


def test_a_folder_that_a_person_replaced_by_a_link_is_dirty(desk: Desk, tmp_path: Path) -> None:
    """I30: nothing is written where the link leads, not even a new file."""
    outside = tmp_path / "outside"
    (desk.folder / "runbooks").rename(outside)
    (desk.folder / "runbooks").symlink_to(outside)
    before = sorted(outside.iterdir())
    for path in (RUNBOOK, "runbooks/new.md", "runbooks/deep/new.md"):
        desk.refused("dirty", "append", path, stdin="x\n")
    assert sorted(outside.iterdir()) == before


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        os.chdir(path.parent)
        made.bind(path.name)


OTHERS: dict[str, Callable[[Path], object]] = {
    "fifo": os.mkfifo, "socket": _socket, "folder": Path.mkdir,
    "device": lambda path: os.mknod(path, 0o020666, os.makedev(1, 5)),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_file_is_dirty_and_blocks_nobody(desk: Desk, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """I31: a pipe, a socket, a device or a folder with something in it, in place of an artifact or of a new one."""
    if kind == "device" and os.geteuid() != 0:
        pytest.skip("only root makes devices")
    monkeypatch.chdir(desk.folder)
    (desk.folder / RUNBOOK).unlink()
    for path in (RUNBOOK, "new.md"):
        OTHERS[kind](desk.folder / path)
        if kind == "folder":
            (desk.folder / path / "mine.txt").write_text("mine\n")
        desk.refused("dirty", "append", path, stdin="x\n")
    desk.good("write", "beside.md", stdin="x\n")


def test_a_second_name_of_a_file_keeps_its_content(desk: Desk, tmp_path: Path) -> None:
    """I31: a hard link outside is not written through."""
    os.link(desk.folder / RUNBOOK, tmp_path / "second")
    desk.good("append", RUNBOOK, stdin="x\n")
    assert (tmp_path / "second").read_text() == "build\ntest\nship\n"
    desk.sound()


PROTECTED = [".gitmodules", ".gitattributes", "deep/er/.gitattributes", ".gitignore", "docs/.gitignore", ".mailmap",
             ".githarness/config.toml", ".githarness/agents/deployer.yaml", ".githarness/policies/new.yaml",
             ".GitModules",
             ".GITHARNESS/x", ".githarness", ".github/workflows/ci.yml", ".gitlab-ci.yml", "action.yml",
             ".husky/pre-push",
             ".pre-commit-config.yaml", "lefthook.yml"]


@pytest.mark.parametrize("path", PROTECTED)
def test_what_steers_git_or_governs_is_not_an_agents(desk: Desk, path: str) -> None:
    """G30 G31: `denied`, or no path at all where it is a twin, by whatever operation an agent tries."""
    for argv in (["write", path], ["append", path]):
        ran = desk.act(*argv, "--json", stdin="x\n")
        assert ran.json["error"]["code"] in ("denied", "bad-path"), ran.out
    desk.good("read", RUNBOOK)
    assert desk.act("rename", RUNBOOK, path, "--json").json["error"]["code"] in ("denied", "bad-path")
    desk.sound()


def test_an_artifact_is_not_renamed_out_of_its_scope(desk: Desk) -> None:
    """G25: both names of a rename are judged."""
    desk.good("read", ".githarness/config.toml")
    for to in ("config.toml", "docs/config.toml"):
        error = desk.refused("denied", "rename", ".githarness/config.toml", to)
        assert error["details"]["path"] == ".githarness/config.toml"
    desk.refused("denied", "delete", ".githarness/config.toml")


@pytest.mark.parametrize("name", ["../../../hooks", "a\rb", "-upload", "x/../../.git/hooks", "a\nb"])
def test_a_submodule_of_any_name_is_left_to_its_owner(desk: Desk, name: str) -> None:
    """I12 G30: nothing is followed, run or written there; neighbours are written, its path is not."""
    quoted = json.dumps(name)
    modules = f'[submodule {quoted}]\n\tpath = {quoted}\n\turl = ext::sh -c "touch pwned"\n\tupdate = !touch pwned\n'
    _commit(desk, f"100644 blob {_blob(desk, modules.encode())}\t.gitmodules", f"160000 commit {'1' * 40}\tvendor")
    desk.good("write", "beside.md", stdin="x\n")
    desk.good("append", RUNBOOK, stdin="x\n")
    for path in ("vendor", "vendor/x.md"):
        desk.refused("bad-path", "write", path, stdin="x\n")
    assert not list(desk.folder.rglob("pwned"))
    assert desk.git("ls-tree", "HEAD", "vendor").startswith("160000")


def test_a_bare_repository_inside_the_tree_is_not_taken_for_ours(desk: Desk) -> None:
    """I13: from inside of a planted one, nothing is run; who means it names it."""
    for name, data in {"HEAD": "ref: refs/heads/main\n", "config": "[core]\n\tfsmonitor = touch pwned\n",
                       "objects/x": "", "refs/x": ""}.items():
        desk.good("write", f"planted/{name}", stdin=data)
    (desk.folder / "planted/deep").mkdir()
    ran = call_here("log", "--json", cwd=desk.folder / "planted/deep")
    assert (ran.code, ran.json["error"]["code"]) == (18, "unavailable")
    assert not list(desk.folder.rglob("pwned"))
    desk.sound()


def test_names_that_are_not_utf8_stand_beside_ours(desk: Desk) -> None:
    """I34: a person's files with any bytes in their names are neighbours, in every listing."""
    name = b"caf\xe9.md"
    (Path(os.fsdecode(os.fsencode(desk.folder) + b"/" + name))).write_text("latin\n")
    desk.git("add", "-A")
    desk.git("commit", "-qm", "latin")
    desk.good("write", "beside.md", stdin="x\n")
    items = desk.run("log", "--json").json["items"]
    assert [item["subject"] for item in items[:2]] == ["write beside.md", "latin"]
    assert desk.run("log").code == desk.run("index", "rebuild").code == 0
    assert desk.run("log", "--json", "--path", "*.md").code == 0
    assert desk.run("rollback", "--commit", desk.git("rev-parse", "HEAD~1"), "--json").code in (0, 2, 14)
    assert desk.run("restore", "--to", "HEAD~1", "runbooks", "--json").code == 0
    assert desk.git("fsck", "--strict") == ""


def test_a_tree_with_forbidden_names_is_left_alone(desk: Desk, tmp_path: Path) -> None:
    """I32: a person's tree may hold what git itself refuses; nothing of it reaches the disk, and others go on."""
    inner = desk.git("mktree", stdin=f"100755 blob {_blob(desk, b'touch pwned')}\tpost-commit\n")
    hooks = desk.git("mktree", stdin=f"040000 tree {inner}\thooks\n")
    _commit(desk, f"040000 tree {hooks}\t.GIT", f"120000 blob {_blob(desk, b'.git')}\tlink")
    desk.good("write", "beside.md", stdin="x\n")
    for argv in (["read", ".GIT/hooks/post-commit"], ["append", ".git/hooks/post-commit"], ["append", "link/config"]):
        assert desk.act(*argv, "--json", stdin="x\n").json["error"]["code"] == "bad-path"
    ran = desk.run("restore", "--to", "HEAD", ".GIT", "--json")
    assert ran.code in (0, 2, 14) and "Traceback" not in ran.err
    assert not (desk.folder / ".git/hooks/post-commit").exists()


@pytest.mark.parametrize("glob", ["**/" * 60 + "x", "*" * 3000, "a" * 5000, "../**", "\x1b*", "[", "(" * 200])
def test_a_hostile_glob_ends_soon(desk: Desk, glob: str) -> None:
    """I52: bounded time, a result or `usage`."""
    for argv in (["log", "--path", glob], ["rollback", "deployer", "--path", glob, "--dry-run"]):
        ran = desk.run(*argv, "--json")
        assert ran.code in (0, 2) and "Traceback" not in ran.err
