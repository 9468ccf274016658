"""Who comes in: accepts connections, and survives running out of descriptors."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket

_AT_ONCE = 64
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Door:
    def __init__(self, listener: socket.socket, selector: selectors.BaseSelector) -> None:
        self._listener = listener
        self._selector = selector
        self._spare: int | None = None
        self._watched = False
        self.turned_away = 0
        self.open()

    def open(self) -> None:
        """Listens, again after running out of descriptors where one is to be had now."""
        if self._spare is None:
            with contextlib.suppress(OSError):
                self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        if self._spare is not None and not self._watched:
            self._selector.register(self._listener, selectors.EVENT_READ, self)
            self._watched = True

    def shut(self) -> None:
        if self._watched:
            self._selector.unregister(self._listener)
            self._watched = False

    def close(self) -> None:
        self.shut()
        self._listener.close()
        if self._spare is not None:
            os.close(self._spare)

    def arrivals(self) -> list[socket.socket]:
        found: list[socket.socket] = []
        while len(found) < _AT_ONCE:
            try:
                found.append(self._listener.accept()[0])
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno in _FULL:
                    self._shed()
                break
        return found

    def _shed(self) -> None:
        """Spends the spare descriptor on hanging up on one client, who then works by itself.

        Without a spare the listener is not watched until the next `open`: readable for ever, it would spin.
        """
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
            with contextlib.suppress(OSError):
                self._listener.accept()[0].close()
                self.turned_away += 1
        self.shut()
        self.open()
