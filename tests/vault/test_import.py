"""Import: from latchkey's own database, .env files and Chrome's export."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from githarness.errors import HarnessError, Integrity, NotFound, Usage
from githarness.work import vault_import
from tests.conftest import Cli
from tests.vault.safe import Safe

CSV = """\
name,url,username,password,note
github.com,https://github.com/login,ada,s3cret-of-ada,
github.com,https://github.com/login,bob,"with,comma ""and"" quotes",work
Ünïcode Bank!,https://bank.example:8443/x,ada,pw,"two
lines"
empty,https://e.example,ada,,
app,android://hash@com.example.app/,ada,app-password,
"""
ENV = """\
# comment
PLAIN=plain-value-1 # with a comment
export QUOTED="two\\nlines and \\"quotes\\" # no comment"
SINGLE='as it is \\n $HOME'

HASH=value#not-a-comment
SHORT=1234
EMPTY=
  INDENTED = spaced-value
DOUBLE="over
two lines"
"""
# As latchkey 0.1.0 and credential-proxy make it.
SCHEMA = """CREATE TABLE credentials (id INTEGER PRIMARY KEY AUTOINCREMENT, service TEXT NOT NULL, url TEXT DEFAULT '',
    username TEXT NOT NULL DEFAULT '', password_encrypted TEXT NOT NULL, note TEXT DEFAULT '', created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL)"""


def none(name: str) -> bool:
    return False


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A latchkey folder with two logins."""
    folder, key = tmp_path / "latchkey", Fernet.generate_key()
    folder.mkdir()
    (folder / ".master_key").write_bytes(key)
    conn = sqlite3.connect(folder / "credentials.db")
    conn.execute("PRAGMA journal_mode=WAL")
    conn.execute(SCHEMA)
    for service, password in (("GitHub", "gh-password"), ("mail/imap", "imap-password")):
        conn.execute("INSERT INTO credentials (service, url, username, password_encrypted, created_at, updated_at) "
                     "VALUES (?, 'https://x.example/', 'ada', ?, '', '')",
                     (service, Fernet(key).encrypt(password.encode()).decode()))
    conn.commit()
    conn.close()
    return folder


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_chromes_export_becomes_objects_with_hosts(tmp_path: Path) -> None:
    """Names in small letters, each once; a login without a password is none."""
    found = vault_import.read(write(tmp_path / "Google Passwords.csv", CSV), None, none)
    tables = {item.name: json.loads(item.value) for item in found.items}
    assert list(tables) == ["github.com", "github.com-2", "n-code-bank", "app"]
    assert tables["github.com-2"] == {"name": "github.com", "url": "https://github.com/login", "username": "bob",
                                      "password": 'with,comma "and" quotes', "note": "work"}
    assert [item.terms and item.terms.hosts for item in found.items] == [
        ("github.com",), ("github.com",), ("bank.example",), ()]


def test_an_env_file_is_read_as_shells_do(tmp_path: Path) -> None:
    """Quotes, comments, several lines; what is too short to be a secret is left and told."""
    found = vault_import.read(write(tmp_path / ".env", ENV), None, none)
    assert {item.name: bytes(item.value).decode() for item in found.items} == {
        "plain": "plain-value-1", "quoted": 'two\nlines and "quotes" # no comment', "single": "as it is \\n $HOME",
        "hash": "value#not-a-comment", "indented": "spaced-value", "double": "over\ntwo lines"}
    assert [(one.name, one.why.split(",")[0]) for one in found.left] == [
        ("short", "it has 4 bytes"), ("empty", "it has 0 bytes")]


@pytest.mark.parametrize("wrong", ["no equals sign\n", "A='open\n", 'A="open\n', "=x\n", "1A=long-enough-value\n"])
def test_a_line_that_says_nothing_is_an_error(tmp_path: Path, wrong: str) -> None:
    """Rather than half of a file; with its number."""
    with pytest.raises(Usage, match="line 2"):
        vault_import.read(write(tmp_path / ".env", "OK=good-value-1\n" + wrong), None, none)


def test_latchkeys_store_is_read_as_it_is_on_disk(store: Path) -> None:
    """By its folder or its database; it stays as it was."""
    before = {file.name: file.read_bytes() for file in store.iterdir()}
    for path in (store, store / "credentials.db"):
        found = vault_import.read(path, None, none)
        assert {item.name: json.loads(item.value)["password"] for item in found.items} == {
            "github": "gh-password", "mail-imap": "imap-password"}
    assert {file.name: file.read_bytes() for file in store.iterdir()} == before


def test_a_store_with_another_key_is_an_error(store: Path) -> None:
    """Or with none, or with one that is no key."""
    for key, wrong in ((Fernet.generate_key(), Integrity), (b"x", Integrity)):
        (store / ".master_key").write_bytes(key)
        with pytest.raises(wrong):
            vault_import.read(store, None, none)
    (store / ".master_key").unlink()
    with pytest.raises(NotFound):
        vault_import.read(store, None, none)
    (store / "credentials.db").write_bytes(b"no database at all, but long enough to be looked at" * 40)
    with pytest.raises(HarnessError):
        vault_import.read(store / "credentials.db", None, none)


def test_other_files_are_refused(tmp_path: Path) -> None:
    """By what is wrong with them."""
    for path, form, error in ((tmp_path / "none.csv", None, NotFound), (write(tmp_path / "x.csv", "a,b\n1,2\n"), None,
                              Usage), (tmp_path / "x.csv", "yaml", Usage)):
        with pytest.raises(error):
            vault_import.read(path, form, none)


def test_the_source_is_deleted_when_asked_and_all_was_taken(fleet: Path, cli: Cli, store: Path) -> None:
    """One commit; a second time there is nothing to take, and nothing is deleted."""
    cli("vault", "init", cwd=fleet)
    named = cli("vault", "import", str(store), "--dry-run", cwd=fleet).out.splitlines()
    assert [line.split()[0] for line in named] == ["would", "github", "mail-imap"]
    done = cli("vault", "import", str(store), "--json", cwd=fleet)
    assert [one["name"] for one in done.json["items"]] == ["github", "mail-imap"] and not done.json["deleted"], done.err
    again = cli("vault", "import", str(store), "--delete-source", "--json", cwd=fleet)
    assert (again.json["commit"], len(again.json["left"]), again.json["deleted"]) == (None, 2, False)
    csv = write(store / "p.csv", CSV.partition("\n\n")[0].replace("github.com,", "hub,"))
    last = cli("vault", "import", str(csv), "--delete-source", "--json", cwd=fleet)
    assert last.json["deleted"] and not csv.exists() and (store / "credentials.db").exists()
    assert json.loads(Safe(fleet).value("hub"))["password"] == "s3cret-of-ada"


def test_latchkeys_key_goes_with_its_store(fleet: Path, cli: Cli, store: Path) -> None:
    """Nothing of it is left to open it with."""
    cli("vault", "init", cwd=fleet)
    assert cli("vault", "import", str(store), "--delete-source", cwd=fleet).code == 0
    assert list(store.iterdir()) == []
