"""The files of a run that people read: answers, the final answer, the transcript."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    """Writes the answers, the final answer and the transcript when the run ends; until then the journal holds them.

    Args:
        folder: The run's folder.
        earlier: Records that the journal holds already.
    """

    def __init__(self, folder: Path, earlier: Iterable[Record] = ()) -> None:
        self._folder = folder
        self._events: list[Event] = [record.event for record in earlier if type(record.event) in _STORY]

    def write(self, records: Sequence[Record]) -> None:
        """Take a batch of records, as a sink does."""
        for record in records:
            event = record.event
            if type(event) in _STORY:
                self._events.append(event)
                if isinstance(event, RunEnded):
                    self._finish(event)

    def _finish(self, ended: RunEnded) -> None:
        folder = str(self._folder)
        (self._folder / "answers").mkdir(exist_ok=True)
        for event in self._events:
            if isinstance(event, AnswerGiven):
                _write(f"{folder}/answers/{_file_name(event.label)}.md", event.content)
        if ended.answer:
            _write(f"{folder}/answer.md", ended.answer)
        _write(f"{folder}/transcript.md", _story(self._events))


def transcript(records: Iterable[Record]) -> str:
    """Return a readable account of a run, in Markdown."""
    return _story(record.event for record in records)


def _write(path: str, text: str) -> None:
    # Three small files are a fifth of a run without a model; `open` costs four times what the system does.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        data = memoryview(text.encode("utf-8", "replace"))
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)


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


def _story(events: Iterable[Event]) -> str:
    return "\n".join(_STORY[type(event)](event) for event in events if type(event) in _STORY)
