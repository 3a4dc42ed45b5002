"""Which distribution provides what, for the plugins that the kernel's authors publish: so that an error can name the command that mends it."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["DISTRIBUTIONS", "STARTERS"]

STARTERS = ("massgen-backend-local", "massgen-strategy-consensus")  # with these a first run needs no configuration

DISTRIBUTIONS: Mapping[str, str] = {
    "backend.anthropic": "massgen-backend-anthropic",
    "backend.chat": "massgen-backend-chat",
    "backend.claude-code": "massgen-backend-claude-code",
    "backend.gemini": "massgen-backend-gemini",
    "backend.local": "massgen-backend-local",
    "backend.openai": "massgen-backend-openai",
    "backend.replay": "massgen-backend-replay",
    "backend.scripted": "massgen-backend-scripted",
    "command.auth.check": "massgen-cmd-auth",
    "command.auth.delete": "massgen-cmd-auth",
    "command.auth.list": "massgen-cmd-auth",
    "command.auth.set": "massgen-cmd-auth",
    "command.chat": "massgen-cmd-chat",
    "command.mcp.add": "massgen-mcp-client",
    "command.mcp.anomalies": "massgen-mcp-log",
    "command.mcp.archive": "massgen-mcp-log",
    "command.mcp.bench": "massgen-mcp-log",
    "command.mcp.call": "massgen-mcp-client",
    "command.mcp.doctor": "massgen-mcp-client",
    "command.mcp.export": "massgen-mcp-log",
    "command.mcp.list": "massgen-mcp-client",
    "command.mcp.login": "massgen-mcp-client",
    "command.mcp.logs": "massgen-mcp-log",
    "command.mcp.remove": "massgen-mcp-client",
    "command.mcp.stats": "massgen-mcp-log",
    "command.mcp.timeline": "massgen-mcp-log",
    "command.mcp.tools": "massgen-mcp-client",
    "command.models": "massgen-cmd-models",
    "command.runs": "massgen-cmd-runs",
    "command.show": "massgen-cmd-runs",
    "credentials.dotenv": "massgen-credentials-dotenv",
    "credentials.keyring": "massgen-credentials-keyring",
    "display.terminal": "massgen-display-terminal",
    "executor.docker": "massgen-exec-docker",
    "executor.local": "massgen-exec-local",
    "middleware.budget": "massgen-middleware-basic",
    "middleware.cache": "massgen-middleware-basic",
    "middleware.ratelimit": "massgen-middleware-basic",
    "middleware.retry": "massgen-middleware-basic",
    "preset.default": "massgen-backend-local",
    "preset.quick-local": "massgen-backend-local",
    "sink.mcp-log": "massgen-mcp-log",
    "strategy.consensus": "massgen-strategy-consensus",
    "strategy.judge": "massgen-strategy-judge",
    "strategy.majority": "massgen-strategy-majority",
    "strategy.single": "massgen-strategy-single",
    "toolset.code": "massgen-tools-code",
    "toolset.mcp": "massgen-mcp-client",
    "transport.http": "massgen-mcp-http",
    "transport.memory": "massgen-mcp-memory",
    "transport.sse": "massgen-mcp-http",
    "transport.stdio": "massgen-mcp-stdio",
}
