"""Schemas and tools fitted to what a provider takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from massgen_core.dialects.dialect import Dialect
from massgen_core.dialects.forms import kinds_of
from massgen_core.dialects.reduction import Reduction
from massgen_core.dialects.schemas import schema_at
from massgen_core.events import Event, ToolReduced
from massgen_core.messages import Tool

__all__ = ["ToolFitter", "fit", "without_nulls"]

# Notes of one tool that go into the journal.
NOTES = 20


def fit(schema: Mapping[str, Any], dialect: Dialect) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Reduce the schema of a tool's parameters, or of an answer, to a dialect.

    What the dialect lacks is written in the nearest form that it has (`const` as an `enum`, a list of types as a union, `allOf` joined, a recursive
    reference as an open object); a bound, a pattern or a format that has no such form is told in the description. The result is a valid schema of
    type object whatever was given, of a size linear in the argument's, and fitting it once more changes nothing.

    Returns:
        The new schema, and a note for each place where it says less, more or otherwise than the old one: where and what. Without notes both mean
        the same, but that `closed` forbids keys of which the old one did not speak. Notes hold names that others wrote, cleaned for a terminal.
    """
    reduction = Reduction(schema, dialect)
    return reduction.root(), tuple(dict.fromkeys(reduction.notes))


def without_nulls(arguments: Any, schema: Any) -> Any:
    """Return arguments for the schema as it was before `all_required`: nulls of optional properties that do not take null are taken out.

    Args:
        arguments: What the model gave, plain data; it is left as it is.
        schema: The schema before it was fitted.
    """
    return _meant(arguments, schema, schema, 0)


def _meant(value: Any, schema: Any, root: Any, depth: int) -> Any:
    if not isinstance(schema, Mapping) or not isinstance(value, (Mapping, list)) or depth > 64:
        return value
    schema = _target(schema, root)
    if isinstance(value, list):
        return [_meant(one, schema.get("items"), root, depth + 1) for one in value]
    properties = schema.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    wanted = schema.get("required", ())
    return {
        name: _meant(inner, properties.get(name), root, depth + 1)
        for name, inner in value.items()
        if inner is not None or name not in properties or name in wanted or _takes_null(properties[name], root)
    }


def _target(schema: Mapping[str, Any], root: Any) -> Mapping[str, Any]:
    for _ in range(16):
        reference = schema.get("$ref")
        found = schema_at(reference, root) if isinstance(reference, str) else None
        if not isinstance(found, Mapping):
            break
        schema = found
    return schema


def _takes_null(schema: Any, root: Any, depth: int = 0) -> bool:
    if not isinstance(schema, Mapping) or depth > 16:
        return True
    schema = _target(schema, root)
    if ("enum" in schema and None not in schema["enum"]) or schema.get("const", None) is not None:
        return False
    for key, holds in (("anyOf", any), ("oneOf", any), ("allOf", all)):
        parts = schema.get(key)
        if isinstance(parts, list) and not holds(_takes_null(part, root, depth + 1) for part in parts):
            return False
    kinds = kinds_of(schema)
    return not kinds or "null" in kinds or schema.get("nullable") is True


@attrs.frozen(kw_only=True)
class _Fitted:
    given: Tool
    tool: Tool


class ToolFitter:
    """Fits the tools of a backend's requests: each tool once, and tells once what was reduced, as `tool.reduced`.

    Args:
        dialect: What the provider takes.
        backend: The backend's name.
        emit: Puts a fact into the journal, for instance `Context.emit`.
    """

    def __init__(self, dialect: Dialect, *, backend: str, emit: Callable[[Event], None]) -> None:
        self.dialect, self.backend, self._emit = dialect, backend, emit
        self._fitted: dict[tuple[str, str], _Fitted] = {}

    def tools(self, tools: Sequence[Tool], agent: str) -> tuple[Tool, ...]:
        """Return the tools of one request of an agent (`request.metadata["agent"]`) with fitted parameters, in order."""
        return tuple(self._one(tool, agent) for tool in tools)

    def _one(self, tool: Tool, agent: str) -> Tool:
        known = self._fitted.get((agent, tool.name))
        # Most toolsets give the very same object each time.
        if known is not None and (known.given is tool or known.given == tool):
            return known.tool
        schema, notes = fit(tool.parameters, self.dialect)
        if notes:
            more = (f"and {len(notes) - NOTES} more",) if len(notes) > NOTES else ()
            self._emit(ToolReduced(agent=agent, backend=self.backend, tool=tool.name, notes=(*notes[:NOTES], *more)))
        made = attrs.evolve(tool, parameters=schema)
        self._fitted[agent, tool.name] = _Fitted(given=tool, tool=made)
        return made
