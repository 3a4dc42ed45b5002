"""The options of the toolset `mcp`, and what they come to: one `ServerConfig` for each server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import attrs

from massgen_core.api import ConfigProblem, clean_line

__all__ = [
    "WORKSPACE",
    "BreakerConfig",
    "EnvironmentConfig",
    "ImportConfig",
    "LogLevel",
    "McpConfig",
    "McpOptions",
    "RetryConfig",
    "SecurityConfig",
    "ServerConfig",
    "looks_secret",
    "shown",
]

LogLevel: TypeAlias = Literal["debug", "info", "warning", "error", "off"]

# Stands for the folder of the agent that uses a server.
WORKSPACE = "{workspace}"

_SECRET = re.compile(r"key|token|secret|passw|credential|auth|cookie|session|dsn|connection_?string", re.IGNORECASE)
_REFERENCE = re.compile(r"[a-z][a-z0-9_-]*:\S+")
_AT_LEAST_0 = attrs.validators.ge(0)
_ABOVE_0 = attrs.validators.gt(0)


def _help(text: str, **field: Any) -> Any:
    return attrs.field(metadata={"help": text}, **field)


def looks_secret(name: str) -> bool:
    """Say whether a name of a key or a variable looks like one of a secret."""
    return bool(_SECRET.search(name))


def shown(text: str, limit: int = 60) -> str:
    """Return a text of the configuration as messages may show it: with the names of variables in place of their values."""
    return clean_line(getattr(text, "template", text), limit)


@attrs.frozen(kw_only=True)
class BreakerConfig:
    """When a server is left alone, and for how long."""

    failures: int = _help("failures in a row after which the server is left alone; 0: never", default=3, validator=_AT_LEAST_0)
    seconds: float = _help("seconds until one call is let through to try", default=30.0, validator=_ABOVE_0)
    factor: float = _help("after each failed trial the wait is this many times longer", default=2.0, validator=attrs.validators.ge(1))
    max_seconds: float = _help("seconds of the longest wait", default=300.0, validator=_ABOVE_0)


@attrs.frozen(kw_only=True)
class RetryConfig:
    """How often and how soon something that failed is tried again."""

    attempts: int = _help("attempts in all; 1: nothing is tried again", default=3, validator=attrs.validators.ge(1))
    seconds: float = _help("seconds before the second attempt", default=0.5, validator=_AT_LEAST_0)
    factor: float = _help("each further wait is this many times longer", default=2.0, validator=attrs.validators.ge(1))
    max_seconds: float = _help("seconds of the longest wait", default=30.0, validator=_AT_LEAST_0)
    jitter: float = _help(
        "the part of each wait that is drawn by lot, 0 to 1", default=0.5, validator=attrs.validators.and_(_AT_LEAST_0, attrs.validators.le(1))
    )


@attrs.frozen(kw_only=True)
class EnvironmentConfig:
    """Which environment variables a server may be given."""

    allowed: tuple[str, ...] = _help("names, or globs of names, that may be given although a rule forbids them", default=())
    denied: tuple[str, ...] = _help("names, or globs of names, that may not be given", default=())


@attrs.frozen(kw_only=True)
class SecurityConfig:
    """What a server's section may ask of this machine."""

    level: Literal["strict", "moderate", "permissive"] = _help("how much is allowed; see the page on security", default="strict")
    allowed_executables: tuple[str, ...] = _help("commands, by name or path, that may be run beside those of the level", default=())
    allow_localhost: bool = _help("addresses of this machine may be used", default=False)
    allow_private: bool = _help("private and link-local addresses may be used", default=False)
    allowed_hosts: tuple[str, ...] = _help("the only host names that may be used, globs; empty: all", default=())
    env: EnvironmentConfig = _help("which environment variables the server may be given", default=EnvironmentConfig())


@attrs.frozen(kw_only=True)
class ServerConfig:
    """One MCP server.

    Attributes:
        name: As the configuration names it.
        transport: The name of the transport plugin.
        options: The transport's own options, checked by its class when it is opened. Never show them: they may hold secrets.
    """

    name: str = _help("the first half of its tools' names")
    transport: str = _help("how it is reached: stdio, http, sse, or another transport that is installed")
    options: Mapping[str, Any] = _help("options of the transport", factory=dict, repr=False)
    allowed_tools: tuple[str, ...] | None = _help("globs of the tools that agents get; unset: all", default=None)
    exclude_tools: tuple[str, ...] = _help("globs of tools that agents do not get", default=())
    protocol: Literal["auto", "legacy", "2026-07-28"] = _help("era of the protocol; auto: found out and remembered", default="auto")
    keepalive_seconds: float = _help("seconds of silence after which it is asked whether it lives; 0: never", default=60.0, validator=_AT_LEAST_0)
    connect_seconds: float = _help("seconds to start, connect and agree on a protocol", default=60.0, validator=_ABOVE_0)
    call_idle_seconds: float = _help("seconds of a call without an answer or progress", default=120.0, validator=_ABOVE_0)
    call_total_seconds: float = _help("seconds of a call, whatever its progress", default=600.0, validator=_ABOVE_0)
    breaker: BreakerConfig = _help("when it is left alone", default=BreakerConfig())
    retry: RetryConfig = _help("what failed is tried again", default=RetryConfig())
    cache_seconds: float = _help(
        "seconds for which its list of tools is kept where it says nothing itself; 0: not kept", default=3600.0, validator=_AT_LEAST_0
    )
    max_output: int | None = _help(
        "characters of a result that the model is shown; unset: as the run has it", default=None, validator=attrs.validators.optional(_AT_LEAST_0)
    )
    lazy: bool = _help("open it when one of its tools is first needed, where its list of tools is known from before", default=False)
    shared: bool = _help("agents with the same section share one connection", default=True)
    trust: bool = _help("believe what it says of its tools: that they only read, or can be repeated", default=False)
    pin: Literal["off", "report", "refuse"] = _help("what happens to a tool whose definition is not the one of before", default="report")
    elicitation: bool = _help("it may ask the person questions", default=False)
    sampling: bool = _help("it may ask the agent's backend for text", default=False)
    roots: tuple[str, ...] = _help("folders that it is told it may work in; {workspace} is the agent's", default=())
    log_level: LogLevel = _help("least level of what is logged; debug: with the messages on the wire", default="info")
    security: SecurityConfig = _help("what its section may ask of this machine", default=SecurityConfig())

    @property
    def carries_workspace(self) -> bool:
        """Whether its options or roots name the agent's workspace."""
        return self.names(WORKSPACE)

    @property
    def is_of_one_agent(self) -> bool:
        """Whether agents cannot share it: it has the workspace of one, by its name or in its sandbox."""
        return self.carries_workspace or bool(self.options.get("executor"))

    def names(self, text: str) -> bool:
        """Say whether its options or roots hold a text."""
        return any(text in one for one in _texts([self.options, self.roots]))

    def placed(self, workspace: Path | None) -> ServerConfig:
        """Return it with an agent's workspace in place of `{workspace}`.

        Raises:
            ConfigProblem: The workspace is named, and the agent has none.
        """
        if not self.carries_workspace:
            return self
        if workspace is None:
            message = f"MCP server {self.name!r} names {WORKSPACE}, and the agent has no workspace; give it one, or write a folder instead"
            raise ConfigProblem(message)
        return attrs.evolve(self, options=_replaced(self.options, str(workspace)), roots=tuple(_replaced(self.roots, str(workspace))))

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values in its options that look like secrets by their names, to be kept out of logs; references to stores are none."""
        return tuple(dict.fromkeys(_secrets(self.options, is_secret=False)))


@attrs.frozen(kw_only=True)
class McpConfig:
    """All servers of one agent.

    Attributes:
        servers: In the order of the configuration; names are unique.
        search_above: With more tools than this, agents get two tools to find and call them instead of all of them.
        resources: Agents get a tool that reads resources, where a server has some.
        prompts: Agents get a tool that fetches prompts, where a server has some.
        notes: What a person should know about how the configuration was read, as sentences.
    """

    servers: tuple[ServerConfig, ...] = ()
    search_above: int = 100
    resources: bool = True
    prompts: bool = True
    notes: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ImportConfig:
    """A file of another host, whose servers are used."""

    path: str = _help("the file; JSON, with comments or without, YAML or TOML; ~ is the home folder")
    host: str = _help("whose file it is; empty: told by its name and keys", default="")
    only: tuple[str, ...] = _help("globs of the servers that are used; empty: all", default=())


@attrs.frozen(kw_only=True)
class McpOptions:
    """The options of the toolset as they are written.

    Attributes:
        config: What they come to.
    """

    servers: Mapping[str, Any] | tuple[Mapping[str, Any], ...] = _help("servers by name, or a list of servers with `name`", factory=dict)
    mcp_servers: Mapping[str, Any] | tuple[Mapping[str, Any], ...] = _help("the same, as MassGen 0.1 wrote it", factory=dict)
    imports: tuple[str | ImportConfig, ...] = _help("files of other hosts whose servers are used", default=())
    defaults: Mapping[str, Any] = _help("keys for every server that does not set them", factory=dict)
    allowed_tools: tuple[str, ...] | None = _help("globs of the tools that agents get, for servers that do not say themselves", default=None)
    exclude_tools: tuple[str, ...] = _help("globs of tools that agents do not get, of any server", default=())
    search_above: int = _help("with more tools than this, agents get two to find and call them instead", default=100, validator=_AT_LEAST_0)
    resources: bool = _help("agents get a tool that reads resources, where a server has some", default=True)
    prompts: bool = _help("agents get a tool that fetches prompts, where a server has some", default=True)
    config: McpConfig = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        from massgen_mcp_client.servers import read_servers  # noqa: PLC0415 - it imports this module, and more than a hook module may

        object.__setattr__(self, "config", read_servers(self))


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        for value in data.values():
            yield from _texts(value)
    elif isinstance(data, (list, tuple)):
        for value in data:
            yield from _texts(value)


def _replaced(data: Any, workspace: str) -> Any:
    if isinstance(data, str):
        return data.replace(WORKSPACE, workspace)
    if isinstance(data, Mapping):
        return {key: _replaced(value, workspace) for key, value in data.items()}
    return [_replaced(value, workspace) for value in data] if isinstance(data, (list, tuple)) else data


def _secrets(data: Any, *, is_secret: bool) -> Iterator[str]:
    if isinstance(data, str):
        if is_secret and data and not _REFERENCE.fullmatch(data):
            yield str(data)
            scheme, _, rest = data.partition(" ")
            if rest and scheme.lower() in ("bearer", "basic", "token"):
                yield rest
    elif isinstance(data, Mapping):
        for key, value in data.items():
            yield from _secrets(value, is_secret=is_secret or looks_secret(str(key)))
    elif isinstance(data, (list, tuple)):
        for value in data:
            yield from _secrets(value, is_secret=is_secret)
