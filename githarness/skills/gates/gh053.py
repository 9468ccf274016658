"""destructive and privileged commands are named as such

Why: an agent runs what the skill shows it. `rm -rf "$DIR"/`, `git push --force`, a switched-off firewall or permission
prompt cannot be taken back by a later instruction.

A warning where it stands in code; information where prose mentions it, or where the line, the one before it or its
heading warns of it. Each kind is reported once, at its first place as an instruction. `rm -rf` of a relative path
without variables, and `--force-with-lease`, are not reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from githarness.skills import markdown
from githarness.skills.document import Document
from githarness.skills.model import EVERY, Found, Gate, Place

# A text that must occur, a pattern (both for lower case), what it is.
_COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("sudo", r"sudo[ \t]{1,4}(?!-l\b)[\w./-]{1,40}", "runs as root"),
    ("rm ", r"rm[ \t]{1,4}-(?:rf|fr|r[ \t]{1,4}-f|f[ \t]{1,4}-r)[a-z]{0,4}[ \t]{1,4}[\"']?"
     r"(?:/(?!tmp/\w)|~|\$(?!\{?\w{0,20}te?mp)|\*|\.\.|\.(?![\w/]))[^\s\"'`;|&)]{0,40}", "deletes trees"),
    ("git push", r"git push\b[^\n|;&`]{0,80}[ \t](?:--force(?!-)|-f\b|--mirror\b)", "overwrites what others pushed"),
    ("reset --hard", r"git[ \t]{1,4}reset[ \t]{1,4}--hard\b", "throws work away"),
    ("git clean", r"git[ \t]{1,4}clean[ \t]{1,4}-\w{0,4}f", "throws work away"),
    ("--no-verify", r"git\b[^\n`]{0,80}--no-verify\b", "passes by the hooks"),
    ("--dangerously", r"--dangerously-[a-z-]{3,60}", "switches permission prompts off"),
    ("bypasspermissions", r"bypasspermissions\b", "switches permission prompts off"),
    ("danger-full-access", r"danger-full-access\b", "switches the sandbox off"),
    ("--yolo", r"--yolo\b", "switches permission prompts off"),
    ("777", r"chmod[ \t]{1,4}(?:-r[ \t]{1,4})?0?777\b", "opens files to everybody"),
    ("mkfs", r"mkfs(?:\.\w{2,5})?[ \t]{1,4}\S", "formats a disk"),
    ("of=/dev/", r"dd\b[^\n]{0,80}\bof=/dev/(?!null\b)", "writes to a device"),
    ("drop ", r"drop[ \t]{1,4}(?:table|database|schema)\b", "drops tables"),
    ("setenforce", r"setenforce[ \t]{1,4}0\b", "switches a protection off"),
    ("csrutil", r"csrutil[ \t]{1,4}disable\b", "switches a protection off"),
    ("spctl", r"spctl[ \t]{1,4}--(?:master|global)-disable\b", "switches a protection off"),
    ("quarantine", r"xattr\b[^\n]{0,60}com\.apple\.quarantine", "switches a protection off"),
    ("executionpolicy", r"executionpolicy[ \t]{1,4}(?:bypass|unrestricted)\b", "switches a protection off"),
    ("ufw", r"ufw[ \t]{1,4}disable\b", "switches the firewall off"),
    ("iptables", r"iptables[ \t]{1,4}-f\b", "switches the firewall off"),
)


def check(doc: Document, place: Place) -> Iterator[Found]:
    said: dict[str, Found] = {}
    for word, pattern, what in _COMMANDS:
        for match in re.finditer(pattern, doc.lower) if word in doc.lower else ():
            mild = _mild(doc, match.start())
            if what not in said or (said[what].severity and not mild):
                said[what] = Found(doc.line_at(match.start()), f"{what}: '{match[0][:80]}'",
                                   "ask a person before it, or name a way back", "info" if mild else None)
            if not mild:
                break
    yield from said.values()


def _mild(doc: Document, offset: int) -> bool:
    in_code = offset >= doc.front.end and doc.prose[offset] == " "
    return not in_code or markdown.warns(doc.text, offset)


GATE = Gate("GH053", "warning", check, kinds=EVERY, triggers=tuple(word for word, _, _ in _COMMANDS))
