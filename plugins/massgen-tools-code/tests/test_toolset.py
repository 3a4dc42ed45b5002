from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from massgen_core.api import ConfigProblems, PluginMissing, SandboxLost, structure
from massgen_testkit import Leaks, PlainContext
from massgen_tools_code.config import CodeConfig
from massgen_tools_code.events import CodeExecuted, CodeRefused
from massgen_tools_code.toolset import open_code

from .conftest import Open
from .nearby import Nearby

pytestmark = pytest.mark.anyio


def executed(context: PlainContext) -> list[CodeExecuted]:
    return context.records.of(CodeExecuted)


# What is run


async def test_a_command_and_its_account(agent: Open, context: PlainContext, workspace: Path) -> None:
    """Exit code, both outputs and the files are told to the model, and are in the event with what was used."""
    async with agent() as ann:
        text = await ann.told("execute_command", command="echo out; echo err >&2; echo 12345 > made.txt; exit 3")

    assert text == "Exit code 3 after 0.01 s.\nstdout:\nout\nstderr:\nerr\nFiles: made.txt (made, 6 bytes)"
    (event,) = executed(context)
    assert (event.agent, event.turn, event.call, event.tool, event.language) == ("a", 1, "call-1", "execute_command", "shell")
    assert (event.executor, event.status, event.exit_code, event.cpu_seconds, event.memory) == ("local", "exited", 3, 0.5, 1000)
    assert (event.output, event.changes, [file.path for file in event.files]) == (8, 1, ["made.txt"])


async def test_it_is_a_shell_of_the_sandbox(agent: Open, nearby: Nearby) -> None:
    """The executor gets an argument vector; no shell of this machine reads the line."""
    async with agent() as ann:
        await ann.told("execute_command", command="echo $((1 + 1)); true", folder="", seconds=7)

    command = nearby.commands[-1]
    assert command.argv == ("sh", "-c", "echo $((1 + 1)); true")
    assert command.limits.seconds == 7
    assert command.labels["agent"] == "a"


@pytest.mark.parametrize(("language", "code"), [("python", "print(6 * 7)"), ("shell", "echo $((6 * 7))")])
async def test_code_of_a_language(agent: Open, language: str, code: str) -> None:
    """It is run as it stands."""
    async with agent() as ann:
        text = await ann.told("execute_code", language=language, code=code)

    assert "stdout:\n42" in text


async def test_a_long_program_is_no_argument(agent: Open) -> None:
    """Its size is not limited by what fits into a command line."""
    async with agent() as ann:
        text = await ann.told("execute_code", language="python", code=f"x = '{'a' * 300_000}'\nprint(len(x))")

    assert "300000" in text


async def test_a_command_that_takes_too_long_is_stopped(agent: Open, context: PlainContext) -> None:
    """The model is told what to do instead; what was written until then is shown."""
    async with agent(seconds=0.3) as ann:
        text = await ann.refused("execute_command", command="echo begun; sleep 60")

    assert text.startswith("Timed out: stopped after 0.3 s")
    assert "start_job" in text
    assert "begun" in text
    assert executed(context)[0].status == "timed_out"


async def test_nobody_gets_more_time_than_there_is(agent: Open, nearby: Nearby) -> None:
    """`most_seconds` holds whatever a model asks for, and whatever the default is."""
    async with agent(most_seconds=5) as ann:
        await ann.told("execute_command", command="true", seconds=10_000)
        await ann.told("execute_command", command="true")
        text = await ann.refused("execute_command", command="true", seconds=0)

    assert [command.limits.seconds for command in nearby.commands[1:]] == [5, 5]
    assert "more than 0" in text


async def test_what_did_not_start_says_why(agent: Open, context: PlainContext) -> None:
    """A folder that is not there is a mistake to put right."""
    async with agent() as ann:
        text = await ann.refused("execute_command", command="true", folder="nowhere")

    assert text.startswith("It did not start: ")
    assert "nowhere" in text
    assert executed(context)[0].status == "not_found"


async def test_a_killed_command_is_told_in_words(agent: Open) -> None:
    """The signal has a name."""
    async with agent() as ann:
        text = await ann.refused("execute_command", command="kill -SEGV $$")

    assert "Killed by SIGSEGV" in text


async def test_a_flood_is_cut_and_kept(agent: Open, context: PlainContext) -> None:
    """The model sees both ends; the run keeps the whole, and the event says where."""
    async with agent(output=1000) as ann:
        text = await ann.told("execute_command", command="seq 100000")

    (event,) = executed(context)
    (stored,) = event.stored
    assert "stdout:\n1\n2\n" in text
    assert text.rstrip().endswith("\n99999\n100000")
    assert stored in text
    assert len(text) < 1500
    assert (context.folder / stored).stat().st_size == event.output == 588_895


async def test_secrets_are_taken_out(agent: Open, context: PlainContext) -> None:
    """Of the code in the event, of what is shown, and of the file."""
    context.secrets = {"env:TOKEN": "opensesame-42"}
    context.secret("env:TOKEN")
    async with agent(output=200) as ann:
        text = await ann.told("execute_command", command="echo opensesame-42; seq 1000; echo opensesame-42")

    (event,) = executed(context)
    assert "opensesame" not in text + event.code + (context.folder / event.stored[0]).read_text()
    assert "***" in text


async def test_a_cancelled_command_is_told_and_gone(agent: Open, context: PlainContext, leaks: Leaks) -> None:
    """The journal knows of everything that was begun."""
    async with agent() as ann:
        before = leaks.held()
        with anyio.move_on_after(0.2):
            await ann.call("execute_command", command="sleep 60")
        await leaks.none_since(before)

    assert [(event.status, event.exit_code) for event in executed(context)] == [("cancelled", None)]


async def test_a_lost_sandbox_is_told(agent: Open, context: PlainContext, nearby: Nearby) -> None:
    """To the model, and in the journal."""
    async with agent() as ann:
        nearby.fault = SandboxLost("the container went away")
        text = await ann.refused("execute_command", command="true")

    assert text == "the container went away"
    assert [(event.status, event.reason) for event in executed(context)] == [("failed", "the container went away")]


# What is offered


async def test_languages_that_the_sandbox_has_not_are_not_offered(agent: Open, nearby: Nearby) -> None:
    """The model chooses among those that work; any other gets the list."""
    nearby.lacks = ("node",)
    async with agent() as ann:
        tool = next(tool for tool in ann.toolset.tools() if tool.name == "execute_code")
        text = await ann.refused("execute_code", language="javascript", code="1")

    assert tool.parameters["properties"]["language"]["enum"] == ["python", "shell"]
    assert "languages: python, shell" in text


async def test_languages_are_data(agent: Open) -> None:
    """A user adds one, puts another in its place, and takes one away."""
    languages = {"upper": ["tr", "a-z", "A-Z"], "shell": ["sh", "-ec", "echo strict; {code}"], "words": ["echo", "{code}"], "python": None}
    async with agent(languages=languages) as ann:
        upper = await ann.told("execute_code", language="upper", code="hello")
        words = await ann.told("execute_code", language="words", code="$HOME; ls")
        missing = await ann.refused("execute_code", language="python", code="1")

    assert "HELLO" in upper
    assert "$HOME; ls" in words
    assert "there is no 'python'" in missing


async def test_a_sandbox_that_lets_nobody_look_has_all_languages(agent: Open, nearby: Nearby) -> None:
    """Patterns of the executor that refuse the look are no reason to refuse the run."""
    nearby.refuses = "command -v"
    async with agent() as ann:
        assert "stdout:\n1" in await ann.told("execute_command", command="echo 1")


async def test_without_jobs_there_are_no_tools_for_them(agent: Open) -> None:
    """What cannot be called is not shown."""
    async with agent(jobs=0) as ann:
        assert [tool.name for tool in ann.toolset.tools()] == ["execute_command", "execute_code"]
        assert {tool.source for tool in ann.toolset.tools()} == {"code"}


@pytest.mark.parametrize("arguments", [{"comand": "ls"}, {"command": 5}, {"command": "ls", "seconds": "soon"}, {"command": "  "}])
async def test_mistakes_are_told(agent: Open, nearby: Nearby, arguments: dict[str, Any]) -> None:
    """Nothing runs, and the model can put it right."""
    async with agent() as ann:
        before = len(nearby.commands)
        assert await ann.refused("execute_command", **arguments)
        assert len(nearby.commands) == before


# Permissions


async def test_a_denied_command_does_not_run(agent: Open, context: PlainContext, nearby: Nearby) -> None:
    """The model is told the rule, and the journal has it."""
    async with agent(permissions={"deny": ["rm *"]}) as ann:
        before = len(nearby.commands)
        text = await ann.refused("execute_command", command="ls; rm -rf x")
        assert len(nearby.commands) == before
        await ann.told("execute_command", command="ls")

    (refused,) = context.records.of(CodeRefused)
    assert "code.permissions.deny names 'rm *'" in text
    assert (refused.code, refused.rule) == ("ls; rm -rf x", "code.permissions.deny")
    assert executed(context)[0].verdict == "allow"


@pytest.mark.parametrize(("answers", "runs"), [(["allow"], 1), (["deny"], 0), ([], 0)])
async def test_a_person_is_asked(agent: Open, context: PlainContext, answers: list[str], runs: int) -> None:
    """Whoever answers decides; where nobody does, nothing runs."""
    context.answers = answers
    async with agent(permissions={"allow": ["ls*"]}) as ann:
        await ann.call("execute_command", command="touch x")

    (question,) = context.questions
    assert question.detail == "touch x"
    assert (question.options, question.default, question.agent) == (("deny", "allow"), "deny", "a")
    assert [event.rule for event in executed(context)] == ["code.permissions.allow (approved by a person)"] * runs
    assert len(context.records.of(CodeRefused)) == 1 - runs


async def test_patterns_hold_for_jobs_and_what_is_written_to_them(agent: Open) -> None:
    """A shell in the background is no way around them."""
    async with agent(permissions={"deny": ["rm *"]}) as ann:
        assert "not run" in await ann.refused("start_job", command="rm x")
        await ann.told("start_job", command="sh")
        assert "not run" in await ann.refused("write_job", job="job-1", text="rm x\n")


# The executor


async def test_a_missing_executor_names_what_to_install(context: PlainContext) -> None:
    """At the start, before a model is paid for."""
    with pytest.raises(PluginMissing, match="no-such-thing"):
        async with context, open_code(structure(CodeConfig, {"executor": "no-such-thing"}), context):
            pass


@pytest.mark.parametrize("options", [{"executor": {"image": "x"}}, {"executor": ""}, {"languages": {"x": []}}, {"jobs": -1}, {"output": 3}])
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    """When the configuration is read."""
    with pytest.raises(ConfigProblems):
        structure(CodeConfig, options)


async def test_agents_with_one_sandbox_look_once(agent: Open, context: PlainContext, nearby: Nearby) -> None:
    """What the first one found holds for the others."""
    async with agent(), open_code(CodeConfig(), context), open_code(CodeConfig(), context):
        pass

    assert len(nearby.commands) == 1


async def test_without_a_workspace_no_files_are_told(agent: Open, context: PlainContext) -> None:
    """Where they would be is the executor's own business then."""
    context.workspace = None
    async with agent() as ann:
        text = await ann.told("execute_command", command="touch x")

    assert "Files" not in text
    assert executed(context)[0].changes is None
