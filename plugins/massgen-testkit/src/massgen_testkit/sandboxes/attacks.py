"""Attacks by name: what programs try that want out of a sandbox, as data, so that each can also be seen to work where there is none."""

from __future__ import annotations

from typing import Literal

import attrs

__all__ = ["ATTACKS", "Attack", "program"]

_PROGRAM = """
import ctypes, json, mmap, os, platform, resource, signal, socket, stat, subprocess, sys, time
given = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)

def call(intel, arm, *arguments):
    number = dict(x86_64=intel, aarch64=arm)[platform.machine()]
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return True

def text(path, size=200):
    with open(path, "rb") as file:
        return file.read(size)

def open_for_writing(path):
    os.close(os.open(path, os.O_WRONLY))
    return True

def connects(family, kind, address):
    with socket.socket(family, kind) as client:
        client.settimeout(3)
        client.connect(address)
        return True

def attack():
{body}

try:
    worked = attack()
except (OSError, ValueError, OverflowError, RuntimeError, KeyError, subprocess.SubprocessError) as error:
    worked = False
print("escaped" if worked else "held", flush=True)
"""


@attrs.frozen(kw_only=True)
class Attack:
    """One attempt.

    Attributes:
        name: What a reader of a report sees.
        wall: The name in `unsupported` of what has to stand.
        code: The body of a Python function that returns true when the attempt succeeded.
        control: It is safe to see it succeed without a sandbox: always, for root only, or never.
    """

    name: str
    wall: str
    code: str
    control: Literal["always", "root", "never"] = "always"


def program(attack: Attack) -> str:
    """Return the attack as a program, which prints `escaped` or `held`; its argument is JSON about the target."""
    return _PROGRAM.replace("{body}", "\n".join(f"    {line}" for line in attack.code.splitlines()))


def _of(wall: str, rows: dict[str, str], control: Literal["always", "root", "never"] = "always") -> list[Attack]:
    return [Attack(name=name, wall=wall, code=code, control=control) for name, code in rows.items()]


_FILES = {
    "read by absolute path": 'return b"sesame" in text(given["secret"])',
    "read by dots": 'return b"sesame" in text("../outside/secret.txt")',
    "read through a link": 'os.symlink(given["secret"], "l1")\nreturn b"sesame" in text("l1")',
    "read through a linked folder": 'os.symlink(given["outside"], "l2")\nreturn b"sesame" in text("l2/secret.txt")',
    "read through a hard link": 'os.link(given["secret"], "l3")\nreturn b"sesame" in text("l3")',
    "read through the root of this process": 'return b"sesame" in text("/proc/self/root" + given["secret"])',
    "read through the root of another process": 'return b"sesame" in text("/proc/%d/root%s" % (given["pid"], given["secret"]))',
    "read through the folder of another process": 'return b"sesame" in text("/proc/%d/cwd/secret.txt" % given["pid"])',
    "read through a descriptor of another process": 'return b"sesame" in text("/proc/%d/fd/0" % given["pid"])',
    "list a folder outside": 'return "secret.txt" in os.listdir(given["outside"])',
    "write a new file outside": 'open(given["outside"] + "/new.txt", "x").close()\nreturn True',
    "overwrite a file outside": 'open(given["victim"], "w").write("gone")\nreturn True',
    "cut a file outside off": 'os.truncate(given["victim"], 0)\nreturn True',
    "remove a file outside": 'os.unlink(given["victim"])\nreturn True',
    "rename a file outside": 'os.rename(given["victim"], given["victim"] + ".old")\nreturn True',
    "change the mode of a file outside": 'os.chmod(given["victim"], 0o777)\nreturn True',
    "change the times of a file outside": 'os.utime(given["victim"], (1, 1))\nreturn True',
    "run a program outside": 'return subprocess.run([given["program"]], capture_output=True).stdout == b"ran\\n"',
    "connect to a socket in a file": 'return connects(socket.AF_UNIX, socket.SOCK_STREAM, given["door"])',
    "map a file outside": 'with open(given["secret"], "rb") as f:\n    return b"sesame" in mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)[:]',
}
_MACHINE_FILES = {
    "read through the root of process 1": 'return b"sesame" in text("/proc/1/root" + given["secret"])',
    "put an attribute on a file outside": 'os.setxattr(given["victim"], "user.mark", b"1")\nreturn True',
    "read the password hashes": 'return b":" in text("/etc/shadow")',
    "read a disk": """
import glob
for folder in glob.glob("/sys/class/block/*") or ["/vda", "/sda", "/nvme0n1"]:
    try:
        return len(text("/dev/" + os.path.basename(folder), 16)) == 16
    except OSError:
        continue
""",
    "make a device of a disk": 'os.mknod("disk", 0o600 | stat.S_IFBLK, os.makedev(254, 0))\nreturn len(text("disk", 16)) == 16',
}
_PROCESSES = {
    "see the command line of another process": 'return b"victim" in text("/proc/%d/cmdline" % given["pid"])',
    "read the environment of another process": 'return b"sesame" in text("/proc/%d/environ" % given["pid"], 4000)',
    "signal another process": 'os.kill(given["pid"], signal.SIGCONT)\nreturn True',
    "lower the priority of another process": 'os.setpriority(os.PRIO_PROCESS, given["pid"], 5)\nreturn True',
    "limit another process": 'resource.prlimit(given["pid"], resource.RLIMIT_CORE, (0, 0))\nreturn True',
    "move another process to one processor": 'os.sched_setaffinity(given["pid"], {min(os.sched_getaffinity(0))})\nreturn True',
    "make another process the first to be killed": 'open("/proc/%d/oom_score_adj" % given["pid"], "w").write("500")\nreturn True',
    "attach shared memory of another process": """
libc.shmat.restype = ctypes.c_void_p
place = libc.shmat(given["shared"], None, 0o10000)
return place not in (None, 2**64 - 1) and ctypes.string_at(place, 6) == b"sesame"
""",
}
_TRACED = {
    "trace another process": 'return call(101, 117, 16, given["pid"], 0, 0)',
    "open the memory of another process": 'return bool(os.open("/proc/%d/mem" % given["pid"], os.O_RDWR))',
    "take a descriptor of another process": 'return call(438, 438, os.pidfd_open(given["pid"]), 0, 0)',
}
_NETWORK = {
    "connect to this machine": 'return connects(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", given["port"]))',
    "connect to this machine's other address": 'return connects(socket.AF_INET, socket.SOCK_STREAM, (given["address"], given["port"]))',
    "connect by the address that means here": 'return connects(socket.AF_INET, socket.SOCK_STREAM, ("0.0.0.0", given["port"]))',
    "send a datagram to this machine": """
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
    peer.settimeout(3)
    peer.sendto(b"hello", ("127.0.0.1", given["datagrams"]))
    return peer.recv(9) == b"hello"
""",
    "connect to an abstract socket": 'return connects(socket.AF_UNIX, socket.SOCK_STREAM, "\\0" + given["name"])',
}
_NETWORK_HERE = {
    "see this machine's interfaces": 'return {name for _, name in socket.if_nameindex()} > {"lo"}',
    "reach a cloud's metadata": 'return connects(socket.AF_INET, socket.SOCK_STREAM, ("169.254.169.254", 80))',
    "look up a name": 'return bool(socket.getaddrinfo("example.com", 80))',
}
_RAW_NETWORK = {
    "make a raw socket": "socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()\nreturn True",
    "listen to all packets": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 768).close()\nreturn True",
}
_KERNEL = {
    "write the pattern of core dumps": 'return open_for_writing("/proc/sys/kernel/core_pattern")',
    "write the program for unknown modules": 'return open_for_writing("/proc/sys/kernel/modprobe")',
    "drop the caches of all": 'return open_for_writing("/proc/sys/vm/drop_caches")',
    "open the key to the kernel": 'return open_for_writing("/proc/sysrq-trigger")',
    "become the host's scheduler": "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))\nreturn True",
    "mount a file system": 'os.mkdir("m")\nreturn call(165, 40, b"none", b"m", b"tmpfs", 0, 0) and call(166, 39, b"m", 0)',
    "change the root": 'return call(161, 51, b".")',
    "rename the machine": "socket.sethostname('theirs')\nreturn True",
    "set the clock": "time.clock_settime(time.CLOCK_REALTIME, time.time())\nreturn True",
    "become root": "os.setuid(0)\nreturn os.geteuid() == 0 and open_for_writing('/etc/passwd')",
}
_CALLS = {
    "make a user namespace": """
child = os.fork()
if child == 0:
    os._exit(libc.unshare(0x10000000) != 0)
return os.waitpid(child, 0)[1] == 0
""",
    "make a ring of the kernel": "return call(425, 425, 1, ctypes.create_string_buffer(120))",
    "keep a key in the kernel": 'return call(248, 217, b"user", b"massgen", b"x", 1, 0xFFFFFFFE)',
    "make a socket to the machine's host": "socket.socket(40, socket.SOCK_STREAM).close()\nreturn True",
    "make a socket to the kernel's ciphers": "socket.socket(38, socket.SOCK_SEQPACKET).close()\nreturn True",
    "take page faults of the kernel": "return call(323, 282, 0)",
    "place memory where it wants": "return call(135, 92, 0x0040000)",
    "compare with another process": "return call(312, 272, os.getpid(), os.getpid(), 1, 0, 0)",
}

ATTACKS: tuple[Attack, ...] = (
    *_of("files", _FILES),
    *_of("files", _MACHINE_FILES, "never"),
    *_of("processes apart", _PROCESSES),
    *_of("processes apart", _TRACED, "root"),
    *_of("no network", _NETWORK),
    *_of("no network", _NETWORK_HERE, "never"),
    *_of("privileges", _RAW_NETWORK, "root"),
    *_of("privileges", _KERNEL, "never"),
    *_of("system calls", _CALLS, "never"),
)
