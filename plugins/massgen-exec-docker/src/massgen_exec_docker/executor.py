"""The executor: which container a command runs in."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import anyio.to_thread
import attrs

from massgen_core.api import (
    Context,
    ExecCommand,
    ExecResult,
    Limits,
    LimitUnsupported,
    MassGenError,
    NetworkPolicy,
    NoticeGiven,
    Process,
    clean_line,
)
from massgen_exec_docker import apart
from massgen_exec_docker.borrow import PLACE, NoPython, borrowed, interpreter
from massgen_exec_docker.config import DockerConfig
from massgen_exec_docker.egress import Proxy, Rules
from massgen_exec_docker.engine import Engine
from massgen_exec_docker.events import SandboxOpened, SandboxRequested
from massgen_exec_docker.files import WORKSPACE, Files, Share, marked
from massgen_exec_docker.network import alias
from massgen_exec_docker.pool import Pool
from massgen_exec_docker.process import Running
from massgen_exec_docker.profile import DEFAULTS, HOME, OF_A_CONTAINER, PORT, Profile, opened
from massgen_exec_docker.session import Session, open_session

__all__ = ["DockerExecutor", "refuse", "user_numbers"]

SPARES = 2
LEAST = {"cpus": 0.01, "memory": 32 << 20}  # the kernel gives out no smaller part, and with less memory not even the agent begins
LAST_USER = (1 << 31) - 1
MOST = 1 << 60  # the kernel's own numbers end some way beyond it
OF_A_PROCESS = {"descriptors": "NOFILE", "file_size": "FSIZE"}


def _asked(limits: Limits) -> dict[str, Any]:
    return attrs.asdict(limits, filter=lambda _, value: value is not None)


def refuse(limits: Limits, enforced: frozenset[str]) -> None:
    """Let limits pass that somebody asks for.

    Raises:
        LimitUnsupported: One of them cannot be enforced, or makes no sense.
    """
    for name, value in _asked(limits).items():
        if not 0 <= value < MOST or (value == 0 and name != "output") or value < LEAST.get(name, 0):
            least = f"the least is {LEAST[name]}" if name in LEAST else "leave it out for the default"
            raise LimitUnsupported(f"executor docker: a limit of {value} {name} makes no sense; {least}")
        if name not in enforced:
            raise LimitUnsupported(
                f"executor docker: the engine does not enforce the limit {name}; it enforces: {', '.join(sorted(enforced))}. "
                "Leave the limit out, or use an engine with root's rights"
            )


def user_numbers(text: str) -> tuple[int, int] | None:
    """Return the numbers of UID or UID:GID; None where it is neither."""
    user, _, group = text.partition(":")
    numbers = [int(each) for each in (user, group or user) if re.fullmatch("[0-9]{1,10}", each) and int(each) <= LAST_USER]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


@attrs.define(kw_only=True)
class DockerExecutor:
    """Containers for the commands of one agent.

    Attributes:
        engine: Where they run.
        image: The image's id.
        config: The options, secrets revealed.
        context: What the factory was given.
        shares: What of this machine is seen, the workspace first.
        files: Opens files from outside.
        user: UID:GID of commands.
        enforced: The limits that the engine enforces.
        joined: The run's network; empty where there is none.
        pool: Containers that wait for commands.
    """

    engine: Engine
    image: str
    config: DockerConfig
    context: Context
    shares: tuple[Share, ...]
    files: Files
    user: str
    enforced: frozenset[str]
    joined: str = ""
    _sessions: dict[object, Session] = attrs.field(factory=dict, init=False)
    _proxies: dict[tuple[str, ...], Proxy] = attrs.field(factory=dict, init=False)
    _locks: dict[object, anyio.Lock] = attrs.field(factory=dict, init=False)
    _loan: Mapping[str, Any] = attrs.field(factory=dict, init=False)
    pool: Pool = attrs.field(init=False)
    _is_seen: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.pool = Pool(self.config.pool, self.ahead, self.context.start)

    async def run(self, command: ExecCommand) -> ExecResult:
        """Run a command to its end."""
        limits = self._limits(command)
        async with self._running(command, limits, limits.seconds, keep=limits.output) as running:
            out, err = await running.collect()
            result = await running.wait()
        return attrs.evolve(result, stdout=out, stderr=result.stderr + err, dropped=running.dropped)

    @asynccontextmanager
    async def start(self, command: ExecCommand) -> AsyncIterator[Process]:
        """Start a command with open streams."""
        limits = self._limits(command)
        seconds = self.config.limits.seconds if command.limits.seconds is None else command.limits.seconds
        async with self._running(command, limits, seconds, keep=None) as running:
            yield running

    async def read(self, path: str) -> bytes:
        """Return a file of the sandbox."""
        if self._is_apart:
            return await apart.read_file(self.run, await self._python(), path)
        return await anyio.to_thread.run_sync(self.files.read_file, path)

    async def write(self, path: str, data: bytes) -> None:
        """Write a file of the sandbox, with its folders."""
        if self._is_apart:
            await apart.write_file(self.run, await self._python(), path, data)
        else:
            await anyio.to_thread.run_sync(self.files.write_file, path, data)

    async def _python(self) -> Sequence[str]:
        """Return the command that starts Python in the container, which is known once there is one."""
        async with self._session(ExecCommand(argv=("python3",)), self._base()):
            return self._loan.get("python", ("python3",))  # type: ignore[no-any-return]

    @property
    def _is_apart(self) -> bool:
        return self.config.workspace == "apart"

    async def close(self) -> None:
        """Remove all containers."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.pool.close)
            for session in self._sessions.values():
                tasks.start_soon(self._closed, session)
        for proxy in self._proxies.values():
            await proxy.close()

    async def _closed(self, session: Session) -> None:
        with suppress(MassGenError):
            await session.close()

    # What a command may

    def _limits(self, command: ExecCommand) -> Limits:
        if not command.argv or not command.argv[0]:
            raise ValueError("a command needs a program")
        texts = (*command.argv, *command.env, *command.env.values(), command.folder)
        if any("\0" in text for text in texts):
            raise ValueError("neither arguments, variables nor folders can hold a zero byte")
        "".join(texts).encode("utf-8", "surrogateescape")  # a ValueError, too, where no process could be given it
        refuse(command.limits, self.enforced)
        return attrs.evolve(DEFAULTS, **_asked(self.config.limits) | _asked(command.limits))

    def _network(self, command: ExecCommand) -> NetworkPolicy:
        own = NetworkPolicy(mode=self.config.network, hosts=self.config.hosts)  # type: ignore[arg-type] # run is ours alone
        asked = own if command.network is None else command.network
        if asked.mode not in ("none", "allow", own.mode):
            raise LimitUnsupported(f"executor docker: the network is closed; the option network: {clean_line(asked.mode)} opens it")
        return NetworkPolicy(mode=asked.mode, hosts=asked.hosts if asked.mode == "allow" else ())

    def _user(self, command: ExecCommand) -> str:
        if not command.user:
            return self.user
        numbers = user_numbers(command.user)
        if numbers is None:
            raise LimitUnsupported(f"executor docker: the user {clean_line(command.user)!r} is no number of a user; images know different names")
        if numbers[0] == 0 and self.user.partition(":")[0] != "0":
            raise LimitUnsupported("executor docker: commands do not run as the user root; the option user: '0' lets them")
        return f"{numbers[0]}:{numbers[1]}"

    # Where it runs

    @asynccontextmanager
    async def _running(self, command: ExecCommand, limits: Limits, seconds: float | None, *, keep: int | None) -> AsyncIterator[Running]:
        failure: Exception | None = None
        async with self._session(command, limits) as session, session.job(self._job(command, limits, session, keep)) as running:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(running.watch, seconds)
                tasks.start_soon(lambda: running.feed(command.stdin, close=keep is not None))
                try:
                    yield running
                except Exception as error:  # raised again below, where the task group cannot wrap it
                    failure = error
                tasks.cancel_scope.cancel()
            if failure is not None:
                raise failure

    def _job(self, command: ExecCommand, limits: Limits, session: Session, keep: int | None) -> Mapping[str, Any]:
        env = {**session.seen["env"], "HOME": HOME, "TMPDIR": "/tmp", "USER": "agent", "LANG": "C.UTF-8"}  # noqa: S108 - inside
        if "lo" in session.seen["interfaces"] and self._network(command).mode == "allow":
            env |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"), f"http://127.0.0.1:{PORT}")
        env |= {**self.config.env, **command.env}
        return {
            "argv": list(command.argv),
            "env": env,
            "folder": os.path.join(WORKSPACE, command.folder).rstrip("/") or "/",
            "input": keep is None or bool(command.stdin),
            "keep": keep,
            "limits": {kernel: int(getattr(limits, name)) for name, kernel in OF_A_PROCESS.items()},
        }

    @asynccontextmanager
    async def _session(self, command: ExecCommand, limits: Limits) -> AsyncIterator[Session]:
        network, user = self._network(command), self._user(command)
        own = {name for name in OF_A_CONTAINER if getattr(command.limits, name) is not None}
        own |= {name for name in OF_A_PROCESS if getattr(limits, name) > getattr(self._base(), name)}
        is_plain = not own and (network, user) == (self._network(ExecCommand(argv=("",))), self.user)
        if self._is_apart and not is_plain:
            raise LimitUnsupported(
                f"executor docker: a command with {', '.join(sorted(own)) or 'a network or a user'} of its own needs a container of its own, which "
                "would not have the files of this one (workspace: apart); put it into the options of the executor"
            )
        if own or self.config.container == "command":
            session = await self.pool.take() if is_plain else None
            session = session or await self._opened(limits, network, user, spares=0)
            try:
                yield session
            finally:
                with anyio.CancelScope(shield=True):
                    await self._closed(session)
            return
        key = (network, user)
        async with self._locks.setdefault(key, anyio.Lock()):
            found = self._sessions.get(key)
            if found is None or found.lost:
                if found is not None:
                    del self._sessions[key]
                    with anyio.CancelScope(shield=True):
                        await self._closed(found)
                    if self._is_apart:
                        text = "executor docker: the container was lost, and the files of its workspace with it (workspace: apart)"
                        self.context.emit(NoticeGiven(level="warning", text=text, agent=self.context.agent))
                found = await self.pool.take() if is_plain else None
                found = self._sessions[key] = found or await self._opened(self._base(), network, user, spares=SPARES)
        yield found

    def _base(self) -> Limits:
        return attrs.evolve(DEFAULTS, **_asked(self.config.limits))

    async def _opened(self, limits: Limits, network: NetworkPolicy, user: str, *, spares: int) -> Session:
        begun = time.monotonic()
        cores = float(self.engine.info.get("NCPU") or os.cpu_count() or 1)
        profile = Profile(
            image=self.image,
            config=self.config,
            shares=self.shares,
            user=user,
            network=network.mode,
            proxy=await self._proxy(network.hosts) if network.mode == "allow" else "",
            limits=attrs.evolve(limits, cpus=min(limits.cpus or cores, cores)),
            enforced=self.enforced,
            spares=spares,
            is_podman=self.engine.is_podman,
            joined=(self.joined, alias(self.context.agent)),
            **self._loan,
            mark="" if self._is_apart or self._is_seen or self.engine.is_here else f".massgen-{secrets.token_hex(8)}",
        )
        try:
            session = await self._started(profile)
        except NoPython:
            session = await self._started(attrs.evolve(profile, **await self._lent()))
        self._is_seen = True
        self.context.emit(
            SandboxOpened(
                agent=self.context.agent,
                container=session.identity[:12],
                image=self.image,
                network=network.mode,
                opened=opened(attrs.evolve(self.config, network=network.mode, hosts=network.hosts)),
                seconds=time.monotonic() - begun,
            )
        )
        return session

    async def _started(self, profile: Profile) -> Session:
        with marked(self.shares[0].source if profile.mark else "", profile.mark):
            return await open_session(self.engine, profile, self.context)

    async def _lent(self) -> Mapping[str, Any]:
        """Return what a profile needs for an image without Python."""
        async with self._locks.setdefault("python", anyio.Lock()):
            if not self._loan:
                volume = await self.engine.call(borrowed, self.engine, self.config.image)
                self._loan = {"python": interpreter(self.engine), "borrowed": volume}
                text = f"executor docker: the image {clean_line(self.config.image)} has no python3; commands are run by massgen-base's, in {PLACE}"
                self.context.emit(NoticeGiven(level="info", text=text, agent=self.context.agent))
        return self._loan

    def ahead(self) -> Awaitable[Session]:
        """Start a container for commands that ask for nothing of their own."""
        spares = SPARES if self.config.container == "agent" else 0
        return self._opened(self._base(), self._network(ExecCommand(argv=("",))), self.user, spares=spares)

    async def _proxy(self, hosts: tuple[str, ...]) -> str:
        async with self._locks.setdefault("proxy", anyio.Lock()):
            if hosts not in self._proxies:
                proxy = Proxy(Rules(hosts), self._told)
                await proxy.open()
                self.context.start(proxy.serve)
                self._proxies[hosts] = proxy
            return self._proxies[hosts].folder

    def _told(self, method: str, target: str, reason: str) -> None:
        method, target = clean_line(method)[:20], clean_line(target)[:300]
        self.context.emit(SandboxRequested(agent=self.context.agent, method=method, target=target, is_allowed=not reason, reason=reason))
