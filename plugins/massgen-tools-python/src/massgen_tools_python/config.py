"""Which functions are tools, and where they run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from massgen_core.api import ConfigProblem

__all__ = ["FunctionConfig", "PythonConfig"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FUNCTION = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_POSITIVE = attrs.validators.gt(0)


def _help(text: str, **field: Any) -> Any:
    return attrs.field(metadata={"help": text}, **field)


@attrs.frozen(kw_only=True)
class FunctionConfig:
    """One function that agents can call."""

    path: str = _help("the file that defines it; relative to the folder in which massgen is started", validator=attrs.validators.min_len(1))
    function: str = _help("its name in that file")
    name: str = _help("what agents call it; unset: the function's own name", default="")
    description: str = _help("what agents are told of it; unset: the beginning of its docstring", default="")
    parameters: Mapping[str, Any] = _help("its parameters as a JSON Schema of type object; unset: from its signature and docstring", factory=dict)
    arguments: Mapping[str, Any] = _help("arguments that are always given, and that agents do not see", factory=dict)

    def __attrs_post_init__(self) -> None:
        if not _FUNCTION.fullmatch(self.function):
            raise ConfigProblem(f"{self.function[:60]!r} is no name of a function", path="function")
        if not _NAME.fullmatch(self.tool):
            raise ConfigProblem(f"{self.tool[:80]!r} cannot name a tool; use letters, digits, '-' and '_', at most 64", path="name")
        if self.parameters and self.parameters.get("type") != "object":
            raise ConfigProblem("parameters are a JSON Schema of type object: {type: object, properties: {...}}", path="parameters")

    @property
    def tool(self) -> str:
        """The tool's name."""
        return self.name or self.function


@attrs.frozen(kw_only=True)
class PythonConfig:
    """Options of the toolset."""

    functions: tuple[FunctionConfig, ...] = _help("the functions that are tools", default=())
    python: str = _help("the interpreter; unset: the one that runs massgen, or python3 in a sandbox", default="")
    executor: Mapping[str, Any] | None = _help("the sandbox that they run in: `type` and the executor's own options; unset: none", default=None)
    env: Mapping[str, str] = _help("variables of their process; `env:NAME` and other references to secrets are resolved", factory=dict, repr=False)
    pass_env: tuple[str, ...] = _help(
        "variables of this process that are handed on, globs; without a sandbox also PATH, HOME and the like", default=()
    )
    seconds: float = _help("seconds that one call may take; then its process is ended", default=120.0, validator=_POSITIVE)
    start_seconds: float = _help("seconds that the files may take to be loaded", default=60.0, validator=_POSITIVE)

    def __attrs_post_init__(self) -> None:
        seen: dict[str, int] = {}
        for index, one in enumerate(self.functions):
            if seen.setdefault(one.tool, index) != index:
                raise ConfigProblem(f"functions[{seen[one.tool]}] is the tool {one.tool!r} too; give one a `name`", path=f"functions[{index}]")
