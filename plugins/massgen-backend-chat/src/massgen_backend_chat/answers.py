"""What a server streams, as chunks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import msgspec

from massgen_core.api import Chunk, ItemChunk, ProviderItem, ReasoningChunk, StopChunk, StopReason, TextChunk, ToolCallChunk, Usage, UsageChunk

__all__ = ["Answer", "usage_of"]

_STOPS: Mapping[str, StopReason] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "filtered",
    "sensitive": "filtered",
    "safety": "filtered",
    "refusal": "refused",
}
# The details of reasoning that come in pieces, and the field in which their text is.
_TEXTS: Mapping[str, str] = {"reasoning.text": "text", "reasoning.summary": "summary"}
_BROKEN = frozenset({"error", "network_error", "insufficient_system_resource", "abort"})


def usage_of(raw: Mapping[str, Any], *, is_cost_told: bool = False) -> Usage:
    """Return the five disjoint counts; what the protocol counts twice (cached input, reasoning) is taken out of the sums."""

    def count(source: Any, *names: str) -> int:
        if not isinstance(source, Mapping):
            return 0
        return next((value for name in names if isinstance(value := source.get(name), int) and value > 0), 0)

    prompt, completion = count(raw, "prompt_tokens"), count(raw, "completion_tokens")
    details = raw.get("prompt_tokens_details")
    cached = count(details, "cached_tokens") or count(raw, "prompt_cache_hit_tokens", "cached_tokens")
    written = count(details, "cache_write_tokens", "cache_creation_tokens") or count(raw, "cache_creation_input_tokens")
    reasoning = count(raw.get("completion_tokens_details"), "reasoning_tokens") or count(raw, "reasoning_tokens")
    # Some count reasoning beside the output instead of in it; their total tells.
    is_beside = reasoning > 0 and count(raw, "total_tokens") == prompt + completion + reasoning
    output = completion if is_beside else completion - reasoning
    cost = raw.get("cost") if is_cost_told else None
    return Usage(
        input=max(0, prompt - cached - written),
        cached=cached,
        written=written,
        output=max(0, output),
        reasoning=reasoning,
        cost=float(cost) if isinstance(cost, int | float) else None,
    )


class _Call:
    """One tool call, from its first piece on; its index is given when its name is known."""

    __slots__ = ("extra", "held", "id", "index", "name", "wire_id")

    def __init__(self, wire_id: str) -> None:
        self.wire_id, self.id, self.name, self.held, self.index = wire_id, "", "", "", -1
        self.extra: Any = None


class Answer:
    """One streamed answer.

    Args:
        is_cost_told: The usage carries US dollars.
        keeps_reasoning: The server wants the reasoning before tool calls back; it becomes an item.

    Attributes:
        is_begun: Something came that belongs to an answer.
        finish: The server's own word for the end; empty until it came.
        failure: What it says of an end that is none; None where it says nothing.
    """

    def __init__(self, *, is_cost_told: bool = False, keeps_reasoning: bool = False) -> None:
        self.finish, self.model, self.is_begun = "", "", False
        self.failure: Any = None
        self._is_cost_told, self._is_refused = is_cost_told, False
        self._keeps_reasoning = keeps_reasoning
        self._thoughts: list[str] = []
        self._details: list[tuple[dict[str, Any], list[str]]] = []  # each with the pieces of its text
        self._calls: list[_Call] = []
        self._slots: dict[int, _Call] = {}
        self._begun = 0
        self._ids: set[str] = set()

    def take(self, event: Mapping[str, Any]) -> list[Chunk]:
        """Return the chunks of one event; what is not known is left out."""
        found: list[Chunk] = []
        beside: Any = None
        choices = event.get("choices")
        if choices and isinstance(choices, list) and isinstance(choice := choices[0], dict):
            self.is_begun = True
            # A server that cannot stream sends one whole message.
            delta = choice.get("delta") or choice.get("message")
            if isinstance(delta, dict):
                self._delta(delta, found)
            if (finish := choice.get("finish_reason")) and isinstance(finish, str):
                self.finish, self.failure = finish, choice.get("error")
                beside = choice.get("usage")
        if not self.model and isinstance(model := event.get("model"), str):
            self.model = model
        if (usage := event.get("usage") or beside) and isinstance(usage, dict):
            found.append(UsageChunk(usage_of(usage, is_cost_told=self._is_cost_told)))
        return found

    @property
    def is_broken(self) -> bool:
        """The server says that it could not finish."""
        return self.finish in _BROKEN

    def end(self) -> list[Chunk]:
        """Return what is left and the end."""
        found: list[Chunk] = []
        for call in self._calls:
            if call.index < 0:
                call.name = "unnamed"
                self._begin(call, found)
        if self._calls and (kept := self._kept()):
            found.append(ItemChunk(ProviderItem(backend="chat", item=kept)))
        reason = _STOPS.get(self.finish.lower())
        if self._is_refused and reason != "length":
            reason = "refused"
        if reason is None:
            # Calls count, whatever word the server has for an end with calls.
            reason = "tools" if self._calls else "stop"
        found.append(StopChunk(reason, self.model, self.finish))
        return found

    def _kept(self) -> dict[str, Any]:
        """Return what goes back with the calls: the reasoning, and whatever the server itself said beside it and beside each call."""
        details = [{**detail, **({_TEXTS[detail["type"]]: "".join(pieces)} if pieces else {})} for detail, pieces in self._details]
        extras = {call.id: call.extra for call in self._calls if call.extra}
        kept = {"reasoning_content": "".join(self._thoughts), "reasoning_details": details, "extra_content": extras}
        return {name: value for name, value in kept.items() if value}

    def _delta(self, delta: Mapping[str, Any], found: list[Chunk]) -> None:
        if content := delta.get("content"):
            if isinstance(content, str):
                found.append(TextChunk(content))
            elif isinstance(content, list):
                self._parts(content, found)
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if thought and isinstance(thought, str):
            found.append(ReasoningChunk(thought))
            if self._keeps_reasoning:
                self._thoughts.append(thought)
        if (details := delta.get("reasoning_details")) and isinstance(details, list):
            for detail in details:
                if isinstance(detail, dict):
                    self._detail(detail)
        if (refusal := delta.get("refusal")) and isinstance(refusal, str):
            self._is_refused = True
            found.append(TextChunk(refusal))
        if (calls := delta.get("tool_calls")) and isinstance(calls, list):
            for piece in calls:
                if isinstance(piece, dict):
                    self._piece(piece, found)

    def _parts(self, parts: list[Any], found: list[Chunk]) -> None:
        """Take content that comes as a list of parts."""
        for part in parts:
            if not isinstance(part, dict):
                continue
            if isinstance(text := part.get("text"), str) and text:
                found.append(TextChunk(text))
            elif isinstance(thinking := part.get("thinking"), list):
                found.extend(ReasoningChunk(each["text"]) for each in thinking if isinstance(each, dict) and isinstance(each.get("text"), str))

    def _detail(self, detail: dict[str, Any]) -> None:
        """Keep a piece of what a router says of the reasoning: texts come in pieces, all else whole."""
        kind = detail.get("type")
        field = _TEXTS.get(kind) if isinstance(kind, str) else None
        last = self._details[-1][0] if self._details else {}
        if field is None or (last.get("type"), last.get("index")) != (kind, detail.get("index")):
            self._details.append(({}, []))
        known, pieces = self._details[-1]
        if field is not None and isinstance(text := detail.get(field), str):
            pieces.append(text)
        known.update({name: value for name, value in detail.items() if value is not None or name not in known})

    def _piece(self, piece: Mapping[str, Any], found: list[Chunk]) -> None:
        function = piece.get("function")
        function = function if isinstance(function, dict) else {}
        wire_id = piece.get("id") if isinstance(piece.get("id"), str) else ""
        name = function.get("name") if isinstance(function.get("name"), str) else ""
        arguments = function.get("arguments")
        if arguments is None:
            arguments = ""
        elif not isinstance(arguments, str):  # some servers send the object itself
            arguments = msgspec.json.encode(arguments).decode()
        call = self._call(piece.get("index"), wire_id or "", name or "")
        if extra := piece.get("extra_content"):
            call.extra = extra
        if call.index >= 0:
            if arguments:
                found.append(ToolCallChunk(call.index, arguments=arguments))
            return
        call.held += arguments
        if name:
            call.name = name
            self._begin(call, found)

    def _call(self, index: Any, wire_id: str, name: str) -> _Call:
        """Return the call that a piece belongs to: by index, else by id; a name where one was already given begins another call."""
        known: _Call | None
        if isinstance(index, int):
            known = self._slots.get(index)
        elif wire_id:
            known = next((call for call in self._calls if call.wire_id == wire_id), None)
        else:
            known = self._calls[-1] if self._calls else None
            if known is not None and known.name and name:
                known = None
        if known is not None and wire_id and name and known.wire_id and known.wire_id != wire_id:
            known = None  # a server that gives each call the same index
        if known is None:
            known = _Call(wire_id)
            self._calls.append(known)
            if isinstance(index, int):
                self._slots[index] = known
        elif wire_id and not known.wire_id:
            known.wire_id = wire_id
        return known

    def _begin(self, call: _Call, found: list[Chunk]) -> None:
        call.index, self._begun = self._begun, self._begun + 1
        # Ids that are missing, or given twice, would mix results up.
        call.id = call.wire_id if call.wire_id and call.wire_id not in self._ids else f"call_{uuid4().hex[:16]}"
        self._ids.add(call.id)
        found.append(ToolCallChunk(call.index, call.id, call.name, call.held))
