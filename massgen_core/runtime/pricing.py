"""What calls cost whose backend does not say: the user's prices first, then those of the backend's catalogue."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

import attrs

from massgen_core.contracts import Catalogue, ModelInfo
from massgen_core.events import Event, NoticeGiven
from massgen_core.messages import Usage
from massgen_core.plugins.manager import Plugins
from massgen_core.prices import Price
from massgen_core.specs import BackendSpec

__all__ = ["Priced", "Pricing", "base_name", "unpriced"]

# Returns usage with its cost, for the model that answered.
Priced: TypeAlias = Callable[[Usage, str], Usage]

_FREE = Price(input=0.0, output=0.0)
# What providers put behind a model's name for one build of it: a date, a number of a few digits, "latest".
_BUILD = re.compile(r"[-@:](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{2}-\d{2}|\d{2}-\d{4}|\d{3,4}|latest)$")


def base_name(model: str) -> str:
    """Return a model's name without what tells its builds apart: `gpt-x-2026-01-31` is `gpt-x`; a smaller model of a family is another model."""
    name = model.strip().casefold().removeprefix("models/")
    return _BUILD.sub("", name)


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

    def of(self, backend: str, options: Mapping[str, Any]) -> Priced:
        """Return what prices the usage of one backend."""
        known: dict[str, Price | None] = {}

        def priced(usage: Usage, model: str) -> Usage:
            if usage.cost is not None or not usage.total:
                return usage
            if model not in known:
                known[model] = self._price(backend, options, model)
                if known[model] is None and self._is_limited:
                    text = f"the price of {model or backend!r} is not known, so its calls do not count against `limits.money`; give it in `prices`"
                    self._emit(NoticeGiven(level="warning", text=text))
            price = known[model]
            return usage if price is None else attrs.evolve(usage, cost=price.of(usage))

        return priced

    def _price(self, backend: str, options: Mapping[str, Any], model: str) -> Price | None:
        own = _own_price(self._own, backend, model)
        return own if own is not None else _listed_price(self._models(backend), options, model)

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
    names = (f"{backend}/{model}", model, f"{backend}/{base_name(model)}", base_name(model))
    for name in names:
        if name in own:
            return own[name]
    patterns = (pattern for pattern in own if "*" in pattern)
    # The longest pattern says most.
    matching = [pattern for pattern in patterns if any(fnmatchcase(name, pattern) for name in names)]
    return own[max(matching, key=len)] if matching else None


def _listed_price(models: Sequence[ModelInfo], options: Mapping[str, Any], model: str) -> Price | None:
    here = [one for one in models if all(options.get(key) == value for key, value in one.options.items())]
    for form in (str, base_name):
        wanted = form(model)
        for one in here:
            if form(one.name) == wanted:
                return one.price or (_FREE if one.is_local else None)
    return None
