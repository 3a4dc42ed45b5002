"""The files of a run that people read: answers, the final answer, the transcript."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from massgen_core.events import (
    AgentLeft,
    AnswerGiven,
    AnswerRejected,
    DecisionMade,
    Event,
    NoticeGiven,
    Record,
    RunEnded,
    RunResumed,
    RunStarted,
    ToolReturned,
    TurnFailed,
    VoteCast,
    VotesCleared,
    WinnerChosen,
)

__all__ = ["RunFiles", "transcript"]


class RunFiles:
    """Writes each answer as soon as it is given, the final answer at the end, and the transcript from what happened.

    Args:
        folder: The run's folder.
        earlier: Records that the journal holds already.
    """

    def __init__(self, folder: Path, earlier: Iterable[Record] = ()) -> None:
        self._folder = folder
        self._story: list[str] = [line for record in earlier for line in _story(record.event)]

    def write(self, records: Sequence[Record]) -> None:
        """Take a batch of records, as a sink does."""
        for record in records:
            event = record.event
            self._story.extend(_story(event))
            if isinstance(event, AnswerGiven):
                answers = self._folder / "answers"
                answers.mkdir(exist_ok=True)
                (answers / f"{_file_name(event.label)}.md").write_text(event.content, encoding="utf-8", errors="replace")
            elif isinstance(event, RunEnded):
                if event.answer:
                    (self._folder / "answer.md").write_text(event.answer, encoding="utf-8", errors="replace")
                (self._folder / "transcript.md").write_text("\n".join(self._story), encoding="utf-8", errors="replace")


def transcript(records: Iterable[Record]) -> str:
    """Return a readable account of a run, in Markdown."""
    return "\n".join(line for record in records for line in _story(record.event))


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)[:100]


def _won(event: WinnerChosen) -> str:
    votes = ", ".join(f"{agent} {count}" for agent, count in event.votes.items())
    return f"## Winner: {event.agent}\n\n{event.reason} (votes: {votes or 'none'})\n"


def _ended(event: RunEnded) -> str:
    text = f"## Final answer ({event.status})\n\n{event.answer or event.reason}\n"
    return f"{text}\n{event.usage.total} tokens, {event.seconds:.1f} s.\n"


def _began(event: RunStarted) -> str:
    count, names = len(event.agents), ", ".join(event.agents)
    return f"# {event.question}\n\n{count} agents: {names}. Strategy: {event.strategy}. Seed: {event.seed}.\n"


_STORY: Mapping[type[Event], Callable[[Any], str]] = {
    RunStarted: _began,
    RunResumed: lambda event: "*The run was resumed here.*\n",
    AnswerGiven: lambda event: f"## Answer {event.label}\n\n{event.content}\n",
    AnswerRejected: lambda event: f"*An answer of {event.agent} did not count: {event.reason}*\n",
    VoteCast: lambda event: f"- **{event.voter}** votes for **{event.choice}**: {event.reason}\n",
    VotesCleared: lambda event: f"*{event.count} votes no longer count: {event.reason}*\n",
    AgentLeft: lambda event: f"*{event.agent} is out: {event.reason}*\n",
    TurnFailed: lambda event: f"*A turn of {event.agent} broke ({event.fault}: {event.reason}); it had said:*\n\n{event.partial or '(nothing)'}\n",
    ToolReturned: lambda event: f"*{event.agent} called {event.tool}: {'failed' if event.result.is_error else 'done'} in {event.seconds:.1f} s*\n",
    DecisionMade: lambda event: f"*{event.point}: {event.chosen}. {event.reason}*\n",
    NoticeGiven: lambda event: f"*{event.level}: {event.text}*\n",
    WinnerChosen: _won,
    RunEnded: _ended,
}


def _story(event: Event) -> Iterator[str]:
    words = _STORY.get(type(event))
    if words is not None:
        yield words(event)
