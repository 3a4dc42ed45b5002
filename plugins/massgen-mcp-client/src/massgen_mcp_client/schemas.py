"""Definitions of tools as servers send them: checked, mended where that is safe, and refused one by one where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

from massgen_core.api import Tool, ToolAnnotations, clean_line, is_sound, schema_at
from massgen_mcp_client.security import tool_name_refusal
from massgen_mcp_client.text import cleaned

__all__ = ["MAX_BYTES", "Listing", "listing", "repaired", "to_tool"]

MAX_BYTES = 262_144
MAX_DEPTH = 48
MAX_NOTES = 8

_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
# What other languages call the types.
_MEANT = {
    **dict.fromkeys(("str", "text", "date", "datetime", "date-time", "uri", "url", "uuid", "email", "file", "enum"), "string"),
    **dict.fromkeys(("int", "int32", "int64", "long"), "integer"),
    **dict.fromkeys(("float", "double", "decimal", "num"), "number"),
    **dict.fromkeys(("bool",), "boolean"),
    **dict.fromkeys(("dict", "map", "mapping", "record", "json"), "object"),
    **dict.fromkeys(("list", "tuple", "set"), "array"),
    **dict.fromkeys(("none", "nil", "undefined"), "null"),
}
_MAPPINGS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_SINGLE = frozenset(
    {"additionalProperties", "unevaluatedProperties", "unevaluatedItems", "propertyNames", "contains", "not", "if", "then", "else", "additionalItems"}
)
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")


@attrs.frozen(kw_only=True)
class Listing:
    """A server's tools, as far as they can be used.

    Attributes:
        tools: Their definitions as on the wire, mended; names are unique.
        repairs: What was mended, by the tool's name.
        refused: Name and reason of each tool that is left out.
    """

    tools: tuple[dict[str, Any], ...]
    repairs: Mapping[str, tuple[str, ...]]
    refused: tuple[tuple[str, str], ...]


def listing(raw: Any) -> Listing:
    """Return what can be used of the `tools` of a listing, whatever a server put there."""
    tools: dict[str, dict[str, Any]] = {}
    repairs: dict[str, tuple[str, ...]] = {}
    refused: list[tuple[str, str]] = []
    for one in raw if isinstance(raw, (list, tuple)) else ():
        tool, notes = repaired(one)
        name = one.get("name") if isinstance(one, Mapping) else None
        said = clean_line(name, 100) if isinstance(name, str) else "?"
        if tool is None:
            refused.append((said, "; ".join(notes)))
        elif tool["name"] not in tools:
            tools[tool["name"]] = tool
            if notes:
                repairs[tool["name"]] = notes
        elif tools[tool["name"]] != tool:
            refused.append((said, "another tool of this server has the same name; the first one counts"))
    return Listing(tools=tuple(tools.values()), repairs=repairs, refused=tuple(refused))


def repaired(raw: Any) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """Return a tool's definition as the protocol wants it, and what was mended; None, and why, where it cannot be used.

    The argument is left as it is. Unknown keys and keywords stay. What only widens what a schema allows is mended: a keyword that makes no sense is
    dropped, a type of another language is written as JSON Schema has it.
    """
    if not isinstance(raw, Mapping):
        return None, ("it is no mapping",)
    name = raw.get("name")
    if not isinstance(name, str):
        return None, ("it has no name",)
    if why := tool_name_refusal(name):
        return None, (why,)
    try:
        size = len(msgspec.json.encode(raw))
    except (TypeError, ValueError, RecursionError) as error:
        return None, (f"it cannot be written as JSON: {error}",)
    if size > MAX_BYTES:
        return None, (f"its definition of {size} bytes is longer than {MAX_BYTES}",)
    notes: list[str] = []
    tool = {str(key): value for key, value in raw.items()}
    try:
        tool["inputSchema"] = _parameters(raw.get("inputSchema"), notes)
        if raw.get("outputSchema") is not None:
            _output(tool, notes)
    except _Unusable as error:
        return None, (str(error),)
    _annotations(tool, notes)
    _extras(tool, notes)
    more = len(notes) - MAX_NOTES
    return tool, (*notes[:MAX_NOTES], *([f"and {more} more"] if more > 0 else []))


def to_tool(raw: Mapping[str, Any], *, name: str, server: str, uses_workspace: bool = False) -> Tool:
    """Return a mended definition as agents know it.

    Args:
        raw: The definition, as `repaired` returns it.
        name: The tool's name for models.
        server: The server's name.
        uses_workspace: It may work on files of the agent's workspace.
    """
    hints = raw.get("annotations")
    title = raw.get("title") or (hints or {}).get("title") or ""
    text = cleaned(raw.get("description") or "")
    said = {key: hints[key] for key in _HINTS if isinstance(hints.get(key), bool)} if isinstance(hints, Mapping) else {}
    annotations = None
    if said:
        read_only = said.get("readOnlyHint", False)
        annotations = ToolAnnotations(
            read_only=read_only,
            destructive=not read_only and said.get("destructiveHint", True),
            idempotent=said.get("idempotentHint", False),
            open_world=said.get("openWorldHint", True),
        )
    return Tool(
        name=name,
        description=text or cleaned(title),
        parameters=_shown(raw["inputSchema"]),
        annotations=annotations,
        source=f"mcp.{server}",
        uses_workspace=uses_workspace,
    )


class _Unusable(Exception):
    pass


# Schemas


def _parameters(schema: Any, notes: list[str]) -> dict[str, Any]:
    """Return the schema of a tool's arguments, whose root is of type object."""
    if schema is None or schema is True or schema == {}:
        if schema != {} or schema is None:
            notes.append("it had no inputSchema; it takes no arguments")
        else:
            notes.append("inputSchema.type was missing")
        return {"type": "object", "properties": {}}
    if not isinstance(schema, Mapping):
        raise _Unusable(f"its inputSchema is no mapping but {_kind(schema)}")
    made: dict[str, Any] = _Mender(schema, notes).schema(schema, "inputSchema", 0)
    kind = made.get("type")
    if kind is None:
        target = _target(made, schema)
        if target is not None and target.get("type") == "object":
            notes.append("the root of inputSchema was a reference; what it refers to is written there")
            made = {**target, **{key: value for key, value in made.items() if key != "$ref"}}
        else:
            notes.append("inputSchema.type was missing")
        made = {"type": "object", **made}
    elif isinstance(kind, list) and "object" in kind:
        notes.append("inputSchema.type was a list of types")
        made["type"] = "object"
    elif kind != "object":
        raise _Unusable(f"its arguments are no object but of type {clean_line(str(kind), 40)!r}")
    if not isinstance(made.get("properties"), Mapping):
        made["properties"] = {}
    return made


def _target(made: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any] | None:
    reference = made.get("$ref")
    found = schema_at(reference, made) if isinstance(reference, str) else None
    return dict(found) if isinstance(found, Mapping) else None


def _output(tool: dict[str, Any], notes: list[str]) -> None:
    schema = tool["outputSchema"]
    if isinstance(schema, Mapping):
        tool["outputSchema"] = _Mender(schema, notes).schema(schema, "outputSchema", 0)
        return
    del tool["outputSchema"]
    notes.append(f"outputSchema was {_kind(schema)}; it is left out")


class _Mender:
    """One pass over a schema."""

    def __init__(self, root: Mapping[str, Any], notes: list[str]) -> None:
        self.root, self.notes = root, notes

    def schema(self, node: Any, path: str, depth: int) -> Any:
        if isinstance(node, bool):
            return node
        if not isinstance(node, Mapping):
            self.notes.append(f"{path} was {_kind(node)}; it allows anything")
            return {}
        if depth > MAX_DEPTH:
            raise _Unusable(f"its schema is nested more than {MAX_DEPTH} deep")
        made: dict[str, Any] = {}
        for key, value in node.items():
            self.keyword(made, str(key), value, path, depth)
        if made.pop("nullable", None) is True:
            self.nullable(made, path)
        if made.get("required") is not None or self.wanted(node):
            self.required(made, node, path)
        return made

    def keyword(self, made: dict[str, Any], key: str, value: Any, path: str, depth: int) -> None:
        place = f"{path}.{key}"
        if key == "type":
            self.type(made, value, place)
        elif key == "$ref":
            self.reference(made, value, place)
        elif key in _SINGLE or (key == "items" and not isinstance(value, list)):
            made[key] = self.schema(value, place, depth + 1)
        elif key in _MAPPINGS and isinstance(value, Mapping):
            made[key] = {str(name): self.schema(inner, f"{place}.{clean_line(str(name), 40)}", depth + 1) for name, inner in value.items()}
        elif (key in _LISTS or key == "items") and isinstance(value, list) and value:
            if key == "items":
                self.notes.append(f"{place} was a list; it is prefixItems now")
            made["prefixItems" if key == "items" else key] = [self.schema(inner, f"{place}[{at}]", depth + 1) for at, inner in enumerate(value)]
        elif key not in ("required", "items") and is_sound(key, value):
            made[key] = value
        elif key in ("exclusiveMinimum", "exclusiveMaximum") and isinstance(value, bool):
            self.notes.append(f"{place} was {value}, as in an old draft")  # the bound itself stays
        elif key != "required":
            self.dropped(place, value)

    def type(self, made: dict[str, Any], value: Any, place: str) -> None:
        given = value if isinstance(value, list) else [value]
        meant = [
            one if isinstance(one, str) and one in _TYPES else _MEANT.get(one.lower(), one.lower()) if isinstance(one, str) else one for one in given
        ]
        known = list(dict.fromkeys(one for one in meant if isinstance(one, str) and one in _TYPES))
        if known != given:
            self.notes.append(f"{place} was {clean_line(str(value), 40)!r}")
        if known and len(known) == len(dict.fromkeys(str(one) for one in meant)):
            made["type"] = known if isinstance(value, list) and len(known) > 1 else known[0]

    def reference(self, made: dict[str, Any], value: Any, place: str) -> None:
        if isinstance(value, str) and value.startswith("#") and schema_at(value, self.root) is not None:
            made["$ref"] = value
        else:
            # An address of somebody else's is never fetched.
            self.notes.append(f"{place} leads nowhere: {clean_line(str(value), 60)!r}; it allows anything")

    def nullable(self, made: dict[str, Any], path: str) -> None:
        kind = made.get("type")
        self.notes.append(f"{path}.nullable is a type of its own now")
        if isinstance(kind, str):
            made["type"] = [kind, "null"] if kind != "null" else kind
        if isinstance(made.get("enum"), list) and None not in made["enum"]:
            made["enum"] = [*made["enum"], None]

    def wanted(self, node: Mapping[str, Any]) -> bool:
        properties = node.get("properties")
        return "required" in node or (isinstance(properties, Mapping) and any(_is_wanted(inner) for inner in properties.values()))

    def required(self, made: dict[str, Any], node: Mapping[str, Any], path: str) -> None:
        """Write `required` as a list of names; an old draft had it as a boolean inside the property."""
        given = node.get("required")
        names = [name for name in given if isinstance(name, str)] if isinstance(given, list) else []
        properties = node.get("properties")
        inside = [str(name) for name, inner in properties.items() if _is_wanted(inner)] if isinstance(properties, Mapping) else []
        names = list(dict.fromkeys([*names, *inside]))
        if names != given and not (isinstance(given, bool) and not inside):
            self.notes.append(f"{path}.required was {clean_line(str(given), 40)!r}")
        if names:
            made["required"] = names

    def dropped(self, place: str, value: Any) -> None:
        self.notes.append(f"{place} made no sense ({_kind(value)}); it is left out")


def _is_wanted(inner: Any) -> bool:
    return isinstance(inner, Mapping) and inner.get("required") is True


def _kind(value: Any) -> str:
    names = {type(None): "null", bool: "a boolean", str: "a text", list: "a list", dict: "a mapping"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else type(value).__name__)


# What stands beside the schemas


def _annotations(tool: dict[str, Any], notes: list[str]) -> None:
    hints = tool.get("annotations")
    if hints is None:
        tool.pop("annotations", None)
        return
    if not isinstance(hints, Mapping):
        del tool["annotations"]
        notes.append(f"annotations were {_kind(hints)}; they are left out")
        return
    kept = {}
    for key, value in hints.items():
        if (key in _HINTS and not isinstance(value, bool)) or (key == "title" and not isinstance(value, str)):
            if value is not None:
                notes.append(f"annotations.{key} was {_kind(value)}; it is left out")
        else:
            kept[str(key)] = value
    tool["annotations"] = kept


def _extras(tool: dict[str, Any], notes: list[str]) -> None:
    """Leave out what is of a type that the protocol does not know; an agent needs none of it."""
    for key, kind in (("title", str), ("description", str), ("icons", list), ("execution", Mapping), ("_meta", Mapping)):
        value = tool.get(key)
        if value is None:
            tool.pop(key, None)
        elif not isinstance(value, kind):
            del tool[key]
            notes.append(f"{key} was {_kind(value)}; it is left out")
    if "icons" in tool:
        tool["icons"] = [icon for icon in tool["icons"] if isinstance(icon, Mapping) and isinstance(icon.get("src"), str)]
    support = tool.get("execution", {}).get("taskSupport")
    if support not in (None, "forbidden", "optional", "required"):
        del tool["execution"]
        notes.append("execution.taskSupport was none of forbidden, optional, required")


def _shown(node: Any) -> Any:
    """Return a schema with the descriptions and titles that models read made safe."""
    if isinstance(node, Mapping):
        return {key: cleaned(value) if key in ("description", "title") and isinstance(value, str) else _shown(value) for key, value in node.items()}
    return [_shown(value) for value in node] if isinstance(node, list) else node
