"""Identity files: they load as what was rendered, and whatever else they hold is refused."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import referencing
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from githarness import strictyaml
from githarness.errors import HarnessError, Integrity, Unavailable, Usage
from githarness.policy import registry
from githarness.policy.model import Agent, Human, Key
from githarness.seal import keys

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
PUBLIC = [keys.generate().public for _ in range(4)]
KEY = Key(PUBLIC[0], "build-1", "2026-01-31T12:00:00Z")
AGENT = Agent("deployer", ("writer",), (KEY,), "rolls out: releases #1", "ada@example.org")
HUMAN = Human("ada", "ada@example.org", "owner", (KEY,))

names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True).filter(lambda name: name != "githarness")
lines = st.text(max_size=30).filter(str.isprintable)
times = (
    st.datetimes()
    .map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
    .filter(lambda text: len(text) == 20 and text > "1971")
)
maybe = st.none() | times
some_keys = st.lists(
    st.builds(Key, st.sampled_from(PUBLIC), lines, times, maybe, maybe), max_size=4, unique_by=lambda key: key.key
).map(tuple)
mails = st.from_regex(r"[a-z0-9.+_-]{1,20}@[a-z0-9.-]{1,20}", fullmatch=True)
agents = st.builds(
    Agent, names, st.lists(names, max_size=3, unique=True).map(tuple), some_keys, lines, st.just("") | mails, maybe,
    maybe, maybe
)
humans = st.builds(Human, names, mails, st.sampled_from(registry.HUMAN_ROLES), some_keys, maybe)


def validate(name: str, data: bytes) -> None:
    """By the shipped schema, as a plain YAML reader sees the file and as ours does."""
    schemas = {file.name: json.loads(file.read_text()) for file in SCHEMAS.glob("*.json")}
    known = referencing.Registry().with_contents((one["$id"], one) for one in schemas.values())
    validator = jsonschema.Draft202012Validator(schemas[name], registry=known)
    validator.validate(yaml.safe_load(data))
    validator.validate(strictyaml.load(data, name))


@settings(max_examples=100, deadline=None)
@given(agents)
def test_an_agent_survives_its_file(agent: Agent) -> None:
    """Parsing what was rendered gives the same agent, and the file is of the schema's form."""
    data = registry.render_agent(agent)
    assert registry.parse_agent(data, f".githarness/agents/{agent.name}.yaml") == agent
    validate("agent.schema.json", data)


@settings(max_examples=100, deadline=None)
@given(humans)
def test_a_human_survives_their_file(human: Human) -> None:
    """Parsing what was rendered gives the same human, and the file is of the schema's form."""
    data = registry.render_human(human)
    assert registry.parse_human(data, f".githarness/humans/{human.name}.yaml") == human
    validate("human.schema.json", data)


def test_the_file_is_readable() -> None:
    """A person can read and edit the file: one key a line, nothing that is empty."""
    assert registry.render_agent(AGENT).decode() == (
        "version: 1\nroles:\n- writer\npurpose: 'rolls out: releases #1'\nowner: ada@example.org\nkeys:\n"
        f"- key: {PUBLIC[0]}\n  host: build-1\n  added: '2026-01-31T12:00:00Z'\n"
    )


GOOD = registry.render_agent(AGENT).decode()


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("version: 1\n", "", "version"),
        ("version: 1", "version: 0", "version"),
        ("version: 1", "version: x", "version"),
        ("roles:\n- writer\n", "", "roles"),
        ("- writer", "- Writer", "roles"),
        ("- writer", "- writer\n- writer", "roles"),
        ("- writer", "- [writer]", "roles"),
        ("roles:\n- writer", "roles: writer", "roles"),
        ("purpose", "porpoise", "porpoise"),
        ("'rolls out: releases #1'", '"a\\e[31m"', "purpose"),
        ("'rolls out: releases #1'", "[a]", "purpose"),
        ("ada@example.org", "ada", "owner"),
        ("ada@example.org", "a*@b", "owner"),
        ("host: build-1\n", "host:\n", "host"),
        ("  host: build-1\n", "", "host"),
        ("2026-01-31T12:00:00Z", "2026-01-31", "added"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+00:00", "added"),
        ("2026-01-31T12:00:00Z", "2026-02-31T12:00:00Z", "added"),
        ("2026-01-31T12:00:00Z", "20260131T120000Z", "added"),
        ("ssh-ed25519", "ssh-rsa", "ssh-rsa"),
        ("  host", "  comment: x\n  host", "comment"),
        ("'2026-01-31T12:00:00Z'", "x\nretired: soon", "added"),
        ("keys:\n", "retired: soon\nkeys:\n", "retired"),
        ("AAAAC3", "AAAAC4", "key"),
    ],
)
def test_a_file_that_is_off_names_the_key(old: str, new: str, word: str) -> None:
    """Each missing, unknown, doubled or malformed value is refused by its name."""
    assert old in GOOD
    with pytest.raises(Integrity) as caught:
        registry.parse_agent(GOOD.replace(old, new, 1).encode(), ".githarness/agents/deployer.yaml")
    assert ".githarness/agents/deployer.yaml" in caught.value.message
    assert word in caught.value.message
    assert caught.value.fix


def test_a_newer_version_is_refused_by_its_name() -> None:
    """A file of a newer githarness says which version it has, and that an upgrade helps."""
    with pytest.raises(Unavailable, match="version 2,"):
        registry.parse_agent(GOOD.replace("version: 1", "version: 2\nnew: thing").encode(), "agents/deployer.yaml")


@pytest.mark.parametrize("role", ["admin", "Owner", "", "owner "])
def test_a_human_has_one_of_three_roles(role: str) -> None:
    """No other word is a role of people."""
    data = registry.render_human(HUMAN).replace(b"role: owner", f"role: '{role}'".encode())
    with pytest.raises(Integrity, match="'role'"):
        registry.parse_human(data, "humans/ada.yaml")


@pytest.mark.parametrize(
    "path",
    [
        "agents/Deployer.yaml",
        "agents/deployer.yml",
        "agents/.yaml",
        "agents/\u0430dmin.yaml",
        "agents/githarness.yaml",
        "agents/a b.yaml",
        "agents/" + "a" * 65 + ".yaml",
    ],
)
def test_the_file_s_name_is_a_name(path: str) -> None:
    """Letter case, lookalikes, the harness's own name and other file types are no names."""
    with pytest.raises(Integrity):
        registry.parse_agent(GOOD.encode(), path)


@pytest.mark.parametrize(
    "identity",
    [
        Agent("Deployer", ("writer",), (KEY,)),
        Agent("deployer", ("writer",), (KEY, KEY)),
        Agent("deployer", ("a b",), ()),
        Agent("deployer", (), (), "two\nlines"),
        Agent("deployer", (), (), "\udcff"),
        Agent("deployer", (), (), retired="now"),
        Agent("deployer", (), (Key(PUBLIC[0] + " comment", "h", "2026-01-31T12:00:00Z"),)),
        Agent("deployer", (), (), "x" * 5000),
    ],
)
def test_what_would_not_load_is_not_rendered(identity: Agent) -> None:
    """Rendering refuses, as wrong usage, what its own parser would refuse."""
    with pytest.raises(Usage):
        registry.render_agent(identity)


@pytest.mark.parametrize(
    "mail", ["", "ada", "@b", "a@", "a b@c", "a,b@c", "*@c", "!a@c", "a@b@c", 'a"@c', "a@c\n", "a\u202e@c", "#a@c"]
)
def test_a_mail_that_ssh_keygen_would_read_otherwise_is_refused(mail: str) -> None:
    """Patterns, lists, comments and quotes of the allowed signers file cannot come in by a mail address."""
    with pytest.raises(Usage):
        registry.check_mail(mail)


def test_the_harness_s_name_is_taken_for_identities_only() -> None:
    """No agent can be the committer of every write; a fleet may have the name."""
    with pytest.raises(Usage):
        registry.check_name("githarness")
    assert registry.check_fleet("githarness") == "githarness"


def _survives(data: bytes) -> None:
    for parse in (registry.parse_agent, registry.parse_human):
        try:
            parse(data, "x/deployer.yaml")
        except HarnessError as error:
            assert error.fix


mutations = st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=3), st.integers(0, 6)), max_size=5)


def _mutated(steps: list[tuple[int, bytes, int]]) -> bytes:
    data = registry.render_agent(AGENT)
    for at, piece, dropped in steps:
        place = at % len(data)
        data = data[:place] + piece + data[place + dropped :] or b"x"
    return data


@settings(max_examples=150, deadline=None)
@given(mutations)
def test_no_damaged_file_ends_in_another_error(steps: list[tuple[int, bytes, int]]) -> None:
    """An identity file with any bytes changed loads or raises one of our errors."""
    _survives(_mutated(steps))


@pytest.mark.soak
@settings(max_examples=30_000, deadline=None)
@given(mutations)
def test_no_damaged_file_ends_in_another_error_at_length(steps: list[tuple[int, bytes, int]]) -> None:
    """The same for much longer."""
    _survives(_mutated(steps))
