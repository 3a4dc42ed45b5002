"""Which commands the configuration lets through: regular expressions on what a person would type."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence

import attrs

from massgen_core.api import CommandRefused, MassGenError

__all__ = ["Patterns", "texts"]

_SHELLS = frozenset({"ash", "bash", "dash", "ksh", "sh", "zsh"})


def texts(argv: Sequence[str]) -> tuple[str, ...]:
    """Return a command as texts to match: what a shell is given to run, where it is a shell; its words; its words with the program's bare name."""
    words = shlex.join(argv)
    named = shlex.join((os.path.basename(argv[0]), *argv[1:]))
    script = next((argv[at + 1] for at, word in enumerate(argv[:-1]) if at and re.fullmatch(r"-[a-z]*c", word)), None)
    if os.path.basename(argv[0]) in _SHELLS and script is not None:
        return script.strip(), words, named
    return words, named


def _compiled(option: str, patterns: Sequence[str]) -> tuple[re.Pattern[str], ...]:
    found = []
    for number, pattern in enumerate(patterns):
        try:
            found.append(re.compile(pattern))
        except re.error as error:
            raise MassGenError(f"executor local: {option}[{number}] is no regular expression: {pattern!r}: {error}") from None
    return tuple(found)


def _allowed(patterns: Sequence[str]) -> tuple[re.Pattern[str], ...]:
    return _compiled("allowed_commands", patterns)


def _blocked(patterns: Sequence[str]) -> tuple[re.Pattern[str], ...]:
    return _compiled("blocked_commands", patterns)


@attrs.frozen
class Patterns:
    """Lets commands through or refuses them. It keeps honest programs on their way; the walls are what protects.

    Args:
        allowed: As `re.match` takes them; empty: everything.
        blocked: As `re.match` takes them.
    """

    allowed: tuple[re.Pattern[str], ...] = attrs.field(converter=_allowed)
    blocked: tuple[re.Pattern[str], ...] = attrs.field(converter=_blocked)

    def check(self, argv: Sequence[str]) -> None:
        """Let a command pass.

        Raises:
            CommandRefused: A blocked pattern matches one of its texts, or no allowed one matches.
        """
        if not self.allowed and not self.blocked:
            return
        found = texts(argv)
        shown = found[0] if len(found[0]) < 200 else found[0][:200] + "..."
        for pattern in self.blocked:
            if any(pattern.match(text) for text in found):
                raise CommandRefused(f"the command {shown!r} is blocked by the pattern {pattern.pattern!r} of blocked_commands")
        # A shell's script alone decides there: that a shell may run says nothing of what it runs.
        mine = found[:1] if len(found) == 3 else found
        if self.allowed and not any(pattern.match(text) for pattern in self.allowed for text in mine):
            known = ", ".join(repr(pattern.pattern) for pattern in self.allowed)
            raise CommandRefused(f"the command {shown!r} matches no pattern of allowed_commands: {known}")
