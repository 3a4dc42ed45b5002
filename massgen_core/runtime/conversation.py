"""One turn's conversation: a pure fold over the turn's events, the same while it runs and when it is resumed."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from massgen_core.events import Event, ModelAnswered, ModelRequested, ToolReturned, TurnInjected, TurnReplied, TurnResponded, TurnStarted
from massgen_core.messages import Brief, Message, Reasoning, Text, Tool, ToolCall, ToolResult

__all__ = ["Conversation", "Step"]

Step: TypeAlias = Literal["model", "tools", "respond", "wait", "fail"]

# A model that says nothing at all is asked again this often.
EMPTY_ANSWERS = 2


@attrs.define
class Conversation:
    """What has been said, and what comes next.

    Attributes:
        started: The event that began the turn.
        messages: What the model has been shown, and what it said.
        tools: The strategy's tools as they are now.
        brief: The turn as data, as it is now.
        step: What comes next: call the model, call `due`, hand the answer to the strategy, wait for the strategy, or give up.
        failure: Why the turn must be given up, as a fault's name and a reason.
        due: Calls of the agent's own tools that have no result yet.
    """

    started: TurnStarted
    own_tools: frozenset[str]
    messages: list[Message] = attrs.field(init=False)
    tools: tuple[Tool, ...] = attrs.field(init=False)
    brief: Brief | None = attrs.field(init=False)
    step: Step = "model"
    last: ModelAnswered | None = None
    failure: tuple[str, str] = ("", "")
    requests: int = 0
    _empty: int = 0
    _calls: tuple[ToolCall, ...] = ()
    _results: dict[str, ToolResult] = attrs.field(factory=dict)
    _texts: list[str] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.messages = list(self.started.messages)
        self.tools, self.brief = self.started.tools, self.started.brief

    @property
    def due(self) -> tuple[ToolCall, ...]:
        return tuple(call for call in self._calls if self._is_own(call) and call.id not in self._results)

    @property
    def open_calls(self) -> tuple[ToolCall, ...]:
        """Calls for the strategy: of its own tools, and of tools that do not exist."""
        return tuple(call for call in self._calls if not self._is_own(call))

    def _is_own(self, call: ToolCall) -> bool:
        return call.name in self.own_tools and all(tool.name != call.name for tool in self.tools)

    def apply(self, event: Event) -> None:
        """Take the next event of this turn."""
        match event:
            case ModelRequested():
                self._settle()
                self.requests += 1
            case ModelAnswered():
                self._take_answer(event)
            case ToolReturned():
                self._results[event.result.call] = event.result
                if not self.due:
                    self.step = "respond" if self.open_calls else "model"
            case TurnResponded():
                self.step = "wait"
            case TurnReplied():
                self._results.update((result.call, result) for result in event.results)
                self._texts += [event.text] if event.text else []
                self._renew(event)
                self.step = "model"
            case TurnInjected():
                self._texts.append(event.text)
                self._renew(event)

    def _renew(self, event: TurnReplied | TurnInjected) -> None:
        self.tools = self.tools if event.tools is None else event.tools
        self.brief = self.brief if event.brief is None else event.brief

    def _take_answer(self, event: ModelAnswered) -> None:
        message = event.message
        if event.stop in ("refused", "filtered"):
            fault = "Refused" if event.stop == "refused" else "Filtered"
            self.last, self.step, self.failure = event, "fail", (fault, message.text or "the model gave no reason")
            return
        if not message.calls and not message.text.strip():
            self._empty += 1
            self.last, self.failure = event, ("Empty", f"the model answered nothing, {self._empty} times")
            self.step = "model" if self._empty <= EMPTY_ANSWERS else "fail"
            return
        if event.stop == "length" and message.calls:
            # The last call is cut off, and nobody knows where: none of a truncated answer is carried out.
            kept = tuple(part for part in message.content if not isinstance(part, ToolCall))
            message = attrs.evolve(message, content=kept or (Text(text=""),))
            event = attrs.evolve(event, message=message)
        self.last = event
        self._calls = message.calls
        self.messages.append(message)
        self.step = "tools" if self.due else "respond"

    def _settle(self) -> None:
        """Write the results of the last answer's calls, then what was said to the model since: providers want one result a call, first."""
        if self._calls:
            missing = Text(text="This call was not carried out.")
            results = tuple(self._results.get(call.id) or ToolResult(call=call.id, content=(missing,), is_error=True) for call in self._calls)
            self.messages.append(Message(role="tool", content=results))
        self._calls, self._results = (), {}
        if self._texts:
            self.messages.append(Message.of("user", "\n\n".join(self._texts)))
            self._texts = []

    def shown_to(self, backend: str) -> tuple[Message, ...]:
        """Return the messages for a backend: without reasoning, and without other providers' items."""
        return tuple(_for_backend(message, backend) for message in self.messages)


def _for_backend(message: Message, backend: str) -> Message:
    if message.role != "assistant":
        return message
    kept = tuple(part for part in message.content if not (isinstance(part, Reasoning) or (part.type == "item" and part.backend != backend)))
    return message if len(kept) == len(message.content) else attrs.evolve(message, content=kept)
