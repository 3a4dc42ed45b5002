"""What a provider does, in neutral words: the backend suite asks a plugin's tests to play these to its backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import attrs

from massgen_core.api import (
    AuthenticationFailed,
    Backend,
    BackendFault,
    BadRequest,
    Chunk,
    ConnectionLost,
    ContextTooLong,
    ItemChunk,
    Overloaded,
    ProviderItem,
    RateLimited,
    ReasoningChunk,
    StopChunk,
    TextChunk,
    TimedOut,
    ToolCallChunk,
    Usage,
    UsageChunk,
)

# The key that every stage gives its backend; no error may show it.
SECRET = "sk-conformance-5e7a1b90c3d24f68"  # noqa: S105 - a sentinel, not a key

RETRY_AFTER = 2.0
USAGE = Usage(input=100, cached=40, written=8, output=20, reasoning=12)
PIECES = ("Zwölf ", "Vögel: 🦜🦢", " und 日本", "語, fin\u0301", " — מת", "ים.")


@attrs.frozen(kw_only=True)
class Fault:
    """The provider fails.

    Attributes:
        how: `status` is an answer with an HTTP status before any chunk; `event` an error inside a stream that began well; `drop` a connection
            that breaks.
        status: The HTTP status; for `event` the one that the error stands for.
        code: The provider's word for it, as OpenAI-like providers write it.
        message: The provider's text. A fake provider adds the key that it was given where `echoes_secret` is set.
        retry_after: Seconds in the `Retry-After` header.
        error: What the backend must raise.
    """

    how: Literal["status", "event", "drop"]
    status: int = 0
    code: str = ""
    message: str = ""
    retry_after: float | None = None
    echoes_secret: bool = False
    error: type[BackendFault]


@attrs.frozen
class Stall:
    """The provider keeps the connection open and sends nothing more."""


Step: TypeAlias = Chunk | Fault | Stall


@attrs.frozen(kw_only=True)
class Scenario:
    """What the provider does in each call.

    Attributes:
        name: The key in `SCENARIOS` and in a suite's `unsupported`.
        turns: Steps of the first, second, ... call. Calls beyond them get the last turn again.
        is_shredded: A fake server writes its bytes in pieces of one to three, so that characters are torn.
        about: One line for people.
    """

    name: str
    turns: tuple[tuple[Step, ...], ...]
    is_shredded: bool = False
    about: str = ""

    def turn(self, number: int) -> tuple[Step, ...]:
        """Return the steps of a call, counted from 0."""
        return self.turns[min(number, len(self.turns) - 1)]


@attrs.frozen(kw_only=True)
class Stage:
    """A backend that will play a scenario.

    Attributes:
        backend: The backend under test.
        sent: Returns what reached the provider, one item of plain data a call; None where that cannot be seen.
    """

    backend: Backend
    sent: Callable[[], Sequence[Any]] | None = None


def _text(*pieces: str, usage: Usage = USAGE) -> tuple[Step, ...]:
    return (*(TextChunk(piece) for piece in pieces), UsageChunk(usage), StopChunk("stop"))


def _calls(*chunks: ToolCallChunk, stop: Literal["tools", "length"] = "tools") -> tuple[Step, ...]:
    return (*chunks, UsageChunk(USAGE), StopChunk(stop))


def _all() -> dict[str, Scenario]:
    """Return every scenario by name."""
    made: list[Scenario] = []

    def add(name: str, *turns: tuple[Step, ...], about: str, is_shredded: bool = False) -> None:
        made.append(Scenario(name=name, turns=turns, is_shredded=is_shredded, about=about))

    add("text", _text("The capital ", "of France ", "is Paris."), about="an answer in three pieces")
    add("unicode", _text(*PIECES), is_shredded=True, about="characters of several bytes, torn by the wire")
    add("two_at_once", _text("red ", "red ", "red"), _text("blue ", "blue ", "blue"), about="two calls under way at the same time")
    add(
        "long_text",
        _text("warm"),
        (*(TextChunk(f"{number} ") for number in range(20)), Stall()),
        _text("again"),
        about="a long answer that never ends",
    )
    add(
        "tool_call",
        _calls(ToolCallChunk(0, "call-7", "weather"), ToolCallChunk(0, arguments='{"city": '), ToolCallChunk(0, arguments='"Paris"}')),
        _text("It is 21 degrees."),
        about="a call in pieces; the second call of the model sees the result",
    )
    add(
        "parallel_calls",
        _calls(
            ToolCallChunk(0, "call-1", "weather"),
            ToolCallChunk(0, arguments='{"city": "Par'),
            ToolCallChunk(0, arguments='is"}'),
            ToolCallChunk(1, "call-2", "weather"),
            ToolCallChunk(1, arguments='{"city": "Ro'),
            ToolCallChunk(1, arguments='me"}'),
        ),
        about="two calls in one answer",
    )
    add(
        "malformed_arguments",
        _calls(ToolCallChunk(0, "call-1", "weather"), ToolCallChunk(0, arguments='{"city": Par'), ToolCallChunk(0, arguments="is,}")),
        about="arguments that are no JSON",
    )
    add("empty_arguments", _calls(ToolCallChunk(0, "call-1", "ping"), ToolCallChunk(0, arguments="")), about="a call without arguments")
    add(
        "truncated_arguments",
        _calls(ToolCallChunk(0, "call-1", "weather"), ToolCallChunk(0, arguments='{"city": "Par'), stop="length"),
        about="the token limit falls into a call's arguments",
    )
    add("length", (TextChunk("The capital of"), UsageChunk(USAGE), StopChunk("length")), about="the token limit falls into the text")
    add("refusal", (TextChunk("I cannot help with that."), UsageChunk(USAGE), StopChunk("refused")), about="the model refuses")
    add("content_filter", (UsageChunk(USAGE), StopChunk("filtered")), about="the provider's filter swallows the answer")
    add("reasoning", (ReasoningChunk("First, "), ReasoningChunk("France."), *_text("Paris.")), about="visible reasoning before the text")
    add("usage", _text("Paris."), about="usage with cached, written and reasoning tokens")
    item = ProviderItem(backend="", item={"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAAAB-δ-opaque=="})
    add("provider_items", (ItemChunk(item), *_text("Paris.")), _text("Rome."), about="an opaque item that the provider wants back")
    for scenario in _faults():
        made.append(scenario)
    return {scenario.name: scenario for scenario in made}


def _faults() -> list[Scenario]:
    """Return the scenarios that end in an error."""
    begun = (TextChunk("The capital "), TextChunk("of "))
    status = {
        "unauthorized": Fault(how="status", status=401, code="invalid_api_key", message="wrong key", echoes_secret=True, error=AuthenticationFailed),
        "rate_limited": Fault(how="status", status=429, code="rate_limit_exceeded", message="slow down", retry_after=RETRY_AFTER, error=RateLimited),
        "server_error": Fault(how="status", status=500, code="server_error", message="internal error", error=Overloaded),
        "overloaded": Fault(how="status", status=529, code="overloaded_error", message="overloaded", error=Overloaded),
        "context_too_long": Fault(
            how="status",
            status=400,
            code="context_length_exceeded",
            message="This model's maximum context length is 8192 tokens; the prompt has 9000.",
            error=ContextTooLong,
        ),
        "bad_request": Fault(how="status", status=400, code="invalid_request_error", message="temperature must be at most 2", error=BadRequest),
        "error_event": Fault(how="event", status=529, code="overloaded_error", message="overloaded", error=Overloaded),
        "drop": Fault(how="drop", error=ConnectionLost),
    }
    made = [
        Scenario(name=name, turns=((fault,) if fault.how == "status" else (*begun, fault),), about=f"the provider fails: {name.replace('_', ' ')}")
        for name, fault in status.items()
    ]
    return [*made, Scenario(name="stall", turns=((*begun, Stall()),), about="nothing more comes; the backend's own idle limit ends it")]


SCENARIOS = _all()
FAULTS: dict[str, type[BackendFault]] = {
    **{name: step.error for name, scenario in SCENARIOS.items() for step in scenario.turn(0) if isinstance(step, Fault)},
    "stall": TimedOut,
}
