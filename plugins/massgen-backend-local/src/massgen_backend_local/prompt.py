"""The messages that a small model is shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

from massgen_backend_local.grammar import CALL_END, CALL_START
from massgen_core.api import BadRequest, Brief, Message, ModelRequest, Text, Tool, ToolCall, ToolResult

__all__ = ["chat", "own_messages", "with_tools"]

_TOOLS = (
    "You can use tools. These are their names, what they do and what they take:\n<tools>\n{tools}\n</tools>\n"
    'To use one, write only\n{start}\n{{"name": ..., "arguments": {{...}}}}\n{end}\n'
    "You are then shown its result. When you know the answer, write it in plain words."
)
_PRESENT = "{question}\n\nA good answer is: {answer}\n\nRepeat this answer for the person who asked; correct it only where it is wrong."


def chat(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Return messages as the model's template takes them: roles and text only.

    Raises:
        BadRequest: There is an image or a file among them.
    """
    return [{"role": "user" if message.role == "tool" else message.role, "content": _content(message)} for message in messages]


def own_messages(request: ModelRequest, brief: Brief) -> list[dict[str, str]]:
    """Return a short conversation in place of the request's: the agent's line, earlier turns, the question, and what tools gave since.

    The strategy's instructions stand in the last message that holds the question; whatever is before it are earlier turns.
    """
    messages = request.messages
    asked = max((place for place, message in enumerate(messages) if message.role == "user" and brief.question in message.text), default=len(messages))
    question = {"role": "user", "content": _safe(brief.question)}
    if brief.purpose == "present" and brief.candidates:
        question["content"] = _PRESENT.format(question=_safe(brief.question), answer=_safe(brief.candidates[0].content))
    return [*chat(messages[:asked]), question, *_tool_exchange(messages[asked + 1 :])]


def _tool_exchange(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Return calls of real tools with their results; reminders of the strategy, and answers that it refused, are left out."""
    kept: list[Message] = []
    for before, message in pairwise(messages):
        is_result = message.role == "tool" and any(not part.is_error or part.text for part in message.content if isinstance(part, ToolResult))
        if before.calls and is_result and not before.text.strip():
            kept += [before, message]
    return chat(kept)


def with_tools(messages: list[dict[str, str]], tools: Sequence[Tool]) -> list[dict[str, str]]:
    """Tell the model of its tools, in the system message."""
    if not tools:
        return messages
    lines = [json.dumps({"name": tool.name, "description": tool.description, "parameters": tool.parameters}, ensure_ascii=False) for tool in tools]
    text = _safe(_TOOLS.format(tools="\n".join(lines), start=CALL_START, end=CALL_END))
    if messages and messages[0]["role"] == "system":
        return [{"role": "system", "content": f"{messages[0]['content']}\n\n{text}"}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def _content(message: Message) -> str:
    parts = []
    for part in message.content:
        if isinstance(part, Text):
            parts.append(_safe(part.text))
        elif isinstance(part, ToolCall):
            parts.append(f'{CALL_START}\n{{"name": {json.dumps(part.name)}, "arguments": {_safe(part.arguments)}}}\n{CALL_END}')
        elif isinstance(part, ToolResult):
            parts.append(f"<tool_response>\n{_safe(part.text)}\n</tool_response>")
        elif part.type in ("image", "file"):
            raise BadRequest(f"local models read text only, and this request holds an {part.type}; use another backend for it")
    return "\n".join(parts)


def _safe(text: str) -> str:
    """Break the marks that separate messages, so that no text can pass for another's message; take out halves of characters."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("<|", "< |").replace("|>", "| >")
