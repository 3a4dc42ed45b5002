"""Functions of a person's own as tools."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from massgen_core.api import ConfigProblem, ConfigProblems, ExecCommand, NoticeGiven, SandboxLost, Tool, ToolCall, ToolResult, ToolUse, structure
from massgen_testkit.context import PlainContext
from massgen_tools_python.config import PythonConfig
from massgen_tools_python.process import _here
from massgen_tools_python.toolset import PythonToolset, open_python

FILE = str(Path(__file__).with_name("functions.py"))
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def opened(context: PlainContext, *names: str | dict[str, Any], **options: Any) -> AsyncIterator[PythonToolset]:
    functions = [{"path": FILE, "function": name} if isinstance(name, str) else {"path": FILE, **name} for name in names]
    config = structure(PythonConfig, {"functions": functions, **options})
    with anyio.fail_after(60):
        async with context, open_python(config, context) as toolset:
            yield toolset


async def call(toolset: PythonToolset, name: str, /, **arguments: Any) -> ToolResult:
    tool = next((one for one in toolset.tools() if one.name == name), Tool(name=name))
    use = ToolUse(call=ToolCall(id="c", name=name, arguments="{}"), tool=tool, arguments=arguments, agent="a", turn=1, emit=lambda *events: None)
    return await toolset.call(use)


def notices(context: PlainContext) -> list[str]:
    return [event.text for event in context.records.of(NoticeGiven)]


async def test_a_tool_is_described_by_its_function(context: PlainContext) -> None:
    """Names, types, defaults and what the docstring says of each argument."""
    async with opened(context, "add", "weigh") as toolset:
        add, weigh = toolset.tools()

    assert (add.name, add.description) == ("add", "Add two whole numbers.")
    assert add.parameters == {
        "type": "object",
        "properties": {
            "first": {"type": "integer", "description": "The first one, whichever it is."},
            "second": {"type": "integer", "default": 1, "description": "The second one."},
        },
        "required": ["first"],
        "additionalProperties": False,
    }
    assert weigh.parameters["properties"] == {
        "things": {"type": "array", "items": {"type": "string"}, "description": "What is weighed."},
        "unit": {"enum": ["kg", "g"]},
        "how": {"enum": ["fast", "well"], "default": "fast"},
        "note": {"type": "string"},
    }
    assert weigh.parameters["additionalProperties"] is True


async def test_what_json_has_no_words_for_costs_no_other_function(context: PlainContext) -> None:
    """Odd annotations and defaults are told as far as they can be, so that every provider takes the tools."""
    async with opened(context, "unusual", "add") as toolset:
        unusual, _ = toolset.tools()

    assert json.dumps(unusual.parameters["properties"], allow_nan=False)
    assert unusual.parameters["properties"]["third"] == {"type": "number"}
    assert unusual.parameters["properties"]["fourth"] == {"type": "array"}


async def test_a_wide_result_is_told_without_its_data(context: PlainContext) -> None:
    """What is short as text and long as a line of the protocol arrives; so does what holds itself."""
    async with opened(context, "wide", "knot") as toolset:
        wide = await call(toolset, "wide", characters=900_000)
        knot = await call(toolset, "knot")

    assert (wide.is_error, wide.structured) == (False, None)
    assert len(wide.text) > 900_000
    assert not knot.is_error


async def test_a_function_knows_the_folder_that_it_runs_in(context: PlainContext, tmp_path: Path) -> None:
    """It is the agent's."""
    context.workspace = tmp_path / "w"
    context.workspace.mkdir()
    async with opened(context, "where", "working") as toolset:
        assert (await call(toolset, "where")).text == (await call(toolset, "working")).text == str(context.workspace)


class Lost:
    """A sandbox that is lost while its process is asked something."""

    @asynccontextmanager
    async def start(self, command: ExecCommand) -> AsyncIterator[Lost]:
        yield self

    async def send(self, data: bytes) -> None:
        await anyio.lowlevel.checkpoint()

    async def stdout(self) -> AsyncIterator[bytes]:
        raise SandboxLost("the engine is gone")
        yield b""

    stderr = stdout


async def test_a_lost_sandbox_is_a_notice(context: PlainContext) -> None:
    """It says why, and ends no run."""
    context.objects = {("executor", "lost"): Lost()}
    async with opened(context, "add", executor={"type": "lost"}) as toolset:
        assert not toolset.tools()

    assert "the engine is gone" in notices(context)[0]


class Once:
    """A sandbox that counts how often its process's errors are asked for: what one reader has not acknowledged, no other one can."""

    def __init__(self) -> None:
        self.readers = 0

    @asynccontextmanager
    async def start(self, command: ExecCommand) -> AsyncIterator[Any]:
        async with _here(list(command.argv), {}, None) as process:
            inner, process.stderr = process.stderr, self.stderr  # type: ignore[method-assign]
            self.inner = inner
            yield process

    async def stderr(self) -> AsyncIterator[bytes]:
        self.readers += 1
        async for piece in self.inner():
            yield piece


async def test_one_reader_takes_what_functions_print(context: PlainContext) -> None:
    """From the beginning of the process to its end, between calls, too."""
    once = Once()
    context.objects = {("executor", "once"): once}
    async with opened(context, "add", executor={"type": "once"}, python=sys.executable) as toolset:
        for number in range(3):
            assert (await call(toolset, "add", first=number)).text == str(number + 1)

    assert once.readers == 1


async def test_a_configuration_may_say_more(context: PlainContext) -> None:
    """Another name and description, a schema, and arguments that agents neither see nor change."""
    given = {"function": "add", "name": "plus_two", "description": "Add 2.", "arguments": {"second": 2}}
    schema = {"type": "object", "properties": {"first": {"type": "integer", "minimum": 0}}, "required": ["first"]}
    async with opened(context, given, {"function": "add", "parameters": schema}) as toolset:
        first, second = toolset.tools()

        assert (first.name, first.description, list(first.parameters["properties"])) == ("plus_two", "Add 2.", ["first"])
        assert second.parameters == schema
        assert (await call(toolset, "plus_two", first=40, second=9)).text == "42"


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("add", {"first": 1}, "2"),
        ("weigh", {"things": ["a"]}, '{"things": ["a"], "unit": "Unit.GRAM", "how": "fast", "note": null, "more": {}}'),
        ("later", {"text": "hello"}, "hello\n[image, 8 characters, is not shown]"),
        ("many", {"count": 2}, "part 0\npart 1"),
        ("steps", {"count": 3}, "0\n1\n2"),
        ("nothing", {}, "(it returned nothing)"),
        ("odd", {}, '{"a": Infinity, "b": [1, 2], "c": "[2 bytes]", "d": '),
        ("speaks", {}, "said"),
        ("sees", {"name": "GIVEN"}, "this"),
        ("sees", {"name": "MASSGEN_TEST_SECRET"}, "nothing"),
    ],
)
async def test_whatever_a_function_returns_is_told(context: PlainContext, name: str, arguments: dict[str, Any], text: str) -> None:
    """Values, coroutines, generators of both kinds, results of MassGen's shape; what it prints is none of it."""
    os.environ["MASSGEN_TEST_SECRET"] = "x"
    try:
        async with opened(context, name, env={"GIVEN": "this"}) as toolset:
            result = await call(toolset, name, **arguments)
    finally:
        del os.environ["MASSGEN_TEST_SECRET"]

    assert not result.is_error
    assert result.text.startswith(text)
    if name == "weigh":
        assert result.structured == json.loads(result.text)


async def test_what_goes_wrong_costs_one_call(context: PlainContext) -> None:
    """Exceptions, exits, crashes, time-outs and reading from nowhere are results; the next call works."""
    async with opened(context, "fails", "leaves", "dies", "sleeps", "reads", "add", seconds=3) as toolset:
        for name, arguments, said in (
            ("fails", {"text": "no such city"}, "ValueError: no such city"),
            ("leaves", {"code": 7}, "SystemExit: 7"),
            ("dies", {}, "ended before it answered; the last that it said: about to die"),
            ("sleeps", {}, "the call took longer than 3 seconds, and was ended"),
            ("reads", {}, "EOFError"),
            ("add", {"first": "x", "third": 1}, "the arguments do not fit"),
            ("add", {}, "first must be given"),
        ):
            result = await call(toolset, name, **arguments)
            assert result.is_error
            assert said in result.text
            assert (await call(toolset, "add", first=1)).text == "2"


async def test_a_copy_of_the_process_answers_nothing(context: PlainContext) -> None:
    """A function that forks and comes back twice has one result, and the next call its own."""
    async with opened(context, "split", "add") as toolset:
        assert (await call(toolset, "split")).text == "parent"
        assert (await call(toolset, "add", first=1)).text == "2"


async def test_a_function_may_do_as_it_likes_with_event_loops(context: PlainContext) -> None:
    """The next one, which may be of another author, has one of its own again."""
    async with opened(context, "closes", "loops", "later") as toolset:
        await call(toolset, "closes")
        assert (await call(toolset, "loops")).text == "7"
        assert (await call(toolset, "later", text="x")).text.startswith("x")
        assert "closed" in (await call(toolset, "closes")).text


async def test_calls_wait_for_each_other(context: PlainContext) -> None:
    """Several at once are each answered with their own."""
    async with opened(context, "add") as toolset:
        found: dict[int, str] = {}

        async def one(number: int) -> None:
            found[number] = (await call(toolset, "add", first=number)).text

        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(one, number)

    assert found == {number: str(number + 1) for number in range(8)}


async def test_what_cannot_be_loaded_costs_itself_only(context: PlainContext, tmp_path: Path) -> None:
    """A missing file, a mistake in a file and a missing function are notices; the other tools are there."""
    broken = tmp_path / "broken.py"
    broken.write_text("import no_such_module_here\n")
    bad = [{"function": "ad"}, {"path": "gone.py", "function": "x"}, {"path": str(broken), "function": "y"}]
    async with opened(context, *bad, "add") as toolset:
        assert [tool.name for tool in toolset.tools()] == ["add"]

    told = "\n".join(notices(context))
    assert "it defines no function 'ad' (it defines: Any, Block, Literal" in told or "it defines no function 'ad'" in told
    assert "gone.py cannot be read: No such file or directory" in told
    assert "No module named 'no_such_module_here'" in told


async def test_an_interpreter_that_is_not_there_is_a_notice(context: PlainContext) -> None:
    """And no tool."""
    async with opened(context, "add", python="/no/such/python") as toolset:
        assert not toolset.tools()

    assert "cannot be started: No such file or directory" in notices(context)[0]


async def test_modules_beside_a_file_are_found(context: PlainContext, tmp_path: Path) -> None:
    """As they are when the file is run."""
    (tmp_path / "beside.py").write_text("VALUE = 'from beside'\n")
    (tmp_path / "tool.py").write_text("import beside\n\ndef get():\n    return beside.VALUE\n")
    async with opened(context, {"path": str(tmp_path / "tool.py"), "function": "get"}) as toolset:
        assert (await call(toolset, "get")).text == "from beside"


async def test_a_file_is_executed_once_and_keeps_its_state(context: PlainContext, tmp_path: Path) -> None:
    """Two functions of one file share what is in it, from call to call."""
    (tmp_path / "state.py").write_text("seen = []\n\ndef put(x: str):\n    seen.append(x)\n\ndef count():\n    return len(seen)\n")
    both = [{"path": str(tmp_path / "state.py"), "function": name} for name in ("put", "count")]
    async with opened(context, *both) as toolset:
        await call(toolset, "put", x="a")
        await call(toolset, "put", x="b")

        assert (await call(toolset, "count")).text == "2"


async def test_long_texts_are_cut(context: PlainContext) -> None:
    """Far above what any model is shown."""
    async with opened(context, "long") as toolset:
        text = (await call(toolset, "long", characters=1_500_000)).text

    assert text.endswith("[500000 characters more]")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"function": "os.system"}, "is no name of a function"),
        ({"function": "f", "name": "a b"}, "cannot name a tool"),
        ({"function": "f", "parameters": {"type": "string"}}, "parameters are a JSON Schema of type object"),
    ],
)
def test_mistakes_of_a_section_are_found_before_a_run(section: dict[str, Any], said: str) -> None:
    """With the key that is wrong."""
    with pytest.raises(ConfigProblems, match=said) as caught:
        structure(PythonConfig, {"functions": [{"path": "x.py", **section}]})
    assert isinstance(caught.value.problems[0], ConfigProblem)


def test_two_tools_of_one_name_are_a_mistake() -> None:
    """Agents could not tell them apart."""
    with pytest.raises(ConfigProblems, match="is the tool 'f' too"):
        structure(PythonConfig, {"functions": [{"path": "x.py", "function": "f"}, {"path": "y.py", "function": "f"}]})
