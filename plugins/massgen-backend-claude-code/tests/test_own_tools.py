"""Tools of the program's own: what they may do, what of them is seen, and that nothing of them is left."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from massgen_core.api import NoticeGiven, Overloaded, ReasoningChunk
from massgen_testkit.leaks import Leaks
from massgen_testkit.protocols.messages import rejected
from massgen_testkit.provider import serving

pytestmark = [pytest.mark.anyio, pytest.mark.once]


def processes() -> Iterator[tuple[bytes, bytes]]:
    """Yield arguments and environment of all processes that let themselves be looked at."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may be gone by now, or another user's
            yield (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()


def named(mark: str) -> bool:
    """Tell whether a process runs whose first argument begins so."""
    return any(arguments.startswith(mark.encode()) for arguments, _ in processes())


def working_in(folder: Path) -> list[bytes]:
    """Return arguments and environments of the processes that were started to work in a folder, or below it."""
    return [arguments + env for arguments, env in processes() if f"PWD={folder}".encode() in env]


ORPHAN = """
import anyio
from pathlib import Path
from massgen_core.api import Message, ModelRequest
from massgen_testkit import PlainContext

async def main():
    async with PlainContext(folder=Path({folder!r}), secrets={{"env:K": {key!r}}}) as context:
        backend = await context.open("backend", "claude-code", {{"base_url": {url!r}, "key": "env:K", "allowed_tools": ["Bash"]}})
        async with backend.respond(ModelRequest(messages=(Message.of("user", "Sleep"),))) as stream:
            async for _ in stream:
                pass

anyio.run(main)
"""


async def test_command_is_denied_unless_allowed(talking: Any, say: Any, tmp_path: Path) -> None:
    """Where nobody can be asked, a call that no option allows is denied; the model, the journal and a notice say so."""
    target = tmp_path / "made"
    async with talking(say.calls(("b1", "Bash", {"command": f"touch {target}"})), say.text("Well.")) as talk:
        heard = await talk.ask("Make it")
        notices = [event for event in talk.context.records.events if isinstance(event, NoticeGiven)]
        questions = talk.context.questions

    assert heard.message.text == "Well."
    assert not target.exists()
    (used,) = heard.used
    assert (used["name"], used["is_error"]) == ("Bash", True)
    assert "allowed_tools" in notices[0].text
    assert notices[0].agent == "ann"
    assert questions[0].options[0] == questions[0].default == "deny"
    assert "is not permitted" in talk.seen_text()


async def test_person_can_allow_a_call(talking: Any, say: Any, tmp_path: Path) -> None:
    """A person's yes carries a call out; it is seen live, and kept with what it gave back."""
    target = tmp_path / "made"
    play = say.calls(("b1", "Bash", {"command": f"touch {target} && echo done"}))
    async with talking(play, say.text("Made."), context={"answers": ["allow"]}) as talk:
        heard = await talk.ask("Make it")

    assert target.exists()
    assert heard.stop == "stop"
    assert not heard.message.calls
    assert heard.used[0]["result"] == "done"
    assert f"touch {target}" in heard.used[0]["input"]
    assert any("[Bash]" in chunk.text for chunk in heard.chunks if isinstance(chunk, ReasoningChunk))


async def test_nobody_is_asked_where_asks_is_off(talking: Any, say: Any) -> None:
    """With `asks: false` a person is never troubled."""
    async with talking(say.calls(("b1", "Bash", {"command": "touch it"})), say.text("Well."), asks=False, context={"answers": ["allow"]}) as talk:
        heard = await talk.ask("Make it")

        assert talk.context.questions == []
    assert heard.used[0]["is_error"]


async def test_options_allow_and_forbid(talking: Any, say: Any, tmp_path: Path) -> None:
    """A rule of allowed_tools needs no yes, acceptEdits writes in the working folder, and what is disallowed is not even offered."""
    work = tmp_path / "work"
    made = (
        ("b1", "Bash", {"command": "touch by-command"}),
        ("w1", "Write", {"file_path": str(work / "by-edit"), "content": "x"}),
        ("w2", "Write", {"file_path": str(tmp_path / "outside"), "content": "x"}),
    )
    options = {"cwd": str(work), "allowed_tools": ["Bash(touch:*)"], "disallowed_tools": ["WebFetch"], "permission_mode": "acceptEdits"}
    async with talking(say.calls(*made), say.text("Made."), **options) as talk:
        heard = await talk.ask("Make it")
        offered = {tool["name"] for tool in talk.provider.bodies[0]["tools"]}

    assert {file.name for file in work.iterdir()} == {"by-command", "by-edit"}
    assert not (tmp_path / "outside").exists()
    assert sorted(used["is_error"] for used in heard.used) == [False, False, True]
    assert {"Bash", "Write"} <= offered
    assert "WebFetch" not in offered


async def test_no_tools_of_its_own(talking: Any, say: Any) -> None:
    """With an empty list it has ours only."""
    async with talking(say.text("Hm."), tools=[]) as talk:
        await talk.ask("Hello")
        offered = {tool["name"] for tool in talk.provider.bodies[0]["tools"]}

    assert offered == {"weather"}


async def test_tool_named_as_one_of_its_own(talking: Any, say: Any) -> None:
    """A tool of ours that is named as one of the program's own is offered under a longer name, and told under its own."""
    from massgen_core.api import Tool  # noqa: PLC0415 - only here

    async with talking(say.calls(("t1", "mcp__massgen__read", {"what": "x"})), say.text("Read.")) as talk:
        talk.tools = (Tool(name="read"),)
        first = await talk.ask("Read")
        await talk.ask(say.results(t1="the text"))
        offered = {tool["name"] for tool in talk.provider.bodies[0]["tools"]}

    assert [call.name for call in first.message.calls] == ["read"]
    assert {"Read", "mcp__massgen__read"} <= offered
    assert "the text" in talk.seen_text()


async def test_own_and_our_tools_in_one_answer(talking: Any, say: Any) -> None:
    """An answer may call both: ours are told at once, the program's own are carried out meanwhile."""
    made = (("b1", "Bash", {"command": "echo own"}), ("t1", "weather", {"city": "Paris"}))
    async with talking(say.calls(*made), say.text("Both."), allowed_tools=["Bash"]) as talk:
        first = await talk.ask("Do both")
        second = await talk.ask(say.results(t1="21 degrees"))
        shown = talk.seen_text()

    assert [call.id for call in first.message.calls] == ["t1"]
    assert [used["result"] for used in (*first.used, *second.used)] == ["own"]
    assert "21 degrees" in shown
    assert second.message.text == "Both."


async def test_key_is_in_no_arguments_and_no_environment(talking: Any, say: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the program nor its commands carry the key, or other secrets of our environment, where others can read them."""
    if sys.platform != "linux":
        pytest.skip("not in CI: processes cannot be looked at here")
    monkeypatch.setenv("SOME_OTHER_API_KEY", "other-secret-2b3c4d5e")
    play = say.calls(("b1", "Bash", {"command": "env; cat /proc/$PPID/environ"}), ("t1", "weather", {"city": "Paris"}))
    async with talking(play, say.text("Well."), allowed_tools=["Bash"], pass_env=["HOME"], env={"CHOSEN": "yes"}) as talk:
        first = await talk.ask("Look")
        own = working_in(talk.context.folder)
        second = await talk.ask(say.results(t1="21 degrees"))
        keys = {asked.headers.get("x-api-key") for asked in talk.provider.asked}

    used = [*first.used, *second.used][0]
    assert keys == {say.key}
    assert own
    seen = b"".join(own)
    assert b"CHOSEN=yes" in seen
    assert "CHOSEN=yes" in used["result"]
    for secret in (say.key, "other-secret-2b3c4d5e"):
        assert secret.encode() not in seen
        assert secret not in json.dumps(used)


async def test_token_is_sent_as_one(talking: Any, say: Any) -> None:
    """A token of `claude setup-token` is handed over as apart as a key, and sent as a token."""
    token = "sk-ant-oat01-0a1b2c3d4e5f6071"
    async with talking(say.text("Hm."), context={"secrets": {"env:K": token}}) as talk:
        await talk.ask("Hello")
        (headers,) = [asked.headers for asked in talk.provider.asked]

    assert headers["authorization"] == f"Bearer {token}"
    assert "x-api-key" not in headers


async def test_server_without_keys(talking: Any, say: Any) -> None:
    """A server of one's own gets no key of Anthropic's, not even by mistake."""
    async with talking(say.text("Hm."), key="", context={"secrets": {"env:ANTHROPIC_API_KEY": say.key, "ANTHROPIC_API_KEY": say.key}}) as talk:
        await talk.ask("Hello")
        (headers,) = [asked.headers for asked in talk.provider.asked]

    assert headers["x-api-key"] == "none"


async def test_nothing_outlives_a_cancelled_call(talking: Any, say: Any, tmp_path: Path) -> None:
    """Cancelling an answer while a command runs ends the program and the command."""
    if sys.platform != "linux":
        pytest.skip("not in CI: processes cannot be looked at here")
    leaks, mark, begun = Leaks(), f"massgen_mark_{os.getpid()}", tmp_path / "begun"
    play = say.calls(("b1", "Bash", {"command": f"echo > {begun}; exec -a {mark} sleep 300"}))

    async with talking(play, allowed_tools=["Bash"]) as talk:
        before = leaks.held().children
        async with anyio.create_task_group() as group:
            group.start_soon(talk.ask, "Sleep")
            while not begun.exists() or not named(mark):  # noqa: ASYNC110 - a process tells no event
                await anyio.sleep(0.01)
            group.cancel_scope.cancel()
        while named(mark) or leaks.held().children - before:  # noqa: ASYNC110 - a process tells no event
            await anyio.sleep(0.01)


async def test_program_ends_with_the_process_that_began_it(say: Any, tmp_path: Path) -> None:
    """Where our own process is killed, the program does not go on alone: neither it nor its command."""
    if sys.platform != "linux":
        pytest.skip("not in CI: only Linux can do this")
    mark = f"massgen_mark_{os.getpid()}"
    begun = tmp_path / "begun"
    with anyio.fail_after(60):
        async with serving(say.calls(("b1", "Bash", {"command": f"echo > {begun}; exec -a {mark} sleep 300"})), say.text("Alone!")) as provider:
            code = ORPHAN.format(url=provider.url, folder=str(tmp_path), key=say.key)
            async with await anyio.open_process([sys.executable, "-c", code], stdout=None, stderr=None) as process:
                while not begun.exists() or not named(mark):  # noqa: ASYNC110 - a process tells no event
                    await anyio.sleep(0.01)
                process.kill()
                await process.wait()
                while named(mark) or working_in(tmp_path):  # noqa: ASYNC110 - a process tells no event
                    await anyio.sleep(0.01)

        assert len(provider.asked) == 1


async def test_repeated_call_does_not_repeat_commands(talking: Any, say: Any, tmp_path: Path) -> None:
    """Where an answer breaks off after a command, the same call again goes on after it."""
    log = tmp_path / "log"
    plays = (say.calls(("b1", "Bash", {"command": f"echo once >> {log}"})), rejected(529, "Overloaded"), say.text("Done."))
    async with talking(*plays, allowed_tools=["Bash"]) as talk:
        with pytest.raises(Overloaded):
            await talk.ask("Log it")
        heard = await talk.ask()
        shown = talk.seen_text()

    assert heard.message.text == "Done."
    assert log.read_text(encoding="utf-8") == "once\n"
    assert f"echo once >> {log}" in shown
    assert "The connection broke" in shown
    assert "as a record" not in shown


async def test_silence_of_a_running_tool_is_no_silence_of_the_model(talking: Any, say: Any) -> None:
    """The limit of silence does not count while a tool of its own runs."""
    play = say.calls(("b1", "Bash", {"command": "sleep 6; echo slept"}))
    async with talking(play, say.text("Slept."), allowed_tools=["Bash"], idle_seconds=4.0) as talk:
        heard = await talk.ask("Sleep")

    assert heard.used[0]["result"] == "slept"
    assert heard.message.text == "Slept."
