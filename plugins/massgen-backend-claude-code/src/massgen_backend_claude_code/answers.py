"""What the program says, as chunks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
from claude_agent_sdk import (
    AssistantMessage,
    Message,
    ResultMessage,
    StreamEvent,
    SystemMessage,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
    UserMessage,
)

from massgen_backend_claude_code.prompts import BACKEND
from massgen_core.api import (
    Chunk,
    ItemChunk,
    ProviderItem,
    ReasoningChunk,
    StopReason,
    TextChunk,
    ToolCallChunk,
    Usage,
    UsageChunk,
)

__all__ = ["REFUSED", "Answer", "is_filtered", "spent", "text_of", "usage_of"]

SHOWN = 4000  # characters of what its own tools were given and gave back
REFUSED = "model_refusal_no_fallback"  # what the program calls a refusal that it does not try to get around
_CUT = frozenset({"max_tokens", "model_context_window_exceeded"})


def usage_of(raw: Mapping[str, Any]) -> Usage:
    """Return the counts of one model call, as the Messages protocol tells them."""

    def count(name: str, source: Any = raw) -> int:
        value = source.get(name) if isinstance(source, Mapping) else None
        return value if isinstance(value, int) and value > 0 else 0

    thinking = count("thinking_tokens", raw.get("output_tokens_details"))
    return Usage(
        input=count("input_tokens"),
        cached=count("cache_read_input_tokens"),
        written=count("cache_creation_input_tokens"),
        output=max(0, count("output_tokens") - thinking),
        reasoning=thinking,
    )


@attrs.frozen(kw_only=True)
class Spent:
    """What a process has used since it began, its helpers' and subagents' calls included; the money is the program's own figure."""

    tokens: Usage = Usage()
    cost: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(tokens=self.tokens + other.tokens, cost=self.cost + other.cost)

    def since(self, before: Spent) -> Usage | None:
        """Return what was used since; None where the figures do not fit together."""
        counts = {name: getattr(self.tokens, name) - getattr(before.tokens, name) for name in ("input", "cached", "written", "output", "reasoning")}
        if not self.tokens.total or min(counts.values()) < 0:
            return None
        return Usage(**counts, cost=max(0.0, self.cost - before.cost) if self.cost else None)


def spent(result: ResultMessage) -> Spent:
    """Return what a process had used when it said this."""
    total = Usage()
    for raw in (result.model_usage or {}).values():
        counts: Mapping[str, Any] = {**raw}
        thinking = counts.get("thinkingTokens") or 0
        total += Usage(
            input=counts.get("inputTokens") or 0,
            cached=counts.get("cacheReadInputTokens") or 0,
            written=counts.get("cacheCreationInputTokens") or 0,
            output=max(0, (counts.get("outputTokens") or 0) - thinking),
            reasoning=thinking,
        )
    return Spent(tokens=total, cost=result.total_cost_usd or 0.0)


class _Call:
    """One call of a tool in the model's answer that is being streamed."""

    __slots__ = ("id", "index", "name", "pieces")

    def __init__(self, identifier: str, name: str, index: int) -> None:
        self.id, self.name, self.index = identifier, name, index
        self.pieces = 0


class Answer:
    """One answer to a request: it may span many model calls, with calls of its own tools between them.

    Args:
        ours: Returns the name by which we know a tool of ours; empty for the program's own tools.
        used: What this process had used, and told, before; None where that is not known.
        running: Tools of its own that run, by the ids of their calls; they may outlast an answer.

    Attributes:
        stop: Why it is over; None as long as it is not.
        calls: Ids of calls of our tools.
        has_worked: Tools of its own gave something back.
        is_working: Tools of its own run, so that its silence means nothing.
        last: The last message of the program's record.
        detail: The provider's word for the end.
    """

    def __init__(self, ours: Callable[[str], str], used: Spent | None, running: dict[str, ToolUseBlock]) -> None:
        self._ours, self._used, self._running = ours, used, running
        self.stop: StopReason | None = None
        self.calls: list[str] = []
        self.model, self.detail, self.last = "", "", ""
        self.usage = Usage()
        self.has_worked = False
        self._has_said, self._gap = False, ""
        self._call_usage: dict[str, Any] = {}
        self._open: dict[int, _Call] = {}
        self._reason = ""

    @property
    def is_working(self) -> bool:
        return bool(self._running)

    def take(self, message: Message) -> Iterator[Chunk]:
        """Yield the chunks of one message."""
        if isinstance(message, StreamEvent):
            if message.parent_tool_use_id is None:
                yield from self._event(message.event)
        elif isinstance(message, AssistantMessage):
            yield from self._assistant(message)
        elif isinstance(message, UserMessage):
            if message.uuid and message.parent_tool_use_id is None:
                self.last = message.uuid
            yield from self._results(message)
        elif isinstance(message, SystemMessage) and message.subtype == REFUSED:
            self._reason = "refusal"
            yield from self._ended()

    def end(self, result: ResultMessage) -> Iterator[Chunk]:
        """Yield what is left when the program says that it is done."""
        for block in self._running.values():
            yield self._shown(block, None)
        self._running.clear()
        if self._used is not None:
            self.usage = spent(result).since(self._used) or self.usage
        yield UsageChunk(self.usage)
        self.stop, self.detail = "stop", self._reason or result.subtype

    # One model call, as it streams

    def _event(self, event: Mapping[str, Any]) -> Iterator[Chunk]:
        kind = event.get("type")
        if kind == "content_block_delta":
            yield from self._delta(event.get("index"), event.get("delta") or {})
        elif kind == "content_block_start":
            yield from self._begin(event.get("index"), event.get("content_block") or {})
        elif kind == "message_start":
            message = event.get("message") or {}
            self.model = str(message.get("model") or self.model)
            self._call_usage, self._open, self._reason = dict(message.get("usage") or {}), {}, ""
            self._gap = "\n\n" if self._has_said else ""
        elif kind == "message_delta":
            self._reason = str((event.get("delta") or {}).get("stop_reason") or "")
            self._call_usage.update({name: value for name, value in (event.get("usage") or {}).items() if value is not None})
        elif kind == "message_stop":
            yield from self._ended()

    def _ended(self) -> Iterator[Chunk]:
        """Count a model call, and see whether the answer is over with it."""
        self.usage += usage_of(self._call_usage)
        self._call_usage = {}
        yield UsageChunk(self.usage)
        self.detail = self._reason
        if self._reason in _CUT:
            self.stop = "length"
        elif self._reason == "refusal":
            self.stop = "refused"
        elif self.calls and self._reason:  # without a reason the answer was cut off, and a call with it
            self.stop = "tools"

    def _begin(self, index: Any, block: Mapping[str, Any]) -> Iterator[Chunk]:
        if block.get("type") == "text" and block.get("text"):
            yield self._text(str(block["text"]))
        if block.get("type") != "tool_use":
            return
        name = self._ours(str(block.get("name") or ""))
        if name and block.get("id") and block["id"] not in self.calls:
            yield self._called(index, str(block["id"]), name)
            if block.get("input"):
                yield from self._more(index, json.dumps(block["input"]))

    def _text(self, text: str) -> Chunk:
        # What was said before its tools worked, and after, are paragraphs of one answer.
        text, self._gap, self._has_said = self._gap + text, "", True
        return TextChunk(text)

    def _called(self, index: Any, identifier: str, name: str) -> Chunk:
        call = self._open[index] = _Call(identifier, name, len(self.calls))
        self.calls.append(identifier)
        return ToolCallChunk(call.index, identifier, name)

    def _more(self, index: Any, arguments: str) -> Iterator[Chunk]:
        call = self._open.get(index)
        if call is not None and arguments:
            call.pieces += 1
            yield ToolCallChunk(call.index, arguments=arguments)

    def _delta(self, index: Any, delta: Mapping[str, Any]) -> Iterator[Chunk]:
        kind = delta.get("type")
        if kind == "text_delta" and delta.get("text"):
            yield self._text(delta["text"])
        elif kind == "thinking_delta" and delta.get("thinking"):
            yield ReasoningChunk(delta["thinking"])
        elif kind == "input_json_delta":
            yield from self._more(index, delta.get("partial_json") or "")

    # Tools

    def _assistant(self, message: AssistantMessage) -> Iterator[Chunk]:
        if message.parent_tool_use_id is None and message.uuid:
            self.last = message.uuid
        if is_filtered(message):
            self.stop, self.detail = "filtered", text_of(message)
        for block in message.content:
            if not isinstance(block, ToolUseBlock):
                continue
            name = self._ours(block.name)
            if not name:
                if block.id not in self._running:
                    self._running[block.id] = block
                    yield ReasoningChunk(f"\n[{block.name}] {_brief(block.input, 300)}\n")
            elif message.parent_tool_use_id is not None and block.id not in self.calls:
                # A subagent calls a tool of ours; its answers are not streamed.
                yield self._called(("subagent", block.id), block.id, name)
                yield from self._more(("subagent", block.id), json.dumps(block.input))
                self.stop = "tools"

    def _results(self, message: UserMessage) -> Iterator[Chunk]:
        for block in message.content if isinstance(message.content, list) else ():
            if isinstance(block, ToolResultBlock) and (call := self._running.pop(block.tool_use_id, None)) is not None:
                self.has_worked = True
                yield self._shown(call, block)

    def _shown(self, call: ToolUseBlock, result: ToolResultBlock | None) -> Chunk:
        """Return what a tool of the program's own was asked and answered; the kernel never saw the call."""
        item: dict[str, Any] = {"type": "tool", "name": call.name, "input": _brief(call.input, SHOWN)}
        if result is not None:
            item |= {"result": _plain(result.content)[:SHOWN], "is_error": bool(result.is_error)}
        return ItemChunk(ProviderItem(backend=BACKEND, item=item))


def _brief(data: Mapping[str, Any], limit: int) -> str:
    text = json.dumps(data, ensure_ascii=False)
    return text if len(text) <= limit else f"{text[:limit]}…"


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(str(part.get("text") or f"[{part.get('type')}]") for part in content if isinstance(part, Mapping))


def is_filtered(message: AssistantMessage) -> bool:
    """Tell whether a message says that the provider holds an answer back."""
    return bool(message.error) and "content filtering policy" in text_of(message)


def text_of(message: AssistantMessage) -> str:
    """Return a whole message's text."""
    return "".join(block.text for block in message.content if isinstance(block, TextBlock))
