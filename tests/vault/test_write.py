"""Secrets as owners write them: versions, terms, what is refused, and that no value shows anywhere."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from githarness.errors import Conflict, Denied, Integrity, Locked, NotFound, Unavailable, Usage, VaultLocked
from githarness.seal import keys
from githarness.settings import load as load_settings
from githarness.settings import parse_config
from githarness.vault import keyslots, marks, opening
from githarness.work import vault_write
from githarness.work.vault_write import Item, Terms
from tests.conftest import Cli, Git
from tests.vault.safe import AT, Safe

OLD, NEW = b"first-value-0000", b"second-value-1111"


@pytest.fixture
def safe(fleet: Path) -> Safe:
    return Safe(fleet).init()


def test_versions_grow_over_rotation_removal_and_a_new_beginning(safe: Safe) -> None:
    """A later set goes on from the tombstone's version; terms are said anew by set, kept by rotate."""
    safe.set("a/b", OLD, Terms(hosts=("api.example.org",)))
    safe.rotate("a/b", NEW)
    assert (safe.header("a/b").version, safe.header("a/b").modes, safe.value("a/b")) == (2, ("proxy",), NEW)
    safe.rm("a/b")
    assert (safe.header("a/b").version, safe.header("a/b").state, safe.header("a/b").kek) == (3, "removed", "")
    safe.set("a/b", OLD)
    assert (safe.header("a/b").version, safe.header("a/b").modes) == (4, ("exec", "get"))
    assert safe.codes() == set()


def test_the_subject_names_secret_and_version(safe: Safe, git: Git) -> None:
    """For who reads git log."""
    safe.set("a", OLD)
    assert git(safe.folder, "log", "-1", "--format=%s") == "vault: set a version 1"


@pytest.mark.parametrize(("name", "terms", "value"), [
    ("A", Terms(), OLD), ("short", Terms(), b"1234567"), ("open", Terms(modes=("proxy",)), OLD),
    ("lines", Terms(hosts=("a.example",)), b"two\r\nlines!"), ("nul", Terms(hosts=("a.example",)), b"zero\0byte"),
    ("mode", Terms(modes=("print",)), OLD), ("host", Terms(hosts=("http//x",)), OLD)])
def test_what_could_not_be_used_is_refused(safe: Safe, git: Git, name: str, terms: Terms, value: bytes) -> None:
    """V45, V48: before anything is written; the value is in no message."""
    with pytest.raises(Usage) as refused:
        safe.set(name, value, terms)
    assert value.decode() not in refused.value.message and "vault: init" in git(safe.folder, "log", "-1", "--format=%s")


def test_a_secret_is_no_folder_of_others(safe: Safe) -> None:
    """Neither way round."""
    safe.set("a", OLD)
    safe.set("b/c", OLD)
    for name in ("a/b", "b"):
        with pytest.raises(Conflict):
            safe.set(name, OLD)


def test_what_is_not_there_is_not_rotated_or_removed(safe: Safe) -> None:
    """Nor what was removed."""
    safe.set("gone", OLD)
    safe.rm("gone")
    for act in (lambda: safe.rotate("gone", NEW), lambda: safe.rm("gone"), lambda: safe.rm("never")):
        with pytest.raises(NotFound):
            act()


def test_only_owners_write_secrets(safe: Safe, git: Git, cli: Cli) -> None:
    """An operator is refused, and nothing is written."""
    added = cli("human", "add", "otto", "--mail", "otto@example.org", "--role", "operator", cwd=safe.folder)
    assert added.code == 0, added.err
    git(safe.folder, "config", "user.email", "otto@example.org")
    with pytest.raises(Denied, match="operator"):
        Safe(safe.folder).set("a", OLD)


def test_nobody_writes_a_record_by_hand(safe: Safe, cli: Cli) -> None:
    """Not even an owner's write, delete, rename or restore."""
    safe.set("a", OLD)
    before = safe.harness.head()
    safe.rotate("a", NEW)
    for words in (["write", f"{AT}/a", "--as", "olive"], ["delete", f"{AT}/a", "--as", "olive"],
                  ["rename", f"{AT}/a", f"{AT}/b", "--as", "olive"], ["restore", "--to", before, f"{AT}/a"],
                  ["write", f"{AT}/a", "--agent", "deployer"], ["write", f"{AT}/.vault", "--as", "olive"]):
        done = cli(*words, cwd=safe.folder, stdin="x\n")
        assert done.code in (2, 10), (words, done.err)
    assert safe.value("a") == NEW


def test_a_rollback_leaves_records_alone(safe: Safe, cli: Cli) -> None:
    """V05: it says that they are excluded, the marker too."""
    made, first = safe.harness.head(), safe.set("a", OLD).commit
    second, gone = safe.rotate("a", NEW).commit, safe.rm("a").commit
    for commit in (made, first, second, gone):
        done = cli("rollback", "--commit", str(commit), "--json", cwd=safe.folder)
        assert done.json["commit"] is None and "not brought back" in done.json["excluded"][0]["why"], done.out
    assert safe.header("a").version == 3


def test_a_revert_is_refused_where_it_is_loaded_and_told_by_verify(safe: Safe) -> None:
    """V02, V05: an owner's own git revert of a rotation, of a removal, and of a first version."""
    first = safe.set("a", OLD).commit
    rotated = safe.rotate("a", NEW).commit
    gone = safe.rm("a").commit
    for commit, code in ((gone, "vault-version"), (rotated, "vault-version"), (first, "vault-removed")):
        base = safe.harness.head()
        safe.git("revert", "--no-edit", str(commit))
        assert safe.codes(base) == {code}
        with pytest.raises((Integrity, AssertionError)):
            Safe(safe.folder).value("a")
    assert Safe(safe.folder).set("a", NEW).headers[0].version == 4  # a new value heals it: above all that was seen


def test_an_older_record_would_open_without_its_mark(safe: Safe) -> None:
    """Negative control: signature, owner and key of the old one are all good."""
    safe.set("a", OLD)
    rotated = str(safe.rotate("a", NEW).commit)
    safe.git("revert", "--no-edit", rotated)
    with pytest.raises(Integrity, match="version 2 was seen"):
        safe.value("a")
    (safe.place / marks.FILE).unlink()
    assert safe.value("a") == OLD


def test_two_clones_with_different_secrets_merge_in_git(safe: Safe, git: Git, tmp_path: Path) -> None:
    """V11: one file each, so that there is nothing to resolve, and verify has nothing to say."""
    git(tmp_path, "clone", "-q", safe.folder, "other")
    other = Safe(tmp_path / "other")
    other.set("b/two", NEW)
    safe.set("a/one", OLD)
    safe.git("pull", "-q", "--no-rebase", "--no-edit", str(tmp_path / "other"), "main")
    merged = Safe(safe.folder)
    assert (merged.value("a/one"), merged.value("b/two"), merged.codes()) == (OLD, NEW, set())


SETTER = "import sys; from pathlib import Path; from tests.vault.safe import Safe; safe = Safe(Path(sys.argv[1]))\n" \
         "for n in range(4): safe.set(sys.argv[2], f'{sys.argv[2]}-value-{n}'.encode())\n"


def test_two_writers_at_once_lose_nothing(safe: Safe) -> None:
    """V11: of one secret and of several, each version once, and in order."""
    names = ["same", "same", "own"]
    writers = [subprocess.Popen([sys.executable, "-c", SETTER, str(safe.folder), name]) for name in names]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    assert (safe.header("same").version, safe.header("own").version) == (8, 4)
    assert safe.value("same") == b"same-value-3" and safe.codes() == set()


def test_rekey_seals_everything_anew_and_drops_the_old_key(safe: Safe) -> None:
    """In one commit; tombstones stay, versions grow, and the former key opens nothing at the head."""
    for name in ("a", "b"):
        safe.set(name, OLD)
    safe.rm("b")
    before, head = dict(safe.keks()), safe.harness.head()
    done = safe.rekey()
    assert [(one.name, one.version) for one in done.headers] == [("a", 2)] and safe.value("a") == OLD
    assert safe.keks().keys() == {safe.header("a").kek} and not before.keys() & safe.keks().keys()
    assert safe.git("rev-list", "--count", f"{head}..main").strip() == "1" and safe.codes() == set()


def test_a_key_that_came_meanwhile_is_told(safe: Safe) -> None:
    """Between unlocking and writing; nothing is sealed with a key that is gone."""
    former = safe.keks()
    safe.rekey()
    with pytest.raises(Locked, match="new key"):
        vault_write.put(safe.desk, safe.settings, [Item("a", OLD, Terms())], former)


MARKER = "import sys; from pathlib import Path; from githarness.vault import marks\n" \
         "for n in range(60): marks.advance(Path(sys.argv[1]), [(f'{sys.argv[2]}/{n}', 1, b'x')])\n"


def test_marks_of_several_processes_are_all_kept(safe: Safe) -> None:
    """Two clones and a daemon add to one file."""
    writers = [subprocess.Popen([sys.executable, "-c", MARKER, str(safe.place), name]) for name in ("a", "b", "c")]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert len(marks.load(safe.place)) == 180


def test_rekey_stops_at_a_record_that_is_not_to_be_believed(safe: Safe) -> None:
    """It would sign what somebody else wrote; the old key stays."""
    safe.set("a", OLD)
    (safe.folder / AT / "a").write_text("githarness-vault 1\n\n")
    safe.git("commit", "-q", "-m", "broken", "--", f"{AT}/a")
    with pytest.raises(Integrity, match="not to be believed"):
        Safe(safe.folder).rekey()
    assert Safe(safe.folder).set("a", NEW).headers[0].version == 2  # and it is mended by a new value


def test_a_file_that_is_called_like_no_secret_has_a_way_out(safe: Safe) -> None:
    """Of the folder: `vault rm` would not take its name."""
    (safe.folder / AT / "No Secret").write_text("x")
    safe.git("add", "--", AT)
    safe.git("commit", "-q", "-m", "junk")
    with pytest.raises(Integrity) as refused:
        Safe(safe.folder).rekey()
    assert refused.value.fix.startswith(f"git rm '{AT}/No Secret'")


def test_a_second_vault_is_refused(safe: Safe, tmp_path: Path, git: Git) -> None:
    """In the repository, in a clone of it, and where somebody deleted it; keys that are there stay as they are."""
    keys = (safe.place / keyslots.FILE).read_bytes()
    git(tmp_path, "clone", "-q", safe.folder, "other")
    place = safe.place
    for one in (safe, Safe(tmp_path / "other")):
        with pytest.raises(Conflict, match="has a vault"):
            one.init()
    safe.git("rm", "-q", "-r", AT)
    safe.git("commit", "-q", "-m", "away")
    with pytest.raises(Conflict, match="had a vault"):
        Safe(safe.folder).init()
    assert (place / keyslots.FILE).read_bytes() == keys and len(list(place.parent.iterdir())) == 1


def test_keys_and_marks_are_for_no_other_repository(safe: Safe, cli: Cli, git: Git, tmp_path: Path) -> None:
    """A copied marker and copied records open nothing elsewhere and raise no mark; a clone is the same repository."""
    safe.set("a", OLD)
    for name in ("clone", "other"):
        git(tmp_path, "clone", "-q", safe.folder, name)
    assert cli("vault", "get", "a", "--as", "olive", cwd=tmp_path / "clone").out == OLD.decode()
    git(tmp_path / "other", "checkout", "-q", "--orphan", "fresh")
    safe.git("-C", str(tmp_path / "other"), "commit", "-q", "-m", "copied")
    git(tmp_path / "other", "branch", "-q", "-M", "fresh", "main")
    before = marks.load(safe.place)
    assert cli("vault", "get", "a", "--as", "olive", cwd=tmp_path / "other").code == 10
    for act in (lambda one: one.set("a", NEW), lambda one: one.rm("a"), lambda one: one.rekey()):
        with pytest.raises(Denied, match="another repository"):
            act(Safe(tmp_path / "other"))
    assert marks.load(safe.place) == before and safe.value("a") == OLD


def test_a_vault_without_its_keys_stays_locked(safe: Safe) -> None:
    """A failed load makes nothing: no keyfile, no slots, no keys."""
    safe.set("a", OLD)
    place = safe.place
    (place / "keyfile").unlink()
    with pytest.raises(VaultLocked, match="no keyfile"):
        safe.set("a", NEW)
    assert "keyfile" not in os.listdir(place)
    shutil.rmtree(place)
    with pytest.raises((NotFound, OSError, Unavailable)):
        safe.set("a", NEW)
    assert not place.exists()


def test_a_locked_vault_is_not_written_to(safe: Safe) -> None:
    """Listing goes on: it takes no key."""
    opening.lock(safe.place)
    with pytest.raises(VaultLocked):
        safe.set("a", OLD)


CANARY = "canary-7f3c9e1b5a2d"


def test_no_value_shows_anywhere(fleet: Path, home: Path, cli: Cli) -> None:
    """V20: not in git, the database, files of this machine, the log, stdout or stderr, in any plain encoding."""
    said = ""
    for words, given in ((["vault", "init"], ""), (["vault", "set", "c", "--host", "x.example"], CANARY),
                         (["vault", "rotate", "c"], CANARY + "2"), (["vault", "rekey"], ""),
                         (["vault", "set", "c", "--mode", "nonsense"], CANARY), (["vault", "list"], ""),
                         (["vault", "history", "c"], ""), (["vault", "rm", "c"], ""), (["audit", "log"], "")):
        done = cli(*words, cwd=fleet, stdin=given)
        said += done.out + done.err
    forms = [CANARY.encode(), CANARY.encode().hex().encode(), base64.b64encode(CANARY.encode())[:-4]]
    unpacked = subprocess.run(["git", "cat-file", "--batch", "--batch-all-objects"], cwd=fleet, capture_output=True,
                              check=True).stdout
    places = [said.encode(), unpacked, *(file.read_bytes() for folder in (fleet, home) for file in folder.rglob("*")
                                         if file.is_file() and not file.is_symlink())]
    assert [form for form in forms for place in places if form in place] == []


def test_the_command_shows_what_it_did(fleet: Path, cli: Cli) -> None:
    """Text and JSON of each command; list and history take no key."""
    made = cli("vault", "init", "--json", cwd=fleet).json
    assert made["slots"][0]["kind"] == "keyfile" and Path(made["keys"]).is_dir()
    assert cli("vault", "set", "a", "--dry-run", cwd=fleet, stdin="some-secret\n").out == "would be set 'a' version 1\n"
    done = cli("vault", "set", "a", "--json", cwd=fleet, stdin="some-secret\n")
    assert done.json["items"][0]["version"] == 1 and done.json["commit"]
    (Path(made["keys"]) / "keyfile").rename(fleet / "away")
    listed, told = cli("vault", "list", "--json", cwd=fleet).json["items"], cli("vault", "history", "a", cwd=fleet)
    assert (listed[0]["name"], listed[0]["writer"], listed[0]["good"]) == ("a", "olive", True)
    assert told.out.startswith("a version 1 modes exec, get by olive at ")
    locked = cli("vault", "set", "b", "--json", cwd=fleet, stdin="some-secret\n")
    assert locked.code == 15 and "no keyfile" in json.loads(locked.out)["error"]["message"]


def test_a_value_comes_from_a_file_or_stdin_whole(fleet: Path, cli: Cli, tmp_path: Path) -> None:
    """One line loses its end, several lines nothing; there is no argument for it."""
    cli("vault", "init", cwd=fleet)
    (tmp_path / "key").write_bytes(b"-----BEGIN-----\nabc\n-----END-----\n")
    assert cli("vault", "set", "key", "--from", str(tmp_path / "key"), cwd=fleet).code == 0
    assert cli("vault", "set", "line", cwd=fleet, stdin="one-line-value\r\n").code == 0
    safe = Safe(fleet)
    assert (safe.value("key"), safe.value("line")) == ((tmp_path / "key").read_bytes(), b"one-line-value")
    assert cli("vault", "set", "x", "the-value", cwd=fleet).code == 2


def test_slots_are_changed_by_rekey(fleet: Path, cli: Cli, home: Path) -> None:
    """A passphrase's file takes the place of the keyfile; the last slot stays."""
    cli("vault", "init", cwd=fleet)
    cli("vault", "set", "a", cwd=fleet, stdin="some-secret\n")
    done = cli("vault", "rekey", "--drop", "keyfile", "--add-passphrase-file", str(home / "phrase"), cwd=fleet)
    assert done.code == 0, done.err
    safe = Safe(fleet)
    assert [slot.kind for slot in keyslots.load(safe.place).slots] == ["passphrase"]
    assert safe.value("a") == b"some-secret"
    refused = cli("vault", "rekey", "--drop", "passphrase", cwd=fleet)
    assert refused.code == 2 and "nothing would open" in refused.err and safe.value("a") == b"some-secret"
    assert cli("vault", "rekey", "--drop", "nonsense", cwd=fleet).code == 2


@pytest.mark.parametrize("folder", ["vault", "../vault", ".githarness", ".githarness/agents", ".githarness/logs/x", 7])
def test_the_folder_lies_below_githarness_alone(folder: object) -> None:
    """Beside everything else that governs."""
    with pytest.raises(Integrity):
        parse_config(f'version = 1\nfleet = "a"\nbranch = "main"\nvault = {json.dumps(folder)}\n'.encode())


def test_a_folder_of_ones_own_is_as_safe(fleet: Path, cli: Cli, git: Git) -> None:
    """config.toml says where; restore and verify know it there."""
    config = (fleet / ".githarness/config.toml").read_text() + 'vault = ".githarness/secrets/prod"\n'
    safe = Safe(fleet)
    (fleet / ".githarness/config.toml").write_text(config)
    safe.git("commit", "-q", "-a", "-m", "folder")
    safe = Safe(fleet).init()
    safe.set("a", OLD)
    before = safe.harness.head()
    rotated = str(safe.rotate("a", NEW).commit)
    assert (fleet / ".githarness/secrets/prod/a").exists()
    assert cli("restore", "--to", before, ".githarness/secrets/prod/a", cwd=fleet).code == 2
    safe.git("revert", "--no-edit", rotated)
    assert "vault-version" in safe.codes(rotated)


def test_keys_below_the_folder_of_temporary_files_are_not_used(safe: Safe, home: Path) -> None:
    """V15: also where they came to lie there later."""
    given = load_settings({**os.environ, "TMPDIR": str(home / "data")})
    with pytest.raises(Unavailable, match="agents are given"):
        Safe(safe.folder, given).set("a", OLD)


def test_other_terms_are_told(fleet: Path, cli: Cli) -> None:
    """A new value alone would open to `get` what was for `proxy` only; rotate keeps the terms."""
    cli("vault", "init", cwd=fleet)
    cli("vault", "set", "a", "--host", "api.example.org", "--tier", "T1", cwd=fleet, stdin="some-secret")
    assert "note" not in cli("vault", "rotate", "a", cwd=fleet, stdin="some-other-secret").err
    assert cli("vault", "set", "a", cwd=fleet, stdin="some-secret").err == (
        "note: its terms were: modes proxy; hosts api.example.org; tier T1; now: modes exec, get; "
        "githarness vault rotate a keeps them\n")
    assert "its terms" not in cli("vault", "set", "a", cwd=fleet, stdin="some-secret").err
    done = cli("vault", "set", "b", "--mode", "write", cwd=fleet, stdin="some-secret")
    assert done.code == 2 and "modes: get, exec, proxy, sign" in done.err


def test_a_key_that_never_signs_is_told(fleet: Path, cli: Cli) -> None:
    """ssh-add -l would not list it, and nobody would know why."""
    cli("vault", "init", cwd=fleet)
    key = keys.generate().to_pem().decode()
    assert not cli("vault", "set", "good", "--mode", "sign", cwd=fleet, stdin=key).err
    told = cli("vault", "set", "bad", "--mode", "sign", cwd=fleet, stdin="no key at all")
    assert told.code == 0 and "ssh will not list it" in told.err
