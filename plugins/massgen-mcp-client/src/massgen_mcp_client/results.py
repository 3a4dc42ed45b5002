"""What servers return, as parts that agents can be shown: text, images, files. Data of servers is never trusted to have its shape."""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

import attrs

from massgen_core.api import File, Image, Text, ToolResult, clean_line

__all__ = ["limited", "of_prompt", "of_resource", "plain_text", "to_parts"]

Part: TypeAlias = Text | Image | File

# What models can be shown as images; every other image is a file.
_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_BEGINNINGS = (("iVBORw0KGgo", "image/png"), ("/9j/", "image/jpeg"), ("R0lGOD", "image/gif"))
# RIFF, four bytes of length, WEBP.
_WEBP = re.compile(r"UklGR[A-Za-z0-9+/]{6}XRUJQ")
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_EXTENSIONS = {"audio/mpeg": "mp3", "audio/wav": "wav", "audio/x-wav": "wav", "image/svg+xml": "svg", "text/plain": "txt"}
_TEXTUAL = re.compile(r"text/.*|application/(?:.*\+)?(?:json|xml|yaml|x-yaml|javascript|toml)|image/svg\+xml")
# An unknown kind of content is shown as JSON of at most so many characters.
_UNKNOWN = 4000


def to_parts(raw: Any, call: str = "") -> ToolResult:
    """Return the result of a tool as the server sent it.

    Structured content is kept as data, and as text where no text says the same. A tool that failed is a result with `is_error`.

    Args:
        raw: The result of `tools/call`, plain data.
        call: The id of the agent's tool call.
    """
    if not isinstance(raw, Mapping):
        return ToolResult(call=call, content=(Text(text="the server sent no result that can be read"),), is_error=True)
    is_error = raw.get("isError") is True
    blocks = raw.get("content")
    parts = [part for block in (blocks if isinstance(blocks, list) else [] if blocks is None else [blocks]) for part in _block(block)]
    structured = raw.get("structuredContent")
    if structured is not None and not _is_said([part.text for part in parts if isinstance(part, Text)], structured):
        parts.append(Text(text=plain_text(structured)))
    if not any(not isinstance(part, Text) or part.text for part in parts):
        parts = [Text(text="The tool failed and did not say why." if is_error else "The tool returned nothing.")]
    return ToolResult(call=call, content=tuple(parts), is_error=is_error, structured=structured)


def of_resource(raw: Any, call: str = "") -> ToolResult:
    """Return the result of `resources/read`."""
    contents = raw.get("contents") if isinstance(raw, Mapping) else None
    parts = [part for one in (contents if isinstance(contents, list) else []) for part in _contents(one, is_named=True)]
    return ToolResult(call=call, content=tuple(parts) or (Text(text="The resource is empty."),))


def of_prompt(raw: Any, call: str = "") -> ToolResult:
    """Return the result of `prompts/get`: its messages, each under the name of its role."""
    parts: list[Part] = []
    given = raw if isinstance(raw, Mapping) else {}
    if isinstance(given.get("description"), str) and given["description"]:
        parts.append(Text(text=given["description"]))
    messages = given.get("messages")
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, Mapping):
            role = clean_line(str(message.get("role", "")), 20) or "message"
            content = message.get("content")
            parts += [Text(text=f"[{role}]"), *(part for block in (content if isinstance(content, list) else [content]) for part in _block(block))]
    return ToolResult(call=call, content=tuple(parts) or (Text(text="The prompt is empty."),))


def limited(result: ToolResult, limit: int, stored: str) -> ToolResult:
    """Return a result whose text is its head and its tail, `limit` characters in all, where it is longer.

    Args:
        result: The whole result.
        limit: Characters that the model is shown.
        stored: Where the whole text is, for the model.
    """
    text = result.text
    if len(text) <= limit:
        return result
    head = limit - limit // 2
    tail = text[len(text) - limit // 2 :]
    shown = f"{text[:head]}\n[{len(text) - limit} characters left out; the whole output is in {stored}]\n{tail}"
    others = tuple(part for part in result.content if not isinstance(part, Text))
    return attrs.evolve(result, content=(Text(text=shown), *others), structured=None)


# Blocks


def _block(block: Any) -> Iterator[Part]:
    """Yield the parts of one content block; one that cannot be read is shown as it is."""
    kind = block.get("type") if isinstance(block, Mapping) else None
    if isinstance(block, str):
        yield Text(text=block)
    elif kind == "text" and isinstance(block.get("text"), str):
        yield Text(text=block["text"])
    elif kind in ("image", "audio") and isinstance(block.get("data"), str):
        yield _blob(block["data"], block.get("mimeType"), name="", kind=kind)
    elif kind == "resource_link":
        yield Text(text=_link(block))
    elif kind == "resource" and isinstance(block.get("resource"), Mapping):
        yield from _contents(block["resource"], is_named=True)
    elif block is not None:
        yield Text(text=f"[content that cannot be shown: {clean_line(plain_text(block), _UNKNOWN)}]")


def _contents(resource: Any, *, is_named: bool) -> Iterator[Part]:
    """Yield the parts of a resource's contents."""
    if not isinstance(resource, Mapping):
        return
    uri, given = str(resource.get("uri") or ""), resource.get("mimeType")
    if isinstance(resource.get("text"), str):
        yield Text(text=f"[{clean_line(uri, 500)}]\n{resource['text']}" if is_named and uri else resource["text"])
    elif isinstance(resource.get("blob"), str):
        media = _media(given)
        if _TEXTUAL.fullmatch(media) and (text := _decoded(resource["blob"])) is not None:
            yield Text(text=f"[{clean_line(uri, 500)}]\n{text}" if uri else text)
        else:
            yield _blob(resource["blob"], given, name=_name(uri), kind="")


def _blob(data: str, given: Any, *, name: str, kind: str) -> Part:
    media = _media(given)
    if data.startswith("data:") and "," in data[:200]:
        head, _, data = data.partition(",")
        media = media or _media(head[5:].partition(";")[0])
    data = _plain(data)
    if not _BASE64.fullmatch(data) or len(data) % 4:
        what = f"{kind or 'data'} of type {media or 'unknown'}"
        return Text(text=f"[{what} that cannot be shown: it is no base64]")
    seen = next((kind for beginning, kind in _BEGINNINGS if data.startswith(beginning)), "image/webp" if _WEBP.match(data) else "")
    if seen and (not media or media.startswith("image/")):
        media = seen  # providers refuse an image whose type is not the one that is said
    if media in _IMAGES:
        return Image(media_type=media, data=data)
    media = media or {"audio": "audio/wav"}.get(kind, "application/octet-stream")
    extension = _EXTENSIONS.get(media) or re.sub(r"[^a-z0-9].*|^x-", "", media.partition("/")[2]) or "bin"
    return File(name=name or f"{kind or 'data'}.{extension}", media_type=media, data=data)


def _link(block: Mapping[str, Any]) -> str:
    uri, size = str(block.get("uri") or "?"), block.get("size")
    name = block.get("title") or block.get("name") or ""
    about = [str(name)] if name and name != uri else []
    about += [str(block["mimeType"])] if block.get("mimeType") else []
    about += [f"{size} bytes"] if isinstance(size, int) else []
    about += [str(block["description"])] if block.get("description") else []
    return f"[resource {clean_line(uri, 1000)}{': ' if about else ''}{clean_line(', '.join(about), 1000)}]"


# Pieces


def _media(given: Any) -> str:
    media = given.partition(";")[0].strip().lower() if isinstance(given, str) else ""
    media = "image/jpeg" if media == "image/jpg" else media
    return media if _TYPE.fullmatch(media) else ""


def _plain(data: str) -> str:
    """Return base64 in the usual alphabet, without blanks and with its padding."""
    if not _BASE64.fullmatch(data) or len(data) % 4:
        data = re.sub(r"\s+", "", data).translate(str.maketrans("-_", "+/")).rstrip("=")
        data += "=" * (-len(data) % 4)
    return data


def _decoded(data: str) -> str | None:
    try:
        return binascii.a2b_base64(_plain(data), strict_mode=True).decode()
    except ValueError:
        return None


def _name(uri: str) -> str:
    """Return the file's name at the end of an address; empty where it has none."""
    try:
        path = unquote(urlsplit(uri).path)
    except ValueError:
        return ""
    return re.sub(r"[^\w. -]", "_", re.split(r"[/\\]", path)[-1]).strip(" .")[:100]


def plain_text(data: Any) -> str:
    """Return plain data as one line of JSON."""
    try:
        return json.dumps(data, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return repr(data)


def _is_said(texts: Sequence[str], structured: Any) -> bool:
    """Say whether texts hold the same as structured content: as JSON, or as the value of its only key `result`, whole or item by item."""
    meant = [structured]
    if isinstance(structured, Mapping) and set(structured) == {"result"}:
        meant.append(structured["result"])
    read = [_read(text) for text in texts]
    for value in meant:
        if any(value in (text, data) for text, data in zip(texts, read, strict=True)):
            return True
        if (
            isinstance(value, list)
            and len(value) == len(read)
            and all(item in (text, data) for item, text, data in zip(value, texts, read, strict=True))
        ):
            return True
    return structured in ({}, {"result": None}, {"result": ""}, {"result": []}) and bool(texts)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
