"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import CommandSpec, Event, ExecutorSpec, PresetSpec, hookimpl
from massgen_exec_docker.config import DockerConfig
from massgen_exec_docker.events import EVENTS

__all__ = ["massgen_commands", "massgen_event_types", "massgen_executors", "massgen_presets"]

_COMMANDS = "massgen_exec_docker.commands"
_CODER = "You write code. Keep it small, run it, test it, and say what was tested and what was not."
_CODING = {
    "version": 1,
    "agents": [{"name": name, "backend": name, "system": _CODER} for name in ("anthropic", "openai")],
    "strategy": "consensus",
    "toolsets": [{"type": "code", "executor": {"type": "docker"}}],
    "classifiers": [{"type": "commands", "otherwise": "allow"}],
    "limits": {"money": 3.0, "seconds": 1800},
}


@hookimpl
def massgen_executors() -> list[ExecutorSpec]:
    """Provide containers."""
    summary = "hardened containers of Docker or podman"
    return [ExecutorSpec(name="docker", factory="massgen_exec_docker.factory:open_docker", summary=summary, config=DockerConfig)]


@hookimpl
def massgen_event_types() -> list[type[Event]]:
    """Provide the facts of containers."""
    return list(EVENTS)


@hookimpl
def massgen_commands() -> list[CommandSpec]:
    """Provide what can be done with the engine without a run."""
    return [
        CommandSpec(name="docker.build-base", summary="make an image from Debian's packages, without a registry", factory=f"{_COMMANDS}:BuildBase"),
        CommandSpec(
            name="docker.build-server", summary="make an image for one MCP server of npm or the Python index", factory=f"{_COMMANDS}:BuildServer"
        ),
        CommandSpec(name="docker.doctor", summary="say whether containers can be used, and what is missing", factory=f"{_COMMANDS}:Doctor"),
        CommandSpec(name="docker.images", summary="list the images that MassGen made", factory=f"{_COMMANDS}:Images"),
        CommandSpec(name="docker.prune", summary="remove containers whose owners are gone", factory=f"{_COMMANDS}:Prune"),
        CommandSpec(name="docker.ps", summary="list MassGen's containers", factory=f"{_COMMANDS}:Ps"),
    ]


@hookimpl
def massgen_presets() -> list[PresetSpec]:
    """Provide agents that code in containers."""
    return [PresetSpec(name="coding-docker", summary="two providers write and run code in containers without a network", document=_CODING)]
