"""The presets as a catalogue: an example of a model for each, without asking anybody; and what a server says that it has."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from massgen_backend_chat.config import ChatConfig
from massgen_backend_chat.presets import PRESETS
from massgen_core.api import Context, ModelInfo, ModelMissing, Price, clean_line, structure

__all__ = ["CATALOGUE", "PresetCatalogue", "listed_models"]

_DAY = "2025-10-01"
# The examples' prices where they are public: US dollars for a million tokens of input, output and cached input.
_PRICES: Mapping[str, tuple[float, float, float | None]] = {
    "azure": (2.00, 8.00, 0.50),
    "deepseek": (0.28, 0.42, 0.028),
    "fireworks": (0.56, 1.68, None),
    "grok": (3.00, 15.00, 0.75),
    "kimi": (0.60, 2.50, 0.15),
    "moonshot": (0.60, 2.50, 0.15),
    "openai": (1.25, 10.00, 0.125),
    "together": (0.15, 0.60, None),
    "zai": (0.60, 2.20, 0.11),
}
_CONTEXTS = ("context_length", "context_window", "max_model_len", "max_context_length")


class PresetCatalogue:
    """Lists one model for each provider; which ones it has now only the provider knows."""

    def models(self) -> Sequence[ModelInfo]:
        """List an example for each preset that names one."""
        return [
            ModelInfo(
                name=preset.model,
                summary=f"for instance, with preset {name} and the key in {preset.key}",
                price=_example(name),
                options={"preset": name},
            )
            for name, preset in sorted(PRESETS.items())
            if preset.model
        ]

    async def remote(self, options: Mapping[str, Any], context: Context) -> Sequence[ModelInfo]:
        """Ask the server that the options name."""
        from massgen_backend_chat.backend import open_backend  # noqa: PLC0415 - listing without a server needs no HTTP client

        config = structure(ChatConfig, options, path="backend chat")
        async with open_backend(config, context) as backend:
            return listed_models(await backend.listed(), {"preset": config.preset} if config.preset else {})

    def pull(self, name: str, progress: Callable[[str, int, int], None]) -> Path:
        """Refuse: these models stay where they are.

        Raises:
            ModelMissing: Always.
        """
        raise ModelMissing(
            f"{name or 'a model'} runs at its provider and cannot be fetched; massgen models pull --backend local fetches one for this machine"
        )


def _example(preset: str) -> Price | None:
    known = _PRICES.get(preset)
    return None if known is None else Price(input=known[0], output=known[1], cached=known[2], as_of=_DAY)


def listed_models(raw: Any, options: Mapping[str, str]) -> list[ModelInfo]:
    """Return the models of a server's list, whatever form it has; what is no model is left out.

    Some servers also tell how much fits into a model's context, and prices: for one token, as text, or for a million, as numbers.
    """
    found = raw.get("data", raw.get("models")) if isinstance(raw, Mapping) else raw
    models = []
    for one in found if isinstance(found, list) else ():
        name = next((one[key] for key in ("id", "name") if isinstance(one.get(key), str)), "") if isinstance(one, Mapping) else ""
        if name:
            context = next((one[key] for key in _CONTEXTS if isinstance(one.get(key), int) and one[key] > 0), 0)
            summary = clean_line(str(one.get("owned_by") or ""), 60)
            models.append(ModelInfo(name=clean_line(name, 200), summary=summary, context=context, price=_told(one.get("pricing")), options=options))
    return sorted(models, key=lambda model: model.name)


def _told(raw: Any) -> Price | None:
    if not isinstance(raw, Mapping):
        return None
    a_token = (_dollars(raw.get("prompt"), 1e6), _dollars(raw.get("completion"), 1e6))
    million = (_dollars(raw.get("input"), 1), _dollars(raw.get("output"), 1))
    given, made = a_token if None not in a_token else million
    if given is None or made is None:
        return None
    return Price(input=given, output=made, cached=_dollars(raw.get("input_cache_read"), 1e6), written=_dollars(raw.get("input_cache_write"), 1e6))


def _dollars(value: Any, scale: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = float(value) * scale
    except ValueError:
        return None
    return round(amount, 9) if 0 <= amount < math.inf else None


CATALOGUE = PresetCatalogue()
