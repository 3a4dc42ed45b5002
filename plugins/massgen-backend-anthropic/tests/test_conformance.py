"""The backend passes the suite of all backends, over real sockets and through the real SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import attrs

from massgen_core.api import Message, ModelRequest, Tool
from massgen_testkit import BackendSuite, PlainContext, Scenario, Stage
from massgen_testkit.protocols.messages import message_plays
from massgen_testkit.provider import serving


class TestAnthropic(BackendSuite):
    name = "anthropic"
    options: ClassVar[Mapping[str, Any]] = {"base_url": "http://127.0.0.1:9"}

    def request(
        self, text: str = "What is the capital of France?", *, tools: tuple[Tool, ...] = (), messages: tuple[Message, ...] = ()
    ) -> ModelRequest:
        return attrs.evolve(super().request(text, tools=tools, messages=messages), model="claude-sonnet-5-5")

    @asynccontextmanager
    async def play(self, scenario: Scenario, context: PlainContext) -> AsyncIterator[Stage]:
        async with serving(*message_plays(scenario)) as provider:
            options = {"base_url": provider.url, "key": "env:CLAUDE_KEY", "idle_seconds": 0.8 if scenario.name == "stall" else None}
            async with self.opened(context, options) as backend:
                yield Stage(backend=backend, sent=lambda: provider.bodies)
