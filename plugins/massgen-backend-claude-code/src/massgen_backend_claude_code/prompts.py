"""What is said to the program: prompts, and results of our tools."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import anyio
from mcp import types

from massgen_core.api import BadRequest, File, Image, Message, ModelRequest, ProviderItem, Text, ToolCall, ToolResult

__all__ = ["BACKEND", "demand", "prompt_of", "result_of", "transcript_of"]

BACKEND = "claude-code"
_TEXTUAL = ("application/json", "application/xml", "application/yaml", "application/x-yaml", "application/toml")
_INTRODUCTION = "This is a conversation up to now, as a record. Go on with it from its end, as its assistant."


async def prompt_of(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return users' messages as content blocks.

    Raises:
        BadRequest: A part cannot be shown to the model.
    """
    blocks: list[dict[str, Any]] = []
    for message in messages:
        for part in message.content:
            blocks += await _blocks(part)
    return blocks


async def transcript_of(messages: Sequence[Message], *, introduction: str = _INTRODUCTION) -> list[dict[str, Any]]:
    """Return a conversation as one prompt, for a session that does not know it; pictures and files are kept.

    Raises:
        BadRequest: A part cannot be shown to the model.
    """
    blocks: list[dict[str, Any]] = [{"type": "text", "text": introduction}]
    for message in messages:
        for part in message.content:
            if isinstance(part, ToolCall):
                blocks.append(_said("assistant calls a tool", f"{part.name} (call {part.id}) with {part.arguments}"))
            elif isinstance(part, ToolResult):
                blocks.append(_said("result of a tool" if not part.is_error else "failure of a tool", f"(call {part.call})"))
                for inner in part.content:
                    blocks += await _blocks(inner)
            elif isinstance(part, ProviderItem):
                if isinstance(part.item, Mapping) and part.item.get("type") == "tool":
                    blocks.append(_said("assistant used a tool of its own", json.dumps(part.item, ensure_ascii=False)))
            elif isinstance(part, Text):
                blocks.append(_said(message.role, part.text))
            else:
                blocks += await _blocks(part)
    return blocks


def _said(who: str, what: str) -> dict[str, Any]:
    return {"type": "text", "text": f"[{who}]\n{what}"}


def demand(request: ModelRequest) -> list[dict[str, Any]]:
    """Return what asks for a tool: the program offers no way to force one."""
    if request.tool_choice in ("auto", "none") or not request.tools:
        return []
    names = [tool.name for tool in request.tools] if request.tool_choice == "required" else [request.tool_choice]
    which = f"the tool {names[0]}" if len(names) == 1 else f"one of the tools {', '.join(names)}"
    return [{"type": "text", "text": f"Answer by calling {which}."}]


async def result_of(result: ToolResult, after: Iterable[str] = ()) -> types.CallToolResult:
    """Return a result as the program's protocol has it.

    Args:
        after: What a person said since, which the model reads with it.
    """
    content: list[Any] = []
    for part in result.content:
        if isinstance(part, Image) and part.data:
            content.append(types.ImageContent(type="image", data=part.data, mime_type=part.media_type))
        else:
            content += [
                types.TextContent(type="text", text=block.get("text") or "[it cannot be shown]") for block in await _blocks(part, is_text=True)
            ]
    if not content and result.structured is not None:
        content.append(types.TextContent(type="text", text=json.dumps(result.structured, ensure_ascii=False)))
    content += [types.TextContent(type="text", text=f"[message to you]\n{text}") for text in after]
    return types.CallToolResult(content=content, is_error=result.is_error)


async def _blocks(part: Any, *, is_text: bool = False) -> list[dict[str, Any]]:
    if isinstance(part, Text):
        return [{"type": "text", "text": part.text}] if part.text else []
    if isinstance(part, Image):
        if is_text:
            return [{"type": "text", "text": f"[an image at {part.url}]"}]
        source = {"type": "url", "url": part.url} if part.url else {"type": "base64", "media_type": part.media_type, "data": part.data}
        return [{"type": "image", "source": source}]
    if isinstance(part, File):
        return [await _file(part, is_text=is_text)]
    return []


async def _file(file: File, *, is_text: bool) -> dict[str, Any]:
    if is_text and file.path:  # it has tools to read it
        return {"type": "text", "text": f"[the file {file.name} is at {await anyio.Path(file.path).absolute()}]"}
    raw = base64.b64decode(file.data) if not file.path else await _read(file)
    if file.media_type.startswith("text/") or file.media_type in _TEXTUAL:
        return {"type": "text", "text": f"File {file.name}:\n{raw.decode(errors='replace')}\n"}
    if is_text:
        return {"type": "text", "text": f"[the file {file.name} ({file.media_type}) cannot be shown]"}
    if file.media_type != "application/pdf":
        raise BadRequest(f"Claude Code is shown texts, images and PDF files, not {file.media_type} ({file.name!r}); put it into its folder")
    source = {"type": "base64", "media_type": file.media_type, "data": base64.b64encode(raw).decode()}
    return {"type": "document", "source": source, "title": file.name}


async def _read(file: File) -> bytes:
    try:
        return await anyio.Path(file.path).read_bytes()
    except OSError as error:
        raise BadRequest(f"the file {file.name!r} cannot be read: {error.strerror}") from None
