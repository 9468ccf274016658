"""Files that ship with the package: `githarness/_data/` in a wheel, the repository's top level elsewhere."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def path(kind: str, name: str) -> Path:
    """Where a file of `schemas/`, `policies/`, `hooks/` or `templates/` is; the caller finds out whether it exists."""
    shipped = _PACKAGE / "_data" / kind
    return (shipped if shipped.is_dir() else _PACKAGE.parent / kind) / name


def read(kind: str, name: str) -> bytes:
    return path(kind, name).read_bytes()
