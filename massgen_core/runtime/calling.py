"""An agent, and one call of its model: through its middlewares, streamed, with what came before a fault kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio
import attrs

from massgen_core.config.sections import AgentConfig
from massgen_core.contracts import Backend, Middleware, ModelCall
from massgen_core.errors import TimedOut
from massgen_core.events import Event, ModelAnswered, ModelFailed, ModelRequested, ModelStreamed
from massgen_core.messages import ModelAnswer, ModelRequest
from massgen_core.runtime.assembly import Assembly, drain
from massgen_core.runtime.clock import clock
from massgen_core.runtime.pricing import Priced, unpriced
from massgen_core.runtime.toolbox import Toolbox, chain
from massgen_core.specs import Capabilities

__all__ = ["Agent", "Call"]

# Setting a deadline anew for each piece of a stream would cost more than the piece: it is set later by this share, and as rarely.
SLACK = 0.01


@attrs.define
class Agent:
    """An agent as it takes part in a run."""

    config: AgentConfig
    backend: Backend
    capabilities: Capabilities
    toolbox: Toolbox
    middlewares: Sequence[Middleware] = ()
    run: str = ""
    priced: Priced = unpriced
    calls: int = 0
    acts: bool = False  # its backend changes files by itself
    told: Callable[[], str] = str  # what it is told of its folders, where it has tools for them

    @property
    def name(self) -> str:
        return self.config.name


class Call:
    """One call, counted on its agent's account; `requested` and what `make` returns are its facts, for the caller to tell.

    Args:
        agent: Whose model.
        turn: The agent's turn; 0 outside of its turns.
        emit: Tells what happens during the call, under its span.
        idle_seconds: How long the model may be silent.
        is_streamed: Pieces are told as they come.
    """

    def __init__(self, agent: Agent, turn: int, emit: Callable[[Event], None], *, idle_seconds: float, is_streamed: bool = True) -> None:
        agent.calls += 1
        self._agent, self._turn, self._number = agent, turn, agent.calls
        self._emit, self._idle_seconds, self._is_streamed = emit, idle_seconds, is_streamed
        self._began, self._tried, self._first = 0.0, 0.0, 0.0
        self._assembly: Assembly | None = None
        self._now: Callable[[], float] = anyio.current_time

    def requested(self, model: str) -> ModelRequested:
        """Return the fact that begins the call."""
        config = self._agent.config
        return ModelRequested(agent=config.name, turn=self._turn, call=self._number, backend=config.backend.type, model=model)

    @property
    def text(self) -> str:
        """The text so far."""
        return self._assembly.text if self._assembly else ""

    async def make(self, request: ModelRequest) -> ModelAnswered:
        """Make the call, again where a middleware wants that.

        Raises:
            MassGenError: It failed; each failed attempt was told as `model.failed`.
        """
        name = self._agent.config.name
        self._now = clock()
        self._began = self._now()
        call = ModelCall(request=request, agent=name, turn=self._turn, backend=self._agent.config.backend.type, emit=self._emit)
        answer: ModelAnswer = await chain(self._agent.middlewares, self._attempt)(call)
        now = self._now()
        return ModelAnswered(
            agent=name,
            turn=self._turn,
            call=self._number,
            message=answer.message,
            stop=answer.stop,
            usage=answer.usage,
            model=answer.model or request.model,
            seconds=now - self._began,
            first=self._first,
            writing=now - self._tried - self._first if self._first else 0.0,
            is_cached=answer.is_cached,
            limits=answer.limits,
        )

    async def _attempt(self, call: ModelCall) -> ModelAnswer:
        assembly = self._assembly = Assembly(f"call_{self._turn}_{self._number}")
        name, patience = self._agent.config.name, self._idle_seconds * (1 + SLACK)
        self._tried, self._first = self._now(), 0.0

        def waits() -> None:
            now = self._now()
            if now + self._idle_seconds > idle.deadline:
                idle.deadline = now + patience
            fresh = assembly.fresh()
            if fresh is not None:
                self._first = self._first or now - self._tried
                if self._is_streamed:
                    text, reasoning, arguments = fresh
                    streamed = ModelStreamed(agent=name, turn=self._turn, call=self._number, text=text, reasoning=reasoning, arguments=arguments)
                    self._emit(streamed)

        try:
            with anyio.CancelScope(deadline=self._tried + patience) as idle:
                async with self._agent.backend.respond(call.request) as stream:
                    await drain(stream, assembly.add, waits)
                waits()
            if idle.cancelled_caught:
                raise TimedOut(f"the model of {call.agent!r} was silent for {self._idle_seconds:g} s (model_idle_seconds)")
            answer = assembly.finish()
            usage = self._agent.priced(answer.usage, answer.model or call.request.model)
            return answer if usage is answer.usage else attrs.evolve(answer, usage=usage)
        except Exception as fault:
            failed = ModelFailed(
                agent=call.agent,
                turn=self._turn,
                call=self._number,
                fault=type(fault).__name__,
                reason=str(fault),
                partial=assembly.text,
                usage=self._agent.priced(assembly.usage, call.request.model),
            )
            self._emit(failed)
            raise
