"""The toolset: names, sharing, search, resources, prompts, and runs that go on without a server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.server import MCPServer

from massgen_core.api import ConfigProblem, ConfigProblems, NoticeGiven, Tool, ToolCall, ToolResult, ToolUse
from massgen_mcp_client.config import McpOptions
from massgen_mcp_client.names import NameCollision
from massgen_mcp_client.toolset import McpToolset, open_mcp

pytestmark = pytest.mark.anyio

PEER = Path(__file__).with_name("peer.py")
QUICK = {"seconds": 0.01, "jitter": 0.0, "max_seconds": 0.02}


@asynccontextmanager
async def toolset_of(context: Any, servers: Mapping[str, Any], **options: Any) -> AsyncIterator[McpToolset]:
    async with open_mcp(McpOptions(servers=servers, **options), context) as toolset:
        yield toolset


async def call(toolset: McpToolset, context: Any, tool: str, **arguments: Any) -> ToolResult:
    """Call a tool as the toolbox does."""
    found = {one.name: one for one in toolset.tools()}.get(tool, Tool(name=tool))
    wanted = ToolCall(id="c1", name=tool, arguments=json.dumps(arguments))
    found, wanted = toolset.meant(found, wanted)
    use = ToolUse(call=wanted, tool=found, arguments=wanted.parsed(), agent="a", turn=1, emit=context.emit, span="1" * 16, trace="2" * 32)
    return await toolset.call(use)


def library() -> MCPServer:
    """Return a server with a resource, a template and a prompt."""
    app = MCPServer("library")

    @app.resource("book://list", description="All books.")
    def books() -> str:
        return "Emma\nIvanhoe"

    @app.resource("book://{name}")
    def book(name: str) -> str:
        return f"The text of {name}."

    @app.prompt()
    def review(book: str, tone: str = "kind") -> str:
        """Review a book."""
        return f"Review {book}, be {tone}."

    return app


async def test_tools_have_names_hints_and_a_source(context: Any) -> None:
    """A model sees the server's name in each tool's, and a classifier sees where it comes from."""
    app = MCPServer("app")
    app.add_tool(lambda: "done", name="do it", description="Do it.")
    app.add_tool(lambda: "done", name="act", description="Act.")
    context.transports.servers["app"] = app
    async with context, toolset_of(context, {"app": {"type": "object", "server": "app"}}) as toolset:
        names = [tool.name for tool in toolset.tools()]
        assert names[1] == "mcp__app__act"
        assert names[0].startswith("mcp__app__do_it_")
        assert {tool.source for tool in toolset.tools()} == {"mcp.app"}
        result = await call(toolset, context, "mcp__app__act")
        assert (result.call, result.text, result.is_error) == ("c1", "done", False)
        gone = await call(toolset, context, "mcp__app__no")
        assert (gone.is_error, "there is no tool" in gone.text) == (True, True)


async def test_no_servers_are_no_tools_and_no_sdk(context: Any) -> None:
    """An empty section costs nothing."""
    async with context, toolset_of(context, {}) as toolset:
        assert list(toolset.tools()) == []


async def test_equal_servers_are_shared_and_those_with_a_workspace_are_not(context: Any, tmp_path: Path) -> None:
    """One connection for all agents with equal sections; one each where the agent's folder is in it."""
    app = MCPServer("app")
    app.tool(name="save")(lambda: "saved")
    context.transports.servers["app"] = app
    other = context.of("b")
    context.workspace, other.workspace = tmp_path / "a", tmp_path / "b"
    async with context:
        other._tasks = context._tasks
        shared = {"app": {"type": "object", "server": "app"}}
        async with toolset_of(context, shared) as common, toolset_of(other, shared):
            assert len(context.transports.wires) == 1
            assert [tool.uses_workspace for tool in common.tools()] == [False]
        own = {"app": {"type": "object", "server": "app", "roots": ["{workspace}"]}}
        async with toolset_of(context, own) as first, toolset_of(other, own) as second:
            assert len(context.transports.wires) == 3
            assert [one._servers[0].config.roots for one in (first, second)] == [(str(tmp_path / "a"),), (str(tmp_path / "b"),)]
            assert [tool.uses_workspace for tool in first.tools()] == [True]
        alone = {"app": {"type": "object", "server": "app", "shared": False}}
        async with toolset_of(context, alone), toolset_of(other, alone):
            assert len(context.transports.wires) == 5


async def test_a_workspace_that_is_not_there_is_said(context: Any) -> None:
    """The message names the server and what to do."""
    async with context:
        with pytest.raises(ConfigProblem, match="no workspace"):
            async with toolset_of(context, {"app": {"type": "object", "server": "app", "roots": ["{workspace}"]}}):
                pass


async def test_mistakes_in_a_section_are_named(context: Any) -> None:
    """A section without command and url says so."""
    async with context:
        with pytest.raises(ConfigProblems, match="neither `command` nor `url`"):
            async with toolset_of(context, {"app": {}}):
                pass


async def test_a_collision_names_both_tools(context: Any) -> None:
    """Two tools that would have one name are an error at the start."""
    one, two = MCPServer("one"), MCPServer("two")
    one.add_tool(lambda: "x", name="b__c", description="One.")
    two.add_tool(lambda: "x", name="c", description="Two.")
    context.transports.servers |= {"one": one, "two": two}
    servers = {"a": {"type": "object", "server": "one"}, "a__b": {"type": "object", "server": "two"}}
    async with context:
        with pytest.raises((NameCollision, ConfigProblems)):
            async with toolset_of(context, servers):
                pass


async def test_resources_are_listed_and_read(context: Any) -> None:
    """One tool for the resources of all servers."""
    context.transports.servers["library"] = library()
    async with context, toolset_of(context, {"library": {"type": "object", "server": "library"}}) as toolset:
        assert [tool.name for tool in toolset.tools()] == ["mcp_read_resource", "mcp_get_prompt"]
        listed = await call(toolset, context, "mcp_read_resource", server="library")
        assert "book://list: books, All books." in listed.text
        assert "book://{name}" in listed.text
        read = await call(toolset, context, "mcp_read_resource", server="library", uri="book://Emma")
        assert "The text of Emma." in read.text
        missing = await call(toolset, context, "mcp_read_resource", server="library", uri="shop://x")
        assert missing.is_error
        assert (await call(toolset, context, "mcp_read_resource", server="shop")).is_error


async def test_prompts_are_listed_and_fetched(context: Any) -> None:
    """One tool for the prompts of all servers."""
    context.transports.servers["library"] = library()
    async with context, toolset_of(context, {"library": {"type": "object", "server": "library"}}) as toolset:
        listed = await call(toolset, context, "mcp_get_prompt", server="library")
        assert "review(book, tone?): Review a book." in listed.text
        fetched = await call(toolset, context, "mcp_get_prompt", server="library", name="review", arguments={"book": "Emma"})
        assert "Review Emma, be kind." in fetched.text


async def test_resources_and_prompts_can_be_left_out(context: Any) -> None:
    """Two switches of the section."""
    context.transports.servers["library"] = library()
    async with context, toolset_of(context, {"library": {"type": "object", "server": "library"}}, resources=False, prompts=False) as toolset:
        assert list(toolset.tools()) == []


async def test_very_many_tools_are_found_instead_of_shown(context: Any) -> None:
    """Above the limit agents search; a call through the second tool is the real call for everybody else."""
    app = MCPServer("app")
    for number in range(30):
        app.add_tool(lambda: "done", name=f"tool_{number}", description=f"Count to {number}.")
    app.add_tool(lambda city="": f"sunny in {city}", name="weather", description="Tell the weather of a city.")
    context.transports.servers["app"] = app
    async with context, toolset_of(context, {"app": {"type": "object", "server": "app"}}, search_above=20) as toolset:
        assert [tool.name for tool in toolset.tools()] == ["mcp_search_tools", "mcp_call_tool"]
        found = await call(toolset, context, "mcp_search_tools", query="weather forecast", limit=1)
        assert '"name": "mcp__app__weather"' in found.text
        shown = {tool.name: tool for tool in toolset.tools()}["mcp_call_tool"]
        meant, real = toolset.meant(
            shown, ToolCall(id="c1", name=shown.name, arguments='{"name": "mcp__app__weather", "arguments": {"city": "Rome"}}')
        )
        assert (meant.name, real.name, real.id, real.parsed()) == ("mcp__app__weather", "mcp__app__weather", "c1", {"city": "Rome"})
        result = await call(toolset, context, "mcp_call_tool", name="mcp__app__weather", arguments={"city": "Rome"})
        assert result.text == "sunny in Rome"
        with pytest.raises(ValueError, match="find one with mcp_search_tools"):
            await call(toolset, context, "mcp_call_tool", name="mcp__app__storm")
        assert (await call(toolset, context, "mcp_search_tools", query="")).is_error


async def test_a_run_goes_on_without_a_server_that_cannot_be_opened(context: Any) -> None:
    """One message for the person, one for the model, and a way to try again."""
    app = MCPServer("app")
    app.add_tool(lambda: "done", name="act", description="Act.")
    context.transports.servers["app"] = app
    state = {"is_broken": True}

    async def before() -> None:
        if state["is_broken"]:
            raise OSError("the disk is gone")

    context.transports.before["late"] = before
    context.transports.servers["late"] = app
    servers = {"app": {"type": "object", "server": "app"}, "late": {"type": "object", "server": "late", "retry": False}}
    async with context, toolset_of(context, servers) as toolset:
        names = [tool.name for tool in toolset.tools()]
        assert names == ["mcp__app__act", "mcp_server_status"]
        status = {tool.name: tool for tool in toolset.tools()}["mcp_server_status"]
        assert "the disk is gone" in status.description
        assert (await call(toolset, context, "mcp_server_status")).is_error
        state["is_broken"] = False
        again = await call(toolset, context, "mcp_server_status")
        assert again.text == "late: it is there, with 1 tools"
        assert [tool.name for tool in toolset.tools()] == ["mcp__app__act", "mcp__late__act"]
    notices = [event.text.splitlines()[0] for event in context.records.of(NoticeGiven)]
    assert len(notices) == 2
    assert notices[1] == "MCP server 'late' is back"


async def test_a_fault_is_a_result_for_the_model(context: Any) -> None:
    """What went wrong, in words, without commands for a terminal."""
    servers = {"peer": {"type": "pipe", "command": "python3", "args": [str(PEER), "plain"], "retry": QUICK, "security": {"level": "permissive"}}}
    async with context, toolset_of(context, servers) as toolset:
        result = await call(toolset, context, "mcp__peer__act", do="exit")
        assert result.is_error
        assert result.text == "MCP server 'peer' is gone: exited with code 3; it wrote:\n  out of cheese"


async def test_long_output_is_kept_whole_beside_the_run(context: Any) -> None:
    """A server's own limit: head, tail, and where the whole is."""
    app = MCPServer("app")
    app.add_tool(lambda: "head" + "x" * 10_000 + "tail", name="act", description="Act.")
    context.transports.servers["app"] = app
    async with context, toolset_of(context, {"app": {"type": "object", "server": "app", "max_output": 200}}) as toolset:
        result = await call(toolset, context, "mcp__app__act")
        (file,) = (context.folder / "outputs").iterdir()
        assert len(result.text) < 400
        assert result.text.startswith("head")
        assert result.text.endswith("tail")
        assert str(file) in result.text
        assert len(file.read_text()) == 10_008


async def test_new_tools_are_there_for_the_next_model_call(context: Any, until: Callable[..., Any]) -> None:
    """The toolset follows its servers."""
    servers = {"peer": {"type": "pipe", "command": "python3", "args": [str(PEER), "changing"]}}
    async with context, toolset_of(context, servers) as toolset:
        assert len(toolset.tools()) == 3
        await call(toolset, context, "mcp__peer__act", do="change")
        await until(lambda: len(toolset.tools()) == 2)
        assert [tool.name for tool in toolset.tools()] == ["mcp__peer__act", "mcp__peer__new"]


async def test_asking_for_the_tools_costs_nothing(context: Any) -> None:
    """It is asked before each model call."""
    context.transports.servers["app"] = library()
    async with context, toolset_of(context, {"app": {"type": "object", "server": "app"}}) as toolset:
        assert toolset.tools() is toolset.tools()
    await anyio.lowlevel.checkpoint()
