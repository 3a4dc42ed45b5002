"""Calls of an agent's model outside of its conversation."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from massgen_core.config.sections import AgentConfig, PluginConfig
from massgen_core.errors import BackendFault, Overloaded
from massgen_core.events import Event, ModelAnswered, ModelFailed, ModelRequested
from massgen_core.messages import Message, ModelRequest
from massgen_core.runtime.agent import Agent, Observe
from massgen_core.runtime.sampling import sample
from massgen_core.runtime.scope import nobody
from massgen_core.runtime.toolbox import Toolbox
from massgen_core.specs import Capabilities
from massgen_testkit import QueueBackend, say

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def durable() -> None:
    """Nothing is kept."""


def watched() -> tuple[list[Event], Observe]:
    seen: list[Event] = []

    def observe(event: Event, *, span: str = "", parent: str = "") -> None:
        seen.append(event)

    return seen, observe


def agent_with(backend: QueueBackend, folder: Path) -> Agent:
    config = AgentConfig(name="ann", backend=PluginConfig(type="queue"), model="m-1")
    return Agent(config, backend, Capabilities(), Toolbox("ann", ask=nobody, durable=durable, folder=folder))


async def test_a_sampled_answer_is_on_the_agents_account(tmp_path: Path) -> None:
    """The call uses the agent's model and is told as a call of turn 0."""
    seen, observe = watched()
    backend = QueueBackend(say("four"))
    agent = agent_with(backend, tmp_path)

    with anyio.fail_after(5):
        answer = await sample(
            agent,
            ModelRequest(messages=(Message.of("user", "2 + 2?"),)),
            observe=observe,
            span="0" * 16,
            idle_seconds=5,
        )

    assert answer.message.text == "four"
    assert [type(event) for event in seen] == [ModelRequested, ModelAnswered]
    assert [(event.agent, event.turn, event.call, event.model) for event in seen if isinstance(event, ModelRequested)] == [("ann", 0, 1, "m-1")]
    assert agent.calls == 1


async def test_a_failed_sample_is_told(tmp_path: Path) -> None:
    """A fault of the backend is a fact, and is raised to whoever asked."""
    seen, observe = watched()
    agent = agent_with(QueueBackend([Overloaded("too much")]), tmp_path)

    with pytest.raises(BackendFault, match="too much"), anyio.fail_after(5):
        await sample(
            agent,
            ModelRequest(messages=(Message.of("user", "2 + 2?"),)),
            observe=observe,
            span="0" * 16,
            idle_seconds=5,
        )

    assert [type(event) for event in seen] == [ModelRequested, ModelFailed]
