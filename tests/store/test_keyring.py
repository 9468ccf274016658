"""The keys of this machine: made whole, used only where nobody else could read or swap them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from githarness.errors import HarnessError, Integrity, NotFound, Unavailable
from githarness.seal import public, sshsig
from githarness.seal.signer import Signer
from githarness.settings import Settings
from githarness.store.keyring import Keyring

MakeSettings = Callable[..., Settings]
CREATE = (
    "from githarness import settings; from githarness.store.keyring import Keyring; "
    "print(Keyring(settings.load()).create('x').public)"
)


@pytest.fixture
def here(make_settings: MakeSettings) -> Settings:
    return make_settings()


@pytest.fixture
def folder(here: Settings) -> Path:
    return here.data_dir / "keys"


def signs(signer: Signer | None) -> bool:
    assert signer is not None
    return sshsig.verify(signer.sign(b"x", "git"), b"x", "git") == signer.public


def nobody(path: str) -> bytes:
    raise AssertionError(f"asked for the passphrase of {path}")


def new_key(path: Path, *options: str) -> str:
    """A key file as a person has it; returns its public line."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f", str(path), *options]
    subprocess.run(command, check=True)
    return public.line(path.with_suffix(".pub").read_text())


def test_a_new_key_is_found_again(here: Settings, folder: Path) -> None:
    """Another process finds the key and signs with it; its files are for their owner only."""
    made = Keyring(here).create("deployer build-1\n")
    assert signs(Keyring(here).find([made.public]))
    assert folder.stat().st_mode & 0o777 == here.data_dir.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    assert [file.read_text() for file in folder.glob("*.pub")] == [f"{made.public} deployer build-1\n"]


def test_a_key_that_is_not_here_is_none(here: Settings, tmp_path: Path) -> None:
    """Neither an empty list nor a stranger's key gives a signer, before and after the folder exists."""
    stranger = new_key(tmp_path / "key")
    assert Keyring(here).find([]) is None
    assert Keyring(here).find([stranger]) is None
    made = Keyring(here).create("x")
    assert Keyring(here).find([stranger]) is None
    found = Keyring(here).find([stranger, made.public])
    assert found is not None
    assert found.public == made.public


def test_nineteen_processes_make_nineteen_keys(here: Settings, folder: Path) -> None:
    """Keys made at the same moment in a folder that none of them finds are all whole, and nothing is left over."""
    command = [sys.executable, "-c", CREATE]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) for _ in range(19)
    ]
    made = [process.communicate()[0].strip() for process in started]
    assert all(signs(Keyring(here).find([line])) for line in made)
    assert len(set(made)) == 19
    assert len(list(folder.iterdir())) == 38


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("key", 0o644),
        ("key", 0o640),
        ("key", 0o604),
        ("keys", 0o750),
        ("keys", 0o770),
        ("data", 0o720),
        ("data", 0o702),
    ],
)
def test_a_key_that_others_could_read_or_swap_is_not_used(name: str, mode: int, here: Settings, folder: Path) -> None:
    """The error names the file or folder and its mode, and doing what it says makes the key usable."""
    made = Keyring(here).create("x")
    file = next(file for file in folder.iterdir() if file.suffix != ".pub")
    place = {"key": file, "keys": folder, "data": here.data_dir}[name]
    place.chmod(mode)
    with pytest.raises(Unavailable, match=f"'{place}' has mode {mode:04o}") as caught:
        Keyring(here).find([made.public])
    subprocess.run(caught.value.fix, shell=True, check=True)
    assert signs(Keyring(here).find([made.public]))


def test_a_new_key_is_not_put_into_a_folder_that_others_write(here: Settings, folder: Path) -> None:
    """Making a key refuses a shared folder too, before anything is written."""
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    with pytest.raises(Unavailable, match="0777"):
        Keyring(here).create("x")
    assert list(folder.iterdir()) == []


def test_a_link_in_place_of_a_key_is_refused(here: Settings, folder: Path, tmp_path: Path) -> None:
    """Neither the key file nor the folder may be a symbolic link."""
    made = Keyring(here).create("x")
    file = next(file for file in folder.iterdir() if file.suffix != ".pub")
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unavailable, match="symbolic link"):
        Keyring(here).find([made.public])
    folder.rename(tmp_path / "keys")
    folder.symlink_to(tmp_path / "keys")
    with pytest.raises(Unavailable, match="not a folder"):
        Keyring(here).find([made.public])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_user_is_refused(here: Settings, folder: Path) -> None:
    """Its owner could change it under us."""
    made = Keyring(here).create("x")
    os.chown(next(file for file in folder.iterdir() if file.suffix != ".pub"), 12345, 12345)
    with pytest.raises(Unavailable, match="another user"):
        Keyring(here).find([made.public])


def test_a_damaged_or_swapped_key_file_is_named(here: Settings, folder: Path) -> None:
    """A key file that is cut, another key's, or a pipe ends in a named error, and does not hang."""
    first, second = Keyring(here).create("x"), Keyring(here).create("y")
    one, two = (
        Path(folder / public.fingerprint(key.public).replace("/", "_").replace("+", "-")) for key in (first, second)
    )
    whole = one.read_bytes()
    one.write_bytes(whole[:100])
    with pytest.raises(Integrity):
        Keyring(here).find([first.public])
    one.write_bytes(two.read_bytes())
    with pytest.raises(Unavailable, match="does not lead to the key"):
        Keyring(here).find([first.public])
    assert Keyring(here).find([first.public, second.public]) is not None
    one.unlink()
    os.mkfifo(one, 0o600)
    with pytest.raises(Unavailable, match="not a key file"):
        Keyring(here).find([first.public])


def test_a_folder_that_cannot_be_made_is_named(here: Settings) -> None:
    """A file where the data folder should be is no internal error."""
    here.data_dir.parent.mkdir(parents=True, exist_ok=True)
    here.data_dir.write_text("")
    with pytest.raises(Unavailable, match="cannot be written"):
        Keyring(here).create("x")


def test_a_person_s_key_is_used_where_it_is(here: Settings, folder: Path, tmp_path: Path) -> None:
    """Only the path is stored; the key is found by its public line, and gone when the person takes it away."""
    line = new_key(tmp_path / "id")
    assert Keyring(here).import_file(tmp_path / "id", nobody).public == line
    assert [file.suffix for file in folder.iterdir()] == [".path"]
    assert signs(Keyring(here).find([line]))
    (tmp_path / "id").unlink()
    with pytest.raises(NotFound, match=str(tmp_path / "id")):
        Keyring(here).find([line])


def test_an_encrypted_key_asks_only_who_may_be_asked(here: Settings, tmp_path: Path) -> None:
    """Importing asks once, with the file's name; finding never does, unless a way to ask is passed."""
    new_key(tmp_path / "id", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "secret")
    asked: list[str] = []

    def secret(path: str) -> bytes:
        asked.append(path)
        return b"secret"

    line = Keyring(here).import_file(tmp_path / "id", secret).public
    assert asked == [str(tmp_path / "id")]
    with pytest.raises(Unavailable) as caught:
        Keyring(here).find([line])
    assert caught.value.fix == f"ssh-add '{tmp_path / 'id'}'"
    assert signs(Keyring(here).find([line], passphrase=secret))
    with pytest.raises(Unavailable, match="passphrase"):
        Keyring(here).find([line], passphrase=lambda _: b"wrong")


def test_openssh_s_encrypted_format_opens_or_names_the_way(here: Settings, tmp_path: Path) -> None:
    """With the package bcrypt the passphrase opens it; without, the error says how ssh-agent does."""
    line = new_key(tmp_path / "id", "-N", "secret")
    try:
        assert Keyring(here).import_file(tmp_path / "id", lambda _: b"secret").public == line
    except Unavailable as error:
        assert "ssh-add" in error.fix


@pytest.mark.parametrize(
    ("content", "mode", "kind"),
    [
        (None, 0o644, Unavailable),
        ("", 0o600, Integrity),
        ("not a key\n", 0o600, Integrity),
        ("x" * 100_000, 0o600, Unavailable),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n", 0o600, Integrity),
    ],
)
def test_a_file_that_is_no_usable_key_is_refused(
    content: str | None, mode: int, kind: type[HarnessError], here: Settings, folder: Path, tmp_path: Path
) -> None:
    """A key that others can read, an empty file, other text and bulk are named; nothing is stored."""
    new_key(tmp_path / "id")
    if content is not None:
        (tmp_path / "id").write_text(content)
    (tmp_path / "id").chmod(mode)
    with pytest.raises(kind) as caught:
        Keyring(here).import_file(tmp_path / "id", nobody)
    assert caught.value.fix
    assert not folder.exists()


def test_a_missing_file_and_a_folder_are_named(here: Settings, tmp_path: Path) -> None:
    """A name that leads to no file says so."""
    with pytest.raises(NotFound):
        Keyring(here).import_file(tmp_path / "nothing", nobody)
    with pytest.raises(Unavailable):
        Keyring(here).import_file(tmp_path, nobody)


def test_a_pub_file_stands_for_the_key_beside_it(here: Settings, tmp_path: Path) -> None:
    """git's user.signingKey often names the .pub file; without ssh-agent the private key beside it signs."""
    line = new_key(tmp_path / "id")
    assert signs(Keyring(here).import_file(tmp_path / "id.pub", nobody))
    assert signs(Keyring(here).find([line]))
    (tmp_path / "id").unlink()
    with pytest.raises(Unavailable, match="ssh-agent"):
        Keyring(here).find([line])
