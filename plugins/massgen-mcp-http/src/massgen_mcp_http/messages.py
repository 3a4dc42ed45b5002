"""Text to messages as the MCP SDK's client takes them."""

from __future__ import annotations

import json

from mcp_types import JSONRPCMessage, jsonrpc_message_adapter

__all__ = ["messages_of"]

TOGETHER = 1000


def messages_of(data: bytes) -> tuple[list[JSONRPCMessage], bytes]:
    """Return the messages that a body or an event holds, and the first thing in it that is none; empty where all are.

    One message is the rule. The revision of March 2025 allowed several in an array; up to a thousand are taken.
    """
    try:
        return [jsonrpc_message_adapter.validate_json(data, by_name=False)], b""
    except ValueError:
        try:
            values = json.loads(data)
        except (ValueError, RecursionError):
            return [], data
    if not isinstance(values, list) or not 0 < len(values) <= TOGETHER:
        return [], data
    found: list[JSONRPCMessage] = []
    junk = b""
    for value in values:
        text = data
        try:
            text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")  # what stands for half a character has no UTF-8
            found.append(jsonrpc_message_adapter.validate_json(text, by_name=False))
        except (ValueError, RecursionError):
            junk = junk or text
    return found, junk
