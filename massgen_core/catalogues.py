"""The models of a backend, and what they cost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from massgen_core.prices import Price

if TYPE_CHECKING:
    from massgen_core.contracts import Context

__all__ = ["Catalogue", "ModelInfo", "RemoteCatalogue", "base_name", "listed_model", "listed_price"]

_FREE = Price(input=0.0, output=0.0)
# What providers put behind a model's name for one build of it: a date, a number of a few digits, "latest".
_BUILD = re.compile(r"[-@:](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{2}-\d{2}|\d{2}-\d{4}|\d{3,4}|latest)$")


@attrs.frozen(kw_only=True)
class ModelInfo:
    """A model in a catalogue.

    Attributes:
        size: Bytes to download or on disk; 0 where it is not known.
        is_local: It is on this machine.
        price: As it was on the day that it names; None where it is not known. A model that is on this machine costs nothing without it.
        options: The backend's options with which the model is reached and has this price, for instance `{"preset": "groq"}`; empty: with any.
    """

    name: str
    summary: str = ""
    size: int = 0
    is_local: bool = False
    context: int = 0
    license: str = ""
    price: Price | None = None
    options: Mapping[str, str] = attrs.field(factory=dict)


class Catalogue(Protocol):
    """The models of a backend."""

    def models(self) -> Sequence[ModelInfo]:
        """List them, those on this machine included, without a network where that is possible."""

    def pull(self, name: str, progress: Callable[[str, int, int], None]) -> Path:
        """Fetch a model. `progress` receives what is done, bytes so far and bytes in all; `name` may be empty for the default.

        Raises:
            ModelMissing: There is no such model, or it cannot be fetched; the message names what can be had.
        """


class RemoteCatalogue(Catalogue, Protocol):
    """A catalogue that can also ask the provider which models there are now."""

    async def remote(self, options: Mapping[str, Any], context: Context) -> Sequence[ModelInfo]:
        """Ask; it costs nothing.

        Args:
            options: The backend's options, as a configuration has them.
            context: Where the key comes from.

        Raises:
            BackendFault: One of its subclasses; also SecretMissing and ConfigProblems.
        """


def base_name(model: str) -> str:
    """Return a model's name without what tells its builds apart: `gpt-x-2026-01-31` is `gpt-x`; a smaller model of a family is another model."""
    name = model.strip().casefold().removeprefix("models/")
    return _BUILD.sub("", name)


def listed_model(models: Iterable[ModelInfo], options: Mapping[str, Any], model: str) -> ModelInfo | None:
    """Return a model of a catalogue: the one of its exact name, else another build of it; None where there is none.

    Args:
        models: The catalogue.
        options: The options of the backend, since a model may be another one with each provider that a backend reaches.
        model: As the provider names it.
    """
    here = [one for one in models if all(options.get(key) == value for key, value in one.options.items())]
    for form in (str, base_name):
        wanted = form(model)
        for one in here:
            if form(one.name) == wanted:
                return one
    return None


def listed_price(models: Iterable[ModelInfo], options: Mapping[str, Any], model: str) -> Price | None:
    """Return a model's price in a catalogue, as `listed_model` finds it; None where it has none."""
    found = listed_model(models, options, model)
    return None if found is None else found.price or (_FREE if found.is_local else None)
