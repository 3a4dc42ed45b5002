"""Records to lines of a journal and back.

A line is one JSON object: `seq`, `at`, `type`, `span` and `parent` where they are set, and the event's fields under `data`. The run's trace id
stands in the first line only. Encoding is msgspec's, which takes attrs classes as they are; decoding is cattrs', because msgspec knows no unions of
attrs classes.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

import attrs
import msgspec

from massgen_core import events
from massgen_core.events import Event, Record, UnknownEvent

__all__ = ["EVENT_TYPES", "decoder", "encode"]

EVENT_TYPES: Mapping[str, type[Event]] = {
    cls.type: cls for name in events.__all__ if isinstance(cls := getattr(events, name), type) and issubclass(cls, Event) and cls.type
}

_json = msgspec.json.Encoder()


class _Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    seq: int
    at: float
    type: str
    span: str = ""
    parent: str = ""
    trace: str = ""
    data: Any


def encode(records: Iterable[Record]) -> bytes:
    """Return records as lines, a line break after each."""
    lines = [_line(record) for record in records]
    try:
        return _json.encode_lines(lines)
    except (TypeError, ValueError, OverflowError):  # one value that JSON has no word for must not cost the run the others
        return _json.encode_lines([_sound(msgspec.to_builtins(line, enc_hook=repr)) for line in lines])


def _sound(value: Any) -> Any:
    """Return plain data that can be encoded: halves of surrogate pairs are joined, or replaced where the other half is missing."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_sound(key): _sound(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_sound(item) for item in value]
    return f"{value}" if isinstance(value, int) and not -(2**63) <= value < 2**64 else value


def _line(record: Record) -> _Line:
    event = record.event
    name, data = (event.name, event.data) if type(event) is UnknownEvent else (event.type, event)
    trace = record.trace if record.seq == 1 else ""
    return _Line(seq=record.seq, at=record.at, type=name, span=record.span, parent=record.parent, trace=trace, data=data)


def decoder(plugin_types: Callable[[], Mapping[str, type[Event]]] | None = None) -> Callable[[bytes], Record]:
    """Return a function that decodes one line.

    Args:
        plugin_types: Called once, when the first event occurs that the kernel does not know; loading plugins is dear.

    The function raises `ValueError` for a line that is no record. Events of an unknown type become `UnknownEvent`, so that the journal of a removed
    plugin stays readable.
    """
    known = dict(EVENT_TYPES)
    ask = plugin_types
    trace = ""

    def decode(line: bytes) -> Record:
        nonlocal ask, trace
        try:
            raw = msgspec.json.decode(line)
            name, data = raw["type"], raw["data"]
            if name not in known and ask is not None:
                known.update(ask())
                ask = None
            trace = raw.get("trace", trace)
            cls = known.get(name)
            event = UnknownEvent(name=name, data=data) if cls is None else _converter().structure(data, cls)
            return Record(raw["seq"], raw["at"], event, raw.get("span", ""), raw.get("parent", ""), trace)
        except Exception as error:  # cattrs and msgspec raise a dozen kinds; for the reader it is one: no record
            raise ValueError(f"not a record: {type(error).__name__}: {error}") from error

    return decode


def _is_literal(cls: Any) -> bool:
    return get_origin(cls) is Literal


@functools.cache
def _converter() -> Any:
    from cattrs import Converter  # noqa: PLC0415 - only readers of journals pay for it

    converter = Converter(detailed_validation=False)

    def is_tagged(cls: Any) -> bool:
        return get_origin(cls) in (Union, types.UnionType) and all(attrs.has(part) for part in get_args(cls))

    def by_tag(cls: Any) -> Callable[[Any, Any], Any]:
        classes = {attrs.fields_dict(part)["type"].default: part for part in get_args(cls)}
        return lambda value, _: converter.structure(value, classes[value["type"]])

    converter.register_structure_hook_factory(is_tagged, by_tag)
    converter.register_structure_hook(float, lambda value, _: float(value))
    converter.register_structure_hook_factory(_is_literal, lambda cls: lambda value, _: value)
    return converter
