"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import CommandSpec, SinkSpec, hookimpl
from massgen_mcp_log.config import McpLogConfig

__all__ = ["massgen_commands", "massgen_log_sinks"]


@hookimpl
def massgen_log_sinks() -> list[SinkSpec]:
    """Provide the sink `mcp-log`."""
    return [
        SinkSpec(name="mcp-log", summary="an organised log of MCP in the run's folder", factory="massgen_mcp_log.sink:opened", config=McpLogConfig)
    ]


@hookimpl
def massgen_commands() -> list[CommandSpec]:
    """Provide the commands that read the log."""
    commands = "massgen_mcp_log.commands"
    return [
        CommandSpec(name="mcp.anomalies", summary="what looks wrong in the MCP log of a run", factory=f"{commands}.anomalies:Anomalies"),
        CommandSpec(name="mcp.archive", summary="compress MCP logs, or delete old ones", factory=f"{commands}.archive:Archive"),
        CommandSpec(name="mcp.bench", summary="record latencies of MCP operations, compare two runs", factory=f"{commands}.bench:Bench"),
        CommandSpec(name="mcp.export", summary="make a diagnostic bundle of a run's MCP log", factory=f"{commands}.export:Export"),
        CommandSpec(name="mcp.logs", summary="show, filter and follow the MCP log of a run", factory=f"{commands}.logs:Logs"),
        CommandSpec(name="mcp.stats", summary="figures of MCP calls: frequency, errors, latency, bytes", factory=f"{commands}.stats:Stats"),
        CommandSpec(name="mcp.timeline", summary="MCP calls on a time line, here or for Perfetto", factory=f"{commands}.timeline:Timeline"),
    ]
