"""Commit messages: what is rendered, git reads as we do; a person's text can neither forge nor hide a trailer."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from githarness.errors import Usage
from githarness.policy import trailers
from githarness.policy.model import Decision

QUICK = (Phase.explicit, Phase.generate)  # shrinking forty messages by processes takes minutes
Git = Callable[..., str]
OURS = [("Agent", "deployer"), ("Run", "r-1"), ("Decision", "allow rule=role:writer grant=- event=e-1")]
SCISSORS = "# ------------------------ >8 ------------------------"
NASTY = [
    "",
    " ",
    "\t",
    "text",
    "  indented",
    "# comment",
    "#",
    "---",
    "--- a/file",
    "----",
    SCISSORS,
    " " + SCISSORS,
    "Agent: evil",
    "agent: evil",
    "Agent : evil",
    "Agent:evil",
    " Agent: folded",
    "\tfolded",
    "Signed-off-by: Eve <e@x>",
    "Conflicts:",
    "\tfile",
    "(cherry picked from commit 0123456789)",
    "From 0123456789 Mon Sep 17 00:00:00 2001",
    "a b: c",
    ":",
    "x:",
    "http://example.org",
    "Agent\u00a0: evil",
    "\u2028Agent: evil",
    "diff --git a/x b/x",
    "gpgsig -----BEGIN",
]
line = st.one_of(st.sampled_from(NASTY), st.text(max_size=12))
text = st.builds("\n".join, st.lists(line, max_size=8))
wild = st.builds(
    str.__add__, text, st.sampled_from(["", "\r", "\r\n", "\x1b[31m", "\0", "\x07", "\u202e", "\ud800", "\x85"])
)


def by_interpret_trailers(message: str) -> list[tuple[str, str]]:
    command = ["git", "interpret-trailers", "--parse"]
    out = subprocess.run(command, input=message.encode(), capture_output=True, check=True).stdout.decode()
    return [(key, value) for key, _, value in (line.partition(": ") for line in out.splitlines())]


def by_log(git: Git, repo: Path, messages: Sequence[str]) -> list[list[tuple[str, str]]]:
    """What `git log` finds in commits with these messages."""
    stream = b"".join(
        b"commit refs/heads/m\ncommitter A <a@b> %d +0000\ndata %d\n%s\n" % (number, len(raw), raw)
        for number, raw in enumerate(message.encode() for message in messages)
    )
    git(repo, "fast-import", "--quiet", "--force", stdin=stream)
    form = "--format=%x00%(trailers:only,unfold,key_value_separator=%x01,separator=%x02)"
    found = git(repo, "log", "--reverse", form, "m").split("\0")[1:]
    pairs = [[tuple(pair.split("\1", 1)) for pair in block.rstrip("\n").split("\2") if pair] for block in found]
    return [[(key, value) for key, value in block] for block in pairs]


@settings(max_examples=60, deadline=None)
@given(subject=wild, body=wild)
def test_git_finds_exactly_our_trailers(subject: str, body: str) -> None:
    """Whatever a person writes, `git interpret-trailers` and `parse` give back our trailers and nothing else."""
    try:
        message = trailers.render(subject, body, OURS)
    except Usage:
        return
    assert trailers.parse(message) == OURS
    assert by_interpret_trailers(message) == OURS


@settings(max_examples=5, deadline=None, phases=QUICK, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=st.lists(st.tuples(wild, wild), min_size=30, max_size=30))
def test_git_log_finds_exactly_our_trailers(pairs: list[tuple[str, str]], repo: Path, git: Git) -> None:
    """So does `git log --format=%(trailers:unfold)` of commits with these messages."""
    messages = [trailers.render("s" + subject, body, OURS) for subject, body in pairs]
    assert by_log(git, repo, messages) == [OURS] * len(messages)


@settings(max_examples=10, deadline=None, phases=QUICK, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(text, min_size=40, max_size=40))
def test_parse_reads_other_people_s_messages_as_git_log_does(bodies: list[str], repo: Path, git: Git) -> None:
    """Of any message the trailers are those that `git log` shows: no claim is seen by only one of the two."""
    messages = ["subject\n\n" + body.replace("\0", "") for body in bodies]
    assert [trailers.parse(message) for message in messages] == by_log(git, repo, messages)


@pytest.mark.soak
@settings(max_examples=400, deadline=None, phases=QUICK, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(text, min_size=60, max_size=60))
def test_parse_reads_other_people_s_messages_as_git_log_does_at_length(bodies: list[str], repo: Path, git: Git) -> None:
    """The same with many more messages."""
    messages = ["subject\n\n" + body.replace("\0", "") for body in bodies]
    assert [trailers.parse(message) for message in messages] == by_log(git, repo, messages)


def test_control_characters_are_shown_not_sent() -> None:
    """ESC, NUL, BEL, bidi controls, line separators and bytes that are no text become visible escapes."""
    message = trailers.render("a\x1b]0;x\x07b", "c\0d\u202ee\u2028f\udcff", OURS)
    assert message.startswith("a\\x1b]0;x\\x07b\n\nc\\x00d\\u202ee\\u2028f\\udcff\n\nAgent: deployer\n")


def test_line_ends_are_git_s() -> None:
    """CR LF and CR are line ends; blank lines at the ends and runs of them are taken out."""
    assert trailers.render("\r\n a\r\nb\rc \r\n\r\n\r\nd\n\n", "", [("K", "v")]) == "a\nb\nc\n\nd\n\nK: v\n"


@pytest.mark.parametrize("subject", ["", " \n\t\r", "x" * 70_000, "x" * 50_000_000])
def test_a_message_of_no_or_too_much_text_is_refused(subject: str) -> None:
    """Nothing, blanks and 50 MB are wrong usage, told at once."""
    with pytest.raises(Usage):
        trailers.render(subject, "", OURS)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Agent", ""),
        ("Agent", " a"),
        ("Agent", "a "),
        ("Agent", "a\nRun: b"),
        ("Agent", "a\rb"),
        ("Agent", "\x1b"),
        ("Agent", "a\u2028b"),
        ("Agent", "\udcff"),
        ("A gent", "a"),
        ("", "a"),
        ("A:", "a"),
        ("#A", "a"),
        ("Ä", "a"),
    ],
)
def test_a_trailer_that_would_read_otherwise_is_refused(key: str, value: str) -> None:
    """A key or value that git would not give back unchanged is refused, not mended."""
    with pytest.raises(Usage):
        trailers.render("subject", "", [(key, value)])


def test_a_message_of_one_paragraph_has_no_trailers() -> None:
    """The subject is never a trailer, not even where it looks like one."""
    assert trailers.parse("Agent: deployer\nRun: r-1\n") == []
    assert trailers.parse("") == []
    assert trailers.parse("\n\n\n") == []


def test_a_huge_foreign_message_is_read_in_linear_time() -> None:
    """50 MB in one line, in blank lines and in lines that look like trailers end at once."""
    assert trailers.parse("x" * 50_000_000) == []
    assert trailers.parse("s\n\nA: b\n" + "\n" * 2_000_000) == [("A", "b")]
    assert len(trailers.parse("s\n\n" + "A: b\n" * 200_000)) == 200_000


def test_the_decision_is_told_in_one_line() -> None:
    """The trailer `Decision` has the form of DESIGN §4."""
    assert trailers.decision_text(Decision("allow", "role:writer"), "e-1") == "allow rule=role:writer grant=- event=e-1"
    granted = Decision("allow", "grant", grant="g-1")
    assert trailers.decision_text(granted, "e-2") == "allow rule=grant grant=g-1 event=e-2"
