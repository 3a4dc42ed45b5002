"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import CommandSpec, Event, PresetSpec, ToolsetSpec, hookimpl
from massgen_mcp_client.config import McpOptions
from massgen_mcp_client.events import EVENTS

__all__ = ["massgen_commands", "massgen_event_types", "massgen_presets", "massgen_toolsets"]

_COMMANDS = "massgen_mcp_client.commands"
_RESEARCHER = "You research with your tools. Name the source of every claim, with its address, and say what is not known."
_RESEARCH = {
    "version": 1,
    "agents": [{"name": name, "backend": name, "system": _RESEARCHER} for name in ("anthropic", "gemini", "openai")],
    "strategy": "consensus",
    "toolsets": [
        {
            "type": "mcp",
            "servers": {
                "papers": {
                    "command": "uvx",
                    "args": ["--with", "mcp==1.*", "paper-search-mcp"],
                    "allowed_tools": ["search_arxiv", "search_pubmed", "search_semantic", "read_arxiv_paper"],
                    "connect_seconds": 120,
                },
                "web": {"command": "uvx", "args": ["mcp-server-fetch"], "connect_seconds": 120},
            },
        }
    ],
    "permissions": {"allow": ["mcp__papers__*"], "ask": ["mcp__web__*"]},
    "limits": {"money": 3.0, "seconds": 1800},
}


@hookimpl
def massgen_event_types() -> list[type[Event]]:
    """Provide the facts of MCP."""
    return list(EVENTS)


@hookimpl
def massgen_toolsets() -> list[ToolsetSpec]:
    """Provide `mcp`: the tools of MCP servers."""
    return [ToolsetSpec(name="mcp", summary="tools of MCP servers", factory="massgen_mcp_client.toolset:open_mcp", config=McpOptions)]


@hookimpl
def massgen_commands() -> list[CommandSpec]:
    """Provide what can be done with servers without a run."""
    return [
        CommandSpec(name="mcp.list", summary="list the configured servers with their state", factory=f"{_COMMANDS}.listing:List"),
        CommandSpec(name="mcp.tools", summary="show what one server has", factory=f"{_COMMANDS}.listing:Tools"),
        CommandSpec(name="mcp.call", summary="call a tool of a server", factory=f"{_COMMANDS}.call:Call"),
        CommandSpec(name="mcp.doctor", summary="find out why a server does not work, and what to do", factory=f"{_COMMANDS}.doctor:Doctor"),
        CommandSpec(name="mcp.add", summary="add a server to your own file of servers", factory=f"{_COMMANDS}.edit:Add"),
        CommandSpec(name="mcp.remove", summary="remove a server from your own file of servers", factory=f"{_COMMANDS}.edit:Remove"),
        CommandSpec(name="mcp.login", summary="log in to a server over HTTP", factory=f"{_COMMANDS}.login:Login"),
    ]


@hookimpl
def massgen_presets() -> list[PresetSpec]:
    """Provide agents that research."""
    return [PresetSpec(name="research", summary="three providers search papers and read pages through MCP servers", document=_RESEARCH)]
