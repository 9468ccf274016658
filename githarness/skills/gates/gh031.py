"""metadata maps text to text, or is a block that its client takes.

Why: the specification wants text, so other clients may refuse or forget a number, a list or a nested mapping; Codex
drops a file whose metadata is no mapping at all. OpenClaw and Hermes nest their own block under `metadata`.

Blocks named `openclaw`, `clawdbot` or `hermes` are judged by the schemas of those clients. The fix puts quotes around
numbers, dates and booleans. Source: agentskills.io/specification, docs.openclaw.ai, hermes-agent documentation.
"""

from __future__ import annotations

from collections.abc import Iterator

from githarness.canon import Json
from githarness.skills import edit
from githarness.skills.document import Document
from githarness.skills.model import Found, Gate, Place
from githarness.skills.profiles import fits, load, schema
from githarness.strictyaml import nodes

_BLOCKS = {"openclaw": "openclaw", "clawdbot": "openclaw", "hermes": "hermes"}  # client by name of its block


def check(doc: Document, place: Place) -> Iterator[Found]:
    field = doc.front.fields.get("metadata")
    if field is None or fits(schema(place.profile.file(doc.path, doc.kind))["properties"]["metadata"], field.value):
        return
    if not isinstance(field.value, dict):
        yield Found(field.line, "'metadata' is not a mapping", "write lines 'key: \"text\"' below it, or leave it out")
        return
    for key, value in field.value.items():
        if key in _BLOCKS and isinstance(value, dict):
            block: Json = {key: value}
            client = load(_BLOCKS[key], place.profile.judge)
            inner = field._replace(value=block)
            for fault in client.wrong(f"skill.{client.name}", inner):
                yield Found(field.line, f"wrong for {client.name}: {fault}", "write what its documentation says")
        elif not isinstance(value, str):
            fix = (f"name the block {' or '.join(sorted(_BLOCKS))} if it is one, or write it as text"
                   if isinstance(value, dict) else "write it as one text in quotes")
            yield Found(field.line, f"'metadata.{key[:60]}' is not text", fix)


def fix(doc: Document, place: Place) -> bytes:
    field, data = doc.front.fields.get("metadata"), doc.data
    if field is None or not isinstance(field.value, dict) or not any(check(doc, place)):
        return data
    start = field.start if doc.text[field.start] == "{" else doc.text.rfind("\n", 0, field.start) + 1
    block = doc.text[start : field.end]
    for node in nodes(block)[0].values():
        if node.kind in ("bool", "number", "date"):
            data = edit.put(data, f"metadata.{node.name}", block[node.start : node.end])
    return data


GATE = Gate("GH031", "warning", check, fix)
