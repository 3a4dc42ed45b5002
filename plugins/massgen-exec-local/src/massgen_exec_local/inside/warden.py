"""The supervisor of one command: starts it, notices its end, kills all that is left, and says what it took.

It is process 1 of a namespace where there is one, and adopts orphans elsewhere. It listens on one socket: a job with the command's streams comes in,
a result goes out, and any other word, or the other end's death, is the order to kill.
"""

from __future__ import annotations

import _socket  # the standard modules over it, and over signals and types, cost half of the start
import ctypes
import marshal
import os
import resource
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

_LIBC = ctypes.CDLL(None, use_errno=True)
PDEATHSIG, DUMPABLE, SUBREAPER = 1, 4, 36
KILL, PIPE, FILE_SIZE = 9, 13, 25
DEFAULT = 0
SIZE = 65536
REAP_SECONDS = 0.5
LEAST, LEAST_FILES = 1 << 28, 64


def prctl(option: int, value: int) -> None:
    """Set a property of this process."""
    _LIBC.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))


def descendants(of: int) -> list[int]:
    """Return the processes below one."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parents.setdefault(int(file.read().rpartition(b")")[2].split()[1]), []).append(int(name))
            except (OSError, IndexError):
                continue
    found, waiting = [], [of]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def limit(job: Mapping[str, Any]) -> None:
    """Put this process and all that it starts under the command's limits."""
    for name, value in job["limits"].items():
        number = getattr(resource, name)
        resource.setrlimit(number, (value, value))
        if resource.getrlimit(number) != (value, value):
            raise OSError(0, f"{name} does not hold")
    for path, size in job["sizes"].items():
        found = os.statvfs(path)
        if found.f_blocks * found.f_frsize > size:
            raise OSError(0, f"{path} is larger than {size} bytes")


def spawn_beside(job: Mapping[str, Any], streams: Sequence[int]) -> tuple[int, tuple[str, int, str] | None]:
    """Start the command without a copy of this process, which costs most of a start; this process comes under its limits and into its folder."""
    stage = "limits"
    try:
        limit(job)
        stage = "folder"
        os.chdir(job["folder"])
        stage = "program"
        argv, env = job["argv"], job["env"]
        places = [argv[0]] if "/" in argv[0] else [os.path.join(folder, argv[0]) for folder in env.get("PATH", os.defpath).split(":")]
        actions = [(os.POSIX_SPAWN_DUP2, stream, number) for number, stream in enumerate(streams)]
        fault: OSError = FileNotFoundError(2, "No such file or directory")
        for place in places:
            try:
                os.stat(place)  # to try what is not there costs a process
                return os.posix_spawn(place, argv, env, file_actions=actions, setsid=True, setsigdef=(PIPE, FILE_SIZE)), None
            except (FileNotFoundError, NotADirectoryError):
                continue
            except PermissionError as error:
                fault = error
        raise fault
    except OSError as error:
        return 0, (stage, error.errno or 0, error.strerror or str(error))
    except ValueError as error:
        return 0, (stage, 0, f"{type(error).__name__}: {error}")


def become(job: Mapping[str, Any], streams: Sequence[int]) -> NoReturn:
    """Turn this new process into the command."""
    told, stage = streams[3], "limits"
    try:
        os.setsid()
        prctl(PDEATHSIG, KILL)
        for number, stream in enumerate(streams[:3]):
            os.dup2(stream, number)
        limit(job)
        for number in (PIPE, FILE_SIZE):  # ignored by this interpreter, and what is ignored is inherited
            _LIBC.signal(number, ctypes.c_void_p(DEFAULT))
        stage = "walls"
        if job["walls"] is not None:
            import landlock  # type: ignore[import-not-found] # noqa: PLC0415 - its plain name, for it is on the path there

            landlock.enclose(job["walls"])
        stage = "folder"
        os.chdir(job["folder"])
        stage = "program"
        os.execvpe(job["argv"][0], job["argv"], job["env"])  # noqa: S606 - the command itself
    except OSError as error:
        os.write(told, marshal.dumps((stage, error.errno or 0, error.strerror or str(error))))
    except BaseException as error:  # whatever it is, this process must not go on as a second supervisor
        os.write(told, marshal.dumps((stage, 0, f"{type(error).__name__}: {error}")))
    os._exit(127)


def spawn(job: Mapping[str, Any], streams: Sequence[int]) -> tuple[int, tuple[str, int, str] | None]:
    """Start the command; return its process, and why it could not be started."""
    limits = job["limits"]
    # Process 1 needs no care that the command ends with it; and it must get along with the command's limits itself.
    if os.getpid() == 1 and job["walls"] is None and limits["RLIMIT_NOFILE"] >= LEAST_FILES and limits.get("RLIMIT_DATA", LEAST) >= LEAST:
        pid, failure = spawn_beside(job, streams)
        for descriptor in streams:
            os.close(descriptor)
        return pid, failure
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        become(job, (*streams, tell))
    for descriptor in (*streams, tell):
        os.close(descriptor)
    with os.fdopen(told, "rb") as file:
        words = file.read()
    return pid, marshal.loads(words) if words else None  # noqa: S302 - from this program's own child


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


def kill_all() -> None:
    """Kill everything below this process."""
    for pid in [-1] if os.getpid() == 1 else descendants(os.getpid()):
        try:
            os.kill(pid, KILL)
        except ProcessLookupError:
            continue


def supervise(pid: int, control: int) -> int | None:
    """Wait for the command's end, or for the order to end it; return its status when nothing is left of it."""
    if pid == 0:  # nothing was started
        return None
    ending = os.pidfd_open(pid)
    status: int | None = None
    while True:
        is_left, status = reap(pid, status)
        if status is not None or not is_left:
            break
        # Now and then whoever else has ended is collected: what is not counts as a process.
        if control in select.select([control, ending], [], [], REAP_SECONDS)[0]:
            break
    while is_left:
        kill_all()
        is_left, status = reap(pid, status)
        if is_left:
            time.sleep(0.001)
    return status


def look() -> dict[str, Any]:
    """Say how this process is confined, as it sees it."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        state = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    clone_new_user = 0x10000000
    pid = os.fork()
    if pid == 0:
        os._exit(0 if _LIBC.unshare(clone_new_user) == 0 else 1)
    return {
        "pid": os.getpid(),
        "capabilities": int(state.get("CapEff", "0"), 16),
        "no_new_privileges": state.get("NoNewPrivs") == "1",
        "filter": state.get("Seccomp") == "2",
        "namespaces": os.waitpid(pid, 0)[1] == 0,
        "settings": os.access("/proc/sys/kernel/core_pattern", os.W_OK),
        "interfaces": [name for _, name in _socket.if_nameindex()],
        "processes": sum(name.isdigit() for name in os.listdir("/proc")),
    }


def main() -> None:
    """Do one job, given over the socket whose number is the argument."""
    with open("/dev/null", "r+b", buffering=0) as nothing:
        for number in range(3):
            os.dup2(nothing.fileno(), number)
    control = int(sys.argv[1])
    os.set_inheritable(control, False)
    channel = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, control)
    prctl(DUMPABLE, 0)
    prctl(SUBREAPER, 1)
    channel.send(b"ready")
    while True:
        word, extras, _, _ = channel.recvmsg(SIZE, _socket.CMSG_SPACE(16))
        if word != b"look":
            break
        channel.send(marshal.dumps(look()))
    if word != b"job":
        os._exit(0)
    given = extras[0][2]
    descriptors = [int.from_bytes(given[at : at + 4], sys.byteorder) for at in range(0, 16, 4)]
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    with os.fdopen(descriptors[0], "rb") as file:
        file.seek(0)
        job = marshal.load(file)  # noqa: S302 - from the process that started this one
    pid, failure = spawn(job, descriptors[1:])
    status = supervise(pid, control)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    channel.send(marshal.dumps((status, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, failure)))
    os._exit(0)
