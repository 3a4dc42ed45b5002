"""What agents with files are told, and what is kept before backends that change files by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from massgen_core.config.sections import AgentConfig, PluginConfig
from massgen_core.events import Event, TurnEnded, TurnResponded, TurnStarted
from massgen_core.messages import Message, Tool
from massgen_core.runtime.agent import Turn
from massgen_core.runtime.calling import Agent
from massgen_core.runtime.scope import nobody
from massgen_core.runtime.toolbox import Toolbox
from massgen_core.specs import Capabilities
from massgen_testkit import QueueBackend, say

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Tools:
    """A toolset with one tool."""

    def __init__(self, *, uses_workspace: bool) -> None:
        self._tool = Tool(name="save", uses_workspace=uses_workspace)

    def tools(self) -> Sequence[Tool]:
        return (self._tool,)

    async def call(self, use: Any) -> Any:
        raise NotImplementedError


class Kept:
    """A working folder that notes what was kept."""

    def __init__(self, path: Path) -> None:
        self.path, self.labels = path, list[str]()

    async def snapshot(self, label: str) -> str:
        self.labels.append(label)
        return "s1"


async def turn(folder: Path, *, uses_workspace: bool = False, acts: bool = False, system: str = "") -> tuple[list[Event], str, Kept]:
    """Take one turn; return what was told, the system message, and what was kept."""
    backend, kept, seen = QueueBackend(say("four")), Kept(folder), list[Event]()

    async def durable() -> None:
        """Nothing is kept."""

    async def opened() -> Any:
        return kept

    toolbox = Toolbox("ann", toolsets=[Tools(uses_workspace=uses_workspace)], ask=nobody, durable=durable, folder=folder, workspace=opened)
    agent = Agent(AgentConfig(name="ann", backend=PluginConfig(type="queue"), system=system), backend, Capabilities(), toolbox)
    agent.acts, agent.told = acts, lambda: "You work in /w."
    started = TurnStarted(agent="ann", turn=2, purpose="answer", messages=(Message.of("user", "2 + 2?"),))

    def observe(event: Event, *, span: str = "", parent: str = "") -> None:
        seen.append(event)
        if isinstance(event, TurnResponded):
            one.take(TurnEnded(agent="ann", turn=2))

    one = Turn(agent, started, span="0" * 16, observe=observe, new_span=lambda: "1" * 16, idle_seconds=5)
    with anyio.fail_after(10):
        await one.run()
    first = backend.requests[0].messages[0]
    return seen, first.text if first.role == "system" else "", kept


async def test_agents_hear_of_their_folders_only_with_tools_for_them(tmp_path: Path) -> None:
    """After what the configuration says; an agent without such tools is told nothing."""
    assert (await turn(tmp_path))[1] == ""
    assert (await turn(tmp_path, uses_workspace=True))[1] == "You work in /w."
    assert (await turn(tmp_path, uses_workspace=True, system="Be brief."))[1] == "Be brief.\n\nYou work in /w."


async def test_files_are_kept_before_a_backend_that_changes_them_by_itself(tmp_path: Path) -> None:
    """Its own tools never pass the toolbox; what they did can be rolled back to before the call of the model."""
    seen, _, kept = await turn(tmp_path, acts=True)

    assert [event.type for event in seen][:2] == ["workspace.snapshotted", "model.requested"]
    assert kept.labels == ["before a model call, turn 2"]
    assert (await turn(tmp_path))[2].labels == []
