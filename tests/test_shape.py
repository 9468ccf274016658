"""The house's numbers: sizes, broad handlers, probing and what must not stand in the source (docs/design.md)."""

from __future__ import annotations

import ast
import re
import tokenize
from functools import cache
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "githarness"
EXAMPLES = ROOT / "tests" / "skills" / "examples"
# Which files a part has; the ledger has the rest. Lines of code, docs/adr/0010, 0013 and 0017.
PARTS = {"skills": ("skills/**/*.py", "checks/[!cpv]*.py", "checks/ci.py", "checks/pinned.py", "cli/cmd_skills.py",
                    "cli/skills_*.py", "cli/cmd_search.py",
                    "cli/cmd_install.py", "demo/malformed.py", "store/artifacts.py", "store/search.py",
                    "store/verdicts.py", "work/artifacts.py", "work/check.py", "work/crew.py",
                    "work/files_of.py", "work/gate.py", "work/install.py", "work/prune.py", "work/quality.py",
                    "work/search.py", "work/skillset.py"),
         "policy": ("policy/rules.py", "policy/rates.py", "policy/tables.py", "policy/language.py",
                    "policy/matching.py",
                    "policy/evaluate.py", "policy/grants.py", "policy/lint.py", "policy/widening.py",
                    "work/rulebook.py",
                    "policy/globs.py", "policy/explain.py", "policy/authzen.py", "checks/policy.py",
                    "checks/policy_[!v]*.py",
                    "work/policies.py", "work/policy_*.py", "cli/cmd_policy.py", "cli/policy_*.py",
                    "policy/disguise.py", "policy/delegation.py", "git/twins.py", "work/judge_[!v]*.py",
                    "work/judged.py",
                    "cli/cmd_verify.py", "cli/cmd_hub.py", "work/hub*.py", "work/doctor_probe.py",
                    "policy/approval.py", "work/appro*.py",
                    "work/proposed.py", "work/risks.py", "work/owners.py", "work/statements.py", "cli/cmd_proposals.py",
                    "work/permit.py", "work/ends.py", "work/breaker.py", "work/grants.py", "work/quarantine.py",
                    "work/doctor_agents.py", "store/stops.py", "store/counts.py", "cli/cmd_grant*.py",
                    "cli/cmd_revoke.py", "cli/grants.py", "cli/agent_stops.py", "demo/burst.py", "demo/cascade.py",
                    "demo/grant.py", "demo/own_policy.py"),
         "audit": ("audit/*.py", "policy/logs.py", "store/audit*.py", "cli/*audit*.py", "cli/cmd_journal.py",
                   "work/audit*.py", "work/journal.py", "store/reads.py", "work/blast.py", "work/why.py",
                   "work/line_origin.py", "cli/cmd_blast.py", "cli/cmd_why.py"),
         "vault": ("vault/*.py", "proxy/*.py", "seal/aead.py", "seal/kdf.py", "seal/exchange.py", "work/vault*.py",
                   "work/judge_vault.py", "cli/*vault*.py", "checks/credential.py", "store/exposures.py",
                   "runner/services.py", "demo/fingerprint.py",
                   "store/latchkey.py", "seal/fernet.py", "checks/policy_vault.py", "checks/vault_values.py",
                   "runner/lent.py", "runner/redacted.py"),
         "coordination": ("store/state.py", "store/leases.py", "store/fences.py", "store/channels.py", "store/tasks.py",
                          "work/coordination.py", "work/combine.py", "work/ops.py", "work/pause.py", "work/state.py",
                          "work/state_*.py", "work/lease*.py", "work/channel*.py", "work/task*.py", "work/handoff.py",
                          "work/runs_*.py", "work/guard.py", "work/notify.py", "store/notices.py",
                          "runner/again.py", "runner/tell.py", "cli/runs_watch.py", "cli/runs_end.py", "demo/twice.py",
                          "demo/outdated.py", "demo/unnoticed.py", "work/backup.py",
                          "cli/cmd_state.py", "cli/cmd_lease.py", "cli/cmd_channel.py", "cli/cmd_task.py",
                          "cli/cmd_backup.py", "cli/acting.py", "checks/leased.py", "daemon/bell.py", "daemon/table.py",
                          "daemon/ground.py",
                          "shared.py")}
LIMITS = {"ledger": 15_400, "skills": 5_060, "audit": 2_500, "policy": 5_440, "vault": 6_710,  # ADR 17
          "coordination": 4_000}
_NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
BROAD_HANDLERS = {"githarness/__main__.py", "githarness/daemon/desk.py", "githarness/checks/hook.py",
                  "githarness/checks/door.py", "githarness/skills/judge.py", "githarness/proxy/server.py"}
PUBLIC_API = PACKAGE / "api.py"  # its keyword parameters mirror the commands' flags
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Sized(NamedTuple):
    size: int
    where: str


def _where(path: Path, line: int | None = None) -> str:
    return str(path.relative_to(ROOT)) + (f":{line}" if line else "")


@cache
def _trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def _functions() -> list[tuple[Path, Function]]:
    return [
        (path, node)
        for path, tree in _trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def _length(function: Function) -> int:
    """Lines from `def` to the end, without the docstring."""
    first = function.body[0]
    doc = (first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(function) else 0
    return (function.end_lineno or 0) - function.lineno + 1 - doc


def _hold(sizes: list[Sized], *, middle: int, most: int, limit: int) -> None:
    """The median, the 95th percentile and the largest; the ten worst are printed, pass or fail."""
    worst = sorted(sizes, reverse=True)[:10]
    print("\n".join(f"{size:5} {where}" for size, where in worst))
    numbers = [size for size, _ in sizes]
    assert median(numbers) <= middle
    assert quantiles(numbers, n=20)[-1] <= most
    assert worst[0].size <= limit, worst[0].where


def test_files_are_one_noun_long() -> None:
    """Median file at most 120 lines, 95th percentile 300, none over 400."""
    files = [Sized(path.read_text(encoding="utf-8").count("\n"), _where(path)) for path in _trees()]
    _hold([file for file in files if file.size], middle=120, most=300, limit=400)


def test_functions_fit_on_a_screen() -> None:
    """Median function at most 10 lines, 95th percentile 35, none over 50."""
    sizes = [Sized(_length(node), _where(path, node.lineno)) for path, node in _functions()]
    _hold(sizes, middle=10, most=35, limit=50)


@pytest.mark.parametrize("part", LIMITS)
def test_each_part_stays_within_its_budget(part: str) -> None:
    """Lines of code: blank lines, comments and docstrings cost nothing."""
    files = {name: {path for glob in globs for path in PACKAGE.glob(glob)} for name, globs in PARTS.items()}
    files["ledger"] = _trees().keys() - set().union(*files.values())
    used = sum(len(_code_lines(path, _trees()[path])) for path in files[part])
    assert used <= LIMITS[part], used


def _code_lines(path: Path, tree: ast.Module) -> set[int]:
    with open(path, encoding="utf-8") as source:
        tokens = [token for token in tokenize.generate_tokens(source.readline) if token.type not in _NO_CODE]
    lines = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return lines


def _many_parameters(function: Function) -> bool:
    given = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    return len([each for each in given if each.arg not in ("self", "cls")]) > 6


def test_functions_have_at_most_six_parameters() -> None:
    """More than six parameters are a value that has no name yet."""
    judged = [(path, node) for path, node in _functions() if path != PUBLIC_API]
    assert [_where(path, node.lineno) for path, node in judged if _many_parameters(node)] == []


def _is_broad(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {kind.id for kind in kinds if isinstance(kind, ast.Name)}
    return None in kinds or bool(names & {"Exception", "BaseException"})


def _reraises(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None


def test_broad_handlers_stand_in_three_places() -> None:
    """Only the command line, the checks and the daemon's loop catch everything; cleaning up and raising on is free."""
    found = {
        _where(path)
        for path, tree in _trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and _is_broad(node) and not _reraises(node)
    }
    assert found <= BROAD_HANDLERS


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _is_left_out(node: ast.AST) -> bool:
    probes = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "hasattr"
    stub = isinstance(node, ast.Raise) and node.exc is not None and "NotImplementedError" in _names(node.exc)
    return probes or stub


def test_nothing_probes_or_is_left_out() -> None:
    """No `hasattr`, no stub."""
    found = [
        _where(path, node.lineno)
        for path, tree in _trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call | ast.Raise) and _is_left_out(node)
    ]
    assert found == []


def test_modules_say_what_they_are() -> None:
    """Every module but an empty one opens with a docstring whose first line is a sentence."""
    bare = [_where(path) for path, tree in _trees().items() if tree.body and not ast.get_docstring(tree)]
    assert bare == []


def test_package_inits_are_empty() -> None:
    """Callers import the module; only the top package exports something."""
    inits = [path for path in _trees() if path.name == "__init__.py" and path.parent != PACKAGE]
    assert [_where(path) for path in inits if path.stat().st_size] == []


def _sources() -> list[Path]:
    folders = ("githarness", "tests", "docs", "bench", "hooks", "schemas", "policies", "templates", "changes",
               ".github")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    files += [path for path in ROOT.iterdir() if path.is_file() and path.suffix in (".md", ".toml", ".yaml", "")]
    # What the gates are to find stands there on purpose.
    shown = {EXAMPLES, ROOT / "docs" / "gates.md", PACKAGE / "skills" / "gates" / "gh040.py"}
    return [path for path in files if "__pycache__" not in path.parts and path.name != ".git"
            and not shown & {path, *path.parents}]


FORBIDDEN = {
    "an emoji or dingbat": "[\u2600-\u27bf\U0001f300-\U0001faff]",
    "a path of one machine": r"(?<![\w.])/(?:wo" r"rk|ro" r"ot|home/\w+)/\w",
    "a note to come back": r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b",
    "a mock": r"^\s*(?:from|import) unittest\b",
    "a banner": r"^\s*#\s*[-=#*]{5,}",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_source_holds(what: str) -> None:
    """Emoji, banners, mocks, notes and paths of the author's machine stay out of every file."""
    pattern = re.compile(FORBIDDEN[what], re.MULTILINE)
    found = [_where(path) for path in _sources() if pattern.search(path.read_text(encoding="utf-8", errors="replace"))]
    assert found == []


def _quoted_messages() -> list[tuple[str, str]]:
    """First arguments of `raise SomeError("…")` as source text, with their place."""
    found = []
    for path, tree in _trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                first = node.exc.args[0]
                parts = first.values if isinstance(first, ast.JoinedStr) else [first]
                text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
                found.append((_where(path, node.lineno), text))
    return found


def test_messages_are_lower_case_without_a_full_stop() -> None:
    """The house's grammar of errors, as far as a test can see it."""
    wrong = [where for where, text in _quoted_messages() if re.match(r"[A-Z][a-z]", text) or text.endswith((".", "!"))]
    assert wrong == []
