"""Conversations, as the protocol writes them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from massgen_core.api import BadRequest, Content, File, Image, Message, ProviderItem, Text, ToolCall, ToolResult

__all__ = ["CONTAINER", "PLACED", "Writer"]

CONTAINER = "container"  # an item of our own: the sandbox that a conversation goes on in
_PICTURES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
PLACED = _PICTURES | {"application/pdf"}  # what can be uploaded
_TEXTUAL = frozenset({"application/json", "application/xml", "application/yaml", "application/x-yaml", "application/toml"})


class Writer:
    """Writes a conversation. It only ever appends: what was written before a thought must stay as it was, or the thought is void.

    Args:
        files: What is in files, by path.
        placed: The provider's words for what was uploaded.

    Attributes:
        container: The sandbox that the conversation goes on in; empty where there is none.
    """

    def __init__(self, files: Mapping[str, bytes], placed: Mapping[Image | File, str]) -> None:
        self._files, self._placed = files, placed
        self._system: list[str] = []
        self._written: list[dict[str, Any]] = []
        self.container = ""

    def of(self, messages: Sequence[Message]) -> tuple[str, list[dict[str, Any]]]:
        """Return the instructions and the messages."""
        for message in messages:
            if message.role == "system" and not self._written:
                self._system.append(message.text)
            elif message.role == "assistant":
                self._add("assistant", self._said(message))
            else:
                # Users, results of tools and later instructions take turns with the assistant as one.
                self._add("user", [block for part in message.content for block in self._asked(part)])
        return "\n\n".join(text for text in self._system if text.strip()), self._written

    def _add(self, role: str, blocks: list[dict[str, Any]]) -> None:
        if not blocks:
            return
        if self._written and self._written[-1]["role"] == role:
            self._written[-1]["content"] += blocks
        else:
            self._written.append({"role": role, "content": blocks})

    def _said(self, message: Message) -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = []
        for part in message.content:
            if isinstance(part, Text):
                blocks += _text(part.text)
            elif isinstance(part, ToolCall):
                blocks.append({"type": "tool_use", "id": part.id, "name": part.name, "input": _input(part)})
            elif isinstance(part, ProviderItem) and part.backend == "anthropic" and isinstance(part.item, Mapping):
                if part.item.get("type") == CONTAINER:
                    self.container = str(part.item.get("id", ""))
                else:
                    _return(dict(part.item), blocks)
        return blocks

    def _asked(self, part: Content) -> list[dict[str, Any]]:
        if isinstance(part, Text):
            return _text(part.text)
        if isinstance(part, Image):
            return [self._image(part)]
        if isinstance(part, File):
            written = self._file(part)
            if written is None:
                raise BadRequest(f"Claude takes PDF and text, no files of type {part.media_type}, such as {part.name!r}")
            return [written]
        return [self._result(part)] if isinstance(part, ToolResult) else []

    def _image(self, image: Image) -> dict[str, Any]:
        if image.url:
            return {"type": "image", "source": {"type": "url", "url": image.url}}
        if (word := self._placed.get(image)) is not None:
            return {"type": "image", "source": {"type": "file", "file_id": word}}
        if image.media_type not in _PICTURES:
            raise BadRequest(f"Claude takes images of type {', '.join(sorted(_PICTURES))}, not {image.media_type}")
        return {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": image.data}}

    def _file(self, file: File) -> dict[str, Any] | None:
        """Return a block that holds a file; None where its type is not taken."""
        if (word := self._placed.get(file)) is not None:
            made: dict[str, Any] = {"type": "image" if file.media_type in _PICTURES else "document", "source": {"type": "file", "file_id": word}}
            return made if made["type"] == "image" else {**made, "title": file.name}
        data = base64.b64encode(self._files[file.path]).decode() if file.path else file.data
        if file.media_type in _PICTURES:
            return {"type": "image", "source": {"type": "base64", "media_type": file.media_type, "data": data}}
        if file.media_type == "application/pdf":
            source = {"type": "base64", "media_type": file.media_type, "data": data}
        elif file.media_type.startswith("text/") or file.media_type in _TEXTUAL:
            source = {"type": "text", "media_type": "text/plain", "data": base64.b64decode(data).decode(errors="replace")}
        else:
            return None
        return {"type": "document", "source": source, "title": file.name}

    def _result(self, result: ToolResult) -> dict[str, Any]:
        blocks: list[dict[str, Any]] = []
        for part in result.content:
            if isinstance(part, Text):
                blocks += _text(part.text)
            elif isinstance(part, File):
                blocks.append(self._file(part) or {"type": "text", "text": f"[the file {part.name} ({part.media_type}) cannot be shown]"})
            elif part.url or part.media_type in _PICTURES:
                blocks.append(self._image(part))
            else:
                blocks.append({"type": "text", "text": f"[an image of type {part.media_type} cannot be shown]"})
        if not blocks and result.structured is not None:
            blocks = _text(json.dumps(result.structured, ensure_ascii=False))
        written: dict[str, Any] = {"type": "tool_result", "tool_use_id": result.call}
        if blocks:
            written["content"] = blocks
        if result.is_error:
            written["is_error"] = True
        return written


def _text(text: str) -> list[dict[str, Any]]:
    # Blocks without a visible character are refused.
    return [{"type": "text", "text": text}] if text.strip() else []


def _input(call: ToolCall) -> dict[str, Any]:
    """Return a call's arguments; what is no object is shown to the model as it wrote it."""
    try:
        return call.parsed()
    except ValueError:
        return {"malformed": call.arguments}


def _return(item: dict[str, Any], blocks: list[dict[str, Any]]) -> None:
    """Write a block back as it came. A block of text takes the place of its text, which was written just before."""
    if item.get("type") == "text":
        text = item.get("text")
        before = blocks[-1] if blocks else {}
        if not isinstance(text, str) or before.get("type") != "text" or not before["text"].endswith(text):
            return
        blocks.pop()
        blocks += _text(before["text"][: len(before["text"]) - len(text)])
    blocks.append(item)
