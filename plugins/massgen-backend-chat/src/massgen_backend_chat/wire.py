"""Requests, as the protocol writes them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import msgspec

from massgen_backend_chat.config import OWN_FIELDS
from massgen_backend_chat.presets import Preset
from massgen_core.api import BadRequest, File, Image, Message, ModelRequest, ProviderItem, Text, Tool, ToolCall, ToolResult, read_files

__all__ = ["body_of"]

_TEXTUAL = ("application/json", "application/xml", "application/yaml", "application/x-yaml", "application/toml")


async def body_of(request: ModelRequest, known: Preset, *, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request's body.

    Raises:
        BadRequest: The server cannot be asked this; the message says what and which option helps.
    """
    request = attrs.evolve(request, model=request.model or known.usual_model)
    if not request.model and known.model:
        raise BadRequest(f"this provider needs a model's name, for instance {known.model!r}; write it as the agent's `model`")
    if request.tools and not known.tools:
        raise BadRequest("this server is configured without tools (tools: false), and the request needs them")
    body: dict[str, Any] = {"messages": _Messages(known, await read_files(request.messages)).of(request.messages), "stream": True}
    if request.model:
        body["model"] = request.model
    if known.stream_usage:
        body["stream_options"] = {"include_usage": True}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        body["tool_choice"] = _choice(request.tool_choice, known)
    _sampling(body, request, known)
    _effort(body, request, known)
    _schema(body, request, known)
    for name in request.options:
        if name in OWN_FIELDS:
            raise BadRequest(f"the option {name!r} is said by the backend itself and cannot be replaced")
    return {**body, **extra, **request.options}


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.parameters}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def _choice(choice: str, known: Preset) -> Any:
    if choice in ("auto", "none"):
        return choice
    if not known.forced_tools:
        return "auto"
    return choice if choice == "required" else {"type": "function", "function": {"name": choice}}


def _sampling(body: dict[str, Any], request: ModelRequest, known: Preset) -> None:
    sampling = request.sampling
    values = {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed, known.max_tokens: sampling.max_tokens}
    body.update({name: value for name, value in values.items() if value is not None})
    if sampling.stop:
        body["stop"] = list(sampling.stop)


def _effort(body: dict[str, Any], request: ModelRequest, known: Preset) -> None:
    effort = request.reasoning_effort
    if effort is None:
        return
    if known.effort == "none":
        raise BadRequest("this server takes no reasoning effort; leave `reasoning_effort` out, or set the backend's option `effort`")
    if known.effort == "word":
        body["reasoning_effort"] = known.most if effort == "max" else effort
    elif known.effort == "thinking":
        body["thinking"] = {"type": "disabled" if effort == "none" else "enabled"}
    else:
        body["enable_thinking"] = effort != "none"


def _schema(body: dict[str, Any], request: ModelRequest, known: Preset) -> None:
    schema = request.response_schema
    if schema is None:
        return
    if known.schema == "none":
        raise BadRequest("this server takes no schema for its text; set the backend's option `schema` if it does")
    if known.schema == "json_schema":
        made = {"name": "answer", "schema": schema, "strict": _is_strict(schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": made}
        return
    body["response_format"] = {"type": "json_object"}
    written = msgspec.json.encode(schema).decode()
    place = 1 if body["messages"] and body["messages"][0]["role"] == "system" else 0
    body["messages"].insert(
        place, {"role": "system", "content": f"Answer with one JSON object and nothing else. It must obey this JSON Schema: {written}"}
    )


def _is_strict(schema: Any) -> bool:
    """Tell whether strict decoding takes a schema: each object is closed and needs all that it has."""
    if isinstance(schema, Mapping):
        properties = schema.get("properties")
        if schema.get("type") == "object" or isinstance(properties, Mapping):
            names = set(properties) if isinstance(properties, Mapping) else set()
            if schema.get("additionalProperties") is not False or names != set(schema.get("required", ())):
                return False
        return all(_is_strict(value) for value in schema.values())
    return all(_is_strict(value) for value in schema) if isinstance(schema, list | tuple) else True


class _Messages:
    """Writes a conversation.

    Tool results of this protocol hold text only: their images follow in a user message, files that cannot be sent are named.
    """

    def __init__(self, known: Preset, files: Mapping[str, bytes]) -> None:
        self._known, self._files = known, files
        self._written: list[dict[str, Any]] = []
        self._pictures: list[dict[str, Any]] = []

    def of(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """Return the messages."""
        for message in messages:
            if message.role == "tool":
                for part in message.content:
                    if isinstance(part, ToolResult):
                        self._result(part)
                continue
            self._show()
            if message.role == "assistant":
                self._assistant(message)
            else:
                self._written.append({"role": message.role, "content": self._content(message)})
        self._show()
        return self._written

    def _show(self) -> None:
        if self._pictures:
            self._written.append({"role": "user", "content": self._pictures})
            self._pictures = []

    def _assistant(self, message: Message) -> None:
        written: dict[str, Any] = {"role": "assistant", "content": message.text}
        kept: dict[str, Any] = {}
        for part in message.content:
            if isinstance(part, ProviderItem) and part.backend == "chat" and isinstance(part.item, Mapping):
                kept.update(part.item)
        extras = kept.get("extra_content", {})
        calls = [
            {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.arguments or "{}"}}
            | ({"extra_content": extras[part.id]} if part.id in extras else {})
            for part in message.content
            if isinstance(part, ToolCall)
        ]
        if calls:
            written["tool_calls"] = calls
            written["content"] = message.text or None
        written.update({name: kept[name] for name in ("reasoning_content", "reasoning_details") if name in kept})
        self._written.append(written)

    def _content(self, message: Message) -> str | list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        for part in message.content:
            if isinstance(part, Text):
                parts.append({"type": "text", "text": part.text})
            elif isinstance(part, Image):
                parts.append(_image(part))
            elif isinstance(part, File):
                parts.append(self._file(part) or self._refused(part))
        if all(part["type"] == "text" for part in parts):  # what every server takes
            return "".join(part["text"] for part in parts)
        return parts

    def _refused(self, file: File) -> dict[str, Any]:
        raise BadRequest(f"this server takes no files of type {file.media_type}, such as {file.name!r}; set the backend's option `files` if it does")

    def _file(self, file: File) -> dict[str, Any] | None:
        """Return a part that holds a file; None where the server takes none of its type."""
        data = base64.b64encode(self._files[file.path]).decode() if file.path else file.data
        if file.media_type.startswith("text/") or file.media_type in _TEXTUAL:
            text = base64.b64decode(data).decode(errors="replace")
            return {"type": "text", "text": f"File {file.name}:\n{text}\n"}
        if not self._known.files:
            return None
        return {"type": "file", "file": {"filename": file.name, "file_data": f"data:{file.media_type};base64,{data}"}}

    def _result(self, result: ToolResult) -> None:
        said: list[str] = []
        for part in result.content:
            if isinstance(part, Text):
                said.append(part.text)
            elif isinstance(part, Image):
                said.append("[an image; it follows below]")
                self._pictures += [{"type": "text", "text": f"The image from the tool call {result.call}:"}, _image(part)]
            elif (written := self._file(part)) is None:
                said.append(f"[the file {part.name} ({part.media_type}) cannot be shown]")
            elif written["type"] == "text":
                said.append(written["text"])
            else:
                said.append(f"[the file {part.name}; it follows below]")
                self._pictures += [{"type": "text", "text": f"The file from the tool call {result.call}:"}, written]
        if not said and result.structured is not None:
            said.append(msgspec.json.encode(result.structured).decode())
        text = "\n".join(said)
        self._written.append({"role": "tool", "tool_call_id": result.call, "content": f"Error: {text}" if result.is_error else text})


def _image(image: Image) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": image.url or f"data:{image.media_type};base64,{image.data}"}}
