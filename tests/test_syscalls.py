"""The filter of system calls, run by an interpreter of its language: for both architectures, whatever this machine is."""

from __future__ import annotations

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core import syscalls
from massgen_core.api import FILTER_ARCHITECTURES, call_filter

ALLOW, KILL = 0x7FFF0000, 0x80000000
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def verdict(code: bytes, number: int, *arguments: int, audit: int) -> int:
    """Run the filter on a call, as the kernel would."""
    data = struct.pack("<iIQ6Q", number, audit, 0, *(argument & (2**64 - 1) for argument in (*arguments, *[0] * (6 - len(arguments)))))
    steps = [struct.unpack_from("<HBBI", code, at) for at in range(0, len(code), 8)]
    at, held = 0, 0
    while True:
        kind, yes, no, value = steps[at]
        at += 1
        if kind == 0x20:
            held = struct.unpack_from("<I", data, value)[0]
        elif kind == 0x06:
            return int(value)
        else:
            holds = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[kind]
            at += yes if holds else no


def failing(number: int) -> int:
    return 0x00050000 | number


@pytest.mark.parametrize("machine", AUDIT)
def test_what_is_listed_fails(machine: str) -> None:
    """Each call of the list fails as not permitted, on each architecture that has it."""
    index, code = list(AUDIT).index(machine), call_filter(architecture=machine)

    for name, numbers in syscalls.CALLS.items():
        if (number := numbers[index]) is not None:
            assert verdict(code, number, audit=AUDIT[machine]) == failing(errno.EPERM), name


@pytest.mark.parametrize("machine", AUDIT)
@given(number=st.integers(0, 500), argument=st.integers(0, 2**64 - 1))
def test_all_else_passes(machine: str, number: int, argument: int) -> None:
    """A call that is on no list passes, whatever its arguments."""
    index = list(AUDIT).index(machine)
    special = {each[index] for each in (*syscalls.CALLS.values(), syscalls.CLONE, syscalls.CLONE3, syscalls.SOCKET)}
    if number not in special:
        assert verdict(call_filter(architecture=machine), number, argument, audit=AUDIT[machine]) == ALLOW


@pytest.mark.parametrize("machine", AUDIT)
@given(flags=st.integers(0, 2**32 - 1))
def test_new_namespaces_fail(machine: str, flags: int) -> None:
    """A clone with a flag of a namespace fails; the newer call is said not to exist, so that libraries take the older."""
    index, code = list(AUDIT).index(machine), call_filter(architecture=machine)
    wanted = failing(errno.EPERM) if flags & 0x7E020000 else ALLOW

    assert verdict(code, syscalls.CLONE[index], flags, audit=AUDIT[machine]) == wanted
    assert verdict(code, syscalls.CLONE3[index], audit=AUDIT[machine]) == failing(errno.ENOSYS)


@pytest.mark.parametrize("machine", AUDIT)
@given(family=st.integers(0, 60), families=st.sets(st.integers(0, 45), max_size=6))
def test_only_the_named_sockets_are_made(machine: str, family: int, families: set[int]) -> None:
    """Of sockets those families pass that are named; with none, no socket is made."""
    code = call_filter(sorted(families), architecture=machine)
    wanted = ALLOW if family in families else failing(errno.EAFNOSUPPORT)

    assert verdict(code, syscalls.SOCKET[list(AUDIT).index(machine)], family, audit=AUDIT[machine]) == wanted


@pytest.mark.parametrize("machine", AUDIT)
@given(path=st.integers(0, 2**64 - 1), family=st.integers(0, 45))
def test_changes_of_files_can_be_refused(machine: str, path: int, family: int) -> None:
    """Without changes, modes and owners fail, and times by path; times of an open file pass."""
    index = list(AUDIT).index(machine)
    code = call_filter(changes=False, architecture=machine)

    for name, numbers in syscalls.CHANGES.items():
        if (number := numbers[index]) is not None:
            assert verdict(code, number, audit=AUDIT[machine]) == failing(errno.EPERM), name
            assert verdict(call_filter(architecture=machine), number, audit=AUDIT[machine]) == ALLOW, name
    assert verdict(code, syscalls.UTIMENSAT[index], 3, path, audit=AUDIT[machine]) == (failing(errno.EPERM) if path else ALLOW)
    assert verdict(code, syscalls.SOCKET[index], family, audit=AUDIT[machine]) == (
        ALLOW if family in syscalls.SOCKET_FAMILIES else failing(errno.EAFNOSUPPORT)
    )


def test_other_architectures_are_killed() -> None:
    """A program that calls with the numbers of another architecture, or of the x32 ABI, does not get past the list."""
    code = call_filter(architecture="x86_64")

    assert verdict(code, 0, audit=AUDIT["aarch64"]) == KILL
    assert verdict(code, 0x40000000 | 425, audit=AUDIT["x86_64"]) == failing(errno.EPERM)


def test_no_number_is_listed_twice() -> None:
    """A slip of the pen in the table would hide a call."""
    for index in range(2):
        numbers = [each[index] for each in (*syscalls.CALLS.values(), *syscalls.CHANGES.values()) if each[index] is not None]

        assert len(numbers) == len(set(numbers))


def test_an_architecture_without_a_filter_is_told() -> None:
    """Nothing is let through by a filter for another machine."""
    assert tuple(AUDIT) == FILTER_ARCHITECTURES
    with pytest.raises(ValueError, match="not in tuple"):
        call_filter(architecture="riscv64")
