"""Listens to the engine: makes chunks of what it sends, and holds back what may be a call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from massgen_backend_local.engine import Settings
from massgen_backend_local.grammar import CALL_START
from massgen_backend_local.recipe import Plan
from massgen_core.api import BackendFault, BadRequest, Chunk, ContextTooLong, ReasoningChunk, TextChunk, Usage, UsageChunk

__all__ = ["Listener"]

# Letters of a text in which the model says whether it wants a tool; longer than this nothing is held back.
OVERTURE = 120


class Listener:
    """One call's listener.

    Args:
        plan: What was asked, and what becomes of the answer.
        settings: Of the engine, for messages.
    """

    def __init__(self, plan: Plan, settings: Settings) -> None:
        self._plan, self._settings = plan, settings
        self._pieces: list[str] = []
        self._held = ""
        self._is_shown = False
        self._stop = ""
        self._before = Usage()
        self._usage = Usage()

    def take(self, raw: Mapping[str, Any]) -> Iterator[Chunk]:
        """Take what the engine sent; nothing in it means that it lives.

        Raises:
            BackendFault: The engine refused the call.
        """
        if "error" in raw:
            raise _fault(raw["error"], self._settings)
        self._count(raw)
        if not raw or "usage" in raw:
            yield UsageChunk(self._before + self._usage)
        for choice in raw.get("choices", ()):
            self._stop = choice.get("finish_reason") or self._stop
            delta = choice.get("delta", {})
            if reasoning := delta.get("reasoning_content"):
                yield ReasoningChunk(reasoning)
            if piece := delta.get("content"):
                self._pieces.append(piece)
                if self._is_shown:
                    yield TextChunk(piece)
                elif self._plan.streams:
                    self._held = (self._held + piece).lstrip()
                    yield from self._show(is_whole=False)

    def _show(self, *, is_whole: bool) -> Iterator[Chunk]:
        """Show what was held back, as soon as it is certain to be for the reader."""
        held = self._held
        may_be_call = held.startswith(CALL_START) or (not is_whole and CALL_START.startswith(held))
        may_want_call = not is_whole and self._plan.instead is not None and len(held) < OVERTURE
        if held and not may_be_call and not may_want_call:
            self._is_shown, self._held = True, ""
            yield TextChunk(held)

    def instead(self) -> Mapping[str, Any] | None:
        """Return what to ask instead, where the model has said that it wants a tool; None: go on listening."""
        if self._plan.instead is None or not self._held or self._held.startswith(CALL_START[0]):
            return None
        body = self._plan.instead(self._held)
        if body is not None:
            self._before, self._usage = self._before + self._usage, Usage()
            self._pieces, self._held, self._stop = [], "", ""
        return body

    def end(self) -> Iterator[Chunk]:
        """Make the last chunks.

        Raises:
            BackendFault: The engine ended without an end.
        """
        if not self._stop:
            raise BackendFault(f"the local model {self._settings.path.stem} stopped in the middle of its answer")
        if self._plan.streams and not self._is_shown:
            yield from self._show(is_whole=True)
        yield from self._plan.finish("".join(self._pieces), "length" if self._stop == "length" else "stop")

    def _count(self, raw: Mapping[str, Any]) -> None:
        """Keep the usage so far: a call that is left halfway has cost something too."""
        if usage := raw.get("usage"):
            cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
            self._usage = Usage(input=usage.get("prompt_tokens", 0) - cached, cached=cached, output=usage.get("completion_tokens", 0))
        elif progress := raw.get("prompt_progress"):
            cached = progress.get("cache", 0)
            self._usage = Usage(input=progress.get("total", 0) - cached, cached=cached)
        elif any(choice.get("delta", {}).get("content") for choice in raw.get("choices", ())):
            self._usage += Usage(output=1)


def _fault(error: Mapping[str, Any], settings: Settings) -> BackendFault:
    if error.get("type") == "exceed_context_size_error":
        return ContextTooLong(
            f"this call needs {error.get('n_prompt_tokens', 'more'):,} tokens, the local model {settings.path.stem} holds "
            f"{error.get('n_ctx', settings.context):,}; raise the option 'context', or ask a shorter question"
        )
    return BadRequest(f"the local model {settings.path.stem} does not take this request: {error.get('message', error)}")
