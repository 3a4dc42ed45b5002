"""The options of the backend."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import attrs

from massgen_core.api import ConfigProblem, check_address, check_reference

__all__ = ["OWN_FIELDS", "TOOLS", "ClaudeCodeConfig"]

LOGIN = "login"
# The tools of its own that are of use to an agent without a person in front of it.
TOOLS = ("Bash", "Edit", "Glob", "Grep", "NotebookEdit", "Read", "WebFetch", "WebSearch", "Write")
OWN_FIELDS = ("messages", "model", "stream", "system", "tools")  # of a request to the model
# What the backend itself must say to the program.
OWN_VARIABLES = frozenset(
    {
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_BASE_URL",
        "CLAUDE_AGENT_SDK_MCP_NO_PREFIX",
        "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR",
        "CLAUDE_CODE_EXTRA_BODY",
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
        "CLAUDE_CONFIG_DIR",
    }
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def _help(text: str, default: Any, **more: Any) -> Any:
    return attrs.field(default=default, metadata={"help": text}, **more)


def _positive(text: str) -> Any:
    return _help(text, None, validator=attrs.validators.optional(attrs.validators.gt(0)))


@attrs.frozen(kw_only=True)
class ClaudeCodeConfig:
    """With which key, where, with which of its own tools, and what these may do."""

    key: str = _help(
        "a reference to a key or token, as env:MY_KEY; `login`: its own login; unset: ANTHROPIC_API_KEY at Anthropic's address, else none",
        "",
    )
    base_url: str = _help("the address of a server that speaks Messages; unset: Anthropic's", "")
    cwd: str = _help("the folder that it works in; unset: the agent's workspace, else a folder of the run", "")
    add_dirs: tuple[str, ...] = _help("further folders that its tools may reach", ())
    tools: tuple[str, ...] = _help("which of its own tools it has, beside those that are allowed; an empty list: none", TOOLS)
    allowed_tools: tuple[str, ...] = _help("its own tools that need no yes, for instance Edit or Bash(git diff:*)", ())
    disallowed_tools: tuple[str, ...] = _help("its own tools that it may not call", ())
    permission_mode: Literal["default", "acceptEdits", "plan", "dontAsk", "auto", "bypassPermissions"] = _help(
        "what its own tools may do unasked; bypassPermissions: everything", "default"
    )
    asks: bool = _help("ask a person about calls that are neither allowed nor forbidden; otherwise they are denied", default=True)
    system_prompt: str = _help("in place of Claude Code's own system prompt", "")
    append_system_prompt: str = _help("after the system prompt", "")
    setting_sources: tuple[Literal["user", "project", "local"], ...] = _help("whose settings files and CLAUDE.md it reads; they can allow tools", ())
    max_turns: int | None = _positive("model calls of its own in one answer, at most")
    max_thinking_tokens: int | None = _help("tokens of thinking, at most; 0: none", None, validator=attrs.validators.optional(attrs.validators.ge(0)))
    fallback_model: str = _help("the model to use where the first is overloaded; the program then tries again by itself first", "")
    continue_session: bool = _help("go on with the agent's earlier session in its next turn, so that it remembers what it did", default=False)
    env: Mapping[str, str] = attrs.field(factory=dict, metadata={"help": "further environment variables of the program; no keys"})
    pass_env: tuple[str, ...] = _help("environment variables that are handed on, for instance AWS_PROFILE; its commands see them too", ())
    extra_body: Mapping[str, Any] = attrs.field(factory=dict, metadata={"help": "further fields of each request to the model, as they are"})
    cli_path: str = _help("the program; unset: the one that came with the SDK, else `claude`", "")
    idle_seconds: float | None = _positive("seconds of the model's silence after which a call is given up; unset: model_idle_seconds of the run")

    def __attrs_post_init__(self) -> None:
        if not self.is_login:
            check_reference(self.key, example="env:MY_KEY, or login")
        check_address(self.base_url, example="https://example.org")
        for name in self.env:
            self._check_variable(name, "env")
        for name in self.pass_env:
            self._check_variable(name, "pass_env")
        for name in OWN_FIELDS:
            if name in self.extra_body:
                raise ConfigProblem(f"{name!r} is said by Claude Code itself and cannot be replaced", path="extra_body")
        for path in ("tools", "allowed_tools", "disallowed_tools"):
            for tool in getattr(self, path):
                if not tool.strip() or tool.startswith("-") or not tool.isprintable():
                    raise ConfigProblem(f"{tool!r} is no name of a tool", path=path)
                if path == "tools" and not tool.isalnum():
                    raise ConfigProblem(f"`tools` takes plain names such as Bash; rules such as {tool!r} belong in allowed_tools", path=path)

    @property
    def is_login(self) -> bool:
        """The program logs in by itself."""
        return self.key == LOGIN

    @property
    def reference(self) -> str:
        """The reference to the key; empty where none is handed over. Anthropic's key goes to Anthropic's address only."""
        return "" if self.is_login else self.key or ("" if self.base_url else "ANTHROPIC_API_KEY")

    @property
    def available(self) -> tuple[str, ...]:
        """Its own tools that it has: those of `tools`, and those that are allowed."""
        allowed = (rule.partition("(")[0].strip() for rule in self.allowed_tools)
        return tuple(dict.fromkeys((*self.tools, *(name for name in allowed if name.isalnum()))))

    def _check_variable(self, name: str, path: str) -> None:
        if not _VARIABLE.match(name):
            raise ConfigProblem(f"{name!r} is no name of an environment variable", path=path)
        if name in OWN_VARIABLES:
            raise ConfigProblem(f"{name} is said by the backend itself; use `key`, `base_url`, `extra_body` and the agent's sampling", path=path)
