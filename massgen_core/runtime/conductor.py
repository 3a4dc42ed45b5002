"""Conducts one run: carries out what the strategy decides, and tells it what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence

import anyio
import anyio.abc
import attrs

from massgen_core import __version__
from massgen_core.codec import EVENT_TYPES
from massgen_core.config.sections import LimitsConfig
from massgen_core.coordination import Ask, Decision, Declare, Finish, Inject, Interrupt, Outcome, Release, Reply, Strategy, Task
from massgen_core.errors import MassGenError
from massgen_core.events import (
    AgentStateChanged,
    AnswerGiven,
    Event,
    LimitReached,
    MemoryRecalled,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    ModelStreamed,
    NoticeGiven,
    PhaseEntered,
    PhaseLeft,
    Record,
    RunEnded,
    RunResumed,
    RunStarted,
    TurnEnded,
    TurnFailed,
    TurnInjected,
    TurnInterrupted,
    TurnReplied,
    TurnStarted,
    VoteCast,
)
from massgen_core.runtime.agent import Turn
from massgen_core.runtime.calling import Agent
from massgen_core.runtime.clock import clock
from massgen_core.runtime.emitter import Emitter
from massgen_core.runtime.meter import Meter
from massgen_core.runtime.past import STATES, Past

__all__ = ["Conductor"]

# So many decisions without anything happening in between are a strategy that goes in circles.
DECISIONS_AT_ONCE = 10_000
METERED = frozenset({ModelRequested, ModelAnswered, ModelFailed})
CLOSING = frozenset({TurnEnded, TurnInterrupted, TurnFailed})
LASTING = frozenset({AnswerGiven, VoteCast})


class Conductor:
    """One run of a strategy with its agents. Everything happens in one event loop; nothing outlives `conduct`.

    Args:
        run: The run's id.
        task: The question, the seed, the history.
        agents: The agents' limits, by name, in the order of the configuration.
        strategy: The state machine.
        strategy_name: For the journal.
        emitter: Journal and bus.
        limits: What the run may use.
        idle_seconds: How long a model may be silent.
    """

    def __init__(
        self,
        *,
        run: str,
        task: Task,
        agents: Mapping[str, LimitsConfig],
        strategy: Strategy,
        strategy_name: str,
        emitter: Emitter,
        limits: LimitsConfig = LimitsConfig(),  # noqa: B008 - frozen
        idle_seconds: float = 600.0,
    ) -> None:
        self._run, self._task, self._agent_limits = run, task, agents
        self._strategy, self._strategy_name, self._emitter = strategy, strategy_name, emitter
        self._limits, self._idle_seconds = limits, idle_seconds
        self._meter = Meter(limits, agents)
        self._state = strategy.start(task, tuple(agents))
        self._agents: Mapping[str, Agent] = {}
        self._past: Past | None = None
        self._turns: dict[str, Turn] = {}
        self._began = {"run": 0.0}
        self._worked = dict.fromkeys(agents, 0.0)
        self._shown: dict[str, str] = {}
        self._outcome: Outcome | None = None
        self._defect: Exception | None = None
        self._tasks: anyio.abc.TaskGroup | None = None
        self._is_settling = False
        self._ended = anyio.Event()
        self._now: Callable[[], float] = anyio.current_time

    @property
    def meter(self) -> Meter:
        """What has been used so far."""
        return self._meter

    def begin(self) -> None:
        """Record that the run began."""
        task = self._task
        started = RunStarted(
            run=self._run,
            question=task.question,
            agents=tuple(self._agent_limits),
            strategy=self._strategy_name,
            seed=task.seed,
            version=__version__,
            history=task.history,
        )
        with self._emitter:
            self._record(started)
            if task.history:
                self._record(MemoryRecalled(source="conversation", messages=len(task.history)))
            for name in self._agent_limits:
                self._show(name, "waiting")

    def take_up(self, records: Sequence[Record]) -> None:
        """Go on where a journal ends, instead of `begin`."""
        self._past = Past.of(records, self._strategy, self._state)
        self._state = self._past.state
        for event in self._past.events:
            self._meter.take(event)
        self._record(RunResumed(version=__version__))

    async def conduct(self, agents: Mapping[str, Agent]) -> Outcome:
        """Run to the end, after `begin` or `take_up`.

        Raises:
            MassGenError: The strategy broke, or the journal cannot be written; what the agents gave before is in the journal.
        """
        self._agents = agents
        self._now = clock()
        self._began["run"] = self._now()
        async with anyio.create_task_group() as self._tasks:
            if self._limits.seconds is not None:
                self._tasks.start_soon(self._time, self._limits.seconds, "")
            try:
                with self._emitter:
                    if self._past is not None:
                        self._reopen_turns(self._past)
                    self._settle()
            except MassGenError as defect:
                self._give_up(defect)
            await self._ended.wait()
            # At a run's end its turns are over; its clock is not, and neither are turns of a run that broke.
            if self._limits.seconds is not None or self._defect is not None:
                self._tasks.cancel_scope.cancel()
        if self._defect is not None:
            raise self._defect
        assert self._outcome is not None
        await self._emitter.durable()
        return self._outcome

    def stop(self) -> None:
        """End the run gracefully with what exists; for a person's Ctrl-C."""
        self.observe(LimitReached(what="person"))

    def _reopen_turns(self, past: Past) -> None:
        for event in past.events:
            if isinstance(event, ModelRequested) and event.agent in self._agents:
                self._agents[event.agent].calls = event.call
        for started, span, events in past.open_turns:
            turn = self._make_turn(started, span)
            for event in events:
                turn.conversation.apply(event)
            for event in turn.resolve_unfinished(events):
                self._record(event, span=span)
            self._start(turn)

    # Facts

    def observe(self, event: Event, *, span: str = "", parent: str = "") -> None:
        """Put a fact into the journal, let the strategy see it, and carry out what it decides."""
        is_over = self._outcome is not None or self._defect is not None
        if type(event) is ModelStreamed or (is_over and event.type not in EVENT_TYPES):
            # What plugins have to say while they are closed belongs into the journal too; it changes nothing any more.
            self._emitter.emit(event, span=span, parent=parent)
            return
        if is_over:
            return
        before = self._state
        try:
            with self._emitter:
                self._record(event, span=span, parent=parent)
                # Decisions depend on the state alone: where it is the same, there is nothing to decide.
                if self._state is not before and self._tasks is not None and not self._is_settling:
                    self._settle()
        except Exception as defect:  # the journal's disk, or a strategy's defect
            self._give_up(defect)

    def _record(self, event: Event, *, span: str = "", parent: str = "") -> None:
        kind = type(event)
        self._emitter.emit(event, span=span, parent=parent)
        if kind in METERED:
            self._meter.take(event)
        self._state = self._strategy.apply(self._state, event)
        if kind in STATES:
            self._show(*STATES[kind](event))
        if kind in CLOSING:
            self._close(event)  # type: ignore[arg-type]
        elif kind in METERED:
            for limit in self._meter.reached(event.agent):  # type: ignore[attr-defined]
                self._record(limit)
        elif kind in LASTING and self._emitter.waits and self._tasks is not None:
            self._tasks.start_soon(self._sync)

    def tell(self, *events: Event, span: str = "", parent: str = "") -> None:
        """Put a plugin's facts into the journal; what it tells while it closes, after the run's end, is kept and changes nothing."""
        try:
            with self._emitter:
                for event in events:
                    if self._outcome is None and self._defect is None:
                        self.observe(event, span=span, parent=parent)
                    else:
                        self._emitter.emit(event, span=span, parent=parent)
        except MassGenError as defect:  # the journal's disk
            if self._outcome is None:
                self._give_up(defect)

    async def _sync(self) -> None:
        try:
            await self._emitter.durable()
        except OSError as error:
            self._give_up(MassGenError(f"the journal cannot be written to its disk: {error.strerror}"))

    def _show(self, agent: str, state: str) -> None:
        if self._shown.get(agent) != state:
            self._shown[agent] = state
            self._emitter.emit(AgentStateChanged(agent=agent, state=state))  # type: ignore[arg-type]

    def _close(self, event: TurnEnded | TurnInterrupted | TurnFailed) -> None:
        turn = self._turns.get(event.agent)
        if turn is not None and turn.started.turn == event.turn:
            del self._turns[event.agent]
            self._worked[event.agent] += self._now() - self._began.pop(event.agent)
            turn.take(event)

    # Decisions

    def _settle(self) -> None:
        """Carry out decisions until there are none."""
        self._is_settling = True
        try:
            for _ in range(DECISIONS_AT_ONCE):
                if self._outcome is not None:
                    return
                decisions = self._strategy.decide(self._state)
                if not decisions:
                    break
                self._carry_out(decisions[0])
            else:
                raise MassGenError(f"strategy {self._strategy_name!r} decides without end; last: {decisions[0]!r}")
            if self._outcome is None and all(turn.is_waiting for turn in self._turns.values()):
                raise MassGenError(f"strategy {self._strategy_name!r} waits although no agent works")
        except Exception as defect:  # the journal's disk, or a strategy's defect: the run ends, with what exists
            self._give_up(defect)
        finally:
            self._is_settling = False

    def _carry_out(self, decision: Decision) -> None:
        match decision:
            case Declare():
                self._declare(decision.event)
            case Ask():
                self._ask(decision)
            case Reply():
                turn = self._open_turn(decision)
                if not turn.is_waiting:
                    raise MassGenError(f"strategy {self._strategy_name!r} replies to {decision.agent!r}, who has not responded")
                event = TurnReplied(**attrs.asdict(decision, recurse=False))
                self._record(event, span=turn.span)
                turn.take(event)
            case Inject():
                turn = self._open_turn(decision)
                injected = TurnInjected(**attrs.asdict(decision, recurse=False))
                self._record(injected, span=turn.span)
                turn.take(injected)
            case Release():
                turn = self._open_turn(decision)
                seconds = self._now() - self._began[decision.agent]
                self._record(TurnEnded(agent=decision.agent, turn=decision.turn, seconds=seconds), span=turn.span)
            case Interrupt():
                self._interrupt(self._open_turn(decision), decision.reason)
            case Finish():
                self._finish(decision.outcome)

    def _open_turn(self, decision: Reply | Inject | Release | Interrupt) -> Turn:
        turn = self._turns.get(decision.agent)
        if turn is None or turn.started.turn != decision.turn:
            raise MassGenError(f"strategy {self._strategy_name!r} names turn {decision.turn} of {decision.agent!r}, which is not open")
        return turn

    def _ask(self, ask: Ask) -> None:
        if ask.agent not in self._agents:
            raise MassGenError(f"strategy {self._strategy_name!r} asks {ask.agent!r}, who is none of {', '.join(self._agents)}")
        if ask.agent in self._turns:
            raise MassGenError(f"strategy {self._strategy_name!r} asks {ask.agent!r}, whose turn is still open")
        started = TurnStarted(
            agent=ask.agent,
            turn=ask.turn,
            purpose=ask.purpose,
            messages=ask.messages,
            tools=ask.tools,
            tool_choice=ask.tool_choice,
            brief=ask.brief,
            uses_toolsets=ask.uses_toolsets,
        )
        turn = self._make_turn(started, self._emitter.new_span())
        self._turns[ask.agent] = turn
        self._record(started, span=turn.span)
        self._start(turn)

    def _make_turn(self, started: TurnStarted, span: str) -> Turn:
        return Turn(
            self._agents[started.agent],
            started,
            span=span,
            observe=self.observe,
            new_span=self._emitter.new_span,
            idle_seconds=self._idle_seconds,
        )

    def _start(self, turn: Turn) -> None:
        assert self._tasks is not None
        name = turn.started.agent
        self._turns[name] = turn
        self._began[name] = self._now()
        turn.stop = self._tasks.start_soon(self._work, turn).cancel

    async def _work(self, turn: Turn) -> None:
        name = turn.started.agent
        limit = self._agent_limits[name].seconds
        if limit is None:
            await turn.run()
            return
        async with anyio.create_task_group() as timed:
            timed.start_soon(self._time, max(0.0, limit - self._worked[name]), name)
            await turn.run()
            timed.cancel_scope.cancel()

    async def _time(self, seconds: float, agent: str) -> None:
        await anyio.sleep(seconds)
        limit = self._agent_limits[agent].seconds if agent else self._limits.seconds
        self.observe(LimitReached(what="time", limit=float(limit or 0.0), agent=agent))

    def _interrupt(self, turn: Turn, reason: str) -> None:
        agent, number = turn.key
        self._record(TurnInterrupted(agent=agent, turn=number, reason=reason, partial=turn.partial), span=turn.span)

    def _declare(self, event: Event) -> None:
        if isinstance(event, PhaseEntered):
            self._began[f"phase {event.phase}"] = self._now()
        elif isinstance(event, PhaseLeft):
            began = self._began.pop(f"phase {event.phase}", None)
            if began is not None:
                event = attrs.evolve(event, seconds=self._now() - began)
        self._record(event)

    def _finish(self, outcome: Outcome) -> None:
        for turn in tuple(self._turns.values()):
            self._interrupt(turn, "the run ended")
        self._record(
            RunEnded(
                status=outcome.status,
                winner=outcome.winner,
                answer=outcome.answer,
                reason=outcome.reason,
                seconds=self._now() - self._began["run"],
                usage=self._meter.usage,
            )
        )
        self._outcome = outcome
        self._ended.set()

    def _give_up(self, defect: Exception) -> None:
        self._defect = self._defect or defect
        # Where the journal itself broke, the notice cannot be written either.
        with contextlib.suppress(MassGenError):
            self._emitter.emit(NoticeGiven(level="error", text=f"the run stopped: {defect}"))
        self._ended.set()
