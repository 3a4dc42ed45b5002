"""What servers ask and tell in the middle of things, in both eras, with real servers of the SDK."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio
import pytest
from mcp import MCPDeprecationWarning
from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Elicit, ListRoots, Resolve, Sample
from mcp.types import CreateMessageResult, ListRootsResult, SamplingMessage, TextContent
from pydantic import BaseModel, Field  # noqa: TID251 - servers of the SDK are declared with it

from massgen_core.api import Message, ModelAnswer, ModelRequest, Overloaded
from massgen_mcp_client.calls import Caller, Request
from massgen_mcp_client.client import open_servers
from massgen_mcp_client.config import McpConfig, ServerConfig
from massgen_mcp_client.events import CallProgressed, ServerAnswered, ServerAsked, ServerLogged, ToolsChanged, ToolsListed
from massgen_mcp_client.faults import McpFault
from massgen_mcp_client.server import Server

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("protocol", ["legacy", "2026-07-28"])]

Section = Callable[..., ServerConfig]


@asynccontextmanager
async def served(context: Any, section: ServerConfig) -> AsyncIterator[Server]:
    with anyio.fail_after(30):
        async with context:
            (server,) = await open_servers(McpConfig(servers=(section,)), context)
            assert server.fault is None
            yield server


async def ask(server: Server, context: Any, tool: str, **arguments: Any) -> str:
    result = await server.request(Request(method="tools/call", name=tool, arguments=arguments, caller=Caller(context=context, call="c1")))
    return str(result["content"][0]["text"])


class Booking(BaseModel):
    people: int = Field(default=2, ge=1, le=9, description="how many")
    table: str = Field(default="window")
    vegan: bool = False


async def which() -> Elicit[Booking]:
    return Elicit("Which \x1b[31mtable?", Booking)


async def joke() -> Sample:
    words = TextContent(type="text", text="a joke, please")
    return Sample([SamplingMessage(role="user", content=words)], max_tokens=50, system_prompt="be funny")


async def where() -> ListRoots:
    return ListRoots()


@pytest.fixture
def app(transports: Any) -> MCPServer:
    """A server that asks for everything that a server may ask for."""
    made = MCPServer("app", version="3")

    @made.tool()
    async def book(booking: Annotated[Booking, Resolve(which)]) -> str:
        return f"{booking!r}"

    @made.tool()
    async def tell(answer: Annotated[CreateMessageResult, Resolve(joke)]) -> str:
        return f"{answer.model}: {getattr(answer.content, 'text', '')}"

    @made.tool()
    async def folders(roots: Annotated[ListRootsResult, Resolve(where)]) -> str:
        return " ".join(str(root.uri) for root in roots.roots)

    @made.tool()
    async def work(ctx: Context) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MCPDeprecationWarning)
            await ctx.info("started \x1b[2J")
            await ctx.debug("details")
        await ctx.report_progress(1, 2, "half")
        await anyio.sleep(0.05)
        return "done"

    @made.tool()
    async def grow(ctx: Context) -> str:
        made.add_tool(lambda: "x", name="extra", description="An extra tool.")
        for _ in range(3):
            await ctx.notify_tools_changed()
            await ctx.session.send_tool_list_changed()
        return "grown"

    transports.servers["app"] = made
    return made


@pytest.mark.usefixtures("app")
async def test_elicitation_asks_the_person_field_by_field(context: Any, section: Section, records: Any, protocol: str) -> None:
    """A person agrees to answer, is asked each thing, and asked again where the answer is none."""
    context.answers = ["answer", "twenty", "4", "corner", "yes"]
    async with served(context, section("app", protocol=protocol, elicitation=True)) as server:
        answer = await ask(server, context, "book")

    assert "people=4" in answer
    assert "corner" in answer
    assert "vegan=True" in answer
    first, *others = context.questions
    assert first.text == "MCP server app asks: Which table?"
    assert (first.options, first.default, first.agent) == (("decline", "answer"), "decline", "a")
    assert [question.default for question in others] == ["2", "2", "window", "no"]
    assert others[1].detail == "write a whole number"
    assert [(event.what, event.text) for event in records.of(ServerAsked)] == [("elicitation", "Which table?")]
    assert [event.outcome for event in records.of(ServerAnswered)] == ["accepted"]


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(("answers", "outcome"), [([], "declined"), (["answer", "?", "?", "?"], "cancelled")])
async def test_elicitation_without_an_answer(context: Any, section: Section, records: Any, protocol: str, answers: list[str], outcome: str) -> None:
    """Nobody there means no; a person who cannot answer cancels."""
    context.answers = list(answers)
    async with served(context, section("app", protocol=protocol, elicitation=True)) as server:
        text = await ask(server, context, "book")

    assert "people" not in text
    assert [event.outcome for event in records.of(ServerAnswered)] == [outcome]


@pytest.mark.usefixtures("app")
async def test_what_is_not_allowed_is_not_declared_nor_done(context: Any, section: Section, records: Any, protocol: str) -> None:
    """Without leave in the configuration nobody is asked, and no model is."""
    async with served(context, section("app", protocol=protocol)) as server:
        for tool in ("book", "tell", "folders"):
            try:
                text = await ask(server, context, tool)
            except McpFault as fault:
                text = str(fault)
            assert "people" not in text
    assert context.questions == []
    assert records.of(ServerAsked) == []


@pytest.mark.usefixtures("app")
async def test_sampling_asks_the_agents_model(context: Any, section: Section, records: Any, protocol: str) -> None:
    """The server's messages, limits and system prompt reach the model, and the answer comes back."""
    seen: list[ModelRequest] = []

    async def sampler(request: ModelRequest) -> ModelAnswer:
        seen.append(request)
        return ModelAnswer(message=Message.of("assistant", "knock knock"), stop="stop", model="m-1")

    context.sampler = sampler
    async with served(context, section("app", protocol=protocol, sampling=True)) as server:
        assert await ask(server, context, "tell") == "m-1: knock knock"
    (request,) = seen
    assert [(message.role, message.text) for message in request.messages] == [("system", "be funny"), ("user", "a joke, please")]
    assert request.sampling.max_tokens == 50
    assert [event.outcome for event in records.of(ServerAnswered)] == ["accepted"]


@pytest.mark.usefixtures("app")
async def test_a_model_that_fails_is_an_error_for_the_server(context: Any, section: Section, records: Any, protocol: str) -> None:
    """The call ends, and the connection lives."""

    async def sampler(request: ModelRequest) -> ModelAnswer:
        raise Overloaded("too many")

    context.sampler = sampler
    async with served(context, section("app", protocol=protocol, sampling=True)) as server:
        try:
            text = await ask(server, context, "tell")
        except McpFault as fault:
            text = str(fault)
        assert "knock" not in text
        assert await ask(server, context, "work") == "done"
    assert [event.outcome for event in records.of(ServerAnswered)] == ["failed"]


@pytest.mark.usefixtures("app")
async def test_roots_are_the_configured_folders(context: Any, section: Section, protocol: str, tmp_path: Any) -> None:
    """A server hears which folders it may work in."""
    async with served(context, section("app", protocol=protocol, roots=(str(tmp_path), "/srv"))) as server:
        assert await ask(server, context, "folders") == f"{tmp_path.as_uri()} file:///srv"


@pytest.mark.usefixtures("app")
async def test_logs_and_progress_are_told(context: Any, section: Section, records: Any, protocol: str, until: Any) -> None:
    """The server's log, from the configured level on, and how far it is; nothing of it commands a terminal."""
    async with served(context, section("app", protocol=protocol)) as server:
        assert await ask(server, context, "work") == "done"
        await until(lambda: records.of(ServerLogged))
    assert [(event.level, event.text) for event in records.of(ServerLogged)] == [("info", "started ")]
    assert [(event.progress, event.total, event.message) for event in records.of(CallProgressed)] == [(1.0, 2.0, "half")]


@pytest.mark.usefixtures("app")
async def test_a_person_may_take_time(context: Any, section: Section, protocol: str) -> None:
    """While a person is asked, the idle time-out of the call stands."""

    context.answers, context.thinks = ["answer"], 0.2
    async with served(context, section("app", protocol=protocol, elicitation=True, call_idle_seconds=0.3)) as server:
        assert "people=2" in await ask(server, context, "book")


@pytest.mark.usefixtures("app")
async def test_changed_tools_are_listed_again_without_interrupting(context: Any, section: Section, records: Any, protocol: str, until: Any) -> None:
    """Several changes are one listing; calls go on meanwhile."""
    async with served(context, section("app", protocol=protocol)) as server:
        before = server.inventory.version
        await until(lambda: protocol == "legacy" or server.lists.is_listening)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, server, context, "work")
            assert await ask(server, context, "grow") == "grown"
        await until(lambda: server.inventory.version > before)
        assert "extra" in server.inventory.tools
        assert await ask(server, context, "extra") == "x"
    assert [event.added for event in records.of(ToolsChanged)] == [("extra",)]
    assert len([event for event in records.of(ToolsListed) if event.what == "tools"]) <= 3
