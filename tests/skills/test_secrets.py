"""Secrets: shapes are found where they are real, placeholders are not, values are never shown."""

from __future__ import annotations

import base64
import json
import random
import string

import pytest

from githarness.skills import secrets

# Built here: a token that stands in a source file would be reported by every scanner, this repository's own first.
_ALNUM = string.ascii_letters + string.digits


def _token(alphabet: str, size: int, seed: int = 7) -> str:
    return "".join(random.Random(seed).choices(alphabet, k=size))


def _jwt(role: str) -> str:
    def part(value: dict[str, str]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'role': role, 'iss': 'tables'})}.{_token(_ALNUM, 43)}"


TOKENS = {
    "AWS access key": "AKIA" + _token(string.ascii_uppercase + "234567", 16),
    "GitHub token": "ghp_" + _token(_ALNUM, 36),
    "GitLab token": "glpat-" + _token(_ALNUM, 20),
    "npm token": "npm_" + _token(_ALNUM, 36),
    "Anthropic key": "sk-ant-api03-" + _token(_ALNUM, 90),
    "API key": "sk-proj-" + _token(_ALNUM, 48),
    "Stripe key": "sk_live_" + _token(_ALNUM, 24),
    "Slack token": "xoxb-" + _token(string.digits, 12) + "-" + _token(_ALNUM, 24),
    "Slack webhook": "https://hooks.slack.com/services/T" + _token(_ALNUM, 9) + "/B" + _token(_ALNUM, 9) + "/"
                     + _token(_ALNUM, 24),
    "Google API key": "AIza" + _token(_ALNUM, 35),
    "Hugging Face token": "hf_" + _token(string.ascii_letters, 34),
    "JSON web token": _jwt("service_role"),
    "private key": "-----BEGIN " + "OPENSSH PRIVATE KEY-----\n" + _token(_ALNUM, 70),
}


@pytest.mark.parametrize("kind", TOKENS)
def test_a_token_of_known_shape_is_found_with_its_line(kind: str) -> None:
    """Once, on its line, whatever stands around it."""
    found = list(secrets.scan(f"one\ntwo `{TOKENS[kind]}`, three\n"))
    assert [(each.line, each.kind) for each in found] == [(2, kind)]


@pytest.mark.parametrize("kind", TOKENS)
def test_no_part_of_a_token_that_is_its_own_is_shown(kind: str) -> None:
    """The tail of a token, which alone is secret, stands in no field."""
    (found,) = secrets.scan(TOKENS[kind])
    assert TOKENS[kind][-12:] not in found.shown
    assert found.shown.split("...")[0] in TOKENS[kind]


@pytest.mark.parametrize("line", [
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_" + "x" * 36,
    "ghp_" + "a1" * 18,
    "sk-your-openai-api-key-goes-here-1",
    "sk-ant-" + "0123456789" * 4,
    "task-management-and-risk-assessment-2024",
    _jwt("anon"),
    'password = "SecurePass123!"',
    'token = "${TOKEN_FROM_2024}"',
    'api_key = os.environ["TABLES_KEY_2"]',
    "TOKEN=0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2",
    "primary_key = 'Kx9mQ2vR7tB4wZ8c'",
    "postgres://user:password@localhost/tables",
    "sha256 = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'",
])
def test_placeholders_and_what_is_no_secret_are_not_found(line: str) -> None:
    """Examples, references to the environment, public tokens, addresses of contracts, digests."""
    assert list(secrets.scan(line)) == []


@pytest.mark.parametrize("line", [
    'DB_PASSWORD = "vK7!qR2mX9tB4wZ"',
    '{"client_secret": "Kx9mQ2vR7tB4wZ8c"}',
    "export API_KEY=Kx9mQ2vR7tB4wZ8cL5nP",
    "postgres://tables:Kx9mQ2vR7t@db.internal/tables",
])
def test_a_random_value_of_a_secret_name_is_found(line: str) -> None:
    """Names say that the value is secret, its characters that it is no word."""
    (found,) = secrets.scan(line)
    assert "Kx9" not in found.shown and "vK7" not in found.shown


def test_the_more_special_kind_is_reported_alone() -> None:
    """A key that two patterns match, and that stands behind a name, is one secret."""
    found = list(secrets.scan(f'ANTHROPIC_API_KEY = "{TOKENS["Anthropic key"]}"'))
    assert [each.kind for each in found] == ["Anthropic key"]


def test_findings_come_in_the_order_of_lines() -> None:
    """Whatever their kind."""
    text = "\n".join([TOKENS["Google API key"], 'password = "vK7!qR2mX9tB4wZ"', TOKENS["AWS access key"]])
    assert [each.line for each in secrets.scan(text)] == [1, 2, 3]
