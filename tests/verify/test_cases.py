"""The catalogue's attacks on the chain (docs/attacks.md), made by plumbing past every hook, as `verify` sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from githarness import clock
from githarness.seal.keys import KeySigner, generate
from tests.conftest import run_cli, run_git

POLICY = """version: 1
rules:
  - {id: scope, effect: allow, agents: [deployer], actions: [write, append, delete, rename], paths: ["notes/**"]}
  - {id: rest, effect: allow, agents: [scribe], actions: [write, append, delete, rename], paths: ["**"]}
"""


@pytest.fixture
def scoped(forge) -> str:
    """An owner's policy: deployer has `notes/` alone. One note, one link, one other file stand there already."""
    files = {".githarness/policies/scope.yaml": POLICY, "notes/a.md": "a\n", "other.md": "o\n",
             "notes/link": ("120000", "../.githarness")}
    head = forge.commit(files, agent=None, signer=forge.owner())
    forge.git("update-ref", "refs/heads/main", head)
    return head


def _as(forge, head: str, rule: str, **more: str) -> list[tuple[str, str]]:
    return forge.trailers(head, Decision=f"allow rule={rule} grant=- event=e-x", **more)


def test_what_a_scope_allows_passes(forge, scoped) -> None:
    """The control: write, append, mode, rename and deletion within the scope."""
    tip = scoped
    for files, more in (
        ({"notes/b.md": "b\n"}, {}), ({"notes/a.md": "a\nb\n"}, {}), ({"notes/a.md": ("100755", "a\nb\n")}, {}),
        ({"notes/a.md": None, "notes/c.md": ("100755", "a\nb\n")}, {"Rename": "notes/a.md => notes/c.md"}),
        ({"notes/c.md": None}, {}),
    ):
        tip = forge.commit(files, parents=[tip], pairs=_as(forge, tip, "scope/scope", **more))
    assert forge.verify(scoped, tip).violations == []


OUTSIDE = {
    "write": {"other.md": "x\n"}, "create": {"new.md": "x\n"}, "G27 mode alone": {"other.md": ("100755", "o\n")},
    "G28 deletion alone": {"other.md": None}, "append": {"other.md": "o\np\n"},
    "G35 pointer": {"other.md": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"},
    "G31 attributes": {".gitattributes": "* -diff\n"},
    "G01 policy": {".githarness/policies/scope.yaml": "version: 1\n"},
    "G21 policy twin": {".GitHarness/policies/scope.yaml": "version: 1\n"},
    "G47 workflow": {".github/workflows/ci.yml": "on: push\n"}, "G30 modules": {".gitmodules": "[submodule]\n"},
}


@pytest.mark.parametrize("case", OUTSIDE)
def test_outside_of_its_scope_nothing_is_allowed(forge, scoped, case: str) -> None:
    """Whatever kind of change it is."""
    bad = forge.commit(OUTSIDE[case], parents=[scoped], pairs=_as(forge, scoped, "scope/scope"))
    assert "denied" in forge.codes(scoped, bad)


@pytest.mark.parametrize("told", [True, False])
def test_a_rename_out_of_the_scope(forge, scoped, told: bool) -> None:
    """G25: both ends are asked about, told or not."""
    more = {"Rename": "notes/a.md => a.md"} if told else {}
    pairs = _as(forge, scoped, "scope/scope", **more)
    bad = forge.commit({"notes/a.md": None, "a.md": "a\n"}, parents=[scoped], pairs=pairs)
    found = forge.verify(scoped, bad).violations
    assert {(one.code, one.path) for one in found} == {("denied", "a.md")}


PATHS = {
    "G16 link": ({"notes/l": ("120000", "../other.md")}, "mode"), "G16 over a link": ({"notes/link": "x\n"}, "mode"),
    "G30 submodule": ({"notes/sub": ("160000", "1" * 40)}, "mode"), "G21 twin": ({"notes/A.md": "x\n"}, "twin"),
    "G21 folder": ({"Notes/n.md": "x\n"}, "twin"), "G23 invisible": ({"notes/.g\u200cit/config": "x\n"}, "bad-path"),
    "G20 dot": ({"notes/x.": "x\n"}, "bad-path"), "G20 backslash": ({"notes/x\\y": "x\n"}, "bad-path"),
    "G24 newline": ({"notes/x\ny": "x\n"}, "bad-path"), "I36 form": ({"notes/e\u0301": "x\n"}, "bad-path"),
}  # fmt: skip


@pytest.mark.parametrize("case", PATHS)
def test_paths_and_modes_that_no_artifact_has(forge, scoped, case: str) -> None:
    """Also where the agent may write everything."""
    files, code = PATHS[case]
    bad = forge.commit(files, agent="scribe", parents=[scoped],
                       pairs=forge.trailers(scoped, "scribe", Decision="allow rule=scope/rest grant=- event=e-x"))
    assert code in forge.codes(scoped, bad)


def test_a_person_brings_no_name_that_a_clone_takes_for_gits(forge, scoped) -> None:
    """G23 G21: nor one for ours; other odd names of people are theirs."""
    for path, code in ((".g\u200cit/config", "bad-path"), ("GIT~1/x", "bad-path"), (".Githarness/x", "governance")):
        bad = forge.commit({path: "x\n"}, agent=None, parents=[scoped])
        assert code in forge.codes(scoped, bad), path
    fine = forge.commit({"e\u0301\n.": "x\n", "docs/.github": "x\n", "gitgit": "y\n"}, agent=None, parents=[scoped])
    assert forge.codes(scoped, fine) == set()


def test_governance_takes_an_owner(forge, scoped) -> None:
    """G03 G06 G14: no agent, no unsigned person, no unknown key, no revert to an older policy by them."""
    files = {".githarness/policies/scope.yaml": POLICY.replace("notes/**", "**")}
    widened = {".githarness/policies/more.yaml": POLICY, ".githarness/config.toml": None}
    for name, more in (("unsigned", {}), ("unknown key", {"signer": KeySigner(generate())}),
                       ("an agent's key", {"signer": forge.signer()}), ("namespace", {
                           "signer": forge.owner(), "namespace": "file"})):
        for change in (files, widened, {".githarness/policies/scope.yaml": None}):
            bad = forge.commit(change, agent=None, parents=[scoped], **more)
            assert forge.codes(scoped, bad) == {"governance"}, name


def test_widened_and_used_in_one_push(forge, scoped) -> None:
    """G02: what a stranger widens is a violation, and so is its use; what an owner widens first may be used."""
    wide = {".githarness/policies/scope.yaml": POLICY.replace("notes/**", "**")}
    for signer, expected in ((None, {"governance"}), (forge.owner(), set())):
        first = forge.commit(wide, agent=None, parents=[scoped], signer=signer)
        used = forge.commit({"new.md": "x\n"}, parents=[first], pairs=_as(forge, first, "scope/scope"))
        assert forge.codes(scoped, used) == expected
    both = forge.commit({**wide, "new.md": "x\n"}, parents=[scoped], pairs=_as(forge, scoped, "scope/scope"))
    assert forge.codes(scoped, both) == {"denied"}


def test_added_and_removed_in_one_range(forge, scoped) -> None:
    """G45: the range's end looks as before; each of its commits is judged."""
    first = forge.commit({".githarness/policies/scope.yaml": "version: 1\nrules: []\n"}, agent=None, parents=[scoped])
    back = forge.commit({".githarness/policies/scope.yaml": POLICY}, agent=None, parents=[first])
    found = forge.verify(scoped, back).violations
    assert [(one.commit, one.code) for one in found] == [(first, "governance"), (back, "governance")]


def test_an_orphan_brings_no_governance_of_its_own(forge, scoped) -> None:
    """G43: a root commit that founds another fleet, merged in."""
    key = KeySigner(generate())
    owner = ("version: 1\nmail: m@example.org\nrole: owner\n"
             f"keys:\n- {{key: {key.public}, host: h, added: '2020-01-01T00:00:00Z'}}\n")
    files = {".githarness/humans/mallory.yaml": owner,
             ".githarness/config.toml": 'version = 1\nfleet = "x"\nbranch = "main"\n'}
    root = forge.commit(files, agent=None, parents=[], signer=key)
    tree = forge.git("rev-parse", f"{scoped}^{{tree}}")
    joined = forge.git("commit-tree", tree, "-p", scoped, "-p", root, "-m", "merge")
    found = {(one.commit, one.code) for one in forge.verify(scoped, joined).violations}
    assert found == {(root, "governance"), (joined, "governance")}
    other = forge.git("commit-tree", f"{root}^{{tree}}", "-p", root, "-p", scoped, "-m", "merge")
    assert "governance" in forge.codes(scoped, other)


def test_no_history_is_judged_without_its_beginning(forge, scoped, tmp_path: Path) -> None:
    """G46: a shallow clone, and a partial one that lacks what is needed, are refused with the way out."""
    run_git(tmp_path, "clone", "-q", "--depth", "1", f"file://{forge.folder}", tmp_path / "shallow")
    ran = run_cli("verify", "--json", cwd=tmp_path / "shallow")
    assert (ran.code, ran.json["error"]["fix"].split(";")[0]) == (18, "git fetch --unshallow")
    forge.git("config", "uploadpack.allowFilter", "true")
    run_git(tmp_path, "clone", "-q", "--filter=tree:0", "--no-checkout", f"file://{forge.folder}", tmp_path / "partial")
    ran = run_cli("verify", "HEAD", "--json", cwd=tmp_path / "partial")
    assert (ran.code, ran.json["error"]["fix"]) == (18, "git fetch --refetch --no-filter")


def test_identity_is_signer_author_and_trailer(forge) -> None:
    """G51 G52 G61: one and the same agent, of this fleet, by a key of its file, for git."""
    start, mine = forge.head, forge.signer()
    cases = [
        ({"signer": forge.signer("scribe")}, "wrong-signer"), ({"signer": KeySigner(generate())}, "wrong-signer"),
        ({"namespace": "file"}, "bad-signature"), ({"signed": False}, "unsigned"),
        ({"author": "deployer <deployer@other.invalid>"}, "author"),
        ({"author": "scribe <scribe@acme.invalid>"}, "author"),
        ({"author": "deployer <deployer@example.org>"}, "author"),
        ({"agent": "nobody", "signer": mine}, "unknown-agent"),
        ({"pairs": forge.trailers(start, Human="olive")}, "author"),
        ({"pairs": forge.trailers(start, agent="scribe")}, "author"),
        ({"pairs": [*forge.trailers(start), ("Agent", "scribe")]}, "author"),
        ({"agent": None, "author": "deployer <deployer@acme.invalid>"}, "unsigned"),
        ({"headers": ("encoding latin1",)}, "malformed"), ({"headers": ("parent " + start,)}, "malformed"),
        ({"pairs": forge.trailers(start, drop=["Decision"])}, "trailer"),
        ({"pairs": forge.trailers(start, Policy="sha256:" + "0" * 64)}, "trailer"),
        ({"pairs": forge.trailers(start, Decision="allow rule=role:reader grant=- event=e-1")}, "trailer"),
        ({"pairs": forge.trailers(start, Decision="deny rule=role:writer grant=- event=e-1")}, "trailer"),
        ({"pairs": forge.trailers(start, Tier="T9")}, "trailer"),
        ({"pairs": forge.trailers(start, On_Behalf_Of="stranger")}, "chain"),
        ({"pairs": [*forge.trailers(start), ("On-Behalf-Of", "deployer"), ("On-Behalf-Of", "scribe")]}, "chain"),
    ]
    assert forge.codes(start, forge.commit({"a.md": "a"})) == set()
    for more, code in cases:
        found = forge.codes(start, forge.commit({"a.md": "a"}, **more))
        assert code in found, (more, found)


def test_dates_are_bounded(forge) -> None:
    """G53: by what a commit is built on, and by now; a person's clock bounds nobody."""
    start = forge.head
    now = int(forge.git("log", "-1", "--format=%ct", start))
    assert forge.codes(start, forge.commit({"a.md": "a"}, when=now - 90_000)) == {"backdated", "wrong-signer"}
    late = forge.commit({"a.md": "a"}, when=now + 90_000)
    assert forge.codes(start, late) == {"future"}
    person = forge.commit({"b.md": "b"}, agent=None, when=now + 10**7)
    after = forge.commit({"a.md": "a"}, parents=[person], when=now)
    assert forge.codes(start, after) == set()
    early = forge.commit({"a.md": "a"}, parents=[forge.commit({"b.md": "b"}, when=now + 3000)], when=now - 3000)
    assert "backdated" in forge.codes(start, early)


def test_git_tells_no_other_story(forge, tmp_path: Path) -> None:
    """G32 G55 G56: replaced objects, a mailmap, and programs of the configuration change nothing and run nothing."""
    start, marker = forge.head, tmp_path / "ran"
    bad = forge.commit({"a.md": "a"}, signed=False)
    good = forge.commit({"a.md": "a"})
    forge.git("replace", bad, good)
    (forge.folder / ".mailmap").write_text("scribe <scribe@acme.invalid> <deployer@acme.invalid>\n")
    for key in ("core.fsmonitor", "diff.external", "gpg.ssh.program", "diff.x.textconv", "core.sshCommand"):
        forge.git("config", key, f"touch {marker}; true")
    (forge.folder / ".git/info/attributes").write_text("* diff=x filter=x\n")
    ran = run_cli("verify", f"{start}..{bad}", "--json", cwd=forge.folder)
    assert [one["code"] for one in ran.json["violations"]] == ["unsigned"]
    assert run_cli("verify", f"{start}..{good}", cwd=forge.folder).code == 0
    assert not marker.exists()
    (forge.folder / ".git/info/grafts").write_text(f"{good}\n")
    assert run_cli("verify", f"{start}..{good}", cwd=forge.folder).code == 18


def test_a_forge_strips_signatures(forge) -> None:
    """G63: a rebase-merge keeps author and trailers without signature, a squash keeps neither as they were."""
    start = forge.head
    one = forge.commit({"a.md": "a"})
    message = forge.git("log", "-1", "--format=%B", one)
    tree = forge.git("rev-parse", f"{one}^{{tree}}")

    def made(author: str, text: str) -> str:
        raw = (f"tree {tree}\nparent {start}\nauthor {author} 1900000000 +0000\n"
               f"committer GitHub <noreply@github.com> 1900000000 +0000\n\n{text}\n")
        return forge.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw)

    assert "unsigned" in forge.codes(start, made("deployer <deployer@acme.invalid>", message))
    listed = f"Notes (#7)\n\n* forged\n\n{message}\n\n* more\n\nsigned off"
    person = "Olive Owner <olive@example.org>"
    for text in (listed, "Notes (#7)\n\nCo-authored-by: deployer <deployer@acme.invalid>"):
        assert forge.codes(start, made(person, text)) == {"squashed"}
    for text in ("Agent: deployer is what the trailer says", "Notes\n\nCo-authored-by: x <x@example.org>"):
        assert forge.codes(start, made(person, text)) == set()


@pytest.mark.parametrize("raw", [
    b"", b"tree\n\n", b"not a commit at all", b"tree %s\nauthor x\n\n", b"tree %s\nparent zz\nauthor a <a> 1 +0\n\nx",
    b"tree 0123456789012345678901234567890123456789\nauthor a <a@b> 1 +0\ncommitter a <a@b> 1 +0\n\nx",
])  # fmt: skip
def test_a_malformed_commit_is_a_violation_and_no_crash(forge, raw: bytes) -> None:
    """As the head of the range, and in the middle of it."""
    tree = forge.git("rev-parse", "main^{tree}").encode()
    data = raw.replace(b"%s", tree)
    bad = forge.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=data)
    on_top = (f"tree {tree.decode()}\nparent {bad}\nparent {forge.head}\nauthor a <a@b> 1 +0000\n"
              "committer a <a@b> 1 +0000\n\nx\n")
    for head in (bad, forge.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=on_top)):
        ran = run_cli("verify", f"main..{head}", "--json", cwd=forge.folder)
        assert ran.code == 1, ran.out
        assert ran.json["violations"][0]["code"] == "malformed"


def test_a_message_without_end(forge) -> None:
    """Ten megabytes of almost-trailers are read, and judged like any other."""
    body = "x\n\n" + "Agent\n" * 1_500_000 + "\nAgent: deployer\n"
    tree = forge.git("rev-parse", "main^{tree}")
    raw = f"tree {tree}\nparent {forge.head}\nauthor a <a@b.c> 1 +0000\ncommitter a <a@b.c> 1 +0000\n\n{body}"
    oid = forge.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw)
    assert "unsigned" in forge.codes(forge.head, oid)


def test_the_beginning_is_signed_by_whom_it_names(forge, tmp_path: Path) -> None:
    """A founding commit that somebody else made is a violation of all that follows it."""
    whole = forge.verify(None, forge.head)
    assert (whole.violations, len(whole.ungoverned)) == ([], 1)
    first = forge.git("rev-list", "--reverse", "main").split()[1]
    files = forge.git("ls-tree", "-r", "--name-only", first, ".githarness").split("\n")
    copied = {path: (forge.git("rev-parse", f"{first}:{path}")) for path in files}
    root = forge.git("rev-parse", f"{first}~1")
    for signer in (None, KeySigner(generate())):
        other = forge.commit({path: ("100644", oid) for path, oid in copied.items()}, agent=None, parents=[root],
                             signer=signer)
        assert forge.codes(None, other) == {"founding"}


def test_who_was_stopped_signs_nothing_more(forge, cli) -> None:
    """G53 G59: retired, quarantined, expired, with a retired or compromised key: whatever date the commit has."""
    start, signer = forge.head, forge.signer()
    file = forge.git("show", "main:.githarness/agents/deployer.yaml") + "\n"
    when = "'2026-01-01T00:00:00Z'"
    for changed, code in (
        (f"{file}retired: {when}\n", "retired"), (f"{file}quarantined: {when}\n", "quarantined"),
        (f"{file}expires: {when}\n", "retired"), (file.replace("  host:", f"  retired: {when}\n  host:"), "retired"),
        (file.replace("  host:", f"  compromised-since: {when}\n  host:"), "compromised"),
        (file.replace("writer", "reader"), "denied"), ("version: 1\n", "unknown-agent"),
    ):
        stopped = forge.commit({".githarness/agents/deployer.yaml": changed}, agent=None, parents=[start],
                               signer=forge.owner())
        more = {"pairs": forge.trailers(stopped), "signer": signer}
        assert code in forge.codes(stopped, forge.commit({"a.md": "a"}, parents=[stopped], **more)), changed
        # The same from a side branch that began before it.
        side = forge.commit({"a.md": "a"}, parents=[start], pairs=forge.trailers(start), signer=signer)
        assert code in forge.codes(stopped, forge.merge(stopped, side)), changed
        assert forge.codes(start, side) == set()


def test_an_audit_knows_which_key_was_stolen(forge) -> None:
    """What a key signed since it was compromised is told once that is known; what it signed before stands."""
    now = int(forge.git("log", "-1", "--format=%ct", "main"))
    old = forge.commit({"a.md": "a"}, when=now + 100)
    new = forge.commit({"a.md": "b"}, parents=[old], pairs=forge.trailers(old), when=now + 200)
    file = forge.git("show", "main:.githarness/agents/deployer.yaml") + "\n"
    since = clock.rfc3339(now + 150)
    marked = file.replace("  host:", f"  compromised-since: '{since}'\n  host:")
    told = forge.commit({".githarness/agents/deployer.yaml": marked}, agent=None, parents=[new], signer=forge.owner())
    assert [(one.commit, one.code) for one in forge.verify(None, told).violations] == [(new, "compromised")]
    assert forge.codes(None, new) == set()


def test_a_person_may_have_an_address_that_no_mail_reaches(forge) -> None:
    """Of a known person it is no agent's; of anybody else it is."""
    file = forge.git("show", "main:.githarness/humans/olive.yaml") + "\n"
    start = forge.commit({".githarness/humans/olive.yaml": file.replace("example.org", "home.invalid")}, agent=None,
                         signer=forge.owner())
    for mail, codes in (("olive@home.invalid", set()), ("other@home.invalid", {"unsigned", "author"})):
        made = forge.commit({"a.md": "a"}, agent=None, parents=[start], author=f"Olive <{mail}>")
        assert forge.codes(start, made) >= codes and bool(forge.codes(start, made)) == bool(codes)
