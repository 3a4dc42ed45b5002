"""Attacks on a sandbox, by name: Python code that succeeds or raises OSError, and the container in which it succeeds.

Each stands with the options of an ordinary container in which the attack works, so that a check which could never fail is found out; None where
trying it without the defence would harm the machine, or needs what this machine may not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["ATTACKS", "PRELUDE", "Control"]

Control = Mapping[str, Any] | None
PLAIN: Control = {}
USER: Control = {"user": "1000:1000"}
FREE: Control = {"security_opt": ["seccomp=unconfined"]}
ADMIN: Control = {"cap_add": ["SYS_ADMIN"], "security_opt": ["seccomp=unconfined"]}

PRELUDE = """
import ctypes, json, mmap, os, platform, resource, signal, socket, struct, sys, threading, time
facts = json.loads(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
def call(intel, arm, *arguments):
    result = libc.syscall(intel if platform.machine() == "x86_64" else arm, *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def need(what):
    if not what:
        raise OSError("held")
def connect(host, port):
    socket.create_connection((host, port), 2).close()
def fill(folder, size):
    path = os.path.join(folder, "filled")
    try:
        with open(path, "wb", buffering=0) as file:
            left = size
            while left > 0:
                left -= file.write(b"x" * 65536)
    finally:
        os.unlink(path)
def status(name):
    return dict(line.split(":", 1) for line in open("/proc/self/status"))[name].strip()
try:
    exec(sys.argv[1])
except (OSError, RuntimeError, MemoryError) as error:
    print("held", type(error).__name__, error)
else:
    print("in")
"""
ATTACKS: Mapping[str, tuple[str, Control]] = {
    # Files of the image and of the kernel
    "write to the root": ("open('/x', 'w')", PLAIN),
    "replace a program": ("open('/usr/bin/true', 'r+b')", PLAIN),
    "add a user": ("open('/etc/passwd', 'a')", PLAIN),
    "write a service": ("os.makedirs('/etc/mine')", PLAIN),
    "write to root's home": ("open(os.path.expanduser('~root') + '/.bashrc', 'w')", PLAIN),
    "mount a file system": ("call(165, 40, b'none', b'/root', b'tmpfs', 0, 0)", ADMIN),
    "remount the root writable": ("call(165, 40, b'none', b'/', b'', 32, 0); open('/x', 'w')", {**(ADMIN or {}), "read_only": True}),
    "unmount a masked path": ("call(166, 39, b'/proc/kcore', 2)", None),
    "make a disk's device": ("os.mknod('/tmp/disk', 0o600 | 0o060000, os.makedev(8, 0))", PLAIN),
    "read the memory's device": ("open('/dev/mem', 'rb').read(1)", None),
    "write to the kernel's log": ("open('/dev/kmsg', 'rb')", None),
    "change root's folder": ("os.chroot('/usr')", PLAIN),
    "give a file away": ("open('/tmp/f', 'w').close(); os.chown('/tmp/f', 1234, 1234)", PLAIN),
    "set the crash handler": ("open('/proc/sys/kernel/core_pattern', 'r+')", None),
    "press a system request": ("open('/proc/sysrq-trigger', 'w')", None),
    "read the kernel's memory": ("need(open('/proc/kcore', 'rb').read(4))", None),
    "read the kernel's keys": ("need(open('/proc/keys').read())", None),
    "write a control group": ("[open(os.path.join('/sys/fs/cgroup', *p), 'r+') for p in [facts['group']]]", None),
    "write to the system's settings": ("open('/sys/kernel/profiling', 'w')", None),
    "reach the engine's socket": (
        "s = socket.socket(socket.AF_UNIX); s.connect('/var/run/docker.sock')",
        {"volumes": ["/var/run/docker.sock:/var/run/docker.sock"]},
    ),
    "open a file by its handle": ("call(303, 264, -100, b'/dev/shm', struct.pack('Ii128x', 128, 0), ctypes.create_string_buffer(8), 0)", FREE),
    # Namespaces
    "share the network": ("need(os.readlink('/proc/self/ns/net') == facts['net'])", {"network_mode": "host"}),
    "share the processes": ("need(os.readlink('/proc/self/ns/pid') == facts['pid'])", {"pid_mode": "host"}),
    "share memory segments": ("need(os.readlink('/proc/self/ns/ipc') == facts['ipc'])", {"ipc_mode": "host"}),
    "share the host's name": ("need(os.readlink('/proc/self/ns/uts') == facts['uts'])", {"uts_mode": "host"}),
    "see this test's process": (
        "open('/proc/%d/cmdline' % facts['me']).read(); need('pytest' in open('/proc/%d/cmdline' % facts['me']).read())",
        {"pid_mode": "host"},
    ),
    "make a user namespace": ("call(272, 97, 0x10000000)", FREE),
    "make a process in a user namespace": ("call(56, 220, 0x10000000 | 17, 0, 0, 0, 0) or os._exit(0)", FREE),
    "enter a namespace": ("call(308, 268, os.open('/proc/self/ns/uts', 0), 0)", ADMIN),
    "change the host's name": ("socket.sethostname('mine')", ADMIN),
    # Privileges
    "hold a capability": ("need(int(status('CapEff'), 16))", PLAIN),
    "gain a capability later": ("need(int(status('CapBnd'), 16))", USER),
    "gain privileges by a program": ("need(libc.prctl(39, 0, 0, 0, 0) == 0)", USER),
    "run as root": ("need(os.getuid() == 0)", PLAIN),
    "become root": ("os.setuid(0)", PLAIN),
    "take root's group": ("os.setgroups([0])", PLAIN),
    # The agent
    "read the agent's memory": ("open('/proc/%d/mem' % os.getppid(), 'rb')", None),
    "write to the agent's streams": ("[open('/proc/%d/fd/%d' % (os.getppid(), n), 'wb') for n in (0, 1, 3, 4)]", None),
    "read the agent's variables": ("open('/proc/%d/environ' % os.getppid()).read()", None),
    "see the agent's files": ("os.listdir('/proc/%d/fd' % os.getppid())", None),
    # System calls
    "use io_uring": ("call(425, 425, 1, ctypes.create_string_buffer(120))", PLAIN),
    "trace a process": ("p = os.fork() or time.sleep(60); call(101, 117, 16, p, 0, 0); os.kill(p, 9)", USER),
    "read another's memory": (
        "b = ctypes.create_string_buffer(8); v = struct.pack('QQ', ctypes.addressof(b), 8); call(310, 270, os.getpid(), v, 1, v, 1, 0)",
        FREE,
    ),
    "use the kernel's keys": ("call(250, 219, 0, -3, 1)", FREE),
    "add a key": ("call(248, 217, b'user', b'a', b'b', 1, -3)", FREE),
    "handle page faults": ("call(323, 282, 1)", FREE),
    "load a program into the kernel": ("call(321, 280, 0, ctypes.create_string_buffer(struct.pack('IIIII', 2, 4, 8, 4, 0), 72), 72)", ADMIN),
    "count the processor's events": ("call(298, 241, ctypes.create_string_buffer(struct.pack('IIQ', 1, 112, 0), 112), 0, -1, -1, 0)", ADMIN),
    "change what addresses mean": ("call(135, 92, 0x0040000)", FREE),
    "compare processes": ("call(312, 272, os.getpid(), os.getpid(), 0, 0, 0)", FREE),
    "read the kernel's messages": (
        "call(103, 116, 3, ctypes.create_string_buffer(100), 100)",
        {"cap_add": ["SYSLOG"], "security_opt": ["seccomp=unconfined"]},
    ),
    "set the clock": ("call(164, 170, struct.pack('qq', 0, 0), 0)", None),
    "turn the machine off": ("call(169, 142, 0xfee1dead, 0x28121969, 0, 0)", None),
    "load a module": ("call(313, 273, 0, b'', 0)", None),
    "start another kernel": ("call(246, 104, 0, 0, 0, 0)", None),
    "add swap": ("call(167, 224, b'/tmp/x', 0)", None),
    # Sockets and networks
    "talk to the hypervisor": ("socket.socket(40, 1)", PLAIN),
    "send raw packets": ("socket.socket(2, 3, 1)", PLAIN),
    "listen to all packets": ("socket.socket(17, 3, 3)", PLAIN),
    "reach a server of this machine": ("connect(facts['gateway'], facts['port'])", PLAIN),
    "reach this machine's loopback": ("connect('127.0.0.1', facts['port'])", {"network_mode": "host"}),
    "reach an abstract socket": ("s = socket.socket(socket.AF_UNIX); s.connect(chr(0) + facts['abstract'])", {"network_mode": "host"}),
    "send a datagram": ("socket.socket(2, 2).sendto(b'x', (facts['gateway'], 9))", PLAIN),
    "have an interface": ("need(len(socket.if_nameindex()) > 1)", PLAIN),
    "ask a cloud's metadata": ("connect('169.254.169.254', 80)", None),
    "ask for a name": ("socket.getaddrinfo('example.org', 443)", None),
    # Resources
    "multiply": ("made = []\nfor _ in range(200):\n p = os.fork() or time.sleep(60)\n made.append(p)\n[os.kill(p, 9) for p in made]", PLAIN),
    "start threads": ("go = threading.Event(); [threading.Thread(target=go.wait, daemon=True).start() for _ in range(200)]", PLAIN),
    "take memory": ("x = bytearray(400 << 20)", PLAIN),
    "take memory in children": (
        "[os.fork() or (bytearray(60 << 20), time.sleep(3), os._exit(0)) for _ in range(6)]\nneed([os.wait()[1] for _ in range(6)] == [0] * 6)",
        PLAIN,
    ),
    "take memory as files": ("fill('/dev/shm', 60 << 20)", {"shm_size": "512m"}),
    "fill the temporary folder": ("fill('/tmp', 40 << 20)", PLAIN),
    "use up all files' nodes": ("os.mkdir('/tmp/nodes')\nfor n in range(5000): open('/tmp/nodes/%d' % n, 'w').close()", PLAIN),
    "open a thousand files": ("x = [open('/dev/null') for _ in range(1000)]", PLAIN),
    "write a huge file": ("signal.signal(signal.SIGXFSZ, signal.SIG_IGN); fill(os.getcwd(), 40 << 20)", PLAIN),
    "leave a core": ("need(resource.getrlimit(resource.RLIMIT_CORE)[1])", None),
    "raise a limit": ("resource.setrlimit(resource.RLIMIT_NOFILE, (100000, 100000))", None),
    "run before others": ("os.nice(-5)", {"cap_add": ["SYS_NICE"]}),
    "survive want of memory": ("with open('/proc/self/oom_score_adj', 'w') as file: file.write('-1000')", None),
}
