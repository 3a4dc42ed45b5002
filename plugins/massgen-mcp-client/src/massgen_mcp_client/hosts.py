"""Other hosts, and their names for our keys: what changes when a host changes its file."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

__all__ = ["APPROVALS", "HOSTS", "IDLE", "NAMES", "TIMES", "Host"]


@attrs.frozen(kw_only=True)
class Host:
    """How a host writes its servers.

    Attributes:
        where: The key path of the mapping of servers.
        later: The same in later versions of the host.
        files: Globs of the paths of its files.
        second: What one unit of its `timeout` is in seconds; 0 where it has no such key.
        dollar: It reads `$NAME`, too.
        brace: It reads `{env:NAME}`.
    """

    where: tuple[str, ...] = ("mcpServers",)
    later: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    second: float = 0.0
    dollar: bool = False
    brace: bool = False


HOSTS: Mapping[str, Host] = {
    "amp": Host(where=("amp.mcpServers",), files=("*/amp/settings.json", "*/.amp/settings.json")),
    "claude": Host(files=("*/.mcp.json", "*/.claude.json", "*/.claude/*.json", "*/claude_desktop_config.json"), second=0.001),
    "cline": Host(files=("*/cline_mcp_settings.json",), second=1.0),
    "codex": Host(where=("mcp_servers",), files=("*/.codex/*.toml",)),
    "continue": Host(files=("*/.continue/*",)),
    "copilot": Host(files=("*/.copilot/*.json",), second=0.001),
    "crush": Host(where=("mcp",), files=("*/crush.json", "*/.crush.json"), second=1.0, dollar=True),
    "cursor": Host(files=("*/.cursor/mcp.json",)),
    "fastmcp": Host(second=0.001),
    "gemini": Host(files=("*/.gemini/settings.json",), second=0.001, dollar=True),
    "goose": Host(where=("extensions",), files=("*/goose/config.yaml",), second=1.0),
    "kiro": Host(files=("*/.kiro/*.json", "*/.amazonq/*.json", "*/.aws/amazonq/*.json"), second=0.001),
    "librechat": Host(files=("*/librechat.yaml",), second=0.001),
    "massgen": Host(where=("mcp_servers",), second=1.0),
    "mcp-agent": Host(where=("mcp", "servers"), files=("*/mcp_agent.config.yaml",), second=1.0),
    "opencode": Host(where=("mcp",), later=("mcp", "servers"), files=("*/opencode.json", "*/opencode.jsonc"), second=0.001, brace=True),
    "roo": Host(files=("*/.roo/mcp.json", "*roo-cline*/mcp_settings.json"), second=1.0),
    "vscode": Host(where=("servers",), files=("*/.vscode/mcp.json",)),
    "windsurf": Host(files=("*/.codeium/*/mcp_config.json",)),
    "zed": Host(where=("context_servers",), files=("*/zed/settings.json", "*/.zed/settings.json")),
    # Any other file: the unit of its time-outs is not known.
    "": Host(),
}

NAMES = {
    **dict.fromkeys(("httpUrl", "serverUrl", "uri"), "url"),
    **dict.fromkeys(("environment", "envs"), "env"),
    **dict.fromkeys(("allowedTools", "includeTools", "enabledTools", "enabled_tools", "available_tools", "tools"), "allowed_tools"),
    **dict.fromkeys(("excludeTools", "disabledTools", "disabled_tools"), "exclude_tools"),
    "cmd": "command",
    "envFile": "env_file",
    "http_headers": "headers",
    "workingDirectory": "cwd",
    "transport": "type",
}
# Times that say their unit, or have the same one in every host that has them: what they limit, and one unit in seconds.
TIMES = {
    **dict.fromkeys(("startup_timeout_sec", "connect_timeout_seconds"), ("connect", 1.0)),
    **dict.fromkeys(("startup_timeout_ms", "initTimeout", "connectionTimeout"), ("connect", 0.001)),
    **dict.fromkeys(("tool_timeout_sec", "read_timeout_seconds", "call_timeout_seconds"), ("call", 1.0)),
    **dict.fromkeys(("timeoutMs", "timeout_ms"), ("call", 0.001)),
}
# What only looks, or only its own host can use.
IDLE = frozenset(
    {
        *("description", "gallery", "version", "iconPath", "chatMenu", "source", "bundled", "display_name", "registry", "dev", "startup", "sandbox"),
        *("environment_id", "experimental_environment", "supports_parallel_tool_calls", "oauth_resource", "isDefaultServer", "filterMapping"),
        *("oauthPublicClient", "oauthGrantType"),
        *("sandboxEnabled", "targetAudience", "targetServiceAccount", "extension", "powers", "remote"),
        *("requiresOAuth", "serverInstructions", "required", "settings", "alwaysLoad", "discovery_cache", "http_timeout_seconds"),
        *("http_read_timeout", "sse_read_timeout", "terminate_on_close", "extensionName", "faviconUrl", "defer_loading", "authProviderType"),
    }
)
APPROVALS = ("alwaysAllow", "autoApprove", "trust", "default_tools_approval_mode")
