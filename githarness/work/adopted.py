"""What `init` changed in one clone, `adopted.json` in the repository's home, so that `uninstall` can put it back.

    {"version": 1, "branch", "former": what core.hooksPath named or null, "made_hooks": if we made the hooks folder,
     "before": {config key: its values in this clone before}, "set": {config key: our value},
     "digest": SHA-256 of the config as we left it, "" once somebody else changed it in between}
    config.before: the bytes of git's config before the first change
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from githarness.errors import Integrity, Unavailable
from githarness.private import sync_folder

VERSION = 1


@dataclass(frozen=True, slots=True)
class Adopted:
    branch: str
    former: str | None = None
    made_hooks: bool = False
    before: dict[str, list[str]] = field(default_factory=dict)
    set: dict[str, str] = field(default_factory=dict)
    digest: str = ""


def load(home: Path) -> Adopted | None:
    """None where `init` never ran in this clone. Raises Integrity, and Unavailable for a newer version."""
    try:
        table = json.loads((home / "adopted.json").read_bytes())
        version = table.pop("version")
        if version == VERSION:
            return Adopted(**table)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Integrity("'adopted.json' of this clone does not load",
                        fix=f"mv '{home}/adopted.json' away, then githarness init") from error
    raise Unavailable(f"'adopted.json' of this clone has version {version}, which this githarness does not know",
                      fix="pip install --upgrade githarness")


def save(home: Path, adopted: Adopted) -> None:
    write_file(home / "adopted.json", json.dumps({"version": VERSION, **asdict(adopted)}, indent=1).encode() + b"\n")


def write_file(place: Path, data: bytes) -> None:
    """A reader sees the old file or the whole new one."""
    scratch = place.with_name(place.name + ".new")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, place)
    sync_folder(place.parent)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
