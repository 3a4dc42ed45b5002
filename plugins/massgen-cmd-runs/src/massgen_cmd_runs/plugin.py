"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import CommandSpec, hookimpl

__all__ = ["massgen_commands"]


@hookimpl
def massgen_commands() -> list[CommandSpec]:
    """Provide the commands `runs` and `show`."""
    return [
        CommandSpec(name="runs", summary="list runs, newest first; prune old ones", factory="massgen_cmd_runs.runs:Runs"),
        CommandSpec(name="show", summary="give an account of one run", factory="massgen_cmd_runs.show:Show"),
    ]
