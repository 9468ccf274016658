"""A commit's message: a person's text made harmless, then the harness's trailers as the last paragraph (DESIGN §4).

`parse` follows git's rule for which lines are trailers, `render` writes what every version of git reads alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from githarness.errors import Usage
from githarness.policy.model import Decision

LONGEST = 64 * 1024  # bytes of a person's text
LONGEST_SUBJECT = 1000  # characters that listings keep of it
_LONGEST_VALUE = 20_000  # two paths of the greatest length
Trailers = list[tuple[str, str]]

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_USUAL = re.compile(r"^([A-Za-z0-9-]++)[ \t]*+:([^\n]*+)\n", re.MULTILINE)
_TRAILER = re.compile(r"([A-Za-z0-9-]+)[ \t]*:(.*)", re.DOTALL)
_BY_GIT = ("Signed-off-by: ", "(cherry picked from commit ")
_SCISSORS = "------------------------ >8 ------------------------"
# Control characters, line separators, directions of writing, invisible tags, and surrogates that are no text.
_HOSTILE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]")
_SCISSORS_LINE = re.compile(rf"(?m)^# {_SCISSORS}\n")
_FOLD = re.compile(r"\n[ \t\r]*")
_SPACE = " \t\r"  # what git's isspace() knows besides LF


def render(subject: str, body: str, trailers: Iterable[tuple[str, str]]) -> str:
    """The whole message, ending in LF. Raises Usage for a text that is empty or too long, and for a trailer that no
    reader could give back unchanged."""
    if len(subject) + len(body) > LONGEST:
        raise Usage(f"a message is longer than {LONGEST} bytes", fix="put the text into a file and name it")
    text = _clean(f"{subject}\n\n{body}")
    if not text:
        raise Usage("a message has no text", fix="pass -m MESSAGE")
    lines = [_trailer(key, value) for key, value in trailers]
    return text + "\n" + ("\n" + "".join(lines) if lines else "")


def _clean(text: str) -> str:
    text = _HOSTILE.sub(_escape, text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    lines = (_defuse(line.rstrip()) for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def _escape(found: re.Match[str]) -> str:
    point = ord(found[0])
    return f"\\x{point:02x}" if point < 256 else f"\\u{point:04x}" if point < 65536 else f"\\U{point:08x}"


def _defuse(line: str) -> str:
    """`---` and git's scissors end a message for some of git's readers, who would then not see the trailers."""
    return " " + line if line.startswith("---") or _SCISSORS in line else line


def _trailer(key: str, value: str) -> str:
    if len(value) > _LONGEST_VALUE:
        raise Usage(f"a value of the trailer '{key}' is longer than {_LONGEST_VALUE} characters", fix="shorten it")
    if not _KEY.fullmatch(key) or not value or value != value.strip() or _HOSTILE.search(value) or "\n" in value:
        raise Usage(f"'{_HOSTILE.sub(_escape, value[:80])}' cannot be the trailer '{key}' of a commit",
                    fix="use printable text in one line")
    return f"{key}: {value}\n"


def subject_of(message: str) -> str:
    """The first line, as listings show it; somebody else's may have no end."""
    return message[: LONGEST_SUBJECT + 1].partition("\n")[0][:LONGEST_SUBJECT]


def parse(message: str) -> Trailers:
    """The trailers of the last paragraph, values unfolded, by the rule of `git log --format=%(trailers)`.

    The first paragraph never holds any; comments and an old list of conflicts at the end do not count.
    """
    text, _, last = message.rpartition("\n\n")
    usual = _USUAL.findall(last) if text and "\n#" not in message and "\nConflicts:" not in message else []
    if usual and len(usual) == last.count("\n") and last[-1] == "\n" and text[0] != "#" and text.strip("\n" + _SPACE):
        return [(key, value.strip(_SPACE)) for key, value in usual]  # the same, much sooner
    block = _last_paragraph(message)
    return _values(block) if _is_block(block) else []


def _last_paragraph(message: str) -> list[str]:
    """Its lines, or none where it is the first."""
    cut = _SCISSORS_LINE.search(message)
    paragraphs = _paragraphs_backwards(message, _end_of_text(message, cut.start() if cut else len(message)))
    for lines in paragraphs:
        if not all(line[0] == "#" for line in lines):
            return lines if next(paragraphs, None) else []
    return []


def _end_of_text(message: str, end: int) -> int:
    """Where comments, empty lines and an old list of conflicts begin that end the message."""
    listed = False
    for start, line in _lines_backwards(message, end):
        if line == "Conflicts:" and start + len(line) < len(message):
            end, listed = start, False
        elif line and line[0] not in "#\t":
            break
        elif line[:1] == "\t":
            listed = True
        elif not listed:
            end = start
    return end


def _lines_backwards(message: str, end: int) -> Iterator[tuple[int, str]]:
    """Each line without its LF, and where it starts."""
    end -= message.endswith("\n", 0, end)
    while end >= 0:
        start = message.rfind("\n", 0, end) + 1
        yield start, message[start:end]
        end = start - 1


def _paragraphs_backwards(message: str, end: int) -> Iterator[list[str]]:
    lines: list[str] = []
    for _, line in _lines_backwards(message, end):
        if line.strip(_SPACE):
            lines.append(line)
        elif lines:
            yield lines[::-1]
            lines = []
    if lines:
        yield lines[::-1]


def _is_block(lines: list[str]) -> bool:
    """git's rule: all lines are trailers; or one is of the kind that git itself makes and a quarter are trailers."""
    by_git = any(line.startswith(_BY_GIT) for line in lines)
    trailers = others = 0
    inside = False
    for line in lines:
        if line[0] in _SPACE:
            others += not inside
            continue
        inside = line.startswith(_BY_GIT) or bool(_TRAILER.match(line))
        trailers += inside
        others += not inside and line[0] != "#"
    return bool(trailers) and (not others or (by_git and trailers * 3 >= others))


def _values(lines: list[str]) -> Trailers:
    found: Trailers = []
    inside = False
    for line in lines:
        if line[0] not in _SPACE:
            match = _TRAILER.match(line)
            inside = match is not None
            if match:
                found.append((match[1], match[2]))
        elif inside:
            key, value = found[-1]
            found[-1] = (key, f"{value}\n{line}")
    return [(key, _FOLD.sub(" ", value).strip(_SPACE)) for key, value in found]


def decision_text(decision: Decision, event: str) -> str:
    """The value of the trailer `Decision`."""
    return f"{decision.effect} rule={decision.rule} grant={decision.grant or '-'} event={event}"
