"""Which JSON Schema a provider takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["Dialect"]


@attrs.frozen(kw_only=True)
class Dialect:
    """The JSON Schema that a provider takes. Without arguments it is all of draft 2020-12.

    Attributes:
        keywords: The keywords that it knows; None: all. `type`, `properties`, `items`, `required`, `description` and `enum` belong into every list.
        refs: It takes `$ref`, recursive ones too; without it they are written out where they stand, recursive ones as what takes anything.
        lone_refs: Nothing may stand beside a `$ref`.
        type_lists: `type` may be a list.
        nullable: `nullable: true` says that null is taken; used where `type_lists` is not.
        typed: Every schema needs a type, unless it is a union or a reference.
        booleans: `true` and `false` are schemas, beside `additionalProperties`, which takes them where it is known at all.
        root_unions: `anyOf`, `oneOf`, `allOf`, `enum` and `not` may stand at the root.
        lone_unions: Only `description` and `title` may stand beside an `anyOf` or a `oneOf`.
        open_values: `additionalProperties` may be a schema.
        closed: Every object must say `additionalProperties: false`.
        all_required: Every property must be required; what was optional may be null instead, see `without_nulls`.
        items_required: An array needs `items`.
        formats: The values of `format` that it knows; None: all.
        enum_types: The JSON types that values of `enum` and `const` may have; null is always allowed where types may be null.
        min_items: The largest `minItems`; None: any.
        anything: How a schema that takes anything is written; unset: `{}`, and where every schema needs a type, as text.
        depth: How deep schemas may be nested; what is deeper takes anything.
    """

    keywords: frozenset[str] | None = None
    refs: bool = True
    lone_refs: bool = False
    type_lists: bool = True
    nullable: bool = False
    typed: bool = False
    booleans: bool = True
    root_unions: bool = True
    lone_unions: bool = False
    open_values: bool = True
    closed: bool = False
    all_required: bool = False
    items_required: bool = False
    formats: frozenset[str] | None = None
    enum_types: frozenset[str] = frozenset({"string", "number", "integer", "boolean", "object", "array"})
    min_items: int | None = None
    anything: Mapping[str, Any] = attrs.field(default=attrs.Factory(lambda self: {"type": "string"} if self.typed else {}, takes_self=True))
    depth: int = 32

    def knows(self, keyword: str) -> bool:
        """Tell whether a keyword may be written."""
        return self.keywords is None or keyword in self.keywords
