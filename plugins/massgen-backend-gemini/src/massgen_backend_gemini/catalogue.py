"""The models, without asking anybody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from massgen_core.api import ModelInfo, ModelMissing

__all__ = ["CATALOGUE"]


class GeminiCatalogue:
    """Lists models as they were known on a day; which ones there are now only Google knows."""

    def models(self) -> Sequence[ModelInfo]:
        """List them."""
        return [ModelInfo(name="gemini-2.5-flash", context=1_048_576)]

    def pull(self, name: str, progress: Callable[[str, int, int], None]) -> Path:
        """Refuse: these models stay where they are.

        Raises:
            ModelMissing: Always.
        """
        raise ModelMissing(
            f"{name or 'a model'} runs at Google and cannot be fetched; massgen models pull --backend local fetches one for this machine"
        )


CATALOGUE = GeminiCatalogue()
