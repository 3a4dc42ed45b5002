"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import CommandSpec, hookimpl


@hookimpl
def massgen_commands() -> list[CommandSpec]:
    return [
        CommandSpec(
            name="models",
            factory="massgen_cmd_models.command:Models",
            summary="list the models of installed backends with what they cost, and fetch those that run on this machine",
        ),
        CommandSpec(
            name="backend.doctor",
            factory="massgen_cmd_models.doctor:Doctor",
            summary="find out whether a backend works with your key, server and model, and what to do",
        ),
    ]
