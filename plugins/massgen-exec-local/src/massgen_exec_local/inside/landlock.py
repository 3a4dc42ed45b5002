"""Walls around a process that has no namespaces: Landlock for files, a filter for calls and sockets, no privileges."""

from __future__ import annotations

import ctypes
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)
_CREATE, _ADD, _RESTRICT, _CAPSET = 444, 445, 446, {"x86_64": 126, "aarch64": 91}
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_FOLDER = 1, 2, 4, 8
_TRUNCATE, _DEVICE_CALLS = 1 << 14, 1 << 15
_SCOPES = 0b11  # abstract UNIX sockets, signals
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _DEVICE_CALLS


def _call(number: int, *arguments: Any) -> int:
    result = int(_LIBC.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def version() -> int:
    """Return the version of Landlock's interface; 0 where there is none."""
    try:
        return _call(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    except OSError:
        return 0


def _handled(interface: int) -> int:
    return (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(interface, 16)) - 1


def enclose(walls: Mapping[str, Any]) -> None:
    """Put the walls around this process and all that it starts.

    Args:
        walls: `read` and `write`: paths; `filter`: a program for the kernel.

    Raises:
        OSError: One of them cannot be put up.
    """
    if _LIBC.prctl(_NO_NEW_PRIVILEGES, ctypes.c_ulong(1), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)):
        raise OSError(ctypes.get_errno(), "no-new-privileges is refused")
    _drop_capabilities()
    interface = version()
    handled = _handled(interface)
    ruleset = _ruleset(handled, interface)
    for path in walls["read"]:
        _allow(ruleset, path, handled & (_EXECUTE | _READ_FILE | _READ_FOLDER))
    for path in walls["write"]:
        _allow(ruleset, path, handled)
    _call(_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)
    _install(walls["filter"])


def _ruleset(handled: int, interface: int) -> int:
    values = [handled, 0, _SCOPES][: 3 if interface >= 6 else 2 if interface >= 4 else 1]
    attribute = (ctypes.c_uint64 * len(values))(*values)
    return _call(_CREATE, ctypes.byref(attribute), ctypes.c_size_t(ctypes.sizeof(attribute)), ctypes.c_uint32(0))


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            access &= _OF_FILES
        rule = access.to_bytes(8, "little") + descriptor.to_bytes(4, "little")
        _call(_ADD, ctypes.c_int(ruleset), ctypes.c_int(1), ctypes.c_char_p(rule), ctypes.c_uint32(0))
    finally:
        os.close(descriptor)


def _drop_capabilities() -> None:
    number = _CAPSET[os.uname().machine]
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _call(number, ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)()))


def _install(code: bytes) -> None:
    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))

    filter_of_calls = Program(len(code) // 8, code)
    if _LIBC.prctl(_SET_SECCOMP, ctypes.c_ulong(_FILTER), ctypes.byref(filter_of_calls), ctypes.c_ulong(0), ctypes.c_ulong(0)):
        raise OSError(ctypes.get_errno(), "the filter of system calls is refused")
