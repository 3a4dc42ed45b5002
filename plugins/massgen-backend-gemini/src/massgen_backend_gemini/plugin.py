"""What this distribution provides."""

from __future__ import annotations

from massgen_backend_gemini.config import GeminiConfig
from massgen_core.api import BackendSpec, Capabilities, hookimpl

__all__ = ["massgen_backends"]


@hookimpl
def massgen_backends() -> list[BackendSpec]:
    """Provide the backend `gemini`."""
    return [
        BackendSpec(
            name="gemini",
            summary="Gemini by Google's own SDK: AI Studio and Vertex AI",
            factory="massgen_backend_gemini.backend:open_backend",
            catalogue="massgen_backend_gemini.catalogue:CATALOGUE",
            config=GeminiConfig,
            keys={"GEMINI_API_KEY": "AI Studio", "env:GOOGLE_API_KEY": "AI Studio, in its place"},
            capabilities=Capabilities(images=True, files=True, reasoning=True, response_schema=True),
        )
    ]
