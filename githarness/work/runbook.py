"""Run records and the blobs that runs have seen: what the database knows, then what this group of writes learned."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field

from githarness.errors import Denied, Usage
from githarness.store import bases, runs
from githarness.store.db import Connection
from githarness.store.rows import RunRow

ASSERTED = "asserted"  # behind a name of a chain that was only claimed
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


@dataclass(slots=True)
class Runbook:
    conn: Connection
    now: float
    new_runs: dict[str, RunRow] = field(default_factory=dict)
    learned: dict[str, dict[str, str | None]] = field(default_factory=dict)  # run -> path -> blob, None: forgotten

    def run(self, run: str, agent: str) -> RunRow:
        """The record of `run`, made on first use (CLI.md). Raises Usage; Denied where it is not this agent's."""
        known = self.new_runs.get(run) or runs.get(self.conn, run)
        if known is None:
            if not _RUN_ID.fullmatch(run):
                raise Usage(f"'{run[:140]!a}' is not a run id", fix="use letters, digits, '.', '_', ':' and '-'")
            known = self.new_runs[run] = RunRow(run, agent, self.now)
        if known.agent != agent:
            raise Denied(f"run '{run}' belongs to agent '{known.agent}', not to '{agent}'",
                         fix=f"githarness runs start --agent {agent}")
        if known.status != "open":
            raise Denied(f"run '{run}' has finished ({known.status})", fix=f"githarness runs start --agent {agent}")
        return known

    def base(self, run: str, path: str) -> str | None:
        mine = self.learned.get(run)
        if mine is not None and path in mine:
            return mine[path]
        return bases.get(self.conn, run, path)

    def learn(self, run: str, path: str, blob: str | None) -> None:
        self.learned.setdefault(run, {})[path] = blob

    def save_runs(self, conn: Connection) -> None:
        for run in self.new_runs.values():
            runs.add(conn, run)

    def save_bases(self, conn: Connection) -> None:
        for run, seen in self.learned.items():
            bases.put(conn, run, {path: blob for path, blob in seen.items() if blob is not None})
            bases.drop(conn, run, [path for path, blob in seen.items() if blob is None])


def tier(run: RunRow, token: str | None) -> str:
    """What a caller's word is worth (DESIGN §10): T1 with the run's bearer token, else T0. Denied for a wrong one."""
    if token is None or run.token_hash is None:
        return "T0"
    if not hmac.compare_digest(token_hash(token), run.token_hash):
        raise Denied(f"the token is not that of run '{run.id}'", fix="use the token file of GITHARNESS_TOKEN_FILE")
    return "T1"


def name_of(link: str) -> str:
    """Who a link of a chain is, asserted or not."""
    return link.removesuffix(" " + ASSERTED)


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
