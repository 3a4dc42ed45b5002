from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.api import (
    AgentLeft,
    AgentStateChanged,
    ModelRequested,
    ModelStreamed,
    NoticeGiven,
    Record,
    RunResumed,
    ToolCalled,
    ToolResult,
    ToolReturned,
    TurnFailed,
    TurnInterrupted,
    UnknownEvent,
    VotesCleared,
)
from massgen_display_terminal.board import TAIL, AgentRow, Board

Make = Callable[..., Any]


def board_of(story: Any) -> Board:
    board = Board()
    for record in story.records:
        board.apply(record)
    return board


def test_a_run_is_followed_to_its_end(story: Make) -> None:
    """States, answers, votes, the winner, seconds and tokens are on the board."""
    board = board_of(story().begin().ask().stream().answer().vote().present().end())

    assert [(row.state, row.answers, row.calls) for row in board.agents.values()] == [("voted", 1, 1), ("presenting", 1, 2), ("voted", 1, 1)]
    assert [(vote.voter, vote.choice) for vote in board.votes.values()] == [("anna", "ben"), ("ben", "anna"), ("carl", "ben")]
    assert board.winner is not None
    assert board.winner.agent == "ben"
    assert board.usage.total == 270 + 300 + 330
    assert board.ended is not None
    assert board.agents["anna"].seconds(9e9) == pytest.approx(6.7)


def test_a_new_answer_takes_the_votes_away(story: Make) -> None:
    """Cleared votes are gone, and a notice says why."""
    told = story().begin().ask().answer().vote()
    told.tell(VotesCleared(reason="carl gave a new answer", count=3))
    board = board_of(told)

    assert board.votes == {}
    assert board.notices[-1] == "3 votes no longer valid: carl gave a new answer"


def test_a_second_vote_replaces_the_first(story: Make) -> None:
    """The board holds one vote of each voter."""
    board = board_of(story().begin().vote().vote())

    assert len(board.votes) == 3


def test_an_agent_that_is_out_stays_out(story: Make) -> None:
    """Its reason is kept, and later states do not hide it."""
    told = story().begin().ask()
    told.tell(TurnFailed(agent="ben", turn=1, fault="RateLimited", reason="too many calls"), AgentLeft(agent="ben", reason="too many calls"))
    told.tell(AgentStateChanged(agent="ben", state="waiting"))
    row = board_of(told).agents["ben"]

    assert (row.state, row.note, row.since) == ("out", "too many calls", None)


def test_a_turn_that_is_not_needed_any_more_leaves_nobody_thinking(story: Make) -> None:
    """After an interruption an agent stands where it stood before the turn."""
    told = story().begin().ask().answer().ask(turn=2)
    told.tell(TurnInterrupted(agent="ben", turn=2, reason="the winner cannot change"))
    rows = board_of(told).agents

    assert (rows["ben"].state, rows["ben"].since, rows["carl"].state) == ("answered", None, "thinking")


def test_a_tool_is_named_while_it_runs(story: Make) -> None:
    """The tool's name is there from its call to its result."""
    told = story().begin().ask()
    told.tell(AgentStateChanged(agent="ben", state="using_tools"), ToolCalled(agent="ben", turn=1, call="c", tool="web_search", arguments="{}"))
    during = board_of(told).agents["ben"].note
    told.tell(ToolReturned(agent="ben", turn=1, tool="web_search", result=ToolResult(call="c")))

    assert (during, board_of(told).agents["ben"].note) == ("web_search", "")


def test_a_resumed_run_counts_its_time_anew(story: Make) -> None:
    """Turns that were under way when the process ended do not go on counting."""
    told = story().begin().ask()
    told.tell(RunResumed(version="0"), after=3600)
    board = board_of(told)

    assert board.began == told.now
    assert board.agents["anna"].seconds(told.now) == 0


def test_unknown_agents_and_events_do_no_harm() -> None:
    """A board that saw no beginning shows what it learns."""
    board = Board()
    for event in (UnknownEvent(name="x", data={}), NoticeGiven(level="info", text="hi"), ModelStreamed(agent="z", turn=1, call=1, text="t")):
        board.apply(Record(1, 1.0, event))

    assert board.agents["z"].text == "t"
    assert list(board.notices) == ["info: hi"]


def test_memory_does_not_grow_with_the_text(story: Make) -> None:
    """Ten megabytes of streamed text leave a few kilobytes on the board."""
    told = story().begin()
    board = board_of(told)
    piece = "x" * 10_000
    tracemalloc.start()
    for _ in range(1000):
        told.records.clear()
        told.tell(ModelStreamed(agent="anna", turn=1, call=1, text=piece))
        board.apply(told.records[0])
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(board.agents["anna"].text) == TAIL
    assert size < 100_000


def test_each_call_begins_with_an_empty_page(story: Make) -> None:
    """A new call's text does not stand behind the last one's; an answer stays until new text comes."""
    told = story().begin().ask()
    told.tell(ModelStreamed(agent="anna", turn=1, call=1, reasoning="hm "), ModelStreamed(agent="anna", turn=1, call=1, text="old"))
    told.tell(ModelRequested(agent="anna", turn=1, call=2, backend="b"), ModelStreamed(agent="anna", turn=1, call=2, text="new"))

    assert board_of(told).agents["anna"].text == "new"


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 40))
def test_an_answer_in_a_tool_call_can_be_read_as_it_comes(text: str, cut: int) -> None:
    """The text inside a call's JSON arguments is shown without the JSON around it, however far the stream has come."""
    arguments = json.dumps({"content": text})
    row = AgentRow("a")
    row.stream("arguments", arguments)
    expected = text.replace("\r", "\n").replace("\b", "").replace("\f", "\n")
    if not expected.endswith(("}", '"')) and '"' not in expected:
        assert row.spoken(10_000) == expected

    row.text = arguments[: len(arguments) - cut]
    row.spoken(100).encode()


def test_a_call_with_several_arguments_is_readable() -> None:
    """Names of further arguments are left out."""
    row = AgentRow("a")
    row.stream("arguments", '{"agent": "agent2", "reason": "it is \\ud83d\\ude42 short')

    assert row.spoken(100) == "agent2 · it is 🙂 short"
