"""The models, without asking anybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from massgen_backend_gemini.config import GeminiConfig
from massgen_core.api import Context, ModelInfo, ModelMissing, Price, clean_line, structure

__all__ = ["AS_OF", "CATALOGUE", "GeminiCatalogue"]

AS_OF = "2026-10-07"  # the day of the prices in AI Studio's paid tier, for prompts of up to 200,000 tokens
CONTEXT = 1_048_576

# Dollars for a million tokens: input, output, input from a cache. Thinking is paid for as output.
_PRICES: Mapping[str, tuple[float, float, float | None]] = {
    "gemini-3.8-flash": (0.75, 3.75, 0.075),
    "gemini-3.7-flash": (1.50, 7.50, 0.15),
    "gemini-3.6-flash": (0.75, 3.75, 0.075),
    "gemini-3.5-flash": (1.50, 9.00, 0.15),
    "gemini-3.5-flash-lite": (0.30, 2.50, None),
    "gemini-3.1-pro-preview": (2.00, 12.00, 0.20),
    "gemini-3.1-flash-lite": (0.25, 1.50, 0.025),
    "gemini-2.5-pro": (1.25, 10.00, 0.125),
    "gemini-2.5-flash": (0.30, 2.50, 0.03),
    "gemini-2.5-flash-lite": (0.10, 0.40, 0.01),
}
_NOTES: Mapping[str, str] = {
    "gemini-3.8-flash": "price until the end of 2026",
    "gemini-3.6-flash": "price until the end of 2026",
    "gemini-3.1-pro-preview": "dearer for prompts of more than 200,000 tokens",
    "gemini-2.5-pro": "dearer for prompts of more than 200,000 tokens",
}


class GeminiCatalogue:
    """Lists models as they were known on a day; which ones there are now only Google knows."""

    def models(self) -> Sequence[ModelInfo]:
        """List them, the newest first."""
        return [
            ModelInfo(name=name, summary=_NOTES.get(name, ""), context=CONTEXT, price=Price(input=given, output=made, cached=cached, as_of=AS_OF))
            for name, (given, made, cached) in _PRICES.items()
        ]

    async def remote(self, options: Mapping[str, Any], context: Context) -> Sequence[ModelInfo]:
        """Ask the server that the options name which models it has."""
        from massgen_backend_gemini.backend import open_backend  # noqa: PLC0415 - listing without a server needs no SDK

        async with open_backend(structure(GeminiConfig, options, path="backend gemini"), context) as backend:
            listed = await backend.listed()
        return [ModelInfo(name=clean_line(name), summary=clean_line(summary, 100), context=size) for name, summary, size in listed]

    def pull(self, name: str, progress: Callable[[str, int, int], None]) -> Path:
        """Refuse: these models stay where they are.

        Raises:
            ModelMissing: Always.
        """
        raise ModelMissing(
            f"{name or 'a model'} runs at Google and cannot be fetched; massgen models pull --backend local fetches one for this machine"
        )


CATALOGUE = GeminiCatalogue()
