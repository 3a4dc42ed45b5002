"""What the API streams, as chunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from massgen_backend_openai.hosted import Citations, shown
from massgen_core.api import (
    Chunk,
    ItemChunk,
    ProviderItem,
    ReasoningChunk,
    StopChunk,
    StopReason,
    TextChunk,
    ToolCallChunk,
    Usage,
    UsageChunk,
)

__all__ = ["HINT", "IMAGE", "KEPT", "NAME", "RESPONSE", "Answer", "usage_of"]

NAME = "openai"
# Items of our own, which go round like the API's: what else belongs to the text or the call that follows, and the answer to chain to.
HINT, RESPONSE = "massgen.hint", "massgen.response"
IMAGE, KEPT = "image_generation_call", "massgen.kept"  # in place of its base64 such an item names the file in which the image is
_INCOMPLETE: Mapping[str, StopReason] = {"content_filter": "filtered"}
_ENDS = frozenset({"response.completed", "response.incomplete", "response.cancelled"})


def usage_of(raw: Mapping[str, Any]) -> Usage:
    """Return the five disjoint counts; the API counts cached and written tokens as input too, and reasoning as output."""

    def count(source: Any, name: str) -> int:
        value = source.get(name) if isinstance(source, Mapping) else None
        return value if isinstance(value, int) and value > 0 else 0

    details, more = raw.get("input_tokens_details"), raw.get("output_tokens_details")
    cached, written, reasoning = count(details, "cached_tokens"), count(details, "cache_write_tokens"), count(more, "reasoning_tokens")
    return Usage(
        input=max(0, count(raw, "input_tokens") - cached - written),
        cached=cached,
        written=written,
        output=max(0, count(raw, "output_tokens") - reasoning),
        reasoning=reasoning,
    )


class _Call:
    """One function call; its index is given when its name is known."""

    __slots__ = ("held", "index", "name", "said", "wire_id")

    def __init__(self) -> None:
        self.wire_id, self.name, self.held, self.index, self.said = "", "", "", -1, False


class Answer:
    """One streamed answer.

    Args:
        cites: Pages that the text cites are listed below it.
        chains: The answer's id becomes an item, so that the next request can name it.

    Attributes:
        id: The response's id; empty until it came.
        sequence: The number of the last event.
        is_over: The last event came.
        failure: What the API said instead of an answer; None while it did not fail.
    """

    def __init__(self, *, cites: bool = True, chains: bool = False) -> None:
        self.id, self.model, self.sequence = "", "", -1
        self.is_over, self.is_begun = False, False
        self.failure: Any = None
        self._end: dict[str, Any] = {}
        self._chains, self._is_refused = chains, False
        self._citations = Citations() if cites else None
        self._has_text, self._said, self._part = False, False, 0
        self._calls: list[_Call] = []
        self._slots: dict[Any, _Call] = {}
        self._ids: set[str] = set()
        self._begun = 0
        self._done: set[Any] = set()
        self._takers: Mapping[str, Callable[[dict[str, Any], list[Chunk]], None]] = {
            "response.output_text.delta": self._text,
            "response.reasoning_summary_text.delta": self._thought,
            "response.reasoning_text.delta": self._thought,
            "response.function_call_arguments.delta": self._arguments,
            "response.function_call_arguments.done": self._arguments_done,
            "response.refusal.delta": self._refusal,
            "response.output_item.added": self._added,
            "response.output_item.done": self._finished,
            "response.output_text.annotation.added": self._annotation,
            "response.failed": self._failed,
            "error": self._failed,
            **dict.fromkeys(_ENDS, self._ended),
        }

    def take(self, event: dict[str, Any]) -> list[Chunk]:
        """Return the chunks of one event; what is not known is left out."""
        found: list[Chunk] = []
        kind = event.get("type")
        if isinstance(number := event.get("sequence_number"), int):
            self.sequence = number
        if not self.id and isinstance(response := event.get("response"), dict):
            self.id, self.model = _string(response.get("id")), _string(response.get("model"))
        taker = self._takers.get(kind) if isinstance(kind, str) else None
        if taker is not None:
            self.is_begun = True
            taker(event, found)
        elif event.get("error"):  # a proxy's own form
            self._failed(event, found)
        return found

    def end(self) -> list[Chunk]:
        """Return what is left after the last event, and the end."""
        found: list[Chunk] = []
        # What was not streamed item by item stands in the last event.
        output = self._end.get("output")
        for index, item in enumerate(output if isinstance(output, list) else ()):
            if isinstance(item, dict) and index not in self._done and _string(item.get("id")) not in self._done:
                self._finished({"item": item, "output_index": index}, found)
        for call in self._calls:
            if call.index < 0:
                call.name = call.name or "unnamed"
                self._begin(call, found)
        if self._citations and not self._calls and (listed := self._citations.listed()):
            found.append(TextChunk(listed))
        status = self._end.get("status")
        if self._chains and self.id and status == "completed":
            found.append(ItemChunk(ProviderItem(backend=NAME, item={"type": RESPONSE, "id": self.id})))
        if isinstance(usage := self._end.get("usage"), dict):
            found.append(UsageChunk(usage_of(usage)))
        details = self._end.get("incomplete_details")
        why = _string(details.get("reason")) if isinstance(details, dict) else ""
        found.append(StopChunk(self._reason(status, why), _string(self._end.get("model")) or self.model, why or _string(status)))
        return found

    def _reason(self, status: Any, why: str) -> StopReason:
        if status == "cancelled":
            return "cancelled"
        if status == "incomplete":
            return _INCOMPLETE.get(why, "length")
        if self._is_refused:
            return "refused"
        return "tools" if self._calls else "stop"

    # Events

    def _text(self, event: dict[str, Any], found: list[Chunk]) -> None:
        self._say(event.get("delta"), found)

    def _say(self, text: Any, found: list[Chunk]) -> None:
        if isinstance(text, str) and text:
            # A second message of one answer begins a paragraph of its own.
            found.append(TextChunk(text if self._said or not self._has_text else f"\n\n{text}"))
            self._said = self._has_text = True

    def _refusal(self, event: dict[str, Any], found: list[Chunk]) -> None:
        self._is_refused = True
        self._say(event.get("delta"), found)

    def _thought(self, event: dict[str, Any], found: list[Chunk]) -> None:
        delta, part = event.get("delta"), event.get("summary_index")
        if not isinstance(delta, str) or not delta:
            return
        if isinstance(part, int) and part != self._part:
            self._part = part
            delta = f"\n\n{delta}"
        found.append(ReasoningChunk(delta))

    def _added(self, event: dict[str, Any], found: list[Chunk]) -> None:
        item = event.get("item")
        if not isinstance(item, dict):
            return
        self._part = 0
        if item.get("type") == "message":
            self._said = False
            self._hint(item, found)
        elif item.get("type") == "function_call":
            call = self._call(event, item)
            if call.name and call.wire_id and call.index < 0:
                self._hint(item, found)
                self._begin(call, found)

    def _hint(self, item: Mapping[str, Any], found: list[Chunk]) -> None:
        """Keep what text and calls have no place for: a thought goes back together with the very item that it led to, and that has an id."""
        if hint := {name: item[name] for name in ("id", "phase") if isinstance(item.get(name), str) and item[name]}:
            found.append(ItemChunk(ProviderItem(backend=NAME, item={"type": HINT, "of": item["type"], **hint})))

    def _arguments(self, event: dict[str, Any], found: list[Chunk]) -> None:
        delta = event.get("delta")
        if isinstance(delta, str) and delta:
            self._extend(self._call(event), delta, found)

    def _arguments_done(self, event: dict[str, Any], found: list[Chunk]) -> None:
        call, arguments = self._call(event), event.get("arguments")
        if not call.said and isinstance(arguments, str) and arguments:
            self._extend(call, arguments, found)

    def _finished(self, event: dict[str, Any], found: list[Chunk]) -> None:
        item = event.get("item")
        if not isinstance(item, dict):
            return
        self._done.update(key for key in (event.get("output_index"), item.get("id")) if isinstance(key, int | str) and key != "")
        kind = item.get("type")
        if kind == "function_call":
            call, arguments = self._call(event, item), item.get("arguments")
            if call.index < 0 and call.name:
                self._hint(item, found)
                self._begin(call, found)
            if not call.said and isinstance(arguments, str) and arguments:
                self._extend(call, arguments, found)
        elif kind == "message":
            self._message(item, found)
        elif isinstance(kind, str):
            done = shown(item)
            if done:
                found.append(ReasoningChunk(done))
            found.append(ItemChunk(ProviderItem(backend=NAME, item=item)))

    def _message(self, item: dict[str, Any], found: list[Chunk]) -> None:
        """Take a message's end: its text where it was not streamed, and what it cites."""
        was_said = self._said
        content = item.get("content")
        for part in content if isinstance(content, list) else ():
            if not isinstance(part, dict):
                continue
            if part.get("type") == "refusal":
                self._is_refused = True
            if not was_said:
                self._say(part.get("text") or part.get("refusal"), found)
            if self._citations:
                self._citations.take(part.get("annotations"))
        self._said = False

    def _annotation(self, event: dict[str, Any], found: list[Chunk]) -> None:
        if self._citations:
            self._citations.take([event.get("annotation")])

    def _ended(self, event: dict[str, Any], found: list[Chunk]) -> None:
        self.is_over = True
        if isinstance(response := event.get("response"), dict):
            self._end = response
        self._end.setdefault("status", str(event["type"]).removeprefix("response."))

    def _failed(self, event: dict[str, Any], found: list[Chunk]) -> None:
        self.is_over = True
        response = event.get("response")
        if isinstance(response, dict):
            if isinstance(usage := response.get("usage"), dict):
                found.append(UsageChunk(usage_of(usage)))
            self.failure = response.get("error") or response
        else:
            self.failure = event.get("error") or event

    # Calls

    def _call(self, event: Mapping[str, Any], item: Mapping[str, Any] | None = None) -> _Call:
        """Return the call that an event is about: by its place, else by its item's id; else the last one."""
        place, name = event.get("output_index"), _string(item.get("id") if item else event.get("item_id"))
        keys = [key for key in (place if isinstance(place, int) else None, name or None) if key is not None]
        known = next((self._slots[key] for key in keys if key in self._slots), None)
        if known is None and not keys and not item and self._calls:
            known = self._calls[-1]
        wire_id = _string(item.get("call_id")) if item else ""
        if known is not None and wire_id and known.wire_id and known.wire_id != wire_id:
            known = None  # a server that gives each call the same place
        if known is None:
            known = _Call()
            self._calls.append(known)
        for key in keys:
            self._slots[key] = known
        if item:
            known.wire_id = known.wire_id or wire_id
            known.name = known.name or _string(item.get("name"))
        return known

    def _extend(self, call: _Call, arguments: str, found: list[Chunk]) -> None:
        call.said = True
        if call.index < 0:
            call.held += arguments
        else:
            found.append(ToolCallChunk(call.index, arguments=arguments))

    def _begin(self, call: _Call, found: list[Chunk]) -> None:
        call.index, self._begun = self._begun, self._begun + 1
        # Ids that are missing, or given twice, would mix results up.
        made = call.wire_id if call.wire_id and call.wire_id not in self._ids else f"call_{uuid4().hex[:16]}"
        self._ids.add(made)
        found.append(ToolCallChunk(call.index, made, call.name, call.held))


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
