"""OpenAI's models as they were on a day: context sizes and prices, without asking anybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from massgen_backend_openai.config import OpenAIConfig
from massgen_backend_openai.models import thinks
from massgen_core.api import Context, ModelInfo, ModelMissing, Price, clean_line, structure

__all__ = ["AS_OF", "CATALOGUE", "OpenAICatalogue"]

AS_OF = "2026-11-05"
# Name, tokens of context, US dollars for a million tokens: input, input from a cache, input written to a cache, output.
# Above 272,000 tokens of input the newer models cost more; batches, `flex` and `priority` differ too.
_MODELS: tuple[tuple[str, int, float, float | None, float | None, float], ...] = (
    ("gpt-6-astra", 1_050_000, 10.00, 1.00, 12.50, 50.00),
    ("gpt-6.1-sol", 1_050_000, 2.00, 0.10, 2.50, 10.00),
    ("gpt-6.1-terra", 1_050_000, 1.00, 0.05, 1.25, 5.00),
    ("gpt-6-sol", 1_050_000, 2.00, 0.20, 2.50, 10.00),
    ("gpt-6-luna", 1_050_000, 0.10, 0.01, 0.125, 0.50),
    ("gpt-5.6", 1_050_000, 4.00, 0.40, 5.00, 20.00),
    ("gpt-5.6-sol", 1_050_000, 4.00, 0.40, 5.00, 20.00),
    ("gpt-5.6-terra", 1_050_000, 2.00, 0.20, 2.50, 12.00),
    ("gpt-5.6-luna", 1_050_000, 0.20, 0.02, 0.25, 1.20),
    ("gpt-5.5", 1_050_000, 5.00, 0.50, None, 30.00),
    ("gpt-5.5-pro", 1_050_000, 30.00, None, None, 180.00),
    ("gpt-5.4", 1_050_000, 2.50, 0.25, None, 15.00),
    ("gpt-5.4-mini", 400_000, 0.75, 0.075, None, 4.50),
    ("gpt-5.4-nano", 400_000, 0.20, 0.02, None, 1.25),
    ("gpt-5.2", 400_000, 1.75, 0.175, None, 14.00),
    ("gpt-5.1", 400_000, 1.25, 0.125, None, 10.00),
    ("gpt-5", 400_000, 1.25, 0.125, None, 10.00),
    ("gpt-5-mini", 400_000, 0.25, 0.025, None, 2.00),
    ("gpt-5-nano", 400_000, 0.05, 0.005, None, 0.40),
    ("gpt-4.1", 1_047_576, 2.00, 0.50, None, 8.00),
    ("gpt-4.1-mini", 1_047_576, 0.40, 0.10, None, 1.60),
    ("gpt-4o", 128_000, 2.50, 1.25, None, 10.00),
    ("gpt-4o-mini", 128_000, 0.15, 0.075, None, 0.60),
    ("o3", 200_000, 2.00, 0.50, None, 8.00),
)


class OpenAICatalogue:
    """Lists what was known on a day; which models an account has now only OpenAI knows."""

    def models(self) -> Sequence[ModelInfo]:
        """List the models, the newest first."""
        return [
            ModelInfo(
                name=name,
                summary="thinks before it answers" if thinks(name) else "answers at once",
                context=context,
                price=Price(input=fresh, cached=cached, written=written, output=output, as_of=AS_OF),
            )
            for name, context, fresh, cached, written, output in _MODELS
        ]

    async def remote(self, options: Mapping[str, Any], context: Context) -> Sequence[ModelInfo]:
        """Ask the server that the options name which models it has."""
        from massgen_backend_openai.backend import open_backend  # noqa: PLC0415 - listing without a server needs no SDK

        async with open_backend(structure(OpenAIConfig, options, path="backend openai"), context) as backend:
            listed = await backend.listed()
        models = [ModelInfo(name=clean_line(one["id"]), summary=clean_line(str(one.get("owned_by") or ""), 60)) for one in listed]
        return sorted(models, key=lambda model: model.name)

    def pull(self, name: str, progress: Callable[[str, int, int], None]) -> Path:
        """Refuse: these models stay where they are.

        Raises:
            ModelMissing: Always.
        """
        raise ModelMissing(
            f"{name or 'a model'} runs at OpenAI and cannot be fetched; massgen models pull --backend local fetches one for this machine"
        )


CATALOGUE = OpenAICatalogue()
