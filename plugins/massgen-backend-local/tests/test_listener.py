"""What the engine sends becomes chunks; what may be a call is held back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from massgen_backend_local.engine import Settings
from massgen_backend_local.listener import OVERTURE, Listener
from massgen_backend_local.recipe import make_plan
from massgen_core.api import (
    BackendFault,
    BadRequest,
    Chunk,
    ContextTooLong,
    Message,
    ModelRequest,
    ReasoningChunk,
    StopChunk,
    TextChunk,
    Tool,
    ToolCallChunk,
    Usage,
    UsageChunk,
)

CALL = '<tool_call>\n{"name":"read_file","arguments":{"path":"a"}}\n</tool_call>'


def says(text: str, **more: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}, "finish_reason": None}], **more}


END = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


def listener(*tools: str) -> Listener:
    offered = tuple(Tool(name=name, source="mcp.x") for name in tools)
    request = ModelRequest(messages=(Message.of("user", "Hi"),), tools=offered)
    return Listener(make_plan(request, max_tokens=9), Settings(path=Path("m.gguf")))


def heard(ear: Listener, *sent: Mapping[str, Any]) -> list[Chunk]:
    return [chunk for raw in sent for chunk in ear.take(raw)]


def test_text_is_shown_as_it_comes() -> None:
    """Without tools nothing is held back but leading space."""
    ear = listener()

    assert heard(ear, says(" "), says("Ro"), says("me")) == [TextChunk("Ro"), TextChunk("me")]
    assert ear.instead() is None
    assert heard(ear, END) == []
    assert list(ear.end()) == [StopChunk("stop")]


def test_with_tools_the_overture_is_held_back() -> None:
    """A text is shown once it has gone on long enough without naming a tool, or at its end."""
    ear = listener("read_file")
    assert heard(ear, says("Rome")) == []
    assert heard(ear, says("." * OVERTURE), says(" See read_file ")) == [TextChunk("Rome" + "." * OVERTURE), TextChunk(" See read_file ")]
    assert ear.instead() is None

    ear = listener("read_file")
    assert heard(ear, says("Rome"), END) == []
    assert list(ear.end()) == [TextChunk("Rome"), StopChunk("stop")]


def test_a_wish_becomes_a_call() -> None:
    """The text that named the tool is never shown; what it cost is counted."""
    ear = listener("read_file")
    progress = {"choices": [{"delta": {"content": None}}], "prompt_progress": {"total": 50, "cache": 20}}
    assert heard(ear, progress, says("Use "), says("read_file,")) == []
    body = ear.instead()
    assert body is not None
    assert "read_file" in body["grammar"]

    usage = {"usage": {"prompt_tokens": 50, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 49}}, "choices": []}
    assert heard(ear, says(CALL[:5]), says(CALL[5:]), END, usage) == [UsageChunk(Usage(input=31, cached=69, output=11))]
    assert ear.instead() is None
    call, stop = ear.end()
    assert isinstance(call, ToolCallChunk)
    assert (call.name, call.arguments) == ("read_file", '{"path": "a"}')
    assert stop == StopChunk("tools")


def test_reasoning_is_apart() -> None:
    """Models that think aloud are heard thinking."""
    assert heard(listener(), {"choices": [{"delta": {"reasoning_content": "Hm."}}]}) == [ReasoningChunk("Hm.")]


def test_a_sign_of_life_is_the_usage_so_far() -> None:
    """Nothing sent means that the engine works for somebody."""
    assert heard(listener(), {}) == [UsageChunk(Usage())]


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            {"type": "exceed_context_size_error", "n_prompt_tokens": 2031, "n_ctx": 1024},
            ContextTooLong,
            "needs 2,031 tokens, .* m holds 1,024",
        ),
        ({"type": "invalid_request_error", "message": "no"}, BadRequest, "m does not take this request: no"),
    ],
)
def test_refusals(error: dict[str, Any], kind: type[BackendFault], message: str) -> None:
    """The runtime's refusals have their errors."""
    with pytest.raises(kind, match=message):
        heard(listener(), {"error": error})


def test_an_end_without_a_reason_is_a_fault() -> None:
    """A text that the runtime broke off is not passed off as whole."""
    ear = listener()
    heard(ear, says("Ro"))

    with pytest.raises(BackendFault, match="stopped in the middle"):
        list(ear.end())
