"""Gemini's streamGenerateContent, as server-sent events: the neutral scenarios in its words, and faults of its wire."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from massgen_core.api import ItemChunk, ReasoningChunk, StopChunk, TextChunk, ToolCallChunk, UsageChunk
from massgen_testkit.provider import Play, event, shredded
from massgen_testkit.scenarios import Fault, Scenario, Stall

__all__ = ["WIRE_FAULTS", "gemini_error", "gemini_event", "gemini_plays"]

_STOPS = {"stop": "STOP", "tools": "STOP", "length": "MAX_TOKENS", "refused": "STOP", "filtered": "SAFETY"}
_STATUSES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 529: "UNAVAILABLE"}


def gemini_event(*parts: Mapping[str, Any], finish: str = "", candidate: Mapping[str, Any] | None = None, **response: Any) -> bytes:
    """Return one event of a stream.

    Args:
        finish: The reason for which the model stopped; empty where it has not.
        candidate: Further fields of the candidate, for instance `groundingMetadata`.
        response: Further fields of the response, for instance `usageMetadata`.
    """
    told: dict[str, Any] = {"index": 0, **(candidate or {})}
    if parts:
        told["content"] = {"role": "model", "parts": list(parts)}
    if finish:
        told["finishReason"] = finish
    return event({"candidates": [told], "modelVersion": "m", "responseId": "r-1", **response})


def gemini_error(status: int, message: str, *, details: Sequence[Mapping[str, Any]] = (), **headers: str) -> Play:
    """Return an error as Google's servers tell one; underscores in names of headers become hyphens."""
    error: dict[str, Any] = {"code": status, "message": message, "status": _STATUSES.get(status, "UNKNOWN")}
    if details:
        error["details"] = list(details)
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Play(status=status, media_type="application/json; charset=UTF-8", headers=named, pieces=(json.dumps({"error": error}).encode(),))


def _usage(chunk: UsageChunk) -> Mapping[str, Any]:
    used = chunk.usage
    prompt = used.input + used.cached + used.written
    return {
        "promptTokenCount": prompt,
        "cachedContentTokenCount": used.cached,
        "candidatesTokenCount": used.output,
        "thoughtsTokenCount": used.reasoning,
        "totalTokenCount": prompt + used.output + used.reasoning,
    }


def _called(steps: Sequence[Any], stop: StopChunk | None) -> tuple[list[dict[str, Any]], str]:
    """Return the calls of a turn, which come whole in this protocol, and the arguments of one that is no JSON."""
    pieces: dict[int, list[ToolCallChunk]] = {}
    for step in steps:
        if isinstance(step, ToolCallChunk):
            pieces.setdefault(step.index, []).append(step)
    calls: list[dict[str, Any]] = []
    for parts in pieces.values():
        written = "".join(part.arguments for part in parts)
        try:
            arguments = json.loads(written or "{}")
        except ValueError:
            if stop is None or stop.reason != "length":
                return [], f"{parts[0].name}{written}"
            arguments = {}
        call: dict[str, Any] = {"functionCall": {"name": parts[0].name, "args": arguments}}
        if not calls:  # only the first of several calls is signed
            call["thoughtSignature"] = base64.b64encode(f"signature of {parts[0].id} \xff\xfe".encode("latin-1")).decode()
        calls.append(call)
    return calls, ""


def _turn(steps: Sequence[Any]) -> Play:
    """Return the play of one turn of a scenario."""
    stop = next((step for step in steps if isinstance(step, StopChunk)), None)
    usage = next((_usage(step) for step in steps if isinstance(step, UsageChunk)), {})
    calls, malformed = _called(steps, stop)
    pieces: list[bytes] = []
    for step in steps:
        if isinstance(step, TextChunk):
            pieces.append(gemini_event({"text": step.text}))
        elif isinstance(step, ReasoningChunk):
            pieces.append(gemini_event({"text": step.text, "thought": True}))
        elif isinstance(step, ItemChunk):
            signature = base64.b64encode(json.dumps(step.item.item, ensure_ascii=False).encode()).decode()
            pieces.append(gemini_event({"text": "", "thoughtSignature": signature}))
        elif isinstance(step, StopChunk) and malformed:
            said = {"finishMessage": f"Malformed function call: call:{malformed}"}
            pieces.append(gemini_event(finish="MALFORMED_FUNCTION_CALL", candidate=said, usageMetadata=usage))
        elif isinstance(step, StopChunk):
            pieces += [*(gemini_event(call) for call in calls), gemini_event(finish=_STOPS[step.reason], usageMetadata=usage)]
        elif isinstance(step, Stall):
            return Play(pieces=tuple(pieces), end="stall")
        elif isinstance(step, Fault):
            return _failing(step, pieces)
    return Play(pieces=tuple(pieces))


def _failing(fault: Fault, pieces: Sequence[bytes]) -> Play:
    message = f"{fault.message} (KEY)" if fault.echoes_secret else fault.message
    if fault.how == "drop":
        return Play(pieces=tuple(pieces), end="drop")
    if fault.how == "event":
        error = {"code": fault.status, "message": message, "status": _STATUSES.get(fault.status, "UNKNOWN")}
        return Play(pieces=(*pieces, event({"error": error})), echoes_key=fault.echoes_secret)
    if fault.code == "context_length_exceeded":
        message = "The input token count (9000) exceeds the maximum number of tokens allowed (8192)."
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    return attrs.evolve(gemini_error(fault.status, message), headers=headers, echoes_key=fault.echoes_secret)


def gemini_plays(scenario: Scenario) -> tuple[Play, ...]:
    """Return what Gemini does in each call of a scenario."""
    plays = tuple(_turn(steps) for steps in scenario.turns)
    return tuple(attrs.evolve(play, pieces=shredded(play.pieces)) for play in plays) if scenario.is_shredded else plays


def _weather(city: str, id: str = "") -> dict[str, Any]:  # noqa: A002 - the protocol's word
    return {"functionCall": {**({"id": id} if id else {}), "name": "weather", "args": {"city": city}}}


_BEGUN = (gemini_event({"text": "The capital "}), gemini_event({"text": "of "}))
_ENDED = (gemini_event(finish="STOP"),)
_WAIT = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "31.5s"}


# What servers and proxies do beyond the neutral scenarios: bytes of this protocol only.
WIRE_FAULTS: Mapping[str, Play] = {
    "retry_after_seconds": gemini_error(429, "slow down", Retry_After="2"),
    "retry_after_date": gemini_error(429, "slow down", Retry_After="Fri, 31 Dec 2199 23:59:59 GMT"),
    "retry_info": gemini_error(429, "You exceeded your current quota.", details=(_WAIT,)),
    "unavailable_for_a_while": gemini_error(503, "The model is overloaded.", Retry_After="7"),
    "gateway_page": Play(status=502, media_type="text/html", pieces=(b"<html><body>Bad Gateway</body></html>",)),
    "error_in_a_list": Play(status=503, media_type="application/json", pieces=(b'[{"error": {"code": 503, "message": "overloaded"}}]',)),
    "error_event_without_code": Play(pieces=(*_BEGUN, event({"error": {"message": "the model is overloaded"}}))),
    "slow_first_byte": Play(delay=0.2, pieces=(*_BEGUN, *_ENDED)),
    "stall": Play(pieces=_BEGUN, end="stall"),
    "drop": Play(pieces=_BEGUN, end="drop"),
    "drop_inside_an_event": Play(pieces=(*_BEGUN, gemini_event({"text": "France"})[:30]), end="drop"),
    "silent_end": Play(pieces=_BEGUN),
    "malformed_json": Play(pieces=(*_BEGUN, b'data: {"candidates": [{"content": {\n\n', *_ENDED)),
    "heartbeats": Play(pieces=(b"data:\n\n", *_BEGUN, b"data: \n\n", b": ping\n\n", *_ENDED)),
    "error_without_event": Play(
        pieces=(*_BEGUN, b'{\n  "error": {\n    "code": 503,\n    "message": "overloaded",\n    "status": "UNAVAILABLE"\n  }\n}\n')
    ),
    "unknown_events": Play(
        pieces=(
            b": hello\n\n",
            b"event: ping\nid: 7\nretry: 10\ndata: {}\n\n",
            event({"news": {"a": 1}}),
            *_BEGUN,
            b": still here\n",
            gemini_event({"hologram": {"uri": "x"}}),
            *_ENDED,
        )
    ),
    "carriage_returns": Play(pieces=tuple(piece.replace(b"\n", b"\r\n") for piece in (*_BEGUN, *_ENDED))),
    "closing_mark": Play(pieces=(*_BEGUN, *_ENDED, event("[DONE]"))),
    "torn_unicode": Play(pieces=shredded((gemini_event({"text": "Zürich 🦜 日本"}), *_ENDED))),
    "line_separators": Play(pieces=(gemini_event({"text": "one\u2028two\u2029three\x85four"}), *_ENDED)),
    "parallel_calls_of_one_name": Play(pieces=(gemini_event(_weather("Paris"), _weather("Rome"), finish="STOP"),)),
    "duplicate_ids": Play(pieces=(gemini_event(_weather("Paris", "call-1")), gemini_event(_weather("Rome", "call-1")), *_ENDED)),
    "missing_ids": Play(pieces=(gemini_event(_weather("Paris")), gemini_event(_weather("Rome")), *_ENDED)),
    "huge_arguments": Play(pieces=(gemini_event(_weather("x" * 1_000_000)), *_ENDED)),
    "no_stream": Play(
        media_type="application/json",
        pieces=(b'[{"candidates": [{"content": {"role": "model",\n "parts": [{"text": "The capital of "}]}, "finishReason": "STOP"}]}]',),
    ),
    "blocked_prompt": Play(pieces=(event({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "modelVersion": "m"}),)),
    "new_finish_reason": Play(pieces=(*_BEGUN, gemini_event(finish="TIRED"))),
    "malformed_call_without_words": Play(pieces=(gemini_event(finish="MALFORMED_FUNCTION_CALL"),)),
    "empty_answer": Play(pieces=_ENDED),
}
