"""Checks of executors: what commands cannot see, reach or do."""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

import pytest

from massgen_core.api import ExecCommand, ExecutorFault, MassGenError
from massgen_testkit.context import PlainContext
from massgen_testkit.sandboxes.base import Sandboxes, contents

# Calls that a program of an agent has no use for, with arguments with which they would work: numbers are of x86_64 and of aarch64.
SYSTEM_CALLS: Mapping[str, tuple[tuple[int, int], str]] = {
    "io_uring_setup": ((425, 425), "1, ctypes.create_string_buffer(120)"),
    "keyctl": ((250, 219), "0, 0xFFFFFFFD, 1, 0, 0"),
    "add_key": ((248, 217), "b'user', b'a', b'b', 1, 0xFFFFFFFD"),
    "bpf": ((321, 280), "0, ctypes.create_string_buffer(72), 72"),
    "perf_event_open": ((298, 241), "ctypes.create_string_buffer(120), 0, 0xFFFFFFFF, 0xFFFFFFFF, 0"),
    "userfaultfd": ((323, 282), "1, 0, 0"),
    "unshare": ((272, 97), "0x10000000, 0, 0"),
    "setns": ((308, 268), "os.open('/proc/self/ns/uts', 0), 0, 0"),
    "mount": ((165, 40), "b'none', b'/tmp', b'tmpfs', 0, 0"),
    "chroot": ((161, 51), "b'/tmp', 0, 0"),
    "ptrace": ((101, 117), "0, 0, 0, 0"),
    "kexec_load": ((246, 104), "0, 0, 0, 0"),
    "init_module": ((175, 105), "0, 0, b''"),
    "swapon": ((167, 224), "b'/tmp/x', 0, 0"),
    "reboot": ((169, 142), "0, 0, 0, 0"),
    "settimeofday": ((164, 170), "ctypes.create_string_buffer(16), 0, 0"),
    "process_vm_readv": ((310, 270), "1, 0, 0, 0, 0, 0"),
    "open_by_handle_at": ((304, 265), "3, ctypes.create_string_buffer(136), 0"),
}
CALL = """
import ctypes, errno, os, platform, sys
libc = ctypes.CDLL(None, use_errno=True)
numbers = dict(x86_64=int(sys.argv[1]), aarch64=int(sys.argv[2]))
if platform.machine() not in numbers:
    print("EPERM")
else:
    result = libc.syscall(numbers[platform.machine()], {arguments})
    print("done" if result >= 0 else errno.errorcode.get(ctypes.get_errno(), "?"))
"""
SYSTEM_FOLDERS = ("/", "/usr", "/usr/bin", "/etc", "/sys", "/boot", "/root")
MISUSED = {"EFAULT", "EINVAL", "EBADF"}  # answers of a call that was let in
SOCKETS = {"AF_VSOCK": 40, "AF_PACKET": 17, "AF_ALG": 38, "AF_BLUETOOTH": 31}


class WallChecks(Sandboxes):
    """A command that tries does not get out."""

    async def test_files_of_this_machine_are_not_there(self, context: PlainContext, workspace: Path, tmp_path: Path) -> None:
        """Neither a file beside the workspace, nor one in the temporary folder, nor the passwords."""
        self.need("files")
        (tmp_path / "secret.txt").write_text("sesame", encoding="utf-8")
        with tempfile.NamedTemporaryFile(prefix="massgen-testkit-") as other:
            other.write(b"sesame")
            other.flush()
            code = """
import json, sys
found = []
for path in sys.argv[1:]:
    try:
        found.append(open(path, "rb").read(100).decode("latin-1"))
    except OSError as error:
        found.append(type(error).__name__)
print(json.dumps(found))
"""
            async with self.sandbox(context) as executor:
                found = await self.told(executor, code, str(tmp_path / "secret.txt"), other.name, "/etc/shadow", "../secret.txt")

        assert "sesame" not in str(found)
        assert {"FileNotFoundError", "PermissionError"} >= set(found)

    @pytest.mark.parametrize("folder", ["..", "../..", "/proc/self/cwd/..", "/proc/1/root", "/proc/self/fd/3", "/dev/fd/4"])
    async def test_no_working_folder_leads_out(self, context: PlainContext, workspace: Path, tmp_path: Path, folder: str) -> None:
        """Whichever folder a command asks for, it does not see what is beside the workspace."""
        self.need("files")
        (tmp_path / "secret.txt").write_text("sesame", encoding="utf-8")
        async with self.sandbox(context) as executor:
            try:
                result = await self.run(executor, self.shell, "-c", "pwd; cat secret.txt ../secret.txt ./*/secret.txt; true", folder=folder)
            except (OSError, ValueError, MassGenError):
                return
        assert b"sesame" not in result.stdout

    @pytest.mark.parametrize("place", [*SYSTEM_FOLDERS, "/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern"])
    async def test_nothing_but_the_workspace_can_be_written_to(self, context: PlainContext, workspace: Path, place: str) -> None:
        """The system's folders take no new file, and settings of the kernel no value."""
        self.need("read-only root")
        code = """
import os, sys
place = sys.argv[1]
path = os.path.join(place, sys.argv[2]) if os.path.isdir(place) or not os.path.exists(place) else place
try:
    with open(path, "r+" if os.path.exists(path) else "x") as file:
        file.write(file.read() if path == place else "x")
    print("written")
except OSError as error:
    print(type(error).__name__)
"""
        async with self.sandbox(context) as executor:
            result = await self.script(executor, code, place, f"massgen-{secrets.token_hex(4)}")

        assert result.stdout.strip() != b"written", result

    async def test_processes_of_this_machine_are_not_there(self, context: PlainContext, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Commands neither see nor signal processes outside, nor read their environment."""
        self.need("processes apart")
        monkeypatch.setenv("MASSGEN_TESTKIT_SECRET", "sesame")
        code = """
import glob, json, os, sys
seen = []
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    try:
        seen.append(open(path, "rb").read().decode("latin-1"))
    except OSError:
        pass
try:
    os.kill(int(sys.argv[1]), 0)
    other = os.readlink("/proc/%s/exe" % sys.argv[1])
except OSError as error:
    other = type(error).__name__
print(json.dumps([seen, len(glob.glob("/proc/[0-9]*")), other]))
"""
        async with self.sandbox(context) as executor:
            seen, count, other = await self.told(executor, code, str(os.getpid()))

        assert "sesame" not in str(seen)
        assert "pytest" not in str(seen)
        assert count < 40
        assert other in {"ProcessLookupError", "PermissionError", "FileNotFoundError"}

    async def test_no_descriptor_of_ours_is_inherited(self, context: PlainContext, workspace: Path, tmp_path: Path) -> None:
        """A command has its three streams; a file that is open here is not open there."""
        with (tmp_path / "secret.txt").open("w+") as file:
            os.set_inheritable(file.fileno(), True)
            code = """
import json, os
found = []
for number in range(4096):
    try:
        os.fstat(number)
        found.append(number)
    except OSError:
        pass
print(json.dumps(found))
"""
            async with self.sandbox(context) as executor:
                found = await self.told(executor, code)

        assert found == [0, 1, 2]

    # Privileges

    async def test_no_privileges_are_held_or_gained(self, context: PlainContext, workspace: Path) -> None:
        """No capability is held, and none can be gained by running a program with the set-user-id bit."""
        self.need("privileges")
        code = """
import ctypes, json, platform
libc = ctypes.CDLL(None, use_errno=True)
header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert libc.syscall(dict(x86_64=125, aarch64=90)[platform.machine()], ctypes.byref(header), ctypes.byref(sets)) == 0
print(json.dumps([list(sets), libc.prctl(39, 0, 0, 0, 0)]))  # PR_GET_NO_NEW_PRIVS
"""
        async with self.sandbox(context) as executor:
            assert await self.told(executor, code) == [[0] * 6, 1]

    @pytest.mark.parametrize("name", SYSTEM_CALLS)
    async def test_dangerous_system_calls_are_refused(self, context: PlainContext, workspace: Path, name: str) -> None:
        """Calls that have let programs out of sandboxes, or that only an administrator needs."""
        self.need("system calls")
        (intel, arm), arguments = SYSTEM_CALLS[name]
        async with self.sandbox(context) as executor:
            result = await self.script(executor, CALL.replace("{arguments}", arguments), str(intel), str(arm))

        told = result.stdout.decode().strip()
        assert result.status != "signalled" or result.exit_code == 159, result  # killed by the filter
        assert told != "done"
        assert told not in MISUSED, f"{name} was let in: {told}"

    @pytest.mark.parametrize("family", SOCKETS)
    async def test_odd_sockets_are_refused(self, context: PlainContext, workspace: Path, family: str) -> None:
        """Kinds of sockets that no network policy governs cannot be made."""
        self.need("system calls")
        code = "import socket, sys\ntry: socket.socket(int(sys.argv[1]), int(sys.argv[2]), 0); print('made')\nexcept OSError: print('refused')"
        kind = {"AF_VSOCK": 1, "AF_PACKET": 3, "AF_ALG": 5, "AF_BLUETOOTH": 3}[family]
        async with self.sandbox(context) as executor:
            result = await self.script(executor, code, str(SOCKETS[family]), str(kind))

        assert result.stdout == b"refused\n"

    async def test_devices_are_harmless(self, context: PlainContext, workspace: Path) -> None:
        """No disk, no memory device, and none can be made; the harmless ones work."""
        self.need("privileges")
        code = """
import json, os, stat
devices = []
for folder, _, names in os.walk("/dev"):
    for name in names:
        state = os.lstat(os.path.join(folder, name))
        if stat.S_ISBLK(state.st_mode) or name in ("mem", "kmem", "port", "kvm", "fuse", "kmsg"):
            try:
                os.close(os.open(os.path.join(folder, name), os.O_RDONLY))
                devices.append(name)
            except OSError:
                pass
try:
    os.mknod("null-of-mine", 0o666 | stat.S_IFBLK, os.makedev(8, 0))
    devices.append("made")
except OSError:
    pass
open("/dev/null", "w").write("x")
print(json.dumps([devices, len(open("/dev/urandom", "rb").read(8)), len(open("/dev/zero", "rb").read(8))]))
"""
        async with self.sandbox(context) as executor:
            assert await self.told(executor, code) == [[], 8, 8]

    async def test_the_terminal_is_out_of_reach(self, context: PlainContext, workspace: Path) -> None:
        """A command has no controlling terminal, into which it could type."""
        self.need("terminal")
        code = "import os\ntry: os.open('/dev/tty', os.O_RDWR); print('open')\nexcept OSError: print('refused')"
        async with self.sandbox(context) as executor:
            result = await self.script(executor, code)

        assert result.stdout == b"refused\n"

    # Neighbours

    async def test_sandboxes_are_apart(self, context: PlainContext, workspace: Path, tmp_path: Path) -> None:
        """Of two agents neither sees the other's workspace, temporary files, processes or sockets."""
        self.need("files")
        self.need("processes apart")
        other = PlainContext(folder=tmp_path / "other", workspace=tmp_path / "other" / "workspace", agent="b")
        assert other.workspace
        other.workspace.mkdir(parents=True)
        first = """
import os, socket, tempfile, time
for folder in (".", tempfile.gettempdir(), os.environ["HOME"], "/dev/shm"):
    try:
        open(os.path.join(folder, "neighbour.txt"), "w").write("sesame")
    except OSError:
        pass
server = socket.socket(socket.AF_UNIX)
server.bind("\\0massgen-neighbour")
server.listen()
print(os.getcwd(), flush=True)
time.sleep(600)
"""
        second = """
import glob, json, os, socket, sys, tempfile
found = []
for folder in (".", sys.argv[1], tempfile.gettempdir(), os.environ["HOME"], "/dev/shm"):
    if sys.argv[1] != os.getcwd() or folder not in (".", sys.argv[1]):
        found += [folder] if os.path.exists(os.path.join(folder, "neighbour.txt")) else []
client = socket.socket(socket.AF_UNIX)
try:
    client.connect("\\0massgen-neighbour")
    found.append("socket")
except OSError:
    pass
found += [path for path in glob.glob("/proc/[0-9]*/cmdline") if b"massgen-neighbour" in open(path, "rb").read() and str(os.getpid()) not in path]
print(json.dumps(found))
"""
        async with self.sandbox(context) as mine, self.sandbox(other) as theirs, mine.start(ExecCommand(argv=(self.python, "-c", first))) as process:
            place = (await anext(process.stdout())).decode().strip()

            assert await self.told(theirs, second, place) == []
            with pytest.raises(FileNotFoundError):
                await theirs.read("neighbour.txt")

    # Shared folders

    @pytest.fixture
    def shared(self, tmp_path: Path) -> Path:
        """A folder of this machine with a file."""
        folder = tmp_path / "shared"
        folder.mkdir()
        (folder / "given.txt").write_text("given", encoding="utf-8")
        return folder

    async def test_a_read_only_folder_stays_as_it_is(self, context: PlainContext, workspace: Path, shared: Path) -> None:
        """It can be read, and neither commands nor `write` change it."""
        self.need("mounts")
        options, place = self.mounting(shared, writable=False)
        async with self.sandbox(context, options) as executor:
            result = await self.run(
                executor,
                self.shell,
                "-c",
                f"cd {place} && cat given.txt; echo x > given.txt; echo x > new.txt; rm given.txt; mv given.txt a; chmod 600 .",
            )
            with suppress(OSError, ExecutorFault):
                await executor.write(f"{place}/new.txt", b"x")

        assert result.stdout == b"given"
        assert contents(shared) == {"given.txt": "given"}

    async def test_a_writable_folder_can_be_written_to(self, context: PlainContext, workspace: Path, shared: Path) -> None:
        """What commands write there is ours to read, and belongs to the folder's owner."""
        self.need("mounts")
        options, place = self.mounting(shared, writable=True)
        async with self.sandbox(context, options) as executor:
            result = await self.run(executor, self.shell, "-c", f"echo new > {place}/new.txt")

        assert result.exit_code == 0
        assert contents(shared)["new.txt"] == "new\n"
        assert os.stat(shared / "new.txt").st_uid == os.stat(shared).st_uid

    @pytest.mark.parametrize("place", ["/", "/proc", "/sys", "/dev", "/etc", "/var/run", "~", "socket", "link", "missing"])
    async def test_dangerous_folders_are_not_shared(self, context: PlainContext, workspace: Path, tmp_path: Path, place: str) -> None:
        """The machine's own folders, a home, a socket, a folder that a link of the workspace stands for: refused when the sandbox is opened."""
        self.need("dangerous mounts")
        link = workspace / "link"
        link.symlink_to("/etc")
        with closing(socket.socket(socket.AF_UNIX)) as server, tempfile.TemporaryDirectory() as short:
            server.bind(f"{short}/socket")
            folder = {"~": Path.home(), "socket": Path(short, "socket"), "link": link, "missing": tmp_path / "nothing"}.get(place, Path(place))
            options, _ = self.mounting(folder, writable=True)
            with pytest.raises((MassGenError, OSError, ValueError)):
                async with self.sandbox(context, options) as executor:
                    await self.run(executor, self.shell, "-c", "true")
        assert not (tmp_path / "nothing").exists()
