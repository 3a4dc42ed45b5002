"""One process of the program with one conversation, which may wait for the results of our tools."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import anyio
import attrs
from claude_agent_sdk import (
    ClaudeAgentOptions,
    ClaudeSDKClient,
    Message,
    PermissionResultAllow,
    PermissionResultDeny,
    ToolPermissionContext,
    ToolUseBlock,
)
from mcp import types
from mcp.server.lowlevel import Server

from massgen_backend_claude_code.answers import Spent
from massgen_backend_claude_code.launch import SERVER
from massgen_backend_claude_code.transport import CliTransport, Launch
from massgen_core.api import ModelRequest, Tool

__all__ = ["PREFIX", "Permit", "Session"]

PREFIX = f"mcp__{SERVER}__"
CALL_ID = "claudecode/toolUseId"  # in a call's metadata: which of the model's calls it is
INTERRUPT_SECONDS = 0.05
# Returns why a call of the program's own tools is denied; empty where it may be carried out.
Permit = Callable[[str, dict[str, Any]], Awaitable[str]]


@attrs.define(eq=False)
class Session:
    """The process, and what it knows.

    Attributes:
        launch: How the process is started.
        permit: Decides on calls of the program's own tools.
        fitted: Returns tools with parameters that the model's server takes.
        agent: Whose.
        turn: The turn in which it began.
        asked: The last request.
        mark: The last answer's mark, which the conversation carries; empty before the first answer.
        identifier: The program's own name of the session.
        last: The last message of the record that counts.
        used: What the process has used, of which the answers up to now told; None where that is not known.
        open: Ids of calls whose results it waits for.
        running: Calls of its own tools under way.
        is_busy: An answer is under way.
        is_over: The process has ended.
    """

    launch: Launch
    permit: Permit
    fitted: Callable[[Sequence[Tool], str], Sequence[Tool]]
    agent: str
    turn: str
    asked: ModelRequest
    mark: str = ""
    identifier: str = ""
    last: str = ""
    used: Spent | None = attrs.field(factory=Spent)
    open: Sequence[str] = ()
    running: dict[str, ToolUseBlock] = attrs.field(factory=dict)
    is_busy: bool = True
    is_over: bool = False
    transport: CliTransport = attrs.field(init=False)
    _client: ClaudeSDKClient = attrs.field(init=False)
    _messages: AsyncIterator[Message] = attrs.field(init=False)
    _results: dict[str, types.CallToolResult] = attrs.field(factory=dict)
    _waiting: dict[str, anyio.Event] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.transport = CliTransport(self.launch)
        server: Server[Any] = Server(SERVER, on_list_tools=self._list, on_call_tool=self._call)
        options = ClaudeAgentOptions(
            mcp_servers={SERVER: {"type": "sdk", "name": SERVER, "instance": server}},
            can_use_tool=self._may,
            # The instructions are those of now, not those with which a record began.
            system_prompt={"type": "preset", "preset": "claude_code", "snapshot": False},
            verbatim_prompts=True,
        )
        self._client = ClaudeSDKClient(options, transport=self.transport)

    async def start(self) -> None:
        """Start the process and greet it.

        Raises:
            ClaudeSDKError: It does not start.
        """
        await self._client.connect()
        self._messages = self._client.receive_messages()

    async def say(self, blocks: Sequence[dict[str, Any]]) -> None:
        """Say something to the model."""

        async def one() -> AsyncIterator[dict[str, Any]]:
            yield {"type": "user", "message": {"role": "user", "content": list(blocks)}, "parent_tool_use_id": None}

        await self._client.query(one())

    def settle(self, identifier: str, result: types.CallToolResult) -> None:
        """Give the result of a call of ours, whether it is waited for already or will be."""
        self._results[identifier] = result
        if identifier in self._waiting:
            self._waiting[identifier].set()

    async def hear(self, seconds: float) -> Message | None:
        """Return the next message; None where none comes in this time.

        Raises:
            StopAsyncIteration: The process has ended.
            ClaudeSDKError: It broke.
        """
        with anyio.move_on_after(seconds):
            return await anext(self._messages)
        # A generator that was cancelled is over; the messages behind it are not.
        self._messages = self._client.receive_messages()
        return None

    async def end(self, *, hurries: bool = False) -> None:
        """End the process and what it started; what the model is doing is interrupted first.

        Args:
            hurries: Somebody waits for it, and nobody needs the record.
        """
        if self.is_over:
            return
        self.is_over = True
        with anyio.CancelScope(shield=True):
            if self.is_busy and self.transport.is_ready():
                with anyio.move_on_after(INTERRUPT_SECONDS), suppress(Exception):
                    await self._client.interrupt()
            self.transport.hurries = hurries
            await self.transport.close()
            await self._client.disconnect()

    def ours(self, name: str) -> str:
        """Return the name by which we know a tool of ours; empty for the program's own tools."""
        if name.startswith(PREFIX):
            return name[len(PREFIX) :]
        is_short = "CLAUDE_AGENT_SDK_MCP_NO_PREFIX" in self.launch.env
        return name if is_short and any(tool.name == name for tool in self.asked.tools) else ""

    # What the program asks of us

    async def _list(self, context: Any, params: Any = None) -> types.ListToolsResult:
        tools = () if self.asked.tool_choice == "none" else self.asked.tools
        return types.ListToolsResult(tools=[_tool(tool) for tool in self.fitted(tools, self.agent)])

    async def _call(self, context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        """Wait for the result of a call: the kernel carries it out when it has the model's answer."""
        identifier = str((params.meta or {}).get(CALL_ID) or "")
        if not identifier:
            text = "this call came without its id; the program is too old"
            return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=True)
        if identifier not in self._results:
            event = self._waiting.setdefault(identifier, anyio.Event())
            await event.wait()
        return self._results[identifier]

    async def _may(self, name: str, arguments: dict[str, Any], context: ToolPermissionContext) -> PermissionResultAllow | PermissionResultDeny:
        if self.ours(name):
            return PermissionResultAllow()  # the kernel has a gate of its own for these
        reason = await self.permit(name, arguments)
        return PermissionResultDeny(message=reason) if reason else PermissionResultAllow()


def _tool(tool: Tool) -> types.Tool:
    claims = tool.annotations
    # Only where a server claims so: the program carries out calls side by side that change nothing.
    hints = types.ToolAnnotations(read_only_hint=True) if claims is not None and claims.read_only else None
    return types.Tool(name=tool.name, description=tool.description, input_schema=dict(tool.parameters), annotations=hints)
