"""Requests, as the API writes them."""

from __future__ import annotations

import base64
import mimetypes
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import msgspec

from massgen_backend_openai.answers import HINT, IMAGE, KEPT, NAME, RESPONSE
from massgen_backend_openai.config import OWN_FIELDS, OpenAIConfig
from massgen_backend_openai.models import most_effort, thinks
from massgen_backend_openai.schemas import Tools, is_strict
from massgen_core.api import (
    BadRequest,
    Content,
    File,
    Image,
    Message,
    ModelRequest,
    ProviderItem,
    Text,
    ToolCall,
    ToolResult,
    kept_media,
    read_files,
)

__all__ = ["Requests", "is_textual"]

Media: TypeAlias = Image | File
Place: TypeAlias = Callable[[Sequence[Message]], Awaitable[Mapping[Media, str]]]

# What goes back of items with fields that the API gives and does not take.
_RETURNED: Mapping[str, tuple[str, ...]] = {IMAGE: ("type", "id", "status", "result")}
_TEXTUAL = ("application/json", "application/xml", "image/svg+xml", "application/yaml", "application/x-yaml", "application/toml")


class Requests:
    """Writes requests.

    Args:
        config: The backend's options.
        tools: Writes the tools.
        folder: The run's folder, where images of earlier answers are.
        place: Uploads what is large in messages; returns the API's words for it.
    """

    def __init__(self, config: OpenAIConfig, tools: Tools, folder: Path, place: Place) -> None:
        self._config, self._tools, self._folder, self._place = config, tools, folder, place
        self._uploads = tuple(_upload(upload) for upload in config.upload_files)
        self._hosted = config.hosted

    async def body(self, request: ModelRequest) -> dict[str, Any]:
        """Return a request's body.

        Raises:
            BadRequest: The API cannot be asked this; the message says what to change.
        """
        config = self._config
        request = attrs.evolve(request, model=request.model or config.usual_model)
        self._check(request)
        messages: Sequence[Message] = request.messages
        body: dict[str, Any] = {}
        if request.model:
            body["model"] = request.model
        if messages and messages[0].role == "system":
            body["instructions"] = messages[0].text
            messages = messages[1:]
        previous, messages = _chained(messages) if config.chain else ("", messages)
        if previous:
            body["previous_response_id"] = previous
        if self._uploads and not previous:
            messages = _led(messages, self._uploads)
        placed = await self._place(messages)
        writer = _Messages(await read_files(messages, without=placed), placed, keeps_ids=config.store or config.background)
        body["input"] = writer.of([await self._restored(message) for message in messages])
        body.update(stream=True, store=config.store or config.chain or config.background)
        if config.background:
            body["background"] = True
        if config.service_tier:
            body["service_tier"] = config.service_tier
        self._add_tools(body, request)
        self._add_sampling(body, request)
        self._add_reasoning(body, request)
        self._add_text(body, request)
        extra = {**config.extra_body, **request.options}
        if include := self._include(request.model, extra.pop("include", ())):
            body["include"] = include
        for name in ("reasoning", "text"):  # a further field must not undo the others
            if isinstance(extra.get(name), Mapping):
                extra[name] = {**body.get(name, {}), **extra[name]}
        return {**body, **extra}

    async def _restored(self, message: Message) -> Message:
        """Return a message with the images that were kept as files, as the API wants them back; one whose file is gone is left out."""
        if not any(isinstance(part, ProviderItem) and _kind(part.item) == IMAGE for part in message.content):
            return message
        parts: list[Content] = []
        for part in message.content:
            if isinstance(part, ProviderItem) and _kind(part.item) == IMAGE and KEPT in part.item:
                if (data := await kept_media(self._folder, str(part.item[KEPT]))) is None:
                    continue
                part = attrs.evolve(part, item={**part.item, "result": base64.b64encode(data).decode()})  # noqa: PLW2901 - the same part, whole
            parts.append(part)
        return attrs.evolve(message, content=tuple(parts))

    def _check(self, request: ModelRequest) -> None:
        sampling = request.sampling
        for name, value in (("seed", sampling.seed), ("stop", sampling.stop or None)):
            if value is not None:
                raise BadRequest(f"the Responses API takes no {name!r}; leave it out of the agent's `sampling`")
        for name in request.options:
            if name in OWN_FIELDS:
                raise BadRequest(f"the option {name!r} is said by the backend itself; use the option of the backend for it, if there is one")

    def _add_tools(self, body: dict[str, Any], request: ModelRequest) -> None:
        tools = [*self._hosted, *self._tools.written(request.tools, request.metadata.get("agent", ""))]
        if not tools:
            return
        body["tools"] = tools
        choice = request.tool_choice
        if request.tools or choice == "none":
            body["tool_choice"] = choice if choice in ("auto", "none", "required") else {"type": "function", "name": choice}
        if request.tools and self._config.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = self._config.parallel_tool_calls

    def _add_sampling(self, body: dict[str, Any], request: ModelRequest) -> None:
        sampling = request.sampling
        values = {"temperature": sampling.temperature, "top_p": sampling.top_p, "max_output_tokens": sampling.max_tokens}
        body.update({name: value for name, value in values.items() if value is not None})

    def _add_reasoning(self, body: dict[str, Any], request: ModelRequest) -> None:
        asked = self._config.reasoning
        effort = most_effort(request.model) if request.reasoning_effort == "max" else request.reasoning_effort
        values = {"effort": effort or asked.effort, "summary": asked.summary}
        if made := {name: value for name, value in values.items() if value is not None}:
            body["reasoning"] = made

    def _add_text(self, body: dict[str, Any], request: ModelRequest) -> None:
        made: dict[str, Any] = {}
        if self._config.text.verbosity:
            made["verbosity"] = self._config.text.verbosity
        if (schema := request.response_schema) is not None:
            made["format"] = {"type": "json_schema", "name": "answer", "schema": schema, "strict": is_strict(schema)}
        if made:
            body["text"] = made

    def _include(self, model: str, further: Any) -> list[str]:
        config = self._config
        wanted: list[str] = []
        # Models that do not think refuse to be asked for it.
        if not config.chain and (thinks(model) if config.encrypted_reasoning is None else config.encrypted_reasoning):
            wanted.append("reasoning.encrypted_content")
        if any(tool["type"] == "code_interpreter" for tool in self._hosted):
            wanted.append("code_interpreter_call.outputs")
        return list(dict.fromkeys([*wanted, *further]))


def _chained(messages: Sequence[Message]) -> tuple[str, Sequence[Message]]:
    """Return the answer to go on from, and what was said since; empty and all messages where there is none."""
    for place in range(len(messages) - 1, -1, -1):
        for part in messages[place].content:
            if isinstance(part, ProviderItem) and part.backend == NAME and _kind(part.item) == RESPONSE:
                return str(part.item["id"]), messages[place + 1 :]
    return "", messages


def _kind(item: Any) -> Any:
    return item.get("type") if isinstance(item, Mapping) else None


def _led(messages: Sequence[Message], parts: Sequence[Content]) -> Sequence[Message]:
    """Return messages with parts before what the user says first."""
    place = next((place for place, message in enumerate(messages) if message.role == "user"), None)
    if place is None:
        return messages
    led = attrs.evolve(messages[place], content=(*parts, *messages[place].content))
    return [*messages[:place], led, *messages[place + 1 :]]


class _Messages:
    """Writes a conversation as input items.

    Args:
        files: What is in the files that stand as paths.
        placed: The API's words for what was uploaded.
        keeps_ids: The API keeps answers, so that an item's id says enough.
    """

    def __init__(self, files: Mapping[str, bytes], placed: Mapping[Media, str], *, keeps_ids: bool) -> None:
        self._files, self._placed, self._keeps_ids = files, placed, keeps_ids
        self._written: list[dict[str, Any]] = []

    def of(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """Return the items."""
        for message in messages:
            if message.role == "tool":
                self._written += [self._result(part) for part in message.content if isinstance(part, ToolResult)]
            elif message.role == "assistant":
                self._assistant(message)
            else:
                role = "developer" if message.role == "system" else message.role
                self._written.append({"role": role, "content": self._content(message)})
        return self._written

    def _assistant(self, message: Message) -> None:
        hint: Mapping[str, Any] = {}
        is_whole, items = True, list[dict[str, Any]]()
        for part in message.content:
            if isinstance(part, ProviderItem):
                item = part.item if part.backend == NAME and isinstance(part.item, Mapping) else {}
                if item.get("type") == HINT:
                    hint = item
                elif self._is_understood(item):
                    items.append({name: value for name, value in item.items() if name in _RETURNED.get(item["type"], item)})
                elif item.get("type") == "reasoning":
                    is_whole = False
            elif made := _said(part):
                more = {name: hint[name] for name in ("id", "phase") if name in hint} if hint.get("of") == made["type"] else {}
                items.append({**made, **({"status": "completed"} if "id" in more else {}), **more})
                hint = {}
        # The API refuses a thought that leads to nothing; it is left over where calls of a truncated answer were taken out.
        while items and items[-1].get("type") == "reasoning":
            items.pop()
        if not is_whole:
            # By its id the API knows which thought led to an item, and refuses the one without the other.
            items = [_without_id(item) if item["type"] in ("message", "function_call") else item for item in items]
        self._written += items

    def _is_understood(self, item: Mapping[str, Any]) -> bool:
        """Tell whether the API can make sense of an item: of a thought it needs the content, unless it kept the answer."""
        if item.get("type") in (None, RESPONSE):
            return False
        return item["type"] != "reasoning" or self._keeps_ids or bool(item.get("encrypted_content") or item.get("content"))

    def _content(self, message: Message) -> str | list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        for part in message.content:
            if isinstance(part, Text | Image | File):
                parts.append(self._part(part))
        if all(part["type"] == "input_text" for part in parts):
            return "".join(part["text"] for part in parts)
        return parts

    def _part(self, part: Text | Image | File) -> dict[str, Any]:
        if isinstance(part, Text):
            return {"type": "input_text", "text": part.text}
        if (word := self._placed.get(part)) is not None:
            return {"type": "input_image", "file_id": word, "detail": "auto"} if _is_image(part) else {"type": "input_file", "file_id": word}
        if isinstance(part, Image):
            if part.url and not _is_image(part):  # one of the option `upload_files`
                return {"type": "input_file", "file_url": part.url}
            return _image(part.url or f"data:{part.media_type};base64,{part.data}")
        return _file(part, base64.b64encode(self._files[part.path]).decode() if part.path else part.data)

    def _result(self, result: ToolResult) -> dict[str, Any]:
        parts = [self._part(part) for part in result.content]
        if not parts and result.structured is not None:
            parts.append({"type": "input_text", "text": msgspec.json.encode(result.structured).decode()})
        if result.is_error:
            parts.insert(0, {"type": "input_text", "text": "Error:"})
        is_text = all(part["type"] == "input_text" for part in parts)
        output: Any = "\n".join(part["text"] for part in parts) if is_text else parts
        return {"type": "function_call_output", "call_id": result.call, "output": output}


def _said(part: Content) -> dict[str, Any]:
    """Return text or a call of the assistant as an item; empty for anything else."""
    if isinstance(part, Text) and part.text:
        return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": part.text, "annotations": []}]}
    if isinstance(part, ToolCall):
        return {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": part.arguments or "{}"}
    return {}


def _without_id(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in ("id", "status")}


def is_textual(media_type: str) -> bool:
    """Tell whether files of this type are shown as text."""
    return media_type.startswith("text/") or media_type in _TEXTUAL


def _is_image(part: Media) -> bool:
    return part.media_type.startswith("image/")


def _file(file: File, data: str) -> dict[str, Any]:
    """Return a file as a part: text as text, an image as an image, anything else as a file."""
    if is_textual(file.media_type):
        text = base64.b64decode(data).decode(errors="replace")
        return {"type": "input_text", "text": f"File {file.name}:\n{text}\n"}
    if _is_image(file):
        return _image(f"data:{file.media_type};base64,{data}")
    return {"type": "input_file", "filename": file.name, "file_data": f"data:{file.media_type};base64,{data}"}


def _image(url: str) -> dict[str, Any]:
    return {"type": "input_image", "image_url": url, "detail": "auto"}


def _upload(upload: Mapping[str, str]) -> Media:
    """Return a configured upload; addresses are fetched by OpenAI itself."""
    ((kind, place),) = upload.items()
    if place.startswith(("https://", "http://")):
        return Image(media_type="image/png" if kind == "image_path" else "application/octet-stream", url=place)
    name = os.path.basename(place)
    media_type = mimetypes.guess_type(name)[0] or ("image/png" if kind == "image_path" else "application/octet-stream")
    return File(name=name, media_type=media_type, path=place)
