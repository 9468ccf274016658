"""Who there is and what is governed, as of one commit: the state that judges the change that comes after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from githarness import canon
from githarness.errors import HarnessError, Integrity, NotFound
from githarness.git.objects import FOLDER, Entry
from githarness.git.reader import Reader
from githarness.policy import registry
from githarness.policy.evaluate import Policy
from githarness.policy.model import Agent, Grant, Human, Registry
from githarness.settings import CONFIG as CONFIG
from githarness.settings import RepoConfig, parse_config
from githarness.work import ends
from githarness.work.rulebook import Ever, Rulebook, unknown

FOLDER_NAME = ".githarness"
SIGNERS = FOLDER_NAME + "/allowed_signers"
APPROVALS = FOLDER_NAME + "/approvals/"
_DIGESTED = ("agents/", "grants/", "humans/", "policies/", "config.toml")


@dataclass(frozen=True, slots=True)
class Governance:
    commit: str
    config: RepoConfig
    registry: Registry
    digest: str  # the Policy trailer: sha256 over policies, grants, identities and config
    policy: Policy
    grants: Mapping[str, Grant]
    broken: tuple[str, ...] = ()  # identity files that do not load: whom they name may do nothing
    broken_grants: tuple[str, ...] = ()  # grants that do not load: they grant nothing
    ends: Mapping[str, float] = field(default_factory=dict)  # what ends by itself, as `ends.of` names it
    counts: bool = False  # whether decisions rest on what was done before: limits, grants with uses
    approvals: frozenset[str] = frozenset()  # ids of statements that let something land: none does so twice

    def agent(self, name: str) -> Agent:
        """Raises NotFound."""
        try:
            return self.registry.agents[name]
        except KeyError:
            raise NotFound(f"no agent '{name}' in this fleet", fix="githarness agent list") from None

    def human_of(self, mail: str) -> Human:
        """The person with this mail address. Raises NotFound."""
        for human in self.registry.humans.values():
            if human.mail.lower() == mail.lower():
                return human
        raise NotFound(f"no human with the mail '{mail}' in this fleet",
                       fix=f"githarness human add NAME --mail {mail} --role operator")


class Rules(NamedTuple):
    policy: Policy
    grants: Mapping[str, Grant]
    broken_grants: tuple[str, ...]


class Governed:
    """Reads governance and keeps the last one: it changes rarely, its folder's id tells when. `had`: see Rulebook."""

    def __init__(self, reader: Reader, ever: Ever = unknown, had: dict[str, bool] | None = None) -> None:
        self._reader = reader
        self.ever = ever
        self._rulebook = Rulebook(reader, ever, had)
        self._last: tuple[str, Governance] | None = None
        self._at: tuple[str, Governance] | None = None

    def at(self, commit: str) -> Governance:
        """Raises NotFound where the commit is not governed, Integrity where config.toml does not load."""
        if self._at is None or self._at[0] != commit:
            self._at = (commit, self.of(commit, self._reader.entry(commit, FOLDER_NAME)))
        return self._at[1]

    def of(self, commit: str, folder: Entry | None) -> Governance:
        """The same for who knows what `commit` has at `.githarness`."""
        if folder is None or folder.mode != FOLDER:
            raise NotFound("this repository is not governed by githarness", fix="githarness init")
        if self._last and self._last[0] == folder.oid:
            governance = self._last[1]
            if governance.policy.files or governance.commit == commit:
                return governance
            # The same folder behind another history: whether there ever was a policy is asked anew.
            governance = replace(governance, commit=commit, policy=self._rulebook.policy(commit))
        else:
            governance = self._load(commit, _config(self._reader, commit))
        self._last = (folder.oid, governance)
        return governance

    def _load(self, commit: str, config: RepoConfig) -> Governance:
        return _load(self._reader, commit, config, Rules(self._rulebook.policy(commit), *self._rulebook.grants(commit)))

    def followed(self, before: str, after: str) -> None:
        """Commits of ours that left the folder as it was lead from one to the other: no history is walked for those."""
        self._rulebook.followed(before, after)
        if self._last and self._last[1].commit == before:
            self._last = (self._last[0], replace(self._last[1], commit=after))

    def salvaged(self, commit: str) -> Governance:
        """`at` for people who look, undo or mend: where config.toml does not load, the last one that did stands in.

        Identities are those of `commit` all the same: who was retired since does not act again.
        """
        try:
            return self.at(commit)
        except Integrity:
            return self._load(commit, last_config(self._reader, commit)[1])


def last_config(reader: Reader, commit: str) -> tuple[str, RepoConfig]:
    """The newest commit, back along first parents, whose config.toml loads. Raises Integrity where none does."""
    problem: Integrity | None = None
    while True:
        try:
            return commit, _config(reader, commit)
        except Integrity as error:
            problem = problem or error
        parents = reader.commit(commit).parents
        if not parents:
            raise problem
        commit = parents[0]


def _config(reader: Reader, commit: str) -> RepoConfig:
    entry = reader.entry(commit, CONFIG)
    if entry is None:
        raise Integrity(f"'{CONFIG}' is missing")
    return parse_config(reader.blob(entry.oid))


def _load(reader: Reader, commit: str, config: RepoConfig, rules: Rules) -> Governance:
    files = {path.removeprefix(FOLDER_NAME + "/"): entry for path, entry in reader.files(commit, FOLDER_NAME + "/")}
    agents: dict[str, Agent] = {}
    humans: dict[str, Human] = {}
    broken = []
    for name, entry in files.items():
        try:
            _load_identity(reader, name, entry, agents, humans)
        except HarnessError as error:
            broken.append(f"{name}: {error.message}")
    return Governance(
        commit, config, Registry(agents, humans),
        canon.tree_digest((f"{FOLDER_NAME}/{name}", entry.oid)
                          for name, entry in files.items() if name.startswith(_DIGESTED)),
        rules.policy, rules.grants, tuple(broken), rules.broken_grants, ends.of(agents.values(), rules.grants.values()),
        any(rule.limits for rule in rules.policy.rules) or any(grant.uses for grant in rules.grants.values()),
        frozenset(name[len("approvals/"):-len(".json")] for name in files if name.startswith("approvals/")),
    )


def _load_identity(reader: Reader, name: str, entry: Entry, agents: dict[str, Agent], humans: dict[str, Human]) -> None:
    path = f"{FOLDER_NAME}/{name}"
    if name.startswith("agents/"):
        agent = registry.parse_agent(reader.blob(entry.oid), path)
        agents[agent.name] = agent
    elif name.startswith("humans/"):
        human = registry.parse_human(reader.blob(entry.oid), path)
        humans[human.name] = human
