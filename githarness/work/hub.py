"""A hub: a bare repository that agents push to, whose pre-receive hook lets in what verifies, or nothing of a push.

Its `githarness/hub.json`, the trust anchor, is of a clone that its owner trusts:

    {"version": 1, "branch": "main", "init": the commit that began governance, "head": the branch when the hub was made,
     "owners": {NAME: [the public keys that owners could sign with then]}}
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from githarness.errors import Conflict, Integrity, NotFound, Unavailable
from githarness.git.objects import FOLDER
from githarness.git.porcelain import Git
from githarness.git.reader import Reader
from githarness.git.repo import Repo
from githarness.settings import Settings, branch_ref
from githarness.work import adopted, hooks_setup
from githarness.work.governance import FOLDER_NAME, Governance

VERSION = 1
_FILE = "hub.json"
# A push is checked as fsck would; hooks come from the hub's own folder, whatever a person's configuration says.
_CONFIG = (("receive.fsckObjects", "true"), ("receive.shallowUpdate", "false"), ("core.logAllRefUpdates", "true"),
           ("receive.denyDeleteCurrent", "refuse"))


@dataclass(frozen=True, slots=True)
class Anchor:
    branch: str
    init: str
    head: str
    owners: dict[str, list[str]]

    @property
    def ref(self) -> str:
        return branch_ref(self.branch)

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(key for keys in self.owners.values() for key in keys)


def anchor_of(reader: Reader, governance: Governance) -> Anchor:
    """Of the clone that is trusted, at the head of its governed branch."""
    owners = {human.name: [key.key for key in human.keys if key.usable]
              for human in governance.registry.humans.values() if human.role == "owner" and human.retired is None}
    return Anchor(governance.config.branch, founding(reader, governance.commit), governance.commit, owners)


def founding(reader: Reader, head: str) -> str:
    """The first commit of the main line from which on it is governed."""
    at = head
    while parents := reader.commit(at).parents:
        entry = reader.entry(parents[0], FOLDER_NAME)
        if entry is None or entry.mode != FOLDER:
            break
        at = parents[0]
    return at


def make(settings: Settings, folder: Path, anchor: Anchor) -> Path:
    """An empty hub in `folder`. Raises Conflict where something is there already."""
    folder = Path(os.path.realpath(folder))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(f"'{folder}' is there already, and not empty", fix="name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    git = Git(settings, folder)
    git.run("init", "--quiet", "--bare", "--template=", f"--initial-branch={anchor.branch}", ".")
    for key, value in (*_CONFIG, ("core.hooksPath", str(folder / "hooks"))):
        git.run("config", key, value)
    home = folder / "githarness"
    home.mkdir(mode=0o700)
    adopted.write_file(home / _FILE, json.dumps({"version": VERSION, **asdict(anchor)}, indent=1).encode() + b"\n")
    hooks_setup.install_in_hub(folder / "hooks")
    return folder


def is_one(repo: Repo) -> bool:
    return repo.worktree is None and (repo.home / _FILE).is_file()


def load(home: Path) -> Anchor:
    """Raises NotFound where this is no hub, Integrity, and Unavailable for a newer version."""
    try:
        table = json.loads((home / _FILE).read_bytes())
        version = table.pop("version")
        if version == VERSION:
            return Anchor(**table)
    except FileNotFoundError:
        raise NotFound(f"'{home.parent}' is no hub of githarness", fix="githarness hub init DIR") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Integrity(f"'{home / _FILE}' does not load", fix="make a new hub, and push to it") from error
    raise Unavailable(f"'{home / _FILE}' has version {version}, which this githarness does not know",
                      fix="pip install --upgrade githarness")
