"""Takes secrets out of text: known values first, then what stands under a telling key, then what looks like a credential.

A secret becomes `[redacted:KIND#ID]`. Equal secrets have equal ids within one redactor, so that they can be followed; the id says nothing else,
because it depends on a random key. Ids of traces, digests, UUIDs and base64 of pictures have no telling key and no telling shape, and stay.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from massgen_mcp_log.rules import RULES, TELLING, assigned, is_harmless
from massgen_mcp_log.words import TOKEN

__all__ = ["Redaction"]

_LOWER = {upper: upper + 32 for upper in range(65, 91)}

_SHORT = 80


class Redaction:
    """Removes secrets from text, and counts what it removed.

    Args:
        known: Removes values that are known to be secret.
        values: More values that are known to be secret.
    """

    def __init__(self, known: Callable[[str], str] | None = None, values: Iterable[str] = ()) -> None:
        self._context = known
        self._values = tuple(sorted({value for value in values if len(value) >= 6}, key=len, reverse=True))
        self._key = os.urandom(16)
        # Short texts that were looked at and hold no secret: names of tools, servers and states come again and again.
        self.safe: set[str] = set()
        self.counts: Counter[str] = Counter()

    def __call__(self, text: str) -> str:
        """Return `text` without secrets."""
        text = self.known(text)
        if len(text) < 8:
            return text
        if text in self.safe:
            return text
        found = self._patterns(text)
        if len(text) <= _SHORT and found is text:
            if len(self.safe) > 5_000:
                self.safe.clear()
            self.safe.add(text)
        return found

    def known(self, text: str) -> str:
        """Return `text` without the values that are known to be secret."""
        if self._context is not None:
            text = self._context(text)
        for value in self._values:
            if value in text:
                self.counts["known"] += text.count(value)
                text = text.replace(value, self._mark("known", value))
        return text

    def _patterns(self, text: str) -> str:
        lowered = _lower(text)
        shown = text
        for kind, hints, pattern in RULES:
            if any(hint in lowered for hint in hints):
                shown = pattern.sub(self._replacer(kind), shown)
        shown = TOKEN.sub(self._replacer("token"), shown)
        return self._assigned(shown, lowered if shown is text else _lower(shown))

    def _assigned(self, text: str, lowered: str) -> str:
        pieces, done = [], 0
        for found in TELLING.finditer(lowered):
            if found.start() < done:
                continue
            place = assigned(text, lowered, found)
            if place is None or is_harmless(secret := text[slice(*place)], "assigned"):
                continue
            self.counts["assigned"] += 1
            pieces += [text[done : place[0]], self._mark("assigned", secret)]
            done = place[1]
        return "".join([*pieces, text[done:]]) if pieces else text

    def _replacer(self, kind: str) -> Callable[[re.Match[str]], str]:
        def replace(found: re.Match[str]) -> str:
            secret = found["secret"]
            if is_harmless(secret, kind):
                return found[0]
            self.counts[kind] += 1
            start, end = found.span("secret")
            whole = found[0]
            return f"{whole[: start - found.start()]}{self._mark(kind, secret)}{whole[end - found.start() :]}"

        return replace

    def _mark(self, kind: str, secret: str) -> str:
        identity = hashlib.blake2b(secret.encode("utf-8", "replace"), key=self._key, digest_size=4).hexdigest()
        return f"[redacted:{kind}#{identity}]"

    def value(self, value: Any, name: str = "") -> Any:
        """Return plain data without secrets; `name` is the key that it stands under."""
        if isinstance(value, str):
            if name and value and not value.startswith("[redacted:"):
                # One way to judge a key: the way it is judged in text.
                held = self(f'"{name}": "{value}"') if len(value) < 500 else ""
                if held.startswith(f'"{name}": "[redacted:') and held.count("[redacted:") == 1 and held.endswith(']"'):
                    return held[len(name) + 5 : -1]
            return self(value)
        if isinstance(value, dict):
            return {self(str(key)): self.value(item, str(key)) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value


def _lower(text: str) -> str:
    """Return text in lower case, as long as it was: some letters become two in the ordinary way."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else text.translate(_LOWER)
