"""`githarness policy` as people and scripts meet it: what it prints, and with which exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Cli, Git

FILE = ".githarness/policies/p.yaml"
RULES = """\
version: 1
rules:
  - id: read
    effect: allow
    actions: [read]
  - id: docs
    effect: allow
    agents: [deployer]
    actions: [write]
    paths: ["docs/**"]
    tests: {match: [{path: docs/a}], no_match: [{path: x}]}
"""


def _put(folder: Path, text: str, path: str = FILE) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text)


def _commit(folder: Path, git: Git, text: str, path: str = FILE) -> None:
    _put(folder, text, path)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "change the policy")


def test_check_names_the_place_and_the_fix(tmp_path: Path, cli: Cli) -> None:
    """Outside of any repository too; the JSON says the same."""
    _put(tmp_path, RULES.replace("effect: allow\n    agents", "effekt: allow\n    agents"), "p.yaml")
    done = cli("policy", "check", "p.yaml")
    assert (done.code, done.out.splitlines()) == (1, [
        "p.yaml:6: error under 'rules.2.effect': 'effect' is missing", "  hint: add 'effect:'",
        "p.yaml:7: error under 'rules.2.effekt': 'effekt' is not a key that belongs here",
        "  hint: write 'effect'", "1 file, 0 rules, 0 tests: 2 errors, 0 warnings"])
    item = cli("policy", "check", "p.yaml", "--json").json["items"][1]
    assert (item["path"], item["line"], item["severity"], item["fix"]) == ("p.yaml", 7, "error", "write 'effect'")


def test_check_warns_and_is_strict_where_asked(fleet: Path, cli: Cli) -> None:
    """Rules that look wrong, and names that nobody has, are no errors; --strict makes them fail."""
    _put(fleet, RULES.replace("[deployer]", "[deplyer]"))
    done = cli("policy", "check", cwd=fleet)
    assert done.code == 0
    assert "p.yaml:6: warning never: rule 'p/docs' can match nothing: no agent is named deplyer" in done.out
    assert cli("policy", "check", "--strict", cwd=fleet).code == 1
    annotation = cli("policy", "check", "--format", "github", cwd=fleet).out
    assert annotation.startswith(f"::warning file={FILE},line=6,title=policy never::rule 'p/docs' can match nothing")


def test_check_looks_at_grants_too(fleet: Path, cli: Cli) -> None:
    """A grant that does not load grants nothing, and somebody should know."""
    _put(fleet, "version: 1\nagent: deployer\n", ".githarness/grants/g-1.yaml")
    done = cli("policy", "check", cwd=fleet)
    assert done.code == 1 and ".githarness/grants/g-1.yaml:1: error under 'expires': 'expires' is missing" in done.out


def test_check_without_files_says_how_to_begin(fleet: Path, cli: Cli) -> None:
    """Nothing to check is no success."""
    done = cli("policy", "check", cwd=fleet)
    assert done.code == 14 and "policy show default" in done.err


def test_test_runs_the_tests_of_rules(tmp_path: Path, cli: Cli) -> None:
    """And fails on the one that does not hold, by its line."""
    _put(tmp_path, RULES, "p.yaml")
    assert cli("policy", "test", "p.yaml").out == "2 tests passed, 0 failed, 0 faults; 1 rule without tests\n"
    _put(tmp_path, RULES.replace("{path: x}", "{path: docs/x}"), "p.yaml")
    done = cli("policy", "test", "p.yaml")
    assert done.code == 1 and "p.yaml:11: error under 'rules.2.tests': the rule 'p/docs' matches this" in done.out


@pytest.mark.parametrize("name", ["default", "read-only", "ci", "break-glass"])
def test_shipped_files_are_printed_and_good(tmp_path: Path, cli: Cli, name: str) -> None:
    """As they are to be put into a repository."""
    _put(tmp_path, cli("policy", "show", name).out, f"{name}.yaml")
    done = cli("policy", "check", "--strict", f"{name}.yaml")
    assert done.code == 0 and "0 errors, 0 warnings" in done.out


def test_show_lists_and_knows_the_schema(cli: Cli) -> None:
    """Another name is not found."""
    assert cli("policy", "show").out == "default\nread-only\nci\nbreak-glass\n"
    assert json.loads(cli("policy", "show", "schema").out)["title"] == ".githarness/policies/NAME.yaml"
    assert cli("policy", "show", "other").code == 14
    assert "$schema" not in cli("policy", "show", "default").out  # the path would lead nowhere


def test_explain_names_the_rule_and_what_would_change_it(fleet: Path, git: Git, cli: Cli) -> None:
    """For what a rule allows, and for what none does."""
    _commit(fleet, git, RULES)
    ask = ("policy", "explain", "--agent", "deployer", "--action", "write")
    assert cli(*ask, "--path", "docs/a", cwd=fleet).out.splitlines() == [
        "allow by p/docs", "change: without rule 'p/docs': deny by default-deny"]
    done = cli(*ask, "--path", "src/a", "--json", cwd=fleet).json
    assert done["response"] == {"decision": False, "context": {
        "effect": "deny", "rule": "default-deny", "reason": "no rule allows 'deployer' to write 'src/a'"}}
    assert done["changes"][0] == "rule 'p/docs' would allow it, were it not for its paths"
    assert cli("policy", "explain", "--agent", "deployer", "--action", "Write", cwd=fleet).code == 2


def test_explain_says_why_nothing_is_allowed(fleet: Path, git: Git, cli: Cli) -> None:
    """With the place in the file that does not load."""
    _commit(fleet, git, RULES + "  - {id: docs}\n")
    done = cli("policy", "explain", "--agent", "deployer", "--action", "read", "--path", "a", cwd=fleet)
    assert done.code == 0 and f"deny by no-policy: '{FILE}' line 12 under" in done.out


def test_diff_exits_with_1_on_what_is_wider(fleet: Path, git: Git, cli: Cli) -> None:
    """Forwards; backwards it says what is gone."""
    _commit(fleet, git, RULES)
    _commit(fleet, git, RULES.replace("docs/**", "**").replace("{path: x}", "{agent: scribe, path: x}"))
    done = cli("policy", "diff", "HEAD~1..HEAD", cwd=fleet)
    assert done.code == 1 and "+ wider    deployer write" in done.out
    back = cli("policy", "diff", "HEAD..HEAD~1", "--json", cwd=fleet)
    assert (back.code, back.json["wider"]) == (0, 0)
    assert back.json["items"][0] | {"examples": [], "count": 0} == {
        "agent": "deployer", "known": True, "action": "write", "examples": [], "count": 0,
        "before": "allow by p/docs", "after": "deny by default-deny", "wider": False, "kind": "narrower"}
    assert cli("policy", "diff", "HEAD", cwd=fleet).code == 2


def test_diff_says_what_was_denied_and_needs_approval_now(fleet: Path, git: Git, cli: Cli) -> None:
    """It is wider, and the exit says so; but nobody may do it alone."""
    _commit(fleet, git, RULES)
    _commit(fleet, git, RULES + "  - {id: held, effect: require_approval, actions: [write], paths: [src/x]}\n")
    done = cli("policy", "diff", "HEAD~1..HEAD", cwd=fleet)
    assert done.code == 1 and "+ approval deployer, scribe" in done.out, done.out + done.err
    assert "e.g. src/x: deny by default-deny -> require_approval" in done.out and "was denied)" in done.out
    assert "of them with approval only), 0 narrower" in done.out


def test_diff_has_one_line_for_actions_that_change_alike(fleet: Path, git: Git, cli: Cli) -> None:
    """A rule about four actions is read once; the JSON has each."""
    _commit(fleet, git, RULES)
    _commit(fleet, git, RULES.replace("[write]", "[append, write]").replace("docs", "texts"))
    lines = cli("policy", "diff", "HEAD~1..HEAD", cwd=fleet).out.splitlines()
    assert [line for line in lines if line.startswith("+ wider    deployer append, write e.g. texts/")], lines


def test_diff_has_one_line_for_agents_that_change_alike(fleet: Path, git: Git, cli: Cli) -> None:
    """A rule for everybody is one line, however many there are."""
    assert cli("agent", "add", "third", cwd=fleet).code == 0
    _commit(fleet, git, RULES)
    _commit(fleet, git, RULES.replace("[deployer]", "[deployer, scribe, third]"))
    lines = cli("policy", "diff", "HEAD..HEAD~1", cwd=fleet).out.splitlines()
    assert [line for line in lines if line.startswith("- narrower scribe, third write e.g. docs/x: ")], lines


def test_simulate_asks_a_candidate_about_what_was_done(fleet: Path, git: Git, cli: Cli) -> None:
    """What was written would be denied, what was read would not."""
    cli("write", "docs/a", "--agent", "deployer", cwd=fleet, stdin="1\n")
    _put(fleet, RULES.replace("docs/**", "src/**").replace("docs/a", "src/a"), "candidate.yaml")
    done = cli("policy", "simulate", "--with", "candidate.yaml", "--since", "1h", cwd=fleet)
    assert "deny             deployer write docs/a, 1 x: was allow, would be deny by default-deny" in done.out
    found = cli("policy", "simulate", "--with", "candidate.yaml", "--since", "1h", "--json", cwd=fleet).json
    assert (found["newly_denied"], found["newly_allowed"], found["items"][0]["rule"]) == (1, 0, "default-deny")


def test_an_unsigned_policy_file_comes_with_the_way_to_sign_it(fleet: Path, git: Git, cli: Cli) -> None:
    """`git commit` is what people type first; a hub refuses it."""
    _commit(fleet, git, RULES)
    done = cli("verify", "HEAD~1..HEAD", cwd=fleet)
    assert (done.code, "--as OWNER" in done.err, "hint" in done.out) == (1, True, False)
    assert "--as OWNER" not in cli("verify", "HEAD~1..HEAD", "--format", "github", cwd=fleet).out
