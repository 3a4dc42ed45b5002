"""The conformance suite of toolsets."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import anyio
import pytest

from massgen_core.api import Tool, ToolCall, ToolResult, ToolUse
from massgen_testkit.context import PlainContext
from massgen_testkit.distribution import PluginSuite
from massgen_testkit.leaks import Leaks

PATIENCE = 20.0
QUICK = 0.5
MILLISECONDS = 5.0
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ToolsetSuite(PluginSuite):
    """What every toolset must do. A subclass gives `name` and the two examples.

    Attributes:
        example: A tool's name and arguments with which it succeeds.
        slow: A tool's name and arguments with which it takes longer than a second; or `unsupported = {"slow": "why"}`.
    """

    kind: ClassVar[str] = "toolset"
    example: ClassVar[tuple[str, Mapping[str, Any]]]
    slow: ClassVar[tuple[str, Mapping[str, Any]]]

    def features(self) -> frozenset[str]:
        return frozenset({"slow"})

    def use(self, context: PlainContext, tool: Tool, arguments: Mapping[str, Any]) -> ToolUse:
        """Return a tool call as the kernel makes it."""
        call = ToolCall(id="call-1", name=tool.name, arguments=json.dumps(dict(arguments)))
        return ToolUse(call=call, tool=tool, arguments=arguments, agent="a", turn=1, emit=context.emit)

    def tool(self, toolset: Any, name: str) -> Tool:
        """Return one of the toolset's tools."""
        found = {tool.name: tool for tool in toolset.tools()}
        assert name in found, f"no tool {name!r}; the toolset has: {', '.join(found) or 'none'}"
        made = found[name]
        assert isinstance(made, Tool)
        return made

    async def test_tools_are_well_formed(self, context: PlainContext) -> None:
        """Each tool has a unique name that every provider takes, a description, and a schema of type object that is plain data."""
        async with context, self.opened(context) as toolset:
            tools = list(toolset.tools())

        assert tools
        assert len({tool.name for tool in tools}) == len(tools), "names are unique"
        for tool in tools:
            assert _NAME.fullmatch(tool.name), f"{tool.name!r}: at most 64 of A-Z a-z 0-9 _ -"
            assert tool.description.strip(), f"{tool.name}: a model chooses by the description"
            assert tool.parameters.get("type") == "object", f"{tool.name}: parameters are a JSON Schema of type object"
            assert json.loads(json.dumps(tool.parameters)) == tool.parameters, f"{tool.name}: parameters are plain data"
            assert set(tool.parameters.get("required", ())) <= set(tool.parameters.get("properties", {})), f"{tool.name}: required but not described"

    async def test_tools_are_quick(self, context: PlainContext) -> None:
        """`tools` is asked before each model call, so it takes no time."""
        async with context, self.opened(context) as toolset:
            times: list[float] = []
            for _ in range(5):
                started = time.thread_time()
                toolset.tools()
                times.append((time.thread_time() - started) * 1000)

        assert min(times) < MILLISECONDS

    async def test_call_returns_a_result(self, context: PlainContext) -> None:
        """A call gives a result that names the call and is no error."""
        async with context, self.opened(context) as toolset:
            name, arguments = self.example
            with anyio.fail_after(PATIENCE):
                result = await toolset.call(self.use(context, self.tool(toolset, name), arguments))

        assert isinstance(result, ToolResult)
        assert result.call == "call-1"
        assert not result.is_error, result.text

    async def test_unknown_tool_is_an_error_result(self, context: PlainContext) -> None:
        """A tool that does not exist is a result for the model, not an exception."""
        async with context, self.opened(context) as toolset:
            with anyio.fail_after(PATIENCE):
                result = await toolset.call(self.use(context, Tool(name="no_such_tool_here"), {}))

        assert isinstance(result, ToolResult)
        assert result.is_error
        assert result.text.strip(), "the model is told what is wrong"

    async def test_wrong_arguments_are_an_error_result(self, context: PlainContext) -> None:
        """Arguments that do not fit the schema are a result for the model, not an exception."""
        async with context, self.opened(context) as toolset:
            needy = [tool for tool in toolset.tools() if tool.parameters.get("required")]
            if not needy:
                pytest.skip("no tool requires an argument")
            for tool in needy:
                with anyio.fail_after(PATIENCE):
                    result = await toolset.call(self.use(context, tool, {}))
                assert isinstance(result, ToolResult)
                assert result.is_error
                assert result.text.strip(), "the model is told what is wrong"

    async def test_cancellation_stops_a_call(self, context: PlainContext, leaks: Leaks) -> None:
        """A slow call that is cancelled is gone within half a second and leaves nothing behind."""
        self.need("slow")
        async with context, self.opened(context) as toolset:
            name, arguments = self.slow
            use = self.use(context, self.tool(toolset, name), arguments)
            before = leaks.held()
            with anyio.move_on_after(0.1) as scope:
                await toolset.call(use)
            assert scope.cancelled_caught, "the call was not slow"
            assert anyio.current_time() - scope.deadline < QUICK, "cancelling took too long"
            await leaks.none_since(before, within=QUICK)

    async def test_closes_what_it_opened(self, context: PlainContext, leaks: Leaks) -> None:
        """A closed toolset holds no file, thread, process or task."""
        for _ in range(2):
            before = leaks.held()
            async with context, self.opened(context) as toolset:
                toolset.tools()
        await leaks.none_since(before)
