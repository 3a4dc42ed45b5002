"""What a small model is asked, and how its words become chunks.

Models of this size lose their way in long instructions, write broken JSON and choose labels by their position. So each is shown one short
question, it answers in plain text, and this module makes the call of it; to choose among answers it writes the beginning of one of them, and nothing
else is possible, which shows what it holds for right without a label in sight.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from massgen_backend_local.choice import Choice, choose
from massgen_backend_local.grammar import CALL_END, CALL_START, call_grammar, choice_grammar, schema_grammar
from massgen_backend_local.prompt import chat, own_messages, with_tools
from massgen_core.api import BackendFault, BadRequest, Brief, Chunk, Message, ModelRequest, StopChunk, StopReason, TextChunk, Tool, ToolCallChunk

__all__ = ["Plan", "make_plan"]

# A vote and a presentation want the model's best guess, not variety.
COOL = 0.2
# Options of the runtime's sampling that an agent may set beside the neutral ones.
OPTIONS = frozenset({"dry_multiplier", "frequency_penalty", "min_p", "presence_penalty", "repeat_last_n", "repeat_penalty", "top_k", "typical_p"})


@attrs.frozen(kw_only=True)
class Plan:
    """A request as it goes to the model, and what becomes of the text.

    Attributes:
        body: A chat completion request; None where nothing needs to be asked.
        streams: The text is for the reader as it comes; a tool call is held back.
        finish: Makes the last chunks from the whole text and from why it ended.
        instead: Given a text's beginning, what to ask instead because it says that a tool is wanted; None: go on. None where no tool is offered.
    """

    body: Mapping[str, Any] | None
    streams: bool
    finish: Callable[[str, StopReason], list[Chunk]]
    instead: Callable[[str], Mapping[str, Any] | None] | None = None


def make_plan(request: ModelRequest, *, max_tokens: int) -> Plan:
    """Decide what to ask.

    Args:
        request: What is wanted.
        max_tokens: Of an answer, where the request names no number.

    Raises:
        BadRequest: The request holds what a text model cannot read, or an option that it does not have.
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
    has_schema = request.response_schema is not None and not others
    return Plan(
        body=body,
        streams=True,
        finish=lambda text, stop: _spoken(text, stop, answerer, has_schema=has_schema),
        instead=_calling(body, others, request.messages) if others and not must_call else None,
    )


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
    # An agent that is asked again, in this turn or in another, must be able to say something else.
    asked = sum(message.role == "assistant" for message in request.messages) + 1000 * _number(request.metadata.get("turn", ""))
    strange = sorted(request.options.keys() - OPTIONS)
    if strange:
        raise BadRequest(f"local models have no option {strange[0]!r}; there are: {', '.join(sorted(OPTIONS))}")
    wanted = {
        "messages": list(messages),
        "max_tokens": sampling.max_tokens or max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": None if sampling.seed is None else (sampling.seed + asked) % 2**31,
        "stop": list(sampling.stop) or None,
        "stream": True,
        "stream_options": {"include_usage": True},
        # Each read batch is a chance to stop.
        "return_progress": True,
        "cache_prompt": True,
    }
    return {**request.options, **{key: value for key, value in wanted.items() if value is not None}}


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _calling(body: Mapping[str, Any], tools: Sequence[Tool], messages: Sequence[Message]) -> Callable[[str], Mapping[str, Any] | None]:
    """Return what turns the mention of a tool into its call.

    A model that wants a tool says so ("To see the file, you would use `read_file`") far more readily than it begins a call. A tool whose result it
    has been shown is not called again for a mention: a small model would go in circles.
    """
    used = {call.name for message in messages for call in message.calls}
    patterns = [(tool, _mention(tool.name)) for tool in tools if tool.name not in used]

    def instead(text: str) -> Mapping[str, Any] | None:
        found = [(match.start(), tool) for tool, pattern in patterns if (match := pattern.search(text))]
        if not found:
            return None
        _, wanted = min(found, key=lambda each: each[0])
        return {**body, "grammar": call_grammar((wanted,), must_call=True)}

    return instead


def _mention(name: str) -> re.Pattern[str]:
    """Match a tool's name, followed by what shows that it is whole; a name that is a plain word counts in quotes, or before "tool", only."""
    word = re.escape(name)
    quoted = rf"[`'\"*]{word}[`'\"*(]|\b{word} (?:tool|function)\b"
    return re.compile(quoted if name.isalpha() and name.islower() else rf"{quoted}|(?<![\w-]){word}(?=[^\w-])")


def _text_key(tool: Tool) -> str:
    """Return the one text that a tool takes; empty where it takes something else."""
    properties: Mapping[str, Any] = tool.parameters.get("properties", {})
    required = tuple(tool.parameters.get("required", properties))
    if len(required) != 1 or required[0] not in properties:
        return ""
    schema = properties[required[0]]
    return required[0] if schema.get("type") == "string" and "enum" not in schema and "const" not in schema else ""


def _spoken(text: str, stop: StopReason, answerer: Tool | None, *, has_schema: bool) -> list[Chunk]:
    """Make the end of a text: the call that it is, the answer that it is, or nothing but the stop."""
    if has_schema and stop != "length" and not _is_json(text):
        raise BadRequest("the response schema holds what the local runtime cannot enforce; use plainer JSON Schema, or another backend")
    if text.lstrip().startswith(CALL_START):
        call = None if stop == "length" else _read_call(text)
        return [call or TextChunk(text), StopChunk("tools" if call else stop)]
    if answerer is None or not text.strip():
        return [StopChunk(stop)]
    # A text that was cut short is still this agent's answer: the call is whole, so it may be carried out.
    return [_call(answerer.name, {_text_key(answerer): text.strip()}), StopChunk("tools", detail=stop)]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


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
