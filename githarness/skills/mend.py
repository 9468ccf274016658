"""Frontmatter that clients cannot read, made readable where what its author meant is plain.

Each attempt is read back and kept only if it helps; where none does, the text stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from githarness.skills.edit import scalar
from githarness.skills.frontmatter import LINES, MISPLACED, TEXT, Front, read

# Scalars quoted in one file, and forms tried for each: a hostile file costs 480 readings at most.
_ATTEMPTS = 20
_FORMS = 24
_KEY = r"[ \t]*(?:- )?[A-Za-z_][\w.-]*"
_FIELD = rf"(?s:({_KEY}):(?:[ \t]+(.*))?)"


def quoted(text: str) -> str:
    """Invalid YAML made valid: by quoting scalars, closing braces, a space behind a colon, spaces for tabs."""
    start = text
    for _ in range(_ATTEMPTS):
        front = read(text)
        if (line := _broken(front)) is None:
            return text
        better = next((new for new in islice(_candidates(text, front, line), _FORMS) if _further(new, line)), None)
        if better is None:
            return start
        text = better
    return start


def placed(text: str) -> str:
    """Frontmatter that stands behind other lines, in a fenced block or without its fences, moved to the first byte."""
    problems = read(text).problems
    for new in _placements(text) if problems else ():
        front = read(new)
        if not front.problems and {"name", "description"} & front.fields.keys():
            return new
    return text


def only_globs(kind: str, line: str) -> bool:
    """Whether a line is what Cursor itself writes into rules, which YAML parsers take for an alias."""
    return kind == "rule" and line.startswith("globs:") and line[6:].lstrip().startswith("*")


def _broken(front: Front) -> int | None:
    """The line of the first problem that quoting may mend."""
    return next((problem.line for problem in front.problems if problem.kind == "syntax"), None)


def _further(text: str, line: int) -> bool:
    front = read(text)
    broken = _broken(front)
    return front.end > 0 and (broken > line if broken else not {"large", "deep"} & {p.kind for p in front.problems})


def _candidates(text: str, front: Front, broken: int) -> Iterator[str]:
    """The text with one field written otherwise: at the broken line first, then at those above it."""
    lines = re.findall(r"[^\n]*\n", text[: front.close])
    first = text.count("\n", 0, front.start)
    if any(line.startswith("\t") for line in lines[first:]):
        yield re.sub(r"^\t+", lambda found: "  " * len(found[0]), text[: front.close], flags=re.M) + text[front.close :]
    order = range(min(broken, len(lines)) - 1, max(first, broken - 50) - 1, -1)
    keys = ((number, re.match(_FIELD, lines[number])) for number in order)
    top = next((number for number, found in keys if found and found[1] in TEXT), order[0])
    for number in (top, *order):
        line = lines[number].rstrip("\r\n")
        end_of_line = lines[number][len(line) :]
        for new, used in _rewritten(line, [each.rstrip("\r\n") for each in lines[number + 1 :]]):
            yield "".join([*lines[:number], new + end_of_line, *lines[number + 1 + used :]]) + text[front.close :]


def _rewritten(line: str, rest: list[str]) -> Iterator[tuple[str, int]]:
    """Other forms of a field's line, each with how many of the lines below it are part of it."""
    if found := re.match(rf"({_KEY}):([^\s/:].*)", line):
        yield f"{found[1]}: {found[2]}", 0
    if not (found := re.fullmatch(_FIELD, line)):
        return
    key, value = found[1], (found[2] or "").strip()
    if value.startswith("{") and (missing := value.count("{") - value.count("}")) > 0:
        yield f"{key}: {value}{'}' * missing}", 0
    if value.startswith(("|", ">")):
        return
    indent = len(line) - len(line.lstrip())
    ends = (n for n, each in enumerate(rest) if each.strip() and len(each) - len(each.lstrip()) <= indent)
    used = next(ends, len(rest))
    for number in (used, 0) if key in TEXT else (0, used):
        folded = " ".join([value, *(each.strip() for each in rest[:number])]).strip()
        if folded and (value or key in TEXT):
            yield f"{key}: {scalar(_bare(folded))}", number


def _bare(value: str) -> str:
    """Without quotes around the whole, and with none that only opens."""
    quote = value[0]
    if quote not in "\"'":
        return value
    if value.endswith(quote) and len(value) > 1:
        return value[1:-1].replace("''", "'") if quote == "'" else value[1:-1].replace('\\"', '"')
    return value[1:] if value.count(quote) == 1 else value


def _placements(text: str) -> Iterator[str]:
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    found = re.search(MISPLACED, text[: 1 << 13], re.M)
    if found is None or text.count("\n", 0, found.start()) > LINES:
        return
    if found.start() and not (found["fence"] or found["open"]):
        return  # a field in the body
    end_of_line = "\r\n" if "\r\n" in text[: found.end() + 200] else "\n"
    before, inside = text[: found.start()].strip("\ufeff\r\n \t"), text[found.end() :]
    after = ""
    if found["fence"] and (close := re.search(rf"^{found['fence'].rstrip()[:3]}`*[ \t]*(?:\r?\n|\Z)", inside, re.M)):
        inside, after = inside[: close.start()], inside[close.end() :]
    lead = end_of_line + before + end_of_line if before else ""
    fence = f"---{end_of_line}"
    # The closing fence is there; it is not; what follows is then no field, continuation or comment.
    close = re.search(r"^---[ \t]*\r?(?:\n|\Z)", inside, re.M)
    if close and not re.search(r"^##? ", inside[: close.start()], re.M):
        yield mark + fence + inside[: close.end()].rstrip("\r\n") + end_of_line + lead + inside[close.end() :] + after
    cut = re.search(r"^(?=[ \t]*\r?\n(?![ \t])|#)|\Z", inside, re.M)
    if cut and not inside[cut.end() :].lstrip("\r\n").startswith((" ", "\t")):
        head = inside[: cut.start()].rstrip("\r\n") + end_of_line
        if re.search(r"^\s+---", head, re.M):
            return
        yield mark + fence + head + fence + lead + inside[cut.start() :] + after
