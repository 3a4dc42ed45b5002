"""What this distribution provides."""

from __future__ import annotations

from massgen_cmd_config.starters import PRESETS
from massgen_core.api import CommandSpec, PresetSpec, hookimpl

__all__ = ["massgen_commands", "massgen_presets"]


@hookimpl
def massgen_commands() -> list[CommandSpec]:
    """Provide the commands of the group `config`."""
    return [
        CommandSpec(name="config.check", summary="find every mistake, with its line and what to write", factory="massgen_cmd_config.check:Check"),
        CommandSpec(name="config.diff", summary="say what two configurations say differently", factory="massgen_cmd_config.diff:Diff"),
        CommandSpec(name="config.explain", summary="say what a key takes, and what it is set to here", factory="massgen_cmd_config.explain:Explain"),
        CommandSpec(name="config.export", summary="write a configuration as YAML, JSON or TOML", factory="massgen_cmd_config.export:Export"),
        CommandSpec(name="config.fix", summary="mend the mistakes that can be mended in one way only", factory="massgen_cmd_config.fix:Fix"),
        CommandSpec(name="config.migrate", summary="rewrite a file of an older format in today's", factory="massgen_cmd_config.migrate:Migrate"),
        CommandSpec(name="config.new", summary="write a configuration by questions", factory="massgen_cmd_config.new:New"),
        CommandSpec(name="config.presets", summary="list the installed presets, or show one", factory="massgen_cmd_config.presets:Presets"),
        CommandSpec(name="config.schema", summary="print the JSON Schema for editors", factory="massgen_cmd_config.schema:Schema"),
        CommandSpec(
            name="config.show", summary="show the resolved configuration and where each value is from", factory="massgen_cmd_config.show:Show"
        ),
        CommandSpec(name="config.test", summary="try keys, servers, sandboxes and tools, without paying", factory="massgen_cmd_config.trial:Trial"),
        CommandSpec(name="config.trust", summary="trust a project's file until it changes, or no more", factory="massgen_cmd_config.trust:Trust"),
    ]


@hookimpl
def massgen_presets() -> list[PresetSpec]:
    """Provide presets that need plugins of several distributions."""
    return list(PRESETS)
