"""OpenAI Responses, streamed: the neutral scenarios in its words, and faults of its wire."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from massgen_core.api import ItemChunk, ReasoningChunk, StopChunk, TextChunk, ToolCallChunk, Usage, UsageChunk
from massgen_testkit.provider import Play, refused, shredded
from massgen_testkit.scenarios import Fault, Scenario, Stall

__all__ = ["WIRE_FAULTS", "Writer", "responses_plays"]

_INCOMPLETE = {"length": "max_output_tokens", "filtered": "content_filter"}


def _named(data: Mapping[str, Any]) -> bytes:
    """Return one event; this protocol writes its type twice."""
    return f"event: {data['type']}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


class Writer:
    """Writes the events of one answer; each method opens what it needs and closes what stood open.

    Args:
        without: Fields that this server leaves out of its events.

    Attributes:
        pieces: The events so far.
    """

    def __init__(self, *without: str) -> None:
        self._without = without
        self.pieces: list[bytes] = []
        self._output: list[dict[str, Any]] = []
        self._open: tuple[str, int] | None = None
        self._calls: dict[int, int] = {}
        self._usage: dict[str, Any] | None = None
        self.send("response.created", response=self._response("in_progress"))
        self.send("response.in_progress", response=self._response("in_progress"))

    def send(self, type: str, **fields: Any) -> None:  # noqa: A002 - the protocol's word
        """Write an event."""
        told = {"type": type, "sequence_number": len(self.pieces), **fields}
        self.pieces.append(_named({name: value for name, value in told.items() if name not in self._without}))

    def _response(self, status: str, **fields: Any) -> dict[str, Any]:
        made = {"id": "resp_1", "object": "response", "model": "m", "status": status, "error": None, "incomplete_details": None}
        return {**made, "output": self._output if status not in ("in_progress", "queued") else [], "usage": self._usage, **fields}

    def _add(self, kind: str, **item: Any) -> int:
        self.close()
        index = len(self._output)
        self._output.append(item)
        self._open = (kind, index)
        started = {**item, "status": "in_progress"} if "status" in item else item
        self.send("response.output_item.added", output_index=index, item=started)
        return index

    def _part(self, kind: str, **item: Any) -> int:
        """Return the index of the open item of a kind, opened where it is not."""
        return self._open[1] if self._open and self._open[0] == kind else self._add(kind, **item)

    def text(self, text: str) -> None:
        """Write text of the answer's message."""
        index = self._part("text", id=f"msg_{len(self._output)}", type="message", role="assistant", status="completed", content=[])
        self._say(index, "output_text", "text", text, annotations=[])

    def refusal(self, text: str) -> None:
        """Write a refusal."""
        index = self._part("refusal", id=f"msg_{len(self._output)}", type="message", role="assistant", status="completed", content=[])
        self._say(index, "refusal", "refusal", text)

    def _say(self, index: int, kind: str, field: str, text: str, **fields: Any) -> None:
        item = self._output[index]
        if not item["content"]:
            part = {"type": kind, field: "", **fields}
            self.send("response.content_part.added", item_id=item["id"], output_index=index, content_index=0, part=part)
            item["content"].append(part)
        item["content"][0][field] += text
        self.send(f"response.{kind}.delta", item_id=item["id"], output_index=index, content_index=0, delta=text)

    def reasoning(self, text: str) -> None:
        """Write a piece of a reasoning summary."""
        index = self._part("reasoning", id=f"rs_{len(self._output)}", type="reasoning", summary=[], encrypted_content="gAAAA-opaque")
        item = self._output[index]
        place = {"item_id": item["id"], "output_index": index, "summary_index": 0}
        if not item["summary"]:
            item["summary"].append({"type": "summary_text", "text": ""})
            self.send("response.reasoning_summary_part.added", **place, part={"type": "summary_text", "text": ""})
        item["summary"][0]["text"] += text
        self.send("response.reasoning_summary_text.delta", **place, delta=text)

    def item(self, item: Mapping[str, Any]) -> None:
        """Write a whole item."""
        self._add("item", **item)
        self.close()

    def call(self, slot: int, id: str, name: str, arguments: str) -> None:  # noqa: A002 - the protocol's word
        """Write a piece of a function call."""
        if slot not in self._calls:
            place = len(self._output)
            self._calls[slot] = self._add("call", id=f"fc_{place}", type="function_call", call_id=id, name=name, arguments="", status="completed")
        index = self._calls[slot]
        if arguments:
            self._output[index]["arguments"] += arguments
            self.send("response.function_call_arguments.delta", item_id=self._output[index]["id"], output_index=index, delta=arguments)

    def usage(self, usage: Usage) -> None:
        """Keep the usage for the last event."""
        prompt, output = usage.input + usage.cached + usage.written, usage.output + usage.reasoning
        self._usage = {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.written},
            "output_tokens": output,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning},
            "total_tokens": prompt + output,
        }

    def close(self, status: str = "completed") -> None:
        """Finish the open item."""
        if self._open is None:
            return
        kind, index = self._open
        item = self._output[index]
        if "status" in item:
            item["status"] = status
        if kind == "call" and status == "completed":
            done = {"item_id": item["id"], "output_index": index, "name": item["name"], "arguments": item["arguments"]}
            self.send("response.function_call_arguments.done", **done)
        elif kind in ("text", "refusal") and item["content"]:
            field = "text" if kind == "text" else "refusal"
            event = "output_text" if kind == "text" else "refusal"
            place = {"item_id": item["id"], "output_index": index, "content_index": 0}
            self.send(f"response.{event}.done", **place, **{field: item["content"][0][field]})
            self.send("response.content_part.done", **place, part=item["content"][0])
        self.send("response.output_item.done", output_index=index, item=item)
        self._open = None

    def end(self, reason: str = "stop") -> tuple[bytes, ...]:
        """Write the end and return all events."""
        why = _INCOMPLETE.get(reason)
        self.close("incomplete" if why else "completed")
        if why:
            self.send("response.incomplete", response=self._response("incomplete", incomplete_details={"reason": why}))
        else:
            self.send("response.completed", response=self._response("completed"))
        return tuple(self.pieces)


def _error(fault: Fault) -> dict[str, Any]:
    message = f"{fault.message} (KEY)" if fault.echoes_secret else fault.message
    return {"message": message, "type": fault.code, "param": None, "code": fault.code}


def _turn(steps: Sequence[Any]) -> Play:
    """Return the play of one turn of a scenario."""
    stop = next((step for step in steps if isinstance(step, StopChunk)), None)
    writer = Writer()
    for step in steps:
        if isinstance(step, TextChunk):
            (writer.refusal if stop and stop.reason == "refused" else writer.text)(step.text)
        elif isinstance(step, ReasoningChunk):
            writer.reasoning(step.text)
        elif isinstance(step, ToolCallChunk):
            writer.call(step.index, step.id, step.name, step.arguments)
        elif isinstance(step, ItemChunk):
            writer.item(step.item.item)
        elif isinstance(step, UsageChunk):
            writer.usage(step.usage)
        elif isinstance(step, StopChunk):
            return Play(pieces=writer.end(step.reason))
        elif isinstance(step, Stall):
            return Play(pieces=tuple(writer.pieces), end="stall")
        elif isinstance(step, Fault):
            return _failing(step, writer)
    return Play(pieces=tuple(writer.pieces))


def _failing(fault: Fault, writer: Writer) -> Play:
    if fault.how == "drop":
        return Play(pieces=tuple(writer.pieces), end="drop")
    error = _error(fault)
    if fault.how == "event":
        writer.send("error", code=error["code"], message=error["message"], param=None)
        return Play(pieces=tuple(writer.pieces), echoes_key=fault.echoes_secret)
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    body = json.dumps({"error": error}).encode()
    return Play(status=fault.status, media_type="application/json", headers=headers, pieces=(body,), echoes_key=fault.echoes_secret)


def responses_plays(scenario: Scenario) -> tuple[Play, ...]:
    """Return what a server that speaks Responses does in each call of a scenario."""
    plays = tuple(_turn(steps) for steps in scenario.turns)
    return tuple(attrs.evolve(play, pieces=shredded(play.pieces)) for play in plays) if scenario.is_shredded else plays


_PARIS, _ROME = '{"city": "Paris"}', '{"city": "Rome"}'


def _begun(*without: str) -> Writer:
    writer = Writer(*without)
    writer.text("The capital ")
    writer.text("of ")
    return writer


def _said(text: str) -> tuple[bytes, ...]:
    writer = Writer()
    writer.text(text)
    return writer.end()


def _called(first: str, second: str, *without: str) -> tuple[bytes, ...]:
    """Write two calls with the given ids, in pieces."""
    writer = Writer(*without)
    for slot, (name, arguments) in enumerate(((first, _PARIS), (second, _ROME))):
        writer.call(slot, name, "weather", "")
        writer.call(slot, name, "weather", arguments[:8])
        writer.call(slot, name, "weather", arguments[8:])
    return writer.end()


def _only(pieces: Sequence[bytes], *types: str) -> tuple[bytes, ...]:
    """Return the events of some types."""
    return tuple(piece for piece in pieces if piece.partition(b"\n")[0].removeprefix(b"event: ").decode() in types)


def _whole(pieces: Sequence[bytes]) -> bytes:
    """Return the answer as the one document of a server that does not stream."""
    return json.dumps(json.loads(pieces[-1].partition(b"data: ")[2])["response"]).encode()


def _huge() -> tuple[bytes, ...]:
    writer = Writer()
    for piece in ('{"city": "', *("x" * 50_000 for _ in range(20)), '"}'):
        writer.call(0, "call-1", "weather", piece)
    return writer.end()


def _odd() -> tuple[bytes, ...]:
    """Write an answer with much in between that nobody knows."""
    begun = _begun()
    head = len(begun.pieces)
    pieces = begun.end()
    noise = (
        b": hello\n\n",
        b"event: ping\nid: 7\nretry: 10\ndata: {}\n\n",
        b": still here\n\n",
        b"event: keepalive\ndata:\n\n",
        _named({"type": "response.news.delta", "delta": "!", "output_index": 0}),
        b"data: [1]\n\n",
    )
    return (*noise, *pieces[:head], *noise, *pieces[head:])


def _failed(code: str, message: str) -> tuple[bytes, ...]:
    writer = _begun()
    error = {"code": code, "message": message}
    writer.send("response.failed", response={"id": "resp_1", "model": "m", "status": "failed", "error": error, "output": []})
    return tuple(writer.pieces)


_TEXT, _END = tuple(_begun().pieces), _begun().end()

# What servers and proxies do beyond the neutral scenarios: bytes of this protocol only.
WIRE_FAULTS: Mapping[str, Play] = {
    "retry_after_seconds": refused(429, "slow down", retry_after="2"),
    "retry_after_date": refused(429, "slow down", retry_after="Fri, 31 Dec 2199 23:59:59 GMT"),
    "unavailable_for_a_while": refused(503, "restarting", retry_after="7"),
    "gateway_page": Play(status=502, media_type="text/html", pieces=(b"<html><body>Bad Gateway</body></html>",)),
    "slow_first_byte": Play(delay=0.2, pieces=_END),
    "stall": Play(pieces=_TEXT, end="stall"),
    "drop": Play(pieces=_TEXT, end="drop"),
    "drop_inside_an_event": Play(pieces=(*_TEXT, _END[-1][:40]), end="drop"),
    "silent_end": Play(pieces=_TEXT),
    "malformed_json": Play(pieces=(*_TEXT, b'data: {"type": "response.output_text.delta", {\n\n', *_END[len(_TEXT) :])),
    "unknown_events": Play(pieces=_odd()),
    "carriage_returns": Play(pieces=tuple(piece.replace(b"\n", b"\r\n") for piece in _END)),
    "done_marker": Play(pieces=(*_END, b"data: [DONE]\n\n")),
    "no_places": Play(pieces=_begun("output_index", "item_id", "content_index", "sequence_number").end()),
    "no_deltas": Play(pieces=_only(_END, "response.created", "response.output_item.added", "response.output_item.done", "response.completed")),
    "only_the_end": Play(pieces=_END[-1:]),
    "no_stream": Play(media_type="application/json", pieces=(_whole(_END),)),
    "torn_unicode": Play(pieces=shredded(_said("Zürich 🦜 日本"))),
    "calls": Play(pieces=_called("call-1", "call-2")),
    "calls_without_places": Play(pieces=_called("call-1", "call-2", "output_index", "sequence_number")),
    "calls_without_deltas": Play(pieces=_only(_called("call-1", "call-2"), "response.output_item.done", "response.completed")),
    "calls_only_at_the_end": Play(pieces=_called("call-1", "call-2")[-1:]),
    "calls_in_one_place": Play(
        pieces=tuple(piece.replace(b'"output_index": 1', b'"output_index": 0').replace(b"fc_1", b"fc_0") for piece in _called("call-1", "call-2"))
    ),
    "duplicate_ids": Play(pieces=_called("call-1", "call-1")),
    "missing_ids": Play(pieces=_called("", "")),
    "huge_arguments": Play(pieces=_huge()),
    "failed": Play(pieces=_failed("server_error", "something broke")),
    "failed_for_a_while": Play(pieces=_failed("rate_limit_exceeded", "Rate limit reached. Please try again in 6.5s.")),
    "error_of_a_proxy": Play(pieces=(*_TEXT, b'data: {"error": {"message": "upstream is gone", "code": 502}}\n\n')),
    "empty_answer": Play(pieces=Writer().end()),
}
