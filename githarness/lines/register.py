"""One attribute of a file through its history (mode, name, whether it is there, a binary file's content): each change
of it belongs to a step, and what holds is what the last step that stands has set."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Generic, TypeVar

from githarness.lines.history import History

Value = TypeVar("Value")


class Register(Generic[Value]):
    def __init__(self, history: History, base: Value, values: Sequence[Value]) -> None:
        """`values`: the attribute after each step. A step has set it where it does not follow from the others."""
        self._history = history
        self._base = base
        self._sets: list[tuple[int, Value]] = []
        for step, value in enumerate(values):
            if (step == 0 or value != values[step - 1] or not history.simple) and (
                    self._at(step, history.off(step)) != value):
                self._sets.append((step, value))

    def without(self, selected: Collection[int]) -> Value:
        """The value at head, were `selected` undone."""
        return self._at(self._history.head, self._history.off(self._history.head, selected))

    def _at(self, step: int, off: Collection[int]) -> Value:
        for setter, value in reversed(self._sets):
            if setter not in off and self._history.sees(step, setter):
                return value
        return self._base
