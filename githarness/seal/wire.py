"""SSH's wire form (RFC 4251 §5): `string` is a four-byte big-endian length and bytes, `uint32` four bytes."""

from __future__ import annotations

from githarness.errors import Integrity


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def mpint(number: int) -> bytes:
    """A positive number; a zero byte leads where the first bit would read as a sign."""
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big") if number else b"")


class Reader:
    """Reads a message from its start; whatever is cut short, left over or oversized is Integrity."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._at = 0
        self._what = what

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise Integrity(f"{self._what} is cut short")
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def byte(self) -> int:
        return self.take(1)[0]

    def uint32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        return self.take(self.uint32())

    def mpint(self) -> int:
        """A number greater than zero in its shortest form."""
        data = self.string()
        number = int.from_bytes(data, "big")
        if mpint(number) != string(data) or not number:
            raise Integrity(f"{self._what} has a number that is not in its shortest form")
        return number

    def end(self) -> None:
        if self._at != len(self._data):
            raise Integrity(f"{self._what} has data after its end")
