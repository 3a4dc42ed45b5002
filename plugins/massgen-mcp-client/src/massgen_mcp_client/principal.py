"""Who the client is for a server: what its references lead to, and what its transport knows of a login."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from massgen_core.api import Context, TransportSpec, is_reference, structure
from massgen_mcp_client.config import ServerConfig

__all__ = ["principal"]


def principal(config: ServerConfig, context: Context) -> tuple[str, ...] | None:
    """Return texts that are equal only for those who may share what a server shows; None where that cannot be told.

    They hold secrets: nobody writes them anywhere.
    """
    try:
        found = [context.secret(text).reveal() for text in _texts(config.options) if is_reference(text, context.plugins)]
        return (*found, _login(config, context))
    except Exception:  # opening the server says what is wrong
        return None


def _login(config: ServerConfig, context: Context) -> str:
    if config.transport not in context.plugins.names("transport"):
        return ""
    spec = context.plugins.get("transport", config.transport)
    if not (isinstance(spec, TransportSpec) and spec.principal and spec.config is not None):
        return ""
    ask = context.plugins.resolve(spec.principal, kind="transport", name=config.transport)
    return str(ask(structure(spec.config, config.options, path=config.name), context))


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        for _, value in sorted(data.items(), key=lambda item: str(item[0])):
            yield from _texts(value)
    elif isinstance(data, (list, tuple)):
        for value in data:
            yield from _texts(value)
