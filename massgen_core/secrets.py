"""Secrets: a value that does not show itself, and the removal of known values from text."""

from __future__ import annotations

import json
from collections.abc import Iterable

__all__ = ["Redactor", "Secret"]


class Secret:
    """A value that appears as stars wherever it is printed, formatted or logged."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value; call it where it is sent, and nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Secret cannot be pickled")


class Redactor:
    """Removes known secret values from text.

    Values shorter than 6 characters are left alone: they would tear ordinary words apart.
    """

    def __init__(self) -> None:
        self._values: tuple[str, ...] = ()
        self._escaped: tuple[bytes, ...] = ()

    def add(self, secrets: Iterable[Secret]) -> None:
        """Learn values."""
        values = {secret.reveal() for secret in secrets if len(secret.reveal()) >= 6}
        # Longest first, so that a value that contains another is removed whole.
        self._values = tuple(sorted({*self._values, *values}, key=len, reverse=True))
        self._escaped = tuple(json.dumps(value, ensure_ascii=False)[1:-1].encode() for value in self._values)

    def __call__(self, text: str) -> str:
        """Return `text` with each known value replaced by stars."""
        for value in self._values:
            if value in text:
                text = text.replace(value, "***")
        return text

    def line(self, line: bytes) -> bytes:
        """Return a line of JSON with each known value replaced by stars."""
        for value in self._escaped:
            if value in line:
                line = line.replace(value, b"***")
        return line
