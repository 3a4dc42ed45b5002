"""The conformance suite of middlewares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import anyio
import anyio.lowlevel
import attrs

from massgen_core.api import (
    BackendFault,
    BadRequest,
    McpCall,
    Message,
    ModelAnswer,
    ModelCall,
    ModelRequest,
    Text,
    Tool,
    ToolCall,
    ToolFault,
    ToolResult,
    ToolUse,
    Usage,
)
from massgen_testkit.context import PlainContext
from massgen_testkit.distribution import PluginSuite
from massgen_testkit.leaks import Leaks

PATIENCE = 20.0
QUICK = 0.5


class MiddlewareSuite(PluginSuite):
    """What every middleware must do. A subclass gives `name`, and options with which an ordinary call goes through at once."""

    kind: ClassVar[str] = "middleware"

    def features(self) -> frozenset[str]:
        return frozenset({"pass"})

    def request(self, context: PlainContext, text: str = "2 + 2?") -> Any:
        """Return a request as the kernel makes it."""
        if self.spec.around == "model":
            asked = ModelRequest(messages=(Message.of("user", text),))
            return ModelCall(request=asked, agent="a", turn=1, backend="queue", emit=context.emit)
        if self.spec.around == "mcp":
            return McpCall(server="s", method="tools/call", name="weather", arguments={"text": text}, agent="a", emit=context.emit)
        call = ToolCall(id="call-1", name="weather", arguments="{}")
        return ToolUse(call=call, tool=Tool(name="weather"), arguments={}, agent="a", turn=1, emit=context.emit)

    def result(self, text: str = "4") -> Any:
        """Return what the call gives."""
        if self.spec.around == "model":
            return ModelAnswer(message=Message.of("assistant", text), stop="stop", usage=Usage(input=3, output=1))
        if self.spec.around == "mcp":
            return {"content": [{"type": "text", "text": text}], "isError": False}
        return ToolResult(call="call-1", content=(Text(text=text),))

    def fault(self) -> Exception:
        """Return an error that no repetition mends."""
        return BadRequest("the provider does not take this") if self.spec.around == "model" else ToolFault("the tool's server is gone")

    def test_order_is_stated(self) -> None:
        """Its place among middlewares is a number from 0 to 100."""
        assert 0 <= self.spec.order <= 100

    async def test_ordinary_call_passes(self, context: PlainContext) -> None:
        """A call that succeeds reaches the next and its result comes back unchanged."""
        self.need("pass")
        seen: list[Any] = []
        wanted = self.result()

        async def following(request: Any) -> Any:
            seen.append(request)
            return wanted

        async with context, self.opened(context) as middleware:
            with anyio.fail_after(PATIENCE):
                assert await middleware(self.request(context), following) == wanted

        assert len(seen) == 1
        assert type(seen[0]) is type(self.request(context))

    async def test_fault_stays_typed(self, context: PlainContext) -> None:
        """A call that fails for good raises an error of the same family, or is answered; it is never hidden in another exception."""
        family = BackendFault if self.spec.around == "model" else ToolFault

        async def following(request: Any) -> Any:
            raise self.fault()

        async with context, self.opened(context) as middleware:
            with anyio.fail_after(PATIENCE):
                try:
                    answered = await middleware(self.request(context), following)
                except family:
                    return
        assert isinstance(answered, type(self.result()))

    async def test_cancellation_goes_through(self, context: PlainContext, leaks: Leaks) -> None:
        """A call that is cancelled while it waits is gone within half a second and leaves nothing behind."""
        self.need("pass")

        async def following(request: Any) -> Any:
            await anyio.sleep_forever()

        async with context, self.opened(context) as middleware:
            before = leaks.held()
            with anyio.move_on_after(0.1) as scope:
                await middleware(self.request(context), following)
            assert scope.cancelled_caught
            assert anyio.current_time() - scope.deadline < QUICK
            await leaks.none_since(before, within=QUICK)

    async def test_calls_at_once_stay_apart(self, context: PlainContext) -> None:
        """Calls at once get a result each, their own."""
        self.need("pass")
        came: dict[str, Any] = {}

        def answering(text: str) -> Callable[[Any], Awaitable[Any]]:
            async def following(request: Any) -> Any:
                await anyio.lowlevel.checkpoint()
                return self.result(text)

            return following

        async def make(middleware: Any, text: str) -> None:
            came[text] = await middleware(self.request(context, text), answering(text))

        async with context, self.opened(context) as middleware:
            with anyio.fail_after(PATIENCE):
                async with anyio.create_task_group() as group:
                    for text in ("one", "two", "three"):
                        group.start_soon(make, middleware, text)

        if self.spec.around == "model":
            came = {text: attrs.evolve(answer, is_cached=False) for text, answer in came.items()}
        assert came == {text: self.result(text) for text in ("one", "two", "three")}
