"""Which JSON Schema this API takes, as it was documented on 2026-11-20."""

from __future__ import annotations

from massgen_core.api import Dialect

__all__ = ["TEXT", "TOOLS"]

# Of tools: everything but a union at the root.
TOOLS = Dialect(root_unions=False)
# Of text: what can be made a grammar. References are written out, since recursive ones are refused.
TEXT = Dialect(
    keywords=frozenset(
        {
            *("type", "properties", "required", "additionalProperties", "items", "minItems", "anyOf", "allOf", "enum", "const", "format"),
            *("title", "description", "default"),
        }
    ),
    refs=False,
    open_values=False,
    closed=True,
    formats=frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}),
    enum_types=frozenset({"string", "number", "integer", "boolean"}),
    min_items=1,
)
