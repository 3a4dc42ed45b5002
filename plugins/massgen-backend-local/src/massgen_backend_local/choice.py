"""Choosing among answers: which beginnings stand for them, and which arguments say what was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from massgen_core.api import Candidate, Tool

__all__ = ["Choice", "choose"]

# Words of each answer that are compared; more only where answers begin alike. Every word costs the model time.
WORDS = (10, 20, 40)
LETTERS = 400


@attrs.frozen(kw_only=True)
class Choice:
    """What can be chosen.

    Attributes:
        texts: The label for each beginning that differs; the first label, where several answers are the same.
        label_key: The parameter that takes the label.
        reason_keys: The parameters that take a text about it.
        why_one: What to say where there is only one text.
    """

    texts: Mapping[str, str]
    label_key: str
    reason_keys: tuple[str, ...]
    why_one: str

    def arguments(self, text: str, reason: str) -> dict[str, str]:
        """Return the arguments that choose the answer which begins with `text`."""
        return {self.label_key: self.texts[text], **dict.fromkeys(self.reason_keys, reason)}


def choose(candidates: Sequence[Candidate], tool: Tool) -> Choice | None:
    """Return what a tool lets choose; None where it is no tool for that, or takes what cannot be known here.

    It is recognised by a parameter whose fixed values are labels of candidates. Labels come shuffled for each voter, so that taking the first of
    equal answers favours nobody.
    """
    properties: Mapping[str, Any] = tool.parameters.get("properties", {})
    labels = {candidate.label for candidate in candidates}
    label_key = next((key for key, schema in properties.items() if labels & set(schema.get("enum", ()))), "")
    if not label_key:
        return None
    others = [key for key in tool.parameters.get("required", ()) if key != label_key]
    if any(properties.get(key, {}).get("type") != "string" or "enum" in properties[key] for key in others):
        return None
    allowed = [candidate for candidate in candidates if candidate.label in properties[label_key]["enum"]]
    texts = _beginnings(allowed)
    same = "There is one answer." if len(allowed) == 1 else f"All {len(allowed)} answers say the same."
    if len(texts) == 1 and len({_plain(one.content) for one in allowed}) > 1:
        same = f"All {len(allowed)} answers begin with the same words; there was nothing to tell them apart by."
    return Choice(texts=texts, label_key=label_key, reason_keys=tuple(others), why_one=same)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .!")


def _beginnings(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Return labels by the shortest beginnings that tell different answers apart."""
    different = {_plain(candidate.content) for candidate in candidates}
    found: dict[str, str] = {}
    for words in WORDS:
        found, seen = {}, set()
        for candidate in candidates:
            text = _writable(" ".join(candidate.content.split()[:words]))
            if _plain(text) not in seen:
                seen.add(_plain(text))
                found.setdefault(text, candidate.label)
        if len(found) == len(different):
            break
    return found


def _writable(text: str) -> str:
    """Take out what a model would not write: control characters, and halves of characters."""
    text = text[:LETTERS].encode("utf-8", "ignore").decode("utf-8")
    return "".join(letter for letter in text if letter.isprintable()).strip() or "-"
