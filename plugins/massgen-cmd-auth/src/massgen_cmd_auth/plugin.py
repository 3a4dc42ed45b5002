"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import CommandSpec, hookimpl


@hookimpl
def massgen_commands() -> list[CommandSpec]:
    return [
        CommandSpec(name="auth.set", factory="massgen_cmd_auth.change:Set", summary="keep a key in a store"),
        CommandSpec(name="auth.list", factory="massgen_cmd_auth.show:List", summary="list the names of keys, and what uses them"),
        CommandSpec(name="auth.delete", factory="massgen_cmd_auth.change:Delete", summary="delete a key from a store"),
        CommandSpec(name="auth.check", factory="massgen_cmd_auth.show:Check", summary="say which keys are found, and where"),
    ]
