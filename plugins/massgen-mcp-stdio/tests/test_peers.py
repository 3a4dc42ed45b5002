"""Good and bad servers, each a real process."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel
import pytest

from massgen_core.api import MassGenError, SecretMissing
from massgen_mcp_stdio.config import StdioConfig
from massgen_mcp_stdio.frames import FrameFault
from massgen_mcp_stdio.transport import open_stdio
from massgen_testkit import Leaks, PlainContext

pytestmark = [pytest.mark.anyio, pytest.mark.once]
Peer: TypeAlias = Callable[..., AbstractAsyncContextManager[Any]]
Running: TypeAlias = Callable[[int], bool]


async def gone(pid: int, is_running: Running) -> bool:
    """Wait a moment for a process that was just killed."""
    with anyio.move_on_after(2):
        while is_running(pid):  # noqa: ASYNC110 - another's process tells nobody
            await anyio.sleep(0.01)
    return not is_running(pid)


async def test_messages_go_both_ways(peer: Peer, leaks: Leaks) -> None:
    """Requests are answered in order, and a link that is left leaves nothing behind."""
    before = leaks.held()
    with anyio.fail_after(20):
        async with peer("echo") as speaker:
            answers = [(await speaker.ask("tools/call", n=n)).result for n in range(100)]
            open_report = speaker.link.report()

    assert answers == [{"params": {"n": n}} for n in range(100)]
    assert open_report.is_open
    assert open_report.exit_code is None
    assert (speaker.link.report().exit_code, speaker.link.report().is_open) == (0, False)
    await leaks.none_since(before)


async def test_the_environment_is_clean(peer: Peer, context: PlainContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A server gets a small base, what is named, and the values that references lead to; it leads a group and starts in its folder."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not yours")
    monkeypatch.setenv("LANG", "C.UTF-8")
    context.secrets = {"env:TOKEN": "s3cret-value"}
    with anyio.fail_after(20):
        async with peer("echo", env={"API": "env:TOKEN", "PLACE": "https://example.org"}, cwd=str(tmp_path)) as speaker:
            seen = (await speaker.ask("env")).result
            report = speaker.link.report()

    env = {name: value for name, value in seen["env"].items() if name not in ("LC_CTYPE", "PWD", "SHLVL", "_")}
    assert env.pop("MASSGEN_MCP_LINK")
    assert (env.pop("API"), env.pop("PLACE")) == ("s3cret-value", "https://example.org")
    assert env == {name: os.environ[name] for name in env}
    assert "LANG" in env
    assert "AWS_SECRET_ACCESS_KEY" not in env
    assert seen["cwd"] == str(tmp_path)
    assert seen["group"] == seen["pid"] == report.pid


async def test_a_secret_that_is_missing_is_named(peer: Peer) -> None:
    """Nothing is started when a secret is missing."""
    with pytest.raises(SecretMissing, match="env:NO_SUCH"):
        async with peer("echo", env={"API": "env:NO_SUCH"}):
            pass


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"command": "no-such-server-here"}, "in none of the folders of PATH"),
        ({"command": "./no/such/file"}, "no such file"),
        ({"command": __file__}, "no such file that can be run"),
        ({"command": sys.executable, "cwd": "/no/such/folder"}, "set cwd"),
    ],
)
async def test_a_command_that_cannot_be_started_is_explained(context: PlainContext, options: dict[str, Any], words: str) -> None:
    """A missing program or folder is an error for a person, and nothing is started."""
    with pytest.raises(MassGenError, match=words):
        async with open_stdio(StdioConfig(**options), context):
            pass


async def test_a_server_that_exits_at_once_says_why(peer: Peer) -> None:
    """The stream ends, and the report has the exit code and the last words."""
    with anyio.fail_after(10):
        async with peer("at-once") as speaker:
            assert [item async for item in speaker.link.read] == []
            report = speaker.link.report()

    assert (report.is_open, report.reason, report.exit_code) == (False, "exited with code 3", 3)
    assert report.stderr == "no token was given"


@pytest.mark.parametrize(("method", "code", "reason"), [("die", -9, "killed by signal 9 (SIGKILL)"), ("exit", 7, "exited with code 7")])
async def test_the_end_in_a_call_is_noticed_at_once(peer: Peer, method: str, code: int, reason: str) -> None:
    """A server that dies in a call ends the stream within 100 ms, and the exit code is there by then."""
    with anyio.fail_after(10):
        async with peer("echo") as speaker:
            await speaker.ask("warm")
            started = time.monotonic()
            with pytest.raises(EOFError):
                await speaker.ask(method, code=7)
            took = time.monotonic() - started
            report = speaker.link.report()
            with pytest.raises(anyio.BrokenResourceError):
                await speaker.send("more")

    assert took < 0.1
    assert (report.exit_code, report.reason) == (code, reason)
    assert report.stderr == ("out of cheese" if method == "exit" else "")


async def test_the_end_is_noticed_although_a_child_holds_the_output(peer: Peer, is_running: Running) -> None:
    """A pipe that something else still holds does not hide that the server was killed; what holds it dies with the link."""
    with anyio.fail_after(10):
        async with peer("echo") as speaker:
            child = (await speaker.ask("child", new_session=True)).result["pid"]
            os.kill(speaker.link.report().pid, signal.SIGKILL)
            started = time.monotonic()
            assert [item async for item in speaker.link.read] == []
            assert time.monotonic() - started < 0.1
            assert is_running(child)

    assert await gone(child, is_running)


async def test_a_link_lives_through_bad_frames(peer: Peer) -> None:
    """Junk, answers to nobody and wrong bytes are items among the messages; the next answer comes."""
    with anyio.fail_after(10):
        async with peer("echo") as speaker:
            await speaker.ask("junk")
            junk, speaker.others = speaker.others, []
            await speaker.ask("stray")
            strays, speaker.others = speaker.others, []
            wrong = await speaker.ask("bytes")
            assert speaker.link.report().is_open

    assert len(junk) == 7
    assert all(isinstance(item, FrameFault) for item in junk)
    assert "\x1b" not in "".join(map(str, junk))
    assert [item.message.id for item in strays] == [999, "nobody"]
    assert wrong.result == {"text": "caf\ufffd"}
    assert len(speaker.others) == 1


BROKEN = {
    "neither result nor error": '{"jsonrpc":"2.0","id":ID}',
    "no object": '{"jsonrpc":"2.0","id":ID,"result":null}',
    "an error in words": '{"jsonrpc":"2.0","id":ID,"error":"out of cheese"}',
    "an error without number": '{"jsonrpc":"2.0","id":ID,"error":{"code":"x","message":null}}',
    "too deep": '{"jsonrpc":"2.0","id":ID,"result":{"a":' + "[" * 50_000 + "]" * 50_000 + "}}",
    "no JSON": '{"jsonrpc":"2.0","id":ID,"result":{"a":undefined}}',
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
async def test_a_broken_answer_is_an_error_of_its_request(peer: Peer, text: str) -> None:
    """Nobody waits for an answer that came and cannot be read; the error shows it, and the next request is served."""
    with anyio.fail_after(10):
        async with peer("echo") as speaker:
            broken = await speaker.ask("raw", text=text)
            assert (await speaker.ask("env")).result["pid"]

    assert broken.error.message.startswith(f"the answer to request {broken.id} is none that the protocol knows: ")
    assert [fault.id for fault in speaker.others] == [broken.id]


@pytest.mark.parametrize(
    "text",
    [
        '\xef\xbb\xbf{"jsonrpc":"2.0","id":ID,"result":{"a":1}}',
        '[{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}},{"jsonrpc":"2.0","id":ID,"result":{"a":1}}]',
        '{"jsonrpc":"2.0","id":ID,"result":{"a":1,"b":"\\ud800"}}',
    ],
    ids=["byte order mark", "several at once", "half a character"],
)
async def test_answers_in_unusual_writing_are_read(peer: Peer, text: str) -> None:
    """A mark at the beginning, several messages in a line, as one revision allowed, and escapes that are no character."""
    with anyio.fail_after(10):
        async with peer("echo") as speaker:
            assert (await speaker.ask("raw", text=text)).result["a"] == 1

    assert not any(isinstance(item, FrameFault) for item in speaker.others)


async def test_an_indented_answer_is_read_at_once(peer: Peer) -> None:
    """Nobody waits for an answer because it is written over several lines; what is wrong with it is told."""
    with anyio.fail_after(10):
        async with peer("echo") as speaker:
            assert (await speaker.ask("indented")).result == {"a": {"b": [1]}}
            assert (await speaker.ask("env")).result["pid"]

    assert ["one line a message" in str(item) for item in speaker.others] == [True]


async def test_half_a_frame_at_the_end_is_told(peer: Peer) -> None:
    """A server that ends within a message leaves a fault, then the end."""
    with anyio.fail_after(10):
        async with peer("echo") as speaker:
            await speaker.send("half")
            items = [item async for item in speaker.link.read]

    assert [type(item) for item in items] == [FrameFault]
    assert "ended within a message" in str(items[0])


async def test_a_hundred_megabytes_are_skipped(peer: Peer) -> None:
    """An answer of 100 MB is an error for its caller; the next call works, and other tasks run meanwhile."""
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await anyio.lowlevel.checkpoint()
            longest = max(longest, time.monotonic() - before)

    with anyio.fail_after(60):
        async with peer("echo") as speaker, anyio.create_task_group() as tasks:
            await speaker.ask("warm")
            started = time.thread_time()
            answer = await speaker.ask("big", megabytes=100)
            spent = time.thread_time() - started
            tasks.start_soon(beat)
            await speaker.ask("big", megabytes=20)
            after = await speaker.ask("after")
            tasks.cancel_scope.cancel()

    assert "was skipped" in answer.error.message
    assert speaker.others[0].size > 100_000_000
    assert after.result == {"params": {}}
    assert spent < 1
    assert longest < 0.5


async def test_a_flood_on_standard_error_is_bounded(peer: Peer) -> None:
    """5 MB of complaints do not stop the server, and the last words are kept."""
    lines: list[str] = []
    with anyio.fail_after(20):
        async with peer("echo") as speaker:
            speaker.link.watch_stderr(lines.append)
            await speaker.ask("flood")
            report = speaker.link.report()

    assert report.stderr.endswith("the end of the flood")
    assert len(report.stderr) <= 4096
    assert (len(lines), lines[-1]) == (5001, "the end of the flood")


@pytest.mark.parametrize(("behaviour", "code"), [("ignores-end", -15), ("ignores-all", -9)])
async def test_a_server_that_does_not_end_is_ended(peer: Peer, behaviour: str, code: int) -> None:
    """Closing the input, SIGTERM and SIGKILL follow each other in bounded time."""
    with anyio.fail_after(10):
        async with peer(behaviour, stop_seconds=0.3) as speaker:
            await speaker.ask("warm")
            started = time.monotonic()
        took = time.monotonic() - started

    assert speaker.link.report().exit_code == code
    assert took < 1.5


@pytest.mark.parametrize("new_session", [False, True])
async def test_grandchildren_do_not_survive(peer: Peer, is_running: Running, leaks: Leaks, new_session: bool) -> None:
    """What the server started is killed with it, in its group or in a session of its own, although it ignores SIGTERM."""
    before = leaks.held()
    with anyio.fail_after(10):
        async with peer("echo") as speaker:
            child = (await speaker.ask("child", new_session=new_session)).result["pid"]
            assert is_running(child)

    assert await gone(child, is_running)
    await leaks.none_since(before)


async def test_a_server_that_reads_nothing_stops_the_sender_only(peer: Peer) -> None:
    """Sending waits when the pipe is full and can be cancelled; the message that was begun is finished before the next."""
    with anyio.fail_after(20):
        async with peer("deaf", "later") as speaker:
            ready: list[str] = []
            speaker.link.watch_stderr(ready.append)
            while not ready:  # noqa: ASYNC110 - the observer is no waiter
                await anyio.sleep(0.01)
            for _ in range(3):
                with anyio.move_on_after(0.1) as scope:
                    await speaker.send("big-one", text="y" * 300_000)
                assert scope.cancelled_caught
            os.kill(speaker.link.report().pid, signal.SIGUSR1)
            answer = await speaker.ask("last", n=1)

    assert answer.result == {"params": {"n": 1}}
    assert [item.message.id for item in speaker.others] == [1], "a message that was begun is whole, one that was not begun is never sent"


async def test_a_server_that_closes_its_output_is_no_use(peer: Peer) -> None:
    """The stream ends although the process runs, and the report says so."""
    with anyio.fail_after(10):
        async with peer("closes-output", stop_seconds=0.1) as speaker:
            assert [item async for item in speaker.link.read] == []
            report = speaker.link.report()

    assert (report.is_open, report.reason, report.exit_code) == (False, "its standard output ended while it runs", None)


async def test_whoever_reads_is_woken_when_the_link_is_left(peer: Peer) -> None:
    """A reader in another task sees the end of the stream, not a hang."""
    ended = anyio.Event()

    async def read(link: Any) -> None:
        async for _ in link.read:
            pass
        ended.set()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            async with peer("echo") as speaker:
                tasks.start_soon(read, speaker.link)
                await anyio.sleep(0.05)
            await ended.wait()


async def test_an_error_of_the_user_is_not_wrapped(peer: Peer) -> None:
    """What is raised inside the link arrives as it is."""
    with anyio.fail_after(10):
        with pytest.raises(KeyError):
            async with peer("echo"):
                raise KeyError("mine")


async def test_a_hundred_cancellations_leave_nothing(peer: Peer, leaks: Leaks) -> None:
    """Cancelled at any point, from before the start to the last moment, a link leaves no process, no task and no descriptor."""
    rng = random.Random(7)
    async with peer("echo") as speaker:
        await speaker.ask("warm")
    before = leaks.held()
    with anyio.fail_after(120):
        for _ in range(100):
            with anyio.move_on_after(rng.choice([0, 0.0005, 0.002, 0.01, 0.03, 0.08]) * (0.5 + rng.random())):
                async with peer(rng.choice(["echo", "deaf", "at-once"]), stop_seconds=0.05) as speaker:
                    with suppress(EOFError, anyio.BrokenResourceError):
                        while True:
                            await speaker.ask("tools/call", n=1)
    await leaks.none_since(before)
    assert os.listdir(f"{os.environ['XDG_RUNTIME_DIR']}/massgen-mcp-servers") == []
