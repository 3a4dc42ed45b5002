"""One name for equal model requests: what caches and recordings are keyed by."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import attrs

from massgen_core.messages import ModelRequest

__all__ = ["canonical_request", "fingerprint"]


def canonical_request(request: ModelRequest) -> bytes:
    """Return a request as JSON in one form: keys sorted, whole numbers without a point, fields that have their default left out.

    Metadata is left out too: it says who asks, not what is asked. A field that a later version adds therefore changes nothing for requests that do
    not use it.

    Raises:
        TypeError: `options`, a schema or a provider item holds something that JSON has no form for.
    """
    return json.dumps(_plain(attrs.evolve(request, metadata={})), sort_keys=True, separators=(",", ":")).encode()


def fingerprint(request: ModelRequest) -> str:
    """Return the SHA-256 of a request's canonical form, 64 hex digits; the same in every process and on every machine.

    Raises:
        TypeError: As `canonical_request` does.
    """
    return hashlib.sha256(canonical_request(request)).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(each) for each in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    cls: Any = type(value)
    if not attrs.has(cls):
        return value
    values = ((name, keeps, default, getattr(value, name)) for name, keeps, default in _fields(cls))
    return {name: _plain(each) for name, keeps, default, each in values if keeps or each != default}


@functools.cache
def _fields(cls: Any) -> tuple[tuple[str, bool, Any], ...]:
    """Names, whether they are always written, and defaults. A tag (`type`) is always its default, and says what the rest means."""
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(cls)
    return tuple((field.name, not field.init, _default(field.default)) for field in fields)


def _default(default: Any) -> Any:
    return default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]
