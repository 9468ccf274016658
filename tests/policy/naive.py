"""A second evaluator, written from docs/policy.md alone: slow, plain, over what YAML says and not over our values."""

from __future__ import annotations

import string
import unicodedata
from datetime import UTC, datetime
from functools import cache
from typing import Any

from githarness import paths
from githarness.errors import BadPath

ORDER = ("deny", "require_approval", "allow")
ACTIONS = ("read", "write", "append", "delete", "rename", "exec", "tool", "api", "secret", "approve", "delegate")
FILES = ("read", "write", "append", "delete", "rename")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SHELL = set(";&|<>$()`\n\r")
Request = dict[str, Any]  # agent, roles, action, path, tier, tool, arguments, host, method, time


def decide(files: dict[str, dict[str, Any]], grants: list[dict[str, Any]], request: Request) -> tuple[str, str]:
    """Effect and rule; `files` by name without `.yaml`."""
    if not _well_formed(request):
        return "deny", "invalid-request"
    if request["action"] in FILES[1:] and _folded(request["path"].split("/")[0]) == ".githarness":
        return "deny", "governance"
    found = [(rule["effect"], f"{name}/{rule['id']}") for name in sorted(files, key=lambda name: name + ".yaml")
             for rule in files[name]["rules"] if rule_matches(rule, request)]
    for effect in ORDER:
        for each, rule in found:
            if each == effect:
                return effect, rule
    if any(_grant_fits(grant, request) for grant in grants):
        return "allow", "grant"
    return "deny", "default-deny"


def rule_matches(rule: dict[str, Any], request: Request) -> bool:
    return (request["action"] in rule["actions"] and _who(rule, request) and _where(rule, request)
            and _calls(rule, request) and _when(rule.get("window"), request["time"])
            and ("tier" not in rule or request["tier"] >= rule["tier"]))


def _who(rule: dict[str, Any], request: Request) -> bool:
    return (("agents" not in rule or any(glob(each, request["agent"]) for each in rule["agents"]))
            and ("roles" not in rule or any(role in rule["roles"] for role in request["roles"])))


def _where(rule: dict[str, Any], request: Request) -> bool:
    permits = rule["effect"] == "allow"
    if "paths" in rule and not any(_either(each, request["path"], wide=not permits) for each in rule["paths"]):
        return False
    return not any(_either(each, request["path"], wide=permits) for each in rule.get("except", []))


def _calls(rule: dict[str, Any], request: Request) -> bool:
    permits = rule["effect"] == "allow"
    if "tools" in rule and not any(
            _either(tool["name"], request["tool"], wide=not permits)
            and ("arguments" not in tool or line(tool["arguments"], request["arguments"], permits=permits))
            for tool in rule["tools"]):
        return False
    return "api" not in rule or any(_api(each, request, wide=not permits) for each in rule["api"])


def _api(api: dict[str, Any], request: Request, *, wide: bool) -> bool:
    host, port = request["host"], request["host"].rpartition(":")[2]
    hosts = [host]
    if wide:
        hosts += [host[:-len(port) - 1]] if port.isdigit() else [f"{host}:80", f"{host}:443"]
    if not any(glob(api["host"], one) for one in hosts) or request["method"] not in api.get("methods", [
            request["method"]]):
        return False
    if "path" not in api:
        return True
    path, pattern = request["path"], api["path"]
    below = pattern.endswith(("/**", "/")) and path.endswith("/") and _either(pattern, path + "x", wide=wide)
    return below or _either(pattern, path, wide=wide)


def _when(window: dict[str, Any] | None, time: float) -> bool:
    if window is None:
        return True
    now = datetime.fromtimestamp(int(time), UTC)
    if "from" in window and time < datetime.fromisoformat(window["from"]).timestamp():
        return False
    if "until" in window and time >= datetime.fromisoformat(window["until"]).timestamp():
        return False
    if "days" in window and DAYS[now.weekday()] not in window["days"]:
        return False
    if "hours" not in window:
        return True
    start, end = window["hours"].split("-")
    clock = now.strftime("%H:%M")
    return start <= clock < end if start < end else clock >= start or clock < end


def _grant_fits(grant: dict[str, Any], request: Request) -> bool:
    what = request["path"]
    if request["action"] in ("exec", "tool"):
        what = request["tool"]
    elif request["action"] == "api":
        what = request["host"] + request["path"]
    begins, ends = (datetime.fromisoformat(grant[key]).timestamp() for key in ("granted", "expires"))
    return (grant["agent"] == request["agent"] and request["action"] in grant["allow"]
            and begins <= request["time"] < ends and any(glob(each, what) for each in grant["paths"]))


def _well_formed(request: Request) -> bool:
    action, path = request["action"], request["path"]
    if action not in ACTIONS or not _is_name(request["agent"]) or request["tier"] not in ("T0", "T1", "T2"):
        return False
    if action == "api":
        return _is_host(request["host"]) and request["method"].isupper() and _is_url(path)
    if action in ("exec", "tool"):
        return bool(request["tool"]) and request["tool"].isprintable() and (not path or _is_path(path))
    return _is_path(path)


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 64 and set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-") and text[0] not in "._-"


def _is_path(text: str) -> bool:
    try:
        return bool(paths.check(text))
    except BadPath:
        return False


def _is_host(text: str) -> bool:
    return bool(text) and text == text.lower() and text.isascii() and not set(text) & set("/ @?#_") and text[-1] != "."


def _is_url(text: str) -> bool:
    low = text.lower()
    parts = text.split("/")
    return (text.startswith("/") and "//" not in text and "." not in parts and ".." not in parts
            and not set(text) & set("?#; \\") and text.isascii() and "%2f" not in low and "%2e" not in low
            and not any(f"%{ord(char):02x}" in low for char in string.ascii_letters + string.digits + "-._~"))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def _either(pattern: str, text: str, *, wide: bool) -> bool:
    return glob(pattern, text) or (wide and glob(_folded(pattern), _folded(text)))


def glob(pattern: str, text: str) -> bool:
    if pattern.endswith("/") and pattern != "/":
        pattern += "**"
    return _names(tuple(pattern.split("/")), tuple(text.split("/")))


@cache
def _names(globs: tuple[str, ...], names: tuple[str, ...]) -> bool:
    if not globs:
        return not names
    if globs == ("**",):
        return bool("/".join(names))
    if globs[0] == "**":
        return _names(globs[1:], names) or (len(names) > 1 and names[0] != "" and _names(globs, names[1:]))
    return bool(names) and _name(globs[0], names[0]) and _names(globs[1:], names[1:])


@cache
def _name(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return _name(pattern[1:], text) or (bool(text) and _name(pattern, text[1:]))
    return bool(text) and pattern[0] in ("?", text[0]) and _name(pattern[1:], text[1:])


@cache
def line(pattern: str, text: str, *, permits: bool) -> bool:
    """Arguments: of an allow rule no wildcard takes what a shell does, but for `**` at the end."""
    if pattern == "**":
        return True
    if not pattern:
        return not text
    takes = bool(text) and not (permits and text[0] in SHELL)
    if pattern[0] == "*":
        return line(pattern[1:], text, permits=permits) or (takes and line(pattern, text[1:], permits=permits))
    if pattern[0] == "?":
        return takes and line(pattern[1:], text[1:], permits=permits)
    return bool(text) and pattern[0] == text[0] and line(pattern[1:], text[1:], permits=permits)
