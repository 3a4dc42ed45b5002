"""Anthropic's Messages, streamed: the neutral scenarios in its words, and faults of its wire."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from massgen_core.api import Chunk, ItemChunk, ReasoningChunk, StopChunk, TextChunk, ToolCallChunk, Usage, UsageChunk
from massgen_testkit.provider import Play, event, shredded
from massgen_testkit.scenarios import Fault, Scenario, Stall

__all__ = ["SIGNATURE", "WIRE_FAULTS", "block", "ended", "message_plays", "named", "rejected", "started"]

SIGNATURE = "EqoBCkgIARABGAIiQL-signed=="
FILTERED = "Output blocked by content filtering policy"
_STOPS = {"stop": "end_turn", "tools": "tool_use", "length": "max_tokens", "refused": "refusal"}
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def named(data: Mapping[str, Any]) -> bytes:
    """Return one server-sent event whose name is its data's type."""
    return f"event: {data['type']}\n".encode() + event(data)


def started(usage: Usage | None = None) -> bytes:
    """Return the beginning of an answer, with what is known of its usage by then."""
    used = usage or Usage()
    told = {"input_tokens": used.input, "cache_read_input_tokens": used.cached, "cache_creation_input_tokens": used.written, "output_tokens": 1}
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }
    return named({"type": "message_start", "message": {**message, "usage": told}})


def block(index: int, content: Mapping[str, Any], *deltas: Mapping[str, Any]) -> tuple[bytes, ...]:
    """Return one content block, from its start over its deltas to its stop."""
    return (
        named({"type": "content_block_start", "index": index, "content_block": content}),
        *(_delta(index, delta) for delta in deltas),
        named({"type": "content_block_stop", "index": index}),
    )


def ended(stop: str = "end_turn", usage: Usage | None = None, **delta: Any) -> tuple[bytes, ...]:
    """Return the end of an answer: the reason, the usage in sum, and the last event."""
    used = usage or Usage()
    told = {"output_tokens": used.output + used.reasoning, "output_tokens_details": {"thinking_tokens": used.reasoning}}
    return (
        named({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None, **delta}, "usage": told}),
        named({"type": "message_stop"}),
    )


def rejected(status: int, message: str, type: str = "", **headers: str) -> Play:  # noqa: A002 - the protocol's word
    """Return an error as this API tells one; underscores in names of headers become hyphens."""
    body = json.dumps(_error(type or _TYPES.get(status, "api_error"), message)).encode()
    told = {name.replace("_", "-"): text for name, text in headers.items()}
    return Play(status=status, media_type="application/json", headers=told, pieces=(body,))


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def _delta(index: int, delta: Mapping[str, Any]) -> bytes:
    return named({"type": "content_block_delta", "index": index, "delta": delta})


class _Blocks:
    """Puts chunks into content blocks: each change of kind ends one and begins the next."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self._open: object = None
        self._count = 0

    def take(self, step: Chunk) -> None:
        """Take the next chunk."""
        if isinstance(step, TextChunk):
            self._enter("text", {"type": "text", "text": ""})
            self._add({"type": "text_delta", "text": step.text})
        elif isinstance(step, ReasoningChunk):
            self._enter("thinking", {"type": "thinking", "thinking": "", "signature": ""})
            self._add({"type": "thinking_delta", "thinking": step.text})
        elif isinstance(step, ToolCallChunk):
            self._enter(("call", step.index), {"type": "tool_use", "id": step.id, "name": step.name, "input": {}})
            self._add({"type": "input_json_delta", "partial_json": step.arguments})
        elif isinstance(step, ItemChunk):
            # What is opaque in this protocol: thinking that nobody may read.
            self._enter(object(), {"type": "redacted_thinking", "data": step.item.item["encrypted_content"]})

    def close(self) -> None:
        """End the open block."""
        if self._open == "thinking":
            self._add({"type": "signature_delta", "signature": SIGNATURE})
        if self._open is not None:
            self.pieces.append(named({"type": "content_block_stop", "index": self._count - 1}))
        self._open = None

    def _enter(self, kind: object, content: Mapping[str, Any]) -> None:
        if kind == self._open:
            return
        self.close()
        self.pieces.append(named({"type": "content_block_start", "index": self._count, "content_block": content}))
        self._open, self._count = kind, self._count + 1

    def _add(self, delta: Mapping[str, Any]) -> None:
        self.pieces.append(_delta(self._count - 1, delta))


def _turn(steps: Sequence[Any]) -> Play:
    """Return the play of one turn of a scenario."""
    usage = next((step.usage for step in steps if isinstance(step, UsageChunk)), Usage())
    blocks = _Blocks()
    blocks.pieces.append(started(usage))
    for step in steps:
        if isinstance(step, Stall):
            return Play(pieces=tuple(blocks.pieces), end="stall")
        if isinstance(step, Fault):
            return _failing(step, blocks.pieces)
        if isinstance(step, StopChunk):
            blocks.close()
            if step.reason == "filtered":
                return Play(pieces=(*blocks.pieces, named(_error("invalid_request_error", FILTERED))))
            blocks.pieces += ended(_STOPS[step.reason], usage)
        elif not isinstance(step, UsageChunk):
            blocks.take(step)
    return Play(pieces=tuple(blocks.pieces))


def _failing(fault: Fault, pieces: Sequence[bytes]) -> Play:
    if fault.how == "drop":
        return Play(pieces=tuple(pieces), end="drop")
    message = f"{fault.message} (KEY)" if fault.echoes_secret else fault.message
    if fault.how == "event":
        return Play(pieces=(*pieces, named(_error(_TYPES[fault.status], message))), echoes_key=fault.echoes_secret)
    headers = {} if fault.retry_after is None else {"Retry_After": f"{fault.retry_after:g}"}
    return attrs.evolve(rejected(fault.status, message, **headers), echoes_key=fault.echoes_secret)


def message_plays(scenario: Scenario) -> tuple[Play, ...]:
    """Return what a server that speaks Messages does in each call of a scenario."""
    plays = tuple(_turn(steps) for steps in scenario.turns)
    return tuple(attrs.evolve(play, pieces=shredded(play.pieces)) for play in plays) if scenario.is_shredded else plays


def _text(*pieces: str) -> tuple[bytes, ...]:
    return block(0, {"type": "text", "text": ""}, *({"type": "text_delta", "text": piece} for piece in pieces))


def _calls(*calls: tuple[int, str, Sequence[str]]) -> Iterator[bytes]:
    for index, identifier, pieces in calls:
        content = {"type": "tool_use", "id": identifier, "name": "weather", "input": {}}
        yield from block(index, content, *({"type": "input_json_delta", "partial_json": piece} for piece in pieces))


_BEGUN = (started(), *_text("The capital ", "of ")[:-1])
_ENDED = (named({"type": "content_block_stop", "index": 0}), *ended())
_CALLED = ended("tool_use")
_PARIS, _ROME = '{"city": "Paris"}', '{"city": "Rome"}'
_WHOLE = {
    "type": "message",
    "model": "m",
    "content": [{"type": "text", "text": "The capital of "}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}


# What servers and proxies do beyond the neutral scenarios: bytes of this protocol only.
WIRE_FAULTS: Mapping[str, Play] = {
    "retry_after_seconds": rejected(429, "slow down", retry_after="2"),
    "retry_after_date": rejected(429, "slow down", retry_after="Fri, 31 Dec 2199 23:59:59 GMT"),
    "unavailable_for_a_while": rejected(503, "restarting", retry_after="7"),
    "overloaded": rejected(529, "Overloaded"),
    "gateway_page": Play(status=502, media_type="text/html", pieces=(b"<html><body>Bad Gateway</body></html>",)),
    "prompt_too_long": rejected(400, "prompt is too long: 210000 tokens > 200000 maximum"),
    "request_too_large": rejected(413, "Request exceeds the maximum size"),
    "no_such_model": rejected(404, "model: claude-none"),
    "no_credit": rejected(400, "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."),
    "slow_first_byte": Play(delay=0.2, pieces=(*_BEGUN, *_ENDED)),
    "stall": Play(pieces=_BEGUN, end="stall"),
    "drop": Play(pieces=_BEGUN, end="drop"),
    "drop_inside_an_event": Play(pieces=(*_BEGUN, _delta(0, {"type": "text_delta", "text": "France"})[:60]), end="drop"),
    "silent_end": Play(pieces=_BEGUN),
    "malformed_json": Play(pieces=(*_BEGUN, b'event: content_block_delta\ndata: {"type": "content_block_delta", "delta": {\n\n', *_ENDED)),
    "unknown_events": Play(
        pieces=(
            b": hello\n\n",
            named({"type": "ping"}),
            named({"type": "news", "of": "tomorrow"}),
            event("[1]"),
            _BEGUN[0],
            *block(7, {"type": "mystery", "stuff": 1}, {"type": "mystery_delta", "stuff": 2}),
            *_BEGUN[1:],
            _delta(0, {"type": "mystery_delta", "stuff": 3}),
            *_ENDED,
        )
    ),
    "carriage_returns": Play(pieces=tuple(piece.replace(b"\n", b"\r\n") for piece in (*_BEGUN, *_ENDED))),
    "torn_unicode": Play(pieces=shredded((started(), *_text("Zürich 🦜 日本"), *ended()))),
    "interleaved_blocks": Play(
        pieces=(
            started(),
            *(
                named(
                    {
                        "type": "content_block_start",
                        "index": at,
                        "content_block": {"type": "tool_use", "id": f"call-{at}", "name": "weather", "input": {}},
                    }
                )
                for at in (0, 1)
            ),
            *(
                _delta(at, {"type": "input_json_delta", "partial_json": piece})
                for pieces in zip((_PARIS[:8], _PARIS[8:]), (_ROME[:5], _ROME[5:]), strict=True)
                for at, piece in enumerate(pieces)
            ),
            *(named({"type": "content_block_stop", "index": at}) for at in (0, 1)),
            *_CALLED,
        )
    ),
    "same_index": Play(pieces=(started(), *_calls((0, "call-1", (_PARIS,)), (0, "call-2", (_ROME,))), *_CALLED)),
    "duplicate_ids": Play(pieces=(started(), *_calls((0, "call-1", (_PARIS,)), (1, "call-1", (_ROME,))), *_CALLED)),
    "missing_ids": Play(pieces=(started(), *_calls((0, "", (_PARIS,)), (1, "", (_ROME,))), *_CALLED)),
    "whole_input": Play(
        pieces=(
            started(),
            *block(0, {"type": "tool_use", "id": "call-1", "name": "weather", "input": {"city": "Paris"}}),
            *block(1, {"type": "tool_use", "id": "call-2", "name": "weather", "input": {"city": "Rome"}}),
            *_CALLED,
        )
    ),
    "huge_arguments": Play(pieces=(started(), *_calls((0, "call-1", ('{"city": "', *("x" * 50_000 for _ in range(20)), '"}'))), *_CALLED)),
    "no_stream": Play(media_type="application/json", pieces=(json.dumps(_WHOLE).encode(),)),
    "empty_answer": Play(pieces=(started(), *ended())),
}
