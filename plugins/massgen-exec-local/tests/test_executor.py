"""Which walls are chosen, what is refused, and attempts to get out that only this executor has to fear."""

from __future__ import annotations

import os
import secrets
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import anyio
import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.api import (
    CommandRefused,
    ExecutorUnavailable,
    Limits,
    LimitUnsupported,
    MassGenError,
    NetworkPolicy,
    NoticeGiven,
    SandboxLost,
)
from massgen_exec_local import beside, bubblewrap, cgroups, executor
from massgen_exec_local.cell import Cell
from massgen_exec_local.leftovers import PREFIX, own_name
from massgen_testkit import PlainContext

from .processes import children, cmdline, command_lines, descendants, runs
from .sandboxes import NEEDS_BUBBLEWRAP, Open, command

pytestmark = [pytest.mark.anyio, NEEDS_BUBBLEWRAP]


# The choice of walls


async def test_bubblewrap_is_chosen_where_it_works(sandbox: Open, context: PlainContext) -> None:
    """Nothing needs to be said about it."""
    async with sandbox() as found:
        assert found.wall == "bubblewrap"
    assert context.records.of(NoticeGiven) == []


async def test_landlock_comes_second_and_is_told(sandbox: Open, context: PlainContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without bubblewrap there are weaker walls, and a notice says so, why, and what would help."""
    monkeypatch.setenv("PATH", str(tmp_path))
    async with sandbox() as found:
        assert found.wall == "landlock"
        assert (await found.run(command("cat", "/etc/shadow"))).exit_code == 1
    (notice,) = context.records.of(NoticeGiven)
    assert notice.level == "warning"
    assert "behind Landlock" in notice.text
    assert "apt install bubblewrap" in notice.text


@pytest.mark.parametrize("wanted", ["auto", "bubblewrap", "landlock"])
async def test_without_walls_nothing_runs(sandbox: Open, monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    """A missing sandbox is an error that says what to do; it is never left out silently."""
    monkeypatch.setattr(bubblewrap, "missing", lambda: "bubblewrap is not installed")
    monkeypatch.setattr(beside, "missing", lambda: "this kernel has no Landlock")
    with pytest.raises(ExecutorUnavailable, match=r"no sandbox can be made: .*Install bubblewrap.*sandbox: none"):
        async with sandbox(sandbox=wanted):
            pass


async def test_no_walls_at_all_is_told(sandbox: Open, context: PlainContext) -> None:
    """`none` runs commands as they are, and the run's log says so."""
    async with sandbox(sandbox="none") as found:
        result = await found.run(command("cat", "/proc/self/uid_map"))
    assert result.exit_code == 0
    assert ["without a sandbox" in notice.text for notice in context.records.of(NoticeGiven)] == [True]


async def test_walls_that_do_not_stand_are_found(sandbox: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """What bubblewrap puts up is looked at from within: with a filter that lets everything through, it is not used."""
    everything = (0x06, 0, 0, 0x7FFF0000)
    monkeypatch.setattr(bubblewrap, "call_filter", lambda *_, **__: __import__("struct").pack("<HBBI", *everything))
    monkeypatch.setattr(bubblewrap, "_options", lambda _: " ".join(bubblewrap.NEEDED))  # an older one, without --disable-userns
    monkeypatch.setattr(executor, "_verified", set())
    with pytest.raises(ExecutorUnavailable, match="namespaces cannot be made in it"):
        async with sandbox(sandbox="bubblewrap"):
            pass


async def test_a_bubblewrap_that_fails_says_why(sandbox: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its own words are in the error, for instance where the system forbids user namespaces."""
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "bwrap"
    help_text = " ".join(bubblewrap.NEEDED)
    help_text = " ".join(bubblewrap.NEEDED)
    fake.write_text(f"#!/bin/sh\n[ $1 = --help ] && echo '{help_text}' && exit 0\necho 'bwrap: No permissions to create new namespace' >&2; exit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(ExecutorUnavailable, match="No permissions to create new namespace"):
        async with sandbox(sandbox="bubblewrap"):
            pass


# What is refused


async def test_a_configured_limit_that_does_not_hold_is_refused_at_start(sandbox: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without control groups nobody may ask for memory or processors, and the message says what would help."""
    monkeypatch.setattr(cgroups, "find", lambda: cgroups.Cgroups({}, is_second=True))
    with pytest.raises(LimitUnsupported, match=r"the limit memory cannot be enforced here .*control groups"):
        async with sandbox(limits={"memory": 100_000_000}):
            pass
    async with sandbox() as found:
        assert (await found.run(command("true"))).exit_code == 0
        with pytest.raises(LimitUnsupported, match="the limit cpus"):
            await found.run(command("true", limits=Limits(cpus=1)))


@pytest.mark.parametrize("mode", ["full", "allow"])
async def test_a_network_that_is_closed_stays_closed(sandbox: Open, mode: str) -> None:
    """A command cannot open what the configuration has closed."""
    async with sandbox() as found:
        with pytest.raises(LimitUnsupported, match="network"):
            await found.run(command("true", network=NetworkPolicy(mode=mode, hosts=("example.com:443",) * (mode == "allow"))))  # type: ignore[arg-type]


async def test_patterns_are_asked(sandbox: Open) -> None:
    """A command that is blocked does not start, neither way."""
    async with sandbox(blocked_commands=["touch"], allowed_commands=["to.*", "echo"]) as found:
        for argv in (("touch", "made"), ("cat", "x"), ("sh", "-c", "touch made")):
            with pytest.raises(CommandRefused):
                await found.run(command(*argv))
            with pytest.raises(CommandRefused):
                async with found.start(command(*argv)):
                    pass
        assert (await found.run(command("echo", "x"))).stdout == b"x\n"
        with pytest.raises(FileNotFoundError):
            await found.read("made")


async def test_a_share_that_is_too_much_is_refused_at_start(sandbox: Open) -> None:
    """Paths of the configuration are looked at when the sandbox is opened."""
    with pytest.raises(MassGenError, match="too much"):
        async with sandbox(write=["/"]):
            pass


@pytest.mark.parametrize("place", ["/", "/home", "/etc"])
async def test_a_workspace_that_is_too_much_is_refused(context: PlainContext, place: str) -> None:
    """A run in such a folder would show all of it to commands."""
    context.workspace = Path(place)
    with pytest.raises(MassGenError, match=r"workspace\[0\]: .*(too much|belongs to the system)"):
        async with context:
            await context.open("executor", "local")


async def test_a_file_without_end_is_not_read(sandbox: Open) -> None:
    """A file of a terabyte of nothing does not take our memory."""
    async with sandbox(limits={"file_size": 1 << 41}) as found:
        assert (await found.run(command("truncate", "-s", "1T", "endless"))).exit_code == 0
        with pytest.raises(OSError, match="larger than"):
            await found.read("endless")


@given(st.integers(1, 1 << 40))
def test_temporary_files_have_what_was_asked_for(disk: int) -> None:
    """Two file systems share the limit, in whole pages; neither is of no size, which would be no limit."""
    found = bubblewrap.sizes(disk)

    assert all(size > 0 and size % bubblewrap.PAGE == 0 for size in found.values())
    assert sum(found.values()) <= max(disk, 2 * bubblewrap.PAGE)


@pytest.mark.parametrize("disk", [1, 10_000, 1_000_001])
async def test_odd_sizes_of_temporary_files_work(sandbox: Open, disk: int) -> None:
    """Whatever number of bytes is asked for, the sandbox is set up, and no larger."""
    async with sandbox() as found:
        result = await found.run(command("sh", "-c", "head -c 5000000 /dev/zero > /tmp/big; stat -c %s /tmp/big", limits=Limits(disk=disk)))
    assert int(result.stdout or 0) <= max(disk, 8192)


# Secrets


async def test_secrets_are_variables_and_nothing_else(sandbox: Open, context: PlainContext) -> None:
    """A reference becomes its value in the command's environment; it stands on no command line of this machine."""
    context.secrets = {"env:TOKEN": "sesame-street-1234"}
    async with sandbox(env={"TOKEN": "env:TOKEN", "PLAIN": "a:b"}) as found:
        async with found.start(command("sh", "-c", "echo $TOKEN $PLAIN $MORE; cat", env={"MORE": "open-5678"})) as process:
            assert await anext(process.stdout()) == b"sesame-street-1234 a:b open-5678\n"
            lines = command_lines()
            assert "bwrap" in lines
            assert "sesame-street" not in lines
            assert "open-5678" not in lines
        result = await found.run(command("sh", "-c", "cat /proc/1/environ /proc/1/cmdline"))
    assert b"sesame" not in result.stdout + result.stderr


# Ways out


CHANGE = """
chmod 600 /dev/null
chmod 600 /dev/tty
cat /proc/sys/kernel/core_pattern > /proc/sys/kernel/core_pattern && echo written
echo x > /dev/null && echo fine
"""


@pytest.fixture
def unchanged() -> Iterator[None]:
    """Look at what a sandbox of root might change, and put it right where it was."""
    settings, mode = Path("/proc/sys/kernel/core_pattern"), stat.S_IMODE(os.stat("/dev/null").st_mode)
    pattern = settings.read_bytes()
    yield
    after = stat.S_IMODE(os.stat("/dev/null").st_mode)
    if after != mode:
        os.chmod("/dev/null", mode)
    assert (after, settings.read_bytes()) == (mode, pattern)


@pytest.mark.usefixtures("unchanged")
async def test_roots_files_cannot_be_changed(sandbox: Open) -> None:
    """Started by root, commands own the kernel's settings and the machine's devices; they can change neither."""
    async with sandbox() as found:
        result = await found.run(command("sh", "-c", CHANGE))

    assert b"written" not in result.stdout
    assert b"fine" in result.stdout or os.geteuid() != 0


REACH = """
import os
for path in ("/proc/1/mem", "/proc/1/environ", *(f"/proc/1/fd/{number}" for number in range(64))):
    try:
        print("open", os.open(path, os.O_RDONLY), os.readlink(path))
    except OSError:
        pass
for pid in (1, -1):
    try:
        os.kill(pid, 9)
    except OSError:
        pass
print("alive")
"""


@pytest.mark.parametrize("user", ["", "0", "0:0"])
async def test_processes_of_the_sandbox_do_not_reach_their_supervisor(sandbox: Open, user: str) -> None:
    """A command may kill everything that it sees; its supervisor tells how it ended all the same."""
    async with sandbox() as found:
        result = await found.run(command("python3", "-c", REACH, user=user))

    assert (result.status, result.exit_code, result.stdout) == ("exited", 0, b"alive\n")


async def test_a_lost_supervisor_is_a_lost_sandbox(sandbox: Open) -> None:
    """When somebody kills the sandbox from outside, that is no result, and nothing of it is left."""
    async with sandbox() as found:
        async with found.start(command("sh", "-c", "sleep 600 & echo ready; wait")) as process:
            await anext(process.stdout())
            mine = [pid for pid in children(os.getpid()) if "bwrap" in cmdline(pid)]
            left = [pid for parent in mine for pid in descendants(parent)]
            for pid in mine:
                os.kill(pid, signal.SIGKILL)
            with anyio.fail_after(20), pytest.raises(SandboxLost):
                await process.wait()
        assert len(left) >= 3
        with anyio.fail_after(20):
            while any(map(runs, left)):  # noqa: ASYNC110 - nothing tells
                await anyio.sleep(0.05)
        assert (await found.run(command("echo", "x"))).stdout == b"x\n"


# Control groups


async def test_groups_of_the_dead_are_removed(sandbox: Open) -> None:
    """What a killed owner left is removed by whoever opens a sandbox next; what a living one uses stays."""
    groups = cgroups.find()
    if not groups.folders:
        pytest.skip("not in CI: this user may make no control groups")
    base = next(iter(groups.folders.values()))
    dead, living = base / f"{PREFIX}4194305-1-{secrets.token_hex(6)}", base / own_name()
    dead.mkdir()
    living.mkdir()
    try:
        async with sandbox():
            assert not dead.exists()
            assert living.exists()
    finally:
        living.rmdir()


async def test_nothing_is_left_of_commands(sandbox: Open) -> None:
    """Neither control groups, devices nor temporary folders are left after the sandbox's end."""
    groups = cgroups.find()
    async with sandbox() as found:
        for wanted in ("true", "false", "no-such-program"):
            await found.run(command(wanted))
    mine = f"{PREFIX}{os.getpid()}-*"
    assert [folder for base in (*groups.folders.values(), Path(tempfile.gettempdir())) for folder in base.glob(mine)] == []


async def test_running_out_of_memory_has_a_name(sandbox: Open) -> None:
    """The kernel's killing for want of memory is told from any other; the peak is about the limit."""
    async with sandbox() as found:
        if "memory" not in found.groups.folders:
            pytest.skip("not in CI: this user may make no control groups")
        result = await found.run(command("python3", "-c", "x = b'x' * 300_000_000", limits=Limits(memory=64 << 20)))
        killed = await found.run(command("sh", "-c", "kill -9 $$", limits=Limits(memory=64 << 20)))

    assert (result.status, result.exit_code) == ("out_of_memory", 137)
    assert result.memory is not None
    assert 32 << 20 <= result.memory <= 65 << 20
    assert killed.status == "signalled"


async def test_a_supervisor_outside_of_its_groups_gets_no_command() -> None:
    """A supervisor comes into its control groups by itself, and whether it has is looked at before it is given a command."""
    groups = cgroups.find()
    if "processes" not in groups.folders:
        pytest.skip("not in CI: this user may make no control groups")
    group = groups.make(frozenset({"processes"}), 1)
    try:
        group.set({"processes": 5})
        cell = Cell(beside.vector(), group.doors)
        try:
            await cell.ready()
            group.check(cell.pid)
            with pytest.raises(LimitUnsupported, match="limits of"):
                group.check(os.getpid())
        finally:
            cell.close()
    finally:
        assert group.close()


@pytest.mark.parametrize("limits", [Limits(), Limits(descriptors=20)], ids=["beside", "copied"])
async def test_both_ways_of_starting_are_the_same_to_a_command(sandbox: Open, limits: Limits) -> None:
    """With room for the supervisor under the command's limits it starts it directly, else by a copy of itself; commands see no difference."""
    code = "import os, resource, signal; print(os.getsid(0) == os.getpid(), signal.getsignal(signal.SIGPIPE), len(os.listdir('/proc/self/fd')))"
    async with sandbox() as found:
        told = await found.run(command("python3", "-c", code, limits=limits))
        missing = await found.run(command("no-such-program", limits=limits))
        unreadable = await found.run(command("/etc/passwd", limits=limits))
        nowhere = await found.run(attrs.evolve(command("true", limits=limits), folder="no-such"))

    assert told.stdout.split()[0] == b"True"
    assert told.stdout.split()[-1] == b"4"
    assert [(each.status, each.exit_code) for each in (missing, unreadable, nowhere)] == [("not_found", 127), ("not_found", 126), ("not_found", 127)]
