"""Where a vault lies: its records in git, its keys in the data folder of this machine's user and nowhere else.

    DATA_DIR/vault/ID/      0700
      keyslots.json         the vault's keys, boxed (`keyslots`)
      marks                 the newest version of each secret that was seen (`marks`)
      keyfile               where `init` made one
      locked                empty; while it is there nothing unlocks by itself
      lock, marks.lock      for who changes keyslots, and marks
"""

from __future__ import annotations

import os
from pathlib import Path

from githarness import private
from githarness.errors import Unavailable
from githarness.settings import Settings

MARKER = ".vault"


def path_of(folder: str, name: str) -> str:
    """The path in git of a secret's record. `folder`: key `vault` of config.toml."""
    return f"{folder}/{name}"


def name_of(folder: str, path: str) -> str | None:
    """The secret whose record lies there; None where the path is none of the vault's records."""
    name = path.removeprefix(folder + "/")
    return name if name not in (path, MARKER) else None


def keys_of(settings: Settings, vault: str) -> Path:
    """The folder of a vault's keys, which need not be there."""
    return settings.data_dir / "vault" / vault


def make(settings: Settings, vault: str) -> Path:
    """The folder, made and checked."""
    place = keys_of(settings, vault)
    check_outside(settings, place)
    private.make_folders(place)
    check(settings, place)
    return place


def check(settings: Settings, place: Path) -> None:
    """Raises Unavailable where others could read or swap what lies there, or where agents could.

    Says nothing of a folder that is not there: who loads the keys says that this machine has none.
    """
    if not os.path.lexists(place):
        return
    for above in (place, place.parent):
        private.check_folder(above)
    private.check_owner(settings.data_dir, os.stat(settings.data_dir), private.WRITABLE)
    check_outside(settings, place)


def check_outside(settings: Settings, path: Path) -> None:
    """Raises Unavailable inside a git work tree or a folder for temporary files, which agents are given."""
    real = Path(os.path.realpath(path))
    scratch = settings.environ.get("TMPDIR")
    if scratch and real.is_relative_to(os.path.realpath(scratch)):
        raise Unavailable(f"'{path}' is in '{scratch}', which agents are given: no key may lie there",
                          fix="set XDG_DATA_HOME to a folder elsewhere")
    for above in (real, *real.parents):
        if os.path.lexists(above / ".git"):
            raise Unavailable(f"'{path}' is in the git work tree '{above}', where agents work: no key may lie there",
                              fix="name a file outside of every repository; set XDG_DATA_HOME to a folder elsewhere")
