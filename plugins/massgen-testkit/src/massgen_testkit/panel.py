"""A run without a clock, a loop or a model: a strategy against scripted agents, in an order that numbers decide.

The panel plays the conductor's part and checks that each decision is one that a conductor could carry out. All of it is a fold over events, so a
panel can be taken up again at any event.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs

from massgen_core.api import (
    AgentLeft,
    Ask,
    Brief,
    Decision,
    Declare,
    Event,
    Finish,
    Inject,
    Interrupt,
    LimitReached,
    Message,
    ModelAnswered,
    ModelRequested,
    NoticeGiven,
    Outcome,
    Purpose,
    Release,
    Reply,
    RunEnded,
    RunResumed,
    Strategy,
    Task,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    ToolReturned,
    TurnEnded,
    TurnFailed,
    TurnInjected,
    TurnInterrupted,
    TurnReplied,
    TurnResponded,
    TurnStarted,
    UnknownEvent,
)
from massgen_testkit.moves import Break, Call, Choose, Give, Hang, Move, Say, Script, Work

__all__ = ["LawBroken", "Panel", "Prompt"]

# Facts of the world: a strategy cannot declare them.
_WORLD = ("agent.state", "limit.", "model.", "run.", "tool.", "turn.")
_EVENTS = 5_000
# A conductor gives up a turn that goes in circles.
_ROUNDS = 8


class LawBroken(AssertionError):
    """The strategy decided what no conductor can carry out, or waits for nothing."""


@attrs.frozen
class Prompt:
    """A text that a strategy showed to an agent."""

    agent: str
    purpose: Purpose
    text: str


@attrs.define
class _Seat:
    """A turn that is open."""

    started: TurnStarted
    tools: tuple[Tool, ...]
    brief: Brief | None
    step: Literal["ready", "asked", "waiting"] = "ready"
    calls: tuple[str, ...] = ()
    rounds: int = 0


class Panel:
    """One run.

    Args:
        strategy: The strategy.
        scripts: How the agents behave, by name, in the order of registration.
        seed: The task's seed.
        order: Which of the agents that can move does so next, as a place among their marks in order; used again and again.
        limits: Limits that are reached after so many moves.
        noise: Other events, of which a strategy must make nothing, come in between.
    """

    def __init__(
        self,
        strategy: Strategy,
        scripts: Mapping[str, Script],
        *,
        seed: int = 0,
        order: Sequence[int] = (0,),
        limits: Mapping[int, LimitReached] | None = None,
        noise: bool = False,
        question: str = "What is to be found out?",
        history: tuple[Message, ...] = (),
    ) -> None:
        self.strategy, self.scripts, self.order, self.limits, self.noise = strategy, scripts, order, dict(limits or {}), noise
        self.task = Task(question=question, seed=seed, history=history)
        self.state = strategy.start(self.task, tuple(scripts))
        self.events: list[Event] = []
        self.states: list[Any] = [self.state]
        self.prompts: list[Prompt] = []
        self.outcome: Outcome | None = None
        self._seats: dict[str, _Seat] = {}
        self._turns = dict.fromkeys(scripts, 0)
        self._places: dict[tuple[str, str], int] = {}
        self._out: set[str] = set()
        self._moves = 0

    @property
    def calls(self) -> int:
        """How many model calls there were."""
        return sum(type(event) is ModelRequested for event in self.events)

    def of(self, *types: type[Event]) -> list[Any]:
        """Return the events of some types, in order."""
        return [event for event in self.events if isinstance(event, types)]

    def play(self) -> Panel:
        """Run to the end.

        Raises:
            LawBroken: See there.
        """
        while not self._settle():
            self._world()
        if tuple(self.strategy.decide(self.state)):
            raise LawBroken("the run has ended, and the strategy decides on")
        return self

    def resumed(self, at: int, *, strategy: Strategy | None = None, repeats_calls: bool = False) -> Panel:
        """Return another panel, not yet played on, that was taken up after the first `at` events.

        Args:
            at: How many events were in the journal.
            strategy: Another instance, as another process would have.
            repeats_calls: Model calls that were under way are made again, as in a real run; without, they go on as if nothing had happened.
        """
        panel = Panel(
            strategy or self.strategy,
            self.scripts,
            seed=self.task.seed,
            order=self.order,
            limits=self.limits,
            noise=self.noise,
            question=self.task.question,
            history=self.task.history,
        )
        for event in self.events[:at]:
            panel._take(event)
        panel._take(RunResumed(version="0"))
        if repeats_calls:
            for seat in panel._seats.values():
                seat.step = "waiting" if seat.step == "waiting" else "ready"
        return panel

    # Facts

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self.state = self.strategy.apply(self.state, event)
        self.states.append(self.state)
        self._moves += isinstance(event, ModelRequested | ToolReturned | TurnResponded | TurnFailed | LimitReached)
        if isinstance(event, TurnStarted):
            self._turns[event.agent] = event.turn
            self._seats[event.agent] = _Seat(event, event.tools, event.brief)
        elif isinstance(event, TurnEnded | TurnInterrupted | TurnFailed):
            self._count(event)
            del self._seats[event.agent]
        elif isinstance(event, ModelRequested | ToolReturned | TurnResponded):
            seat = self._seats[event.agent]
            self._count(event)
            seat.step = {ModelRequested: "asked", ToolReturned: "ready", TurnResponded: "waiting"}[type(event)]  # type: ignore[assignment]
            seat.calls = tuple(call.id for call in event.calls) if isinstance(event, TurnResponded) else ()
            seat.rounds += isinstance(event, ToolReturned)
        elif isinstance(event, TurnReplied | TurnInjected):
            seat = self._seats[event.agent]
            seat.tools = seat.tools if event.tools is None else event.tools
            seat.brief = seat.brief if event.brief is None else event.brief
            seat.step = "ready" if isinstance(event, TurnReplied) else seat.step
        elif isinstance(event, AgentLeft | LimitReached):
            self._out.add(event.agent)
        elif isinstance(event, RunEnded):
            self.outcome = Outcome(status=event.status, winner=event.winner, answer=event.answer, reason=event.reason)

    def _count(self, event: Any) -> None:
        if isinstance(event, TurnResponded | TurnFailed | ToolReturned):
            key = event.agent, self._seats[event.agent].started.purpose
            self._places[key] = self._places.get(key, 0) + 1

    # The world

    def _world(self) -> None:
        """Let one thing happen."""
        if self.noise:
            self._take(UnknownEvent(name="weather.changed", data={"agent": next(iter(self.scripts))}))
            self._take(NoticeGiven(level="info", text="nothing of weight"))
            self._settle()
        if self._moves in self.limits and self.limits[self._moves] not in self.events:
            self._take(self.limits[self._moves])
            return
        seats = [seat for name, seat in sorted(self._seats.items(), key=lambda item: self.scripts[item[0]].mark) if seat.step != "waiting"]
        if not seats:
            raise LawBroken("the strategy waits, and no agent works")
        able = [seat for seat in seats if seat.step == "ready" or not isinstance(self._next_move(seat), Hang)]
        if not able:
            agent = seats[0].started.agent
            if agent in self._out:
                raise LawBroken(f"the turn of {agent!r} goes on although its limit was reached")
            self._take(LimitReached(what="time", limit=60.0, agent=agent))
            return
        seat = able[self.order[self._moves % len(self.order)] % len(able)]
        agent, turn = seat.started.agent, seat.started.turn
        if seat.step == "ready":
            self._take(ModelRequested(agent=agent, turn=turn, call=self.calls + 1, backend="scripted"))
            return
        event = self._event(seat, self._next_move(seat))
        if self.noise and isinstance(event, TurnResponded):
            self._take(ModelAnswered(agent=agent, turn=turn, call=self.calls, message=Message.of("assistant", event.text), stop="stop"))
            self._settle()
        self._take(event)

    def _next_move(self, seat: _Seat) -> Move:
        agent, purpose = seat.started.agent, seat.started.purpose
        return self.scripts[agent].move(purpose, self._places.get((agent, purpose), 0))

    def _event(self, seat: _Seat, move: Move) -> Event:
        agent, turn = seat.started.agent, seat.started.turn
        identity = f"{agent}-{self._moves}"
        if isinstance(move, Work) and seat.rounds >= _ROUNDS:
            return TurnFailed(agent=agent, turn=turn, fault="BadRequest", reason="too many model calls in one turn")
        if isinstance(move, Work):
            return ToolReturned(agent=agent, turn=turn, tool="search", result=ToolResult(call=identity, content=(Text(text="found"),)))
        if isinstance(move, Break):
            return TurnFailed(agent=agent, turn=turn, fault=move.fault, reason=move.reason, partial=move.partial)
        text, calls = self._said(seat, move)
        made = tuple(ToolCall(id=f"{identity}-{place}", name=name, arguments=arguments) for place, (name, arguments) in enumerate(calls))
        return TurnResponded(agent=agent, turn=turn, text=text, calls=made, stop="tools" if made else "stop")

    def _said(self, seat: _Seat, move: Move) -> tuple[str, tuple[tuple[str, str], ...]]:
        mark = self.scripts[seat.started.agent].mark
        match move:
            case Give(content=content):
                content = content or f"[{mark}.] found {mark}{self._moves}"
                return ("", (("new_answer", json.dumps({"content": content})),)) if seat.tools else (content, ())
            case Choose(mark=favourite):
                return "", _choice(seat, favourite, f"because of {mark}")
            case Say(text=text):
                return text, ()
            case Call(calls=calls, text=text):
                return text, calls
        raise AssertionError(move)

    # Decisions

    def _settle(self) -> bool:
        """Carry out decisions until there are none; return whether the run has ended."""
        while self.outcome is None:
            decisions = self.strategy.decide(self.state)
            if not decisions:
                return False
            if len(self.events) > _EVENTS:
                raise LawBroken(f"no end after {_EVENTS} events; the last decision: {decisions[0]!r}")
            self._carry_out(decisions[0])
        return True

    def _carry_out(self, decision: Decision) -> None:
        match decision:
            case Ask():
                self._ask(decision)
            case Reply():
                seat = self._seat(decision, needs="waiting")
                if extra := {result.call for result in decision.results} - set(seat.calls):
                    raise LawBroken(f"{decision.agent!r} made no call {sorted(extra)}")
                self._show(seat.started, decision.text, *(result.text for result in decision.results), decision.tools, decision.brief)
                self._take(TurnReplied(**attrs.asdict(decision, recurse=False)))
            case Inject():
                seat = self._seat(decision)
                self._show(seat.started, decision.text, decision.tools, decision.brief)
                self._take(TurnInjected(**attrs.asdict(decision, recurse=False)))
            case Release():
                self._seat(decision, needs="waiting")
                self._take(TurnEnded(agent=decision.agent, turn=decision.turn))
            case Interrupt():
                self._seat(decision)
                self._take(TurnInterrupted(agent=decision.agent, turn=decision.turn, reason=decision.reason, partial="half a"))
            case Declare(event=event):
                if event.type.startswith(_WORLD) or not event.type:
                    raise LawBroken(f"a strategy cannot declare {event.type!r}")
                self._take(event)
            case Finish(outcome=outcome):
                for agent, seat in tuple(self._seats.items()):
                    self._take(TurnInterrupted(agent=agent, turn=seat.started.turn, reason="the run ended"))
                self._take(RunEnded(status=outcome.status, winner=outcome.winner, answer=outcome.answer, reason=outcome.reason))
                self.outcome = outcome
            case _:
                raise LawBroken(f"not a decision: {decision!r}")

    def _ask(self, ask: Ask) -> None:
        if ask.agent not in self.scripts:
            raise LawBroken(f"{ask.agent!r} is no agent")
        if ask.agent in self._seats:
            raise LawBroken(f"{ask.agent!r} is asked while its turn {self._turns[ask.agent]} is open")
        if ask.agent in self._out:
            raise LawBroken(f"{ask.agent!r} is asked although it takes no further part")
        if "" in self._out:
            raise LawBroken(f"{ask.agent!r} is asked although the run's limit was reached")
        if ask.turn != self._turns[ask.agent] + 1:
            raise LawBroken(f"turn {ask.turn} of {ask.agent!r} follows turn {self._turns[ask.agent]}")
        started = TurnStarted(**attrs.asdict(ask, recurse=False))
        self._show(started, *(message.text for message in ask.messages), ask.tools, ask.brief)
        self._take(started)

    def _seat(self, decision: Reply | Inject | Release | Interrupt, needs: str = "") -> _Seat:
        seat = self._seats.get(decision.agent)
        if seat is None or seat.started.turn != decision.turn:
            raise LawBroken(f"{type(decision).__name__} to turn {decision.turn} of {decision.agent!r}, which is not open")
        if needs and seat.step != needs:
            raise LawBroken(f"{type(decision).__name__} to turn {decision.turn} of {decision.agent!r}, which has not responded")
        return seat

    def _show(self, started: TurnStarted, *parts: Any) -> None:
        texts = [part if isinstance(part, str) else repr(part) for part in parts if part]
        self.prompts.append(Prompt(started.agent, started.purpose, "\n".join(texts)))


def _choice(seat: _Seat, favourite: str, reason: str) -> tuple[tuple[str, str], ...]:
    """Return the call that chooses a candidate by its text; without a candidate or a tool to choose with, one that makes no sense."""
    candidates = seat.brief.candidates if seat.brief else ()
    found = [one for one in candidates if f"[{favourite}.]" in one.content] or sorted(candidates, key=lambda one: one.content)
    for tool in seat.tools:
        properties = tool.parameters.get("properties", {})
        choices = [name for name, schema in properties.items() if "enum" in schema]
        if choices and found:
            arguments = {name: reason for name in properties if name not in choices} | {choices[0]: found[0].label}
            return ((tool.name, json.dumps(arguments)),)
    return (("vote", json.dumps({"agent": "agent1", "reason": reason})),)
