"""What calls cost whose backend does not say: the user's prices first, then those of the backend's catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

import attrs

from massgen_core.catalogues import Catalogue, ModelInfo, base_name, listed_price
from massgen_core.events import Event, NoticeGiven
from massgen_core.messages import Usage
from massgen_core.plugins.manager import Plugins
from massgen_core.prices import Price
from massgen_core.specs import BackendSpec

__all__ = ["Priced", "Pricing", "base_name", "unpriced"]

# Returns usage with its cost, for the model that answered.
Priced: TypeAlias = Callable[[Usage, str], Usage]


def unpriced(usage: Usage, model: str) -> Usage:
    """Return the usage as it is."""
    return usage


class Pricing:
    """Finds prices; a catalogue is read when the first call needs it.

    Args:
        plugins: Whose catalogues.
        own: The user's prices, by `backend/model` or `model`; `*` stands for anything.
        emit: Told where a catalogue is broken.
        is_limited: There is a limit of money; it is told, too, which models it cannot count.
    """

    def __init__(self, plugins: Plugins, own: Mapping[str, Price], emit: Callable[[Event], None], *, is_limited: bool = False) -> None:
        self._plugins, self._own, self._emit, self._is_limited = plugins, own, emit, is_limited
        self._catalogues: dict[str, Sequence[ModelInfo]] = {}
        self._told: set[tuple[str, str]] = set()

    def of(self, backend: str, options: Mapping[str, Any]) -> Priced:
        """Return what prices the usage of one backend."""
        known: dict[str, Price | None] = {}

        def priced(usage: Usage, model: str) -> Usage:
            if usage.cost is not None or not usage.total:
                return usage
            if model not in known:
                known[model] = self._price(backend, options, model)
                if known[model] is None and self._is_limited and (backend, model) not in self._told:
                    self._told.add((backend, model))
                    text = f"the price of {model or backend!r} is not known, so its calls do not count against `limits.money`; give it in `prices`"
                    self._emit(NoticeGiven(level="warning", text=text))
            price = known[model]
            return usage if price is None else attrs.evolve(usage, cost=price.of(usage))

        return priced

    def _price(self, backend: str, options: Mapping[str, Any], model: str) -> Price | None:
        found = _own_price(self._own, backend, model) or listed_price(self._models(backend), options, model)
        inner = options.get("backend")
        if found is None and isinstance(inner, Mapping) and isinstance(name := inner.get("type"), str):
            return self._price(name, inner, model)  # one that stands before another, to record it say
        return found

    def _models(self, backend: str) -> Sequence[ModelInfo]:
        if backend not in self._catalogues:
            found: Sequence[ModelInfo] = ()
            try:
                spec = self._plugins.get("backend", backend)
                if isinstance(spec, BackendSpec) and spec.catalogue:
                    catalogue: Catalogue = self._plugins.resolve(spec.catalogue, kind="backend", name=backend)
                    found = tuple(catalogue.models())
            except Exception as error:  # a plugin's defect; the call itself went well
                text = f"the models of backend {backend!r} cannot be listed, so the cost of its calls is not known: {type(error).__name__}: {error}"
                self._emit(NoticeGiven(level="warning", text=text))
            self._catalogues[backend] = found
        return self._catalogues[backend]


def _own_price(own: Mapping[str, Price], backend: str, model: str) -> Price | None:
    if not own:
        return None
    names = (f"{backend}/{model}", model, f"{backend}/{base_name(model)}", base_name(model))
    for name in names:
        if name in own:
            return own[name]
    patterns = (pattern for pattern in own if "*" in pattern)
    # The longest pattern says most.
    matching = [pattern for pattern in patterns if any(fnmatchcase(name, pattern) for name in names)]
    return own[max(matching, key=len)] if matching else None
