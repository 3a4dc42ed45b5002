from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from massgen_core.api import ToolCall, ToolResult, ToolUse, structure
from massgen_testkit import PlainContext
from massgen_tools_code.config import CodeConfig
from massgen_tools_code.toolset import CodeToolset, open_code

from .nearby import Nearby

Open = Callable[..., AbstractAsyncContextManager["Agent"]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@attrs.define
class Agent:
    """An agent that calls tools."""

    toolset: CodeToolset
    context: PlainContext
    calls: int = 0

    async def call(self, tool: str, **arguments: Any) -> ToolResult:
        """Call a tool as the kernel does."""
        self.calls += 1
        found = next(each for each in self.toolset.tools() if each.name == tool)
        call = ToolCall(id=f"call-{self.calls}", name=tool, arguments=json.dumps(arguments))
        use = ToolUse(call=call, tool=found, arguments=arguments, agent=self.context.agent, turn=1, emit=self.context.emit)
        return await self.toolset.call(use)

    async def told(self, tool: str, **arguments: Any) -> str:
        """Call a tool that succeeds, and return its text."""
        result = await self.call(tool, **arguments)
        assert not result.is_error, result.text
        return result.text

    async def refused(self, tool: str, **arguments: Any) -> str:
        """Call a tool that does not succeed, and return its text."""
        result = await self.call(tool, **arguments)
        assert result.is_error, result.text
        return result.text


@pytest.fixture
def workspace(context: PlainContext, tmp_path: Path) -> Path:
    """The agent's folder."""
    context.workspace = tmp_path / "workspace"
    context.workspace.mkdir()
    return context.workspace


@pytest.fixture
def nearby(context: PlainContext, workspace: Path) -> Nearby:
    """What commands run in."""
    executor = Nearby(workspace)
    context.objects = {("executor", "local"): executor}
    return executor


@pytest.fixture
def agent(context: PlainContext, nearby: Nearby) -> Open:
    """Open the toolset with options."""

    @asynccontextmanager
    async def opened(**options: Any) -> AsyncIterator[Agent]:
        assert ("executor", "local") in context.objects
        async with context, open_code(structure(CodeConfig, options), context) as toolset:
            yield Agent(toolset, context)

    return opened
