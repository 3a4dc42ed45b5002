"""The options of the backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import attrs

from massgen_core.api import ConfigProblem, check_address, check_headers, check_reference

__all__ = ["CATEGORIES", "KEYS", "OWN_FIELDS", "GeminiConfig"]

KEYS = ("GEMINI_API_KEY", "GOOGLE_API_KEY")  # looked for where no key is named; Google's own tools read both
UPLOAD_BYTES = 2_000_000
USUAL_MODEL = "gemini-2.5-flash"  # not the dearest: an agent that names no model shall not surprise by its bill
OWN_FIELDS = frozenset({"contents", "model", "tools"})  # what the backend itself must say
CATEGORIES: Mapping[str, str] = {
    "harassment": "HARM_CATEGORY_HARASSMENT",
    "hate_speech": "HARM_CATEGORY_HATE_SPEECH",
    "sexually_explicit": "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "dangerous_content": "HARM_CATEGORY_DANGEROUS_CONTENT",
    "civic_integrity": "HARM_CATEGORY_CIVIC_INTEGRITY",
    "jailbreak": "HARM_CATEGORY_JAILBREAK",
}
Threshold: TypeAlias = Literal["block_low_and_above", "block_medium_and_above", "block_only_high", "block_none", "off"]
_THINKS = "unset: the agent's reasoning_effort"


def _help(text: str, default: Any = None, **field: Any) -> Any:
    return attrs.field(default=default, metadata={"help": text}, **field)


def _mapping(text: str) -> Any:
    return attrs.field(factory=dict, metadata={"help": text})


@attrs.frozen(kw_only=True)
class GeminiConfig:
    """Where Gemini is, with which key, and what it may do beside answering."""

    key: str = _help(
        "a reference to the key, for instance env:GEMINI_API_KEY; a name alone is looked for in the environment and all stores;"
        " unset: GEMINI_API_KEY, or else GOOGLE_API_KEY",
        "",
    )
    vertex: bool = _help("use Vertex AI instead of AI Studio; project, location or credentials say so too", False)
    project: str = _help("the Google Cloud project; unset: GOOGLE_CLOUD_PROJECT, or the project of the credentials", "")
    location: str = _help("the Google Cloud location, for instance europe-west4; unset: global", "")
    credentials: str = _help("a reference to credentials of Google Cloud, as JSON; unset: the application default credentials of this machine", "")
    base_url: str = _help("the address of another server of this protocol, without the version", "")
    api_version: str = _help("the version of the API, for instance v1beta; unset: the SDK's", "")
    headers: Mapping[str, str] = _mapping("further headers of each request; no keys")
    enable_web_search: bool = _help("let the model search the web with Google", False)
    enable_code_execution: bool = _help("let the model run Python at Google", False)
    enable_url_context: bool = _help("let the model read the pages whose addresses it is given", False)
    hosted_tools: tuple[Mapping[str, Any], ...] = _help("further hosted tools as the API writes them, for instance {googleMaps: {}}", ())
    hosted_with_functions: Literal["together", "first"] | None = _help(
        "hosted tools beside functions: in one call, or in a call of their own before; unset: together from Gemini 3 on"
    )
    citations: bool = _help("list the pages that an answer rests on below it", True)
    include_thoughts: bool | None = _help("show what the model thought; unset: for models that think")
    thinking_budget: int | None = _help(f"tokens for thinking, for models before Gemini 3; 0: none, -1: as many as the model likes; {_THINKS}")
    thinking_level: Literal["minimal", "low", "medium", "high", "xhigh"] | None = _help(f"how long to think, from Gemini 3 on; {_THINKS}")
    safety: Mapping[str, Threshold] = _mapping(f"what is blocked, a threshold for each of {', '.join(CATEGORIES)}")
    media_resolution: Literal["low", "medium", "high"] | None = _help("how closely images are looked at; unset: as the model does by itself")
    upload_bytes: int | None = _help(
        "images and files of at least so many bytes are uploaded once (Files API) and deleted at the run's end, instead of going along with each"
        f" request; 0: never; unset: {UPLOAD_BYTES} in AI Studio at Google's address, never elsewhere",
        validator=attrs.validators.optional(attrs.validators.ge(0)),
    )
    extra_body: Mapping[str, Any] = _mapping("further fields of each request, as the API writes them")
    connect_seconds: float = _help("seconds in which a connection must be made", 10.0, validator=attrs.validators.gt(0))
    idle_seconds: float | None = _help(
        "seconds of silence after which a call is given up; unset: model_idle_seconds of the run",
        validator=attrs.validators.optional(attrs.validators.gt(0)),
    )

    def __attrs_post_init__(self) -> None:
        check_address(self.base_url, example="https://example.org")
        self._check_secrets()
        self._check_thinking()
        for name in self.safety:
            if name not in CATEGORIES:
                raise ConfigProblem(f"no category {name!r}; there are: {', '.join(CATEGORIES)}", path="safety", allowed=tuple(CATEGORIES))
        for name in self.extra_body:
            if name in OWN_FIELDS:
                raise ConfigProblem(f"{name!r} is said by the backend itself; for tools there is hosted_tools", path="extra_body")
        for index, tool in enumerate(self.hosted_tools):
            if len(tool) != 1 or "functionDeclarations" in tool or "function_declarations" in tool:
                raise ConfigProblem(
                    "a hosted tool is one name with its options, such as {googleMaps: {}}; functions come from toolsets, such as mcp",
                    path=f"hosted_tools[{index}]",
                )

    def _check_secrets(self) -> None:
        for name in ("key", "credentials"):
            check_reference(getattr(self, name), example="env:GEMINI_API_KEY", path=name)
        if self.key and (self.project or self.location or self.credentials):
            raise ConfigProblem(
                "a key and project, location or credentials exclude each other; with `vertex: true` and a key alone, Vertex AI takes the key",
                path="key",
            )
        check_headers(self.headers)
        if self.upload_bytes and self.is_vertex:
            raise ConfigProblem("Vertex AI has no Files API; leave upload_bytes out", path="upload_bytes")

    def _check_thinking(self) -> None:
        if self.thinking_budget is not None and self.thinking_level is not None:
            raise ConfigProblem("give thinking_budget or thinking_level, not both: no model takes both", path="thinking_level")
        if self.thinking_budget is not None and self.thinking_budget < -1:
            raise ConfigProblem("thinking_budget is a number of tokens, 0 or -1", path="thinking_budget")

    @property
    def is_vertex(self) -> bool:
        """Vertex AI is meant."""
        return self.vertex or bool(self.project or self.location or self.credentials)

    @property
    def usual_model(self) -> str:
        """The model of an agent that names none; empty elsewhere."""
        return "" if self.base_url else USUAL_MODEL

    @property
    def least_upload(self) -> int:
        """Bytes from which on something is uploaded; 0: nothing is."""
        if self.upload_bytes is None:
            return UPLOAD_BYTES if not self.base_url and not self.is_vertex else 0
        return self.upload_bytes

    @property
    def hosted(self) -> tuple[Mapping[str, Any], ...]:
        """All hosted tools, as the API writes them."""
        known = {"googleSearch": self.enable_web_search, "codeExecution": self.enable_code_execution, "urlContext": self.enable_url_context}
        return (*({name: {}} for name, is_on in known.items() if is_on), *self.hosted_tools)
