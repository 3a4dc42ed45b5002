"""The local backend is a backend like any other, as far as a model can play a provider."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar

import anyio
import attrs
import pytest
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from massgen_core.api import Backend, Chunk, Image, Message, ModelRequest, Sampling, Tool
from massgen_testkit import BackendSuite, PlainContext, PresetSuite, Scenario, Stage

# An answer that ends by itself, of any model.
SHORT: dict[str, Any] = {"sampling": Sampling(max_tokens=60), "response_schema": {"const": "The capital of France is Paris, zwölf Vögel, 日本."}}
LONG: dict[str, Any] = {
    "sampling": Sampling(max_tokens=3500),
    "response_schema": {"type": "array", "items": {"const": "again"}, "minItems": 3000},
}
_NO_PROVIDER = "there is no provider between this backend and its model"
_NO_SCRIPT = "a real model writes what it will"

# What the suite's requests must ask of a real model so that it does what a scripted provider would.
CHANGES: dict[str, Sequence[Mapping[str, Any]]] = {
    "long_text": ({}, LONG, {}),
    "length": ({"sampling": Sampling(max_tokens=3)},),
    "tool_call": ({"tool_choice": "required", "sampling": Sampling(temperature=0.0, max_tokens=120)}, {"tool_choice": "none"}),
    "truncated_arguments": ({"tool_choice": "required", "sampling": Sampling(max_tokens=12)},),
    "empty_arguments": ({"tool_choice": "required", "sampling": Sampling(temperature=0.0, max_tokens=120)},),
    "context_too_long": ({"messages": (Message.of("user", "word " * 5000),)},),
    "bad_request": ({"messages": (Message(role="user", content=(Image(media_type="image/png", data="AA=="),)),)},),
}


class Asked:
    """The backend under test, asked differently from call to call."""

    def __init__(self, backend: Backend, model: str, changes: Sequence[Mapping[str, Any]]) -> None:
        self._backend, self._model, self._changes = backend, model, changes
        self._calls = 0

    def respond(self, request: ModelRequest) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]:
        changes = self._changes[min(self._calls, len(self._changes) - 1)]
        self._calls += 1
        return self._backend.respond(attrs.evolve(request, **{"model": self._model, **SHORT, **changes}))


class TestLocal(BackendSuite):
    """With the smallest model: form is compared, not content."""

    name = "local"
    is_exact = False
    unsupported: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("unauthorized", "rate_limited", "server_error", "error_event", "drop", "stall", "sent"), _NO_PROVIDER),
        **dict.fromkeys(("refusal", "content_filter", "parallel_calls", "malformed_arguments"), _NO_SCRIPT),
        "provider_items": "a local model needs nothing back",
    }

    @pytest.fixture(autouse=True)
    def _with_model(self, need_model: Callable[[str], str]) -> None:
        self.model = need_model("smollm2-135m")

    @asynccontextmanager
    async def play(self, scenario: Scenario, context: PlainContext) -> AsyncIterator[Stage]:
        asked = CHANGES.get(scenario.name, ({},))
        async with self.opened(context, {"queue": 1} if scenario.name == "overloaded" else {}) as backend, anyio.create_task_group() as others:
            if scenario.name == "overloaded":
                await others.start(self._keep_busy, backend)
                others.start_soon(self._keep_busy, backend)
                await anyio.wait_all_tasks_blocked()
            else:
                # The suite bounds a call by the time that a provider may take; loading a model may take longer.
                await self.hear(Stage(backend=Asked(backend, self.model, ({},))))
            yield Stage(backend=Asked(backend, self.model, asked))
            others.cancel_scope.cancel()

    def request(
        self, text: str = "What is the weather in Paris now?", *, tools: tuple[Tool, ...] = (), messages: tuple[Message, ...] = ()
    ) -> ModelRequest:
        return super().request(text, tools=tools, messages=messages)

    async def _keep_busy(self, backend: Backend, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        async with Asked(backend, self.model, (LONG,)).respond(self.request()) as stream:
            await anext(stream)
            task_status.started()
            await anyio.sleep_forever()


class TestDefault(PresetSuite):
    """What runs when nothing is configured."""

    name = "default"


class TestPrivate(PresetSuite):
    """The same, and nothing else."""

    name = "private"


class TestQuickLocal(PresetSuite):
    """The same with the small model."""

    name = "quick-local"
