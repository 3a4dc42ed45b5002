"""Requests, as the API writes them."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import anyio
import msgspec

from massgen_backend_openai.answers import HINT, NAME, RESPONSE
from massgen_backend_openai.config import OPENAI, OWN_FIELDS, OpenAIConfig
from massgen_backend_openai.models import most_effort, thinks
from massgen_backend_openai.schemas import Tools, is_strict
from massgen_core.api import BadRequest, Content, File, Image, Message, ModelRequest, ProviderItem, Text, ToolCall, ToolResult

__all__ = ["Requests", "uploads"]

# What goes back of items with fields that the API gives and does not take.
_RETURNED: Mapping[str, tuple[str, ...]] = {"image_generation_call": ("type", "id", "status", "result")}
_TEXTUAL = ("application/json", "application/xml", "image/svg+xml", "application/yaml", "application/x-yaml", "application/toml")


class Requests:
    """Writes requests.

    Args:
        config: The backend's options.
        tools: Writes the tools.
        uploads: Parts that stand before the first question.
    """

    def __init__(self, config: OpenAIConfig, tools: Tools, uploads: Sequence[Mapping[str, Any]] = ()) -> None:
        self._config, self._tools, self._uploads = config, tools, uploads
        self._hosted = config.hosted

    async def body(self, request: ModelRequest) -> dict[str, Any]:
        """Return a request's body.

        Raises:
            BadRequest: The API cannot be asked this; the message says what to change.
        """
        config = self._config
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
        files = {part.path: await _read(part) for message in messages for part in _files(message) if part.path}
        body["input"] = _Messages(files, () if previous else self._uploads, keeps_ids=config.store or config.background).of(messages)
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

    def _check(self, request: ModelRequest) -> None:
        if not request.model and self._config.address == OPENAI:
            raise BadRequest("OpenAI needs a model's name, for instance 'gpt-5.4-mini'; write it as the agent's `model`")
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


def _files(message: Message) -> Iterator[File]:
    for part in message.content:
        if isinstance(part, File):
            yield part
        elif isinstance(part, ToolResult):
            yield from (inner for inner in part.content if isinstance(inner, File))


async def _read(file: File) -> str:
    try:
        return base64.b64encode(await anyio.Path(file.path).read_bytes()).decode()
    except OSError as error:
        raise BadRequest(f"the file {file.name!r} cannot be read: {error.strerror}") from None


class _Messages:
    """Writes a conversation as input items.

    Args:
        files: Base64 of the files that stand as paths.
        uploads: Parts that stand before the first question.
        keeps_ids: The API keeps answers, so that an item's id says enough.
    """

    def __init__(self, files: Mapping[str, str], uploads: Sequence[Mapping[str, Any]], *, keeps_ids: bool) -> None:
        self._files, self._uploads, self._keeps_ids = files, list(uploads), keeps_ids
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
        if message.role == "user" and self._uploads:
            parts, self._uploads = [dict(part) for part in self._uploads], []
        for part in message.content:
            if isinstance(part, Text | Image | File):
                parts.append(self._part(part))
        if all(part["type"] == "input_text" for part in parts):
            return "".join(part["text"] for part in parts)
        return parts

    def _part(self, part: Text | Image | File) -> dict[str, Any]:
        if isinstance(part, Text):
            return {"type": "input_text", "text": part.text}
        if isinstance(part, Image):
            return _image(part.url or f"data:{part.media_type};base64,{part.data}")
        data = self._files[part.path] if part.path else part.data
        return file_part(part.name, part.media_type, data)

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


def file_part(name: str, media_type: str, data: str) -> dict[str, Any]:
    """Return a file as a part: text as text, an image as an image, anything else as a file."""
    if media_type.startswith("text/") or media_type in _TEXTUAL:
        text = base64.b64decode(data).decode(errors="replace")
        return {"type": "input_text", "text": f"File {name}:\n{text}\n"}
    if media_type.startswith("image/"):
        return _image(f"data:{media_type};base64,{data}")
    return {"type": "input_file", "filename": name, "file_data": f"data:{media_type};base64,{data}"}


def _image(url: str) -> dict[str, Any]:
    return {"type": "input_image", "image_url": url, "detail": "auto"}


async def uploads(config: OpenAIConfig) -> list[dict[str, Any]]:
    """Return the configured uploads as parts; addresses are fetched by OpenAI itself.

    Raises:
        BadRequest: A file cannot be read.
    """
    parts: list[dict[str, Any]] = []
    for upload in config.upload_files:
        ((kind, place),) = upload.items()
        if place.startswith(("https://", "http://")):
            parts.append(_image(place) if kind == "image_path" else {"type": "input_file", "file_url": place})
            continue
        name = anyio.Path(place).name
        media_type = mimetypes.guess_type(name)[0] or ("image/png" if kind == "image_path" else "application/octet-stream")
        parts.append(file_part(name, media_type, await _read(File(name=name, path=place))))
    return parts
