"""Requests, as the SDK takes them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import anyio
import attrs

from massgen_backend_gemini.config import CATEGORIES, OWN_FIELDS, GeminiConfig
from massgen_backend_gemini.models import DIALECT, Family, family_of, thinking
from massgen_core.api import BadRequest, File, Image, Message, ModelRequest, ProviderItem, Text, Tool, ToolCall, ToolResult, fit

__all__ = ["Asked", "asked_of", "gathering"]

_TEXTUAL = ("application/json", "application/xml", "application/yaml", "application/x-yaml", "application/toml")
# The word by which Google lets calls pass that the model did not make, or whose signature is lost.
_UNSIGNED = b"skip_thought_signature_validator"
_GATHER = (
    "Before you answer: use the tools that you have here to gather what is needed. Write down what you found, with figures and sources, "
    "for yourself; you will give your answer afterwards."
)
_NOTES = "Notes that you made with your own tools before answering:\n"


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
        self.contents.append({"role": "user", "parts": [{"text": _NOTES + text}]})
        return ProviderItem(backend="gemini", item={"notes": text})


async def asked_of(request: ModelRequest, config: GeminiConfig) -> Asked:
    """Return a request as the SDK takes it.

    Raises:
        BadRequest: Gemini cannot be asked this; the message says what and which option helps.
    """
    if not request.model:
        raise BadRequest("Gemini needs a model's name, for instance 'gemini-2.5-flash'; write it as the agent's `model`")
    for name in request.options:
        if name in OWN_FIELDS:
            raise BadRequest(f"the option {name!r} is said by the backend itself and cannot be replaced")
    family = family_of(request.model)
    names = {_wire_name(tool.name): tool.name for tool in request.tools}
    files = {part.path: await _read(part) for message in request.messages for part in _files(message) if part.path}
    writer = _Conversation(family, files)
    contents = writer.of(request.messages)
    if not contents:
        raise BadRequest("Gemini needs a message of a user")
    together = family.mixes_tools if config.hosted_with_functions is None else config.hosted_with_functions == "together"
    has_both = bool(config.hosted and request.tools and request.tool_choice != "none")
    made = _sampling(request)
    if writer.system:
        made["system_instruction"] = "\n\n".join(writer.system)
    made.update(_tools(request, config.hosted if together or not has_both else (), is_mixed=has_both and together and not config.is_vertex))
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
        # Tools are used for the question, not again for each thing that is said later.
        gathers=has_both and not together and not writer.has_notes and request.messages[-1].role == "user",
        cites=config.citations and request.response_schema is None,
        hosted=config.hosted,
    )


def gathering(asked: Asked) -> Asked:
    """Return the request in which the hosted tools are used before functions are offered."""
    kept = {name: value for name, value in asked.config.items() if not name.startswith(("tool", "response_"))}
    kept["tools"] = [dict(tool) for tool in asked.hosted]
    kept["system_instruction"] = "\n\n".join(text for text in (kept.get("system_instruction", ""), _GATHER) if text)
    return attrs.evolve(asked, config=kept, names={}, gathers=False)


def _wire_name(name: str) -> str:
    return name if name[:1].isalpha() or name[:1] == "_" else f"_{name}"


def _sampling(request: ModelRequest) -> dict[str, Any]:
    sampling = request.sampling
    values = {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed, "max_output_tokens": sampling.max_tokens}
    made = {name: value for name, value in values.items() if value is not None}
    return {**made, "stop_sequences": list(sampling.stop)} if sampling.stop else made


def _tools(request: ModelRequest, hosted: Sequence[Mapping[str, Any]], *, is_mixed: bool) -> dict[str, Any]:
    """Return the tools and the choice among them.

    Args:
        is_mixed: The server tells what its tools did as parts, which it wants back; it does so only where functions are offered too.
    """
    tools = [dict(tool) for tool in hosted]
    if request.tools:
        tools.append({"function_declarations": [_declared(tool) for tool in request.tools]})
    if not tools:
        return {}
    settings: dict[str, Any] = {}
    if request.tools and request.tool_choice != "auto":
        mode = {"none": "NONE", "required": "ANY"}.get(request.tool_choice, "ANY")
        calling: dict[str, Any] = {"mode": mode}
        if request.tool_choice not in ("none", "required"):
            calling["allowed_function_names"] = [_wire_name(request.tool_choice)]
        settings["function_calling_config"] = calling
    if is_mixed:
        settings["include_server_side_tool_invocations"] = True
    return {"tools": tools, **({"tool_config": settings} if settings else {})}


def _declared(tool: Tool) -> dict[str, Any]:
    declared: dict[str, Any] = {"name": _wire_name(tool.name), "parameters_json_schema": dict(tool.parameters)}
    if tool.description:
        declared["description"] = tool.description
    return declared


def _files(message: Message) -> list[File]:
    parts = [part for part in message.content if isinstance(part, File)]
    for part in message.content:
        if isinstance(part, ToolResult):
            parts += [inner for inner in part.content if isinstance(inner, File)]
    return parts


async def _read(file: File) -> bytes:
    try:
        return await anyio.Path(file.path).read_bytes()
    except OSError as error:
        raise BadRequest(f"the file {file.name!r} cannot be read: {error.strerror}") from None


def _decoded(data: str, what: str) -> bytes:
    try:
        return base64.b64decode(data.translate({45: 43, 95: 47}), validate=True)  # Google writes - and _ for + and /
    except (binascii.Error, ValueError):
        raise BadRequest(f"the data of {what} is no base64") from None


class _Conversation:
    """Writes a conversation.

    Attributes:
        system: What system messages say; it stands apart from the contents.
        has_notes: Notes of hosted tools are in it.
    """

    def __init__(self, family: Family, files: Mapping[str, bytes]) -> None:
        self._family, self._files = family, files
        self._contents: list[dict[str, Any]] = []
        self._calls: dict[str, tuple[str, str]] = {}  # name and Google's id of each call
        self.system: list[str] = []
        self.has_notes = False

    def of(self, messages: Sequence[Message]) -> list[Any]:
        """Return the contents."""
        last = max((place for place, message in enumerate(messages) if message.role == "user"), default=0)
        for place, message in enumerate(messages):
            if message.role == "system":
                self.system.append(message.text)
            elif message.role == "assistant":
                # Signatures are asked for in the present turn only.
                self._assistant(message, is_present=place > last)
            elif message.role == "tool":
                self._results([part for part in message.content if isinstance(part, ToolResult)])
            else:
                self._add("user", [found for part in message.content for found in self._user(part)])
        return self._contents

    def _add(self, role: str, parts: list[dict[str, Any]]) -> None:
        if parts:  # nothing at all is an error there
            self._contents.append({"role": role, "parts": parts})

    def _user(self, part: Any) -> list[dict[str, Any]]:
        if isinstance(part, Text):
            return [{"text": part.text}] if part.text else []
        return [self._media(part)] if isinstance(part, Image | File) else []

    def _media(self, part: Image | File) -> dict[str, Any]:
        if isinstance(part, Image):
            if part.url:
                return {"file_data": {"file_uri": part.url, "mime_type": part.media_type}}
            return {"inline_data": {"data": _decoded(part.data, "an image"), "mime_type": part.media_type}}
        data = self._files[part.path] if part.path else _decoded(part.data, f"the file {part.name!r}")
        if part.media_type.startswith("text/") or part.media_type in _TEXTUAL:
            return {"text": f"File {part.name}:\n{data.decode(errors='replace')}\n"}
        return {"inline_data": {"data": data, "mime_type": part.media_type}}

    def _assistant(self, message: Message, *, is_present: bool) -> None:
        parts: list[dict[str, Any]] = []
        items = [part.item for part in message.content if isinstance(part, ProviderItem) and part.backend == "gemini"]
        signed = [item for item in items if isinstance(item, Mapping) and isinstance(item.get("functionCall"), Mapping)]
        is_first = True
        for part in message.content:
            if isinstance(part, Text) and part.text:
                parts.append({"text": part.text})
            elif isinstance(part, ToolCall):
                written = self._call(part, signed)
                if is_first and is_present and self._family.mixes_tools:
                    written.setdefault("thought_signature", _UNSIGNED)
                is_first = False
                parts.append(written)
            elif isinstance(part, ProviderItem) and part.backend == "gemini" and isinstance(part.item, Mapping):
                self._item(part.item, parts)
        self._add("model", parts)

    def _call(self, call: ToolCall, signed: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Return a call as it came, or as it is known where nothing had to be kept of it."""
        try:
            arguments = call.parsed()
        except ValueError:
            arguments = {"malformed": call.arguments}
        name = _wire_name(call.name)
        for place, item in enumerate(signed):
            made = item["functionCall"]
            if made.get("name") == name and made.get("args", {}) == arguments:
                del signed[place]
                self._calls[call.id] = name, made.get("id", "")
                return _part(item)
        self._calls[call.id] = name, ""
        return {"function_call": {"name": name, "args": arguments}}

    def _item(self, item: Mapping[str, Any], parts: list[dict[str, Any]]) -> None:
        if "functionCall" in item:
            return  # it stands where its call stands
        if isinstance(notes := item.get("notes"), str):
            self.has_notes = True
            self._add("user", [{"text": _NOTES + notes}])
            return
        text = item.get("text")
        if text and not item.get("thought"):
            # A signed text is a part of its own, and its signature holds for that very text.
            said = parts[-1].get("text", "") if parts and len(parts[-1]) == 1 else ""
            if not said.endswith(text):
                return
            parts[-1] = {"text": said[: -len(text)]}
            if not parts[-1]["text"]:
                parts.pop()
        parts.append(_part(item))

    def _results(self, results: Sequence[ToolResult]) -> None:
        answers: list[dict[str, Any]] = []
        shown: list[dict[str, Any]] = []
        for result in results:
            name, identifier = self._calls.get(result.call, ("unknown", ""))
            media = [part for part in result.content if not isinstance(part, Text)]
            said = [result.text] if result.text else []
            parts: list[dict[str, Any]] = []
            for part in media:
                written = self._media(part)
                if "text" in written:
                    said.append(written["text"])
                elif self._family.mixes_tools and "inline_data" in written:
                    parts.append(written)
                else:
                    said.append("[it follows below]")
                    shown += [{"text": f"From the call of {name}:"}, written]
            output = "\n".join(said) if said or result.structured is None else result.structured
            answer: dict[str, Any] = {"name": name, "response": {"error" if result.is_error else "output": output}}
            if identifier:
                answer["id"] = identifier
            if parts:
                answer["parts"] = parts
            answers.append({"function_response": answer})
        self._add("user", answers)
        self._add("user", shown)


def _part(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part that was kept as it came; bytes were written as base64."""
    part = dict(item)
    if isinstance(signature := part.pop("thoughtSignature", None), str):
        part["thought_signature"] = _decoded(signature, "a signature")
    if isinstance(inline := part.get("inlineData"), Mapping):
        part["inlineData"] = {**inline, "data": _decoded(str(inline.get("data", "")), "an image")}
    return part
