"""`massgen backend doctor`: whether a backend works with the key, the server and the model at hand, and what to do where it does not."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import anyio
import attrs

from massgen_cmd_models.command import catalogue_of, said
from massgen_cmd_models.options import add_agent, add_options, read_agent, read_options
from massgen_core.api import (
    App,
    AuthenticationFailed,
    Backend,
    BackendFault,
    BackendSpec,
    BadRequest,
    Chunk,
    ConfigProblem,
    ConfigProblems,
    ConnectionLost,
    Context,
    LimitsChunk,
    MassGenError,
    Message,
    ModelInfo,
    ModelMissing,
    ModelRequest,
    Overloaded,
    PluginProblem,
    RateLimited,
    Sampling,
    SecretMissing,
    StopChunk,
    TimedOut,
    Tool,
    ToolCallChunk,
    Usage,
    UsageChunk,
    UsageProblem,
    clean_line,
    cost_text,
    listed_price,
)

__all__ = ["Check", "Doctor"]

State: TypeAlias = Literal["ok", "skipped", "failed"]

TOKENS = 1024  # at most, of the one paid answer: models that think need some
SHOWN = 600
WORD = "pong"
PING = Tool(
    name="ping",
    description="Say that you are there.",
    parameters={"type": "object", "properties": {"word": {"type": "string", "description": "a word"}}, "required": ["word"]},
)
_REMEDIES: Mapping[type[MassGenError], str] = {
    SecretMissing: "keep the key where the message says; `massgen auth set` of massgen-cmd-auth keeps one",
    AuthenticationFailed: "see that the key is the provider's own, is not withdrawn, and that its account has credit",
    RateLimited: "wait, or ask the provider for a higher limit",
    Overloaded: "try again later; the provider has too much to do, or something broke there",
    ConnectionLost: "see that the address is right, the server runs, and a proxy lets you through",
    TimedOut: "try again, with a longer time-out or a smaller model",
    ModelMissing: "choose another model with --model; `massgen models BACKEND` lists some, with --remote those that the server has now",
    BadRequest: "change the option that the message names, with --set",
    ConfigProblem: "change the option that the message names, with --set",
    ConfigProblems: "change the option that the message names, with --set",
    PluginProblem: "do what the message says; `massgen plugins --load` shows all plugins that are broken",
}


@attrs.frozen(kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        what: The thing.
        text: What was found.
        remedy: What to do.
    """

    what: str
    state: State = "ok"
    text: str = ""
    remedy: str = ""


class Doctor:
    """Looks at a backend from its plugin to one small call, through the contract that every backend keeps."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.description = (
            "Find out whether a backend works: its plugin, its options and key, its server, streaming and tools. "
            f"The last two take one paid call of at most {TOKENS} tokens, after a yes. Exit code 1: something failed."
        )
        parser.add_argument("backend", metavar="NAME", nargs="?", default="", help="the backend, as in a configuration")
        add_agent(parser)
        parser.add_argument("--model", default="", metavar="MODEL", help="the model to call; the backend's default, where nothing is given")
        parser.add_argument("--yes", action="store_true", help="make the paid call without asking")
        parser.add_argument("--no-call", action="store_true", help="make no paid call")
        parser.add_argument("--seconds", type=float, default=120.0, metavar="N", help="give the call up after so many seconds (120)")
        parser.add_argument("--json", action="store_true", help="print JSON")
        add_options(parser)

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        options = read_agent(arguments, app) | read_options(arguments.sets)
        if not arguments.backend:
            raise UsageProblem("no backend is named; name it, or an agent of a configuration by --config FILE --agent NAME")
        app.plugins.entry("backend", arguments.backend)  # a name that nobody provides is a mistake, not a finding
        checks: list[Check] = []

        async def examine() -> None:
            async with app.context() as context:
                async for check in _examine(app, context, arguments, options):
                    checks.append(attrs.evolve(check, text=context.redact(check.text)))
                    if not arguments.json:
                        _print(app, checks[-1])

        if not arguments.json:
            app.out(f"{arguments.backend}:")
        anyio.run(examine)
        if arguments.json:
            app.out(json.dumps([attrs.asdict(check) for check in checks], indent=2))
        return int(any(check.state == "failed" for check in checks))


def _print(app: App, check: Check) -> None:
    mark = {"ok": "ok     ", "skipped": "skipped", "failed": "FAILED "}[check.state]
    app.out(f"  {mark} {check.what}: {clean_line(check.text, SHOWN)}".rstrip(": "))
    if check.remedy:
        app.out(f"          > {check.remedy}")


async def _examine(app: App, context: Context, arguments: argparse.Namespace, options: Mapping[str, Any]) -> AsyncIterator[Check]:
    """Yield what is found; after a failure only what does not depend on it."""
    try:
        spec = app.plugins.get("backend", arguments.backend)
        assert isinstance(spec, BackendSpec)
        catalogue = catalogue_of(app, arguments.backend)
    except MassGenError as error:
        yield _failed("plugin", error)
        return
    yield Check(what="plugin", text=", ".join(said(spec.capabilities)))
    try:
        backend: Backend = await context.open("backend", arguments.backend, options)
    except MassGenError as error:
        yield _failed("key" if isinstance(error, SecretMissing) else "options", error)
        return
    yield Check(what="options and key", text="taken; whether the server takes the key, the next lines say")
    models: Sequence[ModelInfo] = ()
    try:
        models = catalogue.models() if catalogue is not None else ()
        if (ask := getattr(catalogue, "remote", None)) is not None:
            with anyio.fail_after(arguments.seconds):
                listed = await ask(options, context)
            yield _server(arguments.model, listed)
    except TimeoutError:
        yield _failed("server", TimedOut(f"its list of models did not come within {arguments.seconds:g} s"))
    except MassGenError as error:
        yield _failed("server", error)
        if isinstance(error, (AuthenticationFailed, ConnectionLost)):
            return
    if refusal := _refusal(app, arguments, models, options):
        yield Check(what="call", state="skipped", text=refusal, remedy="" if arguments.no_call else "say --yes to try streaming and tools")
        return
    async for check in _call(backend, spec, arguments, models, options):
        yield check


def _server(model: str, listed: Sequence[ModelInfo]) -> Check:
    if model and listed and all(model not in (one.name, one.name.rpartition("/")[2]) for one in listed):
        text = f"it answers, and its {len(listed)} models are without {model!r}"
        return Check(what="server", state="failed", text=text, remedy=_REMEDIES[ModelMissing])
    return Check(what="server", text=f"it answers and takes the key; it has {len(listed)} model{'' if len(listed) == 1 else 's'}")


def _failed(what: str, error: MassGenError) -> Check:
    remedy = next((text for cls, text in _REMEDIES.items() if isinstance(error, cls)), "")
    return Check(what=what, state="failed", text=str(error), remedy=remedy)


def _refusal(app: App, arguments: argparse.Namespace, models: Sequence[ModelInfo], options: Mapping[str, Any]) -> str:
    """Return why the paid call is not made; empty where a person, or `--yes`, wants it."""
    if arguments.no_call:
        return "it was not wanted"
    if arguments.yes:
        return ""
    if not sys.stdin.isatty() or arguments.json:
        return "nobody can be asked whether it may cost something"
    price = listed_price(models, options, arguments.model)
    most = f"about ${price.of(Usage(input=200, output=TOKENS)):.4f} at most" if price is not None else "its price is not known"
    app.err(f"One call of {arguments.model or 'the default model'} follows, of at most {TOKENS} tokens ({most}). Make it? [y/N] ")
    return "" if sys.stdin.readline().strip().casefold() in ("y", "yes") else "it was not wanted"


async def _call(
    backend: Backend, spec: BackendSpec, arguments: argparse.Namespace, models: Sequence[ModelInfo], options: Mapping[str, Any]
) -> AsyncIterator[Check]:
    has_tools = spec.capabilities.tools
    wish = f"Call the tool `ping` with the word {WORD}." if has_tools else f"Write the word {WORD} and nothing else."
    request = ModelRequest(
        model=arguments.model,
        messages=(Message.of("user", wish),),
        tools=(PING,) if has_tools else (),
        tool_choice="required" if has_tools else "auto",
        sampling=Sampling(max_tokens=TOKENS),
        metadata={"run": "", "agent": "doctor", "turn": "1"},
    )
    heard: list[tuple[float, Chunk]] = []
    began = anyio.current_time()
    failure: MassGenError | None = None
    try:
        with anyio.fail_after(arguments.seconds):
            async with backend.respond(request) as stream:
                async for chunk in stream:
                    heard.append((anyio.current_time() - began, chunk))
    except TimeoutError:
        failure = TimedOut(f"the call took longer than {arguments.seconds:g} s (--seconds)")
    except BackendFault as fault:
        failure = fault
    if failure is not None:
        before = f" (after {len(heard)} pieces)" if heard else ""
        yield attrs.evolve(_failed("call", failure), text=f"{type(failure).__name__}: {failure}{before}")
        return
    chunks = [chunk for _, chunk in heard]
    yield _streaming(heard, is_promised=spec.capabilities.streaming)
    yield _tools(chunks) if has_tools else Check(what="tools", state="skipped", text="this backend takes none")
    yield _cost(chunks, arguments.model, models, options)


def _streaming(heard: Sequence[tuple[float, Chunk]], *, is_promised: bool) -> Check:
    pieces = [at for at, chunk in heard if not isinstance(chunk, (UsageChunk, LimitsChunk, StopChunk))]
    if not heard or not isinstance(heard[-1][1], StopChunk):
        return Check(what="streaming", state="failed", text="the answer had no end", remedy="report it to the makers of this backend")
    if not pieces:
        text = f"the answer was empty ({heard[-1][1].reason})"
        return Check(what="streaming", state="failed", text=text, remedy="try again, or another model with --model")
    text = f"first piece after {pieces[0]:.1f} s, {len(pieces)} piece{'' if len(pieces) == 1 else 's'} in {heard[-1][0]:.1f} s"
    return Check(what="streaming" if is_promised else "answer", text=text)


def _tools(chunks: Sequence[Chunk]) -> Check:
    pieces = [chunk for chunk in chunks if isinstance(chunk, ToolCallChunk)]
    name = next((piece.name for piece in pieces if piece.name), "")
    arguments = "".join(piece.arguments for piece in pieces if piece.index == pieces[0].index)
    try:
        is_right = name == PING.name and isinstance(json.loads(arguments or "{}").get("word"), str)
    except (ValueError, AttributeError):
        is_right = False
    if is_right:
        return Check(what="tools", text="the model called one as it was asked")
    text = f"the model called {name!r} with {arguments!r}" if pieces else "the model answered in words instead of calling a tool"
    return Check(what="tools", state="failed", text=text, remedy="choose a model that can call tools; agents vote and use tools by such calls")


def _cost(chunks: Sequence[Chunk], model: str, models: Sequence[ModelInfo], options: Mapping[str, Any]) -> Check:
    usage = next((chunk.usage for chunk in reversed(chunks) if isinstance(chunk, UsageChunk)), Usage())
    answered = next((chunk.model for chunk in chunks if isinstance(chunk, StopChunk)), "") or model
    price = listed_price(models, options, answered)
    if usage.cost is None and price is not None:
        usage = attrs.evolve(usage, cost=price.of(usage))
    parts = [answered, f"{usage.total:,} tokens" if usage.total else "it told no usage", cost_text(usage)]
    limits = next((chunk.limits for chunk in reversed(chunks) if isinstance(chunk, LimitsChunk)), None)
    parts += limits.words if limits is not None else ()
    return Check(what="usage", text=", ".join(part for part in parts if part))
