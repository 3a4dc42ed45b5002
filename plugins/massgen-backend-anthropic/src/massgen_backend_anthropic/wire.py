"""Requests, as the protocol writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from massgen_backend_anthropic.config import OWN_FIELDS, AnthropicConfig
from massgen_backend_anthropic.conversation import Writer
from massgen_backend_anthropic.rules import BINDING, BUDGETS, Rules, rules_of
from massgen_backend_anthropic.schemas import TEXT
from massgen_core.api import BadRequest, File, Image, ModelRequest, Tool, fit, read_files

__all__ = ["FILES", "betas_of", "body_of"]

FILES = "files-api-2025-04-14"  # what versions before the present one call the Files API

DEFAULT_TOKENS = 32_000
LEAST_BUDGET = 1024
SAMPLING_UNTIL = "2023-06-01"  # the last version of the API that takes temperature and top_p
EFFORTS = {"minimal": "low"}


async def body_of(request: ModelRequest, config: AnthropicConfig, placed: Mapping[Image | File, str] = {}) -> dict[str, Any]:
    """Return the request's body.

    Args:
        placed: The provider's words for what was uploaded.

    Raises:
        BadRequest: The model cannot be asked this; the message says what and which option helps.
    """
    request = attrs.evolve(request, model=request.model or config.usual_model)
    if not request.model:
        raise BadRequest("this server needs a model's name; write it as the agent's `model`")
    rules = rules_of(request.model)
    body: dict[str, Any] = {"model": request.model, "max_tokens": request.sampling.max_tokens or config.max_tokens or min(rules.most, DEFAULT_TOKENS)}
    is_thinking = _think(body, request, config, rules)
    _sample(body, request, config)
    writer = Writer(await read_files(request.messages, without=placed), placed)
    system, body["messages"] = writer.of(request.messages)
    if system:
        body["system"] = [{"type": "text", "text": system}]
    tools = [_tool(tool) for tool in request.tools] + [dict(tool) for tool in config.tools]
    if not tools and (names := _called(request)):
        # A conversation with calls is refused without tools, also where none may be called any more.
        body["tools"] = [{"name": name, "input_schema": {"type": "object"}} for name in names]
        body["tool_choice"] = {"type": "none"}
    elif tools:
        body["tools"] = tools
        if choice := _choice(request, config, is_thinking=is_thinking):
            body["tool_choice"] = choice
    if writer.container and config.tools:
        body["container"] = writer.container
    if request.response_schema is not None:
        body.setdefault("output_config", {})["format"] = {"type": "json_schema", "schema": fit(request.response_schema, TEXT)[0]}
    if config.cache != "off":
        _cache(body, config.cache)
    for name in request.options:
        if name in OWN_FIELDS:
            raise BadRequest(f"the option {name!r} is said by the backend itself and cannot be replaced")
    return {**body, **config.extra_body, **request.options}


def betas_of(body: Mapping[str, Any], config: AnthropicConfig) -> str:
    """Return the beta header's value for a body."""
    thinking = body.get("thinking")
    needed = (BINDING,) if isinstance(thinking, Mapping) and "block_binding" in thinking else ()
    files = (FILES,) if config.api_version and config.least_upload else ()
    return ",".join(dict.fromkeys((*config.betas, *needed, *files)))


def _think(body: dict[str, Any], request: ModelRequest, config: AnthropicConfig, rules: Rules) -> bool:
    """Say how to think; return whether the model will."""
    effort = request.reasoning_effort
    kind = config.thinking
    if kind is None:
        if effort is None and not rules.thinks and config.thinking_budget is None:
            return False
        kind = rules.style
        if effort == "none":
            if not rules.off:
                raise BadRequest(f"{request.model} always thinks: reasoning_effort 'none' cannot be had, 'minimal' is the least")
            kind = rules.off
    if kind in ("disabled", "between_tools"):
        # Old models do not think unless they are told to.
        if rules.thinks or config.thinking is not None:
            body["thinking"] = {"type": kind}
        return False
    if kind == "enabled":
        body["thinking"] = {"type": "enabled", "budget_tokens": _budget(body, request, config, rules)}
        return True
    if config.thinking_budget is not None:
        raise BadRequest(f"{request.model} takes no thinking_budget; leave it out and set the agent's reasoning_effort")
    body["thinking"] = {"type": "adaptive", "display": config.thinking_display}
    if rules.binds and config.stale_thinking == "drop":
        body["thinking"]["block_binding"] = {"prefix_mismatch_behavior": "drop_block"}
    if effort not in (None, "none"):
        body["output_config"] = {"effort": EFFORTS.get(str(effort), effort)}
    return True


def _budget(body: dict[str, Any], request: ModelRequest, config: AnthropicConfig, rules: Rules) -> int:
    """Return the tokens to think; where nobody limited the answer, its limit is raised to leave room for text."""
    budget = config.thinking_budget or BUDGETS.get(request.reasoning_effort or "medium", BUDGETS["medium"])
    limit = request.sampling.max_tokens or config.max_tokens
    if limit is None:
        limit = body["max_tokens"] = max(body["max_tokens"], min(rules.most, budget + DEFAULT_TOKENS // 2))
    if limit <= LEAST_BUDGET:
        raise BadRequest(
            f"thinking needs more than {LEAST_BUDGET} tokens, and the answer may have {limit}; raise max_tokens or leave reasoning_effort out"
        )
    return max(LEAST_BUDGET, min(budget, limit - limit // 4))


def _sample(body: dict[str, Any], request: ModelRequest, config: AnthropicConfig) -> None:
    sampling = request.sampling
    if sampling.stop:
        body["stop_sequences"] = list(sampling.stop)
    if sampling.seed is not None:
        raise BadRequest("Anthropic takes no seed; leave `sampling.seed` out")
    for name in ("temperature", "top_p"):
        value = getattr(sampling, name)
        if value is None:
            continue
        if config.api_version != SAMPLING_UNTIL:
            raise BadRequest(
                f"Anthropic takes no {name} any more; leave `sampling.{name}` out, or set the backend's option api_version to {SAMPLING_UNTIL!r} "
                "for a model that still takes it"
            )
        body[name] = value


def _tool(tool: Tool) -> dict[str, Any]:
    written: dict[str, Any] = {"name": tool.name, "input_schema": dict(tool.parameters)}
    if tool.description:
        written["description"] = tool.description
    return written


def _called(request: ModelRequest) -> list[str]:
    return list(dict.fromkeys(call.name for message in request.messages for call in message.calls))


def _choice(request: ModelRequest, config: AnthropicConfig, *, is_thinking: bool) -> dict[str, Any] | None:
    choice = request.tool_choice
    if choice == "none":
        return {"type": "none"}
    # A model that thinks refuses to be forced.
    can_force = not is_thinking if config.forced_tools is None else config.forced_tools
    if choice == "auto" or not can_force:
        return None
    return {"type": "any"} if choice == "required" else {"type": "tool", "name": choice}


def _cache(body: dict[str, Any], span: str) -> None:
    """Mark what stays: tools and instructions, and the conversation so far."""
    mark: dict[str, Any] = {"type": "ephemeral"}
    if span != "5m":
        mark["ttl"] = span
    stable = body.get("system") or body.get("tools")
    if stable:
        stable[-1] = {**stable[-1], "cache_control": mark}
    last = body["messages"][-1]["content"] if body["messages"] else []
    if last and last[-1]["type"] in ("text", "image", "document", "tool_result"):
        last[-1] = {**last[-1], "cache_control": mark}
