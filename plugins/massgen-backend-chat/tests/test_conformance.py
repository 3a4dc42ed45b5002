"""The backend passes the suite of all backends, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from massgen_testkit import BackendSuite, PlainContext, Scenario, Stage
from massgen_testkit.protocols.chat import chat_plays
from massgen_testkit.provider import serving


class TestChat(BackendSuite):
    name = "chat"
    options: ClassVar[Mapping[str, Any]] = {"base_url": "http://127.0.0.1:9/v1"}
    unsupported: ClassVar[Mapping[str, str]] = {"provider_items": "the protocol has no opaque items"}

    @asynccontextmanager
    async def play(self, scenario: Scenario, context: PlainContext) -> AsyncIterator[Stage]:
        async with serving(*chat_plays(scenario)) as provider:
            options = {"base_url": f"{provider.url}/v1", "key": "env:CHAT_KEY", "idle_seconds": 0.8 if scenario.name == "stall" else None}
            async with self.opened(context, options) as backend:
                yield Stage(backend=backend, sent=lambda: provider.bodies)
