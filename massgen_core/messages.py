"""The neutral chat vocabulary that every backend, toolset and strategy speaks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import attrs

from massgen_core.rates import RateLimits

__all__ = [
    "Brief",
    "Candidate",
    "Content",
    "Effort",
    "File",
    "Image",
    "Message",
    "ModelAnswer",
    "ModelRequest",
    "ProviderItem",
    "Purpose",
    "Reasoning",
    "Role",
    "Sampling",
    "StopReason",
    "Text",
    "Tool",
    "ToolAnnotations",
    "ToolCall",
    "ToolChoice",
    "ToolResult",
    "Usage",
]

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
Purpose: TypeAlias = Literal["answer", "vote", "present", "judge"]
Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "max"]
StopReason: TypeAlias = Literal["stop", "tools", "length", "refused", "filtered", "cancelled"]
# "auto", "none", "required", or the name of the one tool that must be called.
ToolChoice: TypeAlias = str


@attrs.frozen(kw_only=True)
class Text:
    """Plain text."""

    type: Literal["text"] = attrs.field(default="text", init=False)
    text: str


@attrs.frozen(kw_only=True)
class Image:
    """An image, as base64 data or as an address; exactly one of the two is set.

    Attributes:
        media_type: For instance `image/png`.
        data: Base64 without line breaks.
        url: An address that the provider fetches itself.
    """

    type: Literal["image"] = attrs.field(default="image", init=False)
    media_type: str
    data: str = ""
    url: str = ""


@attrs.frozen(kw_only=True)
class File:
    """A file that is no image, as base64 data or as a path on this machine."""

    type: Literal["file"] = attrs.field(default="file", init=False)
    name: str
    media_type: str = "application/octet-stream"
    data: str = ""
    path: str = ""


@attrs.frozen(kw_only=True)
class Reasoning:
    """What a model showed of its thinking; never sent to another provider."""

    type: Literal["reasoning"] = attrs.field(default="reasoning", init=False)
    text: str


@attrs.frozen(kw_only=True)
class ProviderItem:
    """An item that a provider wants back verbatim (a signed thought, an encrypted state).

    Attributes:
        backend: The backend's name; others skip the item.
        item: Plain data, exactly as it was received.
    """

    type: Literal["item"] = attrs.field(default="item", init=False)
    backend: str
    item: Any


@attrs.frozen(kw_only=True)
class ToolCall:
    """A model's wish to call a tool.

    Attributes:
        id: Unique in its message; the result names it.
        name: The tool's name as the model knows it.
        arguments: JSON text exactly as the model wrote it, so that malformed text can be shown to it again.
    """

    type: Literal["call"] = attrs.field(default="call", init=False)
    id: str
    name: str
    arguments: str = "{}"

    def parsed(self) -> dict[str, Any]:
        """Return the arguments as a mapping.

        Raises:
            ValueError: The text is no JSON object; the message can be shown to the model.
        """
        value = json.loads(self.arguments or "{}")
        if not isinstance(value, dict):
            raise ValueError(f"arguments must be a JSON object, not {type(value).__name__}")
        return value


@attrs.frozen(kw_only=True)
class ToolResult:
    """What a tool gave back; a failed tool is a value too.

    Attributes:
        call: The id of the `ToolCall` it answers.
        content: Parts for the model: text, images, files.
        is_error: The tool said that it failed.
        structured: Plain data beside the parts, where the tool has it.
    """

    type: Literal["result"] = attrs.field(default="result", init=False)
    call: str
    content: tuple[Text | Image | File, ...] = ()
    is_error: bool = False
    structured: Any = None

    @property
    def text(self) -> str:
        """The text parts, joined by line breaks."""
        return "\n".join(part.text for part in self.content if isinstance(part, Text))


Content: TypeAlias = Text | Image | File | Reasoning | ProviderItem | ToolCall | ToolResult


@attrs.frozen(kw_only=True)
class Message:
    """One message of a conversation.

    A `tool` message holds `ToolResult` parts only; an `assistant` message may hold text, reasoning, provider items and tool calls,
    in the order in which they came.
    """

    role: Role
    content: tuple[Content, ...] = ()

    @classmethod
    def of(cls, role: Role, text: str) -> Message:
        """Return a message of one text part."""
        return cls(role=role, content=(Text(text=text),))

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.text for part in self.content if isinstance(part, Text))

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The tool calls, in order."""
        return tuple(part for part in self.content if isinstance(part, ToolCall))


@attrs.frozen(kw_only=True)
class ToolAnnotations:
    """What a tool's provider claims about it: hints to weigh, not facts to trust.

    The names and defaults are those of the Model Context Protocol's tool annotations.
    """

    read_only: bool = False
    destructive: bool = True
    idempotent: bool = False
    open_world: bool = True


@attrs.frozen(kw_only=True)
class Tool:
    """A tool that a model may call.

    Attributes:
        name: At most 64 of `[A-Za-z0-9_-]`.
        description: For the model; untrusted where a server wrote it.
        parameters: A JSON Schema of type object.
        annotations: Claims about its effects; None where its provider makes none.
        source: Where it comes from, for instance `mcp.github`; empty for a strategy's own tools.
        uses_workspace: It works on files of the agent's working folder or of its context paths: the agent is told of them, and what is in the
            folder is kept before each call that may change it.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = attrs.field(factory=lambda: {"type": "object", "properties": {}})
    annotations: ToolAnnotations | None = None
    source: str = ""
    uses_workspace: bool = False


@attrs.frozen(kw_only=True)
class Sampling:
    """How to draw tokens; None leaves the provider's default."""

    temperature: float | None = attrs.field(default=None, metadata={"help": "0: the likeliest token each time; higher: more variety"})
    top_p: float | None = attrs.field(default=None, metadata={"help": "draw from the likeliest tokens that together have this probability"})
    max_tokens: int | None = attrs.field(default=None, metadata={"help": "tokens of one answer, at most"})
    seed: int | None = attrs.field(default=None, metadata={"help": "of the draw, where the provider takes one"})
    stop: tuple[str, ...] = attrs.field(default=(), metadata={"help": "texts at which an answer ends"})


@attrs.frozen(kw_only=True)
class Candidate:
    """An answer to choose from, under the label by which this voter knows it."""

    label: str
    content: str


@attrs.frozen(kw_only=True)
class Brief:
    """What a request is about, beside the messages that say the same in prose.

    A backend may build its own, shorter prompt from it (models too small to follow long instructions need that) or ignore it.

    Attributes:
        purpose: What is asked for.
        question: The task's last question, without earlier turns.
        candidates: The answers to vote on or to present; empty for a first answer.
    """

    purpose: Purpose
    question: str
    candidates: tuple[Candidate, ...] = ()


@attrs.frozen(kw_only=True)
class ModelRequest:
    """One call of a model.

    Attributes:
        model: The provider's name of the model; empty for the backend's default.
        messages: The whole conversation, system message first if there is one.
        tools: What may be called now.
        tool_choice: `auto`, `none`, `required` or a tool's name.
        response_schema: A JSON Schema that the text must obey, where the backend declares `response_schema`.
        sampling: How to draw tokens.
        reasoning_effort: How long to think, where the backend declares `reasoning`.
        brief: The same request as data.
        metadata: Plain strings for logs and provider metadata: run, agent, turn.
        options: Provider options that have no neutral name.
    """

    model: str = ""
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    response_schema: Mapping[str, Any] | None = None
    sampling: Sampling = Sampling()
    reasoning_effort: Effort | None = None
    brief: Brief | None = None
    metadata: Mapping[str, str] = attrs.field(factory=dict)
    options: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Usage:
    """Tokens of one model call; the five counts are disjoint and add up to what is paid for.

    Attributes:
        input: Input tokens that were neither read from nor written to a cache.
        cached: Input tokens read from a cache.
        written: Input tokens written to a cache.
        output: Output tokens without reasoning.
        reasoning: Output tokens spent on reasoning.
        cost: Money in US dollars; None where no price is known.
        unpriced: Of a sum that has a cost: tokens of calls of which the price is not known, so that the cost is a part only.
    """

    input: int = 0
    cached: int = 0
    written: int = 0
    output: int = 0
    reasoning: int = 0
    cost: float | None = None
    unpriced: int = 0

    @property
    def total(self) -> int:
        """All tokens."""
        return self.input + self.cached + self.written + self.output + self.reasoning

    def __add__(self, other: Usage) -> Usage:
        costs = [cost for cost in (self.cost, other.cost) if cost is not None]
        unpriced = (self.total if self.cost is None else self.unpriced) + (other.total if other.cost is None else other.unpriced)
        return Usage(
            input=self.input + other.input,
            cached=self.cached + other.cached,
            written=self.written + other.written,
            output=self.output + other.output,
            reasoning=self.reasoning + other.reasoning,
            cost=sum(costs) if costs else None,
            unpriced=unpriced if costs else 0,
        )


@attrs.frozen(kw_only=True)
class ModelAnswer:
    """A whole answer, put together from the chunks of one stream.

    Attributes:
        is_cached: It came from a cache and cost nothing.
        limits: The provider's limits, as it told them with the answer.
    """

    message: Message
    stop: StopReason
    usage: Usage = Usage()
    model: str = ""
    is_cached: bool = False
    limits: RateLimits | None = None
