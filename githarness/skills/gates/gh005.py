"""frontmatter is YAML that every client's parser reads, and reads alike.

Why: an unquoted `: ` in a description is invalid YAML. Codex then drops the skill; Hermes, OpenClaw and Gemini CLI each
fall back to cutting lines at the first colon, and see different texts. What is valid can differ too: `yes` is true for
PyYAML and the text "yes" for YAML 1.2, and Gemini CLI finds no frontmatter where a space follows the opening `---`.

Looked at: syntax as PyYAML's C parser (libyaml, as Codex's serde_yaml) judges it; values of fields that YAML 1.1 and
1.2 type differently; fences that a client's pattern misses. The fix quotes the value, or writes `true` for `yes`.
Sources: skillLoader.ts of Gemini CLI, frontmatter.ts of OpenClaw, skill_utils.py of Hermes, loader.rs of Codex.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from githarness.skills import edit, mend
from githarness.skills.document import Document
from githarness.skills.frontmatter import TEXT, Field
from githarness.skills.model import WITH_FRONTMATTER, Found, Gate, Place

_INVALID = "codex drops the file, gemini, hermes and openclaw guess line by line"
# In the text from the first byte to the end of the closing fence: what is found there, and who reads it how.
_MISREAD = (
    (r"\A\ufeff?---[ \t]+(?=\r?\n)", "behind the opening '---' stand spaces: gemini finds no frontmatter",
     "remove the spaces"),
    (r"\n---[^\s-].*", "gemini and openclaw end the frontmatter at this line", "indent the line"),
    ("[\x85\u2028\u2029]", "hermes and codex break the line at an invisible character, gemini and openclaw do not",
     "replace it by a space"),
    (r"\n---[ \t]*\Z", "hermes finds no frontmatter: its closing line has no end", "end the file with a line end"),
)
# YAML 1.2, core schema: what a plain scalar is.
_CORE = (r"(?P<null>~|null|Null|NULL|)|(?P<bool>true|True|TRUE|false|False|FALSE)|(?P<number>0o[0-7]+|0x[0-9a-fA-F]+|"
         r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))")


def check(doc: Document, place: Place) -> Iterator[Found]:
    for problem in doc.front.problems:
        if problem.kind == "syntax" and not mend.only_globs(doc.kind, doc.lines[problem.line - 1]):
            yield Found(problem.line, f"{problem.message}: {_INVALID}", "quote the value")
    head = doc.text[: doc.front.end]
    for pattern, message, fix in _MISREAD:
        if found := re.search(pattern, head):
            yield Found(doc.line_at(found.end()), message, fix)
    for field, other in _ambiguous(doc):
        source = doc.text[field.start : field.end]
        message = f"'{field.name}: {source[:80]}' is a {field.kind} for hermes (YAML 1.1), a {other} for others (1.2)"
        yield Found(field.line, message, f"{field.name}: {edit.shown(_meant(field, source))}", "warning")


def _ambiguous(doc: Document) -> Iterator[tuple[Field, str]]:
    for field in doc.front.fields.values():
        source = doc.text[field.start : field.end]
        odd = field.kind in ("bool", "number", "null") or source[:1] in "0123456789+-.~nNtTfF"
        if not odd or field.style != "plain" or field.kind == "date" or field.name in TEXT:
            continue
        found = re.fullmatch(_CORE, source)
        core = str(found.lastgroup) if found else "text"
        if core != field.kind:
            yield field, core
        elif core == "number" and re.fullmatch(r"[-+]?0[0-9]+", source):
            yield field, "different number"


def _meant(field: Field, source: str) -> bool | str:
    return field.value if isinstance(field.value, bool) else source


def fix(doc: Document, place: Place) -> bytes:
    if not any(check(doc, place)):
        return doc.data
    data = edit.rewrite(doc.data, lambda text: mend.quoted(re.sub(r"\A(\ufeff?---)[ \t]+(?=\r?\n)", r"\1", text)))
    if data == doc.data and any(problem.kind == "syntax" for problem in doc.front.problems):
        data = edit.rewrite(data, mend.placed)
    for field, _ in _ambiguous(doc):
        data = edit.put(data, field.name, _meant(field, doc.text[field.start : field.end]))
    return data


GATE = Gate("GH005", "error", check, fix, WITH_FRONTMATTER, reads="head")
