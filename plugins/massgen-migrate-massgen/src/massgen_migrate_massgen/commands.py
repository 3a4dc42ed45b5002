"""The commands of an agent, as the toolset `code` of today in a sandbox of today."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from massgen_migrate_massgen.walk import Walk, is_on

__all__ = ["TOOLS", "glob_of", "toolset_of_commands"]

# What ran unasked then, runs unasked now; the sandbox is no weaker.
TOOLS = ("execute_command", "execute_code", "start_job", "read_job", "write_job", "stop_job", "list_jobs")
_SIZE = re.compile(r"([0-9]+)([bkmg]?)b?", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_OWN_IMAGE = re.compile(r"(?:ghcr\.io/)?massgen/mcp-runtime(?:-sudo)?(?::[^/]*)?")
_KEY = "command_line_"
# The parts of a regular expression that a glob pattern can say, too.
_PARTS = re.compile(r"\.[*+]|\.|\\[^A-Za-z0-9]|[^\\.*+?^$|()\[\]{}]")
_GLOBS = {".*": "*", ".+": "?*", ".": "?"}
_LEFT_OUT: Mapping[str, str] = {
    "docker_enable_sudo": "commands do not become root; build an image that has what they need, and name it",
    "docker_packages": "nothing is installed when a sandbox is opened; build an image that has what commands need, and name it",
    **dict.fromkeys(
        ("docker_preinstall_python", "docker_preinstall_npm", "docker_preinstall_system", "docker_auto_install_deps"),
        "nothing is installed when a sandbox is opened; build an image that has what commands need, and name it",
    ),
    "srt_read_mode": "the sandbox shows the working folder and the system's programs, and nothing else",
    "srt_allow_read": "the sandbox shows the working folder and the system's programs; more is named in the executor's `read`",
    "srt_network_allowed_domains": "the sandbox of this machine has no network; the executor docker can open it for listed hosts",
    "srt_allow_unix_sockets": "no socket of this machine is there in the sandbox",
}


def toolset_of_commands(data: Mapping[str, Any], path: str, walk: Walk) -> dict[str, Any] | None:
    """Return the toolset that a backend's section asks for, or None where its agent runs no commands.

    Args:
        data: The section.
        path: Its key path.
        walk: Is told of what is left out, and of mistakes.
    """
    if not is_on(data.get("enable_mcp_command_line")):
        return None
    mode = data.get(f"{_KEY}execution_mode")
    if mode not in (None, "local", "docker", "srt"):
        walk.wrong("expected one of local, docker, srt", f"{path}.{_KEY}execution_mode")
        return None
    if mode == "docker":
        made = {"type": "code", "executor": _docker(data, path, walk), **_sorted(data, path, walk)}
    else:
        made = {"type": "code", "executor": _local(data)}
    for key, sentence in _LEFT_OUT.items():
        if is_on(data.get(f"{_KEY}{key}")):
            walk.note(sentence, f"{path}.{_KEY}{key}")
    return made


def _local(data: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "local"}
    for option in ("allowed_commands", "blocked_commands"):
        if is_on(data.get(f"{_KEY}{option}")):
            made[option] = data[f"{_KEY}{option}"]
    return made


def _sorted(data: Mapping[str, Any], path: str, walk: Walk) -> dict[str, Any]:
    """Return the `permissions` that say for a container what the lists of regular expressions said, each of which matched a command's beginning."""
    made: dict[str, list[str]] = {}
    for option, level in (("allowed_commands", "allow"), ("blocked_commands", "deny")):
        given, place = data.get(f"{_KEY}{option}"), f"{path}.{_KEY}{option}"
        if not isinstance(given, list):
            if is_on(given):
                walk.wrong("expected a list of regular expressions", place)
            continue
        for index, pattern in enumerate(given):
            glob = glob_of(pattern) if isinstance(pattern, str) else None
            if glob is None:
                walk.wrong(
                    "in a container, commands are sorted by glob patterns, and this regular expression is more than one: write `permissions` of the "
                    "toolset code",
                    f"{place}[{index}]",
                )
            elif glob not in made.setdefault(level, []):
                made[level].append(glob)
    return {"permissions": made} if made else {}


def glob_of(pattern: str) -> str | None:
    """Return the glob pattern that matches what a regular expression matches the beginning of; None where there is none."""
    text = pattern.removeprefix("^")
    is_whole = text.endswith("$") and not text.endswith("\\$")
    parts = _PARTS.findall(text.removesuffix("$") if is_whole else text)
    if "".join(parts) != (text.removesuffix("$") if is_whole else text):
        return None
    made = "".join(_GLOBS.get(part) or (f"[{part[-1]}]" if part[-1] in "*?[" else part[-1]) for part in parts)
    return made if is_whole or made.endswith("*") else f"{made}*"


def _docker(data: Mapping[str, Any], path: str, walk: Walk) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "docker"}
    limits: dict[str, Any] = {}
    image = data.get(f"{_KEY}docker_image")
    if isinstance(image, str) and _OWN_IMAGE.fullmatch(image):
        walk.note("MassGen's image of today is massgen-base; make it once with: massgen docker build-base", f"{path}.{_KEY}docker_image")
    elif is_on(image):
        made["image"] = image
    memory = data.get(f"{_KEY}docker_memory_limit")
    size = _SIZE.fullmatch(str(memory).strip()) if memory is not None else None
    if size:
        limits["memory"] = int(size[1]) * _UNITS[size[2].lower()]
    elif memory is not None:
        walk.wrong("expected a size such as 512m or 2g", f"{path}.{_KEY}docker_memory_limit")
    if data.get(f"{_KEY}docker_cpu_limit") is not None:
        limits["cpus"] = data[f"{_KEY}docker_cpu_limit"]
    if limits:
        made["limits"] = limits
    _network(data.get(f"{_KEY}docker_network_mode"), f"{path}.{_KEY}docker_network_mode", made, walk)
    _credentials(data.get(f"{_KEY}docker_credentials"), f"{path}.{_KEY}docker_credentials", made, walk)
    return made


def _network(mode: Any, path: str, made: dict[str, Any], walk: Walk) -> None:
    if mode in (None, "none"):
        return
    if mode not in ("bridge", "host"):
        walk.wrong("expected one of none, bridge, host", path)
        return
    made["network"] = "full"
    if mode == "host":
        walk.note("containers get the engine's bridge; the network of this machine itself is not shared", path)


def _credentials(data: Any, path: str, made: dict[str, Any], walk: Walk) -> None:
    for key, value in walk.items(data, path):
        if key == "env_vars" and isinstance(value, list) and all(isinstance(name, str) for name in value):
            made["env"] = {name: f"env:{name}" for name in value}
        elif is_on(value):
            walk.note("no file with secrets is read or shown to commands; name variables in the executor's `env`", f"{path}.{key}")
