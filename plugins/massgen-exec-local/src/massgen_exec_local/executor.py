"""The executor: which walls there are, and one supervisor a command within them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import attrs

from massgen_core.api import (
    Context,
    ExecCommand,
    ExecResult,
    Executor,
    ExecutorUnavailable,
    LimitUnsupported,
    NoticeGiven,
    Process,
    is_reference,
)
from massgen_exec_local import beside, bubblewrap, cgroups
from massgen_exec_local.cell import Cell, Vector
from massgen_exec_local.config import LocalConfig
from massgen_exec_local.files import Files, shared
from massgen_exec_local.leftovers import reap_folders
from massgen_exec_local.limits import OF_A_PROCESS, OURS, Plan, plan, refuse
from massgen_exec_local.patterns import Patterns
from massgen_exec_local.process import Kept, Pipes, Running
from massgen_exec_local.spare import Spare

__all__ = ["LocalExecutor", "open_local"]

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
UNPRIVILEGED = 1000
NUMBER, LAST_USER = re.compile("[0-9]{1,10}"), (1 << 31) - 1
OURS_APART = 2  # bubblewrap outside, and the supervisor inside


def _own_users() -> bool:
    """Say whether the kernel counts processes for each user namespace, and holds its limit against this user."""
    release = os.uname().release.split("-")[0].split(".")
    return os.geteuid() != 0 and tuple(int(part) for part in release[:2] if part.isdigit()) >= (5, 14)


@attrs.define(kw_only=True)
class LocalExecutor:
    """Sandboxes of this machine.

    Attributes:
        wall: `bubblewrap`, `landlock` or `none`.
        profile: What bubblewrap shows; None without it.
        files: What can be read and written from outside.
        groups: Where control groups can be made.
        base: Variables of all commands.
        config: The options.
        patterns: Which commands are let through.
        spare: The sandbox that was set up ahead.
        later: Runs work in a task of its own.
        leaving: Closes sandboxes whose commands have ended.
        left: Control groups of commands that have ended.
    """

    wall: str
    profile: bubblewrap.Bubblewrap | None
    files: Files
    groups: cgroups.Cgroups
    base: Mapping[str, str]
    config: LocalConfig
    patterns: Patterns
    spare: Spare
    later: Callable[[Callable[[], Awaitable[None]]], None]
    leaving: list[Callable[[], None]] = attrs.field(factory=list)
    left: list[cgroups.Group] = attrs.field(factory=list)

    @property
    def enforced(self) -> frozenset[str]:
        """The limits that hold here."""
        found = OURS | frozenset(self.groups.folders)
        if self.wall != "none" or os.geteuid() != 0:  # root without walls could raise them again
            found |= frozenset(OF_A_PROCESS)
        if self.wall == "bubblewrap":
            found |= {"disk", "processes"} if _own_users() else {"disk"}
        return found

    async def run(self, command: ExecCommand) -> ExecResult:
        """Run a command to its end."""
        made = self._plan(command)
        keep = int(made.limits.output or 0)
        out, err = Kept(keep), Kept(keep)
        async with self._running(command, made, made.limits.seconds, is_fed=True) as running:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(out.keep, running.stdout())
                tasks.start_soon(err.keep, running.stderr())
            result = await running.wait()
        return attrs.evolve(result, stdout=bytes(out.data), stderr=result.stderr + bytes(err.data), dropped=out.dropped + err.dropped)

    @asynccontextmanager
    async def start(self, command: ExecCommand) -> AsyncIterator[Process]:
        """Start a command with open streams."""
        async with self._running(command, self._plan(command), command.limits.seconds, is_fed=False) as running:
            yield running

    async def read(self, path: str) -> bytes:
        """Return a file of the sandbox."""
        return await anyio.to_thread.run_sync(self.files.read_file, path)

    async def write(self, path: str, data: bytes) -> None:
        """Write a file of the sandbox, with its folders."""
        await anyio.to_thread.run_sync(self.files.write_file, path, data)

    def _plan(self, command: ExecCommand) -> Plan:
        if not command.argv or not command.argv[0]:
            raise ValueError("a command needs a program")
        texts = (*command.argv, *command.env, *command.env.values(), command.folder)
        if any("\0" in text for text in texts):
            raise ValueError("neither arguments, variables nor folders can hold a zero byte")
        "".join(texts).encode("utf-8", "surrogateescape")  # a ValueError, too, where no process could be given it
        self.patterns.check(command.argv)
        refuse(command.limits, self.enforced, self.wall)
        made = plan(command.limits, self.config.limits, in_groups=frozenset(self.groups.folders), own_users=_own_users())
        return made if self.wall == "bubblewrap" else attrs.evolve(made, of_a_process=_without(made.of_a_process, "RLIMIT_NPROC"))

    def _network(self, command: ExecCommand) -> bool:
        mode = self.config.network if command.network is None else command.network.mode
        if mode == "allow":
            raise LimitUnsupported("executor local: a network of listed hosts cannot be enforced here; use none, or the executor docker")
        if mode == "full" and self.config.network != "full":
            raise LimitUnsupported("executor local: the network is closed; the option network: full opens it")
        if mode == "none" and self.wall == "none" and command.network is not None:
            raise LimitUnsupported("executor local: without a sandbox the network cannot be closed")
        return mode == "full" or self.wall == "none"

    def _user(self, command: ExecCommand) -> tuple[int, int]:
        if not command.user:
            return (os.getuid() or UNPRIVILEGED), (os.getgid() or UNPRIVILEGED)
        user, _, group = command.user.partition(":")
        if self.wall != "bubblewrap" or not all(NUMBER.fullmatch(each) and int(each) <= LAST_USER for each in (user, group or user)):
            raise LimitUnsupported(f"executor local: commands cannot run as the user {command.user!r}; with bubblewrap they can as a number")
        return int(user), int(group or user)

    @asynccontextmanager
    async def _running(self, command: ExecCommand, made: Plan, seconds: float | None, *, is_fed: bool) -> AsyncIterator[Running]:
        failure: Exception | None = None
        with ExitStack() as stack:
            # A server has no time of its own; who gives a command one will run another.
            running = await self._begin(command, made, stack, is_fed or seconds is not None)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(running.watch, seconds)
                tasks.start_soon(lambda: running.feed(command.stdin, close=is_fed))
                try:
                    yield running
                except Exception as error:  # raised again below, where the task group cannot wrap it
                    failure = error
                finally:
                    with anyio.CancelScope(shield=True):
                        await running.end()
                tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _begin(self, command: ExecCommand, made: Plan, stack: ExitStack, will_return: bool) -> Running:
        network, (user, group) = self._network(command), self._user(command)
        home = bubblewrap.HOME
        kind: tuple[Any, ...] = (network, int(made.limits.disk or 0), user, group)
        if self.profile is not None:
            vector = self.profile.vector(network=network, disk=kind[1], user=user, group=group)
        else:
            vector, folder = beside.vector(), beside.Folder()
            stack.callback(folder.close)
            home = folder.path
        kind = (*kind, tuple(sorted(made.of_a_tree.items())))
        cell, limited = self.spare.take(kind) or self._cell(made, vector)
        # Who runs one command runs another.
        prepare = partial(self.spare.prepare, kind, partial(self._cell, made, vector)) if will_return and self.config.warm else None
        stack.callback(self._leave, cell, limited, prepare)
        pipes = Pipes()
        stack.callback(pipes.close)
        await cell.ready()
        if limited is not None:
            limited.check(cell.pid)
        job = self._job(command, made, network, home)
        cell.order(job, pipes.theirs)
        pipes.hand_over()
        if limited is None:
            return Running(cell, pipes, job, lambda: False, lambda: None)
        return Running(cell, pipes, job, limited.was_out_of_memory, limited.peak)

    def _leave(self, cell: Cell, group: cgroups.Group | None, prepare: Callable[[], None] | None) -> None:
        """Take a sandbox down that nothing runs in, and set up the next: for neither has to wait who has the command's result."""

        if self.spare.is_closed:  # so is all of this
            cell.close()
            if group is not None:
                group.close()
            return

        def close() -> None:
            if close in self.leaving:
                self.leaving.remove(close)
                cell.close()
                self._let_go(group)

        async def wait() -> None:
            try:
                await cell.gone()
            finally:
                close()
            if prepare is not None:
                prepare()

        cell.hang_up()
        self.leaving.append(close)
        self.later(wait)

    def _let_go(self, group: cgroups.Group | None) -> None:
        """Remove the groups of commands that have ended; one whose dead are still in it is removed after a later command."""
        self.left[:] = [each for each in (*self.left, *([group] if group else [])) if not each.close(attempts=1)]

    def close(self) -> None:
        """End the sandbox that waits, and remove what is left of those that ended."""
        self.spare.close()
        for leave in [*self.leaving]:
            leave()
        for each in self.left:
            each.close()

    def _cell(self, made: Plan, vector: Vector) -> tuple[Cell, cgroups.Group | None]:
        """Start a supervisor, in control groups of its own where there are limits for them."""
        if not made.of_a_tree:
            return Cell(vector), None
        group = self.groups.make(frozenset(made.of_a_tree), OURS_APART if self.profile is not None else 1)
        try:
            group.set(made.of_a_tree)
            return Cell(vector, group.doors), group
        except BaseException:
            group.close()
            raise

    def _job(self, command: ExecCommand, made: Plan, network: bool, home: str) -> dict[str, Any]:
        walls = None
        if self.wall == "landlock":
            walls = beside.walls(read=self.files.read, write=(self.files.workspace, *self.files.write, home), network=network)
        temporary = "/tmp" if self.profile is not None else home  # noqa: S108 - inside
        sizes = bubblewrap.sizes(int(made.limits.disk or 0)) if self.profile is not None else {}
        env = {**self.base, "HOME": home, "TMPDIR": temporary, **self.config.env, **command.env}
        folder = command.folder if command.folder.startswith("/") else os.path.join(self.files.workspace, command.folder).rstrip("/")
        return {"argv": list(command.argv), "env": env, "folder": folder, "limits": dict(made.of_a_process), "sizes": sizes, "walls": walls}


def _without(mapping: Mapping[str, int], name: str) -> dict[str, int]:
    return {key: value for key, value in mapping.items() if key != name}


async def _look(vector: Vector) -> Mapping[str, Any]:
    with ExitStack() as stack:
        cell = Cell(vector)
        stack.callback(cell.close)
        await cell.ready()
        return await cell.look()


async def _verify(profile: bubblewrap.Bubblewrap) -> None:
    """Look at bubblewrap's walls from within.

    Raises:
        ExecutorUnavailable: It cannot be set up, or a wall does not stand.
    """
    seen = await _look(profile.vector(network=False, disk=1 << 20, user=UNPRIVILEGED, group=UNPRIVILEGED))
    open_walls = [
        name
        for name, stands in {
            "its processes are apart": seen["pid"] == 1 and seen["processes"] <= 2,
            "it holds no privileges": seen["capabilities"] == 0 and seen["no_new_privileges"],
            "system calls are filtered": seen["filter"],
            "namespaces cannot be made in it": not seen["namespaces"],
            "the kernel's settings are read-only": not seen["settings"],
            "it has no network": set(seen["interfaces"]) <= {"lo"},
        }.items()
        if not stands
    ]
    if open_walls:
        raise ExecutorUnavailable(f"executor local: bubblewrap's sandbox is not what it should be; this does not hold: {', '.join(open_walls)}")


_verified: set[tuple[str, str]] = set()


async def _choose(config: LocalConfig, profile: bubblewrap.Bubblewrap) -> tuple[str, str]:
    """Return the wall to use, and what a person should know about it."""
    if config.sandbox == "none":
        return "none", "commands run without a sandbox, as this user, on this machine (executor local, sandbox: none)"
    reasons = []
    if config.sandbox in ("auto", "bubblewrap"):
        reason = bubblewrap.missing()
        if not reason:
            key = (os.environ.get("PATH", ""), str(os.geteuid()))
            try:
                if key not in _verified:
                    await _verify(profile)
                    _verified.add(key)
                return "bubblewrap", ""
            except ExecutorUnavailable as error:
                reason = str(error)
        reasons.append(reason)
    if config.sandbox in ("auto", "landlock"):
        reason = beside.missing()
        if not reason:
            return "landlock", "commands run behind Landlock rather than in namespaces: their processes are not apart" + (
                f" ({reasons[0]})" if reasons else ""
            )
        reasons.append(reason)
    raise ExecutorUnavailable(
        f"executor local: no sandbox can be made: {'; '.join(reasons)}. Install bubblewrap, use the executor docker, "
        "or let commands run without walls with sandbox: none"
    )


def _folder(context: Context) -> str:
    folder = context.workspace or context.folder / "massgen-exec-local" / (context.agent or "run")
    folder.mkdir(parents=True, exist_ok=True)
    return shared("workspace", (os.path.abspath(folder),), writable=())[0]


def _granted(context: Context, writable: Sequence[str], *, is_writable: bool) -> tuple[str, ...]:
    """Return the context paths of one permission, files among them."""
    paths = [str(one.path) for one in context.context_paths if one.is_writable is is_writable]
    return shared("context_paths", paths, writable=writable)


def _revealed(values: Mapping[str, str], context: Context) -> dict[str, str]:
    return {name: context.secret(value).reveal() if is_reference(value, context.plugins) else value for name, value in values.items()}


@asynccontextmanager
async def open_local(config: LocalConfig, context: Context) -> AsyncIterator[Executor]:
    """Choose the walls, verify them from within, and check what is configured against them.

    Raises:
        ExecutorUnavailable: No sandbox can be made.
        LimitUnsupported: A limit of the configuration cannot be enforced.
        MassGenError: A path or a pattern of the configuration makes no sense.
    """
    if sys.platform != "linux":
        raise ExecutorUnavailable("executor local: sandboxes of this machine need Linux; use the executor docker")
    reap_folders()
    workspace = _folder(context)
    write = (*shared("write", config.write, writable=(workspace,)), *_granted(context, (workspace,), is_writable=True))
    own = (workspace, *write)
    read = (*shared("read", config.read, writable=own), *_granted(context, own, is_writable=False))
    with ExitStack() as stack:
        devices = ""
        if os.geteuid() == 0 and config.sandbox in ("auto", "bubblewrap") and not bubblewrap.missing():
            nodes = bubblewrap.Devices()
            stack.callback(nodes.close)
            devices = str(nodes.folder)
        profile = bubblewrap.Bubblewrap(workspace=workspace, read=read, write=write, devices=devices)
        wall, notice = await _choose(config, profile)
        if notice:
            context.emit(NoticeGiven(level="warning", text=notice, agent=context.agent))
        groups = cgroups.find()
        groups.reap()
        executor = _made(config, context, wall, profile, groups)
        stack.callback(executor.close)
        yield executor


def _made(config: LocalConfig, context: Context, wall: str, profile: bubblewrap.Bubblewrap, groups: cgroups.Cgroups) -> LocalExecutor:
    _, base = bubblewrap.interpreter()
    path = PATH if base.startswith("/usr") else f"{PATH}:{base}/bin"
    executor = LocalExecutor(
        wall=wall,
        profile=profile if wall == "bubblewrap" else None,
        files=Files(workspace=profile.workspace, read=profile.read, write=profile.write),
        groups=groups,
        base={"PATH": path, "LANG": "C.UTF-8", "USER": "agent", "LOGNAME": "agent"},
        config=attrs.evolve(config, env=_revealed(config.env, context)),
        patterns=Patterns(config.allowed_commands, config.blocked_commands),
        spare=Spare((profile.workspace, *profile.read, *profile.write)),
        later=context.start,
    )
    refuse(config.limits, executor.enforced, wall)
    return executor
