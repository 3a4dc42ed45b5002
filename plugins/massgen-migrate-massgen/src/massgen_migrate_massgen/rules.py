"""What a key of the old format comes to: the words of the tables, and the reasons for which a file is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import attrs

__all__ = ["DROP", "KEEP", "REASONS", "Rule", "Rules", "extra", "hand", "move", "refuse", "warn"]


@attrs.frozen(kw_only=True)
class Rule:
    """What is done with a key.

    Attributes:
        action: `move` puts the value at `to`, `drop` leaves it out, `warn` and `refuse` do so with a sentence where it is switched on, `hand` gives
            it to the method of the name `text`.
        to: The key path of the new place; `*` stands for the key itself.
        text: The sentence, or the method.
    """

    action: Literal["move", "drop", "warn", "refuse", "hand"]
    to: tuple[str, ...] = ()
    text: str = ""


Rules: TypeAlias = Mapping[str, Rule]

# Why a file cannot be taken over. The list is short on purpose: a test counts what it costs.
REASONS: Mapping[str, str] = {
    "framework": "agents of other frameworks (AG2, LangGraph and the like) need an adapter, and no plugin provides one",
    "program": "no plugin drives this program",
    "media": "no plugin hears or makes audio or video",
    "code": "functions that are called around tool calls are middleware plugins today; without them calls would go unwatched",
    "uploads": "only the OpenAI backend takes files with the question",
    "rules": "these rules have another grammar; write `permissions` with allow, ask and deny of today's format",
    "parts": "no strategy divides a question into parts",
    "inside": "MassGen 0.1 read this in the agent's `backend` alone; write it there, so that it holds",
    "secret": "a key is written in the file; put it into an environment variable, and write its name here: ${NAME}",
    "first": "this is of MassGen's first format, which MassGen 0.1 does not read either; write `agents`",
}


def move(path: str) -> Rule:
    """Put the value at a path of the section that is made."""
    return Rule(action="move", to=tuple(path.split(".")))


def extra(section: str = "backend.extra_body") -> Rule:
    """Send the value to the provider as it is."""
    return move(f"{section}.*")


def warn(text: str) -> Rule:
    """Leave it out, and say so where it is switched on."""
    return Rule(action="warn", text=text)


def refuse(reason: str) -> Rule:
    """Refuse the file where it is switched on."""
    return Rule(action="refuse", text=REASONS[reason])


def hand(method: str) -> Rule:
    """Let a method of the reader see to it."""
    return Rule(action="hand", text=method)


KEEP = move("backend.*")
DROP = Rule(action="drop")
