"""subagents, commands, rules, prompts and instructions keep the rules of their own client.

Why: these files fail as silently as skills: a subagent without a name is not there, a Cursor rule whose `alwaysApply`
is the text "true" never applies, and what AGENTS.md has beyond 32 KiB, Codex does not read.

By path: `.claude/agents` and `.claude/commands` (Claude Code), `.agent.md`, `.prompt.md` and `.instructions.md`
(Copilot), `.mdc` (Cursor), AGENTS.md and its like. Looked at: required fields and the type of each value, by
`schemas/KIND.CLIENT.schema.json`; of instructions also the size. Unknown fields are GH030's; of the other gates each
says which kinds it is for.
"""

from __future__ import annotations

from collections.abc import Iterator

from githarness.skills.document import Document
from githarness.skills.model import EVERY, Found, Gate, Place
from githarness.skills.profiles import schema

_READ = 32 << 10  # bytes of AGENTS.md that Codex reads by default


def check(doc: Document, place: Place) -> Iterator[Found]:
    file, front = place.profile.file(doc.path, doc.kind), doc.front
    if front.fields or not front.problems:
        for name in schema(file).get("required", ()):
            if name not in front.fields:
                yield Found(1, f"'{name}' is missing", f"add the field '{name}'", "error")
    for field in front.fields.values():
        if faults := place.profile.wrong(file, field):
            yield Found(field.line, f"'{field.name}' has a wrong value: {faults[0]}", "write what the client takes")
    if doc.kind == "instructions" and len(doc.data) > _READ:
        yield Found(1, f"has {len(doc.data)} bytes, of which {_READ} are read", "move what is rarely needed to skills")
    elif doc.kind == "instructions" and not doc.data.strip():
        yield Found(1, "is empty", "write what an agent should know, or remove the file")


GATE = Gate("GH070", "warning", check, kinds=EVERY - {"skill"})
