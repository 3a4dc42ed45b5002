"""The supervisor of one command: starts it, notices its end, and kills all that is left. See `massgen_exec_docker.inside.agent`."""

# ruff: noqa: S606 - the command itself

from __future__ import annotations

import json
import os
import resource
import select
import signal
import time
from contextlib import suppress

from massgen_exec_docker.inside.confine import DUMPABLE, PDEATHSIG, PIECE, SUBREAPER, kills, prctl

TYPE_CHECKING = False  # the module typing is slow to import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn


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


def become(job: dict[str, Any], streams: Sequence[int], tell: int) -> NoReturn:
    """Turn this new process into the command."""
    stage = "limits"
    try:
        os.setsid()
        prctl(PDEATHSIG, signal.SIGKILL)
        for number in range(3):
            os.dup2(streams[number], number)
        for name, value in job["limits"].items():
            resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))
        with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")  # want of memory ends commands rather than those who watch them
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        prctl(DUMPABLE, 1)
        stage = "folder"
        os.chdir(job["folder"])
        stage = "program"
        os.execvpe(job["argv"][0], job["argv"], job["env"])
    except OSError as error:
        os.write(tell, json.dumps([stage, error.errno or 0, error.strerror or str(error)]).encode())
    except BaseException as error:
        os.write(tell, json.dumps([stage, 0, type(error).__name__ + ": " + str(error)]).encode())
    os._exit(127)


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


def supervise(job: dict[str, Any], streams: Sequence[int], control: int, report: int) -> None:
    """Start a command, wait for its end or for the order to end it, kill what is left, and report."""
    prctl(SUBREAPER, 1)
    woken, wake = os.pipe()
    for descriptor in (woken, wake):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    killed_before = kills()
    told, tell = os.pipe()
    try:
        pid = os.fork()
    except OSError as error:
        os.write(report, json.dumps({"failure": ["program", error.errno, error.strerror]}).encode())
        return
    if pid == 0:
        become(job, streams, tell)
    for descriptor in (*streams, tell):
        os.close(descriptor)
    with os.fdopen(told, "rb") as file:
        failure = file.read()
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
    result.update({"starved": kills() > killed_before, "failure": json.loads(failure) if failure else None})
    os.write(report, json.dumps(result).encode())
