"""The scripted backend is a backend like any other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import attrs

from massgen_core.api import (
    AuthenticationFailed,
    BadRequest,
    ConnectionLost,
    ContextTooLong,
    ItemChunk,
    Overloaded,
    RateLimited,
    ReasoningChunk,
    StopChunk,
    TextChunk,
    ToolCallChunk,
    UsageChunk,
)
from massgen_testkit import BackendSuite, Fault, PlainContext, Scenario, Stage, Stall

FAULTS = {
    AuthenticationFailed: "authentication",
    BadRequest: "bad_request",
    ConnectionLost: "connection_lost",
    ContextTooLong: "context_too_long",
    Overloaded: "overloaded",
    RateLimited: "rate_limited",
}


def script_step(scenario: Scenario, number: int) -> dict[str, Any]:
    """Write one turn of a scenario as a step."""
    step: dict[str, Any] = {"text": "", "reasoning": "", "calls": [], "items": [], "chunk": 3}
    for each in scenario.turn(number):
        match each:
            case TextChunk() | ReasoningChunk():
                step["text" if isinstance(each, TextChunk) else "reasoning"] += each.text
            case ToolCallChunk():
                if each.id:
                    step["calls"].append({"id": each.id, "name": each.name, "arguments": ""})
                step["calls"][each.index]["arguments"] += each.arguments
            case ItemChunk():
                step["items"].append(each.item.item)
            case UsageChunk():
                step["usage"] = {key: value for key, value in attrs.asdict(each.usage).items() if value is not None and key != "unpriced"}
            case StopChunk():
                step["stop"] = each.reason
            case Stall():
                # A script has no idle limit of its own: what a provider's silence leads to is written as such.
                step["fault"] = {"type": "timed_out" if scenario.name == "stall" else "stall", "after": len(step["text"])}
            case Fault():
                step["fault"] = {"type": FAULTS[each.error], "after": len(step["text"]), "message": each.message}
                if each.retry_after is not None:
                    step["fault"]["retry_after"] = each.retry_after
    return step


class TestScripted(BackendSuite):
    """Every scenario can be written as a script."""

    name = "scripted"
    unsupported: ClassVar[Mapping[str, str]] = {"sent": "a script has no provider to which anything is sent"}

    @asynccontextmanager
    async def play(self, scenario: Scenario, context: PlainContext) -> AsyncIterator[Stage]:
        steps = [script_step(scenario, number) for number in range(len(scenario.turns))]
        async with self.opened(context, {"steps": [*steps, {**steps[-1], "repeat": "forever"}]}) as backend:
            yield Stage(backend=backend)
