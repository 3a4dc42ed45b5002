"""The supervisor of one command: starts it, notices its end, and kills all that is left. See `massgen_exec_docker.inside.agent`."""

from __future__ import annotations

import errno
import json
import os
import resource
import select
import signal
import time
from contextlib import suppress

from massgen_exec_docker.inside.confine import PIECE, SUBREAPER, kills, prctl

TYPE_CHECKING = False  # the module typing is slow to import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def descendants(of: int) -> list[int]:
    """Return the processes below one."""
    below: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/" + name + "/stat", "rb") as file:
                    below.setdefault(int(file.read().rpartition(b")")[2].split()[1]), []).append(int(name))
            except (OSError, IndexError):
                continue
    found: list[int] = []
    waiting = [of]
    while waiting:
        children = below.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


class Failure(Exception):
    """A command that was not started: at which stage, and why."""

    def __init__(self, stage: str, error: OSError) -> None:
        super().__init__(stage, error.errno or 0, error.strerror or str(error))


def spawn(job: dict[str, Any], streams: Sequence[int]) -> int:
    """Start a command; its folder and limits are this process's, which is there for it alone.

    Raises:
        Failure: Nothing was started.
    """
    stage = "limits"
    try:
        with suppress(PermissionError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")  # want of memory ends commands rather than the agent
        for name, value in job["limits"].items():
            resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))
        stage = "folder"
        os.chdir(job["folder"])
        stage = "program"
        return start(job["argv"], job["env"], streams)
    except ValueError as error:
        raise Failure(stage, OSError(0, str(error))) from None
    except OSError as error:
        raise Failure(stage, error) from None


def start(argv: list[str], env: dict[str, str], streams: Sequence[int]) -> int:
    """Start a program, which is looked for where the command's PATH says, without a copy of this process."""
    places = [argv[0]] if "/" in argv[0] else [os.path.join(folder, argv[0]) for folder in env.get("PATH", os.defpath).split(":")]
    actions = [(os.POSIX_SPAWN_DUP2, stream, number) for number, stream in enumerate(streams)]
    reset = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGTERM)
    found: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    for place in places:
        try:
            os.stat(place)  # to try what is not there costs a process
            return os.posix_spawn(place, argv, env, file_actions=actions, setsid=True, setsigdef=reset)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            found = error
    raise found


def reap(pid: int, status: int | None) -> tuple[bool, int | None]:
    """Collect whoever has ended; return whether anybody is left, and the command's status once it has one."""
    while True:
        try:
            ended, told = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False, status
        if ended == 0:
            return True, status
        if ended == pid:
            status = told


def supervise(streams: Sequence[int], control: int, report: int) -> None:
    """Wait for a command, start it, wait for its end or for the order to end it, kill what is left, and report."""
    prctl(SUBREAPER, 1)
    woken, wake = os.pipe()
    for descriptor in (woken, wake):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    killed_before = kills()
    job = receive(control)
    if job is None:
        return
    try:
        pid = spawn(job, streams)
    except Failure as failure:
        os.write(report, json.dumps({"failure": failure.args}).encode())
        return
    for descriptor in streams:
        os.close(descriptor)
    status: int | None = None
    ordered = False
    while True:
        is_left, status = reap(pid, status)
        if status is not None or not is_left:
            break
        if control in select.select([control, woken], [], [])[0]:
            ordered = True
            break
        with suppress(BlockingIOError):
            os.read(woken, PIECE)
    while is_left:
        for each in descendants(os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        is_left, status = reap(pid, status)
        if is_left:
            time.sleep(0.001)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = {"status": status, "ordered": ordered, "cpu": used.ru_utime + used.ru_stime, "memory": used.ru_maxrss * 1024}
    result["starved"] = bool(status) and kills() > killed_before
    os.write(report, json.dumps(result).encode())


def receive(control: int) -> dict[str, Any] | None:
    """Return the job that comes over the control pipe, its length first; None where its other end is closed."""
    data = bytearray()
    while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
        piece = os.read(control, PIECE)
        if not piece:
            return None
        data += piece
    job: dict[str, Any] = json.loads(bytes(data[4:]))
    return job


class Supervisor:
    """A supervisor that waits for its command, made before there is one: that is what takes time."""

    def __init__(self) -> None:
        pipes = [os.pipe() for _ in range(5)]
        (read_in, self.stdin), (self.stdout, write_out), (self.stderr, write_err), (control, self.control), (self.report, report) = pipes
        theirs = (read_in, write_out, write_err, control, report)
        try:
            self.pid = os.fork()
        except OSError:
            for pair in pipes:
                os.close(pair[0])
                os.close(pair[1])
            raise
        if self.pid == 0:
            try:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                last = 2  # what is between those is others'
                for descriptor in (*sorted(theirs), 1 << 16):
                    os.closerange(last + 1, descriptor)
                    last = descriptor
                supervise(theirs[:3], control, report)
            finally:
                os._exit(0)
        for descriptor in theirs:
            os.close(descriptor)
        for descriptor in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(descriptor, False)

    def begin(self, job: bytes) -> None:
        """Give it its command."""
        view = memoryview(len(job).to_bytes(4, "big") + job)
        while view:
            view = view[os.write(self.control, view) :]
