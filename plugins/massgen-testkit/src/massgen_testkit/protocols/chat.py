"""Chat Completions, streamed: the neutral scenarios in its words, and faults of its wire."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from massgen_core.api import ReasoningChunk, StopChunk, TextChunk, ToolCallChunk, UsageChunk
from massgen_testkit.provider import Play, event, refused, shredded
from massgen_testkit.scenarios import Fault, Scenario, Stall

__all__ = ["WIRE_FAULTS", "chat_plays"]

_STOPS = {"stop": "stop", "tools": "tool_calls", "length": "length", "refused": "stop", "filtered": "content_filter"}


def _choice(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
    return event({"id": "c-1", "object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _call(index: int | None, id: str = "", name: str = "", arguments: str = "") -> bytes:  # noqa: A002 - the protocol's word
    piece: dict[str, Any] = {} if index is None else {"index": index}
    if id:
        piece.update(id=id, type="function")
    piece["function"] = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    return _choice({"tool_calls": [piece]})


def _error(fault: Fault) -> dict[str, Any]:
    message = f"{fault.message} (KEY)" if fault.echoes_secret else fault.message
    return {"error": {"message": message, "type": fault.code, "code": fault.code}}


def _usage(chunk: UsageChunk) -> bytes:
    used = chunk.usage
    prompt, completion = used.input + used.cached + used.written, used.output + used.reasoning
    told = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": used.cached, "cache_write_tokens": used.written},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning},
    }
    return event({"id": "c-1", "object": "chat.completion.chunk", "model": "m", "choices": [], "usage": told})


def _turn(steps: Sequence[Any]) -> Play:
    """Return the play of one turn of a scenario."""
    stop = next((step for step in steps if isinstance(step, StopChunk)), None)
    pieces, usage = [_choice({"role": "assistant", "content": ""})], b""
    for step in steps:
        if isinstance(step, TextChunk):
            pieces.append(_choice({"refusal" if stop and stop.reason == "refused" else "content": step.text}))
        elif isinstance(step, ReasoningChunk):
            pieces.append(_choice({"reasoning_content": step.text}))
        elif isinstance(step, ToolCallChunk):
            pieces.append(_call(step.index, step.id, step.name, step.arguments))
        elif isinstance(step, UsageChunk):
            usage = _usage(step)
        elif isinstance(step, StopChunk):
            pieces += [_choice({}, _STOPS[step.reason]), usage, event("[DONE]")]
        elif isinstance(step, Stall):
            return Play(pieces=tuple(pieces), end="stall")
        elif isinstance(step, Fault):
            return _failing(step, pieces)
    return Play(pieces=tuple(piece for piece in pieces if piece))


def _failing(fault: Fault, pieces: Sequence[bytes]) -> Play:
    if fault.how == "drop":
        return Play(pieces=tuple(pieces), end="drop")
    if fault.how == "event":
        return Play(pieces=(*pieces, event(_error(fault))), echoes_key=fault.echoes_secret)
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    body = json.dumps(_error(fault)).encode()
    return Play(status=fault.status, media_type="application/json", headers=headers, pieces=(body,), echoes_key=fault.echoes_secret)


def chat_plays(scenario: Scenario) -> tuple[Play, ...]:
    """Return what a server that speaks Chat Completions does in each call of a scenario."""
    plays = tuple(_turn(steps) for steps in scenario.turns)
    return tuple(attrs.evolve(play, pieces=shredded(play.pieces)) for play in plays) if scenario.is_shredded else plays


_BEGUN = (_choice({"content": "The capital "}), _choice({"content": "of "}))
_ENDED = (_choice({}, "stop"), event("[DONE]"))
_CALLED = (_choice({}, "tool_calls"), event("[DONE]"))
_PARIS, _ROME = '{"city": "Paris"}', '{"city": "Rome"}'


# What servers and proxies do beyond the neutral scenarios: bytes of this protocol only.
WIRE_FAULTS: Mapping[str, Play] = {
    "retry_after_seconds": refused(429, "slow down", retry_after="2"),
    "retry_after_date": refused(429, "slow down", retry_after="Fri, 31 Dec 2199 23:59:59 GMT"),
    "unavailable_for_a_while": refused(503, "restarting", retry_after="7"),
    "gateway_page": Play(status=502, media_type="text/html", pieces=(b"<html><body>Bad Gateway</body></html>",)),
    "slow_first_byte": Play(delay=0.2, pieces=(*_BEGUN, *_ENDED)),
    "stall": Play(pieces=_BEGUN, end="stall"),
    "drop": Play(pieces=_BEGUN, end="drop"),
    "drop_inside_an_event": Play(pieces=(*_BEGUN, _choice({"content": "France"})[:30]), end="drop"),
    "silent_end": Play(pieces=_BEGUN),
    "malformed_json": Play(pieces=(*_BEGUN, b'data: {"choices": [{"delta": {\n\n', *_ENDED)),
    "unknown_events": Play(
        pieces=(
            b": hello\n\n",
            b"event: ping\nid: 7\nretry: 10\ndata: {}\n\n",
            event({"object": "news"}),
            event("[1]"),
            *_BEGUN,
            b": still here\n",
            *_ENDED,
        )
    ),
    "empty_data": Play(pieces=(b"data:\n\n", *_BEGUN, b"data: \n\n", *_ENDED[:1], b"data: [DONE] \n\n")),
    "carriage_returns": Play(pieces=tuple(piece.replace(b"\n", b"\r\n") for piece in (*_BEGUN, *_ENDED))),
    "torn_unicode": Play(pieces=shredded((_choice({"content": "Zürich 🦜 日本"}), *_ENDED))),
    "missing_index": Play(
        pieces=(
            _call(None, "call-1", "weather"),
            _call(None, arguments=_PARIS[:8]),
            _call(None, arguments=_PARIS[8:]),
            _call(None, "call-2", "weather"),
            _call(None, arguments=_ROME),
            *_CALLED,
        )
    ),
    "same_index": Play(pieces=(_call(0, "call-1", "weather", _PARIS), _call(0, "call-2", "weather", _ROME), *_CALLED)),
    "duplicate_ids": Play(pieces=(_call(0, "call-1", "weather", _PARIS), _call(1, "call-1", "weather", _ROME), *_CALLED)),
    "missing_ids": Play(pieces=(_call(0, "", "weather", _PARIS), _call(1, "", "weather", _ROME), *_CALLED)),
    "huge_arguments": Play(
        pieces=(
            _call(0, "call-1", "weather", '{"city": "'),
            *(_call(0, arguments="x" * 50_000) for _ in range(20)),
            _call(0, arguments='"}'),
            *_CALLED,
        )
    ),
    "no_stream": Play(
        media_type="application/json",
        pieces=(json.dumps({"choices": [{"index": 0, "message": {"content": "The capital of "}, "finish_reason": "stop"}]}).encode(),),
    ),
    "empty_answer": Play(pieces=_ENDED),
    "bare_error": Play(
        pieces=(*_BEGUN, event({"object": "error", "message": "the engine died", "type": "InternalServerError", "code": 500}), _ENDED[1])
    ),
    "error_of_a_choice": Play(
        pieces=(
            *_BEGUN,
            event(
                {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error", "error": {"code": 502, "message": "upstream died"}}]}
            ),
            _ENDED[1],
        )
    ),
    "signed_calls": Play(
        pieces=(
            _choice({"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "h", "index": 0}]}),
            _choice({"reasoning_details": [{"type": "reasoning.text", "text": "m", "signature": "S", "index": 0}]}),
            _choice({"reasoning_details": [{"type": "reasoning.encrypted", "data": "E", "id": "call-1", "index": 1}]}),
            _choice(
                {
                    "tool_calls": [
                        {
                            "index": 0,
                            "id": "call-1",
                            "extra_content": {"google": {"thought_signature": "T"}},
                            "function": {"name": "weather", "arguments": _PARIS},
                        }
                    ]
                }
            ),
            *_CALLED,
        )
    ),
}
