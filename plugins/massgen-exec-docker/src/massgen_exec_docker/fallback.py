"""What takes the place of containers where no engine answers and the configuration says so: another executor, with walls no lower than asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs

from massgen_core.api import Context, Executor, ExecutorUnavailable, LimitUnsupported, MassGenError, NoticeGiven, clean_line
from massgen_exec_docker.config import DockerConfig

__all__ = ["checked", "fallen_back", "taken_over"]

# Options that ask for something of any executor; the others are about containers.
_COMMON = ("env", "hosts", "limits", "network", "read", "workspace", "write")
_DEFAULT = DockerConfig()


def checked(config: DockerConfig) -> tuple[str, dict[str, Any]]:
    """Return the name of the executor to fall back to, and its own options.

    Raises:
        MassGenError: The option names none, or this one.
    """
    options = dict(config.fallback or {})
    name = options.pop("type", None)
    if not isinstance(name, str) or name == "docker":
        raise MassGenError("executor docker: option fallback needs `type`: another executor's name, for instance fallback: {type: local}")
    return name, options


def taken_over(config: DockerConfig, own: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """Return the fallback's options with what was asked of containers: what it says itself counts, the rest is taken over and never dropped."""
    found = dict(own)
    for name in _COMMON:
        value = getattr(config, name)
        is_asked = value != getattr(_DEFAULT, name) or (name == "network" and name in known)  # closed here, and perhaps open there
        if not is_asked or (name in own and name != "limits") or (name == "hosts" and "network" in own):
            continue
        if name not in known:
            raise LimitUnsupported(f"the option {name} has no match there; say in the options of `fallback` what takes its place, or leave it out")
        if name == "limits":
            value = attrs.asdict(value, filter=lambda _, each: each is not None) | dict(own.get(name) or {})
        found[name] = value if isinstance(value, str) else dict(value) if isinstance(value, Mapping) else list(value)
    return found


@asynccontextmanager
async def fallen_back(config: DockerConfig, context: Context, reason: ExecutorUnavailable) -> AsyncIterator[Executor]:
    """Open the executor that takes the place of this one, and tell the run's log so.

    Raises:
        ExecutorUnavailable: It cannot be opened either.
        LimitUnsupported: It does not hold what was asked of containers.
    """
    name, own = checked(config)
    why = str(reason).removeprefix("executor docker: ").partition(". ")[0]
    try:
        spec = context.plugins.get("executor", name)
        known = frozenset(attrs.fields_dict(spec.config)) if spec.config is not None else frozenset()
        made = context.make("executor", name, taken_over(config, own, known))
    except MassGenError as error:
        raise LimitUnsupported(f"executor docker: {why}; and it does not fall back to {clean_line(name)}: {error}") from None
    text = f"executor docker: {why}; commands run in the executor {clean_line(name)} instead, as the option fallback says"
    if hasattr(type(made), "__aenter__"):
        async with made as executor:
            context.emit(NoticeGiven(level="warning", text=text, agent=context.agent))
            yield executor
    else:
        context.emit(NoticeGiven(level="warning", text=text, agent=context.agent))
        yield made
