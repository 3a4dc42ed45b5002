"""What plugins are given: a scope that opens, shares, starts, asks, and closes in order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from massgen_core.contracts import Question
from massgen_core.errors import MassGenError
from massgen_core.events import Event, NoticeGiven
from massgen_core.messages import Message, ModelRequest
from massgen_core.plugins.manager import Plugins
from massgen_core.runtime.scope import Scope, nobody, open_scope
from massgen_core.secrets import Redactor

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def opened(folder: Path, seen: list[Event] | None = None) -> AsyncIterator[Scope]:
    def emit(event: Event, *, span: str = "", parent: str = "") -> None:
        if seen is not None:
            seen.append(event)

    with anyio.fail_after(10):
        async with open_scope(Plugins.discover(allow=[]), run="r", folder=folder, emit=emit, ask=nobody, redactor=Redactor(), trace="t") as scope:
            yield scope


async def test_what_is_shared_is_opened_once_and_closed_before_tasks_are_cancelled(tmp_path: Path) -> None:
    """A resource that needs its background task while it closes still has it."""
    told: list[str] = []
    wanted = anyio.Event()
    done = anyio.Event()

    async def work() -> None:
        await wanted.wait()
        done.set()

    @asynccontextmanager
    async def resource() -> AsyncIterator[str]:
        told.append("opened")
        yield "it"
        wanted.set()
        await done.wait()
        told.append("closed")

    async with opened(tmp_path) as scope:
        context = scope.context("ann")
        context.start(work)

        assert [await context.share("key", resource) for _ in range(2)] == ["it", "it"]

    assert told == ["opened", "closed"]


async def test_a_task_that_waits_for_nothing_ends_with_the_run(tmp_path: Path) -> None:
    """Nothing outlives the scope."""
    ended: list[bool] = []

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(True)

    async with opened(tmp_path) as scope:
        scope.context().start(work)
        await anyio.lowlevel.checkpoint()

    assert ended == [True]


async def test_a_task_that_breaks_is_told_and_harms_nobody(tmp_path: Path) -> None:
    """A plugin's defect in the background is a notice."""
    seen: list[Event] = []

    async def work() -> None:
        raise ValueError("no such thing")

    async with opened(tmp_path, seen) as scope:
        scope.context().start(work)
        for _ in range(3):
            await anyio.lowlevel.checkpoint()

    assert [event.text for event in seen if isinstance(event, NoticeGiven)] == ["work in the background broke: ValueError: no such thing"]


async def test_errors_leave_the_scope_as_they_are(tmp_path: Path) -> None:
    """What is raised inside is neither wrapped nor lost."""
    with pytest.raises(MassGenError, match="exactly this"):
        async with opened(tmp_path):
            raise MassGenError("exactly this")


async def test_an_error_while_closing_is_raised(tmp_path: Path) -> None:
    """A resource that cannot be closed is no secret, and tasks end all the same."""

    @asynccontextmanager
    async def stubborn() -> AsyncIterator[None]:
        yield
        raise MassGenError("it would not close")

    async def use() -> None:
        async with opened(tmp_path) as scope:
            context = scope.context()
            context.start(anyio.sleep_forever)
            await context.share("key", stubborn)

    with pytest.raises(MassGenError, match="would not close"):
        await use()


async def test_a_context_without_an_agent_has_no_model(tmp_path: Path) -> None:
    """Asking the agent's model needs an agent; asking a person where nobody is gives the default."""
    async with opened(tmp_path) as scope:
        context = scope.context()

        assert await context.ask(Question(text="Really?", options=("no", "yes"), default="no")) == "no"
        assert (context.trace, context.around("mcp")) == ("t", ())
        with pytest.raises(MassGenError, match="no agent"):
            await context.sample(ModelRequest(messages=(Message.of("user", "hello"),)))


async def test_a_part_is_closed_before_the_rest(tmp_path: Path) -> None:
    """What was opened before the part still hears what happens while the part is closed."""
    told: list[str] = []

    @asynccontextmanager
    async def resource(name: str) -> AsyncIterator[None]:
        yield
        told.append(name)

    async with opened(tmp_path) as scope:
        await scope.share("outer", lambda: resource("outer"))
        async with scope.part():
            await scope.share("inner", lambda: resource("inner"))
        told.append("after")

    assert told == ["inner", "after", "outer"]
