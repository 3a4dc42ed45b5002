"""What a model is allowed to write, as grammars that the runtime enforces token by token."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from massgen_core.api import Tool

__all__ = ["CALL_END", "CALL_START", "call_grammar", "choice_grammar", "schema_grammar"]

# The marks around a tool call that Qwen's models learned.
CALL_START, CALL_END = "<tool_call>", "</tool_call>"

# Only grammars of this kind keep JSON compact: 13 tokens for a small call instead of 33.
_COMPACT = {"x-guidance": {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}}
_HEAD = "%llguidance {}\n"


def choice_grammar(texts: Iterable[str]) -> str:
    """Allow exactly one of some texts, and nothing else."""
    return f"{_HEAD}start: {' | '.join(_literal(text) for text in texts)}"


def schema_grammar(schema: Mapping[str, Any]) -> str:
    """Allow compact JSON that obeys a schema."""
    return f"{_HEAD}start: {_json(schema)}"


def call_grammar(tools: Sequence[Tool], *, must_call: bool) -> str:
    """Allow one call of one of some tools, or, where a call is not demanded, prose.

    Prose may not begin like a call: small models otherwise put it into a fence of code, where nobody finds it.
    """
    calls = [
        {
            "type": "object",
            "properties": {"name": {"const": tool.name}, "arguments": {"type": "object", "additionalProperties": False, **tool.parameters}},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
    ]
    call = f'call: "{CALL_START}\\n" {_json(calls[0] if len(calls) == 1 else {"anyOf": calls})} "\\n{CALL_END}"'
    if must_call:
        return f"{_HEAD}start: call\n{call}"
    return f"{_HEAD}start: call | PROSE\n{call}\nPROSE: /[^<`{{\\s](.|\\n)*/"


def _json(schema: Mapping[str, Any]) -> str:
    return "%json " + json.dumps({**_COMPACT, **schema})


def _literal(text: str) -> str:
    """Quote a text. What cannot be written, or would not be read back, has been taken out before."""
    return json.dumps(text, ensure_ascii=False)
