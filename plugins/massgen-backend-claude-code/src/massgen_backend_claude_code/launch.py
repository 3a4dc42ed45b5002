"""What the program is started with, from the options and a request."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import claude_agent_sdk

from massgen_backend_claude_code.config import OWN_FIELDS, ClaudeCodeConfig
from massgen_backend_claude_code.transport import Launch
from massgen_core.api import BadRequest, GrantedPath, ModelRequest, Secret

__all__ = ["SERVER", "Place", "launch_of"]

SERVER = "massgen"  # our tools' server, as the program knows it
# What any program needs to run here; all else of the environment stays with us, keys above all.
_HANDED_ON = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TERM|TMPDIR|TEMP|TMP|TZ|SSL_CERT_(?:FILE|DIR)|NODE_EXTRA_CA_CERTS"
    r"|(?:HTTPS?|NO|ALL)_PROXY|(?:https?|no|all)_proxy"
    r"|SYSTEMROOT|SYSTEMDRIVE|COMSPEC|PATHEXT|APPDATA|LOCALAPPDATA|USERPROFILE|PROGRAMDATA|PROGRAMFILES|WINDIR"
)
_ALWAYS: Mapping[str, str] = {
    "CLAUDE_CODE_ENTRYPOINT": "sdk-py",
    "CLAUDE_AGENT_SDK_VERSION": claude_agent_sdk.__version__,
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",  # what one run notes is not another's
    # A call that failed is tried again by a middleware, which the run's journal sees; the first try that it announces ends it.
    "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
    "CLAUDE_CODE_MAX_RETRIES": "1",
    "CLAUDE_CODE_DISABLE_REFUSAL_FALLBACK": "1",
    "CLAUDE_CODE_DISABLE_REFUSAL_RETRY": "1",
    # Our tools are few, and always shown; their results are bounded already, and may be long in coming.
    "ENABLE_TOOL_SEARCH": "false",
    "MAX_MCP_OUTPUT_TOKENS": "1000000",
    "MCP_TOOL_TIMEOUT": "86400000",
    "CLAUDE_CODE_SDK_MCP_TOOL_IDLE_TIMEOUT": "86400000",
    "CLAUDE_CODE_MCP_AUTO_BACKGROUND_MS": "0",
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
}
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "max": "max"}


@attrs.frozen(kw_only=True)
class Place:
    """Where one agent's program works.

    Attributes:
        work: The folder that its tools work in.
        state: What it remembers; in the run's folder.
        granted: What the agent was given beside its working folder.
    """

    work: Path
    state: Path
    granted: Sequence[GrantedPath] = ()

    @classmethod
    def of(cls, config: ClaudeCodeConfig, *, folder: Path, workspace: Path | None, agent: str, granted: Sequence[GrantedPath] = ()) -> Place:
        """Return an agent's place and make its folders."""
        own = folder / "claude-code" / (re.sub(r"[^A-Za-z0-9_-]", "_", agent) or "agent")
        work = Path(config.cwd).expanduser() if config.cwd else workspace or own / "work"
        place = cls(work=work.absolute(), state=own.absolute(), granted=granted)
        try:
            place.work.mkdir(parents=True, exist_ok=True)
            for name in ("config", "tmp"):
                (place.state / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise BadRequest(f"the folder {error.filename} cannot be made: {error.strerror}") from None
        return place

    def holds(self, session: str, *, is_login: bool) -> bool:
        """Tell whether the program's record of a session is here."""
        home = Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude") if is_login else self.state / "config"
        return bool(re.fullmatch(r"[0-9a-f-]{36}", session)) and any((home / "projects").glob(f"*/{session}.jsonl"))


def launch_of(config: ClaudeCodeConfig, request: ModelRequest, place: Place, *, key: Secret | None, resumes: tuple[str, str] = ("", "")) -> Launch:
    """Return how to start the program for a request.

    Args:
        resumes: A session to go on with, and the last message of it that counts.

    Raises:
        BadRequest: It cannot do what is asked; the message says what.
    """
    _check(request)
    prompt = _system_prompt(config, request)
    scratch: list[Path] = []
    arguments = [_program(config), *_flags(config, request, place)]
    if prompt or config.system_prompt:
        # In a file: an argument is bounded in length, and everybody on the machine can read it.
        file = place.state / f"prompt-{uuid.uuid4().hex}.txt"
        file.write_text(config.system_prompt + ("\n\n" if config.system_prompt and prompt else "") + prompt, encoding="utf-8")
        scratch.append(file)
        arguments += ["--system-prompt-file" if config.system_prompt else "--append-system-prompt-file", str(file)]
    session, last = resumes
    if session:
        arguments += [f"--resume={session}", "--fork-session"]
        if last:
            arguments.append(f"--resume-session-at={last}")
    return Launch(arguments=arguments, env=_environment(config, request, place), cwd=place.work, key=key, scratch=scratch)


def _check(request: ModelRequest) -> None:
    sampling = request.sampling
    for name in ("temperature", "top_p", "seed"):
        if getattr(sampling, name) is not None:
            raise BadRequest(f"Claude Code takes no {name}; leave `sampling.{name}` of this agent out")
    if sampling.stop:
        raise BadRequest("Claude Code takes no stop texts; leave `sampling.stop` of this agent out")
    for name in OWN_FIELDS:
        if name in request.options:
            raise BadRequest(f"the option {name!r} is said by Claude Code itself and cannot be replaced")
    if request.response_schema is not None:
        raise BadRequest("Claude Code is not asked for text that obeys a schema; choose another backend for this agent")


def _program(config: ClaudeCodeConfig) -> str:
    if config.cli_path:
        return str(Path(config.cli_path).expanduser())
    bundled = Path(claude_agent_sdk.__file__).parent / "_bundled" / ("claude.exe" if sys.platform == "win32" else "claude")
    found = str(bundled) if bundled.is_file() else shutil.which("claude")
    if found is None:
        raise BadRequest("the program `claude` is not here, and claude-agent-sdk brings none for this system; install it, or name it in `cli_path`")
    return found


def _system_prompt(config: ClaudeCodeConfig, request: ModelRequest) -> str:
    told = "\n\n".join(message.text for message in request.messages if message.role == "system")
    return "\n\n".join(part for part in (config.append_system_prompt, told) if part)


def _flags(config: ClaudeCodeConfig, request: ModelRequest, place: Place) -> Sequence[str]:
    flags = ["--output-format", "stream-json", "--input-format", "stream-json", "--verbose", "--include-partial-messages"]
    flags += ["--strict-mcp-config", "--mcp-config", json.dumps({"mcpServers": {SERVER: {"type": "sdk", "name": SERVER}}})]
    flags += ["--permission-prompt-tool", "stdio", "--permission-mode", config.permission_mode]
    flags += [f"--setting-sources={','.join(config.setting_sources)}", "--tools", ",".join(config.available)]
    # In its rules `//` begins an absolute path, and `Edit` stands for all of its tools that change files.
    files = [one for one in place.granted if not one.path.is_dir()]
    allowed = [f"{tool}(/{one.path})" for one in files for tool in (("Read", "Edit") if one.is_writable else ("Read",))]
    denied = [f"Edit(/{one.path}{'/**' if one.path.is_dir() else ''})" for one in place.granted if not one.is_writable]
    flags += ["--allowedTools", ",".join((f"mcp__{SERVER}", *config.allowed_tools, *allowed))]
    if config.disallowed_tools or denied:
        flags += ["--disallowedTools", ",".join((*config.disallowed_tools, *denied))]
    if request.model:
        flags.append(f"--model={request.model}")
    if config.fallback_model:
        flags.append(f"--fallback-model={config.fallback_model}")
    if config.max_turns:
        flags += ["--max-turns", str(config.max_turns)]
    for folder in (*config.add_dirs, *(str(one.path) for one in place.granted if one.path.is_dir())):
        flags += ["--add-dir", str(Path(folder).expanduser().absolute())]
    if config.max_thinking_tokens is not None:
        flags += ["--max-thinking-tokens", str(config.max_thinking_tokens)] if config.max_thinking_tokens else ["--thinking", "disabled"]
    elif request.reasoning_effort == "none":
        flags += ["--thinking", "disabled"]
    if request.reasoning_effort in _EFFORTS:
        flags += ["--effort", _EFFORTS[request.reasoning_effort]]
    return flags


def _environment(config: ClaudeCodeConfig, request: ModelRequest, place: Place) -> dict[str, str]:
    handed = {name: value for name, value in os.environ.items() if _HANDED_ON.fullmatch(name) or name in config.pass_env}
    made: dict[str, str] = {**handed, **_ALWAYS, "PWD": str(place.work), "CLAUDE_CODE_TMPDIR": str(place.state / "tmp")}
    if not config.is_login:
        made["CLAUDE_CONFIG_DIR"] = str(place.state / "config")
    elif "CLAUDE_CONFIG_DIR" in os.environ:
        made["CLAUDE_CONFIG_DIR"] = os.environ["CLAUDE_CONFIG_DIR"]
    if config.fallback_model:
        del made["CLAUDE_CODE_MAX_RETRIES"]  # it changes the model only after several tries
    if config.base_url:
        made["ANTHROPIC_BASE_URL"] = config.base_url.rstrip("/")
    if request.sampling.max_tokens:
        made["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] = str(request.sampling.max_tokens)
    extra: dict[str, Any] = {**config.extra_body, **request.options}
    if extra:
        made["CLAUDE_CODE_EXTRA_BODY"] = json.dumps(extra)
    if not {tool.name.lower() for tool in request.tools} & {tool.lower() for tool in config.available}:
        # The model knows our tools by the names that the prompts use; where one is also a name of its own tools, by longer ones.
        made["CLAUDE_AGENT_SDK_MCP_NO_PREFIX"] = "1"
    return {**made, **config.env}
