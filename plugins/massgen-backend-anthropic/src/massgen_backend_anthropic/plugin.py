"""What this distribution provides."""

from __future__ import annotations

from massgen_backend_anthropic.config import AnthropicConfig
from massgen_core.api import BackendSpec, Capabilities, hookimpl

__all__ = ["massgen_backends"]


@hookimpl
def massgen_backends() -> list[BackendSpec]:
    """Provide the backend `anthropic`."""
    return [
        BackendSpec(
            name="anthropic",
            summary="Claude models through Anthropic's own SDK, and servers that speak its Messages protocol",
            factory="massgen_backend_anthropic.backend:open_backend",
            catalogue="massgen_backend_anthropic.catalogue:CATALOGUE",
            config=AnthropicConfig,
            keys={"ANTHROPIC_API_KEY": ""},
            capabilities=Capabilities(images=True, files=True, reasoning=True, response_schema=True),
        )
    ]
