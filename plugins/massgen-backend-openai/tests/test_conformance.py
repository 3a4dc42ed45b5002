"""The backend passes the suite of all backends, over real sockets and through the real SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from massgen_testkit import BackendSuite, PlainContext, Scenario, Stage
from massgen_testkit.hearing import holds
from massgen_testkit.protocols.responses import responses_plays
from massgen_testkit.provider import serving


class TestOpenAI(BackendSuite):
    name = "openai"
    options: ClassVar[Mapping[str, Any]] = {"base_url": "http://127.0.0.1:9/v1"}

    def is_item_sent(self, item: Any, sent: Any) -> bool:
        # A hint of our own says what belongs to the text that follows: that is what must arrive.
        return holds(sent, item["id"]) if item["type"] == "massgen.hint" else super().is_item_sent(item, sent)

    @asynccontextmanager
    async def play(self, scenario: Scenario, context: PlainContext) -> AsyncIterator[Stage]:
        async with serving(*responses_plays(scenario)) as provider:
            options = {"base_url": f"{provider.url}/v1", "key": "env:OPENAI_KEY", "idle_seconds": 1.0 if scenario.name == "stall" else None}
            async with self.opened(context, options) as backend:
                yield Stage(backend=backend, sent=lambda: provider.bodies)
