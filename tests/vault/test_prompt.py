"""At a terminal: passphrases and values are asked for, and what is typed shows nowhere."""

from __future__ import annotations

import contextlib
import os
import pty
import sys
from pathlib import Path

from githarness.vault import keyslots
from tests.vault.safe import Safe

PHRASE, VALUE = "correct horse battery", "typed-value-1234"


def asked(*args: str, cwd: Path, answers: list[str]) -> tuple[int, str]:
    """Each answer is typed once a question stands there; the exit code and all that the terminal shows."""
    command = [sys.executable, "-m", "githarness", *args]
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execv(command[0], command)
    shown, questions = b"", 0
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while part := os.read(master, 65536):
            shown += part
            if answers and shown.endswith(b": ") and shown.count(b": ") > questions:
                questions = shown.count(b": ")
                os.write(master, answers.pop(0).encode() + b"\n")
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def test_a_person_is_asked_and_nothing_typed_is_shown(fleet: Path) -> None:
    """Twice for a new passphrase, then for passphrase and value."""
    code, made = asked("vault", "init", cwd=fleet, answers=[PHRASE, PHRASE])
    assert code == 0, made
    code, kept = asked("vault", "set", "a", cwd=fleet, answers=[PHRASE, VALUE])
    assert code == 0, kept
    assert PHRASE not in made + kept and VALUE not in kept
    safe = Safe(fleet)
    assert [slot.kind for slot in keyslots.load(safe.place).slots] == ["passphrase"]
    keks = keyslots.unlock(safe.place, [keyslots.Offer("passphrase", PHRASE.encode())])
    assert safe.header("a").kek in keks


def test_a_wrong_passphrase_leaves_it_locked(fleet: Path) -> None:
    """Exit 15; without a terminal nobody waits for one."""
    asked("vault", "init", cwd=fleet, answers=[PHRASE, PHRASE])
    code, shown = asked("vault", "set", "a", cwd=fleet, answers=["wrong horse battery", VALUE])
    assert code == 15 and "wrong horse" not in shown, shown
    assert "this passphrase does not open the vault" in shown and "repeat the command" in shown


def test_two_passphrases_that_differ_make_nothing(fleet: Path) -> None:
    """No vault, no keys."""
    code, shown = asked("vault", "init", cwd=fleet, answers=[PHRASE, PHRASE + "!"])
    assert code == 18 and "differ" in shown
    assert "vault" not in [path.name for path in (fleet / ".githarness").iterdir()]
