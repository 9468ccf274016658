"""Who wrote what: forged, confusable, stolen and retired identities, and git's own ways of telling another story."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from githarness import settings, wiring
from githarness.cli import identities
from githarness.git.objects import oid_of
from githarness.seal.commits import signed_commit
from githarness.seal.signer import Signer
from githarness.work import govern
from githarness.work.asks import Ask, Op
from githarness.work.govern import Edit
from tests.inputs.conftest import Desk, call_here

RUNBOOK = "runbooks/release.md"

CONFUSABLE = ["\u0430dmin", "deploy\u0435r", "de\u200bployer", "deployer\u202e", "Deployer", "DEPLOYER", "deployer ",
              " deployer",
              "d\u0435ployer", "deployer\n", "dep/loyer", "..", ".", "", "-x", "githarness", "a" * 65,
              "deployer\x00"[:8] + "\x1b", "\udcff",
              "de\u0301ployer", "\uff44eployer", "x@acme.invalid", "x <a@b>", "../humans/olive", "con:x"]


def test_no_agent_has_a_name_that_looks_like_another(desk: Desk) -> None:
    """I36 G09: such a name is not given, and whoever acts under it does not exist."""
    for name in CONFUSABLE:
        desk.refused("usage", "agent", "add", "--", name, agent=None)
        ran = desk.run("append", RUNBOOK, f"--agent={name}", "--json", stdin="x\n")
        assert ran.code in (2, 14) and ran.json["error"]["code"] in ("usage", "not-found"), name
        assert ran.out.replace("\n", "").isprintable(), name


def _harness(desk: Desk) -> wiring.Harness:
    return wiring.open(desk.folder, settings.load())


def signer_of(desk: Desk, agent: str) -> Signer:
    return _harness(desk).local.signer(agent)


def commit(desk: Desk, author: str, message: str, signer: Signer | None = None, *, namespace: str = "git",
           when: int = 4_000_000_000) -> str:
    """One more commit on main with plumbing, of an empty change, signed by whom you like."""
    tree = desk.git("rev-parse", "main^{tree}")
    mail = f"{author} <{author}@acme.invalid>"
    text = (f"tree {tree}\nparent {desk.head()}\nauthor {mail} {when} +0000\n"
            f"committer githarness <githarness@acme.invalid> {when} +0000\n\n{message}")
    data = signed_commit(text.encode(), signer.sign(text.encode(), namespace)) if signer else text.encode()
    made = desk.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=data)
    assert made == oid_of("commit", data)
    desk.git("update-ref", "refs/heads/main", made)
    return made


def signed(desk: Desk) -> bool:
    """What the log says of the last commit; a rebuild says the same."""
    found = [bool(desk.run("log", "--json", "-n", "1").json["items"][0]["signed"])]
    assert desk.run("index", "rebuild").code == 0
    found.append(bool(desk.run("log", "--json", "-n", "1").json["items"][0]["signed"]))
    assert found[0] == found[1]
    return found[0]


def test_a_commit_with_the_right_key_is_signed(desk: Desk) -> None:
    """The control of what follows."""
    commit(desk, "deployer", "mine\n\nAgent: deployer\n", signer_of(desk, "deployer"))
    assert signed(desk)


def test_a_renamed_fleet_keeps_its_old_commits(desk: Desk) -> None:
    """Their authors have the fleet's name of their time; the key says whose they are."""
    commit(desk, "deployer", "mine\n\nAgent: deployer\n", signer_of(desk, "deployer"))
    config = desk.folder / ".githarness/config.toml"
    config.write_text(config.read_text().replace("acme", "later"))
    desk.git("commit", "-q", "-m", "another name", "--", config)
    assert desk.run("index", "rebuild").code == 0
    assert desk.run("log", "--json", "-n", "2").json["items"][1]["signed"]


@pytest.mark.parametrize(("window", "when", "good"), [
    ("retired", 1_900_000_000, True), ("retired", 2_000_080_000, True), ("retired", 2_000_100_000, False),
    ("compromised-since", 1_999_999_999, True), ("compromised-since", 2_000_000_000, False),
    (None, 1_500_000_000, False),
])
def test_a_key_signs_within_its_window(desk: Desk, window: str | None, when: int, good: bool) -> None:
    """By the commit's time; retiring has a day of grace, a stolen key none."""
    signer = signer_of(desk, "deployer")
    if window:
        file = desk.folder / ".githarness/agents/deployer.yaml"
        ends = file.read_text().replace("  host:", f"  {window}: '2033-05-18T03:33:20Z'\n  host:")
        assert ends != file.read_text()
        file.write_text(ends)
        desk.git("commit", "-q", "-a", "-m", "by hand")
    commit(desk, "deployer", "mine\n\nAgent: deployer\n", signer, when=when)
    assert signed(desk) is good


@pytest.mark.parametrize(("author", "message"), [
    ("scribe", "x\n\nAgent: scribe\n"), ("scribe", "x\n\nAgent: deployer\n"), ("deployer", "x\n\nAgent: scribe\n"),
    ("olive", "x\n\nHuman: olive\n"), ("deployer", "x\n"), ("deployer", "x\n\nAgent: deployer\nAgent: scribe\n"),
    ("deployer", "x\n\nAgent: scribe\nAgent: deployer\n"), ("deployer", "x\n\nAgent: deployer\nHuman: olive\n"),
    ("deployer", "x\n\nagent: deployer\n"), ("deployer", "Agent: deployer\n"), ("Deployer", "x\n\nAgent: deployer\n"),
    ("deployer", "x\n\nAgent: deployer\nAgent: deployer\n"), ("deployer", "x\n\nHuman: deployer\n"),
])  # fmt: skip
def test_a_valid_key_does_not_sign_for_another_name(desk: Desk, author: str, message: str) -> None:
    """G51: author, trailer and key must be one and the same identity, named once."""
    commit(desk, author, message, signer_of(desk, "deployer"))
    assert not signed(desk)


def test_an_unknown_key_and_a_wrong_namespace_sign_nothing(desk: Desk, tmp_path: Path) -> None:
    """G52: a key of nobody, a signature made for something else, none at all, and one over other bytes."""
    from githarness.seal.keys import KeySigner, generate

    mine = "x\n\nAgent: deployer\n"
    commit(desk, "deployer", mine, KeySigner(generate()))
    assert not signed(desk)
    for namespace in ("file", "githarness-approval", "Git", ""):
        commit(desk, "deployer", mine, signer_of(desk, "deployer"), namespace=namespace)
        assert not signed(desk)
    commit(desk, "deployer", mine)
    assert not signed(desk)
    commit(desk, "deployer", mine, signer_of(desk, "scribe"))
    assert not signed(desk)


def test_a_forged_operation_answers_nobody(desk: Desk) -> None:
    """G51: an idempotency key in a commit that is not the agent's does not stand for the agent's write."""
    commit(desk, "deployer", "x\n\nAgent: deployer\nOperation: op-1\n", signer_of(desk, "scribe"))
    assert desk.run("log").code == 0
    done = desk.good("append", RUNBOOK, "--operation", "op-1", stdin="x\n")
    assert done["commit"] == desk.head() and desk.git("show", f"HEAD:{RUNBOOK}").endswith("\nx")


def _change_key(desk: Desk, name: str, **fields: str) -> None:
    """The owner marks the agent's newest key."""
    harness = _harness(desk)

    def edit(governance: govern.Governance) -> Edit:
        agent = governance.agent(name)
        return Edit("mark a key", (replace(agent, keys=(*agent.keys[:-1], replace(agent.keys[-1], **fields))),))

    assert govern.change(identities.desk(harness), edit)


@pytest.mark.parametrize("field", ["retired", "compromised_since"])
def test_a_key_that_ended_signs_nothing_more(desk: Desk, field: str) -> None:
    """G53 G59: a retired or compromised key of this host is not used; the fix gives the agent a new one."""
    _change_key(desk, "deployer", **{field: "2026-01-01T00:00:00Z"})
    error = desk.refused("unavailable", "append", RUNBOOK, stdin="x\n")
    assert "deployer" in error["fix"]
    desk.good("append", RUNBOOK, stdin="x\n", agent="scribe")
    assert desk.run(*error["fix"].split()[1:]).code == 0
    desk.good("append", RUNBOOK, stdin="x\n")


def test_a_person_whose_only_key_is_compromised_cannot_act(desk: Desk) -> None:
    """G53: the owner's key included."""
    harness = _harness(desk)

    def edit(governance: govern.Governance) -> Edit:
        human = governance.registry.humans["olive"]
        key = replace(human.keys[0], compromised_since="2026-01-01T00:00:00Z")
        return Edit("mark a key", human=replace(human, keys=(key,)))

    assert govern.change(identities.desk(harness), edit)
    for argv in (["agent", "add", "other"], ["rollback", "scribe"], ["restore", "--to", "HEAD~1", "runbooks"],
                 ["append", RUNBOOK, "--as", "olive"]):
        desk.refused("unavailable", *argv, agent=None, stdin="x\n")


def test_a_backdated_commit_does_not_bring_a_retired_agent_back(desk: Desk) -> None:
    """G53: it may carry any date; stock git sees its window, and the write path knows that the agent is retired."""
    signer = signer_of(desk, "deployer")
    assert desk.run("agent", "retire", "deployer").code == 0
    made = commit(desk, "deployer", "x\n\nAgent: deployer\n", signer, when=1_000_000_000)
    assert desk.git("-c", "gpg.ssh.allowedSignersFile=.githarness/allowed_signers", "verify-commit", made,
                    ok=False) == ""
    desk.refused("denied", "append", RUNBOOK, stdin="x\n")
    desk.refused("denied", "read", RUNBOOK)


def test_replaced_objects_tell_us_no_other_story(desk: Desk) -> None:
    """G55: `git replace` of the head, of its tree or of a blob changes what stock git shows, not what we judge."""
    blob, other = desk.git("rev-parse", f"HEAD:{RUNBOOK}"), desk.git("hash-object", "-w", "--stdin", stdin="forged\n")
    desk.git("replace", blob, other)
    head = desk.head()
    fake = desk.git("commit-tree", "HEAD^{tree}", "-m", "forged")
    desk.git("replace", head, fake)
    assert desk.good("read", RUNBOOK)["content"] == "build\ntest\nship\n"
    assert desk.run("log", "--json", "-n", "1").json["items"][0]["subject"] == "add agent scribe"
    desk.good("append", RUNBOOK, stdin="x\n")
    assert desk.git("--no-replace-objects", "show", f"HEAD:{RUNBOOK}") == "build\ntest\nship\nx"


def test_a_mailmap_gives_nobody_another_name(desk: Desk) -> None:
    """G56: agents may not write it, and we do not read it."""
    desk.refused("denied", "write", ".mailmap", stdin="Olive <olive@example.org> <deployer@acme.invalid>\n")
    (desk.folder / ".mailmap").write_text("Olive Owner <olive@example.org> <deployer@acme.invalid>\n")
    desk.git("add", ".mailmap")
    desk.git("commit", "-qm", "map")
    desk.good("append", RUNBOOK, stdin="x\n")
    item = desk.run("log", "--json", "-n", "1").json["items"][0]
    assert (item["agent"], item["human"], item["signed"]) == ("deployer", None, True)
    assert "deployer" in desk.run("log", "-n", "1").out


def test_whoever_holds_the_key_is_the_agent(desk: Desk) -> None:
    """G57, a documented limit: the same user can take the key; what it signs is the agent's until it is marked."""
    signer = signer_of(desk, "deployer")
    commit(desk, "deployer", "stolen\n\nAgent: deployer\n", signer)
    assert signed(desk)


@pytest.mark.parametrize("tool", ["git", "pygit2", "file"])
def test_a_commit_past_the_harness_is_seen_for_what_it_is(desk: Desk, tool: str) -> None:
    """G38: raw git, libgit2 or a ref written as a file: the next write builds on it, the log calls it unsigned."""
    if tool == "git":
        desk.git("-c", "user.name=deployer", "-c", "user.email=deployer@acme.invalid", "commit", "-q",
                 "--allow-empty", "-m",
                 "raw\n\nAgent: deployer")
    elif tool == "pygit2":
        pygit2 = pytest.importorskip("pygit2")
        repo = pygit2.Repository(str(desk.folder))
        who = pygit2.Signature("deployer", "deployer@acme.invalid")
        repo.create_commit("refs/heads/main", who, who, "raw\n\nAgent: deployer\n", repo.head.peel().tree.id,
                           [repo.head.target])
    else:
        made = desk.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "raw\n\nAgent: deployer")
        (desk.folder / ".git/refs/heads/main").write_text(made + "\n")
    assert desk.run("log", "--json", "-n", "1").json["items"][0]["signed"] is False
    raw = desk.head()
    desk.good("append", RUNBOOK, stdin="x\n")
    assert desk.git("rev-parse", "HEAD~1") == raw
    desk.sound()


def test_a_broken_ref_is_named(desk: Desk) -> None:
    """G38: a ref that is empty, symbolic or noise is not written over."""
    file = desk.folder / ".git/refs/heads/main"
    good = file.read_text()
    for text in ("", "ref: refs/heads/other\n", "noise", good[:20], "0" * 39, good.upper(), good + "x"):
        file.write_text(text)
        ran = desk.act("append", RUNBOOK, "--json", stdin="x\n")
        assert ran.code in (14, 17, 18) and file.read_text() == text, (text, ran.out)
    file.write_text(good)
    desk.good("append", RUNBOOK, stdin="x\n")


def test_a_root_without_parents_brings_no_history_of_ours(desk: Desk) -> None:
    """G43: an orphan on the governed branch is ungoverned where it has no `.githarness`: nothing is written on it."""
    tree = desk.git("mktree", stdin="")
    orphan = desk.git("commit-tree", tree, "-m", "orphan")
    desk.git("update-ref", "refs/heads/main", orphan)
    desk.refused("not-found", "append", RUNBOOK, stdin="x\n")
    desk.refused("not-found", "log", agent=None)


@pytest.mark.parametrize(("path", "data"), [
    ("agents/deployer.yaml", "version: 1\nroles: [writer]\nroles: [reader]\nkeys: []\n"),
    ("agents/deployer.yaml", "version: 2\n"), ("agents/deployer.yaml", "&a [*a]\n"), ("agents/deployer.yaml",
                                                                                      "[" * 100_000),
    ("agents/deployer.yaml", "\x00"), ("agents/deployer.yaml", ""), ("agents/Deployer.yaml", "version: 1\n"),
    ("agents/deployer.yaml", "version: 1\nroles: [writer]\nkeys: [{key: ssh-ed25519 AAAA, host: x, added: no}]\n"),
])  # fmt: skip
def test_a_broken_identity_file_grants_nothing_and_stops_nobody_else(desk: Desk, path: str, data: str) -> None:
    """I38: whom it names may do nothing; others go on."""
    (desk.folder / ".githarness" / path).write_text(data)
    desk.git("add", "-A")
    desk.git("commit", "-qm", "broken")
    if path == "agents/deployer.yaml":
        error = desk.refused("not-found", "append", RUNBOOK, stdin="x\n")
        assert error["message"].isprintable()
    desk.good("append", RUNBOOK, stdin="x\n", agent="scribe")
    assert desk.run("doctor", "--json").code == 1


@pytest.mark.parametrize("data", ["", "version = 2\n", "\x00", "version = 1\nfleet = 'acme'\nbranch = '../x'\n",
                                  "[" * 10_000,
                                  "version = 1\nfleet = 'acme'\nbranch = 'main'\nnew = 1\n", "\xff\xfe"])
def test_a_broken_configuration_of_the_fleet_stops_everybody(desk: Desk, data: str) -> None:
    """I38: by name; a person mends it with git, and all goes on."""
    file = desk.folder / ".githarness/config.toml"
    good = file.read_bytes()
    file.write_bytes(data.encode("latin-1"))
    desk.git("commit", "-qam", "broken")
    ran = desk.act("append", RUNBOOK, "--json", stdin="x\n")
    assert ran.code in (17, 18) and ran.json["error"]["code"] in ("integrity", "unavailable"), ran.out
    assert desk.run("doctor", "--json").code == 1
    file.write_bytes(good)
    desk.git("commit", "-qam", "mended")
    desk.good("append", RUNBOOK, stdin="x\n")


def test_an_identity_folder_with_foreign_names_is_passed_over(desk: Desk) -> None:
    """I34: names that are not UTF-8, links and submodules below `.githarness` are nobody."""
    import os

    folder = os.fsencode(desk.folder / ".githarness/agents")
    with open(folder + b"/caf\xe9.yaml", "wb") as file:
        file.write(b"version: 1\n")
    os.symlink("/etc/passwd", folder + b"/linked.yaml")
    desk.git("add", "-A")
    desk.git("commit", "-qm", "odd")
    desk.good("append", RUNBOOK, stdin="x\n")
    assert desk.run("agent", "list", "--json").code == 0
    assert desk.run("doctor", "--json").code == 1


def test_a_run_belongs_to_one_agent(desk: Desk) -> None:
    """I36: neither another agent nor a run that ended acts under its id, and no id leads out of its folder."""
    run = desk.run("runs", "start", "--agent", "deployer", "--json").json["run"]
    desk.refused("denied", "append", RUNBOOK, "--run", run, stdin="x\n", agent="scribe")
    for bad in ("../../x", "r/x", "", ".", "r\nx"):
        ran = desk.act("append", RUNBOOK, f"--run={bad}", "--json", stdin="x\n")
        assert ran.code in (0, 2) and (ran.code == 2 or bad == ""), (bad, ran.out)
    assert call_here("runs", "show", "../../x", "--json", cwd=desk.folder).code == 14


def test_an_agent_and_a_person_of_one_name_keep_their_keys_apart(desk: Desk) -> None:
    """G51: in one process, whoever writes first."""
    assert desk.run("agent", "add", "olive").code == 0
    local = _harness(desk).local
    for human in (None, "olive", None):
        local.write(Ask("olive", "r-1" if human is None else "r-2", (Op("append", "a.md", b"x"),), human=human))
        assert signed(desk)
