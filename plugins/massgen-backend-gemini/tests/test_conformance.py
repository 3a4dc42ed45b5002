"""The backend passes the suite of all backends, over real sockets and by the real SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

from massgen_core.api import Message, ModelRequest, Tool
from massgen_testkit import BackendSuite, PlainContext, Scenario, Stage
from massgen_testkit.protocols.gemini import gemini_plays
from massgen_testkit.provider import serving


class TestGemini(BackendSuite):
    name = "gemini"
    usage_fields: ClassVar[Sequence[str]] = ("input", "cached", "output", "reasoning")
    unsupported: ClassVar[Mapping[str, str]] = {"refusal": "Gemini says a refusal as ordinary text"}

    def request(
        self, text: str = "What is the capital of France?", *, tools: tuple[Tool, ...] = (), messages: tuple[Message, ...] = ()
    ) -> ModelRequest:
        return ModelRequest(model="gemini-3-flash", messages=messages or (Message.of("user", text),), tools=tools)

    @asynccontextmanager
    async def play(self, scenario: Scenario, context: PlainContext) -> AsyncIterator[Stage]:
        async with serving(*gemini_plays(scenario)) as provider:
            options = {"base_url": provider.url, "idle_seconds": 0.8 if scenario.name == "stall" else None}
            async with self.opened(context, options) as backend:
                yield Stage(backend=backend, sent=lambda: provider.bodies)
