"""What factories return, and what they are given: protocols and their data. No class here needs to be inherited from."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import attrs

from massgen_core.chunks import Chunk
from massgen_core.coordination import Outcome
from massgen_core.events import Event, Record
from massgen_core.messages import (
    Message,
    ModelAnswer,
    ModelRequest,
    Tool,
    ToolCall,
    ToolResult,
)
from massgen_core.safety import Verdict
from massgen_core.secrets import Secret

if TYPE_CHECKING:
    from massgen_core.config.load import Loaded
    from massgen_core.plugins.manager import Plugins

__all__ = [
    "App",
    "Backend",
    "Classifier",
    "Command",
    "Context",
    "CredentialStore",
    "Display",
    "Folders",
    "GrantedPath",
    "Middleware",
    "ModelCall",
    "Question",
    "Sink",
    "ToolUse",
    "Toolset",
    "Workspace",
    "WritableStore",
]


# What factories are given


@attrs.frozen(kw_only=True)
class GrantedPath:
    """A folder or file of this machine that agents were given, beside their working folders.

    Attributes:
        path: Absolute, links resolved.
        is_writable: Agents may change it; otherwise they may read it only.
    """

    path: Path
    is_writable: bool = False


@attrs.frozen(kw_only=True)
class Folders:
    """What an agent may work on; nothing else of this machine is its business.

    Attributes:
        workspace: Its working folder, absolute, links resolved; it exists.
        context_paths: What it was given beside it; none lies in another one that can be written to.
    """

    workspace: Path
    context_paths: tuple[GrantedPath, ...] = ()


class Context(Protocol):
    """What a factory may use. The kernel makes one for each factory call; new needs become new attributes."""

    @property
    def run(self) -> str:
        """The run's id."""

    @property
    def agent(self) -> str:
        """The agent for whom the factory is called; empty where it is called for the whole run."""

    @property
    def folder(self) -> Path:
        """The run's folder; a plugin writes below `folder / <its own name>`."""

    @property
    def workspace(self) -> Path | None:
        """The agent's working folder, which exists; None where the factory is called for the whole run."""

    @property
    def context_paths(self) -> tuple[GrantedPath, ...]:
        """What the agent was given beside its working folder; nothing where the factory is called for the whole run."""

    def folders_of(self, agent: str) -> Folders | None:
        """Return the folders of an agent of the run, for an object that serves several, such as a backend; None where there is no such agent."""

    @property
    def trace(self) -> str:
        """W3C trace id of the run (32 hex digits); empty outside of a run."""

    @property
    def plugins(self) -> Plugins:
        """The installed plugins."""

    def emit(self, *events: Event, span: str = "", parent: str = "") -> None:
        """Put a fact into the run's journal, or several that are known at once; those are written and told together.

        Call it from the event loop's thread only.
        """

    def secret(self, reference: str) -> Secret:
        """Return a secret by its reference, for instance `env:OPENAI_API_KEY` or `keyring:openai`.

        A name without a store, such as `OPENAI_API_KEY`, is looked for in the environment and then in every installed store, lowest `order` first.

        Raises:
            SecretMissing: No store holds it; the message names the stores that were asked.
        """

    def hide(self, secret: Secret) -> None:
        """Take a secret that the plugin got by itself, such as the token of a login, out of whatever the run writes from now on."""

    def redact(self, text: str) -> str:
        """Return `text` without the values of secrets that this run has handed out."""

    async def open(self, kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
        """Open another plugin's object by kind and name; it lives until the run's end."""

    async def share(self, key: object, opener: Callable[[], AbstractAsyncContextManager[Any]]) -> Any:
        """Return the run's one resource of this key, opened on first use and closed at the run's end."""

    def make(self, kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
        """Return what another plugin's factory makes, for a caller that enters and leaves it itself, perhaps again and again."""

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` in a task of its own; what is left of it is cancelled at the run's end, after all that was opened is closed."""

    async def ask(self, question: Question) -> str:
        """Ask a person through the display and return an option or the text; the question's default where nobody can be asked."""

    async def sample(self, request: ModelRequest) -> ModelAnswer:
        """Ask the agent's own model, outside its conversation; the call is journalled and counts towards the limits. An empty `model` is the agent's.

        Raises:
            MassGenError: The context is for no agent, or the call failed.
        """

    def around(self, what: str) -> Sequence[Middleware]:
        """The configured middlewares around `what` ("mcp"), outermost first, for a plugin that makes such calls."""


# Backends


class Backend(Protocol):
    """A source of model answers. One object may serve several agents, and several calls at once."""

    def respond(self, request: ModelRequest) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]:
        """Start one model call and stream its answer.

        The stream ends with a `StopChunk`, or raises. Leaving the context, or cancelling, stops the call and frees its connection within half
        a second. Nothing that was yielded is taken back.

        Raises:
            BackendFault: One of its subclasses, from the context manager or from the iterator. A backend does not retry by itself.
        """


# Sinks and displays


class Sink(Protocol):
    """A reader of records."""

    def write(self, records: Sequence[Record]) -> None:
        """Take a batch: synchronously and quickly, in the event loop's thread. A sink that must wait owns its queue. What it raises is counted and
        reported, and never harms a run."""


@attrs.frozen(kw_only=True)
class Question:
    """A question to a person.

    Attributes:
        options: What can be chosen, the safest first; empty for free text.
        default: What counts when nobody answers.
    """

    text: str
    detail: str = ""
    options: tuple[str, ...] = ()
    default: str = ""
    agent: str = ""


class Display(Protocol):
    """A live user interface. It must not write to standard output, which carries the answer only."""

    def write(self, records: Sequence[Record]) -> None:
        """Take a batch, as a sink does; streamed text included."""

    async def ask(self, question: Question) -> str:
        """Ask a person and return an option or the text; the default where nobody can be asked."""


# Tools and what stands around calls


@attrs.frozen(kw_only=True)
class ModelCall:
    """A model call on its way through middlewares.

    Attributes:
        emit: Puts a fact into the journal, under the call's span.
    """

    request: ModelRequest
    agent: str
    turn: int
    backend: str
    emit: Callable[[Event], None]


@attrs.frozen(kw_only=True)
class ToolUse:
    """A tool call on its way through middlewares.

    Attributes:
        arguments: The parsed arguments.
        emit: Puts a fact into the journal, under the call's span.
        span: W3C span id of the call.
        trace: W3C trace id of the run.
    """

    call: ToolCall
    tool: Tool
    arguments: Mapping[str, Any]
    agent: str
    turn: int
    emit: Callable[[Event], None]
    span: str = ""
    trace: str = ""


class Middleware(Protocol):
    """Something around calls: `following` makes the call, or the next middleware's part of it.

    Around "model", a request is a `ModelCall` and the result a `ModelAnswer`; around "tool" they are `ToolUse` and `ToolResult`; around "mcp"
    they are `McpCall` and the result as the server sent it, plain data.
    """

    async def __call__(self, request: Any, following: Callable[[Any], Awaitable[Any]]) -> Any:
        """Return a result; call `following` not at all, once or again."""


class Toolset(Protocol):
    """Tools that one agent can call.

    A toolset in which some calls stand for others, because it has more tools than it shows, also has `meant(tool, call) -> (tool, call)`: it returns
    the tool and the call that are judged, told and carried out, with the call's own id; what it was given for any other call; and it raises
    `ValueError`, with a text for the model, where there is no such tool.
    """

    def tools(self) -> Sequence[Tool]:
        """The tools as they are now; asked before each model call, so it must be quick."""

    async def call(self, use: ToolUse) -> ToolResult:
        """Call a tool. A tool that fails is a result with `is_error`; broken machinery raises `ToolFault`. Cancellation stops the call."""


class Classifier(Protocol):
    """An opinion on tool calls. One that raises or takes too long counts as `ask`."""

    async def judge(self, tool: Tool, call: ToolCall | None) -> Verdict | None:
        """Judge one call, or the tool itself where `call` is None. None is no opinion: the others decide, and where nobody has one, it is `ask`."""


class CredentialStore(Protocol):
    """A store of secrets, asked by reference `<store's name>:<key>`. What it may also be able to do is in `WritableStore`."""

    def get(self, key: str) -> Secret | None:
        """Return a secret, or None where the store does not hold it.

        Raises:
            StoreProblem: The store cannot be asked here.
        """


@runtime_checkable
class WritableStore(CredentialStore, Protocol):
    """A store that can be changed; `isinstance` tells which stores can. What it cannot do raises `StoreProblem`, with what to do instead."""

    def set(self, key: str, value: Secret) -> str:
        """Keep a secret in place of what was there, and return where it is now, for a person to read; never the secret."""

    def delete(self, key: str) -> bool:
        """Forget a secret; return whether it was there."""

    def names(self) -> Mapping[str, str]:
        """Return the keys that are known to be here, each with where it is, for a person to read."""


class Workspace(Protocol):
    """An agent's files."""

    @property
    def path(self) -> Path:
        """The folder that the agent works in."""

    async def snapshot(self, label: str) -> str:
        """Keep the folder's present state; return the snapshot's id."""

    async def restore(self, snapshot: str) -> None:
        """Make the folder what it was."""

    async def share(self, snapshot: str, target: Path) -> None:
        """Lay a read-only copy of a snapshot under `target`."""

    async def diff(self, older: str, newer: str) -> str:
        """Return a unified diff between two snapshots."""


# Commands


class App(Protocol):
    """What a command may use of the program."""

    @property
    def plugins(self) -> Plugins:
        """The installed plugins."""

    @property
    def runs(self) -> Path:
        """The folder of all runs."""

    def find_run(self, name: str) -> Path:
        """Return the folder of a run by its id, the beginning of it, `last`, or a path.

        Raises:
            UsageProblem: There is none, or several; the message names some.
        """

    def records(self, run: Path) -> Iterator[Record]:
        """Read the journal of a run's folder, in order; memory does not grow with it.

        Raises:
            JournalDamaged: A line before its end cannot be read.
            MassGenError: There is no journal.
        """

    def is_live(self, run: Path) -> bool:
        """Whether a process is working on the run now."""

    def context(self, emit: Callable[[Event], None] | None = None) -> AbstractAsyncContextManager[Context]:
        """Return a context for opening plugins outside of a run; what they emit goes to `emit`, what they opened is closed at its end."""

    def contexts(self, loaded: Loaded, emit: Callable[[Event], None] | None = None) -> AbstractAsyncContextManager[Callable[[str], Context]]:
        """Return a function from an agent's name to the context that its plugins would get in a run, with its folders; empty: for the whole run."""

    def out(self, text: str) -> None:
        """Write a line to standard output; control sequences are taken out."""

    def err(self, text: str) -> None:
        """Write a line to standard error; control sequences are taken out."""

    def run(self, arguments: argparse.Namespace, question: str, history: Sequence[Message] = ()) -> Outcome:
        """Conduct a run as `massgen run` does; `arguments` hold its options, which a command gets by `CommandSpec.takes_run_options`."""


class Command(Protocol):
    """A subcommand."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Do it and return the exit code. A `MassGenError` is shown as one message, exit code 1; anything else is a defect and shows a traceback."""
