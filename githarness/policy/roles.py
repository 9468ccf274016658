"""The shipped roles, a pure function: what an agent may do where a repository has no policy files.

writer reads everything and changes everything but the protected paths; reader only reads; an unknown role grants
nothing; what no role allows is denied.
"""

from __future__ import annotations

import unicodedata

from githarness.policy.model import Decision, Request

READER = "reader"
WRITER = "writer"
SHIPPED = (WRITER, READER)
CHANGES = frozenset(("write", "append", "delete", "rename"))

# What runs code, steers git or governs. A name stands for itself and for all below it: a file in place of the folder,
# or a folder in place of the file, would take it away just as well. The vault's folder is `.githarness/vault`.
_AT_TOP = frozenset((
    ".githarness", ".github", ".gitlab-ci.yml", "action.yml", ".pre-commit-config.yaml", ".husky", "lefthook.yml",
    ".gitattributes", ".gitmodules", ".gitignore", ".mailmap",
))
_IN_EVERY_FOLDER = frozenset((".gitattributes", ".gitignore"))  # git obeys these two wherever they are

_READ = {role: Decision("allow", f"role:{role}") for role in SHIPPED}
_CHANGE = Decision("allow", f"role:{WRITER}")


def decide(request: Request) -> Decision:
    roles = request.roles
    if request.action == "read":
        for role in SHIPPED:
            if role in roles:
                return _READ[role]
    elif request.action in CHANGES and WRITER in roles:
        if not is_protected(request.path):
            return _CHANGE
        return Decision("deny", f"role:{WRITER}", f"'{request.path}' is governance or steers tools: people change it")
    return Decision("deny", "default-deny", f"no role of '{request.agent}' allows '{request.action}' here")


def is_protected(path: str) -> bool:
    folded = path.lower() if path.isascii() else unicodedata.normalize("NFC", path).casefold()
    names = folded.split("/")
    return names[0] in _AT_TOP or not _IN_EVERY_FOLDER.isdisjoint(names)
