"""What agents and people are given, on which terms, and what the log says of it."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from githarness import settings
from githarness.errors import (
    Denied,
    Integrity,
    NeedsApproval,
    NotFound,
    Quarantined,
    RateLimited,
    Unavailable,
    VaultLocked,
)
from githarness.proxy import ops, serve
from githarness.proxy.desk import Session
from githarness.vault import wire
from tests.conftest import Cli, run_cli, run_git
from tests.grants.conftest import Fleet
from tests.proxy.conftest import CANARY, POLICY, Daemon, events, start_run, value_of
from tests.proxy.served import eventually


def test_an_agent_is_given_what_policy_allows(daemon: Daemon) -> None:
    """The value, its version and a lease; the second time without a new decision."""
    with daemon.client() as vault:
        first, second = (vault.ask("get", name="github/token", mode="get") for _ in range(2))
    assert bytes(first.body) == bytes(second.body) == value_of("github/token").encode()
    assert first.header["version"] == 1 and first.header["lease"] == second.header["lease"]


def test_each_use_is_an_event_before_the_value_leaves(daemon: Daemon) -> None:
    """With who, which version, how and by which rule; the value is nowhere in it."""
    with daemon.client() as vault:
        vault.ask("get", name="github/token", mode="get")
    daemon.end()
    used, = daemon.events("secret")
    assert (used["secret"], used["version"], used["mode"], used["rule"]) == ("github/token", 1, "get", "main/github")
    assert (used["agent"], used["run"], used["tier"]) == ("deployer", "r-one", "T0")
    assert CANARY.encode() not in (daemon.git_dir / "githarness/harness.db").read_bytes()


@pytest.mark.parametrize(("name", "error"), [("other/key", Denied), ("no/such", Denied), ("github/none", NotFound),
                                             ("prod/key", NeedsApproval), ("t1/key", Denied)])
def test_v35_v36_what_policy_does_not_allow_is_refused(daemon: Daemon, name: str, error: type[Exception]) -> None:
    """V35, V36: a name out of scope looks the same whether it exists; nobody approves for itself."""
    with daemon.client() as vault, pytest.raises(error):
        vault.ask("get", name=name, mode="get")


def test_a_denial_is_an_event(daemon: Daemon) -> None:
    """With the rule that refused."""
    with daemon.client("scribe") as vault, pytest.raises(Denied):
        vault.ask("get", name="github/token", mode="get")
    daemon.end()
    denied, = daemon.events("denial")
    assert (denied["agent"], denied["secret"], denied["rule"]) == ("scribe", "github/token", "default-deny")


def test_modes_are_kept(daemon: Daemon) -> None:
    """A secret for get alone is not for exec; the hint is the way that it has."""
    with daemon.client() as vault, pytest.raises(Denied, match="not for mode exec") as refused:
        vault.ask("get", name="github/fast", mode="exec")
    assert refused.value.fix == "githarness vault get github/fast"


def test_v36_a_list_has_names_in_scope_alone(daemon: Daemon) -> None:
    """V36: what the agent may not use it does not see; people see all."""
    with daemon.client() as vault:
        names = [one["name"] for one in vault.ask("list").header["items"]]
    with daemon.client(None) as person:
        all_names = [one["name"] for one in person.ask("list").header["items"]]
    assert names == ["github/fast", "github/token"] and len(all_names) == 5


@pytest.mark.parametrize("stop", [("agent", "quarantine", "deployer"), ("agent", "retire", "deployer")])
def test_a_stop_counts_at_the_next_request(daemon: Daemon, cli: Cli, stop: tuple[str, ...]) -> None:
    """Quarantine and retirement, on a connection with a lease."""
    with daemon.client() as vault:
        vault.ask("get", name="github/token", mode="get")
        assert cli(*stop, cwd=daemon.folder).code == 0
        with pytest.raises((Denied, Quarantined)):
            vault.ask("get", name="github/token", mode="get")


def test_another_policy_counts_at_the_next_request(daemon: Daemon, cli: Cli) -> None:
    """An owner takes the rule away."""
    with daemon.client() as vault:
        vault.ask("get", name="github/token", mode="get")
        path = ".githarness/policies/main.yaml"
        blob = run_git(daemon.folder, "rev-parse", f"HEAD:{path}")
        less = POLICY.replace("github/**", "gitlab/**")
        assert cli("write", path, "--as", "olive", "--if-match", blob, cwd=daemon.folder, stdin=less).code == 0
        with pytest.raises(Denied):
            vault.ask("get", name="github/token", mode="get")


def test_an_ended_run_is_given_nothing(daemon: Daemon, cli: Cli) -> None:
    """Not even on the connection that it has."""
    run, _ = start_run(daemon.folder, "deployer")
    with daemon.client(run=run) as vault:
        vault.ask("get", name="github/token", mode="get")
        assert cli("runs", "finish", run, "--status", "ok", cwd=daemon.folder).code == 0
        with pytest.raises(Denied, match="finished"):
            vault.ask("get", name="github/token", mode="get")


def test_a_person_is_given_a_secret_as_operator_or_owner(daemon: Daemon, cli: Cli) -> None:
    """With an event that names the person."""
    assert cli("vault", "get", "prod/key", "--as", "olive", cwd=daemon.folder).out == value_of("prod/key")
    assert cli("vault", "get", "prod/key", "--as", "nobody", cwd=daemon.folder).code == 14
    daemon.end()
    assert [one["human"] for one in daemon.events("secret")] == ["olive"]


def test_the_same_without_a_daemon(vaulted: Path, cli: Cli) -> None:
    """In the process of the command: the value alone, the event, and the same refusals."""
    done = cli("vault", "get", "github/token", "--agent", "deployer", cwd=vaulted)
    assert (done.code, done.out) == (0, value_of("github/token"))
    assert cli("vault", "get", "github/token", "--agent", "scribe", cwd=vaulted).code == 10
    assert [one["agent"] for one in events(vaulted, "secret")] == ["deployer"]
    assert [one["agent"] for one in events(vaulted, "denial")] == ["scribe"]


def test_json_and_fields(vaulted: Path, cli: Cli) -> None:
    """One document; of a value in JSON one field."""
    assert cli("vault", "set", "github/pair", "--mode", "get", cwd=vaulted, stdin='{"user":"x","n":5}').code == 0
    found = cli("vault", "get", "github/pair", "--agent", "deployer", "--json", cwd=vaulted).json
    assert found == {"name": "github/pair", "version": 1, "value": '{"user":"x","n":5}'}
    assert cli("vault", "get", "github/pair", "--agent", "deployer", "--field", "n", cwd=vaulted).out == "5"
    assert cli("vault", "get", "github/pair", "--agent", "deployer", "--field", "no", cwd=vaulted).code == 14


def test_a_locked_vault_answers_at_once(daemon: Daemon, cli: Cli) -> None:
    """By a typed error, until somebody unlocks it; nothing opens it by itself meanwhile."""
    assert cli("vault", "lock", cwd=daemon.folder).code == 0
    with daemon.client() as vault, pytest.raises(VaultLocked):
        vault.ask("get", name="github/token", mode="get")
    assert cli("vault", "status", "--json", cwd=daemon.folder).json["state"] == "locked"
    daemon.end()
    assert cli("vault", "get", "github/token", "--agent", "deployer", cwd=daemon.folder).code == 15
    assert cli("vault", "unlock", cwd=daemon.folder).code == 0
    assert cli("vault", "get", "github/token", "--agent", "deployer", cwd=daemon.folder).code == 0


def test_a_passphrase_unlocks_the_daemon(vaulted: Path, start: Callable[..., Daemon], cli: Cli, home: Path) -> None:
    """Of a slot that no file hints at."""
    (home / "pass").write_text("a sentence of many words\n")
    (home / "pass").chmod(0o600)
    words = ("vault", "rekey", "--drop", "keyfile", "--add-passphrase-file", str(home / "pass"))
    assert cli(*words, cwd=vaulted).code == 0
    moved = home / "elsewhere"
    (home / "pass").rename(moved)
    daemon = start()
    with daemon.client() as vault, pytest.raises(VaultLocked):
        vault.ask("get", name="github/token", mode="get")
    assert cli("vault", "unlock", "--passphrase-file", str(moved), cwd=vaulted).code == 0
    with daemon.client() as vault:
        assert vault.ask("get", name="github/token", mode="get").body == value_of("github/token").encode()


def test_a_new_version_is_served_without_a_restart(daemon: Daemon, cli: Cli) -> None:
    """And a removed secret is not."""
    with daemon.client() as vault:
        vault.ask("get", name="github/token", mode="get")
        assert cli("vault", "set", "github/token", "--mode", "get", cwd=daemon.folder, stdin="another value").code == 0
        found = vault.ask("get", name="github/token", mode="get")
        assert (bytes(found.body), found.header["version"]) == (b"another value", 2)
        assert cli("vault", "rm", "github/token", cwd=daemon.folder).code == 0
        with pytest.raises(NotFound):
            vault.ask("get", name="github/token", mode="get")


def test_an_older_record_is_refused_and_the_others_served(daemon: Daemon, cli: Cli) -> None:
    """V02, V05: brought back by a revert; status names it and says why."""
    assert cli("vault", "set", "github/token", "--mode", "get", cwd=daemon.folder, stdin="another value").code == 0
    with daemon.client() as vault:
        assert vault.ask("get", name="github/token", mode="get").header["version"] == 2
        run_git(daemon.folder, "-c", "core.hooksPath=/dev/null", "revert", "--no-edit", "HEAD")
        with pytest.raises(Integrity, match="version 1"):
            vault.ask("get", name="github/token", mode="get")
        assert vault.ask("get", name="github/fast", mode="get").body
    refused, = cli("vault", "status", "--json", cwd=daemon.folder).json["refused"]
    assert refused["name"] == "github/token" and "version 1" in refused["why"]


def test_a_record_that_no_owner_signed_is_refused(daemon: Daemon) -> None:
    """V06: by its bytes, whatever else is right about it."""
    file = daemon.folder / ".githarness/vault/github/token"
    file.write_text(file.read_text().replace("audit: durable", "audit: written"))
    run_git(daemon.folder, "-c", "core.hooksPath=/dev/null", "commit", "-qam", "x")
    with daemon.client() as vault, pytest.raises(Integrity):
        vault.ask("get", name="github/token", mode="get")


def test_status_says_what_is_not_protected(daemon: Daemon, cli: Cli) -> None:
    """State, tier, memory, counts, and a list in plain words."""
    with daemon.client():
        found = cli("vault", "status", "--json", cwd=daemon.folder).json
    assert (found["state"], found["unlocked_by"], found["served"]) == ("unlocked", "keyfile", True)
    assert found["memory"] in ("memfd_secret", "mlock") and found["clients"] == 2 and found["secrets"] == 5
    assert any("root" in text for text in found["not_protected"]) and len(found["not_protected"]) >= 3


def test_limits_on_calls_count_uses_of_secrets(vaulted: Path, start: Callable[..., Daemon], cli: Cli) -> None:
    """Exactly, on one connection: the lease does not go past them."""
    path = ".githarness/policies/main.yaml"
    blob = run_git(vaulted, "rev-parse", f"HEAD:{path}")
    limited = POLICY.replace('"t1/**"]}', '"t1/**"], limits: {calls: 3/1h}}')
    assert cli("write", path, "--as", "olive", "--if-match", blob, cwd=vaulted, stdin=limited).code == 0
    with start().client() as vault:
        for _ in range(3):
            vault.ask("get", name="github/token", mode="get")
        with pytest.raises(RateLimited):
            vault.ask("get", name="github/token", mode="get")


def test_nothing_heavy_is_in_the_daemon_or_the_client() -> None:
    """By sys.modules: no command line, event loop or porcelain in one, nothing of git or cryptography in the other."""
    server = "import githarness.proxy.serve"
    client = "import githarness.vault.client"
    for code, banned in ((server, {"typer", "asyncio", "git", "rich", "jsonschema"}),
                         (client, {"pygit2", "sqlite3", "typer", "cryptography"})):
        done = subprocess.run([sys.executable, "-c", f"import json, sys; {code}; print(json.dumps([*sys.modules]))"],
                              capture_output=True, text=True, check=True)
        assert not banned & set(json.loads(done.stdout))


def test_the_daemon_ends_cleanly(daemon: Daemon) -> None:
    """SIGTERM: exit 0, its socket gone, what was noted in the log; a client hears that it is unavailable."""
    with daemon.client() as vault:
        vault.ask("get", name="github/fast", mode="get")
        assert daemon.end() == 0 and not daemon.socket.exists()
        with pytest.raises(Unavailable):
            vault.ask("get", name="github/fast", mode="get")
    assert len(daemon.events("secret")) == 1
    with pytest.raises(NotFound):
        daemon.client()


def test_one_daemon_for_each_repository(daemon: Daemon) -> None:
    """The second says who serves; `serve --stop` ends the first."""
    second = run_cli("vault", "serve", cwd=daemon.folder)
    assert second.code == 12 and "githarness vault status says who serves" in second.err
    done = run_cli("--json", "vault", "serve", "--stop", cwd=daemon.folder)
    assert done.json == {"pid": daemon.pid, "stopped": True} and daemon.process.wait(60) == 0
    assert settings.load().runtime_dir.exists()


def test_a_grant_ends_at_its_second(vaulted: Path) -> None:
    """Also for who has a lease of it."""
    fleet = Fleet(vaulted)
    fleet.grant("scribe", ("secret",), ("other/*",), seconds=100)
    desk, session = serve.opened(fleet.harness.settings, fleet.harness.parts), Session(os.getpid())

    def ask(op: str, **said: str) -> dict[str, Any]:
        desk.begin()
        reply = ops.answer(desk, session, wire.head({"id": 1, "op": op, **said})[8:], bytearray())
        return wire.parse(reply.head[8:])

    ask("hello", agent="scribe", run="r-x")
    assert ask("get", name="other/key", mode="get")["version"] == 1
    fleet.clock.passes(99)
    assert ask("get", name="other/key", mode="get")["version"] == 1
    fleet.clock.passes(2)
    assert ask("get", name="other/key", mode="get")["error"]["code"] == "denied"
    fleet.harness.close()


def test_the_commands_of_leases(daemon: Daemon, cli: Cli) -> None:
    """One is asked for, listed, used and revoked."""
    who = ("--agent", "deployer", "--run", "r-cli")
    lease = cli("vault", "lease", "github/*", *who, "--uses", "2", "--json", cwd=daemon.folder).json["lease"]
    row, = cli("vault", "leases", "--json", cwd=daemon.folder).json["items"]
    assert (row["lease"], row["names"], row["uses"], row["run"]) == (lease, ["github/*"], 2, "r-cli")
    get = ("vault", "get", "github/fast", *who, "--lease", lease)
    assert cli(*get, cwd=daemon.folder).out == value_of("github/fast")
    assert cli("vault", "revoke", "--lease", lease, "--json", cwd=daemon.folder).json == {"revoked": 1}
    assert cli(*get, cwd=daemon.folder).code == 10
    assert cli("vault", "revoke", cwd=daemon.folder).code == 2
    daemon.end()
    assert cli("audit", "log", "--kind", "revoke", cwd=daemon.folder).code == 0


@pytest.mark.parametrize("words", [("lease", "github/*", "--agent", "deployer"), ("leases",), ("serve", "--stop")])
def test_what_takes_a_daemon_says_so(vaulted: Path, cli: Cli, words: tuple[str, ...]) -> None:
    """With the code for a daemon that is missing, and how one starts."""
    done = cli("vault", *words, cwd=vaulted)
    assert (done.code, "hint: githarness vault serve" in done.err) == (18, True), done.err


@pytest.mark.parametrize("served", [False, True])
def test_names_that_an_agent_may_use(vaulted: Path, start: Callable[..., Daemon], cli: Cli, *, served: bool) -> None:
    """Those of the protocol's list, with a daemon and without; plain, the list is of all that git has."""
    if served:
        start()
    listed = [cli("--json", "vault", "list", *who, cwd=vaulted).json["items"]
              for who in (("--agent", "deployer"), ("--agent", "scribe"), ())]
    assert [[one["name"] for one in items] for items in listed[:2]] == [["github/fast", "github/token"], []]
    assert len(listed[2]) == 5
    assert cli("vault", "list", "--agent", "nobody", cwd=vaulted).code == 14
    assert cli("vault", "list", "--agent", "deployer", "--removed", cwd=vaulted).code == 2


@pytest.mark.parametrize("served", [False, True])
def test_locking_is_on_record(vaulted: Path, start: Callable[..., Daemon], cli: Cli, *, served: bool) -> None:
    """And unlocking; by whom."""
    if served:
        start()
    for word in ("lock", "unlock"):
        assert cli("vault", word, cwd=vaulted).code == 0
    assert eventually(lambda: len(_locks(vaulted)) == 2)
    assert _locks(vaulted) == [('{"what":"lock"}', "olive"), ('{"what":"unlock"}', "olive")]


def _locks(folder: Path) -> list[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(folder / ".git/githarness/harness.db")) as conn:
        return conn.execute("SELECT safe, human FROM events WHERE safe LIKE '%lock\"}' ORDER BY seq").fetchall()


def test_a_torn_last_line_of_what_was_revoked_is_none(vaulted: Path, cli: Cli) -> None:
    """A crash left it, before anybody was told; a whole line that is not right stops everything."""
    file = vaulted / ".git/githarness/vault-revoked"
    file.write_text('{"secret": "github/fast", "at": 99999999999}\n{"secret": "githu')
    who = ("--agent", "deployer", "--run", "r-torn")
    assert cli("vault", "get", "github/token", *who, cwd=vaulted).code == 0
    assert cli("vault", "get", "github/fast", *who, cwd=vaulted).code == 10
    assert cli("vault", "revoke", "--secret", "github/token", cwd=vaulted).code == 0
    assert cli("vault", "get", "github/token", *who, cwd=vaulted).code == 10
    file.write_text('{"secret": "githu\n')
    assert cli("vault", "get", "github/token", *who, cwd=vaulted).code == 18


def test_a_denial_names_the_way(vaulted: Path, cli: Cli) -> None:
    """A grant, ready to type, where no rule allows it; a name that a shell would read is not repeated."""
    done = cli("vault", "get", "other/key", "--agent", "deployer", cwd=vaulted)
    assert "githarness grant deployer --allow secret --path other/key --for 2h --why TEXT, as an owner" in done.err
    assert "to use secret 'other/key'" in done.err
    done = cli("vault", "get", "$(x)", "--agent", "deployer", cwd=vaulted)
    assert done.code == 10 and "hint: ask an owner" in done.err


def test_a_slip_of_the_pen_revokes_nothing_and_says_so(vaulted: Path, cli: Cli) -> None:
    """In an incident `ended 0 leases` would look as if all were done."""
    for gone in (("--agent", "deployr"), ("--secret", "github/tokn")):
        done = cli("vault", "revoke", *gone, cwd=vaulted)
        assert (done.code, done.out) == (14, ""), done.err
    assert cli("vault", "revoke", "--secret", "github/token", cwd=vaulted).code == 0


def test_a_machine_without_the_keys_is_told_how_they_come(vaulted: Path, cli: Cli, home: Path) -> None:
    """Unlocking alone would not bring them."""
    folder, = (home / "data/githarness/vault").iterdir()
    folder.rename(home / "elsewhere")
    done = cli("vault", "get", "github/token", "--agent", "deployer", cwd=vaulted)
    assert done.code == 15 and f"hint: copy '{folder}' from where the vault was made" in done.err
    assert cli("vault", "status", "--json", cwd=vaulted).json["state"] == "locked"


def test_a_daemon_says_that_it_starts_locked(vaulted: Path, start: Callable[..., Daemon], cli: Cli) -> None:
    """Who serves a vault with a passphrase has to unlock it then."""
    assert cli("vault", "lock", cwd=vaulted).code == 0
    assert start().ready["state"] == "locked"
    assert "0 secrets" not in cli("vault", "status", cwd=vaulted).out
