"""Draws a board as lines of text: pure, for any width and height."""

from __future__ import annotations

import math
from collections import Counter

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.style import Style
from rich.text import Text

from massgen_core.api import Usage, clean, clean_line, cost_text
from massgen_display_terminal.board import AgentRow, Board

__all__ = ["frame", "summary"]

# The sixteen colours follow the terminal's own theme; those that are hard to read on black or on white come last, red is kept for what went wrong.
_COLORS = ("cyan", "magenta", "yellow", "bright_blue", "green", "bright_magenta", "bright_cyan", "blue", "bright_green", "bright_yellow")
_DIM, _BOLD, _BAD, _GOOD = Style(dim=True), Style(bold=True), Style(color="red"), Style(color="green")
_MARKS = {"waiting": "○", "thinking": "●", "using_tools": "◆", "answered": "✓", "voted": "✓", "presenting": "★", "done": "✓", "out": "✗"}
_BUSY = ("thinking", "using_tools", "presenting")
_CARD = 36
_WIDE = 100
_MARGIN = 2
_LEAST = 1  # lines of a card's text that are kept free before there is any
# Wrapping measures text; it never prints.
_RULER = Console(width=80, color_system=None, legacy_windows=False)


def frame(board: Board, *, width: int, height: int, now: float, most: int = 8) -> list[Text]:
    """Return the live view: at most `height` lines of at most `width` cells.

    Args:
        board: The run.
        width: Cells.
        height: Lines.
        now: Seconds since the epoch.
        most: Lines of text of each agent at most.
    """
    inner = max(10, width - 2 * _MARGIN)
    head = _header(board, inner, now)
    foot = _votes(board, inner, brief=height < 20 or len(board.votes) > 6) + _notices(board, inner, 2 if height >= 16 else 0)
    room = height - len(head) - len(foot) - 2
    agents = _agents(board, inner, room, now, most)
    blocks = [block for block in (head, agents, foot) if block]
    lines = [line for block in blocks for line in (*block, Text())][:-1]
    return [_placed(line, width) for line in lines[:height]]


def summary(board: Board, *, width: int) -> list[Text]:
    """Return what stays on the screen when the run is over."""
    inner = max(10, width - 2 * _MARGIN)
    lines = [_verdict(board, inner)]
    lines += _votes(board, inner, brief=len(board.votes) > 12)
    gone = [row for row in board.agents.values() if row.state == "out"]
    for row in gone[:6]:
        lines.append(_fitted(Text.assemble(("✗ ", _BAD), (row.name, _color(board, row.name)), f" is out: {row.note}"), inner))
    if len(gone) > 6:
        lines.append(Text(f"✗ {len(gone) - 6} more are out", _DIM))
    lines += _notices(board, inner, 4)
    lines += _models(board, inner, 6)
    lines += _joined(_figures(board), inner)
    return [Text(), *(_placed(line, width) for line in lines), Text()]


def _placed(line: Text, width: int) -> Text:
    placed = Text(" " * _MARGIN).append_text(line)
    placed.rstrip()
    return _fitted(placed, width)


def _fitted(line: Text, width: int) -> Text:
    """Cut a line to a width, with an ellipsis."""
    line.truncate(max(1, width), overflow="ellipsis")
    return line


def _spread(left: Text, right: Text, width: int) -> Text:
    """Put two texts at both ends of a line; the right one is kept whole where it takes no more than two thirds."""
    right = _fitted(right, width * 2 // 3)
    left = _fitted(left, max(1, width - cell_len(right.plain) - 2))
    gap = max(1, width - cell_len(left.plain) - cell_len(right.plain))
    return left.append(" " * gap).append_text(right)


def _color(board: Board, agent: str) -> Style:
    row = board.agents.get(agent)
    return Style(color=_COLORS[row.place % len(_COLORS)]) if row else Style.null()


def _clock(seconds: float) -> str:
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    return f"{whole // 60}m {whole % 60:02}s" if whole < 3600 else f"{whole // 3600}h {whole % 3600 // 60:02}m"


def _money(usage: Usage) -> str:
    # While a run goes on an unknown cost is no news; its end says so.
    return "" if usage.cost is None else cost_text(usage)


def _tokens(usage: Usage) -> str:
    return f"{usage.total:,} tokens" if usage.total else ""


def _header(board: Board, width: int, now: float) -> list[Text]:
    usage = board.usage
    known = (board.phase, _clock(now - board.began) if board.began is not None else "", _tokens(usage), _money(usage))
    lines = [_fitted(Text(board.question or "…", _BOLD), width), _fitted(Text(" · ".join(part for part in known if part), _DIM), width)]
    if board.winner:
        lines.append(_fitted(_won(board), width))
    return lines


def _won(board: Board) -> Text:
    assert board.winner is not None
    agent = clean_line(board.winner.agent, 40)
    text = Text.assemble(("★ ", _GOOD), (agent, _color(board, agent) + _BOLD), (" wins", _BOLD))
    return text.append(f" · {clean_line(board.winner.reason)}" if board.winner.reason else "", _DIM)


def _verdict(board: Board, width: int) -> Text:
    if board.ended is None:
        return _fitted(Text.assemble(("■ ", _BAD), ("stopped before its end", _BOLD)), width)
    status, reason = board.ended.status, clean_line(board.ended.reason, 400)
    if status == "answered" and board.winner:
        return _fitted(_won(board), width)
    if status == "answered":
        return _fitted(Text.assemble(("✓ ", _GOOD), ("answered", _BOLD), (f" · {reason}" if reason else "", _DIM)), width)
    words = {"partial": "a partial answer", "failed": "no answer", "cancelled": "cancelled"}[status]
    return _fitted(Text.assemble(("■ ", _BAD), (words, _BOLD), f" · {reason}" if reason else ""), width)


def _figures(board: Board) -> list[str]:
    usage = board.usage
    seconds = board.ended.seconds if board.ended else 0.0
    calls = sum(row.calls for row in board.agents.values())
    figures = [
        f"{seconds:.1f}s" if seconds < 60 else _clock(seconds),
        f"{calls} model call{'' if calls == 1 else 's'}",
        _tokens(usage),
        cost_text(usage),
        f"run {clean_line(board.run, 80)}",
    ]
    return [figure for figure in figures if figure]


def _models(board: Board, width: int, most: int) -> list[Text]:
    """Say what each agent's models used, cost and how quick they were, where they streamed."""
    rows = [row for row in board.figures.rows if row.first is not None]
    names = min(max((cell_len(clean_line(row.agent, 40)) for row in rows[:most]), default=0), width // 4)
    models = min(max((cell_len(clean_line(row.model, 60)) for row in rows[:most]), default=0), width // 4)
    lines = []
    for row in rows[:most]:
        agent, model = clean_line(row.agent, 40), clean_line(row.model, 60)
        name = Text.assemble((_column(agent, names), _color(board, agent)), (f"  {_column(model, models)}  ", _DIM))
        # The cost is known, or not, of the whole run: below.
        lines.append(_fitted(name.append(" · ".join(word for word in row.words if word != "cost unknown"), _DIM), width))
    if len(rows) > most:
        lines.append(Text(f"{len(rows) - most} more: massgen show", _DIM))
    return lines


def _column(text: str, width: int) -> str:
    """Return a text of exactly so many cells, cut with an ellipsis."""
    return set_cell_size(text, width) if cell_len(text) <= width else f"{set_cell_size(text, max(0, width - 1))}…"


def _joined(parts: list[str], width: int) -> list[Text]:
    """Put parts into as few lines as hold them whole."""
    lines: list[str] = []
    for part in parts:
        if lines and cell_len(f"{lines[-1]} · {part}") <= width:
            lines[-1] += f" · {part}"
        else:
            lines.append(part)
    return [_fitted(Text(line, _DIM), width) for line in lines]


def _votes(board: Board, width: int, *, brief: bool) -> list[Text]:
    if not board.votes:
        return []
    if brief:
        return _tally(board, width)
    voters = max(cell_len(vote.voter) for vote in board.votes.values())
    choices = max(cell_len(vote.choice) for vote in board.votes.values())
    lines = []
    for vote in board.votes.values():
        line = Text.assemble(
            (set_cell_size(vote.voter, min(voters, width // 4)), _color(board, vote.voter)),
            (" → ", _DIM),
            (set_cell_size(vote.choice, min(choices, width // 4)), _color(board, vote.choice)),
            (f"  {vote.reason}", _DIM),
        )
        lines.append(_fitted(line, width))
    return lines


def _tally(board: Board, width: int) -> list[Text]:
    """Count the votes by choice, for many voters or few lines."""
    counts = Counter(vote.choice for vote in board.votes.values()).most_common()
    shown = counts[:5]
    names = min(max(cell_len(choice) for choice, _ in shown), width // 3)
    bar = max(1, min(30, width - names - 8))
    lines = []
    for choice, count in shown:
        cells = max(1, round(bar * count / max(1, len(board.agents))))
        lines.append(Text.assemble((set_cell_size(choice, names), _color(board, choice)), "  ", ("━" * cells, _color(board, choice)), f" {count}"))
    if len(counts) > len(shown):
        rest = counts[len(shown) :]
        lines.append(Text(f"{len(rest)} more with {sum(count for _, count in rest)}", _DIM))
    return lines


def _notices(board: Board, width: int, most: int) -> list[Text]:
    return [_fitted(Text.assemble(("! ", _BAD), (notice, _DIM)), width) for notice in list(board.notices)[-most:]] if most else []


def _agents(board: Board, width: int, room: int, now: float, most: int) -> list[Text]:
    """Choose by the room there is: cards with text in one or several columns, else a line each, else the busiest and a count."""
    rows = list(board.agents.values())
    if not rows or room < 1:
        return []
    columns = _columns(len(rows), width, room)
    body = min(most, _body_lines(len(rows), columns, room))
    if body >= 1:
        return _cards(board, columns, width, body, now)
    if len(rows) <= room:
        return [_one_line(board, row, width, now) for row in rows]
    return _crowd(board, width, room, now)


def _body_lines(agents: int, columns: int, room: int) -> int:
    stacked = math.ceil(agents / columns)
    return (room - (stacked - 1)) // stacked - 1


def _columns(agents: int, width: int, room: int) -> int:
    """Side by side where the terminal is wide; else as few columns as leave each agent three lines of text, or the most lines there can be."""
    most = max(1, min(agents, width // _CARD))
    if width >= _WIDE and most == agents:
        return agents
    lines = {count: _body_lines(agents, count, room) for count in range(1, most + 1)}
    return next((count for count, body in lines.items() if body >= 3), max(lines, key=lines.__getitem__))


def _cards(board: Board, columns: int, width: int, body: int, now: float) -> list[Text]:
    gap = 3
    rows = list(board.agents.values())
    cell = (width - gap * (columns - 1)) // columns
    lines: list[Text] = []
    for start in range(0, len(rows), columns):
        cards = [[_title(board, row, cell, now), *_body(board, row, cell, body)] for row in rows[start : start + columns]]
        # A row of cards is as high as its longest text: what agents have not said takes no room.
        height = max(_LEAST + 1, *map(len, cards))
        cards = [card + [Text() for _ in range(height - len(card))] for card in cards]
        if lines:
            lines.append(Text())
        for parts in zip(*cards, strict=True):
            line = Text()
            for number, part in enumerate(parts):
                part.pad_right(max(0, cell - cell_len(part.plain)) + (gap if number + 1 < len(parts) else 0))
                line.append_text(part)
            lines.append(line)
    return lines


def _title(board: Board, row: AgentRow, width: int, now: float) -> Text:
    color = _color(board, row.name)
    left = Text.assemble((f"{_MARKS.get(row.state, '●')} ", _BAD if row.state == "out" else color), (row.name, color + _BOLD))
    if row.model and width >= 60:
        left.append(f"  {row.model}", _DIM)
    return _spread(left, _state(board, row, width, now), width)


def _state(board: Board, row: AgentRow, width: int, now: float) -> Text:
    """Say what an agent does, and with enough room for how long and for how many tokens."""
    words = row.state.replace("_", " ")
    if row.state == "thinking":
        words = {"vote": "voting", "judge": "judging"}.get(row.purpose, words)
    if row.state == "using_tools" and row.note:
        words = f"uses {row.note}"
    if row.state == "voted" and row.name in board.votes:
        words = f"voted for {board.votes[row.name].choice}"
    if row.state == "answered" and row.answers > 1:
        words = f"answered ({row.answers})"
    style = _BAD if row.state == "out" else _GOOD if row.state in {"voted", "answered", "done"} else Style.null()
    text = Text().append(words, style)
    if seconds := row.seconds(now):
        text.append(f" · {_clock(seconds)}", _DIM)
    if width >= 60 and row.usage.total:
        text.append(f" · {_tokens(row.usage)}", _DIM)
    return text


def _body(board: Board, row: AgentRow, width: int, count: int) -> list[Text]:
    """Wrap an agent's text into at most `count` lines: the end of a stream, the beginning of an answer, why it is out."""
    style = _DIM if row.shows == "reasoning" else Style.null()
    text = row.spoken(width * count * 2 + 200)
    if row.state == "out" and row.note:
        text, style = row.note, _BAD
    wrapped = _wrapped(clean(text), width - 2, style)
    is_head = row.shows == "answer" or row.state == "out"
    shown = wrapped[:count] if is_head else wrapped[-count:]
    if is_head and len(wrapped) > count:
        shown[-1].rstrip()
        shown[-1].truncate(width - 4)
        shown[-1].append("…" if shown[-1].plain[-1:].isalnum() else " …")
    bar = Style(dim=True) + _color(board, row.name)
    return [Text.assemble(("│ ", bar)).append_text(line) for line in shown]


def _wrapped(text: str, width: int, style: Style) -> list[Text]:
    lines: list[Text] = []
    for paragraph in text.expandtabs(4).splitlines():
        if paragraph.strip():
            lines += Text(paragraph, style).wrap(_RULER, max(4, width))
    return lines


def _one_line(board: Board, row: AgentRow, width: int, now: float) -> Text:
    title = _title(board, row, max(24, width // 2), now)
    if width < 60:
        return _title(board, row, width, now)
    tail = clean_line(row.note if row.state == "out" else row.spoken(400), 400)
    room = width - cell_len(title.plain) - 2
    if row.shows != "answer" and cell_len(tail) > room:
        tail = "…" + tail[-(room - 1) :]
    return _fitted(title.append(f"  {tail}", _DIM), width)


def _crowd(board: Board, width: int, room: int, now: float) -> list[Text]:
    """Show the busiest agents, and count the rest by state."""
    rows = board.agents.values()
    order = sorted(rows, key=lambda row: (row.state not in _BUSY, row.state in {"waiting", "done", "out"}))
    shown = set(map(id, order[: max(0, room - 1)]))
    rest = Counter(row.state.replace("_", " ") for row in rows if id(row) not in shown)
    lines = [_one_line(board, row, width, now) for row in rows if id(row) in shown]
    counts = " · ".join(f"{count} {state}" for state, count in rest.most_common())
    return [*lines, _fitted(Text(f"and {sum(rest.values())} more: {counts}", _DIM), width)]
