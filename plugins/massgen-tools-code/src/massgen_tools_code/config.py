"""The options of the toolset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from massgen_core.api import ConfigProblem

__all__ = ["CODE", "LANGUAGES", "CodeConfig", "CommandPermissions"]

# Where the code goes in a language's argument vector; a vector without it gets the code as its standard input.
CODE = "{code}"
LANGUAGES: Mapping[str, tuple[str, ...]] = {
    "python": ("python3", "-u", "-"),
    "shell": ("sh", "-c", CODE),
    "javascript": ("node", "-"),
}


def _help(text: str, **field: Any) -> Any:
    return attrs.field(metadata={"help": text}, **field)


_POSITIVE = attrs.validators.gt(0)
_NOT_NEGATIVE = attrs.validators.ge(0)


@attrs.frozen(kw_only=True)
class CommandPermissions:
    """Glob patterns of command lines, and of `language:code`; the strictest match wins. Where `allow` names any, what it does not name is asked."""

    allow: tuple[str, ...] = _help("commands that need no approval", default=())
    ask: tuple[str, ...] = _help("commands that a person approves, one by one", default=())
    deny: tuple[str, ...] = _help("commands that are refused", default=())


@attrs.frozen(kw_only=True)
class CodeConfig:
    """Where code runs, for how long, and how much of its output a model is shown. What surrounds it is said in the executor's own options."""

    executor: str | Mapping[str, Any] = _help("the sandbox: an executor's name, or `type` and the executor's own options", default="local")
    languages: Mapping[str, tuple[str, ...] | None] = _help(
        "further languages, or others in their place: program and arguments, with `{code}` where the code goes, else it is the standard input; "
        "null takes one away",
        factory=dict,
    )
    seconds: float = _help("wall time of a command that asks for none", default=120.0, validator=_POSITIVE)
    most_seconds: float = _help("wall time that a command may ask for; keep it below `tool_seconds` of the run", default=280.0, validator=_POSITIVE)
    output: int = _help("bytes of each output that a model is shown: the first and the last part", default=12_000, validator=attrs.validators.ge(200))
    stored_output: int = _help("bytes of each longer output that are kept beside the run", default=100_000_000, validator=_NOT_NEGATIVE)
    jobs: int = _help("background jobs at once; 0: none, and no tools for them", default=4, validator=_NOT_NEGATIVE)
    job_seconds: float = _help("wall time of a background job", default=3600.0, validator=_POSITIVE)
    files: int = _help("files of the working folder that are compared to tell what a command changed; 0: none", default=5000, validator=_NOT_NEGATIVE)
    permissions: CommandPermissions = _help("which commands run, beside the permissions of the tools", default=CommandPermissions())

    def __attrs_post_init__(self) -> None:
        if not self.executor_name:
            raise ConfigProblem("name the executor: executor: local, or executor: {type: docker}", path="executor")
        for name, argv in self.languages.items():
            if argv is not None and not (argv and argv[0]):
                raise ConfigProblem("a language needs a program", path=f"languages.{name}")

    @property
    def executor_name(self) -> str:
        """The executor's name; empty where it is missing."""
        name = self.executor if isinstance(self.executor, str) else self.executor.get("type", "")
        return name if isinstance(name, str) else ""

    @property
    def executor_options(self) -> dict[str, Any]:
        """The executor's own options."""
        return {} if isinstance(self.executor, str) else {key: value for key, value in self.executor.items() if key != "type"}

    @property
    def vectors(self) -> dict[str, tuple[str, ...]]:
        """The argument vectors of all languages."""
        return {name: argv for name, argv in {**LANGUAGES, **self.languages}.items() if argv is not None}
