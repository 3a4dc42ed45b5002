"""The options of the backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from massgen_backend_chat.presets import PRESETS, UNKNOWN, EffortStyle, Preset, SchemaStyle
from massgen_core.api import ConfigProblem, check_address, check_headers, check_reference, nearest

__all__ = ["OWN_FIELDS", "ChatConfig"]

OWN_FIELDS = frozenset({"messages", "model", "n", "stream", "tools"})  # what the backend itself must say


def _help(text: str, default: Any) -> Any:
    return attrs.field(default=default, metadata={"help": text})


def _mapping(text: str) -> Any:
    return attrs.field(factory=dict, metadata={"help": text})


@attrs.frozen(kw_only=True)
class ChatConfig:
    """Which server, with which key, and what it wants said differently."""

    preset: str = _help(f"a known provider: {', '.join(PRESETS)}", "")
    base_url: str = _help("the server's address, to which /chat/completions is appended; unset: the preset's", "")
    key: str = _help("a reference to the key, for instance env:GROQ_API_KEY; unset: the preset's name for it at the preset's address, else none", "")
    headers: Mapping[str, str] = _mapping("further headers of each request; no keys")
    query: Mapping[str, str] = _mapping("query parameters of each request, for instance api-version")
    extra_body: Mapping[str, Any] = _mapping("further fields of each request, as they are")
    organization: str = _help("OpenAI's organization", "")
    project: str = _help("OpenAI's project", "")
    connect_seconds: float = attrs.field(
        default=10.0, validator=attrs.validators.gt(0), metadata={"help": "seconds in which a connection must be made"}
    )
    idle_seconds: float | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(attrs.validators.gt(0)),
        metadata={"help": "seconds of silence after which a call is given up; unset: model_idle_seconds of the run"},
    )
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = _help(
        "what the limit of tokens is called; unset: the preset's word", None
    )
    stream_usage: bool | None = _help("ask for the usage with stream_options; unset: as the preset says", None)
    tools: bool | None = _help("the model takes tools; unset: as the preset says", None)
    forced_tools: bool | None = _help("a tool can be demanded; otherwise tool_choice is auto; unset: as the preset says", None)
    files: bool | None = _help("the model takes files as parts; unset: as the preset says", None)
    effort: EffortStyle | None = _help("how a reasoning effort is said; unset: as the preset says", None)
    schema: SchemaStyle | None = _help("how a schema for the text is said; unset: as the preset says", None)

    def __attrs_post_init__(self) -> None:
        if self.preset and self.preset not in PRESETS:
            near = nearest(self.preset, PRESETS)
            said = f"; did you mean {near!r}?" if near else ""
            raise ConfigProblem(
                f"no preset {self.preset!r}{said} Presets: {', '.join(PRESETS)}. Any other server: base_url",
                path="preset",
                allowed=tuple(PRESETS),
                nearest=near[0] if near else "",
            )
        if not self.base_url and not self.known.base_url:
            what = f"preset {self.preset!r} has no address of its own" if self.preset else "no server is named"
            example = "https://NAME.openai.azure.com/openai/v1" if self.preset == "azure" else "http://localhost:8080/v1"
            raise ConfigProblem(f"{what}; give a base_url, for instance {example}{'' if self.preset else ', or a preset'}", path="base_url")
        check_address(self.base_url, example="https://example.org/v1", query="query")
        check_reference(self.key, example="env:GROQ_API_KEY")
        check_headers(self.headers)
        for name in self.extra_body:
            if name in OWN_FIELDS:
                raise ConfigProblem(f"{name!r} is said by the backend itself and cannot be replaced", path="extra_body")

    @property
    def known(self) -> Preset:
        """What is known of the server, with the options that correct it."""
        preset = PRESETS[self.preset] if self.preset else UNKNOWN
        own: dict[str, Any] = {"tools": self.tools, "forced_tools": self.forced_tools, "files": self.files, "stream_usage": self.stream_usage}
        own.update(max_tokens=self.max_tokens_field, effort=self.effort, schema=self.schema)
        return attrs.evolve(preset, **{name: value for name, value in own.items() if value is not None})

    @property
    def address(self) -> str:
        """Where requests go."""
        return f"{self.base}/chat/completions"

    @property
    def base(self) -> str:
        """The server's address, without a slash at its end."""
        return (self.base_url or self.known.base_url).rstrip("/")

    @property
    def reference(self) -> str:
        """The reference to the key, empty where none is sent.

        The preset's key is not sent to an address that the preset does not know.
        """
        known = self.known
        if self.key or not known.key:
            return self.key
        return known.key if not self.base_url or self.base_url.rstrip("/") == known.base_url or not known.base_url else ""
