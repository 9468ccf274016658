"""Secrets from where they lie today: latchkey's store, a .env file, Chrome's export of passwords.

What has an account and an address becomes a JSON object with the fields name, url, username, password and note.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from githarness import canon
from githarness.errors import HarnessError, NotFound, Unavailable, Usage
from githarness.seal import fernet
from githarness.store import latchkey
from githarness.vault import record
from githarness.work import vault_write
from githarness.work.vault_write import Item, Terms

_LARGEST = 16 << 20
_KEY = ".master_key"
_FIELDS = ("name", "url", "username", "password", "note")
_ENV = re.compile(r"""[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.]*)[ \t]*=[ \t]*
    (?:'([^']*)'|"((?:[^"\\]|\\.)*)"|([^\n'"][^\n]*|))[ \t]*(?:\#[^\n]*)?(?:\n|\Z)""", re.VERBOSE | re.DOTALL)
_COMMENT = re.compile(r"(?:^|[ \t])#.*")
_SKIP = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}


class Left(NamedTuple):
    name: str
    why: str


class Source(NamedTuple):
    """What a file holds. `files`: those that go where the source is to be deleted."""

    items: tuple[Item, ...]
    left: tuple[Left, ...]
    files: tuple[Path, ...]


def read(path: Path, form: str | None, taken: Callable[[str], bool]) -> Source:
    """`form`: latchkey, csv or env, by the file's name where it is None; `taken`: whether the vault has such a name.

    Raises NotFound, Unavailable, Usage, Integrity.
    """
    form = form or _form(path)
    if form not in _READERS:
        raise Usage(f"'{form[:40]}' is not a format of import", fix="use --format latchkey, csv or env")
    items: dict[str, Item] = {}
    left = []
    for name, value, terms in _READERS[form](path):
        item = Item(_free(name, items), value, terms)
        try:
            if taken(item.name):
                raise Usage("the vault has a secret of this name")
            if not record.LEAST_VALUE <= len(value) <= record.LARGEST_VALUE:
                raise Usage(f"it has {len(value)} bytes, and {record.LEAST_VALUE} to {record.LARGEST_VALUE} are kept")
            vault_write.check(item)
        except HarnessError as error:
            left.append(Left(item.name, error.message))
        else:
            items[item.name] = item
    return Source(tuple(items.values()), tuple(left), _files(path, form))


_Found = Iterator[tuple[str, bytes, Terms]]


def _latchkey(path: Path) -> _Found:
    database, *_, key = _files(path, "latchkey")
    secret = _data(key)
    for entry in latchkey.entries(database) if _data(database) else ():
        table = {"name": entry.service, "url": entry.url, "username": entry.username, "note": entry.note,
                 "password": fernet.opened(secret, entry.token.encode()).decode("utf-8", "replace")}
        yield entry.service, *_login(table)


def _csv(path: Path) -> _Found:
    rows = csv.DictReader(io.StringIO(_data(path).decode("utf-8-sig", "replace"), newline=""))
    if not {"name", "url", "username", "password"} <= set(rows.fieldnames or ()):
        raise Usage(f"'{path}' is not an export of Chrome's passwords: its first line names other columns",
                    fix="export them as CSV, or name another --format")
    for row in rows:
        if row["password"]:
            named = row["name"] or urlsplit(row["url"]).hostname or "login"
            yield named, *_login({key: row[key] or "" for key in _FIELDS if key in row})


def _login(table: Mapping[str, str]) -> tuple[bytes, Terms]:
    try:
        address = urlsplit(table["url"])
        host = address.hostname if address.scheme in ("http", "https") else None
    except ValueError:
        host = None
    return canon.dumps(dict(table)).encode("utf-8", "replace"), Terms(("exec", "get"), (host,) if host else ())


def _env(path: Path) -> _Found:
    text = _data(path).decode("utf-8", "replace").replace("\r\n", "\n")
    at = 0
    while at < len(text):
        if blank := _SKIP.match(text, at):
            at = blank.end()
            continue
        found = _ENV.match(text, at)
        if not found:
            line = text.count("\n", 0, at) + 1
            raise Usage(f"line {line} of '{path}' is not of the form NAME=VALUE", fix="mend it, then repeat")
        at = found.end()
        name, plain, quoted, bare = found.groups()
        if quoted is not None:
            plain = re.sub(r"\\(.)", lambda one: _ESCAPED.get(one[1], one[1]), quoted, flags=re.DOTALL)
        value: str = _COMMENT.sub("", bare).rstrip() if bare is not None else plain
        yield name.lower(), value.encode(), Terms(("exec", "get"))


_READERS: dict[str, Callable[[Path], _Found]] = {"latchkey": _latchkey, "csv": _csv, "env": _env}


def _form(path: Path) -> str:
    if path.is_dir() or path.suffix == ".db":
        return "latchkey"
    return "csv" if path.suffix.lower() == ".csv" else "env"


def _files(path: Path, form: str) -> tuple[Path, ...]:
    if form != "latchkey":
        return (path,)
    database = path / "credentials.db" if path.is_dir() else path
    beside = [database.with_name(database.name + end) for end in ("-wal", "-shm")]
    return (database, *beside, database.with_name(_KEY))


def _data(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise NotFound(f"there is no file '{path}'", fix="name the file, or the folder of latchkey's store") from None
    except OSError as error:
        raise Unavailable(f"'{path}' cannot be read: {error.strerror}", fix="name a readable file") from error
    if len(data) > _LARGEST:
        raise Unavailable(f"'{path}' has more than {_LARGEST >> 20} MiB", fix="import it in parts")
    return data


def _free(name: str, items: Mapping[str, Item]) -> str:
    """The name in letters that a secret may have, with a number behind it where several would be called so."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip(".-_")[:180].rstrip(".") or "secret"
    plain = re.sub(r"\.\.+", ".", plain).removesuffix(".lock")
    number = 1
    while (free := plain if number == 1 else f"{plain}-{number}") in items:
        number += 1
    return free
