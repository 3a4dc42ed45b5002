"""Puts the chunks of a stream together, and reads a stream without hiding where it waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator
from typing import Any

from massgen_core.chunks import Chunk, ItemChunk, LimitsChunk, ReasoningChunk, StopChunk, TextChunk, ToolCallChunk, UsageChunk
from massgen_core.errors import ConnectionLost
from massgen_core.messages import Content, Message, ModelAnswer, ProviderItem, Reasoning, Text, ToolCall, Usage
from massgen_core.rates import RateLimits

__all__ = ["Assembly", "drain"]


_NONE = Usage()


class Assembly:
    """An answer under construction; time and memory are linear in what is streamed.

    Args:
        prefix: Begins the ids of calls to which the provider gave none.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._slots: list[tuple[str, Any]] = []
        self._calls: dict[int, list[Any]] = {}
        self._fresh: tuple[list[str], list[str], list[str]] = ([], [], [])
        self.usage = _NONE
        self.limits: RateLimits | None = None
        self.stop: StopChunk | None = None

    def add(self, chunk: Chunk) -> None:
        """Take the next chunk."""
        match chunk:
            case TextChunk():
                self._run("text").append(chunk.text)
                self._fresh[0].append(chunk.text)
            case ToolCallChunk():
                self._add_call(chunk)
                self._fresh[2].append(chunk.arguments)
            case ReasoningChunk():
                self._run("reasoning").append(chunk.text)
                self._fresh[1].append(chunk.text)
            case UsageChunk():
                self.usage = chunk.usage
            case LimitsChunk():
                self.limits = chunk.limits
            case ItemChunk():
                self._slots.append(("item", chunk.item))
            case StopChunk():
                self.stop = chunk

    def fresh(self) -> tuple[str, str, str] | None:
        """Return the text, the reasoning and the arguments of calls that came since this was asked last; None where none came."""
        text, reasoning, arguments = self._fresh
        if not (text or reasoning or arguments):
            return None
        self._fresh = ([], [], [])
        return "".join(text), "".join(reasoning), "".join(arguments)

    def _run(self, kind: str) -> list[str]:
        if not self._slots or self._slots[-1][0] != kind:
            self._slots.append((kind, []))
        pieces: list[str] = self._slots[-1][1]
        return pieces

    def _add_call(self, chunk: ToolCallChunk) -> None:
        call = self._calls.get(chunk.index)
        if call is None:
            call = self._calls[chunk.index] = ["", "", []]
            self._slots.append(("call", call))
        call[0] = call[0] or chunk.id
        call[1] = call[1] or chunk.name
        call[2].append(chunk.arguments)

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join("".join(value) for kind, value in self._slots if kind == "text")

    def finish(self) -> ModelAnswer:
        """Return the whole answer.

        Raises:
            ConnectionLost: The stream ended without saying so.
        """
        if self.stop is None:
            raise ConnectionLost("the stream ended before the answer did")
        content = tuple(self._parts())
        reason = self.stop.reason
        if reason == "stop" and self._calls:
            reason = "tools"
        message = Message(role="assistant", content=content)
        return ModelAnswer(message=message, stop=reason, usage=self.usage, model=self.stop.model, limits=self.limits)

    def _parts(self) -> Generator[Content]:
        used: set[str] = set()
        for kind, value in self._slots:
            if kind == "text":
                yield Text(text="".join(value))
            elif kind == "reasoning":
                yield Reasoning(text="".join(value))
            elif kind == "call":
                given = identifier = value[0] or f"{self._prefix}_{len(used)}"
                # Some servers give one id to several calls; results would then answer the wrong one.
                while identifier in used:
                    identifier = f"{given}_{len(used)}"
                used.add(identifier)
                yield ToolCall(id=identifier, name=value[1], arguments="".join(value[2]) or "{}")
            else:
                item: ProviderItem = value
                yield item


class drain:  # noqa: N801 - reads as a function: `await drain(stream, take, before)`
    """Give each chunk of a stream to `take`, and call `before` each time that the stream has to wait.

    What one socket read brought is thus known without asking the event loop: everything that came between two waits.
    """

    __slots__ = ("_before", "_stream", "_take")

    def __init__(self, stream: AsyncIterator[Chunk], take: Callable[[Chunk], None], before: Callable[[], None]) -> None:
        self._stream, self._take, self._before = stream, take, before

    def __await__(self) -> Generator[Any, Any, None]:
        step, take, before = self._stream.__anext__, self._take, self._before
        while True:
            inner: Any = step().__await__()
            go, value = inner.send, None
            while True:
                try:
                    signal = go(value)
                except StopIteration as stop:
                    take(stop.value)
                    break
                except StopAsyncIteration:
                    return
                before()
                try:
                    value, go = (yield signal), inner.send
                except BaseException as error:  # cancellation must reach the stream as it is
                    value, go = error, inner.throw
