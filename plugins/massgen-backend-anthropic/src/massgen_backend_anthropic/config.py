"""The options of the backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from massgen_core.api import ConfigProblem, check_address, check_headers, check_reference

__all__ = ["ADDRESS", "OWN_FIELDS", "AnthropicConfig", "Thinking"]

UPLOAD_BYTES = 2_000_000
USUAL_MODEL = "claude-sonnet-5-5"  # not the dearest: an agent that names no model shall not surprise by its bill
ADDRESS = "https://api.anthropic.com"
OWN_FIELDS = frozenset({"messages", "model", "stream", "tools"})  # what the backend itself must say
Thinking = Literal["adaptive", "enabled", "between_tools", "disabled"]

# A name of capitals is looked for in every store.


def _help(text: str, default: Any, check: Any = None) -> Any:
    return attrs.field(default=default, metadata={"help": text}, validator=check)


def _mapping(text: str) -> Any:
    return attrs.field(factory=dict, metadata={"help": text})


_POSITIVE = attrs.validators.optional(attrs.validators.gt(0))


@attrs.frozen(kw_only=True)
class AnthropicConfig:
    """Which server, with which key, what its models may use, and how they think."""

    key: str = _help(
        "a reference to the key, for instance env:MY_KEY or keyring:anthropic; unset: ANTHROPIC_API_KEY at Anthropic's address, else none", ""
    )
    key_header: Literal["authorization", "x-api-key"] = _help("the header in which the key is sent", "authorization")
    base_url: str = _help("the server's address, to which /v1/messages is appended; unset: Anthropic's", "")
    api_version: str = _help("the anthropic-version header; unset: the SDK's own", "")
    betas: tuple[str, ...] = _help("names of beta features, for the anthropic-beta header", ())
    headers: Mapping[str, str] = _mapping("further headers of each request; no keys")
    extra_body: Mapping[str, Any] = _mapping("further fields of each request, as they are")
    max_tokens: int | None = _help("tokens of one answer where the agent's sampling says nothing; unset: by model, at most 32000", None, _POSITIVE)
    thinking: Thinking | None = _help("how the model thinks; unset: as its generation wants it", None)
    thinking_budget: int | None = _help(
        "tokens to think, for models that take a budget; unset: from reasoning_effort", None, attrs.validators.optional(attrs.validators.ge(1024))
    )
    thinking_display: Literal["summarized", "omitted"] = _help("what is shown of the thinking", "summarized")
    stale_thinking: Literal["drop", "refuse"] = _help("what becomes of thoughts whose conversation, tools or instructions changed since", "drop")
    cache: Literal["5m", "1h", "off"] = _help("how long the provider caches prompts", "5m")
    forced_tools: bool | None = _help("a tool can be demanded; otherwise it is offered; unset: unless the model thinks", None)
    enable_web_search: bool = _help("let the provider search the web for the model", False)
    web_search: Mapping[str, Any] = _mapping("settings of the search: max_uses, allowed_domains, blocked_domains, user_location, type")
    enable_code_execution: bool = _help("let the model run code in the provider's sandbox", False)
    code_execution: Mapping[str, Any] = _mapping("settings of the sandbox: type")
    hosted_tools: tuple[Mapping[str, Any], ...] = _help("further tools that the provider runs, as its documentation writes them", ())
    upload_bytes: int | None = _help(
        "images and PDF of at least so many bytes are uploaded once (Files API) and deleted at the run's end, instead of going along with each"
        f" request; 0: never; unset: {UPLOAD_BYTES} at Anthropic's address, never elsewhere",
        None,
        attrs.validators.optional(attrs.validators.ge(0)),
    )
    connect_seconds: float = _help("seconds in which a connection must be made", 10.0, attrs.validators.gt(0))
    idle_seconds: float | None = _help("seconds of silence after which a call is given up; unset: model_idle_seconds of the run", None, _POSITIVE)

    def __attrs_post_init__(self) -> None:
        check_address(self.base_url, example="https://example.org")
        if self.base_url.rstrip("/").endswith(("/v1", "/v1/messages")):
            raise ConfigProblem("base_url must not end in /v1: /v1/messages is appended to it", path="base_url")
        check_reference(self.key, example="env:ANTHROPIC_API_KEY")
        check_headers(self.headers)
        for name in self.headers:
            if name.lower() in ("anthropic-beta", "anthropic-version"):
                raise ConfigProblem(f"the header {name!r} has an option of its own: betas, api_version", path="headers")
        for name in self.extra_body:
            if name in OWN_FIELDS:
                raise ConfigProblem(f"{name!r} is said by the backend itself and cannot be replaced", path="extra_body")
        for name, needed in (("web_search", self.enable_web_search), ("code_execution", self.enable_code_execution)):
            if getattr(self, name) and not needed:
                raise ConfigProblem(f"{name} has settings, and the tool is off; set enable_{name}: true", path=name)
        for tool in self.hosted_tools:
            if not isinstance(tool.get("type"), str):
                raise ConfigProblem("each hosted tool needs a type, for instance {type: web_fetch_20250910, name: web_fetch}", path="hosted_tools")

    @property
    def address(self) -> str:
        """Where requests go."""
        return (self.base_url or ADDRESS).rstrip("/")

    @property
    def reference(self) -> str:
        """The reference to the key, empty where none is sent: a key goes by itself to Anthropic only."""
        return self.key or ("ANTHROPIC_API_KEY" if self.address == ADDRESS else "")

    @property
    def usual_model(self) -> str:
        """The model of an agent that names none; empty elsewhere."""
        return USUAL_MODEL if self.address == ADDRESS else ""

    @property
    def least_upload(self) -> int:
        """Bytes from which on something is uploaded; 0: nothing is."""
        if self.upload_bytes is None:
            return UPLOAD_BYTES if self.address == ADDRESS else 0
        return self.upload_bytes

    @property
    def tools(self) -> tuple[Mapping[str, Any], ...]:
        """The tools that the provider runs, as they are sent."""
        found: list[Mapping[str, Any]] = []
        if self.enable_web_search:
            found.append({"type": "web_search_20250305", "name": "web_search", **self.web_search})
        if self.enable_code_execution:
            found.append({"type": "code_execution_20250825", "name": "code_execution", **self.code_execution})
        return (*found, *self.hosted_tools)
