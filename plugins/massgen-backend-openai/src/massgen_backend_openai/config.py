"""The options of the backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from massgen_core.api import ConfigProblem, check_address, check_headers, check_reference

__all__ = ["OPENAI", "OWN_FIELDS", "OpenAIConfig", "ReasoningConfig", "TextConfig"]

UPLOAD_BYTES = 2_000_000
USUAL_MODEL = "gpt-5.4-mini"  # not the dearest: an agent that names no model shall not surprise by its bill
OPENAI = "https://api.openai.com/v1"
# What the backend itself must say.
OWN_FIELDS = frozenset({"background", "input", "instructions", "model", "previous_response_id", "store", "stream", "tools"})
_OURS = frozenset({"function", "custom", "computer", "computer_use_preview", "local_shell", "apply_patch"})


def _help(text: str, default: Any = None, **field: Any) -> Any:
    return attrs.field(default=default, metadata={"help": text}, **field)


def _mapping(text: str) -> Any:
    return attrs.field(factory=dict, metadata={"help": text})


@attrs.frozen(kw_only=True)
class ReasoningConfig:
    """How a model thinks."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = _help(
        "how long to think; the agent's `reasoning_effort` goes before it"
    )
    summary: Literal["auto", "concise", "detailed"] | None = _help("show a summary of what the model thought")


@attrs.frozen(kw_only=True)
class TextConfig:
    """How a model writes."""

    verbosity: Literal["low", "medium", "high"] | None = _help("how much it writes; unset: as the model does by itself")


@attrs.frozen(kw_only=True)
class OpenAIConfig:
    """Where the models are, with which key, and what they may do beside answering."""

    key: str = _help(
        "a reference to the key, for instance env:MY_KEY or keyring:openai; unset: OPENAI_API_KEY at OpenAI, AZURE_OPENAI_API_KEY at Azure,"
        " from the environment or any installed store; none elsewhere",
        "",
    )
    base_url: str = _help("the address of another server of this protocol, to which /responses is appended", "")
    azure_endpoint: str = _help("the address of an Azure resource, for instance https://NAME.openai.azure.com; `model` is the deployment", "")
    api_version: str = _help("Azure's dated API; unset: its undated one", "")
    organization: str = _help("OpenAI's organization", "")
    project: str = _help("OpenAI's project", "")
    headers: Mapping[str, str] = _mapping("further headers of each request; no keys")
    query: Mapping[str, str] = _mapping("further query parameters of each request")
    reasoning: ReasoningConfig = attrs.field(factory=ReasoningConfig, metadata={"help": "how the model thinks"})
    text: TextConfig = attrs.field(factory=TextConfig, metadata={"help": "how the model writes"})
    encrypted_reasoning: bool | None = _help(
        "ask for what the model thought, encrypted, to hand it back after tool calls; unset: for models known to think"
    )
    enable_web_search: bool = _help("let the model search the web, at OpenAI", False)
    enable_code_interpreter: bool = _help("let the model run Python in a container, at OpenAI", False)
    enable_image_generation: bool = _help("let the model make images, at OpenAI; they are saved as files", False)
    hosted_tools: tuple[Mapping[str, Any], ...] = _help("further hosted tools as the API writes them, each with its `type`", ())
    citations: bool = _help("list the pages that an answer cites below it", True)
    upload_files: tuple[Mapping[str, str], ...] = _help(
        "files for the model to see with the question: `file_path` or `image_path`, a path or an https address", ()
    )
    upload_bytes: int | None = _help(
        "images and files of at least so many bytes are uploaded once (Files API) and deleted at the run's end, instead of going along with each"
        f" request; 0: never; unset: {UPLOAD_BYTES} at OpenAI, never elsewhere",
        validator=attrs.validators.optional(attrs.validators.ge(0)),
    )
    parallel_tool_calls: bool | None = _help("several tool calls in one answer; unset: as the API does by itself")
    strict_tools: bool = _help("hold arguments to the schema, for tools whose schema can be enforced", False)
    store: bool = _help("let OpenAI keep the answers for a while", False)
    chain: bool = _help("send only what is new and let OpenAI remember the rest (previous_response_id); this stores answers", False)
    background: bool = _help("let OpenAI work on even when the connection breaks, and take it up again; this stores answers", False)
    service_tier: str = _help("for instance flex or priority", "")
    extra_body: Mapping[str, Any] = _mapping("further fields of each request, as they are")
    connect_seconds: float = _help("seconds in which a connection must be made", 10.0, validator=attrs.validators.gt(0))
    idle_seconds: float | None = _help(
        "seconds of silence after which a call is given up; unset: model_idle_seconds of the run",
        validator=attrs.validators.optional(attrs.validators.gt(0)),
    )

    def __attrs_post_init__(self) -> None:
        for name in ("base_url", "azure_endpoint"):
            check_address(getattr(self, name), example="https://example.org/v1", path=name, query="query")
        if self.base_url and self.azure_endpoint:
            raise ConfigProblem("give base_url or azure_endpoint, not both", path="azure_endpoint")
        if self.api_version and not self.azure_endpoint:
            raise ConfigProblem("api_version is Azure's; it needs azure_endpoint", path="api_version")
        check_reference(self.key, example="OPENAI_API_KEY")
        check_headers(self.headers)
        for name in self.extra_body:
            if name in OWN_FIELDS:
                raise ConfigProblem(f"{name!r} is said by the backend itself; use the option for it, if there is one", path="extra_body")
        for index, tool in enumerate(self.hosted_tools):
            _check_hosted(tool, f"hosted_tools[{index}]")
        for index, upload in enumerate(self.upload_files):
            _check_upload(upload, f"upload_files[{index}]")

    @property
    def address(self) -> str:
        """Where requests go, without the last part."""
        if self.azure_endpoint:
            return self.azure_endpoint.rstrip("/") + ("/openai" if self.api_version else "/openai/v1")
        return self.base_url.rstrip("/") or OPENAI

    @property
    def usual_model(self) -> str:
        """The model of an agent that names none; elsewhere the server knows."""
        return USUAL_MODEL if self.address == OPENAI else ""

    @property
    def least_upload(self) -> int:
        """Bytes from which on something is uploaded; 0: nothing is."""
        if self.upload_bytes is None:
            return UPLOAD_BYTES if self.address == OPENAI else 0
        return self.upload_bytes

    @property
    def reference(self) -> str:
        """The reference to the key, empty where none is sent.

        OpenAI's key goes to another server only where that is said.
        """
        if self.key:
            return self.key
        if self.azure_endpoint:
            return "AZURE_OPENAI_API_KEY"
        return "OPENAI_API_KEY" if self.address == OPENAI else ""

    @property
    def hosted(self) -> list[dict[str, Any]]:
        """The hosted tools, as the API writes them; one that is written out goes before its switch."""
        written = [dict(tool) for tool in self.hosted_tools]
        switches: list[tuple[bool, dict[str, Any]]] = [
            (self.enable_web_search, {"type": "web_search"}),
            (self.enable_code_interpreter, {"type": "code_interpreter", "container": {"type": "auto"}}),
            (self.enable_image_generation, {"type": "image_generation"}),
        ]
        types = {tool["type"] for tool in written}
        return [*(tool for is_on, tool in switches if is_on and tool["type"] not in types), *written]


def _check_hosted(tool: Mapping[str, Any], path: str) -> None:
    kind = tool.get("type")
    if not isinstance(kind, str):
        raise ConfigProblem("a hosted tool needs its `type`, for instance file_search", path=path)
    if kind in _OURS:
        raise ConfigProblem(f"a tool of type {kind!r} is carried out here and not at OpenAI; such tools come from toolsets", path=f"{path}.type")
    if kind == "mcp":
        if tool.get("require_approval") != "never":
            raise ConfigProblem(
                "nobody can approve calls at OpenAI from here: say `require_approval: never`, or use the toolset mcp", path=f"{path}.require_approval"
            )
        for name in ("authorization", "headers"):
            if tool.get(name):
                raise ConfigProblem(f"{name!r} would hold a secret in the configuration; use the toolset mcp for this server", path=f"{path}.{name}")


def _check_upload(upload: Mapping[str, str], path: str) -> None:
    if "audio_path" in upload:
        raise ConfigProblem("the Responses API takes no audio; a model of this backend cannot hear it", path=f"{path}.audio_path")
    if len(upload) != 1 or next(iter(upload)) not in ("file_path", "image_path"):
        raise ConfigProblem("an upload is one `file_path` or one `image_path`", path=path, allowed=("file_path", "image_path"))
