"""The presets as a catalogue: an example of a model for each, without asking anybody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from massgen_backend_chat.presets import PRESETS
from massgen_core.api import ModelInfo, ModelMissing

__all__ = ["CATALOGUE", "PresetCatalogue"]


class PresetCatalogue:
    """Lists one model for each provider; which ones it has now only the provider knows."""

    def models(self) -> Sequence[ModelInfo]:
        """List an example for each preset that names one."""
        return [
            ModelInfo(name=preset.model, summary=f"for instance, with preset {name} and the key in {preset.key}")
            for name, preset in sorted(PRESETS.items())
            if preset.model
        ]

    def pull(self, name: str, progress: Callable[[str, int, int], None]) -> Path:
        """Refuse: these models stay where they are.

        Raises:
            ModelMissing: Always.
        """
        raise ModelMissing(
            f"{name or 'a model'} runs at its provider and cannot be fetched; massgen models pull --backend local fetches one for this machine"
        )


CATALOGUE = PresetCatalogue()
