"""what a skill uses is declared, and a change says what it newly uses

Why: who installs a skill reads its frontmatter, not its body. Keys that it reads, hosts that it calls and tools that it
needs belong there: `compatibility`, `allowed-tools`, `metadata`, or the description. An update that starts to use a new
key or host is how a trusted skill is turned.

Used: names of environment variables that end in KEY, TOKEN, SECRET or PASSWORD, where prose names them or a shell
expands them; hosts that curl, wget or an HTTP client
is called with; a shell, where `allowed-tools` stands and does not name one. Declared: the name, or the host's own name,
stands anywhere in the frontmatter. New uses against the version before are one finding, declared or not; approval of
them is a policy's (not yet).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from githarness.skills.document import Document
from githarness.skills.model import Found, Gate, Place

_VARIABLE = r"\b[A-Z][A-Z0-9]{1,30}(?:_[A-Z0-9]{1,30}){0,6}?_(?:KEY|TOKEN|SECRET|PASSWORD)\b"
_HOST = r"://([\w-]{1,63}(?:\.[\w-]{1,63}){1,6})"
_CLIENT = r"\b(?:curl|wget|fetch|requests?\.\w{2,9}|httpx\.\w{2,9}|axios|urlopen|webfetch)\b"
_HERE = r"(?:^|\.)(?:localhost|local|test|example|invalid)$|^[\d.]+$|^example\.|\.example\.|^(?:your|my|api\.your)\b"
_SHELLS = ("bash", "sh", "shell", "zsh", "console", "powershell")


def check(doc: Document, place: Place) -> Iterator[Found]:
    uses, head = _uses(doc), doc.text[: doc.front.end].lower()
    missing = [name for name in uses if name.startswith("$") and name[1:].lower() not in head]
    if missing:
        yield Found(uses[missing[0]], f"reads {_list(missing)}, which the frontmatter does not name",
                    "name it in 'compatibility'")
    hosts = [name for name in uses if not name.startswith("$") and not _named(name, head)]
    if hosts:
        yield Found(uses[hosts[0]], f"calls {_list(hosts)}, which the frontmatter does not name",
                    "name the service in 'description' or 'compatibility'", "info")
    yield from _shell(doc)
    if place.before is not None:
        known = _uses(place.before)
        new = [name for name in uses if name not in known]
        if new:
            yield Found(uses[new[0]], f"this change newly uses {_list(new)}", "have a person look at it")


def _uses(doc: Document) -> dict[str, int]:
    """`$NAME` of variables and names of hosts, with the line of the first use."""
    uses: dict[str, int] = {}
    if any(end in doc.text for end in ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")):
        for match in re.compile(_VARIABLE).finditer(doc.text, doc.front.end):
            if _is_read(doc, match.start(), match[0]):
                uses.setdefault(f"${match[0]}", doc.line_at(match.start()))
    for match in re.compile(_HOST).finditer(doc.lower, doc.front.end):
        before = doc.lower[max(0, match.start() - 200) : match.start()].rpartition("\n")[2]
        if re.search(_CLIENT, before) and not re.search(_HERE, match[1]):
            uses.setdefault(match[1], doc.line_at(match.start()))
    return uses


def _is_read(doc: Document, offset: int, name: str) -> bool:
    """Whether the skill itself needs it: named in prose, exported, or expanded by a shell; not in a sample of code."""
    if name.startswith(("YOUR_", "MY_")):
        return False
    block = next((block for block in doc.fences if block.start <= offset < block.end), None)
    before = doc.text[max(0, offset - 8) : offset]
    return block is None or before.endswith("export ") or (block.info in _SHELLS and before.endswith(("$", "${")))


def _named(host: str, head: str) -> bool:
    """Whether the frontmatter names the host, or a part of it that is its own (`notion` of api.notion.com)."""
    parts = host.split(".")
    return host in head or any(len(part) > 3 and part in head for part in parts[:-1]) or "network" in head


def _shell(doc: Document) -> Iterator[Found]:
    declared = doc.front.values.get("allowed-tools", doc.front.values.get("tools"))
    words = str(declared).lower()
    if not declared or any(word in words for word in ("bash", "shell", "terminal", "exec", "*", "run")):
        return
    for block in doc.fences:
        if block.info in _SHELLS:
            yield Found(doc.line_at(block.start), "shows commands for a shell, which 'allowed-tools' does not name",
                        "add 'Bash(PROGRAM:*)' to 'allowed-tools', or take the commands out")
            return


def _list(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


GATE = Gate("GH054", "warning", check, triggers=(
    "_key", "_token", "_secret", "_password", "://", "allowed-tools", "tools:"))
