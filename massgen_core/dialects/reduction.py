"""One reduction of a JSON Schema to a dialect: `fit` is its face."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from massgen_core.dialects.forms import TOLD, guessed, kinds_of, said, size_of, split, told_as, with_null
from massgen_core.dialects.schemas import ANNOTATIONS, LISTS, MAPPINGS, SINGLE, anchors_of, is_sound, meet, schema_at, type_of
from massgen_core.dialects.unions import united
from massgen_core.terminal import clean_line

if TYPE_CHECKING:
    from massgen_core.dialects.dialect import Dialect

__all__ = ["Place", "Reduction"]

# A schema whose references write it out to more than this many times its own size is cut.
GROWTH = 4
AT_LEAST = 2000
_UNIONS = ("anyOf", "oneOf")


@attrs.frozen
class Place:
    """Where in a schema something stands.

    Attributes:
        path: For notes.
        trail: The references that were followed on the way here.
    """

    path: str = ""
    depth: int = 0
    trail: frozenset[str] = frozenset({"#"})

    def below(self, step: str) -> Place:
        return Place(f"{self.path}.{step}" if self.path else step, self.depth + 1, self.trail)

    def after(self, trail: frozenset[str]) -> Place:
        return self if trail is self.trail else Place(self.path, self.depth, trail)

    @property
    def deeper(self) -> Place:
        """The same place, within an alternative or a part."""
        return Place(self.path, self.depth + 1, self.trail)


class Reduction:
    """A pass over one schema.

    Args:
        schema: What is reduced; it is left as it is.
        dialect: What it is reduced to.

    Attributes:
        notes: What changed, in the order in which it was met.
    """

    def __init__(self, schema: Mapping[str, Any], dialect: Dialect) -> None:
        self.schema, self.dialect = schema, dialect
        self.notes: list[str] = []
        self.anchors: dict[str, Any] | None = None
        self.left = AT_LEAST + GROWTH * size_of(schema)

    def note(self, path: str, what: str) -> None:
        self.notes.append(f"{path or 'the root'}: {what}")

    def root(self) -> dict[str, Any]:
        """Return the whole schema, reduced."""
        given = self.schema if isinstance(self.schema, Mapping) else {}
        work, place = self.flat(self.sound(given, ""), Place())
        kind = work.get("type")
        if kind != "object":
            if isinstance(kind, str) or (isinstance(kind, list) and "object" not in kind):
                self.note("", f"it is of type {kind!r}; an object that takes anything stands for it")
                work = {key: value for key, value in work.items() if key in ("description", "title")}
            elif work or kind:
                self.note("", "its type is object now")
            work = {"type": "object", **{key: value for key, value in work.items() if key != "type"}}
        work.setdefault("properties", {})
        made = self.reduced(work, place)
        made.setdefault("properties", {})
        return made

    # One schema

    def node(self, raw: Any, place: Place) -> Any:
        """Return a schema below the root, reduced."""
        path = place.path
        if isinstance(raw, bool):
            return self.boolean(raw, path)
        if not isinstance(raw, Mapping):
            self.note(path, f"it is no schema but {type_of(raw)}; it takes anything")
            return self.anything(path, said=True)
        self.left -= 1
        if (place.depth > self.dialect.depth or self.left < 0) and raw != self.dialect.anything:
            self.note(path, "it is too deep or too large here; it takes anything")
            return self.anything(path, said=True)
        return self.reduced(*self.flat(self.sound(raw, path), place))

    def anything(self, path: str, *, said: bool = False) -> dict[str, Any]:
        if self.dialect.anything and not said:
            self.note(path, f"it takes anything, which is written as {json.dumps(dict(self.dialect.anything))}")
        return dict(self.dialect.anything)

    def boolean(self, raw: bool, path: str) -> Any:
        if self.dialect.booleans and not self.dialect.typed:
            return raw
        if raw:
            return self.anything(path)
        if self.dialect.knows("not") and not self.dialect.typed:
            return {"not": {}}
        self.note(path, "nothing was allowed here; it takes anything")
        return self.anything(path, said=True)

    def sound(self, raw: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Return a copy without what makes no sense."""
        work: dict[str, Any] = {}
        for key, value in raw.items():
            if isinstance(key, str) and is_sound(key, value):
                work[key] = value
            elif key in ("exclusiveMinimum", "exclusiveMaximum") and isinstance(value, bool):
                self.old_bound(work, raw, key, path)
            else:
                self.note(path, f"{said(key)} makes no sense here; it is left out")
        if work.get("nullable") and not self.dialect.nullable:
            del work["nullable"]
            if "type" in work:
                kinds = kinds_of(work)
                work["type"] = [*kinds, "null"] if "null" not in kinds else kinds
        return work

    def old_bound(self, work: dict[str, Any], raw: Mapping[str, Any], key: str, path: str) -> None:
        """Draft 4 had a flag beside the bound."""
        bound = "minimum" if key == "exclusiveMinimum" else "maximum"
        if raw[key] is True and is_sound(bound, raw.get(bound)):
            work[key] = raw[bound]
        self.note(path, f"{key} was a flag, as in an old draft")

    # References and conjunctions

    def flat(self, work: dict[str, Any], place: Place) -> tuple[dict[str, Any], Place]:
        """Write out references and join `allOf`, as far as the dialect lacks them; return the place with the references that were followed."""
        path, steps = place.path, 0
        while True:
            if "$ref" in work and not self.keeps(work, path):
                work, place = self.followed(work, place)
            elif "allOf" in work and (not self.dialect.knows("allOf") or not (path or self.dialect.root_unions)):
                self.note(path, "allOf is joined")
                place = self.join(work, work.pop("allOf"), place)
            else:
                return work, place
            steps += 1
            self.left -= len(work)
            if steps > self.dialect.depth or self.left < 0:
                self.note(path, "its references are too deep or too large; they take anything")
                return {key: value for key, value in work.items() if key not in ("$ref", "allOf")}, place

    def keeps(self, work: Mapping[str, Any], path: str) -> bool:
        """Tell whether a reference may stay: the dialect takes it, what it leads to stays where it is, and nothing beside it counts."""
        beside = work.keys() - {"$ref"}
        if not path or not self.dialect.refs or not beside <= ANNOTATIONS or (self.dialect.lone_refs and beside):
            return False
        reference = work["$ref"]
        if reference == "#":
            return True
        kind, _, name = reference.removeprefix("#/").partition("/")
        place = self.schema.get(kind) if kind in ("$defs", "definitions") and self.dialect.knows(kind) else None
        return isinstance(place, Mapping) and "/" not in name and "~" not in name and isinstance(place.get(name), Mapping)

    def followed(self, work: dict[str, Any], place: Place) -> tuple[dict[str, Any], Place]:
        path, reference = place.path, work.pop("$ref")
        if self.anchors is None and not reference.startswith("#/"):
            self.anchors = anchors_of(self.schema)
        target = schema_at(reference, self.schema, self.anchors)
        if isinstance(target, bool):
            if not target:
                self.note(path, f"{said(reference)} allows nothing; it takes anything")
            return work, place
        if not isinstance(target, Mapping):
            self.note(path, f"$ref leads nowhere: {said(reference)}; it takes anything")
            return work, place
        if reference in place.trail:
            kind = target.get("type")
            kind = kind if isinstance(kind, str) and is_sound("type", kind) else "object"
            self.note(path, f"{said(reference)} contains itself; from here on it is any {kind}")
            work.setdefault("type", kind)
            if kind == "array" and self.dialect.items_required:
                work.setdefault("items", {})
            return work, place
        found = {key: value for key, value in self.sound(target, path).items() if key not in ("$defs", "definitions")}
        if lost := meet(work, found):
            self.note(path, f"{', '.join(lost)} of {said(reference)} cannot be joined with what stands beside; they are left out")
        return work, place.after(place.trail | {reference})

    def join(self, work: dict[str, Any], parts: list[Any], place: Place) -> Place:
        path, after = place.path, place.trail
        for part in parts:
            if isinstance(part, Mapping) and place.depth <= self.dialect.depth:
                inner, seen = self.flat(self.sound(part, path), place.deeper)
                after |= seen.trail
                # A join copies what both have: many parts that say the same keywords are cut.
                self.left -= len(inner) + sum(len(work[key]) for key in ("required", "properties", "enum") if key in work and key in inner) // 16
                if self.left < 0:
                    self.note(path, "its parts are too many; some are left out")
                    break
                if lost := meet(work, inner):
                    self.note(path, f"{', '.join(lost)} of a part of allOf cannot be joined; they are left out")
            elif part is not True:
                self.note(path, "a part of allOf is no schema that can be joined; it is left out")
        return place.after(after)

    # What kind of value it is

    def reduced(self, work: dict[str, Any], place: Place) -> dict[str, Any]:
        """Return a schema whose references and conjunctions are done."""
        told, path = list[str](), place.path
        if "$ref" not in work:
            self.values(work, path, told)
            work, place = united(self, work, place)
            self.values(work, path, told)  # alternatives may have brought some
            work = self.kinds(work, path)
        self.limits(work, path)
        return self.written(work, place, told)

    def values(self, work: dict[str, Any], path: str, told: list[str]) -> None:
        """Write what is chosen from as `enum`, of types that the dialect has."""
        if "const" in work and not self.dialect.knows("const"):
            value = work.pop("const")
            if "enum" not in work:
                work["enum"] = [value]
                self.note(path, "const is an enum of one value")
            elif lost := meet(work, {"enum": [value]}):
                self.note(path, f"const contradicts {', '.join(lost)}; it is left out")
        for key in ("enum", "const"):
            given = work.get(key, ()) if key == "enum" else [work[key]] if key in work else ()
            odd = {type_of(value) for value in given} - self.dialect.enum_types - {"null"}
            if odd or (given and not path and not self.dialect.root_unions):
                self.note(path, f"{key} of type {', '.join(sorted(odd)) or 'object'} is told in the description")
                told.append(told_as(key, work.pop(key)))
                work.setdefault("type", list(dict.fromkeys(type_of(value) for value in given)))
        values, kinds = work.get("enum"), kinds_of(work)
        if values and None in values and kinds and "null" not in kinds:
            work["enum"] = [value for value in values if value is not None] or values

    def kinds(self, work: dict[str, Any], path: str) -> dict[str, Any]:
        """Write the type, or the types."""
        dialect, kinds = self.dialect, kinds_of(work)
        has_union = any(key in work for key in _UNIONS)
        if not kinds and dialect.typed and not has_union:
            kinds = guessed(work)
            if not kinds:
                return {**work, **self.anything(path)} if dialect.anything else work
            self.note(path, f"its type was missing; it is {' or '.join(kinds)} now")
        if not kinds:
            return work
        if "number" in kinds:
            kinds = [kind for kind in kinds if kind != "integer"]
        if len(kinds) > 1 and not dialect.type_lists:
            if dialect.nullable and "null" in kinds:
                kinds = [kind for kind in kinds if kind != "null"]
                work["nullable"] = True
                self.note(path, "null is written as nullable")
                if None in work.get("enum", ()):
                    work["enum"] = [value for value in work["enum"] if value is not None]
                if not work.get("enum", True):
                    del work["enum"]
            if len(kinds) > 1 and dialect.knows("anyOf") and (path or dialect.root_unions) and not has_union:
                self.note(path, "its types are alternatives now")
                return split(work, kinds)
            if len(kinds) > 1:
                kept = next(kind for kind in kinds if kind != "null")
                self.note(path, f"of the types {', '.join(kinds)} only {kept} is taken")
                work["enum"] = [value for value in work.get("enum", ()) if type_of(value) == kept]
                kinds = [kept]
            if not work.get("enum", True):
                del work["enum"]
        work["type"] = kinds[0] if len(kinds) == 1 else kinds
        return work

    def limits(self, work: dict[str, Any], path: str) -> None:
        """Write bounds, lists of items and patterns of names in the next form that the dialect has."""
        knows = self.dialect.knows
        for key, plain, step in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
            if key in work and not knows(key) and knows(plain) and work.get("type") == "integer" and isinstance(work[key], int):
                meet(work, {plain: work.pop(key) + step})
                self.note(path, f"{key} is written as {plain}")
        if "prefixItems" in work and not knows("prefixItems"):
            parts, rest = work.pop("prefixItems"), work.get("items", True)
            self.note(path, "prefixItems is joined: any of them may stand at any place")
            if rest is False:
                meet(work, {"maxItems": len(parts)})
            work["items"] = {} if rest is True else {"anyOf": [*parts, *([] if rest is False else [rest])]}
            if rest is True and work.get("maxItems", len(parts) + 1) <= len(parts):
                work["items"] = {"anyOf": parts}
        if "patternProperties" in work and not knows("patternProperties"):
            values = list(work.pop("patternProperties").values())
            if work.get("additionalProperties") is False:
                work["additionalProperties"] = values[0] if len(values) == 1 else {"anyOf": values} if values else False
            self.note(path, "patternProperties is joined with additionalProperties")

    # Writing it

    def written(self, work: dict[str, Any], place: Place, told: list[str]) -> dict[str, Any]:
        """Return the keywords that the dialect has, what is below them reduced."""
        dialect, made, path = self.dialect, dict[str, Any](), place.path
        for key, value in work.items():
            if key == "additionalProperties":
                self.others(made, value, place)
            elif key in ("$defs", "definitions"):
                if not path and dialect.refs and dialect.knows(key):
                    made[key] = self.below(value, place.below(key))
            elif (
                not dialect.knows(key)
                or (key == "not" and not path and not dialect.root_unions)
                or (key == "format" and dialect.formats is not None and value not in dialect.formats)
            ):
                self.lacking(key, value, path, told)
            elif key == "minItems" and dialect.min_items is not None and value > dialect.min_items:
                made[key] = dialect.min_items
                self.lacking(key, value, path, told)
            else:
                made[key] = self.inside(key, value, place)
        if "$ref" not in made:
            self.object(made, work, path)
            if dialect.items_required and "array" in kinds_of(made) and "items" not in made:
                made["items"] = self.node({}, place.below("items"))
        if told and dialect.knows("description"):
            made["description"] = f"{made.get('description', '')} ({'; '.join(told)})".strip()
        return made

    def inside(self, key: str, value: Any, place: Place) -> Any:
        """Return a keyword's value with the schemas in it reduced."""
        if key in MAPPINGS:
            return self.below(value, place if key == "properties" else place.below(key))
        if key in SINGLE:
            return self.node(value, place.below(key))
        if key in LISTS:
            return [self.node(inner, place.below(f"{key}[{at}]")) for at, inner in enumerate(value)]
        return value

    def below(self, schemas: Mapping[str, Any], place: Place) -> dict[str, Any]:
        return {str(name): self.node(inner, place.below(clean_line(str(name), 40))) for name, inner in schemas.items()}

    def lacking(self, key: str, value: Any, path: str, told: list[str]) -> None:
        """Tell what the dialect cannot say."""
        text = told_as(key, value) if key in TOLD else ""
        if text:
            told.append(text)
        if key not in ANNOTATIONS:
            self.note(path, f"{said(key)} is {'told in the description' if text else 'left out'}")

    def others(self, made: dict[str, Any], value: Any, place: Place) -> None:
        """Write what keys an object may have beside those that it names."""
        dialect, path = self.dialect, place.path
        if dialect.closed:
            if value is not False:
                self.note(path, "other keys were allowed; none are now")
        elif not dialect.knows("additionalProperties"):
            if value is not True and value != {}:
                self.note(path, "additionalProperties is left out: other keys are not forbidden, or of any kind")
        elif isinstance(value, bool):
            made["additionalProperties"] = value
        elif dialect.open_values:
            made["additionalProperties"] = self.node(value, place.below("additionalProperties"))
        else:
            made["additionalProperties"] = True
            if value != {}:
                self.note(path, "additionalProperties was a schema; other keys may hold anything")

    def object(self, made: dict[str, Any], work: Mapping[str, Any], path: str) -> None:
        """Write what the dialect wants of every object."""
        dialect = self.dialect
        if "object" not in kinds_of(made) and "properties" not in made:
            return
        properties: dict[str, Any] = made.get("properties", {})
        wanted = made.get("required", [])
        if dialect.closed or dialect.typed:
            for name in wanted:
                if name not in properties:
                    made.setdefault("properties", properties)[name] = self.anything(f"{path}.{clean_line(name, 40)}".lstrip("."))
        if dialect.closed:
            if "additionalProperties" not in work and not properties and path:
                self.note(path, "any keys were allowed; none are now")
            made["additionalProperties"] = False
        if dialect.all_required and properties:
            for name, inner in properties.items():
                if name not in wanted:
                    self.note(f"{path}.{clean_line(name, 40)}".lstrip("."), "it is required now; null stands for leaving it out")
                    properties[name] = with_null(inner, dialect)
            made["required"] = [*wanted, *(name for name in properties if name not in wanted)]
