"""The toolset `python`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio.lowlevel

from massgen_core.api import Context, NoticeGiven, Text, Tool, ToolResult, ToolUse, clean_line
from massgen_tools_python.config import FunctionConfig, PythonConfig
from massgen_tools_python.process import Ended, Functions

__all__ = ["PythonToolset", "open_python"]

_BIGGEST = 2_000_000


@asynccontextmanager
async def open_python(config: PythonConfig, context: Context) -> AsyncIterator[PythonToolset]:
    """Load the functions in a process of their own and yield them as tools; one that cannot be loaded costs itself only, with a notice.

    Raises:
        MassGenError: The sandbox is missing or wrongly configured.
        SecretMissing: A reference in `env` that no store holds.
    """
    wrong: list[str] = []
    items = [item for one in config.functions if (item := _item(one, context, wrong))]
    functions = Functions(config, context, items)
    try:
        tools = await _tools(config, functions, wrong) if items else []
        for text in wrong:
            context.emit(NoticeGiven(level="warning", text=context.redact(text), agent=context.agent))
        yield PythonToolset(functions, tools)
    finally:
        await functions.close()


def _item(one: FunctionConfig, context: Context, wrong: list[str]) -> dict[str, Any] | None:
    """Return what the process loads; the text of the file goes with it, since a sandbox does not see the file."""
    path = Path(one.path).expanduser().absolute()
    try:
        with path.open("rb") as stream:
            source = stream.read(_BIGGEST + 1).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        wrong.append(
            f"the tool {one.tool!r} is not there: {one.path} cannot be read: {reason}; paths are relative to the folder you start massgen in"
        )
        return None
    if len(source) > _BIGGEST:
        wrong.append(f"the tool {one.tool!r} is not there: {one.path} is larger than {_BIGGEST} bytes")
        return None
    return {
        "tool": one.tool,
        "path": str(path),
        "source": source,
        "function": one.function,
        "arguments": dict(one.arguments),
        "has_folder": context.workspace is not None,
    }


async def _tools(config: PythonConfig, functions: Functions, wrong: list[str]) -> list[Tool]:
    try:
        loaded = await functions.load()
    except Ended as error:
        wrong.append(f"none of the Python functions is there: {error}")
        return []
    known = {one.tool: one for one in config.functions}
    tools = []
    for found in loaded:
        one = known[found["tool"]]
        if "error" in found:
            wrong.append(f"the tool {one.tool!r} is not there: {clean_line(one.path)}: {clean_line(str(found['error']), 500)}")
            continue
        description = one.description or str(found["description"]) or f"The function {one.function} of {Path(one.path).name}."
        parameters: Mapping[str, Any] = one.parameters or found["parameters"]
        tools.append(Tool(name=one.tool, description=description, parameters=dict(parameters), source="python", uses_workspace=True))
    return tools


class PythonToolset:
    """The functions of one agent.

    Args:
        functions: Their process.
        tools: Those that could be loaded.
    """

    def __init__(self, functions: Functions, tools: Sequence[Tool]) -> None:
        self._functions, self._tools = functions, tuple(tools)

    def tools(self) -> Sequence[Tool]:
        """The tools; they do not change."""
        return self._tools

    async def call(self, use: ToolUse) -> ToolResult:
        """Call a function; whatever it raises, and the end of its process, is a result that says so."""
        await anyio.lowlevel.checkpoint()
        tool = next((one for one in self._tools if one.name == use.tool.name), None)
        if tool is None:
            return _answer(use, f"there is no tool {clean_line(use.tool.name, 60)!r} here", is_error=True)
        missing = [name for name in tool.parameters.get("required", ()) if name not in use.arguments]
        if missing:
            return _answer(use, f"the arguments do not fit: {', '.join(missing)} must be given", is_error=True)
        try:
            found = await self._functions.call(tool.name, use.arguments)
        except Ended as error:
            return _answer(use, str(error), is_error=True)
        return _answer(use, str(found["text"]), is_error=bool(found["is_error"]), structured=found.get("structured"))


def _answer(use: ToolUse, text: str, *, is_error: bool, structured: Any = None) -> ToolResult:
    return ToolResult(call=use.call.id, content=(Text(text=text or "(it returned nothing)"),), is_error=is_error, structured=structured)
