"""What this distribution provides."""

from __future__ import annotations

from massgen_backend_claude_code.config import ClaudeCodeConfig
from massgen_core.api import BackendSpec, Capabilities, hookimpl

__all__ = ["massgen_backends"]


@hookimpl
def massgen_backends() -> list[BackendSpec]:
    """Provide the backend `claude-code`."""
    return [
        BackendSpec(
            name="claude-code",
            summary="Claude Code with its own tools, in a working folder",
            factory="massgen_backend_claude_code.opening:open_backend",
            catalogue="massgen_backend_claude_code.catalogue:CATALOGUE",
            config=ClaudeCodeConfig,
            keys={"ANTHROPIC_API_KEY": ""},
            acts=True,
            capabilities=Capabilities(images=True, files=True, reasoning=True),
        )
    ]
