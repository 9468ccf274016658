"""Findings as text, GitHub annotations, JSON, JUnit and SARIF 2.1.0 (OASIS sarif-v2.1.0, sections 3.13 to 3.30).

All of it is safe to print: what a skill says cannot drive the terminal or end an annotation's line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from urllib.parse import quote

from githarness.canon import Json, printable
from githarness.skills.model import Finding, Gate

_LEVELS: dict[str, Json] = {"error": "error", "warning": "warning", "info": "note"}


def counts(findings: Sequence[Finding]) -> str:
    """`1 error, 2 warnings`."""
    errors, warnings = (sum(each.severity == severity for each in findings) for severity in ("error", "warning"))
    return f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"


def text(finding: Finding) -> str:
    """`path:line: GATE severity: message`, the line that it is about, and a hint."""
    lines = [f"{finding.path}:{finding.line}: {finding.gate} {finding.severity}: {finding.message}"]
    lines += [f"    {finding.snippet[:100]}"] if finding.snippet not in ("", "---") else []  # a fence shows nothing
    lines += [f"    hint: {finding.fix}"] if finding.fix else []
    return "\n".join(printable(line.replace("\n", "\\n")) for line in lines)


def github(finding: Finding) -> str:
    """A workflow command: https://docs.github.com/actions/reference/workflow-commands-for-github-actions."""
    kind = "notice" if finding.severity == "info" else finding.severity
    place = f"file={_property(finding.path)},line={finding.line},title={finding.gate}"
    hint = f"\nhint: {finding.fix}" if finding.fix else ""
    return f"::{kind} {place}::{_message(printable(finding.message + hint))}"


def item(finding: Finding) -> dict[str, Json]:
    return {"path": finding.path, "line": finding.line, "gate": finding.gate, "severity": finding.severity,
            "message": finding.message, "fix": finding.fix, "snippet": finding.snippet,
            "fingerprint": finding.fingerprint}


def junit(findings: Sequence[Finding], passed: Iterable[str]) -> str:
    """The XML that CI servers show as tests: a failure for each error, a skipped test for what is less, and one that
    passes for each path of `passed`. Form: https://github.com/testmoapp/junitxml, in UTF-8."""
    cases = [f'<testcase classname="{_xml(one.path)}" name="{one.gate} line {one.line}" file="{_xml(one.path)}" '
             f'line="{one.line}">{_outcome(one)}</testcase>' for one in findings]
    cases += [f'<testcase classname="{_xml(path)}" name="every gate" file="{_xml(path)}"/>' for path in passed]
    failed = sum(one.severity == "error" for one in findings)
    head = f'tests="{len(cases)}" failures="{failed}" errors="0" skipped="{len(findings) - failed}"'
    return "\n".join((f'<testsuite name="githarness" {head}>', *cases, "</testsuite>"))


def _outcome(finding: Finding) -> str:
    said = f'type="{finding.severity}" message="{_xml(finding.message)}"'
    return f"<failure {said}>{_xml(text(finding))}</failure>" if finding.severity == "error" else f"<skipped {said}/>"


def _xml(text: str) -> str:
    """Characters that XML 1.0 has not, also of a file name that is no UTF-8, as their escapes; fit for an attribute."""
    plain = printable(text).encode("utf-8", "backslashreplace").decode().translate({65534: "?", 65535: "?"})
    for mark, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("\n", "&#10;")):
        plain = plain.replace(mark, name)
    return plain


def sarif(findings: Iterable[Finding], gates: Sequence[Gate], *, title: Callable[[Gate], str],
          explanation: Callable[[Gate], str], version: str) -> dict[str, Json]:
    """`title`: what a gate is about, in one sentence; `explanation`: why, for code scanning to show beside it."""
    rules: list[Json] = [{
        "id": gate.id, "shortDescription": {"text": title(gate)}, "help": {"text": explanation(gate)},
        "defaultConfiguration": {"level": _LEVELS[gate.severity]}} for gate in gates]
    results: list[Json] = [_result(finding) for finding in findings]
    driver: Json = {"name": "githarness", "semanticVersion": version, "rules": rules}
    return {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
            "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}]}


def _result(finding: Finding) -> Json:
    hint = f" Hint: {finding.fix}." if finding.fix else ""
    region: Json = {"startLine": finding.line, "snippet": {"text": finding.snippet}}
    where: Json = {"artifactLocation": {"uri": quote(finding.path, errors="surrogateescape"),
                                        "uriBaseId": "%SRCROOT%"}, "region": region}
    return {"ruleId": finding.gate, "level": _LEVELS[finding.severity], "message": {"text": finding.message + hint},
            "locations": [{"physicalLocation": where}], "partialFingerprints": {"githarness/v1": finding.fingerprint}}


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(printable(text)).replace(":", "%3A").replace(",", "%2C")
