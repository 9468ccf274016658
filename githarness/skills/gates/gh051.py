"""nothing fetched is run unseen

Why: `curl ... | sh` runs whatever its address answers today, as the agent's user. Campaigns of malicious skills do just
that, or hide it: base64 piped to a shell, an archive whose password keeps scanners out, a command to paste into a
terminal, a program from a release page that "must run before this skill works".

An error, except: a warning for installers of well-known projects and where the line, the one before it or its heading
warns of the command. Looked at in prose and code alike, over continued lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from githarness.skills import markdown
from githarness.skills.document import Document
from githarness.skills.model import EVERY, Found, Gate, Place, Severity

# All patterns are for text in lower case.
_SHELL = (
    r"\|[ \t]{0,4}(?:sudo[ \t]{1,4}(?:-\w{1,9}[ \t]{1,4}){0,3})?(?:/(?:usr/)?bin/)?(?:(?:ba|z|da|k)?sh\b|iex\b"
    r"|(?:python3?|node|perl|ruby)[ \t]{0,4}-?[ \t]{0,4}(?=$|[\n`\"';&|)]))"
)
_FETCH = r"\b(?:curl|wget|iwr|irm|invoke-webrequest|invoke-restmethod|downloadstring)\b([^\n]{0,500})"
_DECODE = r"\bbase64[ \t]{1,4}(?:-d|--decode)\b|\bxxd[ \t]{1,4}-r|\bfrombase64string\b"
_VALUE = (
    r"[*_]{0,3}[ \t]?[:=][*_]{0,3}[ \t]{0,3}[`'\"]?"
    r"(?!str|none|null|opt|req|your|process|os\b|any\b)[a-z0-9!@#._-]{3,40}"
)
_UNSEEN, _DECODED = "runs what an address answers, unseen", "decodes hidden text and runs it"
_LOCKED = "asks for an archive with a password, which no scanner opens"
_PASTED = "asks to paste a command into a terminal"
_PROGRAM = "needs a program of a release page, which nobody can review"
# Words of which one must occur, a pattern, what it is.
_PATTERNS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("curl", "wget"),
     r"(?:sh|eval|source|python3?)[ \t][^\n|;&]{0,20}?[<$]\([ \t]{0,4}(?:curl|wget)\b([^\n]{0,300})", _UNSEEN),
    (("iex", "invoke-expression"),
     r"(?:iex|invoke-expression)\b[^\n]{0,200}\b(?:iwr|irm|invoke-webrequest|invoke-restmethod|downloadstring)\b"
     r"([^\n]{0,300})",
     _UNSEEN),
    (("b64decode(", "frombase64(", "buffer.from("),
     r"(?:exec|eval)\([^\n()]{0,40}(?:b64decode|frombase64|buffer\.from)\(", _DECODED),
    (("-enc",), r"-enc(?:odedcommand)?[ \t]{1,4}[a-z0-9+/=]{40}", _DECODED),
    (("eval",), r"eval\b[^\n]{0,300}\bbase64[ \t]{1,4}(?:-d|--decode)\b", _DECODED),
    (("pass", "pwd"),
     r"(?:\.(?:zip|rar|7z)|extract|unzip|unpack|archive)\b[^`]{0,100}?\b(?:pass(?:word|code|phrase)?|pwd)\b" + _VALUE,
     _LOCKED),
    (("extract using", "extract with", "unzip", "7z"),
     r"extract (?:using|with)[ :]{1,3}[`'\"]?\w{3,30}[`'\"]?\)|unzip[ \t]{1,4}-p[ \t]?\S{3}[^\n]{0,60}\.zip"
     r"|7z[ar]?[ \t]{1,4}x\b[^\n]{0,99} -p\w",
     _LOCKED),
    (("terminal", "powershell", "command prompt", "run dialog"),
     r"(?:copy|paste)\b[^\n]{0,60}\b(?:commands?|script|it|this|them)\b[^\n]{0,40}\b(?:in|into|to)\b[^\n]{0,20}"
     r"\b(?:terminal|powershell|command prompt|run dialog)\b", _PASTED),
    (("terminal", "powershell"),
     r"(?:visit|open|go to)\b[^\n]{0,200}\b(?:execute|run|copy|paste)\b[^\n]{0,60}\bcommands?\b[^\n]{0,40}"
     r"\b(?:terminal|powershell)\b",
     _PASTED),
)
_RELEASE = r"github\.com/[^\s)\]]{1,200}/releases/[^\s)\]]{0,200}\.(?:zip|exe|rar|7z|msi|dmg|pkg|scr)\b"
_NEEDED = r"\bmust\b|\brequire[sd]?\b|\bprerequisites?\b|\bbefore\b|will not work"
_KNOWN = (
    r"(?:^|[/.\s\"'])(?:astral\.sh|rustup\.rs|bun\.sh|deno\.land|get\.docker\.com|nodesource\.com|tailscale\.com|brew\.sh"
    r"|rclone\.org|ollama\.(?:ai|com)|foundry\.paradigm\.xyz|python-poetry\.org|get\.pnpm\.io|claude\.ai|openclaw\.ai|aka\.ms"
    r"|helm\.sh|fly\.io|volta\.sh|mise\.run|sdkman\.io|fluxcd\.io|get\.k3s\.io|nixos\.org|starship\.rs|chocolatey\.org|linkerd\.io"
    r"|sdk\.cloud\.google\.com|opencode\.ai|release\.(?:solana|anza)\.\w+"
    r"|raw\.githubusercontent\.com/(?:homebrew|nvm-sh|helm|ohmyzsh|babashka)/[\w./-]*)(?:[/\s\"'`)]|$)"
)
_FIX = "ship the script or name a pinned package; let a person install it"


def check(doc: Document, place: Place) -> Iterator[Found]:
    text = doc.lower.replace("\\\n", "  ")  # continued lines are one; offsets stay
    lines: set[int] = set()
    for offset, what, source in sorted(_seen(text)):
        line = doc.line_at(offset)
        if line not in lines:
            yield Found(line, what, _FIX, None if what in (_DECODED, _LOCKED) else _severity(text, offset, source))
        lines.add(line)


def _seen(text: str) -> Iterator[tuple[int, str, str]]:
    """Offset, what it is, and what follows the command that fetches."""
    for match in re.finditer(_SHELL, text):
        before = text[max(0, text.rfind("\n", 0, match.start()) + 1, match.start() - 500) : match.start()]
        fetched = re.search(_FETCH, before)
        if fetched or re.search(_DECODE, before):
            yield (match.start(), _UNSEEN, fetched[1]) if fetched else (match.start(), _DECODED, "")
    for words, pattern, what in _PATTERNS:
        for match in re.finditer(pattern, text) if any(word in text for word in words) else ():
            where = match.end() - 1 if what == _LOCKED else match.start()  # on the line of the password
            yield where, what, match[1] if what == _UNSEEN else "."
    for match in re.finditer(_RELEASE, text) if "/releases/" in text else ():
        if re.search(_NEEDED, text[max(0, match.start() - 200) : match.end() + 200]):
            yield match.start(), _PROGRAM, "."


def _severity(text: str, offset: int, source: str) -> Severity | None:
    """A warning for a known installer, for `curl | sh` without an address, and where the text warns of it."""
    bare = not re.search(r"[./$]", source)
    return "warning" if bare or re.search(_KNOWN, source) or markdown.warns(text, offset) else None


GATE = Gate("GH051", "error", check, kinds=EVERY, reads="lines", triggers=(
    "curl", "wget", "iwr", "irm", "iex", "invoke-", "base64", "b64decode", "buffer.from(", "xxd", "downloadstring",
    "password", "passcode", "passphrase", "pass:", "pwd:", "extract", "terminal", "powershell", "command prompt",
    "/releases/", "unzip"))
