"""Checks of executors: files in and out, and the links that lead elsewhere."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from massgen_core.api import ExecutorFault
from massgen_testkit.context import PlainContext
from massgen_testkit.sandboxes.base import PATIENCE, Sandboxes, contents

REFUSED = (OSError, ExecutorFault)
NAMES = ("plain.txt", "a/b/c/deep.txt", "two words.txt", "żółć-🐧.txt", "-rf", "new\nline", "'quoted\"", "$HOME", "...dots")


class FileChecks(Sandboxes):
    """`read` and `write` reach what commands see, and nothing else."""

    @pytest.mark.parametrize("name", NAMES)
    async def test_files_go_in_and_come_out(self, context: PlainContext, workspace: Path, name: str) -> None:
        """What is written is read, byte for byte, by us and by commands, under any name; folders are made."""
        data = bytes(range(256))
        async with self.sandbox(context) as executor:
            await executor.write(name, data)
            result = await self.run(executor, "cat", f"./{name}")
            await executor.write(name, b"")

            assert result.stdout == data
            assert await executor.read(name) == b""

    async def test_large_files_are_whole(self, context: PlainContext, workspace: Path) -> None:
        """Ten megabytes go in and come out."""
        data = secrets.token_bytes(1 << 20) * 10
        async with self.sandbox(context) as executor:
            await executor.write("large", data)
            with anyio.fail_after(PATIENCE):
                assert await executor.read("large") == data

    async def test_written_files_belong_to_commands(self, context: PlainContext, workspace: Path) -> None:
        """A command may change and delete what was written, and the folders that were made for it."""
        async with self.sandbox(context) as executor:
            await executor.write("made/by/us.txt", b"1")
            result = await self.run(executor, self.shell, "-c", "echo 2 >> made/by/us.txt && cat made/by/us.txt && rm -r made && echo gone")

        assert (result.exit_code, result.stdout) == (0, b"12\ngone\n")

    async def test_what_commands_write_is_read(self, context: PlainContext, workspace: Path) -> None:
        """Also under the path that commands see, and through links that stay inside."""
        async with self.sandbox(context) as executor:
            result = await self.run(executor, self.shell, "-c", "mkdir d; echo mine > d/f; ln -s d/f link; pwd")

            assert await executor.read("d/f") == b"mine\n"
            assert await executor.read(f"{result.stdout.decode().strip()}/d/f") == b"mine\n"
            assert await executor.read("link") == b"mine\n"

    async def test_what_is_not_there_is_told(self, context: PlainContext, workspace: Path) -> None:
        """A missing file is `FileNotFoundError`; a folder is no file."""
        async with self.sandbox(context) as executor:
            await executor.write("folder/file", b"")
            for path in ("nothing", "nothing/below", "folder/nothing"):
                with pytest.raises(FileNotFoundError):
                    await executor.read(path)
            with pytest.raises(REFUSED):
                await executor.read("folder")

    async def test_writes_at_once_are_whole(self, context: PlainContext, workspace: Path) -> None:
        """Ten files written together are each what was written."""
        async with self.sandbox(context) as executor:
            with anyio.fail_after(PATIENCE):
                async with anyio.create_task_group() as tasks:
                    for number in range(10):
                        tasks.start_soon(executor.write, f"many/{number}", b"%d" % number * 10_000)

            assert [await executor.read(f"many/{number}") for number in range(10)] == [b"%d" % number * 10_000 for number in range(10)]

    async def test_a_pipe_or_a_device_does_not_hold_us(self, context: PlainContext, workspace: Path) -> None:
        """A pipe that a command made in the place of a file is refused at once."""
        async with self.sandbox(context) as executor:
            await self.run(executor, "mkfifo", "pipe")
            with anyio.fail_after(10), pytest.raises(REFUSED):
                await executor.read("pipe")

    # Ways out

    @pytest.fixture
    def outside(self, tmp_path: Path) -> Path:
        """A file of this machine that no sandbox may touch."""
        file = tmp_path / "outside" / "secret.txt"
        file.parent.mkdir()
        file.write_text("sesame", encoding="utf-8")
        return file

    @pytest.mark.parametrize("link", ["file", "folder", "chain", "up"])
    async def test_links_out_of_the_workspace_are_not_followed_by_read(
        self, context: PlainContext, workspace: Path, outside: Path, link: str
    ) -> None:
        """Whatever a command links to, we do not read a file of this machine for it."""
        path = await self.linked(context, outside, link)
        async with self.sandbox(context) as executor:
            try:
                found = await executor.read(path)
            except REFUSED:
                return
        assert b"sesame" not in found

    @pytest.mark.parametrize("link", ["file", "folder", "chain", "up"])
    async def test_links_out_of_the_workspace_are_not_followed_by_write(
        self, context: PlainContext, workspace: Path, outside: Path, link: str
    ) -> None:
        """Whatever a command links to, we do not write a file of this machine for it."""
        path = await self.linked(context, outside, link)
        async with self.sandbox(context) as executor:
            for each in (path, f"{path}-new"):
                try:
                    await executor.write(each, b"overwritten")
                except REFUSED:
                    continue

        assert contents(outside.parent) == {"secret.txt": "sesame"}

    async def linked(self, context: PlainContext, outside: Path, link: str) -> str:
        """Let a command make a link out of the workspace; return the path that leads through it."""
        targets = {"file": outside, "folder": outside.parent, "chain": "first", "up": Path(*[".."] * 40, *outside.parts[1:])}
        context = PlainContext(folder=context.folder, workspace=context.workspace)
        async with self.sandbox(context) as executor:
            await self.run(executor, "ln", "-s", str(outside), "first")
            await self.run(executor, "ln", "-s", str(targets[link]), "link")
        return "link/secret.txt" if link == "folder" else "link"

    @pytest.mark.parametrize("path", ["../outside/secret.txt", "a/../../outside/secret.txt", "{}", "/proc/self/root{}", "/proc/self/cwd/../x"])
    async def test_paths_out_of_the_workspace_are_refused(self, context: PlainContext, workspace: Path, outside: Path, path: str) -> None:
        """No spelling of a path reaches a file of this machine, neither for reading nor for writing."""
        self.need("files")
        path = path.format(outside)
        async with self.sandbox(context) as executor:
            await executor.write("a/b", b"")
            found = b""
            with suppress(*REFUSED):
                found = await executor.read(path)
            with suppress(*REFUSED):
                await executor.write(path, b"overwritten")

        assert b"sesame" not in found
        assert contents(outside.parent) == {"secret.txt": "sesame"}

    async def test_a_path_that_changes_meanwhile_does_not_lead_out(self, context: PlainContext, workspace: Path, outside: Path) -> None:
        """A command swaps a folder for a link to one of this machine, again and again, while we read and write: nothing is read or written there."""
        code = """
import os, sys, time
os.makedirs("real", exist_ok=True)
open("real/secret.txt", "w").write("mine")
os.rename("real", "spot")
os.symlink(sys.argv[1], "trap")
print("ready", flush=True)
while True:
    os.rename("spot", "aside"); os.rename("trap", "spot")
    os.rename("spot", "trap"); os.rename("aside", "spot")
"""
        found: set[bytes] = set()
        async with self.sandbox(context) as executor, executor.start(self.command(code, str(outside.parent))) as process:
            with anyio.fail_after(PATIENCE):
                assert await anext(process.stdout()) == b"ready\n"
                for _ in range(200):
                    with suppress(*REFUSED):
                        found.add(await executor.read("spot/secret.txt"))
                    with suppress(*REFUSED):
                        await executor.write("spot/new.txt", b"written")

        assert found <= {b"mine"}
        assert contents(outside.parent) == {"secret.txt": "sesame"}
