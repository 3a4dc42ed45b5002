"""What a server streams, as chunks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from massgen_backend_anthropic import hosted
from massgen_backend_anthropic.conversation import CONTAINER
from massgen_core.api import Chunk, ItemChunk, ProviderItem, ReasoningChunk, StopChunk, StopReason, TextChunk, ToolCallChunk, Usage, UsageChunk

__all__ = ["FILTERED", "PAUSED", "Answer", "usage_of"]

PAUSED = "pause_turn"
FILTERED = "content_filter"  # a word of our own: the API tells this as an error
_STOPS: Mapping[str, StopReason] = {
    "tool_use": "tools",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    PAUSED: "length",
    "refusal": "refused",
    FILTERED: "filtered",
}
# Where the pieces of a block's fields come from.
_PIECES = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature", "input_json_delta": "partial_json"}


def usage_of(raw: Mapping[str, Any]) -> Usage:
    """Return the five disjoint counts; thinking is taken out of the output, in which this API counts it."""

    def count(source: Any, name: str) -> int:
        value = source.get(name) if isinstance(source, Mapping) else None
        return value if isinstance(value, int) and value > 0 else 0

    reasoning = count(raw.get("output_tokens_details"), "thinking_tokens")
    return Usage(
        input=count(raw, "input_tokens"),
        cached=count(raw, "cache_read_input_tokens"),
        written=count(raw, "cache_creation_input_tokens"),
        output=max(0, count(raw, "output_tokens") - reasoning),
        reasoning=reasoning,
    )


class _Block:
    """A content block that is not yet whole."""

    __slots__ = ("call", "citations", "pieces", "raw")

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = dict(raw)
        self.call = -1
        self.citations: list[Any] = []
        self.pieces: dict[str, list[str]] = {}

    @property
    def kind(self) -> str:
        kind = self.raw.get("type")
        return kind if isinstance(kind, str) else ""

    def joined(self, name: str) -> str:
        return "".join(self.pieces.get(name, ()))


class Answer:
    """One streamed answer, over several calls where the provider pauses in the middle.

    Attributes:
        blocks: What is whole so far, as it must be sent back.
        finish: The server's own word for the end; empty until it came.
        is_begun: Something came that belongs to an answer.
        is_over: The last event came.
        container: The sandbox that code ran in, where it did.
    """

    def __init__(self) -> None:
        self.blocks: list[dict[str, Any]] = []
        self.finish, self.model, self.container = "", "", ""
        self.is_begun = self.is_over = False
        self._detail, self._explanation = "", ""
        self._open: dict[Any, _Block] = {}
        self._calls = 0
        self._ids: set[str] = set()
        self._sources: set[str] = set()
        self._usage: dict[str, Any] = {}
        self._before = Usage()
        self._is_said = False

    def take(self, event: Mapping[str, Any]) -> list[Chunk]:
        """Return the chunks of one event; what is not known is left out."""
        kind, found = event.get("type"), list[Chunk]()
        if kind == "content_block_delta":
            block, delta = self._open.get(event.get("index")), event.get("delta")
            if block is not None and isinstance(delta, Mapping):
                self._add(block, delta, found)
        elif kind == "content_block_start":
            self._start(event.get("index"), event.get("content_block"), found)
        elif kind == "content_block_stop":
            self._stop(event.get("index"), found)
        elif kind == "message_start":
            self._begin(event.get("message"), found)
        elif kind == "message_delta":
            self._close(event.get("delta"), event.get("usage"), found)
        elif kind == "message_stop":
            self.is_over = True
        return found

    def go_on(self) -> None:
        """Prepare for the next call of an answer that was paused."""
        self._before += usage_of(self._usage)
        self._usage, self.finish, self.is_over = {}, "", False

    def end(self) -> list[Chunk]:
        """Return what is left and the end."""
        found: list[Chunk] = []
        if self.container:
            found.append(_item({"type": CONTAINER, "id": self.container}))
        if self.finish == "refusal" and self._explanation and not self._is_said:
            found.append(TextChunk(self._explanation))
        reason = _STOPS.get(self.finish) or ("tools" if self._calls else "stop")
        found.append(StopChunk(reason, self.model, f"{self.finish}: {self._detail}" if self._detail else self.finish))
        return found

    def _begin(self, message: Any, found: list[Chunk]) -> None:
        if not isinstance(message, Mapping):
            return
        self.is_begun = True
        if isinstance(model := message.get("model"), str):
            self.model = model
        self._use(message.get("usage"), found)

    def _close(self, delta: Any, usage: Any, found: list[Chunk]) -> None:
        for index in list(self._open):
            self._stop(index, found)
        if isinstance(delta, Mapping):
            if isinstance(reason := delta.get("stop_reason"), str):
                self.finish = reason
            if isinstance(details := delta.get("stop_details"), Mapping):
                self._detail, self._explanation = (text if isinstance(text := details.get(name), str) else "" for name in ("category", "explanation"))
            if isinstance(container := delta.get("container"), Mapping) and isinstance(container.get("id"), str):
                self.container = container["id"]
        self._use(usage, found)

    def _use(self, usage: Any, found: list[Chunk]) -> None:
        """Take counts; each is the sum so far, and those that are not said again stay."""
        if isinstance(usage, Mapping):
            self._usage.update({name: value for name, value in usage.items() if value is not None})
            found.append(UsageChunk(self._before + usage_of(self._usage)))

    def _start(self, index: Any, content: Any, found: list[Chunk]) -> None:
        if not isinstance(content, Mapping):
            return
        self._stop(index, found)  # a server that gives two blocks one index
        block = self._open[index] = _Block(content)
        if block.kind == "tool_use":
            block.call, self._calls = self._calls, self._calls + 1
            given, name = content.get("id"), content.get("name")
            # Ids that are missing, or given twice, would mix results up.
            identifier = given if isinstance(given, str) and given and given not in self._ids else f"toolu_{uuid4().hex[:16]}"
            self._ids.add(identifier)
            block.raw["id"] = identifier
            found.append(ToolCallChunk(block.call, identifier, name if isinstance(name, str) and name else "unnamed"))
        for kind, name in (("text_delta", "text"), ("thinking_delta", "thinking")):
            if isinstance(text := content.get(name), str) and text:
                self._add(block, {"type": kind, name: text}, found)

    def _add(self, block: _Block, delta: Mapping[str, Any], found: list[Chunk]) -> None:
        kind = delta.get("type")
        name = _PIECES.get(kind) if isinstance(kind, str) else None
        if kind == "compaction_delta":
            block.raw.update({field: value for field, value in delta.items() if field != "type"})  # it comes whole
        elif name is not None and isinstance(text := delta.get(name), str):
            block.pieces.setdefault(name, []).append(text)
            if name == "text" and text:
                self._is_said = True
                found.append(TextChunk(text))
            elif name == "thinking" and text:
                found.append(ReasoningChunk(text))
            elif name == "partial_json" and text and block.call >= 0:
                found.append(ToolCallChunk(block.call, arguments=text))
        elif kind == "citations_delta" and isinstance(citation := delta.get("citation"), Mapping):
            block.citations.append(citation)
            source = hosted.cited(citation)
            if source and source not in self._sources:
                self._sources.add(source)
                found.append(ReasoningChunk(source))

    def _stop(self, index: Any, found: list[Chunk]) -> None:
        block = self._open.pop(index, None)
        if block is None:
            return
        raw, kind, after = block.raw, block.kind, self.blocks[-1] if self.blocks else {}
        for name in ("text", "thinking", "signature"):
            if name in block.pieces:
                raw[name] = block.joined(name)
        if block.citations:
            raw["citations"] = block.citations
        if kind.endswith("tool_use"):  # ours, or one that the provider or a server of its runs
            self._ask(block, found)
        self.blocks.append(raw)
        # Texts are told as they come; a block of text is kept only where its bounds or its citations would be lost.
        is_kept = kind not in ("tool_use", "text", "thinking") or (kind == "thinking" and bool(raw.get("signature")))
        if is_kept or (kind == "text" and raw.get("text") and (block.citations or after.get("type") == "text")):
            found.append(_item(raw))
        if kind.endswith("_tool_result") and (account := hosted.found(raw)):
            found.append(ReasoningChunk(account))

    def _ask(self, block: _Block, found: list[Chunk]) -> None:
        """Complete the input of a call, of ours or of a tool that the provider runs."""
        written, given = block.joined("partial_json"), block.raw.get("input")
        try:
            block.raw["input"] = json.loads(written) if written else given or {}
        except ValueError:
            block.raw["input"] = {"malformed": written}
        if block.call < 0:
            found.append(ReasoningChunk(hosted.did(block.raw)))
        elif not written and given:
            found.append(ToolCallChunk(block.call, arguments=json.dumps(given, ensure_ascii=False)))


def _item(raw: Mapping[str, Any]) -> ItemChunk:
    return ItemChunk(ProviderItem(backend="anthropic", item=raw))
