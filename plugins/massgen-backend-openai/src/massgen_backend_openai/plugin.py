"""What this distribution provides."""

from __future__ import annotations

from massgen_backend_openai.config import OpenAIConfig
from massgen_core.api import BackendSpec, Capabilities, hookimpl

__all__ = ["massgen_backends"]


@hookimpl
def massgen_backends() -> list[BackendSpec]:
    """Provide the backend `openai`."""
    return [
        BackendSpec(
            name="openai",
            summary="OpenAI's models over the Responses API, at OpenAI, at Azure or at a server of your own",
            factory="massgen_backend_openai.backend:open_backend",
            catalogue="massgen_backend_openai.catalogue:CATALOGUE",
            config=OpenAIConfig,
            keys={"OPENAI_API_KEY": "", "AZURE_OPENAI_API_KEY": "at Azure"},
            capabilities=Capabilities(images=True, files=True, reasoning=True, response_schema=True),
        )
    ]
