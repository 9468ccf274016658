"""Policies and requests by chance, small words on purpose: so that rules overlap and requests meet them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any

Table = dict[str, Any]
NAMES = ("a", "b", "ci-1", "ci-2")
ROLES = ("writer", "reader")
PARTS = ("a", "b", "B", "ab", "\u00e9", "\u00c9", "stra\u00dfe", "x.md", "*", "a*", "*.md", "?", "**", "a*b*", "*a*")
FILES = ("read", "write", "append", "delete", "rename", "secret", "approve", "delegate")
CALLS = ("exec", "tool")
TOOLS = ("git", "Git", "mcp__a__b", "/bin/sh", "mcp__*", "?it", "/bin/*")
LINES = ("status", "status; rm", "status -s", "log a b", "log $(x)", "", "log a\nb", "a*b")
PATTERNS = ("status*", "log * b", "**", "log **", "", "*", "log ?*", "a*b", "*s*")
HOSTS = ("api.example.org", "example.org", "a.b.example.org", "API.example.org", "*.example.org", "*", "?pi.*.org")
URLS = ("/", "/v1", "/v1/", "/v1/a", "/V1/a", "/v1/a/b", "/v1/**", "/**", "/*", "/v1/*", "/v1//a", "/v1/%2e", "/v2/")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
START = 1_767_225_600  # 2026-01-01T00:00:00Z, a Thursday


def some(rng: Random, words: tuple[str, ...], most: int = 3) -> list[str]:
    return rng.sample(words, rng.randint(1, min(most, len(words))))


def moment(rng: Random) -> str:
    return datetime.fromtimestamp(START + rng.randrange(40) * 21600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def path(rng: Random, *, glob: bool) -> str:
    parts = PARTS if glob else PARTS[:8]
    names = [rng.choice(parts) for _ in range(rng.randint(1, 4))]
    if not glob and rng.random() < 0.1:
        names[0] = rng.choice((".githarness", ".GitHarness", ".git", "..", "a\u200b", "."))
    return "/".join(names) + ("/" if glob and names[-1] != "**" and rng.random() < 0.1 else "")


def window(rng: Random) -> Table:
    found: Table = {}
    if rng.random() < 0.5:
        found["from"] = moment(rng)
    if rng.random() < 0.3 and "from" not in found:
        found["until"] = moment(rng)
    if rng.random() < 0.4:
        found["days"] = some(rng, DAYS, 5)
    if not found or rng.random() < 0.4:
        found["hours"] = rng.choice(("09:00-17:00", "22:00-06:00", "00:00-24:00", "06:00-06:01"))
    return found


def rule(rng: Random, number: int) -> Table:
    kind = rng.choice(("files", "files", "calls", "api", "any"))
    found: Table = {"id": f"r{number}", "effect": rng.choice(("allow", "allow", "deny", "require_approval"))}
    words = {"files": FILES, "calls": CALLS, "api": ("api",), "any": FILES + CALLS}[kind]
    found["actions"] = some(rng, words, 4)
    if rng.random() < 0.5:
        found["agents"] = some(rng, (*NAMES, "ci-*", "?"))
    if rng.random() < 0.3:
        found["roles"] = some(rng, ROLES)
    if kind in ("files", "any") and rng.random() < 0.9:
        found["paths"] = list({one.removesuffix("/**").removesuffix("/"): one for one in
                               (path(rng, glob=True) for _ in range(rng.randint(1, 3)))}.values())
    if kind in ("files", "any") and rng.random() < 0.3:
        found["except"] = [path(rng, glob=True)]
    if kind == "calls" and rng.random() < 0.9:
        found["tools"] = [{"name": rng.choice(TOOLS)}
                          | ({"arguments": rng.choice(PATTERNS)} if rng.random() < 0.6 else {})
                          for _ in range(rng.randint(1, 2))]
    if kind == "api" and rng.random() < 0.9:
        found["api"] = [api(rng) for _ in range(rng.randint(1, 2))]
    return found | _rest(rng, found["effect"])


def _rest(rng: Random, effect: str) -> Table:
    found: Table = {}
    if rng.random() < 0.2:
        found["window"] = window(rng)
    if effect == "require_approval" and rng.random() < 0.5:
        found["approvers"] = {"role": rng.choice(("operator", "owner")), "count": rng.choice(("1", "2"))}
    if rng.random() < 0.15:
        found["limits"] = {rng.choice(("writes", "deletes", "calls")): rng.choice(("60/10m", "0/1s")),
                           "per": rng.choice(("agent", "tree"))}
    if effect == "allow" and rng.random() < 0.15:
        found["tier"] = rng.choice(("T0", "T1", "T2"))
    return found


def api(rng: Random) -> Table:
    found: Table = {"host": rng.choice(tuple(host for host in HOSTS if host.islower() or host == "*"))}
    if rng.random() < 0.5:
        found["methods"] = some(rng, ("GET", "PUT"))
    if rng.random() < 0.8:
        found["path"] = rng.choice(tuple(url for url in URLS if "//" not in url))
    return found


def policy(rng: Random) -> dict[str, Table]:
    """Files by name without `.yaml`."""
    return {name: {"version": "1", "rules": [rule(rng, number) for number in range(rng.randint(1, 6))]}
            for name in some(rng, ("a", "b", "a.b"), 2)}


def grant(rng: Random) -> Table:
    starts = rng.randrange(40) * 21600
    times = [datetime.fromtimestamp(START + at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
             for at in (starts, starts + rng.choice((1, 21600, 10**6)))]
    return {"version": "1", "agent": rng.choice(NAMES), "allow": some(rng, (*FILES, *CALLS, "api"), 5),
            "paths": some(rng, ("a/**", "**", "*", "api.example.org/**", "b"), 2), "granted": times[0],
            "expires": times[1], "why": "a test"}


def request(rng: Random) -> Table:
    action = rng.choice((*FILES, *CALLS, "api", "api", "Write") if rng.random() < 0.9 else ("write ", "DROP", "read"))
    found: Table = {
        "agent": rng.choice(NAMES) if rng.random() < 0.97 else rng.choice(("A", "\u0430", "")),
        "roles": some(rng, ROLES), "action": action, "path": path(rng, glob=False),
        "tier": rng.choice(("T0", "T1", "T2")), "tool": "", "arguments": "", "host": "", "method": "",
        "time": START + rng.randrange(160) * 5400 + rng.choice((0, 0.5))}
    if action in CALLS:
        found |= {"path": "", "tool": rng.choice(TOOLS[:4]), "arguments": rng.choice(LINES)}
    if action == "api":
        urls = tuple(url for url in URLS if "*" not in url)
        found |= {"host": rng.choice(HOSTS[:3 if rng.random() < 0.9 else 4]), "method": rng.choice(("GET", "PUT")),
                  "path": rng.choice(urls[:6] if rng.random() < 0.8 else urls)}
    return found


def cases(seed: int, policies: int, each: int) -> Iterator[tuple[dict[str, Table], list[Table], list[Table]]]:
    for number in range(policies):
        rng = Random(f"{seed}-{number}")
        grants = [grant(rng) for _ in range(rng.randint(0, 2))]
        yield policy(rng), grants, [request(rng) for _ in range(each)]
