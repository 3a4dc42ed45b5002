"""What this distribution provides."""

from __future__ import annotations

from massgen_backend_scripted.config import ScriptedConfig
from massgen_core.api import BackendSpec, Capabilities, hookimpl

__all__ = ["massgen_backends"]


@hookimpl
def massgen_backends() -> list[BackendSpec]:
    """Provide the backend `scripted`."""
    return [
        BackendSpec(
            name="scripted",
            summary="answers, tool calls, delays and faults from a script, or made up without one",
            factory="massgen_backend_scripted.backend:open_backend",
            config=ScriptedConfig,
            capabilities=Capabilities(images=True, files=True, reasoning=True, response_schema=True),
        )
    ]
