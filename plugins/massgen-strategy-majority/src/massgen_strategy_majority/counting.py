"""When two answers are the same, and which one comes most often."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sized
from hashlib import sha256

__all__ = ["is_certain", "lot", "normal", "ranking"]

_NUMBER = re.compile(r"[-+]?\d[\d,_']*(?:\.\d+)?(?:e[-+]?\d{1,3}\b)?", re.IGNORECASE)
_SAYING = re.compile(r"^\W*(?:(?:so|thus|therefore)\W+)?(?:the\s+)?(?:final\s+)?(?:answer|result)(?:\s+is\b|\s*[:=])\W*", re.IGNORECASE)


def normal(text: str, compare: str) -> str:
    """Return what answers are compared by.

    Args:
        compare: `last_line`, `number` or `text`. Without a number in it, an answer is compared by its last line.
    """
    if compare == "number" and (numbers := _NUMBER.findall(text)):
        return f"{float(re.sub('[,_]', '', numbers[-1]).replace(chr(39), '')):.12g}"
    if compare != "text":
        line = next((line for line in reversed(text.splitlines()) if re.search(r"\w", line)), text)
        text = _SAYING.sub("", line) or line
    # A point within a number, and a sign, make another answer; other punctuation does not.
    kept = re.sub(r"(?<!\d)\.|\.(?!\d)|[^\w\s.+%/<>=-]", " ", text.casefold())
    return " ".join(kept.split()) or text.strip()


def lot(seed: int, text: str) -> bytes:
    """Return a lot; the lowest wins."""
    return sha256(f"lot\n{seed}\n{text}".encode()).digest()


def ranking(seed: int, groups: Mapping[str, Sized]) -> list[str]:
    """Return the groups of equal answers, the largest first, by lot among groups of one size."""
    return sorted(groups, key=lambda key: (-len(groups[key]), lot(seed, key)))


def is_certain(seed: int, groups: Mapping[str, Sized], missing: int) -> bool:
    """Return whether the first group stays first wherever the missing samples fall: all on a rival, or all on an answer that is new."""
    order = ranking(seed, groups)
    if not order or len(groups[order[0]]) <= missing:
        return False
    lead = len(groups[order[0]]), lot(seed, order[0])
    return all((len(groups[key]) + missing, lead[1]) < (lead[0], lot(seed, key)) for key in order[1:])
