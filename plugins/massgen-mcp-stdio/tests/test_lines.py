"""Bytes to lines to messages, without a server."""

from __future__ import annotations

import itertools
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_mcp_stdio.frames import FrameFault, Frames, frame_of
from massgen_mcp_stdio.lines import Lines, Oversized, request_id
from massgen_mcp_stdio.tail import Tail

MILLION = 1_000_000


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut data at the given places."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=12), st.lists(st.integers(0, 10_000), max_size=12))
def test_lines_do_not_depend_on_pieces(wanted: list[bytes], places: list[int]) -> None:
    """However the bytes arrive, the same lines come out; those above the limit as what they were."""
    lines = Lines(16)
    found: list[bytes | tuple[int, bytes]] = []
    for piece in cut(b"".join(line + b"\n" for line in wanted), places):
        for line in lines.feed(piece):
            found.append((line.size, line.head + b"") if isinstance(line, Oversized) else bytes(line))

    assert found == [(len(line), line) if len(line) > 16 else line for line in wanted]
    assert lines.rest() is None


def test_half_a_line_is_left_at_the_end() -> None:
    """What stands after the last line break is not lost."""
    lines = Lines(100)

    assert [bytes(line) for line in lines.feed(b"one\ntw") if not isinstance(line, Oversized)] == [b"one"]
    assert lines.rest() == b"tw"
    assert lines.rest() is None


@pytest.mark.parametrize(
    ("head", "tail", "found"),
    [
        ('{"jsonrpc":"2.0","id":7,"result":{"id":8,"text":"', '"}}', 7),
        ('{"jsonrpc": "2.0", "id": "a\\"b", "error": {"text":"', '"}}', 'a"b'),
        ('{"result":{"text":"', '"},"jsonrpc":"2.0","id":5}', 5),
        ('{"result":{"text":"', '"},"id":6,"jsonrpc":"2.0"}', 6),
        ('{"result":{"text":"', '","id":5}}', None),
        ('{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage","params":{"text":"', '"}}', None),
        ('{"jsonrpc":"2.0","method":"log","params":{"result":{"text":"', '"}},"id":5}', None),
        ('{"jsonrpc":"2.0","id":true,"result":{"text":"', '"}}', None),
        ("not json at all ", ',"id":5}', None),
    ],
)
def test_the_request_of_an_oversized_answer_is_found(head: str, tail: str, found: int | str | None) -> None:
    """The id of an answer is read at its beginning or its end, as servers write it; a request's own id is no answer's."""
    lines = Lines(1024)
    (line,) = lines.feed(f"{head}{'x' * 9000}{tail}\n".encode())

    assert isinstance(line, Oversized)
    assert request_id(line) == found


@pytest.mark.parametrize("limit", [16 * MILLION, 64 * MILLION])
def test_fifty_megabytes_cost_under_a_second(limit: int) -> None:
    """A line of 50 MB is skipped, or read, in less than a second of CPU."""
    line = b'{"jsonrpc":"2.0","id":1,"result":{"text":"' + b"x" * 50 * MILLION + b'"}}\n'
    frames = Frames(limit)
    started = time.process_time()
    items = [item for start in range(0, len(line), 65536) for item in frames.feed(line[start : start + 65536])]
    spent = time.process_time() - started

    assert spent < 1
    *_, last = items
    assert last.message.id == 1
    assert [type(item) for item in items[:-1]] == ([FrameFault] if limit < len(line) else [])


def test_an_oversized_answer_answers_its_caller() -> None:
    """A skipped answer is a fault with its size and id, and an error for whoever waits for it; the next message is read."""
    frames = Frames(2000)
    body = b'{"jsonrpc":"2.0","id":3,"result":{"text":"' + b"x" * 5000 + b'"}}\n'
    fault, refusal, following = frames.feed(body + b'{"jsonrpc":"2.0","id":4,"result":{}}\n')

    assert isinstance(fault, FrameFault)
    assert (fault.size, fault.id) == (len(body) - 1, 3)
    assert refusal.message.id == 3
    assert "max_message" in refusal.message.error.message
    assert following.message.id == 4


def test_junk_is_told_and_bounded() -> None:
    """A line that is no message is a fault that shows its cleaned beginning; of a flood only some are told."""
    frames = Frames(2000)
    first, *others = [item for number in range(5000) for item in frames.feed(b"\x1b[31mstarting %d\n" % number)]

    assert str(first) == "a line of the output is no message: starting 0"
    assert len(others) < 40
    assert "fault 4096" in str(others[-1])
    assert list(frames.feed(b"\r\n\n   \n")) == []


@given(st.integers(1, 8), st.lists(st.integers(0, 10_000), max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_a_message_over_several_lines_is_read(indent: int, places: list[int], end: str) -> None:
    """Indented JSON is joined and its writer told; what stands before and after it is read as ever."""
    result = {"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "a", "b": [{}, []]}, {"name": "}"}]}}
    text = f"starting\n{json.dumps(result, indent=indent)}\n" + '{"jsonrpc":"2.0","id":2,"result":{}}\n' + json.dumps([result], indent=indent)
    frames = Frames(2000)
    junk, told, first, second, again, third = [item for piece in cut(text.replace("\n", end).encode(), places) for item in frames.feed(piece)] + list(
        frames.end()
    )

    assert "starting" in str(junk)
    assert "one line a message" in str(told)
    assert "one line a message" in str(again)
    assert [item.message.id for item in (first, second, third)] == [1, 2, 1]
    assert first.message.result == third.message.result == result["result"]


def test_lines_that_make_no_message_are_given_up() -> None:
    """A brace of a log keeps no message from being read; joined lines obey the limit, and what they would have answered is answered."""
    junk, message = Frames(2000).feed(b'{\nsome words\n{"jsonrpc":"2.0","id":2,"result":{}}\n')
    long = json.dumps({"jsonrpc": "2.0", "id": 3, "result": {"texts": ["x" * 100] * 30}}, indent=2).encode()
    fault, refusal, *rest = Frames(2000).feed(long + b"\n")
    wrong, broken = Frames(2000).feed(b'{\n"jsonrpc": "2.0",\n"id": 4,\n"result": {\n}\n')
    frames = Frames(2000)
    assert list(frames.feed(b"{\n  1,\n")) == []
    (cut_off,) = frames.end()

    assert ("some words" in str(junk), message.message.id) == (True, 2)
    assert (isinstance(fault, FrameFault), refusal.message.id) == (True, 3)
    assert all(isinstance(item, FrameFault) for item in rest)
    assert (isinstance(wrong, FrameFault), broken.message.id) == (True, 4)
    assert "ended within a message" in str(cut_off)


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    """A message with wrong bytes arrives with U+FFFD in their place, after a fault that says so; other wrong bytes are junk."""
    fault, item = Frames(2000).feed(b'{"jsonrpc":"2.0","id":1,"result":{"text":"caf\xe9"}}\n')
    (junk,) = Frames(2000).feed(b"\xff\xfe\xfd\n")

    assert "UTF-8" in str(fault)
    assert item.message.result == {"text": "caf\ufffd"}
    assert isinstance(junk, FrameFault)


@pytest.mark.parametrize(("text", "kind"), [(b'{"jsonrpc":"2.0","id":1,"result":{}}', "JSONRPCResponse"), (b'{"jsonrpc":"2.0","id":1,"res', "fault")])
def test_the_last_line_needs_no_line_break(text: bytes, kind: str) -> None:
    """A whole message at the end of the output counts; half of one is a fault that says that it is cut."""
    frames = Frames(2000)
    assert list(frames.feed(text)) == []
    (item,) = frames.end()

    assert (type(item.message).__name__ if kind != "fault" else "fault") == kind
    if kind == "fault":
        assert "ended within a message" in str(item)


@given(st.text(max_size=50))
def test_any_text_crosses_the_wire(text: str) -> None:
    """A message is one line of UTF-8, whatever text it carries; halves of surrogate pairs are replaced."""
    from mcp.shared.message import SessionMessage  # noqa: PLC0415
    from mcp_types import JSONRPCRequest  # noqa: PLC0415

    line = frame_of(SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=1, method="tools/call", params={"text": text + "\ud800"})))

    assert line.count(b"\n") == 1
    assert json.loads(line.decode())["params"]["text"] == text.encode("utf-8", "replace").decode() + "?"


def test_the_tail_is_bounded_and_told_line_by_line() -> None:
    """A flood keeps the last lines only; an observer gets what was kept and then every line, cut where it is endless."""
    tail, told = Tail(), list[str]()
    tail.feed(b"early\n")
    tail.watch(told.append)
    for _ in range(500):
        tail.feed(b"x" * 10_000)
    tail.feed(b"\nlast \x1b[31mwords\nno end")
    tail.end()

    assert told[0] == "early"
    assert len(told[1]) == 8192
    assert told[2:] == ["last \x1b[31mwords", "no end"]
    assert tail.text().splitlines()[-2:] == ["last words", "no end"]
    assert len(tail.text()) <= 4096
