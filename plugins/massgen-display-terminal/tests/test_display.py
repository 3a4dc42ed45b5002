from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from rich.cells import cell_len

from massgen_core.api import AgentLeft, AnswerGiven, ModelStreamed, PlainDisplay, Question, Record, RunStarted, VoteCast, WinnerChosen
from massgen_display_terminal.config import TerminalConfig
from massgen_display_terminal.display import TerminalDisplay, open_terminal

Make = Callable[..., Any]
SEQUENCE = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])")
HOSTILE = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\x1b]0;owned\x1b\\\x9b2J\x08\x08safe\rEVIL\u202e" + "x" * 5000


class Terminal:
    """A person's terminal: a pseudo-terminal whose other end is read all the time, and a screen that knows only what the display may send."""

    def __init__(self, columns: int, rows: int) -> None:
        self.person, side = pty.openpty()
        self.columns, self.rows = columns, rows
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.stream = os.fdopen(side, "w", encoding="utf-8")
        self.received = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self.person, 65536)
            except OSError:
                return
            if not data:
                return
            self.received += data

    def hang_up(self) -> None:
        """Close the person's end."""
        os.close(self.person)

    def close(self) -> None:
        self.stream.close()
        self._reader.join(5)

    @property
    def text(self) -> str:
        """Everything that was sent; only to be used after `close`."""
        return self.received.decode()

    def screen(self) -> list[str]:
        """The lines that a person sees, scrolled ones included; fails on a sequence that the display has no business to send."""
        lines, at, column, place = [""], 0, 0, 0
        text = self.text.replace("\r\n", "\n")
        while place < len(text):
            if found := SEQUENCE.match(text, place):
                private, number, letter = found.groups()
                if letter == "A":
                    at = max(0, at - int(number))
                elif letter == "J":
                    del lines[at + 1 :]
                    lines[at] = lines[at][:column]
                elif letter == "K":
                    lines[at] = lines[at][:column]
                else:
                    assert (private, letter) == ("", "m") or found[0] in {"\x1b[?2026h", "\x1b[?2026l", "\x1b[?25l", "\x1b[?25h"}, repr(found[0])
                place = found.end()
                continue
            char = text[place]
            place += 1
            if char == "\n":
                at, column = at + 1, 0
                lines += [""] * (at + 1 - len(lines))
            elif char == "\r":
                column = 0
            else:
                assert char.isprintable(), repr(char)
                lines[at] = lines[at][:column] + char + lines[at][column + 1 :]
                column += 1
        return lines


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, int], Terminal]]:
    """Make a terminal of some size, which is standard error too."""
    made: list[Terminal] = []

    def make(columns: int = 80, rows: int = 24) -> Terminal:
        made.append(Terminal(columns, rows))
        monkeypatch.setattr(sys, "stderr", made[-1].stream)
        monkeypatch.setenv("TERM", "xterm-256color")
        return made[-1]

    yield make
    for terminal in made:
        terminal.stream.close()


@pytest.mark.anyio
@pytest.mark.parametrize(("columns", "rows"), [(40, 24), (80, 24), (200, 50)])
async def test_a_whole_run_on_a_real_terminal(story: Make, terminal: Callable[[int, int], Terminal], columns: int, rows: int) -> None:
    """Each view replaces the last one, and only the summary stays, at any width."""
    window = terminal(columns, rows)
    told = story().begin().ask()
    steps = (lambda: None, told.stream, told.answer, told.vote, told.present, told.end)
    with anyio.fail_after(20):
        async with open_terminal(TerminalConfig(), None) as display:  # type: ignore[arg-type]
            assert isinstance(display, TerminalDisplay)
            seen = 0
            for step in steps:
                step()
                display.write(told.records[seen:])
                seen = len(told.records)
                await display.draw()
    window.close()
    screen = window.screen()

    for words in ("thinking", "answered", "voted for ben", "presenting", "Insertion sort"):
        assert words in window.text
    assert screen[0] == ""
    assert screen[1].startswith("  ★ ben wins · 2 of 3 votes")
    assert len(screen) in (8, 9), "figures take a second line on a narrow terminal"
    assert all(cell_len(line) <= columns for line in screen)


@pytest.mark.anyio
async def test_hostile_text_never_reaches_the_terminal(terminal: Callable[[int, int], Terminal]) -> None:
    """Names, text, reasons and errors with escape sequences, overwriting and bidirectional tricks arrive disarmed."""
    window = terminal(80, 24)
    events = (
        RunStarted(run=HOSTILE, question=HOSTILE, agents=("a", HOSTILE), strategy=HOSTILE, seed=1, version="0"),
        ModelStreamed(agent="a", turn=1, call=1, text=HOSTILE),
        ModelStreamed(agent=HOSTILE, turn=1, call=1, arguments='{"content": "\\u001b]52;c;ZXZpbA==\\u0007'),
        AnswerGiven(agent="a", number=1, content=HOSTILE),
        VoteCast(voter="a", choice=HOSTILE, number=1, reason=HOSTILE),
        AgentLeft(agent=HOSTILE, reason=HOSTILE),
        WinnerChosen(agent=HOSTILE, votes={HOSTILE: 1}, reason=HOSTILE),
    )
    with anyio.fail_after(20):
        async with open_terminal(TerminalConfig(), None) as display:  # type: ignore[arg-type]
            for seq, event in enumerate(events):
                display.write([Record(seq, 1.0, event)])
                await display.draw()  # type: ignore[attr-defined]
    window.close()

    assert window.screen()
    for sequence in ("\x1b]", "\x1b[2J", "\x9b", "\x08", "\u202e", "\x07"):
        assert sequence not in window.text
    assert "safe" in window.text


@pytest.mark.anyio
async def test_nothing_is_drawn_when_nothing_happened(story: Make, terminal: Callable[[int, int], Terminal]) -> None:
    """The same board on the same second is drawn once."""
    window = terminal(80, 24)
    display = TerminalDisplay(window.stream, TerminalConfig())
    display.write(story().begin().records)
    with anyio.fail_after(20):
        for _ in range(200):
            await display.draw()
    window.close()

    assert 1 <= window.text.count("\x1b[?2026h") <= 4


@pytest.mark.anyio
async def test_a_narrower_terminal_wraps_what_was_drawn(story: Make, terminal: Callable[[int, int], Terminal]) -> None:
    """After the terminal became narrower, the view is taken away with the lines into which it was broken."""
    window = terminal(80, 24)
    display = TerminalDisplay(window.stream, TerminalConfig())
    display.write(story().begin().ask().stream().records)
    with anyio.fail_after(20):
        await display.draw()
        before = len(display._screen._widths)
        fcntl.ioctl(window.person, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
        await display.draw()
    window.close()
    up = [int(number) for number in re.findall(r"\x1b\[(\d+)A", window.text)]

    assert before < up[0] <= 23


@pytest.mark.anyio
async def test_a_question_interrupts_the_view(story: Make, terminal: Callable[[int, int], Terminal], monkeypatch: pytest.MonkeyPatch) -> None:
    """The view goes away, the question is asked and answered, the view comes back below it."""
    window = terminal(80, 24)
    monkeypatch.setattr(sys, "stdin", window.stream)
    with anyio.fail_after(20):
        async with open_terminal(TerminalConfig(), None) as display:  # type: ignore[arg-type]
            display.write(story().begin().ask().records)
            await display.draw()  # type: ignore[attr-defined]
            os.write(window.person, b"2\n")
            answer = await display.ask(Question(text="Run it?", options=("deny", "allow"), default="deny", agent="ben"))
            await display.draw()  # type: ignore[attr-defined]
    window.close()

    assert answer == "allow"
    assert window.text.count("Which sorting algorithm") >= 2
    assert "? ben: Run it?" in "\n".join(window.screen())


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["dumb", ""])
async def test_a_dumb_terminal_gets_plain_lines(
    story: Make, terminal: Callable[[int, int], Terminal], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Where the cursor cannot be moved, each step is a line."""
    window = terminal(80, 24)
    monkeypatch.setenv("TERM", name)
    async with open_terminal(TerminalConfig(), None) as display:  # type: ignore[arg-type]
        assert isinstance(display, PlainDisplay)
        display.write(story().begin().records)
    window.close()

    assert "\x1b" not in window.text
    assert "3 agents (anna, ben, carl)" in window.text


@pytest.mark.anyio
async def test_a_file_gets_plain_lines(story: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal the display writes lines."""
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    async with open_terminal(TerminalConfig(), None) as display:  # type: ignore[arg-type]
        display.write(story().begin().ask().answer().vote().records)

    assert "ben voted for anna: complete, and right about memory" in file.getvalue()


@pytest.mark.anyio
async def test_a_terminal_that_is_closed_does_not_break_the_run(story: Make, terminal: Callable[[int, int], Terminal]) -> None:
    """Drawing on a terminal that was hung up is reported by the next write, and nothing else."""
    window = terminal(80, 24)
    told = story().begin()
    with anyio.fail_after(20):
        async with open_terminal(TerminalConfig(frames=10), None) as display:  # type: ignore[arg-type]
            window.stream.close()
            display.write(told.records)
            while True:
                try:
                    display.write(told.records)
                except ValueError:
                    break
                await anyio.lowlevel.checkpoint()


@pytest.mark.anyio
async def test_the_runs_own_error_comes_out_as_it_is(terminal: Callable[[int, int], Terminal]) -> None:
    """An error inside the run is not wrapped by the display."""
    terminal(80, 24)
    with pytest.raises(LookupError):
        async with open_terminal(TerminalConfig(), None):  # type: ignore[arg-type]
            raise LookupError


@pytest.mark.anyio
async def test_a_stopped_terminal_does_not_stop_the_run(story: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who pauses the output (Ctrl-S) pauses the view only."""
    person, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    stream = os.fdopen(side, "w")
    display = TerminalDisplay(stream, TerminalConfig())
    told = story(*(f"agent{number}" for number in range(20))).begin().ask().stream()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            display.write(told.records)
            tasks.start_soon(display.keep_drawing)
            # Nobody reads: the terminal takes a few kilobytes and then nothing.
            ticks = 0
            began = time.monotonic()
            while time.monotonic() - began < 0.5:
                display.write(told.records[-1:])
                await anyio.lowlevel.checkpoint()
                ticks += 1
            tasks.cancel_scope.cancel()
            threading.Thread(target=_drain, args=(person,), daemon=True).start()

    assert ticks > 200
    stream.close()


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 65536):
            pass
    except OSError:
        pass


PLAY = """
import os, signal, sys, time
import anyio
from massgen_core.api import ModelStreamed, Record, RunStarted
from massgen_display_terminal.config import TerminalConfig
from massgen_display_terminal.display import open_terminal

async def main():
    async with open_terminal(TerminalConfig(), None) as display:
        display.write([Record(1, time.time(), RunStarted(run="r", question="q", agents=("a", "b"), strategy="s", seed=1, version="0"))])
        while True:
            display.write([Record(2, time.time(), ModelStreamed(agent="a", turn=1, call=1, text="more words "))])
            await anyio.sleep(0.01)

signal.signal(signal.SIGINT, signal.default_int_handler)  # the tests may run in the background of a shell
anyio.run(main)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_process_that_dies_leaves_the_terminal_as_it_was(number: signal.Signals) -> None:
    """Whenever the process ends, the terminal's settings are unchanged, the cursor is shown and no frame is open."""
    person, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(side)
    environment = {**os.environ, "TERM": "xterm-256color"}
    process = subprocess.Popen([sys.executable, "-c", PLAY], stdin=side, stdout=subprocess.DEVNULL, stderr=side, env=environment)
    received = b""
    deadline = time.monotonic() + 30
    while received.count(b"\x1b[?2026l") < 3 and time.monotonic() < deadline:
        received += os.read(person, 65536)
    process.send_signal(number)
    deadline = time.monotonic() + 60
    # Nobody can end who waits for a reader: what it still writes is read until it is gone.
    while (is_alive := process.poll() is None) or select.select([person], [], [], 0)[0]:
        if select.select([person], [], [], 0.05)[0]:
            received += os.read(person, 65536)
        if is_alive and time.monotonic() > deadline:
            process.kill()
            pytest.fail("it did not end")
    after = termios.tcgetattr(side)
    os.close(side)
    os.close(person)

    assert after == before
    assert received.count(b"\x1b[?25l") == received.count(b"\x1b[?25h")
    assert received.count(b"\x1b[?2026h") == received.count(b"\x1b[?2026l")
