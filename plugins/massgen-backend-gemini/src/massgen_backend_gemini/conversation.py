"""Conversations, as the SDK takes them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from massgen_backend_gemini.models import Family
from massgen_core.api import BadRequest, File, Image, Message, ProviderItem, Text, ToolCall, ToolResult

__all__ = ["KEPT", "NOTES", "Conversation", "decoded", "is_placed", "wire_name"]

NOTES = "Notes that you made with your own tools before answering:\n"
KEPT = "massgen.kept"  # in place of its data such a part names the file in which it is
_TEXTUAL = ("application/json", "application/xml", "application/yaml", "application/x-yaml", "application/toml")
# The word by which Google lets calls pass that the model did not make, or whose signature is lost.
_UNSIGNED = b"skip_thought_signature_validator"


def wire_name(name: str) -> str:
    """Return a tool's name as Google takes it: it begins with a letter or a line."""
    return name if name[:1].isalpha() or name[:1] == "_" else f"_{name}"


def is_placed(media_type: str) -> bool:
    """Tell whether what is of this type can be uploaded; text is shown as text."""
    return not media_type.startswith("text/") and media_type not in _TEXTUAL


def decoded(data: str, what: str) -> bytes:
    """Return the bytes of base64.

    Raises:
        BadRequest: It is none.
    """
    try:
        return base64.b64decode(data.translate({45: 43, 95: 47}), validate=True)  # Google writes - and _ for + and /
    except (binascii.Error, ValueError):
        raise BadRequest(f"the data of {what} is no base64") from None


class Conversation:
    """Writes a conversation.

    Args:
        files: What is in files, by path: those that messages name, and those in which earlier answers' images were kept.
        placed: The addresses of what was uploaded.

    Attributes:
        system: What system messages say; it stands apart from the contents.
        has_notes: Notes of hosted tools are in it.
    """

    def __init__(self, family: Family, files: Mapping[str, bytes], placed: Mapping[Image | File, str]) -> None:
        self._family, self._files, self._placed = family, files, placed
        self._contents: list[dict[str, Any]] = []
        self._calls: dict[str, tuple[str, str]] = {}  # name and Google's id of each call
        self.system: list[str] = []
        self.has_notes = False

    def of(self, messages: Sequence[Message]) -> list[Any]:
        """Return the contents."""
        last = max((place for place, message in enumerate(messages) if message.role == "user"), default=0)
        for place, message in enumerate(messages):
            if message.role == "system":
                self.system += [message.text] if message.text else []
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
        if (address := self._placed.get(part)) is not None:
            return {"file_data": {"file_uri": address, "mime_type": part.media_type}}
        if isinstance(part, Image):
            if part.url:
                return {"file_data": {"file_uri": part.url, "mime_type": part.media_type}}
            return {"inline_data": {"data": decoded(part.data, "an image"), "mime_type": part.media_type}}
        data = self._files[part.path] if part.path else decoded(part.data, f"the file {part.name!r}")
        if not is_placed(part.media_type):
            return {"text": f"File {part.name}:\n{data.decode(errors='replace')}\n"}
        return {"inline_data": {"data": data, "mime_type": part.media_type}}

    def _assistant(self, message: Message, *, is_present: bool) -> None:
        parts: list[dict[str, Any]] = []
        made = _calls_of(message)
        is_first = True
        for part in message.content:
            if isinstance(part, Text) and part.text:
                parts.append({"text": part.text})
            elif isinstance(part, ToolCall):
                item = made.get(part.id)
                written: dict[str, Any] = _part(item) if item else {"function_call": {"name": wire_name(part.name), "args": _arguments(part)}}
                self._calls[part.id] = wire_name(part.name), item["functionCall"].get("id", "") if item else ""
                if is_first and is_present and self._family.is_new:
                    written.setdefault("thought_signature", _UNSIGNED)
                is_first = False
                parts.append(written)
            elif isinstance(part, ProviderItem) and part.backend == "gemini" and isinstance(part.item, Mapping):
                self._item(part.item, parts)
        self._add("model", parts)

    def _item(self, item: Mapping[str, Any], parts: list[dict[str, Any]]) -> None:
        if "functionCall" in item:
            return  # it stands where its call stands
        if isinstance(notes := item.get("notes"), str):
            self.has_notes = True
            self._add("user", [{"text": NOTES + notes}])
            return
        if isinstance(inline := item.get("inlineData"), Mapping) and KEPT in inline:
            if (data := self._files.get(inline[KEPT])) is None:
                return  # the file is gone
            item = {**item, "inlineData": {"mimeType": inline.get("mimeType"), "data": base64.b64encode(data).decode()}}
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
                elif self._family.is_new and "inline_data" in written:
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


def _arguments(call: ToolCall) -> dict[str, Any]:
    try:
        return call.parsed()
    except ValueError:
        return {"malformed": call.arguments}


def _calls_of(message: Message) -> dict[str, Mapping[str, Any]]:
    """Return what was kept of calls, by the calls' ids: it follows its call; what does not may belong to any call of the same words."""
    found: dict[str, Mapping[str, Any]] = {}
    loose: list[Mapping[str, Any]] = []
    before: Any = None
    for part in message.content:
        item = part.item if isinstance(part, ProviderItem) and part.backend == "gemini" else None
        if isinstance(item, Mapping) and isinstance(item.get("functionCall"), Mapping):
            if isinstance(before, ToolCall) and _is_of(item, before):
                found[before.id] = item
            else:
                loose.append(item)
        before = part
    for call in message.calls:
        place = next((place for place, item in enumerate(loose) if _is_of(item, call)), None)
        if call.id not in found and place is not None:
            found[call.id] = loose.pop(place)
    return found


def _is_of(item: Mapping[str, Any], call: ToolCall) -> bool:
    made = item["functionCall"]
    return bool(made.get("name") == wire_name(call.name) and made.get("args", {}) == _arguments(call))


def _part(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part that was kept as it came; bytes were written as base64."""
    part = dict(item)
    if isinstance(signature := part.pop("thoughtSignature", None), str):
        part["thought_signature"] = decoded(signature, "a signature")
    if isinstance(inline := part.get("inlineData"), Mapping):
        part["inlineData"] = {**inline, "data": decoded(str(inline.get("data", "")), "an image")}
    return part
