"""`githarness apply`: changes as JSON Lines, landing together as one commit or not at all."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

import typer

from githarness.cli.options import command
from githarness.cli.shell import shell
from githarness.cli.write_options import Merge, WriteOptions, if_match, land, show_all
from githarness.errors import Usage
from githarness.work.asks import Op

_NEEDS = {"write": "content", "append": "content", "delete": "path", "rename": "to"}
_FIELDS = {"op", "path", "to", "content", "content_base64", "if_match", "mode"}


@command
def apply(ctx: typer.Context, *, options: WriteOptions, merge: Merge = False) -> None:
    """Make several changes as one commit. Each line of stdin is an object: op (write, append, delete, rename), path,
    to, content or content_base64, if_match, mode (100644, 100755).

    Example: githarness apply --agent deployer < changes.jsonl
    """
    sh = shell(ctx)
    lines = sh.content(None).split(b"\n")
    ops = [_op(line, number) for number, line in enumerate(lines, 1) if line.strip()]
    if not ops:
        raise Usage("stdin has no change", fix="githarness apply --help")
    show_all(sh, land(sh, options, ops, merge=merge))


def _op(line: bytes, number: int) -> Op:
    try:
        value = json.loads(line)
        return _typed(value)
    except (ValueError, RecursionError) as error:
        raise Usage(f"line {number} of stdin is not a change: {error}", fix="githarness apply --help",
                    details={"line": number}) from error


def _typed(value: Any) -> Op:
    """Raises ValueError, which the caller turns into a usage error with the line's number."""
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError("it is not an object of strings")
    if unknown := set(value) - _FIELDS:
        raise ValueError(f"unknown field '{min(unknown)}'")
    kind = value.get("op", "")
    if kind not in _NEEDS or "path" not in value:
        raise ValueError("it needs 'op' (write, append, delete or rename) and 'path'")
    content = _content(value)
    if (content is not None) != (_NEEDS[kind] == "content") or ("to" in value) != (kind == "rename"):
        raise ValueError(f"'{kind}' needs '{_NEEDS[kind]}' and no other content or target")
    return Op(kind, value["path"], content, value.get("to"), if_match(value.get("if_match")), _mode(value))


def _content(value: dict[str, str]) -> bytes | None:
    if "content" in value and "content_base64" in value:
        raise ValueError("it has both 'content' and 'content_base64'")
    if "content" in value:
        return value["content"].encode()
    if "content_base64" not in value:
        return None
    try:
        return base64.b64decode(value["content_base64"], validate=True)
    except binascii.Error:
        raise ValueError("'content_base64' is not base 64") from None


def _mode(value: dict[str, str]) -> Any:
    mode = value.get("mode")
    if mode not in (None, "100644", "100755"):
        raise ValueError(f"mode '{mode}' is neither 100644 nor 100755")
    return mode
