"""Opens executors: finds the engine and the image, and holds what is configured against both and this machine."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import anyio
import attrs

from massgen_core.api import Context, Executor, ExecutorUnavailable, MassGenError, NoticeGiven, clean_line, is_reference
from massgen_exec_docker import apart
from massgen_exec_docker.config import DockerConfig
from massgen_exec_docker.egress import Rules
from massgen_exec_docker.endpoint import find
from massgen_exec_docker.engine import Engine, connected
from massgen_exec_docker.executor import DockerExecutor, refuse, user_numbers
from massgen_exec_docker.fallback import checked, fallen_back
from massgen_exec_docker.files import Files, Share, give, granted, shares, workspace_of
from massgen_exec_docker.network import run_network
from massgen_exec_docker.profile import opened

__all__ = ["opened_executor"]

UNPRIVILEGED = 1000


def _revealed(values: Mapping[str, str], context: Context) -> dict[str, str]:
    return {name: context.secret(value).reveal() if is_reference(value, context.plugins) else value for name, value in values.items()}


def _user_of(config: DockerConfig, workspace: str) -> tuple[int, int]:
    """Return the user of commands and the group.

    Raises:
        MassGenError: The option is no number.
    """
    if config.user:
        numbers = user_numbers(config.user)
        if numbers is None:
            raise MassGenError(f"executor docker: option user: {clean_line(config.user)!r} is neither UID nor UID:GID")
        return numbers
    if not workspace:
        return UNPRIVILEGED, UNPRIVILEGED
    state = os.stat(workspace)
    return (state.st_uid, state.st_gid) if state.st_uid else (UNPRIVILEGED, UNPRIVILEGED)


def _made(config: DockerConfig, context: Context, engine: Engine) -> DockerExecutor:
    """Check what is configured against the engine and this machine, and return the executor."""
    apart.check(config, context, engine)
    if (config.workspace, config.container) == ("apart", "command"):
        raise MassGenError("executor docker: with workspace: apart and container: command no command sees another's files; leave one of them out")
    if config.network == "run" and config.pool:
        raise MassGenError(
            "executor docker: with network: run and pool, an agent's name on the network would lead to containers that wait; leave one out"
        )
    if config.workspace == "apart":
        return _made_apart(config, context, engine)
    workspace = workspace_of(context.workspace or context.folder / "massgen-exec-docker" / (context.agent or "run"))
    write = (*shares("write", config.write, writable=(workspace.source,)), *granted(context, (workspace,), is_writable=True))
    own = (workspace, *write)
    read = (*shares("read", config.read, writable=tuple(each.source for each in own)), *granted(context, own, is_writable=False))
    user, group = _user_of(config, workspace.source)
    give(workspace.source, user, group)
    # What agents are told of their folders holds in the container, too.
    every = tuple({each.target: each for each in (workspace, attrs.evolve(workspace, target=workspace.source), *read, *write)}.values())
    return _executor(config, context, engine, every, (user, group))


def _made_apart(config: DockerConfig, context: Context, engine: Engine) -> DockerExecutor:
    """Return the executor whose workspace is in its container."""
    write = (*shares("write", config.write, writable=()), *granted(context, (), is_writable=True))
    read = (*shares("read", config.read, writable=tuple(each.source for each in write)), *granted(context, write, is_writable=False))
    return _executor(config, context, engine, (*read, *write), _user_of(config, ""))


def _check_socket(engine: Engine, every: Sequence[Share]) -> None:
    """See that no container gets hold of the engine itself.

    Raises:
        MassGenError: The engine's socket is in a folder that is shared.
    """
    socket = os.path.realpath(engine.endpoint.path) if engine.endpoint.path else ""
    for each in every:
        if socket == each.source or socket.startswith(f"{each.source}/"):
            raise MassGenError(
                f"executor docker: {each.source!r} holds the engine's socket, by which a command could do anything on this machine; "
                "name the folder within that is needed"
            )


def _image(config: DockerConfig, engine: Engine) -> str:
    refuse(config.limits, engine.enforced())
    Rules(config.hosts)
    return engine.build(config.dockerfile) if config.dockerfile else engine.image(config.image, config.pull)


def _executor(config: DockerConfig, context: Context, engine: Engine, every: tuple[Share, ...], person: tuple[int, int]) -> DockerExecutor:
    user, group = person
    _check_socket(engine, every)
    image = _image(config, engine)
    return DockerExecutor(
        engine=engine,
        image=image,
        config=attrs.evolve(config, env=_revealed(config.env, context)),
        context=context,
        shares=every,
        files=Files(shares=every, user=user, group=group),
        user=f"{user}:{group}",
        enforced=engine.enforced(),
    )


@asynccontextmanager
async def opened_executor(config: DockerConfig, context: Context) -> AsyncIterator[Executor]:
    """Reach the engine, find the image, and check what is configured; containers start with the first command that needs one.

    Raises:
        ExecutorUnavailable: No engine answers, and the option `fallback` names no other executor.
        ImageMissing: The image is not there.
        LimitUnsupported: The engine does not enforce a configured limit.
        MassGenError: A folder must not be shared, or an option makes no sense.
    """
    if config.fallback is not None:
        checked(config)
    try:
        endpoint = find(config.host, config.context)
        engine: Engine = await context.share(("massgen-exec-docker", endpoint), lambda: connected(endpoint))
    except ExecutorUnavailable as error:
        if config.fallback is None:
            raise
        reason = error
    else:
        async with _contained(config, context, engine) as executor:
            yield executor
        return
    async with fallen_back(config, context, reason) as other:
        yield other


@asynccontextmanager
async def _contained(config: DockerConfig, context: Context, engine: Engine) -> AsyncIterator[Executor]:
    executor = await engine.call(_made, config, context, engine)
    if config.network == "run":
        executor.joined = await context.share(("massgen-exec-docker-network", engine.endpoint), lambda: run_network(engine))
    if walls := opened(config):
        context.emit(NoticeGiven(level="info", text=f"executor docker: open in the sandbox: {'; '.join(walls)}", agent=context.agent))
    missing = [*sorted({"cpus", "memory", "processes"} - executor.enforced), *(["the number of temporary files"] * engine.is_podman)]
    if missing:
        text = f"executor docker: this engine does not limit {', '.join(missing)}"
        context.emit(NoticeGiven(level="warning", text=text, agent=context.agent))
    executor.pool.fill()
    try:
        yield executor
    finally:
        with anyio.CancelScope(shield=True):
            await executor.close()
