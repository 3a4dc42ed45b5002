"""A call of an agent's model outside of its conversation: what an MCP server may ask for."""

from __future__ import annotations

import anyio
import attrs

from massgen_core.contracts import ModelCall
from massgen_core.errors import TimedOut
from massgen_core.events import Event, ModelAnswered, ModelFailed, ModelRequested
from massgen_core.messages import ModelAnswer, ModelRequest
from massgen_core.runtime.agent import Agent, Observe
from massgen_core.runtime.assembly import Assembly
from massgen_core.runtime.toolbox import chain

__all__ = ["sample"]


async def sample(agent: Agent, request: ModelRequest, *, observe: Observe, span: str, idle_seconds: float) -> ModelAnswer:
    """Ask an agent's model, through its middlewares and on its account. In the journal it is a call of turn 0.

    Raises:
        MassGenError: The call failed.
    """
    config = agent.config
    agent.calls += 1
    number, began = agent.calls, anyio.current_time()
    metadata = {"run": agent.run, "agent": agent.name, "turn": "0", **request.metadata}
    request = attrs.evolve(request, model=request.model or config.model, metadata=metadata, options={**config.options, **request.options})
    observe(ModelRequested(agent=agent.name, turn=0, call=number, backend=config.backend.type, model=request.model), span=span)

    async def whole(call: ModelCall) -> ModelAnswer:
        assembly = Assembly(f"sample_{number}")
        try:
            with anyio.CancelScope(deadline=anyio.current_time() + idle_seconds) as idle:
                async with agent.backend.respond(call.request) as stream:
                    async for chunk in stream:
                        assembly.add(chunk)
                        idle.deadline = anyio.current_time() + idle_seconds
            if idle.cancelled_caught:
                raise TimedOut(f"the model of {agent.name!r} was silent for {idle_seconds:g} s (model_idle_seconds)")
            return assembly.finish()
        except Exception as fault:
            failed = ModelFailed(
                agent=agent.name,
                turn=0,
                call=number,
                fault=type(fault).__name__,
                reason=str(fault),
                partial=assembly.text,
                usage=assembly.usage,
            )
            emit(failed)
            raise

    def emit(event: Event) -> None:
        observe(event, span=span)

    call = ModelCall(request=request, agent=agent.name, turn=0, backend=config.backend.type, emit=emit)
    answer: ModelAnswer = await chain(agent.middlewares, whole)(call)
    observe(
        ModelAnswered(
            agent=agent.name,
            turn=0,
            call=number,
            message=answer.message,
            stop=answer.stop,
            usage=answer.usage,
            model=answer.model or request.model,
            seconds=anyio.current_time() - began,
            is_cached=answer.is_cached,
            limits=answer.limits,
        ),
        span=span,
    )
    return answer
