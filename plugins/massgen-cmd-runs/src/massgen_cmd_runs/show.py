"""`massgen show`: an account of one run that a person can read, or a program."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from massgen_cmd_runs.account import Account, Member, Vote, account_of
from massgen_cmd_runs.text import clock, cost, count, folded, table, when
from massgen_core.api import App, MassGenError, UsageProblem, clean, clean_line, columns

__all__ = ["Show"]

_LINES = 12


class Show:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        parser.add_argument("run", metavar="RUN", nargs="?", default="last", help="a run's id, the beginning of it, or 'last' (default)")
        parser.add_argument("--agent", metavar="NAME", help="only what this agent did")
        parser.add_argument("--votes", action="store_true", help="only the votes, those that no longer count included")
        parser.add_argument("--full", action="store_true", help=f"whole texts; without it they are cut after {_LINES} lines")
        parser.add_argument("--json", action="store_true", help="print one JSON object, with whole texts")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Print the account and return the exit code."""
        folder = app.find_run(arguments.run)
        account = account_of(app.records(folder))
        if account.started is None:
            raise MassGenError(f"nothing of run {folder.name} was recorded; its folder is {folder}")
        if arguments.agent is not None and arguments.agent not in account.members:
            raise UsageProblem(f"run {folder.name} has no agent {arguments.agent!r}; it has {', '.join(account.members)}")
        if arguments.agent is not None and arguments.votes:
            raise UsageProblem("--agent and --votes show different things; leave one out")
        if arguments.json:
            app.out(json.dumps(_data(account, folder, _status(account, app, folder), arguments.agent), indent=2))
            return 0
        width = columns()
        layout = _Layout(10**9 if arguments.full else _LINES, width)
        if arguments.votes:
            told = _votes(account.votes)
        elif arguments.agent is not None:
            told = _one_agent(account, account.members[arguments.agent], layout)
        else:
            told = _whole(account, folder, _status(account, app, folder), layout)
        for line in told:
            for part in folded(line, width, "    "):
                app.out(part)
        return 0


def _status(account: Account, app: App, folder: Path) -> str:
    if account.ended is not None:
        return account.ended.status
    return "running" if app.is_live(folder) else "stopped"


@attrs.frozen
class _Layout:
    """How texts are laid out: how many lines of one, and how wide; 0 leaves lines as they are."""

    lines: int
    width: int

    def block(self, text: str, indent: str = "  ") -> Iterator[str]:
        """Yield a text's lines, indented, and how many were left out."""
        every = [part for line in clean(text).strip().splitlines() for part in folded(f"{indent}{line}".rstrip(), self.width)]
        shown = every if len(every) <= self.lines + 1 else every[: self.lines]
        yield from shown
        if len(shown) < len(every):
            yield f"{indent}… {count(len(every) - len(shown), 'more line')} (--full shows them)"


def _whole(account: Account, folder: Path, status: str, layout: _Layout) -> Iterator[str]:
    assert account.started is not None
    yield from _head(account, folder, status)
    yield from ("", "Question")
    yield from layout.block(account.started.question)
    if account.answers:
        yield from ("", "Answers")
        for answer in account.answers:
            yield f"  {clean_line(answer.agent, 40)}.{answer.number}  at {clock(answer.at)}"
            yield from layout.block(answer.content, "    ")
    if account.votes:
        yield from ("", "Votes")
        yield from (f"  {line}" for line in _votes([vote for vote in account.votes if vote.counts] or account.votes))
    if account.winner is not None:
        tally = ", ".join(f"{clean_line(name, 40)} {votes}" for name, votes in account.winner.votes.items())
        yield from (
            "",
            "Winner",
            f"  {clean_line(account.winner.agent, 40)}: {clean_line(account.winner.reason, 1000)}" + (f" ({tally})" if tally else ""),
        )
    if account.steps:
        yield from ("", "On the way")
        yield from (f"  {clock(step.at):>9}  {step.text}" for step in account.steps)
    yield from ("", "Agents")
    yield from (f"  {line}" for line in _members(account))
    yield from ("", *_final(account, status, folder, layout))


def _head(account: Account, folder: Path, status: str) -> Iterator[str]:
    assert account.started is not None
    usage = account.usage
    seconds = account.ended.seconds if account.ended else account.last
    figures = (status, clock(seconds), count(sum(member.calls for member in account.members.values()), "model call"))
    yield " · ".join(part for part in (f"run {folder.name}", *figures, count(usage.total, "token"), cost(usage)) if part)
    phases = ", ".join(f"{clean_line(name, 30)} {clock(spent)}" for name, spent in account.phases)
    yield f"{when(account.at)} · strategy {clean_line(account.started.strategy, 60)}, seed {account.started.seed}" + (
        f" · {phases}" if phases else ""
    )
    yield str(folder)


def _final(account: Account, status: str, folder: Path, layout: _Layout) -> Iterator[str]:
    if account.ended is None:
        yield "It is not over yet" if status == "running" else f"It stopped before its end; go on with: massgen resume {folder.name}"
        return
    text = account.ended.answer or account.presented
    reason = clean_line(account.ended.reason, 1000)
    yield f"Final answer ({status})" if text else f"No answer ({status})"
    yield from layout.block(text or reason)
    if text and status != "answered":
        yield f"  ({reason})"


def _votes(votes: list[Vote]) -> Iterator[str]:
    if not votes:
        yield "no vote was cast"
        return
    rows = [
        (
            clean_line(vote.voter, 40),
            "→",
            clean_line(vote.choice, 40),
            "" if vote.counts else "(no longer counts)",
            clean_line(vote.reason, 2000),
        )
        for vote in votes
    ]
    body = table(("", "", "", "", ""), rows)
    next(body)
    yield from body


def _members(account: Account) -> Iterator[str]:
    heads = ("NAME", "BACKEND", "MODEL", "TURNS", "CALLS", "TOOLS", "TOKENS", "COST", "FIRST", "TOKENS/S", "TIME", "OUT")
    every = [(member, account.figures.of(member.name)) for member in account.members.values()]
    rows = [
        (
            clean_line(member.name, 40),
            clean_line(member.backend, 30),
            clean_line(member.model, 40),
            str(member.turns),
            str(member.calls),
            str(member.tools or ""),
            f"{member.usage.total:,}",
            cost(member.usage),
            clock(figures.first),
            f"{figures.rate:.0f}" if figures.rate is not None else "",
            clock(member.seconds),
            clean_line(member.left, 200),
        )
        for member, figures in every
    ]
    yield from table(heads, rows, right=(3, 4, 5, 6, 7, 8, 9, 10))
    models = [row for row in account.figures.rows if row.model]
    if len({row.agent for row in models}) < len(models):  # an agent had several models: which one was slow, which one dear
        yield ""
        yield from table(("", "", ""), [(clean_line(row.agent, 40), clean_line(row.model, 60), ", ".join(row.words)) for row in models])


def _one_agent(account: Account, member: Member, layout: _Layout) -> Iterator[str]:
    yield from (line for line in table(("", "", "", "", ""), [(member.name, member.backend, member.model, "", "")]) if line.strip())
    spent = (count(member.turns, "turn"), count(member.calls, "model call"), count(member.usage.total, "token"), cost(member.usage))
    yield " · ".join(part for part in (*spent, clock(member.seconds)) if part)
    yield from (f"{clean_line(row.model, 60)}: {', '.join(row.words)}" for row in account.figures.rows if row.agent == member.name and row.model)
    for answer in account.answers:
        if answer.agent == member.name:
            yield from ("", f"Answer {answer.number}, at {clock(answer.at)}")
            yield from layout.block(answer.content)
    if member.partial:
        yield from ("", "What it had said when a turn was cut off")
        yield from layout.block(member.partial)
    cast = [vote for vote in account.votes if vote.voter == member.name]
    received = [vote for vote in account.votes if vote.choice == member.name]
    for title, votes in (("Votes it cast", cast), ("Votes it received", received)):
        if votes:
            yield from ("", title)
            yield from (f"  {line}" for line in _votes(votes))
    steps = [step for step in account.steps if step.agent == member.name]
    if steps:
        yield from ("", "On the way")
        yield from (f"  {clock(step.at):>9}  {step.text}" for step in steps)


def _data(account: Account, folder: Path, status: str, agent: str | None) -> dict[str, Any]:
    assert account.started is not None

    def plain(value: Any) -> Any:
        return attrs.asdict(value, filter=lambda field, _: field.name != "since")

    def is_meant(name: str) -> bool:
        return agent is None or name == agent

    ended, started = account.ended, account.started
    return {
        "run": folder.name,
        "folder": str(folder),
        "status": status,
        "at": account.at,
        "question": started.question,
        "strategy": started.strategy,
        "seed": started.seed,
        "seconds": ended.seconds if ended else account.last,
        "usage": plain(account.usage),
        "phases": [{"phase": name, "seconds": seconds} for name, seconds in account.phases],
        "agents": [plain(member) for member in account.members.values() if is_meant(member.name)],
        "models": [
            {
                "agent": row.agent,
                "model": row.model,
                "calls": row.calls,
                "failures": row.failures,
                "usage": plain(row.usage),
                "first_token_seconds": row.first,
                "tokens_per_second": row.rate,
                "limits": plain(row.limits) if row.limits else None,
            }
            for row in account.figures.rows
            if is_meant(row.agent)
        ],
        "answers": [plain(answer) for answer in account.answers if is_meant(answer.agent)],
        "votes": [plain(vote) for vote in account.votes if is_meant(vote.voter)],
        "steps": [plain(step) for step in account.steps if is_meant(step.agent)],
        "winner": None if account.winner is None else plain(account.winner),
        "answer": ended.answer if ended else "",
        "reason": ended.reason if ended else "",
    }
