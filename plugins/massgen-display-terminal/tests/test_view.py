from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from massgen_core.api import (
    AgentLeft,
    AgentStateChanged,
    AnswerGiven,
    Message,
    ModelAnswered,
    ModelStreamed,
    NoticeGiven,
    Record,
    RunEnded,
    RunStarted,
    TurnStarted,
    Usage,
    VoteCast,
    WinnerChosen,
    clean,
)
from massgen_display_terminal.board import Board
from massgen_display_terminal.screen import Screen
from massgen_display_terminal.view import frame, summary

Make = Callable[..., Any]


def board_of(story: Any) -> Board:
    board = Board()
    for record in story.records:
        board.apply(record)
    return board


def drawn(story: Any, width: int, height: int) -> list[str]:
    return [line.plain for line in frame(board_of(story), width=width, height=height, now=story.now)]


def test_three_agents_on_eighty_columns(story: Make) -> None:
    """Question, phase, and for each agent its name, model, state, time, tokens and text; votes below."""
    lines = drawn(story().begin().ask().stream().answer().vote(2), 80, 24)

    assert lines[0].startswith("  Which sorting algorithm is both stable")
    assert lines[1] == "  answering · 8s · 900 tokens"
    assert " ".join(lines[3].split()) == "✓ anna qwen2.5-coder-1.5b voted for ben · 6s · 270 tokens"
    assert lines[4].startswith("  │ Insertion sort is stable and works in place")
    assert any(line.split()[:3] == ["✓", "carl", "qwen2.5-coder-1.5b"] and "answered" in line for line in lines)
    assert lines[-2:] == ["  anna → ben   names the in-place variant and its price", "  ben  → anna  complete, and right about memory"]


def test_agents_stand_side_by_side_where_there_is_room(story: Make) -> None:
    """A wide terminal has a column for each of a few agents."""
    lines = drawn(story().begin().ask().stream(), 120, 30)

    assert re.fullmatch(r"  ● anna +thinking · \d+s   ● ben +thinking · \d+s   ● carl +thinking · \d+s", lines[3])


def test_a_narrow_terminal_shows_what_matters(story: Make) -> None:
    """Forty columns show names, states and text."""
    lines = drawn(story().begin().ask().stream(), 40, 20)

    assert [line.split()[1:3] for line in lines if line.startswith("  ●")] == [["anna", "thinking"], ["ben", "thinking"], ["carl", "thinking"]]
    assert any(line.startswith("  │ ") for line in lines)


def test_the_end_of_a_stream_and_the_beginning_of_an_answer_are_shown(story: Make) -> None:
    """A text that is longer than its place is cut at the right end."""
    told = story("anna").begin().ask()
    told.tell(ModelStreamed(agent="anna", turn=1, call=1, text=" ".join(f"word{number}" for number in range(500))))
    streaming = drawn(told, 60, 12)
    told.tell(AnswerGiven(agent="anna", number=1, content=" ".join(f"word{number}" for number in range(500))))
    answered = drawn(told, 60, 12)

    assert any("word499" in line for line in streaming)
    assert any("word0 " in line for line in answered)
    assert answered[-1].endswith("…")


def test_a_crowd_is_counted(story: Make) -> None:
    """Of a hundred agents the busy ones are shown, the rest is counted by state, votes by choice."""
    told = story(*(f"agent{number}" for number in range(100))).begin()
    for number in range(100):
        told.tell(AgentStateChanged(agent=f"agent{number}", state="thinking" if number in {50, 99} else "answered"))
    told.vote(50)
    told.tell(AgentStateChanged(agent="agent0", state="using_tools"))
    lines = drawn(told, 80, 24)

    assert len(lines) <= 24
    assert {"agent50", "agent99", "agent0"} <= {line.split()[1] for line in lines if len(line.split()) > 1}
    assert any(re.match(r"  and \d+ more: \d+ (answered|voted) · \d+ (voted|answered)$", line) for line in lines)
    assert any(re.match(r"  agent1  ━+ 37$", line) for line in lines)


def test_an_agent_that_is_out_says_why(story: Make) -> None:
    """The reason stands where its text was."""
    told = story().begin().ask().stream()
    told.tell(AgentLeft(agent="ben", reason="the key was refused"), AgentStateChanged(agent="ben", state="out"))
    lines = drawn(told, 80, 24)

    assert any(line.startswith("  ✗ ben") for line in lines)
    assert "  │ the key was refused" in lines


def test_an_agent_that_votes_says_so(story: Make) -> None:
    """What a turn is for is told, where it is not to think about an answer."""
    told = story().begin().ask().answer()
    told.tell(TurnStarted(agent="ben", turn=2, purpose="vote", messages=()), AgentStateChanged(agent="ben", state="thinking"))

    assert any(" ben " in line and "voting" in line for line in drawn(told, 80, 24))


def test_the_summary_says_who_won_and_why(story: Make) -> None:
    """Winner, votes with reasons, seconds, calls, tokens and the run's id stay on the screen."""
    lines = [line.plain for line in summary(board_of(story().begin().ask().stream().answer().vote().present().end()), width=80)]

    assert lines == [
        "",
        "  ★ ben wins · 2 of 3 votes",
        "  anna → ben   names the in-place variant and its price",
        "  ben  → anna  complete, and right about memory",
        "  carl → ben   the only one that answers both halves",
        "  23.4s · 4 model calls · 900 tokens · cost unknown · run 20261120-0915-k7",
        "",
    ]


@pytest.mark.parametrize(
    ("status", "words"),
    [("partial", "a partial answer · time is up"), ("failed", "no answer · time is up"), ("cancelled", "cancelled · time is up")],
)
def test_the_summary_of_a_run_that_did_not_go_well(story: Make, status: Any, words: str) -> None:
    """It says what there is instead of an answer, why, and which agents are out."""
    told = story().begin().ask()
    told.tell(AgentLeft(agent="ben", reason="refused"), RunEnded(status=status, reason="time is up"))
    lines = [line.plain for line in summary(board_of(told), width=80)]

    assert lines[1:3] == [f"  ■ {words}", "  ✗ ben is out: refused"]


def test_a_run_that_never_ended_says_so(story: Make) -> None:
    """A summary without an end is no success."""
    assert summary(board_of(story().begin()), width=80)[1].plain == "  ■ stopped before its end"


hostile = st.text(st.characters() | st.sampled_from("\x1b\x9b\x07\r\n\t\u202e\u200b日🙂\u0301"), max_size=60)


@settings(max_examples=150)
@given(
    texts=st.lists(hostile, min_size=1, max_size=5),
    agents=st.lists(hostile, min_size=1, max_size=12, unique=True),
    width=st.integers(1, 220),
    height=st.integers(1, 60),
)
def test_any_run_fits_any_terminal(texts: list[str], agents: list[str], width: int, height: int) -> None:
    """Whatever agents are called and say, no view is wider or higher than the terminal, and it is clean."""
    board = Board()
    events: list[Any] = [RunStarted(run=texts[0], question=texts[0], agents=tuple(agents), strategy="s", seed=1, version="0")]
    for number, agent in enumerate(agents):
        text = texts[number % len(texts)]
        events += [ModelStreamed(agent=agent, turn=1, call=1, text=text * 3), VoteCast(voter=agent, choice=agents[0], number=1, reason=text)]
        events += [AgentLeft(agent=agent, reason=text)] if number % 4 == 3 else []
        events += [AnswerGiven(agent=agent, number=2, content=text)] if number % 3 == 2 else []
    events += [NoticeGiven(level="warning", text=texts[0]), WinnerChosen(agent=agents[0], votes={agents[0]: 1}, reason=texts[-1])]
    for event in events:
        board.apply(Record(1, 100.0, event))
    board.apply(Record(2, 101.0, RunEnded(status="answered", winner=agents[0], reason=texts[0])))
    view = frame(board, width=width, height=height, now=105.0)

    assert len(view) <= height
    for line in (*view, *summary(board, width=width)):
        assert cell_len(line.plain) <= width
        assert "\n" not in line.plain
        assert clean(line.plain) == line.plain


def test_colours_can_be_turned_off(story: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR, or the option, no colour is sent; weight stays."""
    lines = frame(board_of(story().begin().ask()), width=80, height=24, now=1_000_001.0)
    colored = Screen(io.StringIO()).compose(lines)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Screen(io.StringIO()).compose(lines)

    assert re.findall(r"\x1b\[[0-9;]*3[1-6]m", colored)
    assert not re.findall(r"\x1b\[[0-9;]*[349][0-7]m", plain)
    assert "\x1b[1m" in plain


def test_the_summary_says_how_quick_models_were(story: Make) -> None:
    """A model that streamed has a line of its own: seconds to its first token and tokens a second."""
    told = story().begin().ask()
    answer = ModelAnswered(agent="ben", turn=1, call=1, message=Message.of("assistant", "x"), stop="stop", model="acme", first=1.2, writing=1.8)
    told.tell(evolve(answer, usage=Usage(output=90, cost=0.5)))
    lines = [" ".join(line.plain.split()) for line in summary(board_of(told.end()), width=120)]

    assert "ben acme 1 call · 90 tokens · $0.5000 · first token 1.2 s · 50 tokens/s" in lines


@pytest.mark.parametrize("width", [30, 50, 80])
def test_the_summary_names_the_run_whole(story: Make, width: int) -> None:
    """However narrow the terminal, the run's id can be copied: further commands take it."""
    lines = [line.plain for line in summary(board_of(story().begin().ask().stream().answer().vote().present().end()), width=width)]

    assert any("run 20261120-0915-k7" in line for line in lines)
    assert all(cell_len(line) <= width for line in lines)
