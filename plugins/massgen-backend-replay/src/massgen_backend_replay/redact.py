"""Removing secrets from what is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Cleaner"]

STARS = "***"

# What keys look like, by their issuers' own descriptions. Long runs only: answers are full of short words that merely begin alike.
_KEYS = re.compile(
    r"""
    (?<![A-Za-z0-9])(?:
        (?:sk|pk|rk|xai|gsk|nvapi|pplx)[-_][A-Za-z0-9_-]{16,}   # OpenAI, Anthropic, Stripe, xAI, Groq, ...
      | gh[oprsu]_[A-Za-z0-9]{20,} | github_pat_[A-Za-z0-9_]{20,} | glpat-[A-Za-z0-9_-]{16,}
      | hf_[A-Za-z0-9]{20,} | AIza[A-Za-z0-9_-]{30,} | A(?:KIA|SIA)[A-Z0-9]{16} | xox[abeprs]-[A-Za-z0-9-]{10,}
      | eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}
    )
    """,
    re.VERBOSE,
)
# "Bearer ..." and "..._KEY = ...": the value has a digit, so that prose ("the bearer of news", "token: identifier") stays.
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+(?=[A-Za-z._~+/=-]*[0-9])[A-Za-z0-9._~+/=-]{12,}")
_ASSIGNED = re.compile(
    r"""(?i)((?:api[_-]?key|access[_-]?key|secret|token|password|passwd)(?:\\?["'])?\s*[:=]\s*(?:\\?["'])?)"""
    r"(?=[A-Za-z_\-./+=]*[0-9])[A-Za-z0-9_\-./+=]{12,}"
)
_ADDRESS = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@\"'\\]*:)[^\s/@\"'\\]+(?=@)")
_HEADER = re.compile(
    r"(?i)(?:proxy-)?authorization|(?:set-)?cookie|(?:x-)?(?:goog-)?api[-_]?key"
    r"|(?:(?:access|auth|refresh|id)[-_]?)?token|(?:client[-_]?)?secret|password"
)


class Cleaner:
    """Replaces secrets by stars: known values, what looks like a key, and values of keys that are named like a header that holds one.

    Cleaning what is clean changes nothing.

    Args:
        known: Replaces known values, as `Context.redact` does.
    """

    def __init__(self, known: Callable[[str], str] = str) -> None:
        self._known = known

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        # Where one secret has gone, another may come to light beside it; each round leaves fewer letters, so this ends.
        while (clean := self._once(text)) != text:
            text = clean
        return text

    def _once(self, text: str) -> str:
        text = _KEYS.sub(STARS, self._known(text))
        text = _BEARER.sub(rf"\1 {STARS}", text)
        text = _ASSIGNED.sub(rf"\1{STARS}", text)
        return _ADDRESS.sub(rf"\1{STARS}", text)

    def data(self, value: Any) -> Any:
        """Return plain data without secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: STARS if isinstance(each, str) and each and _HEADER.fullmatch(key) else self.data(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.data(each) for each in value]
        return value

    def pieces(self, pieces: list[str]) -> list[str]:
        """Return a streamed text without secrets, in as many pieces: unchanged ones, or all of it in the first where a secret had to go.

        A key may be torn between two pieces, so they are looked at together.
        """
        whole = "".join(pieces)
        clean = self.text(whole)
        return pieces if clean == whole else [clean, *[""] * (len(pieces) - 1)]
