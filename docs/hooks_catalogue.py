"""The hooks that pre-commit and prek offer, and what is made of them: `.pre-commit-hooks.yaml`, by which they run from
a clone of this repository, and `templates/pre-commit.yaml`, which `githarness install pre-commit` puts into others.

A hook's description is the first line of its module in `githarness/checks/`. `make docs` writes both, a test compares.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = ROOT / ".pre-commit-hooks.yaml"
TEMPLATE = ROOT / "templates" / "pre-commit.yaml"


class Hook(NamedTuple):
    id: str
    name: str
    more: Sequence[str] = ()  # lines of YAML

    @property
    def about(self) -> str:
        """The first line of the module's docstring, without the script's name."""
        module = ROOT / "githarness" / "checks" / f"{self.id.removeprefix('githarness-')}.py"
        doc = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
        return doc.partition("\n")[0].partition(": ")[2].removesuffix(".")


HOOKS = (
    # Every file: a changed script is a change of its skill. In one process, which reads the index once.
    Hook("githarness-skills", "skills pass every gate",
         ("types: []", "types_or: [file, symlink]", "require_serial: true", "stages: [pre-commit, pre-push, manual]")),
    Hook("githarness-frontmatter", "frontmatter loads everywhere",
         (r"files: (?i)\.(md|mdc|markdown)$", "stages: [pre-commit, pre-push, manual]")),
    # Every file: the vault's values are looked for in binary ones, links and names too.
    Hook("githarness-secrets", "no secrets",
         ("types: []", "types_or: [file, symlink]", "require_serial: true",
          "stages: [pre-commit, pre-push, commit-msg, manual]")),
    Hook("githarness-pinned", "actions and hooks are pinned by commit id",
         (r"files: (^|/)(\.pre-commit-config|action|\.(github|gitea|forgejo)/workflows/[^/]+)\.ya?ml$",
          "stages: [pre-commit, pre-push, manual]")),
    # Always: an agent's change is judged whatever it is in. pre-commit names no file that is gone; the index has it.
    Hook("githarness-policy", "policies load, and agents keep to their scope",
         (r"files: (?i)^\.githarness/(policies|grants)/.*\.ya?ml$", "types: []", "types_or: [file, symlink]",
          "always_run: true", "require_serial: true", "stages: [pre-commit, pre-push, manual]")),
    Hook("githarness-attribution", "nobody commits as an agent", ("stages: [commit-msg]",)),
)


def manifest() -> str:
    return "# Made by `make docs` from docs/hooks_catalogue.py.\n" + "".join(_entry(hook, "") for hook in HOOKS)


def template() -> str:
    """The same as one repository of a configuration, which takes the package from where pip gets it."""
    own = 'additional_dependencies: ["@REQUIREMENT@"]'
    entries = [_entry(hook._replace(more=(*hook.more, own)), "    ") for hook in HOOKS]
    return "- repo: local\n  hooks:\n" + "".join(entries)


def _entry(hook: Hook, indent: str) -> str:
    lines = [f"- id: {hook.id}", f"name: {hook.name}", f"description: '{hook.about.replace(chr(39), chr(39) * 2)}'",
             f"entry: {hook.id}", "language: python", *hook.more, "minimum_pre_commit_version: 3.2.0"]
    return indent + f"\n  {indent}".join(lines) + "\n"


if __name__ == "__main__":
    MANIFEST.write_text(manifest(), encoding="utf-8")
    TEMPLATE.write_text(template(), encoding="utf-8")
