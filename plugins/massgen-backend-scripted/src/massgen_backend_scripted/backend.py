"""Playing a script: one step for each model call."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, NoReturn
from zlib import crc32

import anyio

from massgen_backend_scripted.config import ScriptedConfig
from massgen_backend_scripted.script import Call, Choice, Fault, Script, Step, read
from massgen_core.api import (
    AuthenticationFailed,
    BadRequest,
    Candidate,
    Chunk,
    ConnectionLost,
    Context,
    ContextTooLong,
    ItemChunk,
    Message,
    ModelMissing,
    ModelRequest,
    Overloaded,
    ProviderItem,
    RateLimited,
    ReasoningChunk,
    StopChunk,
    StopReason,
    Text,
    TextChunk,
    TimedOut,
    Tool,
    ToolCallChunk,
    ToolResult,
    Usage,
    UsageChunk,
)

__all__ = ["ScriptedBackend", "open_backend"]

_PLAIN_FAULTS = {
    "overloaded": Overloaded,
    "connection_lost": ConnectionLost,
    "timed_out": TimedOut,
    "authentication": AuthenticationFailed,
    "bad_request": BadRequest,
    "context_too_long": ContextTooLong,
    "model_missing": ModelMissing,
}
_ITSELF = Step(does=False)
_write = json.JSONEncoder(ensure_ascii=False).encode
_STOPS: dict[str, StopReason] = {"refused": "refused", "filtered": "filtered", "length": "length", "empty": "stop"}


def open_backend(config: ScriptedConfig | None, context: Context) -> ScriptedBackend:
    """Return a backend that plays the configured script.

    Raises:
        ConfigProblem: The script cannot be read or has a mistake.
    """
    return ScriptedBackend(config or ScriptedConfig(), agent=context.agent)


class ScriptedBackend:
    """Answers from a script.

    Each agent has its own place in its steps. A call takes the first step that fits it and is not used up; without one the script's default, and
    without that what a well-behaved model would do.
    """

    def __init__(self, config: ScriptedConfig, *, agent: str = "") -> None:
        self._config = config
        self._agent = agent
        self._script: Script = read(config.file, config.script, config.steps)
        self._left: dict[str, list[int]] = {}
        self._calls: dict[str, int] = {}

    def respond(self, request: ModelRequest) -> aclosing[AsyncGenerator[Chunk, None]]:
        """Play the next step."""
        agent = request.metadata.get("agent") or self._agent
        step = self._next(agent, request)
        text, calls = self._filled(step, agent, request) if step.does else self._by_itself(agent, request)
        return aclosing(self._play(step, text, calls, agent, request))

    def _next(self, agent: str, request: ModelRequest) -> Step:
        steps = self._script.steps(agent)
        if agent not in self._left:
            self._left[agent], self._calls[agent] = [step.repeat for step in steps], 0
        left = self._left[agent]
        number = self._calls[agent] = self._calls[agent] + 1
        for index, step in enumerate(steps):
            if left[index] and _fits(step, request) and (step.chance >= 1 or self._draw(agent, f"{number}:{index}") < step.chance):
                left[index] -= 1
                return step
        return self._script.default or _ITSELF

    def _draw(self, agent: str, of: str) -> float:
        return crc32(f"{self._config.seed}:{agent}:{of}".encode()) / 2**32

    def _filled(self, step: Step, agent: str, request: ModelRequest) -> tuple[str, list[Call]]:
        """Turn a step into text and calls for this request."""
        calls = [Call(name=call.name, arguments=_fill(call.arguments, agent, request), id=call.id) for call in step.calls]
        if step.answer is not None:
            calls.insert(0, _answer_call(_fill(step.answer, agent, request)))
        if step.vote is not None:
            calls.insert(0, self._vote_call(step, step.vote, agent, request))
        return _fill(step.text, agent, request), calls

    def _by_itself(self, agent: str, request: ModelRequest) -> tuple[str, list[Call]]:
        """What a well-behaved model would do: answer once, then vote; say plain text where no tool is offered."""
        brief = request.brief
        own = {tool.name: tool for tool in request.tools if not tool.source} if request.tool_choice != "none" else {}
        question = _question(request)
        purpose = brief.purpose if brief else "answer"
        text = f"Scripted answer of {agent or 'the agent'} to: {question}"
        if request.tool_choice in own and request.tool_choice not in {"new_answer", "vote"}:
            name = request.tool_choice
            return "", [Call(name=name, arguments=json.dumps(_example(own[name].parameters)))]
        candidates = brief.candidates if brief else ()
        chooser = _chooser(own, candidates)
        may_answer = purpose == "answer" and "new_answer" in own
        if chooser and purpose != "present" and not (may_answer and all(candidate.content != text for candidate in candidates)):
            ranked = sorted(candidates, key=lambda candidate: (candidate.content, candidate.label))
            chosen = ranked[int(self._draw(agent, "vote") * len(ranked))]
            return "", [_choosing(chooser, chosen.label, candidates, "chosen by lot, for there is no script")]
        if "new_answer" in own and purpose != "present":
            return "", [_answer_call(text)]
        if request.response_schema is not None:
            return json.dumps(_example(request.response_schema)), []
        if purpose == "present":
            return f"Scripted presentation of {agent or 'the agent'} of: {question}", []
        return text, []

    def _vote_call(self, step: Step, choice: Choice, agent: str, request: ModelRequest) -> Call:
        candidates = request.brief.candidates if request.brief else ()
        own = {tool.name: tool for tool in request.tools if not tool.source}
        chooser = _chooser(own, candidates) or own.get("vote") or Tool(name="vote", parameters={"properties": {"agent": {}, "reason": {}}})
        if choice.position and choice.position not in {"first", "last", "own"}:
            return _choosing(chooser, choice.position, candidates, choice.reason)
        fitting = self._fitting(choice, agent, request)
        if not fitting:
            wanted = f"the text {choice.content_contains!r}" if choice.content_contains else f"the position {choice.position!r}"
            known = "; ".join(f"{candidate.label}: {candidate.content[:60]!r}" for candidate in candidates) or "none"
            raise BadRequest(f"{step.place or 'script'}: no answer to vote for fits {wanted}; there are: {known}")
        chosen = fitting[-1 if choice.position == "last" else 0]
        return _choosing(chooser, chosen.label, candidates, choice.reason)

    def _fitting(self, choice: Choice, agent: str, request: ModelRequest) -> list[Candidate]:
        candidates = request.brief.candidates if request.brief else ()
        if choice.content_contains:
            return [candidate for candidate in candidates if choice.content_contains in candidate.content]
        if choice.position == "own":
            said = {_fill(step.answer, agent, request) for step in self._script.steps(agent) if step.answer is not None}
            said.add(f"Scripted answer of {agent or 'the agent'} to: {_question(request)}")
            return [candidate for candidate in candidates if candidate.content in said]
        return sorted(candidates, key=lambda candidate: candidate.label)

    async def _play(self, step: Step, text: str, calls: list[Call], agent: str, request: ModelRequest) -> AsyncGenerator[Chunk, None]:
        fault = step.fault
        # A real call always lets others run once, as a sleep of 0 does; without it the interleavings of a run would never be tried.
        await anyio.sleep(self._config.delay if step.delay is None else step.delay)
        if fault and fault.type == "hang":
            await anyio.sleep_forever()
        if fault:
            text, calls = _spoiled(fault, text, calls)
        size = self._config.chunk if step.chunk is None else step.chunk
        for kind, said in ((ReasoningChunk, step.reasoning), (TextChunk, text)):
            for piece in _cut(said, size):
                yield kind(piece)
                if step.pause:
                    await anyio.sleep(step.pause)
        if fault and fault.type == "stall":
            await anyio.sleep_forever()
        if fault and fault.type not in _STOPS and fault.type != "malformed_arguments":
            _fail(fault, step)
        for item in step.items:
            yield ItemChunk(ProviderItem(backend="scripted", item=item))
        # Unique in the whole run, since a conversation may hold several answers.
        number = self._calls.get(agent, 0)
        for index, call in enumerate(calls):
            first, *rest = _cut(call.arguments, size) or ("",)
            yield ToolCallChunk(index, call.id or f"call-{number}-{index + 1}", call.name, first)
            for piece in rest:
                yield ToolCallChunk(index, arguments=piece)
        yield UsageChunk(step.usage or _estimate(request, step.reasoning, text, calls))
        stop = _STOPS[fault.type] if fault and fault.type in _STOPS else step.stop or ("tools" if calls else "stop")
        yield StopChunk(stop, step.model or request.model or "scripted", "scripted")


def _fits(step: Step, request: ModelRequest) -> bool:
    if step.purpose and (request.brief is None or request.brief.purpose != step.purpose):
        return False
    if step.turn and request.metadata.get("turn", "1") != str(step.turn):
        return False
    if not step.when:
        return True
    last = request.messages[-1:] if request.messages else ()
    return step.when in _question(request) or any(step.when in _text(message) for message in last)


def _text(message: Message) -> str:
    return "\n".join([part.text for part in message.content if isinstance(part, (Text, ToolResult))])


def _question(request: ModelRequest) -> str:
    if request.brief:
        return request.brief.question
    return next((_text(message) for message in reversed(request.messages) if message.role == "user"), "")


def _fill(text: str, agent: str, request: ModelRequest) -> str:
    # Not `str.format`: scripts hold JSON and code, whose braces must stay.
    if "{" not in text:
        return text
    return text.replace("{agent}", agent).replace("{question}", _question(request))


def _answer_call(content: str) -> Call:
    return Call(name="new_answer", arguments=_write({"content": content}))


def _chooser(tools: Mapping[str, Tool], candidates: tuple[Candidate, ...]) -> Tool | None:
    """The tool to choose a candidate with: `vote`, or whichever takes a candidate's label from a fixed list."""
    if not candidates:
        return None
    return tools.get("vote") or next((tool for tool in tools.values() if _label_key(tool, candidates)), None)


def _label_key(tool: Tool, candidates: tuple[Candidate, ...]) -> str:
    properties: Mapping[str, Any] = tool.parameters.get("properties", {})
    labels = {candidate.label for candidate in candidates}
    return next((key for key, schema in properties.items() if not labels.isdisjoint(schema.get("enum", ()))), "")


def _choosing(tool: Tool, label: str, candidates: tuple[Candidate, ...], reason: str) -> Call:
    properties: Mapping[str, Any] = tool.parameters.get("properties", {})
    arguments = _example(tool.parameters)
    arguments[_label_key(tool, candidates) or next(iter(properties), "agent")] = label
    if "reason" in properties:
        arguments["reason"] = reason
    return Call(name=tool.name, arguments=_write(arguments))


def _example(schema: Mapping[str, Any]) -> Any:
    """Return a small value that obeys a plain JSON Schema."""
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object":
        properties = schema.get("properties", {})
        return {key: _example(properties.get(key, {"type": "string"})) for key in schema.get("required", ())}
    if kind == "array":
        return [_example(schema.get("items", {"type": "string"})) for _ in range(schema.get("minItems", 0))]
    values: dict[str, Any] = {"string": "scripted", "integer": schema.get("minimum", 0), "number": schema.get("minimum", 0), "boolean": False}
    return values.get(kind) if isinstance(kind, str) else "scripted"


def _spoiled(fault: Fault, text: str, calls: list[Call]) -> tuple[str, list[Call]]:
    if fault.type == "malformed_arguments":
        broken = calls or [Call(name="new_answer", arguments='{"content": "')]
        return text, [Call(name=call.name, arguments=call.arguments.rstrip().removesuffix("}"), id=call.id) for call in broken]
    if fault.type == "empty":
        return "", []
    if fault.type in _STOPS:
        # A call of an answer that was cut short comes cut short.
        cut = text[: fault.after] if fault.after else text
        return cut, [Call(name=call.name, arguments=call.arguments[:-2], id=call.id) for call in calls] if fault.type == "length" else []
    return text[: fault.after], []


def _fail(fault: Fault, step: Step) -> NoReturn:
    message = fault.message or f"scripted fault: {fault.type}{f' ({step.place})' if step.place else ''}"
    if fault.type == "rate_limited":
        raise RateLimited(message, retry_after=fault.retry_after)
    raise _PLAIN_FAULTS[fault.type](message)


def _cut(text: str, size: int) -> Sequence[str]:
    if not text:
        return ()
    size = size or -(-len(text) // 3)
    return [text[start : start + size] for start in range(0, len(text), size)]


def _estimate(request: ModelRequest, reasoning: str, text: str, calls: list[Call]) -> Usage:
    """Four characters for a token, as a rule of thumb: steady figures for budgets and displays."""
    sent = sum([len(_text(message)) for message in request.messages])
    said = len(text) + sum([len(call.arguments) for call in calls])
    return Usage(input=1 + sent // 4, output=1 + said // 4, reasoning=len(reasoning) // 4)
