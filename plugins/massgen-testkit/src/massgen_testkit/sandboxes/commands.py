"""Checks of executors: how commands are given, and how they end."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from massgen_core.api import ExecCommand, ExecResult, LimitUnsupported, MassGenError
from massgen_testkit.context import PlainContext
from massgen_testkit.leaks import Leaks
from massgen_testkit.sandboxes.base import PATIENCE, Sandboxes

ODD = ("", " ", "a b", "'", '"', "$HOME", "`id`", "; id", "&&", "*", "--", "-c", "new\nline", "\t", "\\", "%s", "żółć 🐧", "x" * 100_000)


class CommandChecks(Sandboxes):
    """Arguments, input, environment, folder, user; exit codes and outputs."""

    @pytest.mark.parametrize("code", [0, 1, 2, 77, 124, 126, 127, 130, 137, 255])
    async def test_an_exit_code_is_the_programs_own(self, context: PlainContext, workspace: Path, code: int) -> None:
        """Whatever number a program exits with, it exited, and that is the number: also those that shells use for other things."""
        async with self.sandbox(context) as executor:
            result = await self.run(executor, self.shell, "-c", f"exit {code}")

        assert (result.status, result.exit_code) == ("exited", code)
        assert (result.stdout, result.stderr, result.dropped) == (b"", b"", 0)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGABRT])
    async def test_a_signal_is_told_from_an_exit(self, context: PlainContext, workspace: Path, number: signal.Signals) -> None:
        """A program that a signal ended was signalled; the code is 128 and the signal's number."""
        async with self.sandbox(context) as executor:
            result = await self.script(executor, "import os, sys; os.kill(os.getpid(), int(sys.argv[1]))", str(int(number)))

        assert (result.status, result.exit_code) == ("signalled", 128 + number)

    async def test_a_missing_program_is_a_value(self, context: PlainContext, workspace: Path) -> None:
        """Nothing ran, the code is 127, and the message names the program; the next command runs."""
        async with self.sandbox(context) as executor:
            result = await self.run(executor, "no-such-program-anywhere", "--version")
            after = await self.run(executor, self.shell, "-c", "exit 3")

        assert (result.status, result.exit_code, result.stdout) == ("not_found", 127, b"")
        assert b"no-such-program-anywhere" in result.stderr
        assert after.exit_code == 3

    async def test_a_file_that_is_no_program_is_a_value(self, context: PlainContext, workspace: Path) -> None:
        """Nothing ran, and the code is 126."""
        async with self.sandbox(context) as executor:
            await executor.write("notes.txt", b"not a program")
            result = await self.run(executor, "./notes.txt")

        assert (result.status, result.exit_code) == ("not_found", 126)
        assert result.stderr.strip()

    @pytest.mark.parametrize("argv", [(), ("",), ("a\0b",)], ids=["nothing", "empty", "zero-byte"])
    async def test_a_command_that_makes_no_sense_is_refused(self, context: PlainContext, workspace: Path, argv: tuple[str, ...]) -> None:
        """It is an error at once, or a command that was not found; never a hang."""
        async with self.sandbox(context) as executor:
            try:
                result = await self.run(executor, *argv)
            except (ValueError, MassGenError):
                return
        assert result.status == "not_found"

    async def test_arguments_arrive_as_they_are(self, context: PlainContext, workspace: Path) -> None:
        """No shell reads them: blanks, quotes, variables, options, line ends and other alphabets, a hundred kilobytes, an empty one."""
        async with self.sandbox(context) as executor:
            found = await self.told(executor, "import json, sys; print(json.dumps(sys.argv[1:]))", *ODD)

        assert tuple(found) == ODD

    async def test_an_argument_too_long_for_the_system_is_a_value(self, context: PlainContext, workspace: Path) -> None:
        """It arrives whole, or nothing ran."""
        async with self.sandbox(context) as executor:
            result = await self.script(executor, "import sys; print(len(sys.argv[1]))", "x" * 4_000_000)

        assert (result.status, result.exit_code) in {("exited", 0), ("not_found", 126)}
        assert result.status == "not_found" or result.stdout.strip() == b"4000000"

    # Input and outputs

    async def test_outputs_stay_apart(self, context: PlainContext, workspace: Path) -> None:
        """What goes to standard output is not in standard error, nor the other way round."""
        async with self.sandbox(context) as executor:
            result = await self.run(executor, self.shell, "-c", "echo out; echo err >&2; echo again")

        assert (result.stdout, result.stderr) == (b"out\nagain\n", b"err\n")

    async def test_outputs_are_bytes(self, context: PlainContext, workspace: Path) -> None:
        """Every byte, invalid UTF-8, terminal sequences and line ends of all kinds come back unchanged, on both outputs."""
        code = "import os; data = bytes(range(256)) + b'\\r\\n\\x1b[31m\\xff\\xfe\\x00'; os.write(1, data); os.write(2, data[::-1])"
        async with self.sandbox(context) as executor:
            result = await self.script(executor, code)

        data = bytes(range(256)) + b"\r\n\x1b[31m\xff\xfe\x00"
        assert (result.stdout, result.stderr) == (data, data[::-1])

    async def test_input_is_bytes(self, context: PlainContext, workspace: Path) -> None:
        """Every byte of the input arrives, and then its end."""
        async with self.sandbox(context) as executor:
            result = await self.run(executor, "cat", stdin=bytes(range(256)) * 3)

        assert result.stdout == bytes(range(256)) * 3

    async def test_an_input_of_twenty_megabytes_arrives(self, context: PlainContext, workspace: Path) -> None:
        """Input has no limit of its own."""
        data = bytes(range(251)) * 80_000
        async with self.sandbox(context) as executor:
            code = "import hashlib, sys; data = sys.stdin.buffer.read(); print(len(data), hashlib.sha256(data).hexdigest())"
            result = await self.script(executor, code, stdin=data)

        assert len(data) > 20_000_000
        assert result.stdout.decode().split() == [str(len(data)), hashlib.sha256(data).hexdigest()]

    async def test_without_input_there_is_its_end(self, context: PlainContext, workspace: Path) -> None:
        """A program that reads its input sees the end at once; it does not wait, nor read this process's own."""
        async with self.sandbox(context) as executor:
            result = await self.run(executor, "cat")

        assert (result.exit_code, result.stdout) == (0, b"")

    @pytest.mark.parametrize("reads", [0, 10])
    async def test_input_that_is_not_read_does_no_harm(self, context: PlainContext, workspace: Path, reads: int) -> None:
        """A program may end with most of its input unread."""
        async with self.sandbox(context) as executor:
            result = await self.script(executor, f"import os; os.read(0, {reads}) if {reads} else 0; print('done')", stdin=b"x" * 2_000_000)

        assert (result.status, result.exit_code, result.stdout) == ("exited", 0, b"done\n")

    async def test_input_and_outputs_flow_together(self, context: PlainContext, workspace: Path) -> None:
        """A program that answers while it reads does not block on either side."""
        data = b"0123456789abcde\n" * 100_000
        async with self.sandbox(context) as executor:
            result = await self.run(executor, "cat", stdin=data, limits=self.roomy())

        assert result.stdout == data

    # Environment, folder, user

    async def test_variables_arrive_as_they_are(self, context: PlainContext, workspace: Path) -> None:
        """Named variables have their values, whatever is in them."""
        env = {f"MASSGEN_TEST_{number}": value for number, value in enumerate(ODD[:-1])}
        async with self.sandbox(context) as executor:
            found = await self.told(executor, "import json, os; print(json.dumps(dict(os.environ)))", env=env)

        assert {name: found.get(name) for name in env} == env

    async def test_the_environment_is_clean(self, context: PlainContext, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing of this process's environment arrives; programs are found, and HOME and a temporary folder can be written to."""
        monkeypatch.setenv("MASSGEN_TESTKIT_SECRET", "sesame")
        code = """
import json, os, tempfile
open(os.path.join(os.environ["HOME"], "note"), "w").close()
print(json.dumps([dict(os.environ), tempfile.mkdtemp()]))
"""
        async with self.sandbox(context) as executor:
            env, _ = await self.told(executor, code)

        assert "MASSGEN_TESTKIT_SECRET" not in env
        assert "sesame" not in str(env)
        assert "PATH" in env

    async def test_variables_of_one_command_are_not_the_next_ones(self, context: PlainContext, workspace: Path) -> None:
        """They last as long as their command."""
        async with self.sandbox(context) as executor:
            await self.run(executor, self.shell, "-c", "true", env={"MASSGEN_TEST": "1"})
            result = await self.run(executor, self.shell, "-c", 'echo "${MASSGEN_TEST-none}"')

        assert result.stdout == b"none\n"

    async def test_commands_start_in_the_workspace(self, context: PlainContext, workspace: Path) -> None:
        """Relative paths lead into the workspace, and what is written there stays for the next command."""
        async with self.sandbox(context) as executor:
            await self.run(executor, self.shell, "-c", "echo hello > kept.txt; mkdir -p inner; echo deep > inner/kept.txt")
            result = await self.run(executor, self.shell, "-c", "cat kept.txt")
            inner = await self.run(executor, self.shell, "-c", "cat kept.txt; pwd", folder="inner")

        assert result.stdout == b"hello\n"
        assert inner.stdout.startswith(b"deep\n")
        assert inner.stdout.rstrip().endswith(b"/inner")

    async def test_a_folder_by_its_path_inside(self, context: PlainContext, workspace: Path) -> None:
        """What `pwd` says can be given as the folder of another command."""
        async with self.sandbox(context) as executor:
            first = await self.run(executor, self.shell, "-c", "mkdir -p 'a b' && cd 'a b' && pwd")
            second = await self.run(executor, self.shell, "-c", "pwd", folder=first.stdout.decode().rstrip("\n"))

        assert second.stdout == first.stdout

    @pytest.mark.parametrize("folder", ["no/such/folder", "a-file"])
    async def test_a_missing_folder_is_a_value(self, context: PlainContext, workspace: Path, folder: str) -> None:
        """Nothing ran, the code is 127, and the message names the folder."""
        async with self.sandbox(context) as executor:
            await executor.write("a-file", b"")
            result = await self.run(executor, self.shell, "-c", "echo ran", folder=folder)

        assert (result.status, result.exit_code, result.stdout) == ("not_found", 127, b"")
        assert folder.encode() in result.stderr

    async def test_commands_run_as_nobody_in_particular(self, context: PlainContext, workspace: Path) -> None:
        """Unless a user is named, commands do not run as root."""
        self.need("unprivileged user")
        async with self.sandbox(context) as executor:
            result = await self.run(executor, "id", "-u")

        assert int(result.stdout) != 0

    async def test_a_user_is_honoured_or_refused(self, context: PlainContext, workspace: Path) -> None:
        """A command runs as the user that it names; an executor that cannot do that says so, and never runs it as another."""
        async with self.sandbox(context) as executor:
            if "users" in self.unsupported:
                with pytest.raises(LimitUnsupported, match="user"):
                    await self.run(executor, "id", "-u", user="1234")
                return
            result = await self.run(executor, "id", "-u", user="1234")

        assert result.stdout.strip() == b"1234"

    # Results

    async def test_a_result_says_what_it_took(self, context: PlainContext, workspace: Path) -> None:
        """Wall time is there; CPU time and peak memory are there or None, and plausible."""
        code = "import time; block = bytearray(60_000_000); start = time.process_time()\nwhile time.process_time() < start + 0.3: pass"
        async with self.sandbox(context) as executor:
            result = await self.script(executor, code)

        assert 0.25 <= result.seconds <= PATIENCE
        assert result.cpu_seconds is None or 0.25 <= result.cpu_seconds <= PATIENCE
        assert result.memory is None or result.memory >= 50_000_000

    async def test_labels_are_only_labels(self, context: PlainContext, workspace: Path) -> None:
        """Labels change nothing for the command, whatever is in them."""
        labels: Mapping[str, str] = {"massgen.step": "7", "odd key": "two words\nand a line; $HOME"}
        async with self.sandbox(context) as executor:
            result = await self.run(executor, self.shell, "-c", "echo fine", labels=labels)

        assert result.stdout == b"fine\n"

    async def test_commands_at_once_get_their_own_results(self, context: PlainContext, workspace: Path) -> None:
        """Twelve commands under way together each have their input, output and code."""
        results: dict[int, ExecResult] = {}

        async def one(executor: Any, number: int) -> None:
            command = ExecCommand(argv=(self.shell, "-c", f"cat; echo {number} >&2; exit {number}"), stdin=f"in {number}".encode())
            results[number] = await executor.run(command)

        with anyio.fail_after(PATIENCE):
            async with self.sandbox(context) as executor, anyio.create_task_group() as tasks:
                for number in range(12):
                    tasks.start_soon(one, executor, number)

        assert {number: (each.stdout, each.stderr, each.exit_code) for number, each in results.items()} == {
            number: (f"in {number}".encode(), f"{number}\n".encode(), number) for number in range(12)
        }

    async def test_commands_leave_nothing_with_us(self, context: PlainContext, workspace: Path, leaks: Leaks) -> None:
        """Neither commands nor the sandbox's end leave a task, a thread, a process or a descriptor."""
        outside = leaks.held()
        async with self.sandbox(context) as executor:
            await self.run(executor, self.shell, "-c", "true")
            inside = leaks.held()
            for number in range(10):
                await self.run(executor, self.shell, "-c", "cat; exit 1" if number % 2 else "echo x", stdin=b"x" * number)
            await self.run(executor, "no-such-program-anywhere")
            await self.assert_no_more(leaks, inside)
        await leaks.none_since(outside, within=5)
