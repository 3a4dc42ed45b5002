"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import CommandSpec, hookimpl


@hookimpl
def massgen_commands() -> list[CommandSpec]:
    return [
        CommandSpec(
            name="models",
            factory="massgen_cmd_models.command:Models",
            summary="list the models of installed backends, and fetch those that run on this machine",
        )
    ]
