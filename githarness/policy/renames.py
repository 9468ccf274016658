"""The `Rename` trailer: `OLD => NEW`, a path in JSON's quotes where it could be taken for something else."""

from __future__ import annotations

import json

_ARROW = " => "


def text(old: str, new: str) -> str:
    return _quoted(old) + _ARROW + _quoted(new)


def _quoted(path: str) -> str:
    plain = _ARROW not in path and not path.startswith('"') and path == path.strip() and not path.endswith(" =")
    return path if plain else json.dumps(path, ensure_ascii=False)


def parse(value: str) -> tuple[str, str] | None:
    """The two paths; None where the text is not of the form (a person wrote it)."""
    decoder = json.JSONDecoder()
    try:
        if value.startswith('"'):
            old, end = decoder.raw_decode(value)
            rest = value[end:]
        else:
            old, arrow, tail = value.partition(_ARROW)
            rest = arrow + tail
        if not rest.startswith(_ARROW):
            return None
        new = rest.removeprefix(_ARROW)
        return str(old), str(json.loads(new)) if new.startswith('"') else new
    except ValueError:
        return None
