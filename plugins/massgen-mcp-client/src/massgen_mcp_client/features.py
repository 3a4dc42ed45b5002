"""What servers may ask and tell in the middle of things: elicitation, sampling, roots, logs, changed lists. The same in both eras."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Protocol

import attrs
import mcp.types as wire

import massgen_core
from massgen_core.api import Context, Image, MassGenError, Message, ModelRequest, Question, Sampling, Text, clean, clean_line
from massgen_mcp_client.config import ServerConfig
from massgen_mcp_client.events import McpEvent, ServerAnswered, ServerAsked, ServerLogged
from massgen_mcp_client.forms import Field, fields
from massgen_mcp_client.results import plain_text
from massgen_mcp_client.tap import CURRENT, Operation

__all__ = ["LOG_LEVELS", "Asks", "Features"]

TRIES = 3
LOG_TEXT = 10_000
DECLINE, ANSWER, CANCEL = "decline", "answer", "cancel"
# The protocol's levels, by ours, and their order.
LOG_LEVELS: dict[str, str] = {"debug": "debug", "info": "info", "warning": "warning", "error": "error"}
_ORDER = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
_STOPS = {"stop": "endTurn", "length": "maxTokens", "tools": "toolUse"}
_REFUSED = -32600


class Asks(Protocol):
    """Whom features work for."""

    config: ServerConfig

    def tell(self, event: type[McpEvent], **fields: Any) -> None:
        """Put a fact into the journal."""

    def redact(self, text: str) -> str:
        """Return a text without secrets."""

    def asking(self) -> Operation | None:
        """Return the operation in whose middle a server probably asks; None where none is under way."""

    def contact(self) -> Context:
        """Return the context through which a person and a model are asked where no operation is under way."""

    def hold(self, step: int) -> None:
        """Stop the idle clocks of what is under way (1), or let one such stop end (-1)."""

    def changed(self, what: str) -> None:
        """Note that a list has changed."""


@attrs.frozen
class Features:
    """The callbacks of one server."""

    asks: Asks

    def options(self) -> dict[str, Any]:
        """Return the arguments of the SDK's client; what is not allowed is not declared."""
        config = self.asks.config
        level = LOG_LEVELS.get(config.log_level)
        options: dict[str, Any] = {
            "client_info": wire.Implementation(name="massgen", title="MassGen", version=massgen_core.__version__),
            "message_handler": self.message,
            "logging_callback": self.log,
        }
        if level is not None:
            options["log_level"] = level
        if config.elicitation:
            options["elicitation_callback"] = self.elicit
        if config.sampling:
            options["sampling_callback"] = self.sample
        if config.roots:
            options["list_roots_callback"] = self.roots
        return options

    # Asked

    async def elicit(self, _: Any, params: Any) -> wire.ElicitResult | wire.ErrorData:
        """Ask the person."""
        who, context = self._who()
        text = clean(params.message[:2000])
        with _Told(self.asks, "elicitation", text, who) as told:
            if isinstance(params, wire.ElicitRequestURLParams):
                result = await self._ask_to_visit(context, text, params.url)
            else:
                result = await self._ask_form(context, text, fields(params.requested_schema))
            told.outcome = {"accept": "accepted", "decline": "declined", "cancel": "cancelled"}[result.action]
        return result

    async def _ask_to_visit(self, context: Context, text: str, url: str) -> wire.ElicitResult:
        question = Question(
            text=f"MCP server {self.asks.config.name} asks you to visit an address in your browser: {text}",
            detail=clean_line(url, 2000),
            options=(DECLINE, "done"),
            default=DECLINE,
            agent=context.agent,
        )
        return wire.ElicitResult(action="accept" if await context.ask(question) == "done" else "decline")

    async def _ask_form(self, context: Context, text: str, asked: tuple[Field, ...]) -> wire.ElicitResult:
        first = Question(
            text=f"MCP server {self.asks.config.name} asks: {text}",
            detail="\n".join(field.text for field in asked),
            options=(DECLINE, ANSWER),
            default=DECLINE,
            agent=context.agent,
        )
        if await context.ask(first) != ANSWER:
            return wire.ElicitResult(action="decline")
        content: dict[str, Any] = {}
        for field in asked:
            is_given, value = await self._ask_field(context, field)
            if not is_given:
                return wire.ElicitResult(action="cancel")
            if value is not None:
                content[field.name] = value
        return wire.ElicitResult(action="accept", content=content)

    async def _ask_field(self, context: Context, field: Field) -> tuple[bool, Any]:
        options = field.labels if field.kind != "array" else ()
        if field.kind == "boolean":
            options = ("no", "yes")
        wrong = ""
        for _ in range(TRIES):
            detail = wrong or (f"one or several of: {', '.join(field.labels)}" if field.kind == "array" else "")
            question = Question(text=field.text, detail=detail, options=options, default=field.shown_default, agent=context.agent)
            try:
                return True, field.read(await context.ask(question))
            except ValueError as error:
                wrong = str(error)
        return False, None

    async def sample(self, _: Any, params: Any) -> wire.CreateMessageResult | wire.ErrorData:
        """Ask the agent's model."""
        who, context = self._who()
        with _Told(self.asks, "sampling", f"{len(params.messages)} messages, at most {params.max_tokens} tokens", who) as told:
            messages = [Message.of("system", params.system_prompt)] if params.system_prompt else []
            messages += [_message(message) for message in params.messages]
            sampling = Sampling(max_tokens=params.max_tokens, temperature=params.temperature, stop=tuple(params.stop_sequences or ()))
            try:
                answer = await context.sample(ModelRequest(messages=tuple(messages), sampling=sampling))
            except MassGenError as error:
                told.outcome = "failed"
                return wire.ErrorData(code=_REFUSED, message=f"the model could not be asked: {clean_line(context.redact(str(error)))}")
            told.outcome = "accepted"
            return wire.CreateMessageResult(
                role="assistant",
                content=wire.TextContent(type="text", text=answer.message.text),
                model=answer.model or "unknown",
                stop_reason=_STOPS.get(answer.stop, answer.stop),
            )

    async def roots(self, _: Any) -> wire.ListRootsResult:
        """Name the folders that the server may work in."""
        who, context = self._who()
        with _Told(self.asks, "roots", "", who) as told:
            roots = [_root(root, context.workspace) for root in self.asks.config.roots]
            told.outcome = "accepted"
            return wire.ListRootsResult(roots=[root for root in roots if root is not None])

    def _who(self) -> tuple[Operation | None, Context]:
        operation = CURRENT.get() or self.asks.asking()
        caller = operation.caller if operation is not None else None
        return operation, caller.context if caller is not None else self.asks.contact()

    # Told

    async def log(self, params: Any) -> None:
        """Take a line of the server's log."""
        least = LOG_LEVELS.get(self.asks.config.log_level)
        if least is None or _ORDER.index(params.level) < _ORDER.index(least):
            return
        text = params.data if isinstance(params.data, str) else plain_text(params.data)
        operation = self.asks.asking()
        self.asks.tell(
            ServerLogged,
            level=params.level,
            logger=clean_line(params.logger or ""),
            text=clean(self.asks.redact(text[:LOG_TEXT])),
            operation=operation.span if operation else "",
        )

    async def message(self, message: Any) -> None:
        """Take any notification; frames that cannot be read are the tap's."""
        what = _CHANGES.get(type(message))
        if what is not None:
            self.asks.changed(what)


_CHANGES: dict[type, str] = {
    wire.ToolListChangedNotification: "tools",
    wire.ResourceListChangedNotification: "resources",
    wire.PromptListChangedNotification: "prompts",
}


class _Told:
    """Tells that a server asked and what came of it; the idle clocks stand meanwhile, since it is us who are waited for."""

    def __init__(self, asks: Asks, what: str, text: str, operation: Operation | None) -> None:
        self._asks, self._what, self._text = asks, what, text
        self._operation = operation.span if operation is not None else ""
        self.outcome = "failed"

    def __enter__(self) -> _Told:
        self._began = time.monotonic()
        self._asks.hold(1)
        self._asks.tell(ServerAsked, what=self._what, text=self._text, operation=self._operation)
        return self

    def __exit__(self, *_: object) -> None:
        self._asks.hold(-1)
        milliseconds = (time.monotonic() - self._began) * 1000
        self._asks.tell(ServerAnswered, what=self._what, outcome=self.outcome, milliseconds=milliseconds, operation=self._operation)


def _message(message: Any) -> Message:
    parts = message.content if isinstance(message.content, list) else [message.content]
    content: list[Text | Image] = []
    for part in parts:
        if isinstance(part, wire.TextContent):
            content.append(Text(text=part.text))
        elif isinstance(part, wire.ImageContent):
            content.append(Image(media_type=part.mime_type, data=part.data))
        else:
            content.append(Text(text=f"[{part.type} left out]"))
    return Message(role=message.role, content=tuple(content))


def _root(root: str, workspace: Path | None) -> wire.Root | None:
    if "{workspace}" in root:
        if workspace is None:
            return None
        root = root.replace("{workspace}", str(workspace))
    path = Path(root).expanduser().absolute()
    return wire.Root.model_validate({"uri": path.as_uri(), "name": path.name or str(path)})
