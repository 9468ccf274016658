"""Secrets that stand in a text: tokens of known shape, private keys, and passwords that look random.

Placeholders are no secrets: EXAMPLE, xxxx, <...>, ${...}, runs such as 12345678, few different characters. A value is
never handed on: `shown` is at most the part that every token of its kind shares.
"""

from __future__ import annotations

import math
import re
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple


class Secret(NamedTuple):
    line: int  # from 1
    kind: str  # 'GitHub token'
    shown: str  # 'ghp_... (40 characters)'


_At = tuple[int, int, str, str]  # where it begins and ends, kind, shown
# Kind, a text that must occur, a pattern. The more special ones first: what one has found no later one reports again.
_SHAPES: tuple[tuple[str, str, str], ...] = (
    ("private key", "PRIVATE KEY-----",
     r"-----BEGIN (?:[A-Z0-9]{2,9} ){0,2}PRIVATE KEY-----(?:\s|\\n){1,9}(?:[A-Za-z-]{1,20}: [^\n]{1,99}\n\s{0,9}){0,3}"
     r"[A-Za-z0-9+/=]{40}"),
    ("AWS access key", "AKIA", r"\bAKIA[A-Z2-7]{16}\b"),
    ("AWS access key", "ASIA", r"\bASIA[A-Z2-7]{16}\b"),
    ("GitHub token", "github_pat_", r"\bgithub_pat_\w{50,255}"),
    *(("GitHub token", f"gh{kind}_", rf"\bgh{kind}_[A-Za-z0-9]{{36,255}}") for kind in "pousr"),
    ("GitLab token", "glpat-", r"\bglpat-[\w-]{20,99}"),
    ("npm token", "npm_", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("PyPI token", "pypi-AgE", r"\bpypi-AgE[\w-]{50,500}"),
    ("Anthropic key", "sk-ant-", r"\bsk-ant-[\w-]{20,200}"),
    ("API key", "sk-", r"(?<![\w-])sk-(?=[\w-]{0,99}\d)(?:[a-z0-9]{1,9}-){0,2}[A-Za-z0-9_]{20,200}"),
    ("Stripe key", "k_live_", r"\b[sr]k_live_[A-Za-z0-9]{16,200}"),
    ("Slack token", "xox", r"\bxox[abeoprs]-[A-Za-z0-9-]{20,200}"),
    ("Slack webhook", "hooks.slack.com/services/T", r"hooks\.slack\.com/services/T\w{6,12}/B\w{6,12}/\w{20,30}"),
    ("Discord webhook", "/api/webhooks/", r"discord(?:app)?\.com/api/webhooks/\d{16,20}/[\w-]{60,90}"),
    ("Telegram bot token", ":AA", r"\b\d{8,10}:AA[\w-]{33}\b"),
    ("Google API key", "AIza", r"\bAIza[\w-]{35}\b"),
    ("SendGrid key", "SG.", r"\bSG\.[\w-]{20,24}\.[\w-]{40,50}"),
    ("Hugging Face token", "hf_", r"\bhf_[A-Za-z]{34}\b"),
    ("DigitalOcean token", "_v1_", r"\bdo[opr]_v1_[a-f0-9]{64}\b"),
    ("JSON web token", "eyJ", r"\beyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{20,1000}"),
)
# What is assigned: begins at `=` or `:`, so that a search has one set of characters to look for.
_VALUE = r"[:=](?<![:=!].)[ \t]{0,4}([\"']?)([^\s\"'`<>${}()\[\],;*|\\]{12,128}+)(?:\1(?![^\s\"'`,;)}\]]))"
_IN_URL = r"://[^\s:/@\"'`]{1,64}:([^\s:/@\"'`]{8,128})@[\w.-]"
_ENDS = ("password", "passwd", "passphrase", "secret", "token", "credential", "credentials", "key")
_KEYS = ("api", "access", "private", "auth", "secret", "encryption", "signing")  # before `key`
_COINS = r"(?:buy|sell|from|to|in|out|input|output|src|dst|dest|spl|pay)[_-]?token$"
_PLACEHOLDER = (
    r"example|xxx|xyz|\*{3}|\.{3}|your|place.?holder|change.?me|dummy|fake|sample|redacted|insert|replace"
    r"|<|>|\$|[{}]|goes.?here|a?bcdef|abc123|1234567|0{6}|deadbeef|test.?(?:key|token)|password|secret|pass(?:wd)?\d|address|contract|hunter2|passw0rd"
    r"|process\.env|environ|my.?(?:api|key|token)|^0x[0-9a-f]{40}$|^[a-z]{3,9}://"
)
_WORDS = r"[a-z]{9}|[A-Z]{9}|^[A-Z0-9]+(?:_[A-Z0-9]+)+$|^[a-z_.]+[(\[]"  # random text seldom has them


def scan(text: str) -> Iterator[Secret]:
    """In the order of lines. Bounded: each pattern reads each character a bounded number of times."""
    taken: list[tuple[int, int]] = []
    line, at = 1, 0
    for offset, _, kind, shown in sorted([*_shaped(text, taken), *_named(text, taken)]):
        line, at = line + text.count("\n", at, offset), offset
        yield Secret(line, kind, shown)


def redacted(text: str) -> str:
    """The text without what `scan` finds; a private key goes to its end, or to the text's."""
    taken: list[tuple[int, int]] = []
    out, at = [], 0
    for start, end, kind, _ in sorted([*_shaped(text, taken), *_named(text, taken)]):
        if start < at:
            continue
        out.append(f"{text[at:start]}[redacted {kind}]")
        at = _end_of_key(text, end) if kind == "private key" else end
    return "".join(out) + text[at:]


def _end_of_key(text: str, start: int) -> int:
    found = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----").search(text, start)
    return found.end() if found else len(text)


def is_secret_name(name: str) -> bool:
    """Whether what has this name is secret whatever it looks like: `password`, `api_key`, `GITHUB_TOKEN`."""
    name = name.lower()
    return name.endswith(_ENDS) and _is_secret(name)


def _shaped(text: str, taken: list[tuple[int, int]]) -> Iterator[_At]:
    for kind, hint, pattern in _SHAPES:
        if hint not in text:
            continue
        for match in re.finditer(pattern, text):
            if not _overlaps(match.span(), taken) and _real(match[0]):
                taken.append(match.span())
                shown = f"{hint}... ({len(match[0])} characters)" if kind != "private key" else hint
                yield *match.span(), kind, shown


def _named(text: str, taken: list[tuple[int, int]]) -> Iterator[_At]:
    """Values that look random, where what stands before them says that they are secret."""
    for match in re.finditer(_VALUE, text):
        name = text[max(0, match.start() - 40) : match.start()].rstrip(" \t\"'").lower()
        if not name.endswith(_ENDS) or not _is_secret(name) or _overlaps(match.span(), taken):
            continue
        if _random(match[2], 3.5 if match[1] else 4.0):
            yield *match.span(2), "password or key", f"({len(match[2])} characters)"
    for match in re.finditer(_IN_URL, text) if "://" in text else ():
        if _random(match[1], 3.0):
            yield *match.span(1), "password in an address", f"({len(match[1])} characters)"


def _is_secret(name: str) -> bool:
    """A key of a service and not of a table; a token of access and not of a currency."""
    if name.endswith("key"):
        return name[:-3].rstrip("_-").endswith(_KEYS)
    return not re.search(_COINS, name)


def _overlaps(span: tuple[int, int], taken: list[tuple[int, int]]) -> bool:
    """Looks at the last 100 only: that bounds the work, and what overlaps stands among them where findings are few."""
    return any(start < span[1] and span[0] < end for start, end in taken[-100:])


def _real(token: str) -> bool:
    """Whether a token of known shape is none of an example."""
    if token.startswith("eyJ"):
        return not _public(token)
    tail = token[-64:]
    return not re.search(_PLACEHOLDER, tail, re.IGNORECASE) and _bits(tail) > 3


def _public(token: str) -> bool:
    """A token for everybody (a project's `anon` role), or the sample of jwt.io."""
    body = token.split(".")[1][:400]
    claims = urlsafe_b64decode(body[: len(body) // 4 * 4])
    return b'"anon"' in claims or b"1234567890" in claims or b"John Doe" in claims


def _random(value: str, bits: float) -> bool:
    if not re.search("[A-Za-z]", value) or not re.search(r"\d", value) or re.search(_WORDS, value):
        return False
    return not re.search(_PLACEHOLDER, value, re.IGNORECASE) and _bits(value) >= bits


def _bits(value: str) -> float:
    """Shannon's entropy in bits a character."""
    return -sum(count / len(value) * math.log2(count / len(value)) for count in Counter(value).values())
