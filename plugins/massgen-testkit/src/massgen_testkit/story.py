"""A small run as its readers see it, for tests of sinks and displays."""

from __future__ import annotations

from collections.abc import Sequence

from massgen_core.api import (
    AgentStateChanged,
    AnswerGiven,
    AnswerPresented,
    DecisionMade,
    Event,
    Message,
    ModelAnswered,
    ModelRequested,
    ModelStreamed,
    NoticeGiven,
    PhaseEntered,
    PhaseLeft,
    Record,
    RunEnded,
    RunStarted,
    ToolCalled,
    ToolResult,
    ToolReturned,
    TurnEnded,
    TurnStarted,
    UnknownEvent,
    Usage,
    VoteCast,
    WinnerChosen,
)

# What a model or a server may send to take over a terminal: title, clipboard, clear, colour, 8-bit control, direction.
HOSTILE = ("\x1b]0;owned\x07", "\x1b]52;c;b3duZWQ=\x07", "\x1b[2J", "\x1b[31m", "\x9b2J", "\u202e")
TRACE = "0af7651916cd43dd8448eb211c80319c"


def recorded(events: Sequence[Event]) -> list[Record]:
    """Give events their places in a run; streamed text repeats the last number, as it does in a run."""
    records: list[Record] = []
    seq = 0
    for index, event in enumerate(events):
        seq += not isinstance(event, ModelStreamed)
        records.append(Record(seq=seq, at=1_700_000_000.0 + index / 10, event=event, span=f"{index + 1:016x}", trace=TRACE))
    return records


def a_run(text: str = "Paris", agents: Sequence[str] = ("ann", "bob")) -> list[Record]:
    """Return the records of a run in which each agent says `text`, and the first one wins."""
    events: list[Event] = [
        RunStarted(run="run-1", question=f"What is the capital? {text}", agents=tuple(agents), strategy="consensus", seed=7, version="0.1.0"),
        PhaseEntered(phase="answering"),
    ]
    for agent in agents:
        events += _turn(agent, text)
    events += [PhaseLeft(phase="answering", seconds=1.0), PhaseEntered(phase="voting")]
    events += [VoteCast(voter=agent, choice=agents[0], number=1, reason=text, shown_as="answer 1") for agent in agents]
    events += [
        DecisionMade(point="end_of_voting", options=tuple(agents), chosen=agents[0], reason=text),
        WinnerChosen(agent=agents[0], votes={agents[0]: len(agents)}, reason="most votes"),
        PhaseLeft(phase="voting", seconds=0.5),
        NoticeGiven(level="warning", text=text),
        AnswerPresented(agent=agents[0], content=text),
        RunEnded(status="answered", winner=agents[0], answer=text, reason="voted", seconds=1.5, usage=Usage(input=20, output=4)),
    ]
    return recorded(events)


def _turn(agent: str, text: str) -> list[Event]:
    return [
        AgentStateChanged(agent=agent, state="thinking"),
        TurnStarted(agent=agent, turn=1, purpose="answer", messages=(Message.of("user", text),)),
        ModelRequested(agent=agent, turn=1, call=1, backend="queue"),
        ModelStreamed(agent=agent, turn=1, call=1, text=text),
        ModelAnswered(agent=agent, turn=1, call=1, message=Message.of("assistant", text), stop="stop", usage=Usage(input=10, output=2)),
        ToolCalled(agent=agent, turn=1, call="call-1", tool="weather", arguments='{"city": "Paris"}'),
        ToolReturned(agent=agent, turn=1, tool="weather", result=ToolResult(call="call-1"), seconds=0.1),
        AnswerGiven(agent=agent, number=1, content=text),
        TurnEnded(agent=agent, turn=1, seconds=0.5),
        AgentStateChanged(agent=agent, state="answered"),
    ]


def unknown(text: str = "strange") -> list[Record]:
    """Return a record of an event whose plugin is not installed."""
    return recorded([UnknownEvent(name="acme.happened", data={"text": text, "number": 3, "list": [None, True]})])
