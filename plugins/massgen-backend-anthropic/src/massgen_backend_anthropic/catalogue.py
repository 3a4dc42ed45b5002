"""The models, their sizes and prices, without asking anybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from massgen_backend_anthropic.config import AnthropicConfig
from massgen_core.api import Context, ModelInfo, ModelMissing, Price, clean_line, structure

__all__ = ["AS_OF", "CATALOGUE", "AnthropicCatalogue"]

AS_OF = "2026-11-20"
MILLION = 1_000_000

# Context, then US dollars for a million tokens: input, read from the cache, output.
_MODELS: Mapping[str, tuple[int, float, float, float, str]] = {
    "claude-opus-5-5": (MILLION, 4.0, 0.2, 20.0, "for long agentic work; always thinks"),
    "claude-sonnet-5-5": (MILLION, 2.0, 0.1, 10.0, "speed and intelligence in balance"),
    "claude-haiku-5-5": (MILLION, 0.1, 0.01, 0.5, "the fastest; prompts of more than 100,000 tokens cost five times as much"),
    "claude-fable-5-1": (MILLION, 10.0, 0.25, 50.0, "for the hardest reasoning; always thinks"),
    "claude-opus-5": (MILLION, 5.0, 0.5, 25.0, "before Opus 5.5"),
    "claude-sonnet-5": (MILLION, 2.0, 0.2, 10.0, "before Sonnet 5.5"),
    "claude-fable-5": (MILLION, 10.0, 1.0, 50.0, "before Fable 5.1; always thinks"),
    "claude-opus-4-8": (MILLION, 5.0, 0.5, 25.0, "an older Opus"),
    "claude-opus-4-7": (MILLION, 5.0, 0.5, 25.0, "an older Opus"),
    "claude-opus-4-6": (MILLION, 5.0, 0.5, 25.0, "an older Opus"),
    "claude-sonnet-4-6": (MILLION, 3.0, 0.3, 15.0, "an older Sonnet"),
    "claude-opus-4-5": (200_000, 5.0, 0.5, 25.0, "an older Opus"),
    "claude-sonnet-4-5": (200_000, 3.0, 0.3, 15.0, "an older Sonnet; retired at the end of November 2026"),
    "claude-haiku-4-5": (200_000, 1.0, 0.1, 5.0, "an older Haiku"),
}


class AnthropicCatalogue:
    """Lists the models as they were known on a day; what an account may use only the provider knows."""

    def models(self) -> Sequence[ModelInfo]:
        """List them."""
        return [
            ModelInfo(
                name=name,
                summary=summary,
                context=context,
                # What is written to the cache for five minutes costs a quarter more than other input.
                price=Price(input=input_, cached=cached, written=input_ * 1.25, output=output, as_of=AS_OF),
            )
            for name, (context, input_, cached, output, summary) in _MODELS.items()
        ]

    async def remote(self, options: Mapping[str, Any], context: Context) -> Sequence[ModelInfo]:
        """Ask the server that the options name which models it has."""
        from massgen_backend_anthropic.backend import open_backend  # noqa: PLC0415 - listing without a server needs no SDK

        async with open_backend(structure(AnthropicConfig, options, path="backend anthropic"), context) as backend:
            listed = await backend.listed()
        return [
            ModelInfo(
                name=clean_line(one["id"]),
                summary=clean_line(", ".join(str(one[name]) for name in ("display_name", "lifecycle") if one.get(name) not in (None, "active")), 100),
                context=one["max_input_tokens"] if isinstance(one.get("max_input_tokens"), int) else 0,
            )
            for one in listed
        ]

    def pull(self, name: str, progress: Callable[[str, int, int], None]) -> Path:
        """Refuse: these models stay where they are.

        Raises:
            ModelMissing: Always.
        """
        raise ModelMissing(
            f"{name or 'a model'} runs at its provider and cannot be fetched; massgen models pull --backend local fetches one for this machine"
        )


CATALOGUE = AnthropicCatalogue()
