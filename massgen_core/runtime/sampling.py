"""A call of an agent's model outside of its conversation: what an MCP server may ask for."""

from __future__ import annotations

import attrs

from massgen_core.messages import ModelAnswer, ModelRequest
from massgen_core.runtime.agent import Observe
from massgen_core.runtime.calling import Agent, Call

__all__ = ["sample"]


async def sample(agent: Agent, request: ModelRequest, *, observe: Observe, span: str, idle_seconds: float) -> ModelAnswer:
    """Ask an agent's model, through its middlewares and on its account. In the journal it is a call of turn 0.

    Raises:
        MassGenError: The call failed.
    """
    config = agent.config
    metadata = {"run": agent.run, "agent": agent.name, "turn": "0", **request.metadata}
    request = attrs.evolve(request, model=request.model or config.model, metadata=metadata, options={**config.options, **request.options})
    call = Call(agent, 0, lambda event: observe(event, span=span), idle_seconds=idle_seconds, is_streamed=False)
    observe(call.requested(request.model), span=span)
    answered = await call.make(request)
    observe(answered, span=span)
    return ModelAnswer(
        message=answered.message,
        stop=answered.stop,
        usage=answered.usage,
        model=answered.model,
        is_cached=answered.is_cached,
        limits=answered.limits,
    )
