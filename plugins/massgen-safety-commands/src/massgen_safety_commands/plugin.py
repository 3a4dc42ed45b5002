"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import ClassifierSpec, CommandSpec, hookimpl
from massgen_safety_commands.config import CommandsConfig

__all__ = ["massgen_commands", "massgen_safety_classifiers"]


@hookimpl
def massgen_safety_classifiers() -> list[ClassifierSpec]:
    """Provide the classifier `commands`."""
    return [
        ClassifierSpec(
            name="commands",
            summary="judges commands and code before they run",
            factory="massgen_safety_commands.classifier:Commands",
            config=CommandsConfig,
        )
    ]


@hookimpl
def massgen_commands() -> list[CommandSpec]:
    """Provide `massgen safety rules`."""
    return [
        CommandSpec(name="safety.rules", summary="list the rules for commands and code, or try them", factory="massgen_safety_commands.listing:Rules")
    ]
