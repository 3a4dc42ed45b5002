"""The display: takes records, and draws the board on standard error a few times a second."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TextIO

import anyio
import anyio.to_thread

from massgen_core.api import Context, Display, PlainDisplay, Question, Record
from massgen_display_terminal.board import Board
from massgen_display_terminal.config import TerminalConfig
from massgen_display_terminal.screen import Screen, is_capable
from massgen_display_terminal.view import frame, summary

__all__ = ["TerminalDisplay", "open_terminal"]

# Drawing takes no more than this share of one core, whatever the terminal's size.
_SHARE = 0.05


class TerminalDisplay:
    """A live view of one run.

    Args:
        stream: The terminal.
        config: How it looks.
    """

    def __init__(self, stream: TextIO, config: TerminalConfig) -> None:
        self._config = config
        self._board = Board()
        # A display that was slow once is called from another thread.
        self._lock = threading.Lock()
        self._screen = Screen(stream, colors=config.colors)
        self._plain = PlainDisplay(stream)
        self._pen = anyio.Lock()
        self._drawn: tuple[int, int, tuple[int, int]] = (-1, -1, (0, 0))
        self._count = 0
        self._failure: Exception | None = None

    def write(self, records: Sequence[Record]) -> None:
        """Take note; nothing is drawn here. Raises what drawing broke on, so that the run reports it and goes on without the view."""
        if self._failure is not None:
            raise self._failure
        with self._lock:
            for record in records:
                self._board.apply(record)
            self._count += len(records)

    async def ask(self, question: Question) -> str:
        """Take the view away, ask below it, and go on with the view. Questions that come together wait for each other."""
        async with self._pen:
            await anyio.to_thread.run_sync(self._screen.write, self._screen.erase())
            try:
                return await self._plain.ask(question)
            finally:
                self._drawn = (-1, -1, (0, 0))

    async def draw(self) -> None:
        """Draw the board, where anything has changed since the last time; the terminal is waited for in a thread, never in the event loop."""
        now = time.time()
        state = (self._count, int(now), self._screen.size)
        if state == self._drawn:
            return
        async with self._pen:
            columns, rows = self._screen.size
            with self._lock:
                lines = frame(self._board, width=columns, height=rows - 1, now=now, most=self._config.lines)
            self._drawn = state
            await anyio.to_thread.run_sync(self._screen.write, self._screen.compose(lines))

    async def keep_drawing(self) -> None:
        """Draw until cancelled, at most `frames` times a second, or until the terminal is gone."""
        pause = 1 / min(10, max(1, self._config.frames))
        while self._failure is None:
            began = time.thread_time()
            try:
                await self.draw()
            except Exception as error:  # the view is for people to watch: whatever breaks it must not break the run
                self._failure = error
            await anyio.sleep(max(pause, (time.thread_time() - began) / _SHARE))

    def close(self) -> None:
        """Leave the summary in place of the view."""
        columns, _ = self._screen.size
        with self._lock:
            lines = summary(self._board, width=columns) if self._config.summary and self._count else []
        # A terminal that was closed takes no summary.
        with suppress(OSError, ValueError):
            self._screen.write(self._screen.permanent(lines))


@asynccontextmanager
async def open_terminal(config: TerminalConfig, context: Context) -> AsyncGenerator[Display]:
    """Show a run on standard error: live on a terminal, in plain lines elsewhere."""
    stream = sys.stderr
    if not is_capable(stream):
        yield PlainDisplay(stream)
        return
    display = TerminalDisplay(stream, config)
    failure: Exception | None = None
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(display.keep_drawing)
            try:
                yield display
            except Exception as error:  # the run's own error must not come out wrapped in a group
                failure = error
            tasks.cancel_scope.cancel()
    finally:
        display.close()
    if failure is not None:
        raise failure
