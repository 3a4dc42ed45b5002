"""What holds for every stream: bytes in any pieces, and parts in any order."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from massgen_backend_gemini.answers import Answer
from massgen_backend_gemini.backend import _imported
from massgen_backend_gemini.config import GeminiConfig
from massgen_backend_gemini.events import Events
from massgen_backend_gemini.faults import GeminiFaults, StreamError
from massgen_backend_gemini.wire import asked_of
from massgen_core.api import ItemChunk, Message, ModelRequest, Text, TextChunk, Tool, ToolCall, ToolCallChunk, Usage

_imported()  # the SDK's sources warn when they are first compiled
from google.genai import types  # noqa: E402

TOOL = Tool(name="weather")
QUESTION = Message.of("user", "Hi")
FAULTS = GeminiFaults("here", "K", str)


class Body:
    """A body that comes in the pieces that a test wants."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece

    async def aclose(self) -> None:
        pass


def read(pieces: Sequence[bytes], *, is_json: bool = False) -> list[Any]:
    """Return the data of all events as the SDK finds them."""

    async def collect() -> list[bytes]:
        return [line async for line in Events(Body(pieces), is_json=is_json)]

    lines = b"".join(anyio.run(collect)).decode().splitlines()
    assert all(line.startswith("data: ") for line in lines if line)
    return [json.loads(line[6:]) for line in lines if line]


def cut(whole: bytes, places: Sequence[int]) -> list[bytes]:
    marks = sorted({place % (len(whole) + 1) for place in places})
    return [whole[begin:end] for begin, end in zip([0, *marks], [*marks, len(whole)], strict=True)]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(
    texts=st.lists(TEXTS, max_size=6),
    places=st.lists(st.integers(0, 10_000), max_size=12),
    end=st.sampled_from(["\n", "\r\n"]),
    is_ascii=st.booleans(),
)
def test_events_come_as_they_were_sent(texts: list[str], places: list[int], end: str, is_ascii: bool) -> None:
    """However the bytes are cut, whatever stands between the events, and whichever characters are in them."""
    sent = [{"candidates": [{"text": text}]} for text in texts]
    between = f": news{end}event: ping{end}id: 1{end}"
    whole = "".join(f"{between}data: {json.dumps(each, ensure_ascii=is_ascii)}{end}{end}" for each in sent)

    assert read(cut(whole.encode(), places)) == sent
    assert read(cut(whole.encode().rstrip(), places)) == sent


@given(texts=st.lists(TEXTS, max_size=6), places=st.lists(st.integers(0, 10_000), max_size=12), indent=st.sampled_from([None, 2]))
def test_a_document_is_its_events(texts: list[str], places: list[int], indent: int | None) -> None:
    """A server that does not stream sends a list; each of its items is an event."""
    sent = [{"text": text} for text in texts]

    assert read(cut(json.dumps(sent, ensure_ascii=False, indent=indent).encode(), places), is_json=True) == sent


@pytest.mark.parametrize("told", ['{"error": {"message": "no"}}', '{"error": "no"}'])
def test_errors_are_found(told: str) -> None:
    """An error is found among the events; a text that speaks of one is none."""
    with pytest.raises(StreamError):
        read([f"data: {told}\n\n".encode()])
    assert read([b'data: {"candidates": [{"text": "\\"error\\""}]}\n\n']) == [{"candidates": [{"text": '"error"'}]}]


SIGNATURES = st.one_of(st.none(), st.binary(min_size=1, max_size=6))
PARTS = st.one_of(
    st.builds(lambda text, signature: {"text": text, "thought_signature": signature}, TEXTS, SIGNATURES),
    st.builds(lambda text, signature: {"text": text, "thought": True, "thought_signature": signature}, TEXTS, SIGNATURES),
    st.builds(
        lambda city, identifier, signature: {
            "function_call": {"name": "weather", "args": {"city": city}, **({"id": identifier} if identifier else {})},
            "thought_signature": signature,
        },
        TEXTS,
        st.sampled_from(["", "a", "b"]),
        SIGNATURES,
    ),
    st.builds(lambda text: {"executable_code": {"code": text, "language": "PYTHON"}}, TEXTS),
)


def kept(chunks: Sequence[Any]) -> Message:
    """Return the message that the kernel makes of chunks."""
    slots: list[Any] = []
    calls: dict[int, ToolCall] = {}
    for chunk in chunks:
        if isinstance(chunk, TextChunk):
            if slots and isinstance(slots[-1], Text):
                slots[-1] = Text(text=slots[-1].text + chunk.text)
            else:
                slots.append(Text(text=chunk.text))
        elif isinstance(chunk, ItemChunk):
            slots.append(chunk.item)
        elif isinstance(chunk, ToolCallChunk):
            old = calls.get(chunk.index)
            calls[chunk.index] = ToolCall(
                id=old.id if old else chunk.id, name=old.name if old else chunk.name, arguments=(old.arguments if old else "") + chunk.arguments
            )
            if old is None:
                slots.append(chunk.index)
    return Message(role="assistant", content=tuple(calls[slot] if isinstance(slot, int) else slot for slot in slots))


def plain(parts: Sequence[Any]) -> list[dict[str, Any]]:
    """Return parts without what is not sent back, and with neighbouring unsigned texts joined."""
    made: list[dict[str, Any]] = []
    for part in parts:
        told = types.Part.model_validate(part).model_dump(exclude_none=True)
        if (told.get("thought") or told.get("text") == "") and not told.get("thought_signature"):
            continue
        if made and told.keys() == made[-1].keys() == {"text"}:
            made[-1] = {"text": made[-1]["text"] + told["text"]}
        else:
            made.append(told)
    return made


@given(parts=st.lists(PARTS, min_size=1, max_size=6))
@example(parts=[{"function_call": {"name": "weather", "args": {}}}, {"function_call": {"name": "weather", "args": {}, "id": "a"}}])
def test_parts_go_back_as_they_came(parts: list[dict[str, Any]]) -> None:
    """Whatever a model answers goes back part for part: signatures where they were, ids as Google gave them, nothing joined with what is signed."""

    async def round_trip() -> list[Any]:
        asked = await asked_of(ModelRequest(model="gemini-2.5-pro", messages=(QUESTION,), tools=(TOOL,)), GeminiConfig(), Path())
        answer, chunks = Answer(asked, FAULTS, Usage()), []
        for part in parts:
            content = types.Content(role="model", parts=[types.Part.model_validate(part)])
            chunks += answer.take(types.GenerateContentResponse(candidates=[types.Candidate(content=content)]))
        chunks += answer.take(types.GenerateContentResponse(candidates=[types.Candidate(finish_reason=types.FinishReason.STOP)]))
        chunks += answer.end("")
        again = await asked_of(ModelRequest(model="gemini-2.5-pro", messages=(QUESTION, kept(chunks))), GeminiConfig(), Path())
        return [part for content in again.contents if content["role"] == "model" for part in content["parts"]]

    assert plain(anyio.run(round_trip)) == plain(parts)
