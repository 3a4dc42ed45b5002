from __future__ import annotations

import io
import os
import pty
import sys
import time
import unicodedata
from collections.abc import Iterator, Mapping
from typing import get_type_hints

import anyio
import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.api import (
    AgentLeft,
    AnswerGiven,
    LimitReached,
    ModelStreamed,
    NoticeGiven,
    PlainDisplay,
    Question,
    Record,
    RunEnded,
    RunStarted,
    ToolJudged,
    UnknownEvent,
    Usage,
    VoteCast,
    WinnerChosen,
    clean,
    clean_line,
    columns,
    describe,
)
from massgen_core.codec import EVENT_TYPES

HOSTILE = (
    ("\x1b[31mred\x1b[0m", "red"),
    ("a\x1b]52;c;ZXZpbA==\x07b", "ab"),
    ("a\x1b]0;title\x1b\\b", "ab"),
    ("a\x9d8;;http://evil\x9cb", "ab"),
    ("a\x1bPq#0;2\x1b\\b", "ab"),
    ("a\x1b]0;never ends", "a0;never ends"),
    ("a\x9b2Jb\x1bcc", "abc"),
    ("safe\rEVIL", "safe\nEVIL"),
    ("one\r\ntwo\x0bthree\x0cfour\x85five\u2028six\u2029seven", "one\ntwo\nthree\nfour\nfive\nsix\nseven"),
    ("a\x08\x08\x7fb\x00", "ab"),
    ("pay \u202eelpmaxe\u202c now", "pay elpmaxe now"),
    ("ad\u200bmin\u2060\ufeff\u00ad", "admin"),
    ("a\u200db\u200cc\ufe0f", "abc"),
    ("hi\U000e0068\U000e0069", "hi"),
    ("torn \ud83d pair", "torn \ufffd pair"),
    ("a" + "\u0301" * 100_000, "a" + "\u0301" * 8),
)
HARMLESS = ("plain\ttext\nof two lines\n", "naïve 日本語 ελληνικά", "👩\u200d💻 ❤\ufe0f 1\ufe0f\u20e3", "\u0645\u06cc\u200c\u062e\u0648", "e\u0301")

# Format characters that a script draws or joins with: Arabic and Kaithi number signs, the Syriac abbreviation mark, hieroglyph joiners.
DRAWN = {"\n", "\t", "\u200c", "\u200d", *map(chr, range(0x600, 0x606)), "\u06dd", "\u070f", "\u0890", "\u0891", "\u08e2"}
DRAWN |= {"\U000110bd", "\U000110cd", *map(chr, range(0x13430, 0x13440))}

pieces = st.one_of(
    st.text(st.characters(), max_size=8),  # surrogates included
    st.sampled_from(["\x1b", "\x1b[", "\x1b]52;c;", "\x07", "\x1b\\", "\x9c", "\x9b31m", "\u202e", "\r"]),
    st.sampled_from(["\u200d", "\ufe0f", "1\ufe0f\u20e3", "\u3000", "\u0301" * 5]),
)
hostile_text = st.lists(pieces, max_size=12).map("".join)


@pytest.mark.parametrize(("text", "expected"), HOSTILE)
def test_hostile_text_is_disarmed(text: str, expected: str) -> None:
    """Nothing that commands a terminal or deceives a reader is left, and readable text is kept."""

    assert clean(text) == expected


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_is_left_alone(text: str) -> None:
    """Tabs, newlines, every script, emoji and the joiners that they need stay as they are."""

    assert clean(text) == text


@given(hostile_text)
def test_clean_leaves_nothing_that_a_terminal_obeys(text: str) -> None:
    """The result holds no control or format character but newline, tab and joiners; it can be encoded; it is stable and no longer than the text."""
    result = clean(text)

    assert not {c for c in result if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}} - DRAWN
    result.encode()
    assert clean(result) == result
    assert len(result) <= len(text)


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.sampled_from("\n\t")))
def test_plain_ascii_is_unchanged(text: str) -> None:
    """ASCII without control characters is returned as it is."""

    assert clean(text) == text


def test_clean_takes_time_in_proportion_to_the_text() -> None:
    """A megabyte of any introducer costs no more than a second."""
    for unit in ("\x1b", "\x9d", "\x1b[", "\x1b]52;c;", "\x1bPx", "\u200d", "\u0301", "\r", "\x1b[0;0;0"):
        text = unit * (1_000_000 // len(unit))
        began = time.process_time()
        clean(text)

        assert time.process_time() - began < 1.0, unit


@given(hostile_text, st.integers(1, 50))
def test_a_line_is_one_line(text: str, limit: int) -> None:
    """A cleaned line holds no line break and no more characters than asked for."""
    result = clean_line(text, limit)

    assert "\n" not in result
    assert "\t" not in result
    assert len(result) <= limit
    assert clean_line(result, limit) == result


def test_a_huge_line_is_cut() -> None:
    """Only the beginning of a huge text is looked at."""

    assert clean_line("x" * 10_000_000, 5) == "xxxx…"


def record(seq: int, event: object, at: float = 100.0) -> Record:
    return Record(seq, at, event)  # type: ignore[arg-type]


def test_plain_lines_of_a_run() -> None:
    """Each step is one line with its second; streams and unknown events are none."""
    stream = io.StringIO()
    display = PlainDisplay(stream)
    events = [
        RunStarted(run="r1", question="?", agents=("anna", "ben"), strategy="consensus", seed=1, version="0"),
        ModelStreamed(agent="anna", turn=1, call=1, text="I think"),
        AnswerGiven(agent="anna", number=1, content="42"),
        VoteCast(voter="ben", choice="anna", number=1, reason="short\x1b]52;c;ZXZpbA==\x07 and\nright"),
        WinnerChosen(agent="anna", votes={"ben": 0, "anna": 1}, reason="most votes"),
        UnknownEvent(name="dice.rolled", data={}),
        RunEnded(status="answered", winner="anna", answer="42", seconds=2.5, usage=Usage(input=1000, output=234, cost=0.5)),
    ]
    for number, event in enumerate(events):
        display.write([record(number + 1, event, 100.0 + number)])

    assert stream.getvalue().splitlines() == [
        "    0.0s  run r1: 2 agents (anna, ben), strategy consensus",
        "    2.0s  anna answered (anna.1, 2 characters)",
        "    3.0s  ben voted for anna: short and right",
        "    4.0s  anna wins: most votes (votes: anna 1)",
        "    6.0s  run ended, answered (2.5 s, 1,234 tokens, $0.5000)",
    ]


def test_what_a_person_should_know_is_described() -> None:
    """Limits name their unit, notices their level and agent, verdicts only what is not simply allowed."""

    assert describe(LimitReached(what="time", limit=30)) == "run: limit of 30 seconds reached"
    assert describe(LimitReached(what="person")) == "stopped by a person"
    assert describe(NoticeGiven(level="warning", text="slow", agent="ben")) == "warning: ben: slow"
    assert describe(AgentLeft(agent="ben", reason="refused")) == "ben is out: refused"
    assert describe(ToolJudged(agent="a", turn=1, call="c", tool="rm", level="allow")) == ""
    assert describe(ToolJudged(agent="a", turn=1, call="c", tool="rm", level="ask", reason="deletes")) == "a: rm needs care (ask): deletes"


@given(st.sampled_from(sorted(EVENT_TYPES.values(), key=lambda cls: cls.type)), hostile_text)
def test_every_event_is_described_on_one_safe_line(cls: type, text: str) -> None:
    """Whatever an event of the kernel holds, its description is one clean line."""
    values = {str: text, float: 1.5, int: 2, bool: True, tuple[str, ...]: (text,), Mapping[str, int]: {text: 1}, Usage: Usage()}
    hints = get_type_hints(cls)
    fields = {field.name: values.get(hints[field.name], text) for field in attrs.fields(cls)}
    result = describe(cls(**fields))

    assert result == clean_line(result, 240)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, PlainDisplay]]:
    """A person's terminal as standard input, the display's stream on it too."""
    person, side = pty.openpty()
    with os.fdopen(os.dup(side), "w") as out, os.fdopen(side) as into:
        monkeypatch.setattr(sys, "stdin", into)
        yield person, PlainDisplay(out)
    os.close(person)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


QUESTION = Question(text="Run it?\x1b[2J", detail="rm \x1b]0;x\x07-r", options=("deny", "allow once", "allow always"), default="deny", agent="ben")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("typed", "expected"),
    [("2\n", "allow once"), ("ALLOW A\n", "allow always"), ("\n", "deny"), ("\x04", "deny"), ("allow\n7\nwhat\n", "deny"), ("what\ndeny\n", "deny")],
)
async def test_a_question_is_answered_on_the_terminal(terminal: tuple[int, PlainDisplay], typed: str, expected: str) -> None:
    """A number, a word or its unambiguous beginning chooses; nothing, end of input and three wrong answers mean the default."""
    person, display = terminal
    os.write(person, typed.encode())
    with anyio.fail_after(10):
        assert await display.ask(QUESTION) == expected
    shown = ""
    while "answer [deny]:" not in shown:
        shown += os.read(person, 65536).decode()

    assert "ben: Run it?" in shown
    assert "rm -r" in shown
    assert "2 allow once" in shown
    assert "\x1b" not in shown


@pytest.mark.anyio
async def test_a_question_can_be_cancelled(terminal: tuple[int, PlainDisplay]) -> None:
    """A question that nobody answers ends with its cancellation, and leaves no thread behind."""
    _, display = terminal
    with anyio.move_on_after(0.05) as scope:
        await display.ask(QUESTION)

    assert scope.cancelled_caught


@pytest.mark.anyio
async def test_questions_wait_for_each_other(terminal: tuple[int, PlainDisplay]) -> None:
    """Two agents that ask at once get an answer each."""
    person, display = terminal
    answers: list[str] = []

    async def ask() -> None:
        answers.append(await display.ask(QUESTION))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            tasks.start_soon(ask)
            os.write(person, b"2\n")
            os.write(person, b"3\n")

    assert answers == ["allow once", "allow always"]


@pytest.mark.anyio
async def test_free_text_is_cleaned(terminal: tuple[int, PlainDisplay]) -> None:
    """A question without options takes any text."""
    person, display = terminal
    os.write(person, b"  be brief \n")
    with anyio.fail_after(10):
        assert await display.ask(Question(text="How?", default="as you like")) == "be brief"


@pytest.mark.anyio
async def test_nobody_is_asked_without_a_terminal() -> None:
    """Where the stream is no terminal the default counts at once."""

    assert await PlainDisplay(io.StringIO()).ask(QUESTION) == "deny"


def test_only_a_terminal_has_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes into a pipe or a file is not cut to a width that nobody sees."""
    monkeypatch.setenv("COLUMNS", "72")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert columns() == 0

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert columns() == 72
