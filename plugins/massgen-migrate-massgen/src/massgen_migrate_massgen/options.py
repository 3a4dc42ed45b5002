"""The options of a backend for which a table's move is not enough."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from massgen_migrate_massgen.backends import ADDRESSES
from massgen_migrate_massgen.commands import TOOLS, toolset_of_commands
from massgen_migrate_massgen.folders import context_paths, workspace
from massgen_migrate_massgen.functions import toolset_of_functions
from massgen_migrate_massgen.rules import REASONS
from massgen_migrate_massgen.walk import Walk, is_on

__all__ = ["Options"]

_HOST = re.compile(r"https://([A-Za-z0-9.-]+)(?::[0-9]+)?(?:/|\Z)")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)")
_OWN_TOOL = re.compile(r"[A-Z][A-Za-z]*(?:\([^()]*\))?")
_MEDIA = ("audio_path", "video_path")
_EFFORTS = {"xhigh": "max"}


class Options(Walk):
    """`made` is the agent that is made; its backend is `made["backend"]`."""

    def defaults(self, kind: str, options: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is written beside the options that the section has: the provider that its address tells."""
        address = data.get("base_url")
        if kind == "chatcompletion" and not isinstance(address, str):
            return {"preset": "openai"}
        if kind != "chatcompletion" or not isinstance(address, str):
            return {key: value for key, value in options.items() if not (key == "azure_endpoint" and address)}
        host = match[1].lower() if (match := _HOST.match(address)) else ""
        for pattern, preset, key in ADDRESSES:
            if host and fnmatchcase(host, pattern):
                return {**({"preset": preset} if preset else {}), "key": key}
        return {}

    def on_key(self, value: Any, path: str, made: dict[str, Any]) -> None:
        match = _VARIABLE.fullmatch(value.strip()) if isinstance(value, str) else None
        if match:
            made["backend"]["key"] = f"env:{match[1] or match[2]}"
        elif value:
            self.wrong(REASONS["secret"], path)

    def on_stop(self, value: Any, path: str, made: dict[str, Any]) -> None:
        if value is not None:
            self.put(made, ("sampling", "stop"), [value] if isinstance(value, str) else value, path)

    def on_reasoning(self, value: Any, path: str, made: dict[str, Any]) -> None:
        if not isinstance(value, Mapping):
            if value is not None:
                self.wrong("expected a mapping with `effort`", path)
            return
        effort = value.get("effort")
        if effort is not None:
            made["reasoning_effort"] = _EFFORTS.get(effort, effort) if isinstance(effort, str) else effort
        for key in value:
            if key != "effort":
                self.note(f"this backend has no setting for the {key} of its reasoning", f"{path}.{key}" if str(key).isidentifier() else path)

    def on_system(self, value: Any, path: str, made: dict[str, Any]) -> None:
        if value is None or value == "":
            return
        if not isinstance(value, str):
            self.wrong("expected text", path)
        elif "system" in made:
            made["system"] = f"{made['system']}\n\n{value}"
        else:
            made["system"] = value

    def on_append(self, value: Any, path: str, made: dict[str, Any]) -> None:
        """An agent's addition to the system prompt: Claude Code has a place for it, for all others it is the system message."""
        self.on_system(value, path, made)

    def on_uploads(self, value: Any, path: str, made: dict[str, Any]) -> None:
        if value and not self.has_media(value, path):
            self.wrong(REASONS["uploads"], path)

    def on_openai_uploads(self, value: Any, path: str, made: dict[str, Any]) -> None:
        if value and not self.has_media(value, path):
            self.put(made, ("backend", "upload_files"), value, path)

    def has_media(self, value: Any, path: str) -> bool:
        """Refuse files that are audio or video, and say whether there are any."""
        found = False
        for index, one in enumerate(value if isinstance(value, list) else ()):
            for key in _MEDIA if isinstance(one, Mapping) else ():
                if one.get(key):
                    self.wrong(REASONS["media"], f"{path}[{index}].{key}")
                    found = True
        return found

    def on_cwd(self, value: Any, path: str, made: dict[str, Any]) -> None:
        folder = workspace(value, path, self)
        if folder:
            self.places.setdefault(folder, []).append(path)
            self.put(made, ("workspace",), folder, path)

    def on_paths(self, value: Any, path: str, made: dict[str, Any]) -> None:
        made["context_paths"] = context_paths(value, path, self)

    on_agent_paths = on_paths

    def on_grok_body(self, value: Any, path: str, made: dict[str, Any]) -> None:
        if isinstance(value, Mapping) and value.get("search_parameters"):
            self.note("x.ai takes no search_parameters any more; give the agent an MCP server that searches", f"{path}.search_parameters")
            value = {key: item for key, item in value.items() if key != "search_parameters"}
        if value:
            self.put(made, ("backend", "extra_body"), value, path)

    def commands(self, kind: str, data: Mapping[str, Any], path: str, made: dict[str, Any]) -> None:
        """Give the agent tools for commands where it had them; Claude Code has one of its own, unless it ran them in a container."""
        if kind == "claude_code" and data.get("command_line_execution_mode") in (None, "local"):
            if is_on(data.get("enable_mcp_command_line")):
                self.note("Claude Code has a tool for commands of its own, Bash", f"{path}.enable_mcp_command_line")
            return
        found = toolset_of_commands(data, path, self)
        if found is None:
            return
        made.setdefault("toolsets", []).append(found)
        made["permissions"] = {"allow": list(TOOLS)}
        if kind == "claude_code":
            given = made["backend"].get("disallowed_tools")
            made["backend"]["disallowed_tools"] = [*(given if isinstance(given, list) else []), "Bash"]

    def functions(self, data: Mapping[str, Any], path: str, made: dict[str, Any]) -> None:
        """Give the agent its Python functions; they ran unasked."""
        found = toolset_of_functions(data.get("custom_tools"), f"{path}.custom_tools", self)
        if found is not None:
            made.setdefault("toolsets", []).append(found)
            before = made.get("permissions", {}).get("allow", [])
            made["permissions"] = {"allow": [*before, *(one["name"] for one in found["functions"])]}

    def claude_tools(self, data: Mapping[str, Any], backend: dict[str, Any]) -> None:
        """Sort the lists of tools: those of Claude Code itself are options of the backend."""
        for key, option in (("allowed_tools", "allowed_tools"), ("exclude_tools", "disallowed_tools")):
            names = data.get(key)
            own = [name for name in names if isinstance(name, str) and _OWN_TOOL.fullmatch(name)] if isinstance(names, list) else []
            if own:
                given = backend.get(option)
                backend[option] = [*(given if isinstance(given, list) else []), *own]
