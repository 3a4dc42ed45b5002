"""A filter of system calls for executors, as a program for the kernel's packet filter: what is listed fails, all else passes."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Sequence

__all__ = ["FILTER_ARCHITECTURES", "SOCKET_FAMILIES", "call_filter"]

# Name: number on x86_64, on aarch64; None where it does not exist. What has let programs out of sandboxes, or serves administrators only.
CALLS: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_settime": (227, 112),
    "create_module": (174, None),
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
    "quotactl_fd": (443, 443),
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
# What Landlock does not see: whose files are, their modes and attributes, their times by their paths.
CHANGES: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None),
    "chown": (92, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "fremovexattr": (199, 16),
    "fsetxattr": (190, 7),
    "futimesat": (261, None),
    "lchown": (94, None),
    "lremovexattr": (198, 15),
    "lsetxattr": (189, 6),
    "removexattr": (197, 14),
    "removexattrat": (466, 466),
    "setxattr": (188, 5),
    "setxattrat": (463, 463),
    "utime": (132, None),
    "utimes": (235, None),
}
UTIMENSAT = (280, 88)
CLONE, CLONE3, SOCKET = (56, 220), (435, 435), (41, 198)
_NEW_NAMESPACES = 0x7E020000
SOCKET_FAMILIES: tuple[int, ...] = (1, 2, 10, 16)  # UNIX, IPv4, IPv6, netlink: what policies for networks know
FILTER_ARCHITECTURES: tuple[str, ...] = ("x86_64", "aarch64")
_AUDIT = (0xC000003E, 0xC00000B7)

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24
_ALLOW, _KILL = 0x7FFF0000, 0x80000000


def _fail(number: int) -> int:
    return 0x00050000 | number


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", code, yes, no, value)


def call_filter(families: Sequence[int] = SOCKET_FAMILIES, *, changes: bool = True, architecture: str = "") -> bytes:
    """Return a filter, eight bytes an instruction, that refuses what has let programs out of sandboxes or serves administrators only.

    New namespaces fail, and so do sockets of families that are not named. Calls by the numbers of another architecture end the program.

    Args:
        families: The kinds of sockets that may be made; none at all where it is empty.
        changes: Modes, owners, attributes and times of files may be changed.
        architecture: One of `FILTER_ARCHITECTURES`; empty: this machine's.

    Raises:
        ValueError: There is no filter for the architecture.
    """
    index = FILTER_ARCHITECTURES.index(architecture or os.uname().machine)
    steps = [_step(_LOAD, _ARCHITECTURE), _step(_EQUAL, _AUDIT[index], 1, 0), _step(_RETURN, _KILL), _step(_LOAD, _NUMBER)]
    if index == 0:  # calls of the x32 ABI have numbers of their own
        steps += [_step(_AT_LEAST, 0x40000000, 0, 1), _step(_RETURN, _fail(errno.EPERM))]
    for numbers in (*CALLS.values(), *(() if changes else CHANGES.values())):
        if (number := numbers[index]) is not None:
            steps += [_step(_EQUAL, number, 0, 1), _step(_RETURN, _fail(errno.EPERM))]
    if not changes:  # of an open file it passes: there is no path then
        steps += [_step(_EQUAL, UTIMENSAT[index], 0, 5), _step(_LOAD, _SECOND_ARGUMENT), _step(_EQUAL, 0, 0, 2)]
        steps += [_step(_LOAD, _SECOND_ARGUMENT + 4), _step(_EQUAL, 0, 1, 0), _step(_RETURN, _fail(errno.EPERM))]
        steps += [_step(_LOAD, _NUMBER)]
    # Its flags are behind a pointer; libraries fall back to clone, whose flags can be looked at.
    steps += [_step(_EQUAL, CLONE3[index], 0, 1), _step(_RETURN, _fail(errno.ENOSYS))]
    steps += [_step(_EQUAL, CLONE[index], 0, 4), _step(_LOAD, _FIRST_ARGUMENT), _step(_ANY_BIT, _NEW_NAMESPACES, 0, 1)]
    steps += [_step(_RETURN, _fail(errno.EPERM)), _step(_LOAD, _NUMBER)]
    steps += [_step(_EQUAL, SOCKET[index], 0, len(families) + 2), _step(_LOAD, _FIRST_ARGUMENT)]
    steps += [_step(_EQUAL, family, len(families) - place, 0) for place, family in enumerate(families)]
    steps += [_step(_RETURN, _fail(errno.EAFNOSUPPORT)), _step(_RETURN, _ALLOW)]
    return b"".join(steps)
