"""What a server asks a person, as questions; and what the person answers, as the server wants it. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs

from massgen_core.api import clean, clean_line

__all__ = ["Field", "fields"]

FIELDS = 30
_YES = {"yes": True, "y": True, "true": True, "on": True, "1": True, "no": False, "n": False, "false": False, "off": False, "0": False}


@attrs.frozen(kw_only=True)
class Field:
    """One thing that is asked.

    Attributes:
        name: Its key in the answer.
        text: The question, for a person.
        kind: `string`, `number`, `integer`, `boolean` or `array` (several of `values`).
        values: What can be chosen, as the server wants it; empty for free text.
        labels: The same for a person.
        default: What counts where the person says nothing; None where there is no default.
    """

    name: str
    text: str
    kind: str = "string"
    values: tuple[Any, ...] = ()
    labels: tuple[str, ...] = ()
    default: Any = None
    is_required: bool = False
    bounds: tuple[float, float] = (-math.inf, math.inf)

    @property
    def shown_default(self) -> str:
        """The default as a person may write it."""
        if self.default is None:
            return ""
        if isinstance(self.default, bool):
            return "yes" if self.default else "no"
        if isinstance(self.default, (list, tuple)):
            return ", ".join(self._label(value) for value in self.default)
        return self._label(self.default)

    def _label(self, value: Any) -> str:
        return next((label for given, label in zip(self.values, self.labels, strict=True) if given == value), str(value))

    def read(self, text: str) -> Any:
        """Return the value of a person's answer; None where there is none and none is needed.

        Raises:
            ValueError: It is not what was asked; the message says what is.
        """
        text = text.strip()
        if not text:
            if self.default is not None:
                return self.default
            if self.is_required:
                raise ValueError("an answer is needed")
            return None
        if self.kind == "array":
            return [self._chosen(part.strip()) for part in text.split(",") if part.strip()]
        if self.values:
            return self._chosen(text)
        if self.kind == "boolean":
            if text.casefold() not in _YES:
                raise ValueError("answer yes or no")
            return _YES[text.casefold()]
        if self.kind in ("number", "integer"):
            return self._number(text)
        low, high = self.bounds
        if not low <= len(text) <= high:
            raise ValueError(f"write {low:g} to {high:g} characters" if high < math.inf else f"write at least {low:g} characters")
        return text

    def _chosen(self, text: str) -> Any:
        for value, label in zip(self.values, self.labels, strict=True):
            if text in (label, str(value)):
                return value
        raise ValueError(f"answer one of: {', '.join(self.labels)}")

    def _number(self, text: str) -> int | float:
        try:
            number = int(text) if self.kind == "integer" else float(text)
        except ValueError:
            raise ValueError("write a whole number" if self.kind == "integer" else "write a number") from None
        low, high = self.bounds
        if not low <= number <= high or not math.isfinite(number):
            raise ValueError(f"write a number from {low:g} to {high:g}")
        return number


def fields(schema: Mapping[str, Any]) -> tuple[Field, ...]:
    """Return the questions of an elicitation's schema: a flat object, as the protocol wants it; what is not understood is free text."""
    properties = schema.get("properties")
    required = schema.get("required")
    if not isinstance(properties, Mapping):
        return ()
    needed = set(required) if isinstance(required, list) and all(isinstance(name, str) for name in required) else set()
    found = [_field(name, one if isinstance(one, Mapping) else {}, name in needed) for name, one in properties.items() if isinstance(name, str)]
    return tuple(found[:FIELDS])


def _field(name: str, schema: Mapping[str, Any], is_required: bool) -> Field:
    title, description = schema.get("title"), schema.get("description")
    text = clean_line(title if isinstance(title, str) and title else name)
    if isinstance(description, str) and description:
        text += f": {clean(description[:500])}"
    kind = schema.get("type")
    kind = kind if kind in ("string", "number", "integer", "boolean", "array") else "string"
    items = schema.get("items")
    values, labels = _choices(items if kind == "array" and isinstance(items, Mapping) else schema)
    if kind == "array" and not values:
        kind = "string"
    names = ("minLength", "maxLength") if kind == "string" else ("minimum", "maximum")
    low, high = (schema.get(key) for key in names)
    made = Field(
        name=name,
        text=text,
        kind=kind,
        values=values,
        labels=labels,
        is_required=is_required,
        bounds=(_number_or(low, 0.0 if kind == "string" else -math.inf), _number_or(high, math.inf)),
    )
    return attrs.evolve(made, default=_default(made, schema.get("default")))


def _choices(schema: Mapping[str, Any]) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    for key in ("oneOf", "anyOf"):
        given = schema.get(key)
        if isinstance(given, list) and given and all(isinstance(one, Mapping) and isinstance(one.get("const"), str) for one in given):
            return tuple(one["const"] for one in given), tuple(clean_line(str(one.get("title") or one["const"])) for one in given)
    given, names = schema.get("enum"), schema.get("enumNames")
    if not isinstance(given, list) or not given or not all(isinstance(one, (str, int, float)) for one in given):
        return (), ()
    has_names = isinstance(names, list) and len(names) == len(given) and all(isinstance(one, str) for one in names)
    return tuple(given), tuple(clean_line(str(one)) for one in (names if has_names and names else given))


def _number_or(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300 else otherwise


def _default(field: Field, value: Any) -> Any:
    """Return a default that is what the field asks for, or None."""
    if field.kind == "array":
        return value if isinstance(value, list) and all(one in field.values for one in value) else None
    if field.values:
        return value if value in field.values else None
    kinds: dict[str, tuple[type, ...]] = {"boolean": (bool,), "number": (int, float), "integer": (int,), "string": (str,)}
    is_right = isinstance(value, kinds[field.kind]) and (field.kind == "boolean" or not isinstance(value, bool))
    return value if is_right else None
