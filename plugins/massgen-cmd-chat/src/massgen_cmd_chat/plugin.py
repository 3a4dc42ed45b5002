"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import CommandSpec, hookimpl

__all__ = ["massgen_commands"]


@hookimpl
def massgen_commands() -> list[CommandSpec]:
    """Provide the command `chat`."""
    return [
        CommandSpec(
            name="chat",
            summary="keep a conversation; each question is a run",
            factory="massgen_cmd_chat.chat:Chat",
            takes_run_options=True,
        )
    ]
