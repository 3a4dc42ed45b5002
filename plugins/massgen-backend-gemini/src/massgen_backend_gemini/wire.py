"""Requests, as the SDK takes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from massgen_backend_gemini.config import CATEGORIES, OWN_FIELDS, GeminiConfig
from massgen_backend_gemini.conversation import KEPT, NOTES, Conversation, wire_name
from massgen_backend_gemini.models import DIALECT, family_of, thinking
from massgen_core.api import BadRequest, File, Image, Message, ModelRequest, ProviderItem, Tool, fit, kept_media, read_files

__all__ = ["Asked", "asked_of", "gathering"]

_GATHER = (
    "Before you answer: use the tools that you have here to gather what is needed. Write down what you found, with figures and sources, "
    "for yourself; you will give your answer afterwards."
)


@attrs.frozen(kw_only=True)
class Asked:
    """One request.

    Attributes:
        contents: The conversation.
        config: The fields of the SDK's configuration.
        extra: Fields of the request's body that go beyond it.
        names: The tools' own names by the names that were sent.
        gathers: Hosted tools are used in a call of their own before this one.
        cites: Pages that the answer rests on are listed below it.
    """

    model: str
    contents: list[Any]
    config: dict[str, Any]
    extra: Mapping[str, Any]
    names: Mapping[str, str]
    gathers: bool = False
    cites: bool = True
    hosted: tuple[Mapping[str, Any], ...] = ()

    def note(self, text: str) -> ProviderItem:
        """Take notes into the conversation; return the item that keeps them there."""
        self.contents.append({"role": "user", "parts": [{"text": NOTES + text}]})
        return ProviderItem(backend="gemini", item={"notes": text})


async def asked_of(request: ModelRequest, config: GeminiConfig, folder: Path, placed: Mapping[Image | File, str] = {}) -> Asked:
    """Return a request as the SDK takes it.

    Args:
        folder: The run's folder, where images of earlier answers are.
        placed: The addresses of what was uploaded.

    Raises:
        BadRequest: Gemini cannot be asked this; the message says what and which option helps.
    """
    request = attrs.evolve(request, model=request.model or config.usual_model)
    if not request.model:
        raise BadRequest("this server needs a model's name, for instance 'gemini-2.5-flash'; write it as the agent's `model`")
    for name in request.options:
        if name in OWN_FIELDS:
            raise BadRequest(f"the option {name!r} is said by the backend itself and cannot be replaced")
    family = family_of(request.model)
    names = {wire_name(tool.name): tool.name for tool in request.tools}
    kept = {path: await kept_media(folder, path) for path in _kept(request.messages)}
    files = await read_files(request.messages, without=placed) | {path: data for path, data in kept.items() if data is not None}
    writer = Conversation(family, files, placed)
    contents = writer.of(request.messages)
    if not contents:
        raise BadRequest("Gemini needs a message of a user")
    together = family.is_new if config.hosted_with_functions is None else config.hosted_with_functions == "together"
    tools, hosted = request.tools, config.hosted
    gathers = False
    if tools and hosted and not together:
        if request.tool_choice == "none":
            tools = ()
        else:
            hosted = ()
            # Tools are used for an answer, once in its conversation; votes rest on the answers.
            is_answer = request.brief is None or request.brief.purpose == "answer"
            gathers = is_answer and not writer.has_notes and request.messages[-1].role == "user"
    made = _sampling(request)
    if writer.system:
        made["system_instruction"] = "\n\n".join(writer.system)
    made.update(_tools(tools, request.tool_choice, hosted, is_mixed=bool(tools and hosted) and not config.is_vertex))
    if thought := thinking(request.model, request.reasoning_effort, config):
        made["thinking_config"] = thought
    if config.safety:
        made["safety_settings"] = [{"category": CATEGORIES[name], "threshold": level.upper()} for name, level in config.safety.items()]
    if config.media_resolution:
        made["media_resolution"] = f"MEDIA_RESOLUTION_{config.media_resolution.upper()}"
    if request.response_schema is not None:
        made.update(response_mime_type="application/json", response_json_schema=fit(request.response_schema, DIALECT)[0])
    return Asked(
        model=request.model,
        contents=contents,
        config=made,
        extra={**config.extra_body, **request.options},
        names=names,
        gathers=gathers,
        cites=config.citations and request.response_schema is None,
        hosted=config.hosted,
    )


def gathering(asked: Asked) -> Asked:
    """Return the request in which the hosted tools are used before functions are offered."""
    kept = {name: value for name, value in asked.config.items() if not name.startswith(("tool", "response_"))}
    kept["tools"] = [dict(tool) for tool in asked.hosted]
    kept["system_instruction"] = "\n\n".join(text for text in (kept.get("system_instruction", ""), _GATHER) if text)
    return attrs.evolve(asked, config=kept, names={}, gathers=False)


def _sampling(request: ModelRequest) -> dict[str, Any]:
    sampling = request.sampling
    values = {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed, "max_output_tokens": sampling.max_tokens}
    made = {name: value for name, value in values.items() if value is not None}
    return {**made, "stop_sequences": list(sampling.stop)} if sampling.stop else made


def _tools(functions: Sequence[Tool], choice: str, hosted: Sequence[Mapping[str, Any]], *, is_mixed: bool) -> dict[str, Any]:
    """Return the tools and the choice among them.

    Args:
        is_mixed: The server tells what its tools did as parts, which it wants back; it does so only where functions are offered too.
    """
    tools = [dict(tool) for tool in hosted]
    if functions:
        tools.append({"function_declarations": [_declared(tool) for tool in functions]})
    if not tools:
        return {}
    settings: dict[str, Any] = {}
    if functions and choice != "auto":
        calling: dict[str, Any] = {"mode": "NONE" if choice == "none" else "ANY"}
        if choice not in ("none", "required"):
            calling["allowed_function_names"] = [wire_name(choice)]
        settings["function_calling_config"] = calling
    if is_mixed:
        settings["include_server_side_tool_invocations"] = True
    return {"tools": tools, **({"tool_config": settings} if settings else {})}


def _declared(tool: Tool) -> dict[str, Any]:
    declared: dict[str, Any] = {"name": wire_name(tool.name), "parameters_json_schema": dict(tool.parameters)}
    if tool.description:
        declared["description"] = tool.description
    return declared


def _kept(messages: Sequence[Message]) -> Iterator[str]:
    """Yield the paths of what earlier answers hold."""
    for message in messages:
        for part in message.content:
            item = part.item if isinstance(part, ProviderItem) and part.backend == "gemini" else None
            if isinstance(item, Mapping) and isinstance(inline := item.get("inlineData"), Mapping) and isinstance(path := inline.get(KEPT), str):
                yield path
