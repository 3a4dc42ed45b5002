"""What a small model is asked, and how its words become chunks.

Models of this size lose their way in long instructions, write broken JSON and choose labels by their position. So each is shown one short
question, it answers in plain text, and this module makes the call of it; to choose among answers it writes the beginning of one of them, and nothing
else is possible, which shows what it holds for right without a label in sight.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from massgen_backend_local.choice import Choice, choose
from massgen_backend_local.grammar import CALL_END, CALL_START, call_grammar, choice_grammar, schema_grammar
from massgen_backend_local.prompt import chat, own_messages, with_tools
from massgen_core.api import BackendFault, Brief, Chunk, ModelRequest, StopChunk, StopReason, TextChunk, Tool, ToolCallChunk

__all__ = ["Plan", "make_plan"]

# A vote and a presentation want the model's best guess, not variety.
COOL = 0.2


@attrs.frozen(kw_only=True)
class Plan:
    """A request as it goes to the model, and what becomes of the text.

    Attributes:
        body: A chat completion request; None where nothing needs to be asked.
        streams: The text is for the reader as it comes; a tool call is held back.
        finish: Makes the last chunks from the whole text and from why it ended.
    """

    body: Mapping[str, Any] | None
    streams: bool
    finish: Callable[[str, StopReason], list[Chunk]]


def make_plan(request: ModelRequest, *, max_tokens: int) -> Plan:
    """Decide what to ask.

    Args:
        request: What is wanted.
        max_tokens: Of an answer, where the request names no number.

    Raises:
        BadRequest: The request holds what a text model cannot read.
    """
    tools = () if request.tool_choice == "none" else request.tools
    brief = request.brief
    if brief is not None:
        voted = _vote(request, brief, tools)
        if voted is not None:
            return voted
    answerer, others = _sorted(brief, tools)
    messages = chat(request.messages) if brief is None else own_messages(request, brief)
    must_call = answerer is None and request.tool_choice == "required"
    if request.tool_choice not in ("auto", "required"):
        others = tuple(tool for tool in others if tool.name == request.tool_choice)
        must_call = bool(others)
    body = _body(request, with_tools(messages, others), max_tokens)
    if others:
        body["grammar"] = call_grammar(others, must_call=must_call)
    elif request.response_schema is not None:
        body["grammar"] = schema_grammar(request.response_schema)
    if brief is not None and brief.purpose == "present":
        body["temperature"] = min(COOL, body.get("temperature", COOL))
    return Plan(body=body, streams=True, finish=lambda text, stop: _spoken(text, stop, answerer))


def _sorted(brief: Brief | None, tools: Sequence[Tool]) -> tuple[Tool | None, tuple[Tool, ...]]:
    """Return the strategy's tool that takes an answer, which this module calls for the model, and the tools that the model calls itself."""
    if brief is None:
        return None, tuple(tools)
    if brief.purpose == "present":
        return None, ()
    answerer = next((tool for tool in tools if not tool.source and _text_key(tool)), None)
    return answerer, tuple(tool for tool in tools if tool.source or answerer is None)


def _body(request: ModelRequest, messages: Sequence[Mapping[str, str]], max_tokens: int) -> dict[str, Any]:
    sampling = request.sampling
    said = sum(message.role == "assistant" for message in request.messages)
    wanted = {
        "messages": list(messages),
        "max_tokens": sampling.max_tokens or max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        # An agent that is asked again must be able to say something else.
        "seed": None if sampling.seed is None else (sampling.seed + said) % 2**31,
        "stop": list(sampling.stop) or None,
        "stream": True,
        "stream_options": {"include_usage": True},
        # Each read batch is a chance to stop.
        "return_progress": True,
        "cache_prompt": True,
    }
    return {key: value for key, value in wanted.items() if value is not None}


def _text_key(tool: Tool) -> str:
    """Return the one text that a tool takes; empty where it takes something else."""
    properties: Mapping[str, Any] = tool.parameters.get("properties", {})
    required = tuple(tool.parameters.get("required", properties))
    if len(required) != 1 or required[0] not in properties:
        return ""
    schema = properties[required[0]]
    return required[0] if schema.get("type") == "string" and "enum" not in schema and "const" not in schema else ""


def _spoken(text: str, stop: StopReason, answerer: Tool | None) -> list[Chunk]:
    """Make the end of a text: the call that it is, the answer that it is, or nothing but the stop."""
    if text.lstrip().startswith(CALL_START):
        call = None if stop == "length" else _read_call(text)
        return [call or TextChunk(text), StopChunk("tools" if call else stop)]
    if answerer is None or not text.strip():
        return [StopChunk(stop)]
    # A text that was cut short is still this agent's answer: the call is whole, so it may be carried out.
    return [_call(answerer.name, {_text_key(answerer): text.strip()}), StopChunk("tools", detail=stop)]


def _read_call(text: str) -> ToolCallChunk | None:
    try:
        call = json.loads(text.strip().removeprefix(CALL_START).removesuffix(CALL_END))
        return _call(str(call["name"]), call["arguments"])
    except (ValueError, KeyError, TypeError):
        return None


def _call(name: str, arguments: Any) -> ToolCallChunk:
    return ToolCallChunk(0, f"call_{secrets.token_hex(6)}", name, json.dumps(arguments, ensure_ascii=False))


def _vote(request: ModelRequest, brief: Brief, tools: Sequence[Tool]) -> Plan | None:
    """Plan a choice among candidates; None where there is nothing to choose, or no tool to choose with."""
    if not brief.candidates or brief.purpose not in ("vote", "judge"):
        return None
    for tool in tools:
        choice = choose(brief.candidates, tool) if not tool.source else None
        if choice is None:
            continue
        if len(choice.texts) == 1:
            (only,) = choice.texts
            ready = _chosen(choice, only, tool, choice.why_one)
            return Plan(body=None, streams=False, finish=lambda text, stop, ready=ready: ready)  # type: ignore[misc]
        body = _body(request, own_messages(request, brief), 160)
        body |= {"temperature": 0.0, "max_tokens": 160, "grammar": choice_grammar(choice.texts)}
        body.pop("stop", None)
        return Plan(body=body, streams=False, finish=lambda text, stop, choice=choice, tool=tool: _written(choice, text, tool))  # type: ignore[misc]
    return None


def _written(choice: Choice, text: str, tool: Tool) -> list[Chunk]:
    """Read which beginning the model wrote; one that was cut off still tells, where only one begins so."""
    written = text.strip()
    fitting = [one for one in choice.texts if one == written] or [one for one in choice.texts if written and one.startswith(written)]
    if not fitting:
        raise BackendFault("the local model's vote could not be read: it wrote none of the answers; take another model for this agent")
    return _chosen(choice, fitting[0], tool, f"Shown the question alone, the model began to answer with this answer's words: “{fitting[0]}”.")


def _chosen(choice: Choice, text: str, tool: Tool, reason: str) -> list[Chunk]:
    return [_call(tool.name, choice.arguments(text, reason)), StopChunk("tools")]
