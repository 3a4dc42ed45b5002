"""What the SDK yields, as chunks."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import attrs

from massgen_backend_gemini.faults import GeminiFaults
from massgen_backend_gemini.wire import Asked
from massgen_core.api import (
    BadRequest,
    Chunk,
    ItemChunk,
    ProviderItem,
    ReasoningChunk,
    StopChunk,
    StopReason,
    TextChunk,
    ToolCallChunk,
    Usage,
    UsageChunk,
)

__all__ = ["Answer", "usage_of"]

SOURCES = 30  # pages listed below an answer
_FILTERED = frozenset(
    {
        "BLOCKLIST",
        "ESCALATION",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "IMAGE_SAFETY",
        "JAILBREAK",
        "LANGUAGE",
        "MODEL_ARMOR",
        "PROHIBITED_CONTENT",
        "PUP_LIMITED_DISABLED",
        "RECITATION",
        "SAFETY",
        "SPII",
    }
)
_MALFORMED = frozenset({"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"})
_WORD = re.compile(r"\w[\w.:-]*")


def usage_of(raw: Any) -> Usage:
    """Return the five disjoint counts: what was cached is taken out of the prompt, what hosted tools read is added to it."""
    prompt, cached = raw.prompt_token_count or 0, raw.cached_content_token_count or 0
    read = raw.tool_use_prompt_token_count or 0
    return Usage(
        input=max(0, prompt - cached) + read,
        cached=cached,
        output=raw.candidates_token_count or 0,
        reasoning=raw.thoughts_token_count or 0,
    )


class Answer:
    """One streamed answer.

    Args:
        spent: Tokens that were spent before on the same request.
    """

    def __init__(self, asked: Asked, faults: GeminiFaults, spent: Usage) -> None:
        self._asked, self._faults, self._spent = asked, faults, spent
        self._finish, self._model = "", ""
        self._usage: Any = None
        self._index = -1
        self._open = False  # the last call lacks its closing brace
        self._ids: set[str] = set()
        self._has_text = False
        self._sources: dict[str, str] = {}
        self._queries: list[str] = []

    def take(self, event: Any) -> Iterator[Chunk]:
        """Yield the chunks of one event; what is not known is left out."""
        if event.candidates:
            candidate = event.candidates[0]
            if candidate.content and candidate.content.parts:
                for part in candidate.content.parts:
                    yield from self._part(part)
            if candidate.grounding_metadata:
                yield from self._ground(candidate.grounding_metadata)
            if candidate.finish_reason:
                self._finish = str(candidate.finish_reason.value).upper()
        if event.prompt_feedback and event.prompt_feedback.block_reason:
            self._finish = str(event.prompt_feedback.block_reason.value).upper()
            self._finish = self._finish if self._finish in _FILTERED else "SAFETY"
        self._model = event.model_version or self._model
        # Some proxies count nothing.
        if event.usage_metadata and (usage := usage_of(event.usage_metadata)) != self._usage and usage.total:
            self._usage = usage
            # One call with one price, whatever it was made of.
            yield UsageChunk(attrs.evolve(self._spent + usage, unpriced=0))

    def end(self, message: str) -> Iterator[Chunk]:
        """Yield what is left, and the end.

        Args:
            message: Why the model stopped, in the server's words.

        Raises:
            BackendFault: It was no whole answer.
        """
        if not self._finish:
            raise self._faults.garbled("an end in the middle of the answer")
        if self._finish == "MISSING_THOUGHT_SIGNATURE":
            raise BadRequest(f"{self._faults.where} misses a signature of an earlier call in this conversation; begin a new one")
        reason: StopReason = "stop"
        if self._finish == "MAX_TOKENS":
            reason = "length"  # a call that is open stays so: nobody knows whether it is whole
        elif self._finish in _FILTERED:
            reason = "filtered"
        else:
            if self._finish in _MALFORMED:
                yield from self._malformed(message)
            yield from self._close()
            if self._index >= 0:
                reason = "tools"
            elif not self._has_text and self._finish != "STOP":
                raise self._faults.broken_off(f"{self._finish} {message}")
        if self._sources and self._asked.cites and self._has_text and reason in ("stop", "length"):
            lines = [f"- {title}: {address}" if title else f"- {address}" for address, title in list(self._sources.items())[:SOURCES]]
            yield TextChunk("\n\nSources:\n" + "\n".join(lines))
        yield StopChunk(reason, self._model, self._finish)

    def _part(self, part: Any) -> Iterator[Chunk]:
        if part.function_call is not None:
            yield from self._call(part)
            return
        if part.text is not None:
            if part.text:
                yield from self._close()
                self._has_text = self._has_text or not part.thought
                yield ReasoningChunk(part.text) if part.thought else TextChunk(part.text)
            if part.thought_signature:
                yield ItemChunk(_kept(part))
            return
        if part.executable_code is not None:
            yield ReasoningChunk(f"\nRunning this code:\n{part.executable_code.code or ''}\n")
        elif part.code_execution_result is not None:
            yield ReasoningChunk(f"\nIt gave:\n{part.code_execution_result.output or part.code_execution_result.outcome}\n")
        elif part.tool_call is not None:
            yield ReasoningChunk(f"\nUsing {_word(part.tool_call.tool_type)}: {json.dumps(part.tool_call.args or {}, ensure_ascii=False)}\n")
        elif part.inline_data is not None:
            self._has_text = True  # the backend keeps it as a file and names that
        elif part.tool_response is None and part.file_data is None and not part.thought_signature:
            return
        yield ItemChunk(_kept(part))

    def _call(self, part: Any) -> Iterator[Chunk]:
        yield from self._close()
        made = part.function_call
        arguments = json.dumps(made.args or {}, ensure_ascii=False, separators=(",", ":"))
        name = made.name or "unnamed"
        yield self._begun(self._asked.names.get(name, name), made.id or "", arguments[:-1])
        self._open = True
        if part.thought_signature or made.id:
            yield ItemChunk(_kept(part))

    def _begun(self, name: str, identifier: str, arguments: str) -> ToolCallChunk:
        self._index += 1
        if not identifier or identifier in self._ids:
            identifier = f"call_{uuid4().hex[:16]}"
        self._ids.add(identifier)
        return ToolCallChunk(self._index, identifier, name, arguments)

    def _close(self) -> Iterator[Chunk]:
        """Yield the last brace of a call that is whole."""
        if self._open:
            self._open = False
            yield ToolCallChunk(self._index, arguments="}")

    def _malformed(self, message: str) -> Iterator[Chunk]:
        """Yield the call that Google could not read, as far as its words tell, so that the model can be shown what it wrote."""
        for match in _WORD.finditer(message):
            # `default_api.weather(...)` and `call:default_api:weather{...}` are both met.
            name = re.split(r"[.:]", match[0])[-1]
            if name in self._asked.names:
                yield from self._close()
                yield self._begun(self._asked.names[name], "", message[match.end() :] or "(nothing)")
                return

    def _ground(self, metadata: Any) -> Iterator[Chunk]:
        queries = [query for query in metadata.web_search_queries or () if query not in self._queries]
        if queries:
            self._queries += queries
            yield ReasoningChunk(f"\nSearched the web for: {'; '.join(queries)}\n")
        for chunk in metadata.grounding_chunks or ():
            source = chunk.web or chunk.maps or chunk.retrieved_context
            if source is not None and source.uri:
                self._sources.setdefault(source.uri, source.title or "")


def _word(value: Any) -> str:
    return str(getattr(value, "value", value) or "a tool")


def _kept(part: Any) -> ProviderItem:
    """Return a part as it came, as plain data; its bytes as base64."""
    made: Mapping[str, Any] = part.model_dump(mode="json", by_alias=True, exclude_none=True)
    if part.thought_signature:
        made = {**made, "thoughtSignature": base64.urlsafe_b64encode(part.thought_signature).decode()}
    return ProviderItem(backend="gemini", item=made)
