"""Checks of executors: each limit is enforced, or refused by name."""

from __future__ import annotations

from pathlib import Path

from massgen_core.api import Limits
from massgen_testkit.context import PlainContext
from massgen_testkit.sandboxes.base import Sandboxes

MEGABYTE = 1_000_000
# Children that each fill memory, say so, and keep it until all the others have theirs or are dead.
EATERS = """
import os, select, sys, time
others, size = int(sys.argv[1]) - 1, int(sys.argv[2])
told, tell = os.pipe()
wait, go = os.pipe()
for _ in range(others):
    if os.fork() == 0:
        os.close(go)
        block = b"x" * size
        os.write(1, b"full\\n")
        os.write(tell, b"x")
        os.read(wait, 1)
        os._exit(0)
block = b"x" * size
os.write(1, b"full\\n")
settled, end = 0, time.monotonic() + 60
while settled < others and time.monotonic() < end:
    if select.select([told], [], [], 0.05)[0]:
        settled += len(os.read(told, 100))
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if pid == 0:
            break
        settled += 1
"""
FORKS = """
import os, sys, time
made = 0
for _ in range(int(sys.argv[1])):
    try:
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
    except OSError:
        break
    made += 1
print(made)
"""
THREADS = """
import sys, threading
made, go = 0, threading.Event()
for _ in range(int(sys.argv[1])):
    try:
        threading.Thread(target=go.wait, daemon=True).start()
    except RuntimeError:
        break
    made += 1
print(made)
go.set()
"""


class LimitChecks(Sandboxes):
    """A limit that is asked for holds; one that cannot be enforced is refused when it is asked for."""

    async def test_memory_is_limited(self, context: PlainContext, workspace: Path) -> None:
        """A program that takes four times its memory does not get it; the sandbox lives on."""
        async with self.sandbox(context) as executor:
            result = await self.limited(executor, EATERS, "1", str(256 * MEGABYTE), feature="memory", limits=Limits(memory=64 * MEGABYTE))
            after = await self.run(executor, self.shell, "-c", "echo fine")

        assert result is None or (
            b"full" not in result.stdout and result.status in {"out_of_memory", "signalled", "exited"} and result.exit_code != 0
        )
        assert after.stdout == b"fine\n"

    async def test_memory_is_limited_for_the_whole_tree(self, context: PlainContext, workspace: Path) -> None:
        """Five children of a third of the limit each do not all get theirs: the limit is no limit of one process."""
        async with self.sandbox(context) as executor:
            result = await self.limited(executor, EATERS, "5", str(33 * MEGABYTE), feature="memory", limits=Limits(memory=96 * MEGABYTE))

        assert result is None or result.stdout.count(b"full") < 5

    async def test_memory_within_the_limit_is_there(self, context: PlainContext, workspace: Path) -> None:
        """A limit leaves what it allows."""
        async with self.sandbox(context) as executor:
            result = await self.limited(executor, EATERS, "1", str(50 * MEGABYTE), feature="memory", limits=Limits(memory=150 * MEGABYTE))

        assert result is None or (result.status, result.stdout) == ("exited", b"full\n")

    async def test_processes_are_limited(self, context: PlainContext, workspace: Path) -> None:
        """A program that multiplies stays at the limit, and the next command finds room again."""
        async with self.sandbox(context) as executor:
            for _ in range(2):
                result = await self.limited(executor, FORKS, "200", feature="processes", limits=Limits(processes=20))
                assert result is None or 5 <= int(result.stdout) <= 20

    async def test_threads_count_as_processes(self, context: PlainContext, workspace: Path) -> None:
        """Threads stay at the limit, too."""
        async with self.sandbox(context) as executor:
            result = await self.limited(executor, THREADS, "200", feature="processes", limits=Limits(processes=20))

        assert result is None or 5 <= int(result.stdout.splitlines()[0]) <= 20

    async def test_processes_of_two_commands_are_counted_apart(self, context: PlainContext, workspace: Path) -> None:
        """One command at its limit does not keep another from its own processes."""
        async with self.sandbox(context) as executor, executor.start(self.command("import time; time.sleep(60)")):
            result = await self.limited(executor, FORKS, "10", feature="processes", limits=Limits(processes=14))

        assert result is None or int(result.stdout) == 10

    async def test_descriptors_are_limited(self, context: PlainContext, workspace: Path) -> None:
        """A process opens as many files as it may, and cannot raise the limit."""
        code = """
import errno, os, resource
opened = []
try:
    while len(opened) < 500:
        opened.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error:
    assert error.errno == errno.EMFILE
for number in opened:
    os.close(number)
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    print(len(opened), "raised")
except (ValueError, OSError):
    print(len(opened), "kept")
"""
        async with self.sandbox(context) as executor:
            result = await self.limited(executor, code, feature="descriptors", limits=Limits(descriptors=64))

        if result is not None:
            count, raised = result.stdout.split()
            assert 32 <= int(count) <= 64
            assert raised == b"kept"

    async def test_file_sizes_are_limited(self, context: PlainContext, workspace: Path) -> None:
        """No file grows beyond the limit, in the workspace neither."""
        code = """
import os, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open("big", "wb", buffering=0) as file:
    try:
        for _ in range(40):
            file.write(b"x" * 100_000)
    except OSError:
        pass
print(os.path.getsize("big"))
"""
        async with self.sandbox(context) as executor:
            result = await self.limited(executor, code, feature="file_size", limits=Limits(file_size=MEGABYTE))

        assert result is None or 900_000 <= int(result.stdout) <= MEGABYTE

    async def test_temporary_files_are_limited(self, context: PlainContext, workspace: Path) -> None:
        """What is outside of the workspace and can be written to has a size, all together or each."""
        code = """
import os, tempfile
for folder in (tempfile.gettempdir(), "/dev/shm", os.environ["HOME"]):
    size = 0
    try:
        with open(os.path.join(folder, "big"), "wb", buffering=0) as file:
            while size < 64_000_000:
                size += file.write(b"x" * 100_000)
    except OSError:
        pass
    print(size)
"""
        async with self.sandbox(context) as executor:
            result = await self.limited(executor, code, feature="disk", limits=Limits(disk=8 * MEGABYTE))

        assert result is None or max(map(int, result.stdout.split())) <= 9 * MEGABYTE
        assert result is None or max(map(int, result.stdout.split())) >= MEGABYTE

    async def test_processor_time_is_limited(self, context: PlainContext, workspace: Path) -> None:
        """Two busy processes that may have half a core between them get no more."""
        code = """
import os, time
child = os.fork()
start, own = time.monotonic(), time.process_time()
while time.monotonic() < start + 2:
    pass
spent = time.process_time() - own
if child:
    os.waitpid(child, 0)
    spent = sum(os.times()[:4])
    print(spent / (time.monotonic() - start))
"""
        async with self.sandbox(context) as executor:
            result = await self.limited(executor, code, feature="cpus", limits=Limits(cpus=0.5))

        assert result is None or float(result.stdout) <= 0.75

    async def test_nothing_is_unlimited(self, context: PlainContext, workspace: Path) -> None:
        """What nobody limits has the executor's own limits: open files have an end, and no core is dumped."""
        self.need("descriptors")
        code = "import json, resource as r; print(json.dumps([r.getrlimit(r.RLIMIT_NOFILE)[1], r.getrlimit(r.RLIMIT_CORE)[1]]))"
        async with self.sandbox(context) as executor:
            files, core = await self.told(executor, code)

        assert 0 < files <= 1 << 20
        assert core == 0

    async def test_limits_of_one_command_are_not_the_next_ones(self, context: PlainContext, workspace: Path) -> None:
        """They last as long as their command."""
        self.need("descriptors")
        code = "import resource as r; print(r.getrlimit(r.RLIMIT_NOFILE)[0])"
        async with self.sandbox(context) as executor:
            plain = await self.script(executor, code)
            small = await self.script(executor, code, limits=Limits(descriptors=50))
            after = await self.script(executor, code)

        assert small.stdout == b"50\n"
        assert plain.stdout == after.stdout != small.stdout
