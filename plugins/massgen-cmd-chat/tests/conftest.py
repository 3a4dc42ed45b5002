from __future__ import annotations

import argparse
import io
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

from massgen_cmd_chat.chat import Chat
from massgen_core.api import (
    Ask,
    BackendSpec,
    BadRequest,
    Chunk,
    Decision,
    Event,
    Finish,
    Message,
    ModelRequest,
    Outcome,
    Release,
    StopChunk,
    StrategySpec,
    Task,
    TextChunk,
    TurnEnded,
    TurnFailed,
    TurnResponded,
    TurnStarted,
    hookimpl,
)
from massgen_core.cli.app import ConsoleApp
from massgen_core.cli.run import add_options
from massgen_core.plugins.manager import Plugins


class Echo:
    """A model that says how much it was told."""

    @asynccontextmanager
    async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[Chunk]]:
        async def stream() -> AsyncIterator[Chunk]:
            said = [message.text for message in request.messages]
            if said[-1] == "fail":
                raise BadRequest("no")
            yield TextChunk(f"{said[-1]}! after {said[:-1]}")
            yield StopChunk("stop")

        yield stream()


def open_echo(config: None, context: Any) -> Echo:
    return Echo()


@attrs.frozen
class State:
    task: Task
    agent: str
    step: str = "begin"
    answer: str = ""


class Solo:
    """One agent, one turn."""

    def start(self, task: Task, agents: Sequence[str]) -> State:
        return State(task, agents[0])

    def apply(self, state: State, event: Event) -> State:
        match event:
            case TurnStarted():
                return attrs.evolve(state, step="waiting")
            case TurnResponded():
                return attrs.evolve(state, step="responded", answer=event.text)
            case TurnEnded():
                return attrs.evolve(state, step="ended")
            case TurnFailed():
                return attrs.evolve(state, step="failed")
        return state

    def decide(self, state: State) -> Sequence[Decision]:
        if state.step == "begin":
            messages = (*state.task.history, Message.of("user", state.task.question))
            return [Ask(agent=state.agent, turn=1, purpose="answer", messages=messages)]
        if state.step == "responded":
            return [Release(agent=state.agent, turn=1)]
        if state.step == "ended":
            return [Finish(outcome=Outcome(status="answered", winner=state.agent, answer=state.answer))]
        if state.step == "failed":
            return [Finish(outcome=Outcome(status="failed", reason="nobody answered", reasons={state.agent: "no"}))]
        return []


def open_solo(config: None, context: Any) -> Solo:
    return Solo()


@pytest.fixture
def app(kernel_without_discovery: Callable[..., Plugins], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConsoleApp:
    """The program with a model that echoes and a strategy of one agent, and an empty folder of runs."""
    module = ModuleType("echo_plugin")
    module.__dict__.update(open_echo=open_echo, open_solo=open_solo)
    module.__dict__["massgen_backends"] = hookimpl(specname="massgen_backends")(
        lambda: [BackendSpec(name="echo", factory="echo_plugin:open_echo")],
    )
    module.__dict__["massgen_strategies"] = hookimpl(specname="massgen_strategies")(
        lambda: [StrategySpec(name="solo", factory="echo_plugin:open_solo")],
    )
    monkeypatch.setitem(sys.modules, "echo_plugin", module)
    monkeypatch.setenv("MASSGEN_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return ConsoleApp(kernel_without_discovery(module))


@pytest.fixture
def chat(app: ConsoleApp, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Hold a conversation through a pipe; return the exit code and what was written."""

    def talk(typed: str, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        parser = argparse.ArgumentParser()
        command = Chat()
        command.configure(parser)
        add_options(parser)
        code = app.invoke(command, parser.parse_args(["--agent", "ann=echo", "--strategy", "solo", "--quiet", *arguments]))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return talk
