"""Who there is and what is governed, as of one commit: the state that judges the change that comes after it."""

from __future__ import annotations

from dataclasses import dataclass

from githarness import canon
from githarness.errors import HarnessError, Integrity, NotFound
from githarness.git.objects import FOLDER, Entry
from githarness.git.reader import Reader
from githarness.policy import registry
from githarness.policy.model import Agent, Human, Registry
from githarness.settings import RepoConfig, parse_config

FOLDER_NAME = ".githarness"
CONFIG = FOLDER_NAME + "/config.toml"
SIGNERS = FOLDER_NAME + "/allowed_signers"
_DIGESTED = ("agents/", "grants/", "humans/", "policies/", "config.toml")


@dataclass(frozen=True, slots=True)
class Governance:
    commit: str
    config: RepoConfig
    registry: Registry
    digest: str  # the Policy trailer: sha256 over policies, grants, identities and config
    broken: tuple[str, ...] = ()  # identity files that do not load: whom they name may do nothing

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


class Governed:
    """Reads governance and keeps the last one: it changes rarely, its folder's id tells when."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._last: tuple[str, Governance] | None = None

    def at(self, commit: str) -> Governance:
        """Raises NotFound where the commit is not governed, Integrity where config.toml does not load."""
        return self.of(commit, self._reader.entry(commit, FOLDER_NAME))

    def of(self, commit: str, folder: Entry | None) -> Governance:
        """The same for who knows what `commit` has at `.githarness`."""
        if folder is None or folder.mode != FOLDER:
            raise NotFound("this repository is not governed by githarness", fix="githarness init")
        if self._last and self._last[0] == folder.oid:
            return self._last[1]
        governance = _load(self._reader, commit)
        self._last = (folder.oid, governance)
        return governance


def _load(reader: Reader, commit: str) -> Governance:
    files = {path.removeprefix(FOLDER_NAME + "/"): entry for path, entry in reader.files(commit, FOLDER_NAME + "/")}
    if "config.toml" not in files:
        raise Integrity("'.githarness/config.toml' is missing",
                        fix="git checkout REV -- .githarness/config.toml, then git commit")
    agents: dict[str, Agent] = {}
    humans: dict[str, Human] = {}
    broken = []
    for name, entry in files.items():
        try:
            _load_identity(reader, name, entry, agents, humans)
        except HarnessError as error:
            broken.append(f"{name}: {error.message}")
    return Governance(
        commit, parse_config(reader.blob(files["config.toml"].oid)), Registry(agents, humans),
        canon.tree_digest((f"{FOLDER_NAME}/{name}", entry.oid)
                          for name, entry in files.items() if name.startswith(_DIGESTED)),
        tuple(broken),
    )


def _load_identity(reader: Reader, name: str, entry: Entry, agents: dict[str, Agent], humans: dict[str, Human]) -> None:
    path = f"{FOLDER_NAME}/{name}"
    if name.startswith("agents/"):
        agent = registry.parse_agent(reader.blob(entry.oid), path)
        agents[agent.name] = agent
    elif name.startswith("humans/"):
        human = registry.parse_human(reader.blob(entry.oid), path)
        humans[human.name] = human
