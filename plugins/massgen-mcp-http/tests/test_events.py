"""Server-sent events out of bytes."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_mcp_http.events import Events

TEXT = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20)


def parsed(data: bytes, places: list[int], limit: int = 1024) -> list[tuple[str, bytes, str]]:
    """Parse data that come in pieces."""
    events = Events(limit)
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [(event.event, event.data, event.id) for start, end in itertools.pairwise(edges) for event in events.feed(data[start:end])]


@given(st.lists(st.tuples(TEXT, TEXT), max_size=6), st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 10_000), max_size=20))
def test_events_do_not_depend_on_pieces(wanted: list[tuple[str, str]], end: str, places: list[int]) -> None:
    """However the bytes arrive and whichever line breaks are used, the same events come out."""
    text = "\ufeff" + "".join(f": a comment{end}event: {name}{end}data: {data}{end}data:{data}{end}{end}" for name, data in wanted)
    expected = [(name or "message", f"{data}\n{data.removeprefix(' ')}".encode(), "") for name, data in wanted]

    assert parsed(text.encode(), places) == expected


def test_ids_and_retries_are_remembered() -> None:
    """An id without data counts, and stays until another comes; a retry that is no number does not."""
    events = Events(1024)
    assert [event.id for event in events.feed(b"id: 1\nretry: 250\n\ndata: x\n\nid: 2\ndata: \n\nretry: soon\nid: bad\0id\n\n")] == ["1", "2"]
    assert (events.last_id, events.retry, events.is_within) == ("2", 0.25, False)


@pytest.mark.parametrize("line", [b"data: " + b"x" * 50_000_000, b"\n".join([b"data: " + b"x" * 1000] * 50_000)])
def test_an_endless_event_is_skipped_cheaply(line: bytes) -> None:
    """50 MB of one event cost less than a second of CPU and little memory; the next event is read."""
    events = Events(1_000_000)
    started = time.process_time()
    found = [event for start in range(0, len(line), 65536) for event in events.feed(line[start : start + 65536])]
    found += events.feed(b"\n\ndata: next\n\n")
    spent = time.process_time() - started

    assert spent < 1
    assert [event.is_cut for event in found] == [True, False]
    assert found[0].size > 49_000_000
    assert len(found[0].data) == 4096
    assert found[1].data == b"next"


@given(st.binary(max_size=200))
def test_any_bytes_are_taken(data: bytes) -> None:
    """Nothing that a server sends breaks the parser."""
    assert parsed(data, [3, 7]) == parsed(data, [])
