"""The facts of MCP and their names on disk."""

from __future__ import annotations

import attrs
import pytest

from massgen_core.api import Record
from massgen_core.codec import decoder, encode
from massgen_mcp_client.events import EVENTS, McpEvent

CATEGORIES = {"connection", "discovery", "execution", "error", "performance"}
SAMPLES = {"bool": True, "int": 3, "float": 2.5, "str": "x", "int | None": -9, "tuple[str, ...]": ("a", "b"), "Mapping[str, float]": {"n": 1.0}}


def filled(cls: type[McpEvent]) -> McpEvent:
    """Return an event whose every field is set."""
    values = {field.name: {"direction": "in", "outcome": "lost"}.get(field.name, SAMPLES.get(str(field.type), "x")) for field in attrs.fields(cls)}
    return cls(**values)


def test_categories_are_exactly_five() -> None:
    """Every name is `mcp.<category>.<verbed>`, of one of five categories, and none is taken twice."""
    names = [event.type.split(".") for event in EVENTS]

    assert {len(name) for name in names} == {3}
    assert {name[0] for name in names} == {"mcp"}
    assert {name[1] for name in names} == CATEGORIES
    assert len({event.type for event in EVENTS}) == len(EVENTS)


@pytest.mark.parametrize("cls", EVENTS, ids=lambda cls: cls.type)
def test_an_event_survives_the_journal(cls: type[McpEvent]) -> None:
    """Written and read again, an event is the same."""
    record = Record(7, 12.5, filled(cls), "0" * 16, "1" * 16, "")

    assert decoder(lambda: {event.type: event for event in EVENTS})(encode([record])) == record
