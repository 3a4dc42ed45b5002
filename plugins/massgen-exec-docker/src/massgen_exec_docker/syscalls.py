"""A filter of system calls that is put over the engine's own: what is listed fails, all else is left to the engine."""

from __future__ import annotations

import errno
import struct
from collections.abc import Mapping
from functools import cache

__all__ = ["programs"]

# The numbers on x86_64 and on aarch64; None where the call does not exist. The engine's profile lets some of them in.
_CALLS: Mapping[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "memfd_secret": (447, 447),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
_MACHINES = {"x86_64": (0, 0xC000003E, 56, 41), "aarch64": (1, 0xC00000B7, 220, 198)}  # place above, audit number, clone, socket
_CLONE3 = 435
_NAMESPACES = 0x7E020000
_FAMILIES = (1, 2, 10, 16)  # UNIX, IPv4, IPv6, netlink: what policies for networks know
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _MACHINE, _ARGUMENT = 0, 4, 16
_X32 = 0x40000000


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", code, yes, no, value)


def _program(place: int, audit: int, clone: int, socket: int) -> bytes:
    refused = _step(_RETURN, _FAIL | errno.EPERM)
    steps = [_step(_LOAD, _MACHINE), _step(_EQUAL, audit, 1, 0), _step(_RETURN, _KILL), _step(_LOAD, _NUMBER)]
    if place == 0:
        steps += [_step(_AT_LEAST, _X32, 0, 1), refused]
    for numbers in _CALLS.values():
        number = numbers[place]
        if number is not None:
            steps += [_step(_EQUAL, number, 0, 1), refused]
    # The flags of clone3 are behind a pointer; told that it does not exist, libraries take clone.
    steps += [_step(_EQUAL, _CLONE3, 0, 1), _step(_RETURN, _FAIL | errno.ENOSYS)]
    steps += [_step(_EQUAL, clone, 0, 4), _step(_LOAD, _ARGUMENT), _step(_ANY_BIT, _NAMESPACES, 0, 1), refused, _step(_LOAD, _NUMBER)]
    steps += [_step(_EQUAL, socket, 0, len(_FAMILIES) + 2), _step(_LOAD, _ARGUMENT)]
    steps += [_step(_EQUAL, family, len(_FAMILIES) - at, 0) for at, family in enumerate(_FAMILIES)]
    steps += [_step(_RETURN, _FAIL | errno.EAFNOSUPPORT), _step(_RETURN, _ALLOW)]
    return b"".join(steps)


@cache
def programs() -> Mapping[str, str]:
    """Return the filter for each kind of machine, as hexadecimal digits."""
    return {machine: _program(*numbers).hex() for machine, numbers in _MACHINES.items()}
