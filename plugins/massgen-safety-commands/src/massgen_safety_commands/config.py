"""The options of the classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

__all__ = ["CommandsConfig"]

TOOLS = (
    *("execute_command", "execute_code", "start_job", "write_job"),
    *("*run_command*", "*execute_command*", "*run_code*", "*execute_code*", "*run_script*", "*run_python*", "*shell*", "*bash*", "*terminal*"),
)
ARGUMENTS = ("command", "cmd", "commands", "script", "code", "source", "argv", "text")


def _help(text: str, **field: Any) -> Any:
    return attrs.field(metadata={"help": text}, **field)


@attrs.frozen(kw_only=True)
class CommandsConfig:
    """Which calls are judged, and how strictly."""

    tools: tuple[str, ...] = _help("glob patterns of tools whose calls carry commands or code", default=TOOLS)
    arguments: tuple[str, ...] = _help("names of the arguments that hold them: a line, a program, or a list of words", default=ARGUMENTS)
    inside: tuple[str, ...] = _help("absolute folders that count as the workspace, as commands see them", default=("/workspace",))
    disable: tuple[str, ...] = _help("rules that do not hold", default=())
    levels: Mapping[str, Literal["warn", "ask", "deny"]] = _help("another level for a rule, by its name", factory=dict)
    otherwise: Literal["allow", "warn", "ask"] = _help(
        "what is done with a command that no rule matches; with `allow`, for a sandbox that you trust, a person is asked only where a rule says so",
        default="ask",
    )
