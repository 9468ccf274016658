"""Identity files, `.githarness/agents/NAME.yaml` and `humans/NAME.yaml`, and what stock git reads of them.

    version: 1
    roles: [writer]          an agent's; a human has `mail` and `role`
    purpose, owner           an agent's, left out where empty
    keys: [{key, host, added, retired, compromised-since}]
    retired                  where it is

Times are UTC to the second, `2026-01-31T12:00:00Z`. An unknown or missing key, or a newer version, and the file does
not load.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from githarness import clock, strictyaml
from githarness.canon import Json
from githarness.errors import Integrity, Unavailable, Usage
from githarness.policy.model import Agent, Human, Key, Registry
from githarness.seal import public

VERSION = 1
HUMAN_ROLES = ("owner", "operator", "contributor")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MAIL = re.compile(r"[^\s,\"'*?!#<>()\\;:@]{1,64}@[^\s,\"'*?!#<>()\\;:@]{1,190}")
_LONGEST_TEXT = 4096
_HARNESS = "githarness"  # the committer of every write
_DAY = 86400
_T = TypeVar("_T")
_LATEST = 253402300799  # 9999-12-31T23:59:59Z


def check_name(name: str) -> str:
    """A name for an agent, a human or a role. Raises Usage."""
    if not _NAME.fullmatch(name) or name == _HARNESS:
        raise Usage(f"'{name[:80]}' is not a name",
                    fix="use 1 to 64 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit")
    return name


def check_mail(mail: str) -> str:
    if not _MAIL.fullmatch(mail) or not mail.isprintable():
        raise Usage(f"'{mail[:80]}' is not a mail address", fix="write it like ada@example.org")
    return mail


def parse_agent(data: bytes, path: str) -> Agent:
    fields = _Fields.of_file(data, path)
    agent = Agent(
        name=_name_of(path),
        roles=tuple(fields.checked(check_name, role) for role in fields.texts("roles")),
        keys=fields.keys(),
        purpose=fields.text("purpose", ""),
        owner=fields.text("owner", ""),
        retired=fields.time("retired"),
    )
    fields.end()
    return agent


def parse_human(data: bytes, path: str) -> Human:
    fields = _Fields.of_file(data, path)
    human = Human(
        name=_name_of(path),
        mail=fields.checked(check_mail, fields.text("mail")),
        role=fields.text("role"),
        keys=fields.keys(),
        retired=fields.time("retired"),
    )
    fields.end()
    if human.role not in HUMAN_ROLES:
        raise fields.error("role", "is none of " + ", ".join(HUMAN_ROLES))
    return human


def render_agent(agent: Agent) -> bytes:
    """Raises Usage where the file would not load again."""
    table: dict[str, Json] = {"version": VERSION, "roles": list(agent.roles)}
    table |= {name: text for name, text in (("purpose", agent.purpose), ("owner", agent.owner)) if text}
    return _rendered(agent, table)


def render_human(human: Human) -> bytes:
    """Raises Usage where the file would not load again."""
    return _rendered(human, {"version": VERSION, "mail": human.mail, "role": human.role})


def _rendered(identity: Agent | Human, table: dict[str, Json]) -> bytes:
    check_name(identity.name)
    table["keys"] = [_key_table(key) for key in identity.keys]
    if identity.retired is not None:
        table["retired"] = identity.retired
    return strictyaml.dump(table)


def _key_table(key: Key) -> dict[str, Json]:
    table: dict[str, Json] = {"key": key.key, "host": key.host, "added": key.added}
    ends = (("retired", key.retired), ("compromised-since", key.compromised_since))
    return table | {name: time for name, time in ends if time is not None}


def _name_of(path: str) -> str:
    name = path.rpartition("/")[2]
    if not name.endswith(".yaml"):
        raise Integrity(f"'{path}' is not an identity file", fix="name it NAME.yaml")
    try:
        return check_name(name.removesuffix(".yaml"))
    except Usage as error:
        raise Integrity(f"'{path}': {error.message}", fix=error.fix) from error


class _Fields:
    """The mapping of one file, taken apart key by key; what is left at the end is unknown."""

    def __init__(self, table: dict[str, Json], where: str) -> None:
        self._left = dict(table)
        self._where = where

    @classmethod
    def of_file(cls, data: bytes, path: str) -> _Fields:
        fields = cls(strictyaml.load(data, path), path)
        version = fields.text("version")
        if version.isascii() and version.isdigit() and int(version[:9]) > VERSION:
            raise Unavailable(f"'{path}' has version {version[:9]}, newer than this githarness",
                              fix="pip install --upgrade githarness")
        if version != str(VERSION):
            raise fields.error("version", f"is not {VERSION}")
        return fields

    def error(self, name: str, problem: str) -> Integrity:
        return Integrity(f"'{self._where}': '{name}' {problem}", fix="mend the file as an owner",
                         details={"file": self._where, "key": name})

    def text(self, name: str, default: str | None = None) -> str:
        value = self._left.pop(name, default)
        if not isinstance(value, str) or not value.isprintable() or len(value) > _LONGEST_TEXT:
            raise self.error(name, "is missing or not a line of text")
        return value

    def texts(self, name: str) -> list[str]:
        value = self._left.pop(name, None)
        if not isinstance(value, list):
            raise self.error(name, "is missing or not a list")
        texts = [text for text in value if isinstance(text, str)]
        if len(set(texts)) != len(value):
            raise self.error(name, "holds something twice, or what is not text")
        return texts

    def time(self, name: str) -> str | None:
        return self._moment(name, self.text(name)) if name in self._left else None

    def _moment(self, name: str, text: str) -> str:
        try:
            if clock.rfc3339(datetime.fromisoformat(text).timestamp()) == text:
                return text
        except (ValueError, OverflowError):
            pass
        raise self.error(name, "is not a time like 2026-01-31T12:00:00Z")

    def checked(self, check: Callable[[str], str], text: str) -> str:
        try:
            return check(text)
        except Usage as error:
            raise Integrity(f"'{self._where}': {error.message}", fix=error.fix) from error

    def keys(self) -> tuple[Key, ...]:
        value = self._left.pop("keys", None)
        if not isinstance(value, list):
            raise self.error("keys", "is missing or not a list")
        keys = tuple(self._key(item, f"{self._where} key {number}") for number, item in enumerate(value, 1))
        if len({key.key for key in keys}) != len(keys):
            raise self.error("keys", "holds a key twice")
        return keys

    def _key(self, item: Json, where: str) -> Key:
        if not isinstance(item, dict):
            raise self.error("keys", "holds what is not a mapping")
        fields = _Fields(item, where)
        key = Key(
            key=fields.text("key"), host=fields.text("host"), added=fields._moment("added", fields.text("added")),
            retired=fields.time("retired"), compromised_since=fields.time("compromised-since"))
        fields.end()
        if public.line(key.key) != key.key:
            raise fields.error("key", "is not 'TYPE BASE64' alone")
        return key

    def end(self) -> None:
        for name in self._left:
            raise self.error(name[:80], "is not a key of this file")


def allowed_signers(registry: Registry, fleet: str) -> bytes:
    """The file of the same name for ssh-keygen and git: every key ever used, with its window.

    ssh-keygen reads a date without `Z` (which OpenSSH 8.8 does not know) in the reader's own time zone, anything from
    UTC-12 to UTC+14: so a window opens a day before its key and closes two days after it.
    """
    if not _NAME.fullmatch(fleet):
        raise Usage(f"'{fleet[:80]}' is not a name for a fleet", fix="githarness init --fleet NAME")
    lines = ["# generated by githarness from .githarness/agents and .githarness/humans; do not edit"]
    for agent in _sorted(registry.agents):
        lines += _signer_lines(f"{agent.name}@{fleet}.invalid", agent)
    for human in _sorted(registry.humans):
        if human.mail.lower().endswith(f"@{fleet}.invalid"):
            raise Usage(f"the mail '{human.mail}' of '{human.name}' is an agent's", fix="use a person's own mail")
        lines += _signer_lines(human.mail, human)
    return ("\n".join(lines) + "\n").encode()


def _sorted(named: Mapping[str, _T]) -> list[_T]:
    return [named[name] for name in sorted(named)]


def _signer_lines(principal: str, identity: Agent | Human) -> Iterator[str]:
    for key in identity.keys:
        options = ['namespaces="git"']
        opens = _seconds(key.added) - _DAY
        if opens > _DAY:  # ssh-keygen knows no time before 1970
            options.append(f'valid-after="{_date(opens)}"')
        ends = [_seconds(time) for time in (key.retired, key.compromised_since, identity.retired) if time is not None]
        if ends:
            options.append(f'valid-before="{_date(max(min(ends) + 2 * _DAY, opens + 2 * _DAY, 3 * _DAY))}"')
        yield f"{principal} {','.join(options)} {key.key}"


def _seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp())


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(min(seconds, _LATEST), UTC).strftime("%Y%m%d")
