"""The display without a terminal: a line for each step of a run, and questions where a person can be asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from massgen_core.contracts import Question
from massgen_core.events import (
    AgentLeft,
    AnswerGiven,
    AnswerPresented,
    AnswerRejected,
    DecisionMade,
    Event,
    EventsDropped,
    LimitReached,
    MemoryRecalled,
    ModelRetried,
    NoticeGiven,
    PhaseEntered,
    Record,
    RunEnded,
    RunResumed,
    RunStarted,
    SinkFailed,
    ToolApproved,
    ToolCalled,
    ToolJudged,
    TurnFailed,
    VoteCast,
    VoteRejected,
    VotesCleared,
    WinnerChosen,
)
from massgen_core.figures import Figures
from massgen_core.prices import cost_text
from massgen_core.terminal import clean, clean_line

if TYPE_CHECKING:
    import anyio

__all__ = ["PlainDisplay", "describe"]

_UNITS = {"time": "seconds", "tokens": "tokens", "money": "dollars", "calls": "calls"}


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _started(event: RunStarted) -> str:
    return f"run {event.run}: {_count(len(event.agents), 'agent')} ({', '.join(event.agents)}), strategy {event.strategy}"


def _ended(event: RunEnded) -> str:
    usage = event.usage
    cost = f", {text}" if (text := cost_text(usage)) else ""
    reason = f": {event.reason}" if event.reason else ""
    return f"run ended, {event.status}{reason} ({event.seconds:.1f} s, {_count(usage.total, 'token')}{cost})"


def _limit(event: LimitReached) -> str:
    if event.what == "person":
        return "stopped by a person"
    return f"{event.agent or 'run'}: limit of {event.limit:g} {_UNITS.get(event.what, event.what)} reached"


def _won(event: WinnerChosen) -> str:
    votes = ", ".join(f"{agent} {count}" for agent, count in sorted(event.votes.items(), key=lambda item: -item[1]) if count)
    return f"{event.agent} wins: {event.reason}" + (f" (votes: {votes})" if votes else "")


def _judged(event: ToolJudged) -> str:
    if event.level == "allow":
        return ""
    return f"{event.agent}: {event.tool} needs care ({event.level}): {event.reason}"


_WORDS: Mapping[type[Event], Callable[[Any], str]] = {
    RunStarted: _started,
    RunResumed: lambda event: "run resumed",
    RunEnded: _ended,
    MemoryRecalled: lambda event: f"{_count(event.messages, 'earlier message')} as context",
    PhaseEntered: lambda event: f"phase: {event.phase}",
    AnswerGiven: lambda event: f"{event.agent} answered ({event.label}, {_count(len(event.content), 'character')})",
    AnswerRejected: lambda event: f"{event.agent}: answer refused: {event.reason}",
    VoteCast: lambda event: f"{event.voter} voted for {event.choice}: {event.reason}",
    VoteRejected: lambda event: f"{event.voter}: vote refused: {event.reason}",
    VotesCleared: lambda event: f"{_count(event.count, 'vote')} no longer valid: {event.reason}",
    DecisionMade: lambda event: f"decided {event.point}: {event.chosen} ({event.reason})" if event.reason else "",
    WinnerChosen: _won,
    AnswerPresented: lambda event: f"{event.agent} presented the answer" if event.agent else "",
    AgentLeft: lambda event: f"{event.agent} is out: {event.reason}",
    TurnFailed: lambda event: f"{event.agent}: {event.fault}: {event.reason}",
    ModelRetried: lambda event: f"{event.agent}: {event.reason}; attempt {event.attempt} in {event.delay:.1f} s",
    ToolCalled: lambda event: f"{event.agent} uses {event.tool}",
    ToolJudged: _judged,
    ToolApproved: lambda event: f"{event.agent}: {event.tool} {'approved' if event.is_approved else 'refused'} by a person",
    LimitReached: _limit,
    NoticeGiven: lambda event: f"{event.level}: {f'{event.agent}: ' if event.agent else ''}{event.text}",
    SinkFailed: lambda event: f"warning: sink {event.sink} failed{', and is closed' if event.is_closed else ''}: {event.reason}",
    EventsDropped: lambda event: f"warning: sink {event.sink} lost {_count(event.count, 'record')}",
}


def describe(event: Event, limit: int = 240) -> str:
    """Say an event in one clean line of at most `limit` characters; empty for what a person need not follow (streams, turns, states)."""
    words = _WORDS.get(type(event))
    return clean_line(words(event), limit) if words else ""


class PlainDisplay:
    """Writes a line for each step of a run; the kernel's display where no other is chosen or there is no terminal.

    Args:
        stream: Where to; standard error by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._began: float | None = None
        self._figures = Figures()
        self._asking: anyio.Lock | None = None

    def write(self, records: Sequence[Record]) -> None:
        """Write the records' lines, each with the seconds since the run's first record; at the end what each agent's models used."""
        lines = []
        for record in records:
            if self._began is None:
                self._began = record.at
            self._figures.take(record.event)
            if text := describe(record.event):
                lines.append(f"{record.at - self._began:7.1f}s  {text}\n")
            if isinstance(record.event, RunEnded):
                rows = [(clean_line(f"{row.agent} {row.model}", 60), ", ".join(row.words)) for row in self._figures.rows]
                lines += [f"          {name}: {words}\n" for name, words in rows]
        if lines:
            self._show("".join(lines))

    async def ask(self, question: Question) -> str:
        """Ask on the terminal; return the default where standard input or the stream is none, at its end, and after three wrong answers.

        Questions that come together wait for each other.
        """
        if not (self._stream.isatty() and sys.stdin is not None and sys.stdin.isatty()):
            return question.default
        import anyio  # noqa: PLC0415 - most runs never ask

        self._asking = self._asking or anyio.Lock()
        async with self._asking:
            return await self._answer(question)

    async def _answer(self, question: Question) -> str:
        import anyio  # noqa: PLC0415

        self._show(_question_text(question))
        for _ in range(3):
            await anyio.wait_readable(sys.stdin)
            # One read is one line: a terminal hands over whole lines, and nothing stays behind in a buffer when the question is cancelled.
            typed = os.read(sys.stdin.fileno(), 65536).decode(errors="replace")
            if not typed or not typed.strip():
                return question.default
            answer = clean(typed).strip()
            chosen = _chosen(answer, question.options) if question.options else answer
            if chosen:
                return chosen
            self._show(f"  {answer!r} is none of them; type a number or a word of the list: ")
        return question.default

    def _show(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _question_text(question: Question) -> str:
    whom = f"{clean_line(question.agent)}: " if question.agent else ""
    lines = [f"\n? {whom}{clean_line(question.text, 1000)}"]
    detail = clean(question.detail[:20_000]).splitlines()
    lines += [f"    {text}" for text in detail[:30]]
    if len(detail) > 30:
        lines.append(f"    … {len(detail) - 30} more lines")
    default = f" [{clean_line(question.default)}]" if question.default else ""
    lines += [f"  {number} {clean_line(option)}" for number, option in enumerate(question.options, start=1)]
    return "\n".join(lines) + f"\n  answer{default}: "


def _chosen(typed: str, options: Sequence[str]) -> str:
    """Return the option that a number, its text or an unambiguous beginning of it means; empty where none is meant."""
    if typed.isdecimal() and 1 <= int(typed) <= len(options):
        return options[int(typed) - 1]
    typed = typed.casefold()
    exact = [option for option in options if option.casefold() == typed]
    begun = [option for option in options if option.casefold().startswith(typed)]
    found = exact or begun
    return found[0] if len(found) == 1 else ""
