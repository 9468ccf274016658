"""Policy files of a working tree or of a commit, for people: found, checked, and put side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from githarness import resources
from githarness.errors import NotFound
from githarness.policy import grants, language, lint
from githarness.policy.evaluate import Policy, Shipped
from githarness.policy.lint import Fleet, Note
from githarness.policy.rules import PolicyFile, Rule
from githarness.policy.tables import Fault
from githarness.policy.widening import Side
from githarness.work.governance import Governance
from githarness.work.rulebook import GRANTS, POLICIES

SHIPPED = ("default", "read-only", "ci", "break-glass")


@dataclass(frozen=True, slots=True)
class Checked:
    files: tuple[PolicyFile, ...]  # those that load
    faults: tuple[Fault, ...]
    notes: tuple[Note, ...]
    checked: int

    @property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(rule for file in self.files for rule in file.rules)

    @property
    def examples(self) -> int:
        return sum(len(rule.match) + len(rule.no_match) for rule in self.rules)


def of_worktree(root: Path) -> dict[str, bytes]:
    """Policies and grants by path, as they are on disk."""
    found = sorted(file for folder in (POLICIES, GRANTS) for file in (root / folder).rglob("*") if file.is_file())
    return {str(file.relative_to(root)): file.read_bytes() for file in found if file.suffix != ".md"}


def named(root: Path, files: Sequence[str]) -> dict[str, bytes]:
    """The files named, relative to `root`; of a folder what is in it. Raises NotFound."""
    found: dict[str, bytes] = {}
    for name in files:
        path = root / name
        if not path.exists():
            raise NotFound(f"there is no file '{name}'", fix="name policy files that are there")
        for file in sorted(path.glob("*.yaml")) if path.is_dir() else [path]:
            found[str(file.relative_to(root)) if file.is_relative_to(root) else str(file)] = file.read_bytes()
    return found


def check(files: Mapping[str, bytes], fleet: Fleet | None = None) -> Checked:
    """Every fault of every file; what looks wrong is said of files that load, all of them together."""
    loaded: list[PolicyFile] = []
    faults: list[Fault] = []
    for path, data in files.items():
        found = fault_of(path, data)
        faults += found
        if not found and not _is_grant(path):
            loaded.append(language.parse(data, path))
    return Checked(tuple(loaded), tuple(faults), tuple(lint.lint(loaded, fleet)), len(files))


def fault_of(path: str, data: bytes) -> list[Fault]:
    """What keeps a policy file or a grant from loading."""
    return (grants.check if _is_grant(path) else language.check)(data, path)[1]


def _is_grant(path: str) -> bool:
    return Path(path).parent.name == "grants"


def fleet_of(governance: Governance, now: float) -> Fleet:
    return Fleet(roles_of(governance), now)


def roles_of(governance: Governance) -> dict[str, tuple[str, ...]]:
    """Of those that may act."""
    return {name: agent.roles for name, agent in governance.registry.agents.items() if not agent.retired}


def shipped(name: str) -> bytes:
    """To start from: without the first line's path of a schema, which is of this repository. Raises NotFound."""
    file = {"schema": ("schemas", "policy.schema.json"), "conformance": ("policies", "conformance.json")}.get(name)
    if file is None and name not in SHIPPED:
        raise NotFound(f"no policy '{name}' ships with githarness", fix="githarness policy show")
    data = resources.read(*(file or ("policies", f"{name}.yaml")))
    return data if file else data.removeprefix(b"# yaml-language-server: $schema=../schemas/policy.schema.json\n#\n")


def side(governance: Governance) -> Side:
    """For `widening.compare`; the shipped roles are compared by the file that says the same."""
    rules: tuple[Rule, ...] = ()
    if isinstance(governance.policy, Shipped):
        rules = language.parse(shipped("default"), "default.yaml").rules
    return Side(governance.policy, roles_of(governance), tuple(governance.grants.values()), rules)


def with_file(policy: Policy, path: str, data: bytes) -> Policy:
    """With a candidate in place of the file of its name, or beside the others. Raises Integrity."""
    candidate = language.parse(data, path)
    name = Path(path).name
    return Policy([*(file for file in policy.files if Path(file.path).name != name), candidate])
