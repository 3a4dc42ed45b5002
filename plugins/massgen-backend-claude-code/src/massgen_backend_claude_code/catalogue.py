"""The models that the program takes, their sizes and prices, without asking anybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from massgen_core.api import ModelInfo, ModelMissing, Price

__all__ = ["AS_OF", "CATALOGUE", "ClaudeCodeCatalogue", "price_of"]

AS_OF = "2026-11-20"
MILLION = 1_000_000

# Context, then US dollars for a million tokens: input, read from the cache, output. As the program itself reckons (2.1.327).
_MODELS: Mapping[str, tuple[int, float, float, float, str]] = {
    "opus": (MILLION, 4.0, 0.2, 20.0, "the newest Opus, now claude-opus-5-5; the program's own choice"),
    "sonnet": (MILLION, 2.0, 0.1, 10.0, "the newest Sonnet, now claude-sonnet-5-5"),
    "haiku": (MILLION, 0.1, 0.01, 0.5, "the newest Haiku, now claude-haiku-5-5"),
    "claude-fable-5-2": (MILLION, 8.0, 0.2, 40.0, "for the hardest reasoning"),
    "claude-opus-5-5": (MILLION, 4.0, 0.2, 20.0, "for long agentic work"),
    "claude-sonnet-5-5": (MILLION, 2.0, 0.1, 10.0, "speed and intelligence in balance"),
    "claude-haiku-5-5": (MILLION, 0.1, 0.01, 0.5, "the fastest"),
    "claude-opus-5": (MILLION, 5.0, 0.5, 25.0, "an older Opus"),
    "claude-sonnet-5": (MILLION, 2.0, 0.2, 10.0, "an older Sonnet"),
    "claude-opus-4-8": (MILLION, 5.0, 0.5, 25.0, "an older Opus"),
    "claude-sonnet-4-6": (200_000, 3.0, 0.3, 15.0, "an older Sonnet"),
    "claude-sonnet-4-5": (200_000, 3.0, 0.3, 15.0, "an older Sonnet"),
    "claude-haiku-4-5": (200_000, 1.0, 0.1, 5.0, "an older Haiku"),
}


def price_of(model: str) -> Price | None:
    """Return a model's price; None where it is not known."""
    known = _MODELS.get(model)
    if known is None:
        return None
    _, input_, cached, output, _ = known
    # What is written to the cache for five minutes costs a quarter more than other input.
    return Price(input=input_, cached=cached, written=input_ * 1.25, output=output, as_of=AS_OF)


class ClaudeCodeCatalogue:
    """Lists the models as they were known on a day; what an account may use only the provider knows."""

    def models(self) -> Sequence[ModelInfo]:
        """List them."""
        return [ModelInfo(name=name, summary=known[4], context=known[0], price=price_of(name)) for name, known in _MODELS.items()]

    def pull(self, name: str, progress: Callable[[str, int, int], None]) -> Path:
        """Refuse: these models stay where they are.

        Raises:
            ModelMissing: Always.
        """
        raise ModelMissing(
            f"{name or 'a model'} runs at its provider and cannot be fetched; massgen models pull --backend local fetches one for this machine"
        )


CATALOGUE = ClaudeCodeCatalogue()
