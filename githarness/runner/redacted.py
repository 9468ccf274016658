"""What a child prints comes out without secrets, and at a terminal it still has a terminal.

    our stdout is a terminal:   the child has a pty of its own, which is ours in size, settings and keys
    else:                       pipes, stdout and stderr apart; stdin is ours

A thread for each stream redacts it. On a pty Control-C is the child's; Control-Z stops the child and us where the child
would be stopped by it: the kernel stops no process for a key whose parent is in another session, so we do. A program
that takes that key itself, as editors do, stays.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import termios
import threading
import tty
from collections.abc import Iterator, Sequence
from typing import Self

from githarness.vault.redact import Patterns, Redactor

_IDLE = 50  # milliseconds without output after which a prompt may be shown
_LAST_WORDS = 5.0  # seconds for what is on its way when the tree has ended
_STDIN, _STDOUT, _STDERR = 0, 1, 2
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


class Screen:
    """The streams for one job; `started` is told the child's process id, leaving waits for what it printed."""

    def __init__(self, secrets: Sequence[tuple[str, bytes]], stdout: int = _STDOUT) -> None:
        """`stdout`: where the child's goes, 2 where ours carries a document."""
        self._patterns = Patterns(secrets)
        self._sinks = (stdout, _STDERR)
        self._threads: list[threading.Thread] = []
        self._pumps: list[tuple[int, int]] = []  # source, sink
        self._childs: set[int] = set()  # our copies of the child's ends
        self._keys: _Keys | None = None
        self.terminal = os.isatty(stdout)
        self.pid = 0
        self.streams: tuple[int | None, int, int] = (None, stdout, _STDERR)

    def __enter__(self) -> Self:
        slave = None
        if self.terminal:
            master, slave = os.openpty()
            _copy_terminal(self._sinks[0], slave)
            self._pumps.append((master, self._sinks[0]))
            self._keys = _Keys(self, master, self._sinks[0])
        out, err = (slave if slave is not None and os.isatty(sink) else self._pipe(sink) for sink in self._sinks)
        self.streams = (slave if os.isatty(_STDIN) else None, out, err)
        self._childs |= {out, err}
        return self

    def __exit__(self, *_: object) -> None:
        self._close_childs()
        if not self.pid:
            for source, _sink in self._pumps:
                os.close(source)
        for thread in self._threads:
            thread.join(_LAST_WORDS)
        if self._keys:
            self._keys.end()

    def started(self, pid: int) -> None:
        self.pid = pid
        self._close_childs()
        if self._keys:
            self._keys.begin()  # before anything is shown: from here on our terminal changes nothing of it
        for descriptor, sink in self._pumps:
            thread = threading.Thread(target=_pump, args=(descriptor, sink, Redactor(self._patterns)), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _pipe(self, sink: int) -> int:
        source, end = os.pipe()
        self._pumps.append((source, sink))
        return end

    def _close_childs(self) -> None:
        for end in self._childs:
            os.close(end)
        self._childs.clear()

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Hands on to the child what we are told; those ignored stay ignored.

        Without a pty the keys of a terminal reach the child as they reach us.
        """
        told = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]

        def hand_on(number: int, _: object) -> None:
            keyed = number in (signal.SIGINT, signal.SIGQUIT) and not self.terminal and os.isatty(_STDIN)
            if self.pid and not keyed:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, number)

        before = {number: signal.signal(number, hand_on) for number in told}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _pump(source: int, sink: int, redactor: Redactor) -> None:
    """Until the stream ends or nobody reads it; then the child's next word meets a closed pipe."""
    poll = select.poll()
    poll.register(source, select.POLLIN)
    waiting = False
    with contextlib.suppress(OSError):
        while True:
            if waiting and not poll.poll(_IDLE):
                _write(sink, redactor.idle())
                waiting = False
                continue
            data = _read(source)
            if not data:
                break
            _write(sink, redactor.feed(data))
            waiting = redactor.holds
        _write(sink, redactor.close())
    os.close(source)


def _read(source: int) -> bytes:
    """Empty at the end, which a pty tells as an error."""
    try:
        return os.read(source, 65536)
    except OSError:
        return b""


def _write(sink: int, data: bytes) -> None:
    """Also to what somebody made non-blocking."""
    while data:
        try:
            data = data[os.write(sink, data) :]
        except BlockingIOError:
            select.select([], [sink], [])


def _copy_terminal(ours: int, childs: int) -> None:
    termios.tcsetattr(childs, termios.TCSANOW, termios.tcgetattr(ours))
    _copy_size(ours, childs)


def _copy_size(ours: int, childs: int) -> None:
    size = fcntl.ioctl(ours, termios.TIOCGWINSZ, bytes(8))
    fcntl.ioctl(childs, termios.TIOCSWINSZ, size)


class _Keys:
    """Our terminal's keys and size, handed on to the child's pty."""

    def __init__(self, screen: Screen, master: int, shown: int) -> None:
        self._screen = screen
        self._shown = shown  # our terminal; where stdout carries a document, that is stderr
        self._master = os.dup(master)
        self._wake = os.pipe()
        self._thread = threading.Thread(target=self._hand_on, daemon=True)
        self._typed = os.isatty(_STDIN)
        self._before = termios.tcgetattr(_STDIN) if self._typed else None
        self._resized = signal.getsignal(signal.SIGWINCH)

    def begin(self) -> None:
        signal.signal(signal.SIGWINCH, lambda *_: _copy_size(self._shown, self._master))
        if self._typed:
            tty.setraw(_STDIN, termios.TCSADRAIN)
            self._thread.start()

    def end(self) -> None:
        """The terminal is as it was; what was typed and not taken is left to who reads next."""
        if self._thread.is_alive():
            os.write(self._wake[1], b"x")
            self._thread.join(_LAST_WORDS)
        if self._before and self._screen.pid:
            termios.tcsetattr(_STDIN, termios.TCSADRAIN, self._before)
            signal.signal(signal.SIGWINCH, self._resized)
        for descriptor in (self._master, *self._wake):
            os.close(descriptor)

    def _hand_on(self) -> None:
        poll = select.poll()
        for descriptor in (_STDIN, self._wake[0]):
            poll.register(descriptor, select.POLLIN)
        with contextlib.suppress(OSError):
            while all(descriptor == _STDIN for descriptor, _ in poll.poll()):
                data = os.read(_STDIN, 4096)
                if not data:
                    break
                self._type(data)

    def _type(self, data: bytes) -> None:
        stop = termios.tcgetattr(self._master)[6][termios.VSUSP]
        before, key, after = data.partition(stop) if self._stops() else (data, b"", b"")
        _write(self._master, before)
        if key:
            self._stop()
            self._type(after)

    def _stops(self) -> bool:
        """Whether the key would stop the child, if it were of our session."""
        flags = termios.tcgetattr(self._master)[3]
        if not flags & termios.ISIG or os.tcgetpgrp(self._master) != self._screen.pid:
            return False
        with open(f"/proc/{self._screen.pid}/status", encoding="ascii", errors="replace") as file:
            masks = [int(line.split()[1], 16) for line in file if line.startswith(("SigIgn", "SigCgt"))]
        return not any(mask >> (signal.SIGTSTP - 1) & 1 for mask in masks)

    def _stop(self) -> None:
        """Stops the child and us; goes on when the shell brings us back to the foreground."""
        assert self._before is not None
        os.killpg(self._screen.pid, signal.SIGSTOP)
        termios.tcsetattr(_STDIN, termios.TCSADRAIN, self._before)
        os.kill(os.getpid(), signal.SIGSTOP)
        tty.setraw(_STDIN, termios.TCSADRAIN)
        _copy_size(_STDIN, self._master)
        os.killpg(self._screen.pid, signal.SIGCONT)
