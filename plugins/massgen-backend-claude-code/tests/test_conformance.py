"""The backend passes the suite of all backends, with the real program against a server that speaks Messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from massgen_testkit import BackendSuite, PlainContext, Scenario, Stage
from massgen_testkit.protocols.messages import message_plays
from massgen_testkit.provider import serving


@pytest.mark.once  # its library has one version, and each test starts the program
class TestClaudeCode(BackendSuite):
    name = "claude-code"
    patience = 60.0
    unsupported: ClassVar[Mapping[str, str]] = {
        "drop": "the program loses what it reads together with the end of a connection",
        "provider_items": "the program keeps them itself; test_sessions.py shows that they go round",
    }

    @asynccontextmanager
    async def play(self, scenario: Scenario, context: PlainContext) -> AsyncIterator[Stage]:
        async with serving(*message_plays(scenario)) as provider:
            options: dict[str, Any] = {"base_url": provider.url, "key": "env:CLAUDE_KEY", "idle_seconds": 4.0 if scenario.name == "stall" else None}
            async with self.opened(context, options) as backend:
                yield Stage(backend=backend, sent=lambda: provider.bodies)
