"""What this distribution provides."""

from __future__ import annotations

from massgen_backend_chat.config import ChatConfig
from massgen_backend_chat.presets import PRESETS
from massgen_core.api import BackendSpec, Capabilities, hookimpl

__all__ = ["massgen_backends"]


@hookimpl
def massgen_backends() -> list[BackendSpec]:
    """Provide the backend `chat`."""
    return [
        BackendSpec(
            name="chat",
            summary="any server that speaks Chat Completions: by preset, or by its address",
            factory="massgen_backend_chat.backend:open_backend",
            catalogue="massgen_backend_chat.catalogue:CATALOGUE",
            config=ChatConfig,
            keys={preset.key: f"preset {name}" for name, preset in PRESETS.items() if preset.key},
            capabilities=Capabilities(images=True, files=True, reasoning=True, response_schema=True),
        )
    ]
