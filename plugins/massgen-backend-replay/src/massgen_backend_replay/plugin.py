"""What this distribution provides."""

from __future__ import annotations

from massgen_backend_replay.config import ReplayConfig
from massgen_core.api import BackendSpec, Capabilities, hookimpl

__all__ = ["massgen_backends"]


@hookimpl
def massgen_backends() -> list[BackendSpec]:
    """Provide the backend `replay`."""
    return [
        BackendSpec(
            name="replay",
            summary="records another backend's model calls and plays them back",
            factory="massgen_backend_replay.backend:open_backend",
            config=ReplayConfig,
            capabilities=Capabilities(images=True, files=True, reasoning=True, response_schema=True),
        )
    ]
