"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import DisplaySpec, hookimpl
from massgen_display_terminal.config import TerminalConfig

__all__ = ["massgen_displays"]


@hookimpl
def massgen_displays() -> list[DisplaySpec]:
    """Provide the display `terminal`."""
    return [
        DisplaySpec(
            name="terminal",
            summary="live view of agents, text, votes and the winner on a terminal; plain lines elsewhere",
            factory="massgen_display_terminal.display:open_terminal",
            config=TerminalConfig,
        )
    ]
