"""Identity files, `.githarness/agents/NAME.yaml` and `humans/NAME.yaml`, and what stock git reads of them.

    version: 1
    roles: [writer]          an agent's; a human has `mail` and `role`
    purpose, owner           an agent's, left out where empty
    expires, quarantined     an agent's: from when on, and since when, it may do nothing
    guard: {failures: 3, silence: 10m}   an agent's: when it is paused by itself
    keys: [{key, host, added, retired, compromised-since}]
    retired                  where it is

Times are UTC to the second, `2026-01-31T12:00:00Z`. An unknown or missing key, or a newer version, and the file does
not load.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

from githarness import strictyaml
from githarness.canon import Json
from githarness.errors import Integrity, Usage
from githarness.policy import rates
from githarness.policy.fields import Fields
from githarness.policy.model import Agent, Guard, Human, Key, Registry
from githarness.seal import public

VERSION = 1
HUMAN_ROLES = ("owner", "operator", "contributor")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MAIL = re.compile(r"[^\s,\"'*?!#<>()\\;:@]{1,64}@[^\s,\"'*?!#<>()\\;:@]{1,190}")
_HARNESS = "githarness"  # the committer of every write
_DAY = 86400
_Identity = TypeVar("_Identity", Agent, Human)
_LATEST = 253402300799  # 9999-12-31T23:59:59Z


def check_name(name: str) -> str:
    """A name for an agent, a human or a role. Raises Usage."""
    if not _NAME.fullmatch(name) or name == _HARNESS:
        raise Usage(f"'{name[:80]}' is not a name",
                    fix="use 1 to 64 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit")
    return name


def check_fleet(name: str) -> str:
    """A name for a fleet, part of its agents' addresses. Raises Usage."""
    if not _NAME.fullmatch(name):
        raise Usage(f"'{name[:80]}' is not a name for a fleet",
                    fix="use 1 to 64 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit")
    return name


def check_mail(mail: str) -> str:
    if not _MAIL.fullmatch(mail) or not mail.isprintable():
        raise Usage(f"'{mail[:80]}' is not a mail address", fix="write it like ada@example.org")
    return mail


def parse_agent(data: bytes, path: str) -> Agent:
    fields = Fields.of_file(data, path, VERSION)
    agent = Agent(
        name=_name_of(path),
        roles=tuple(fields.checked("roles", role, check_name) for role in fields.texts("roles")),
        keys=_keys(fields),
        purpose=fields.text("purpose", ""),
        owner=fields.text("owner", ""),
        retired=fields.time_if_there("retired"),
        expires=fields.time_if_there("expires"),
        quarantined=fields.time_if_there("quarantined"),
        guard=_guard(fields.mapping_if_there("guard")),
    )
    fields.end()
    if agent.owner:
        fields.checked("owner", agent.owner, check_mail)
    return agent


def _guard(fields: Fields | None) -> Guard:
    if fields is None:
        return Guard()
    failures, silence = fields.text_if_there("failures"), fields.text_if_there("silence")
    fields.end()
    if failures is not None and not re.fullmatch(r"0|[1-9][0-9]{0,3}", failures):
        raise fields.error("failures", "is not a number from 0 to 9999")
    if silence is not None:
        fields.checked("silence", silence, lambda text: str(rates.seconds(text)))
    return Guard(Guard().failures if failures is None else int(failures), rates.seconds(silence) if silence else 0)


def parse_human(data: bytes, path: str) -> Human:
    fields = Fields.of_file(data, path, VERSION)
    human = Human(
        name=_name_of(path),
        mail=fields.checked("mail", fields.text("mail"), check_mail),
        role=fields.text("role"),
        keys=_keys(fields),
        retired=fields.time_if_there("retired"),
    )
    fields.end()
    if human.role not in HUMAN_ROLES:
        raise fields.error("role", "is none of " + ", ".join(HUMAN_ROLES))
    return human


def _keys(fields: Fields) -> tuple[Key, ...]:
    keys = tuple(map(_key, fields.mappings("keys")))
    if len({key.key for key in keys}) != len(keys):
        raise fields.error("keys", "holds a key twice")
    return keys


def _key(fields: Fields) -> Key:
    key = Key(
        key=fields.text("key"),
        host=fields.text("host"),
        added=fields.time("added"),
        retired=fields.time_if_there("retired"),
        compromised_since=fields.time_if_there("compromised-since"),
    )
    fields.end()
    if fields.checked("key", key.key, public.line) != key.key:
        raise fields.error("key", "is not 'TYPE BASE64' alone")
    return key


def render_agent(agent: Agent) -> bytes:
    """Raises Usage where the file would not load again."""
    table: dict[str, Json] = {"version": VERSION, "roles": list(agent.roles)}
    more = (("purpose", agent.purpose), ("owner", agent.owner), ("expires", agent.expires),
            ("quarantined", agent.quarantined))
    table |= {name: text for name, text in more if text}
    if agent.guard != Guard():
        silence = {"silence": f"{agent.guard.silence}s"} if agent.guard.silence else {}
        table["guard"] = {"failures": str(agent.guard.failures), **silence}
    return _rendered(agent, table, parse_agent)


def render_human(human: Human) -> bytes:
    """Raises Usage where the file would not load again."""
    return _rendered(human, {"version": VERSION, "mail": human.mail, "role": human.role}, parse_human)


def _rendered(identity: _Identity, table: dict[str, Json], parse: Callable[[bytes, str], _Identity]) -> bytes:
    check_name(identity.name)
    table["keys"] = [_key_table(key) for key in identity.keys]
    if identity.retired is not None:
        table["retired"] = identity.retired
    data = strictyaml.dump(table)
    try:
        parse(data, f"{identity.name}.yaml")
    except Integrity as error:
        raise Usage(error.message, fix="change that value") from error
    return data


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


def allowed_signers(registry: Registry, fleet: str) -> bytes:
    """The file of the same name for ssh-keygen and git: every key ever used, with its window.

    ssh-keygen reads a date without `Z` (which OpenSSH 8.8 does not know) in the reader's own time zone, anything from
    UTC-12 to UTC+14: so a window opens a day before its key and closes two days after it.
    """
    check_fleet(fleet)
    lines = ["# generated by githarness from .githarness/agents and .githarness/humans; do not edit"]
    for _, agent in sorted(registry.agents.items()):
        lines += _signer_lines(f"{agent.name}@{fleet}.invalid", agent)
    for _, human in sorted(registry.humans.items()):
        if human.mail.lower().endswith(f"@{fleet}.invalid"):
            raise Usage(f"the mail '{human.mail}' of '{human.name}' is an agent's", fix="use a person's own mail")
        lines += _signer_lines(human.mail, human)
    return ("\n".join(lines) + "\n").encode()


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
