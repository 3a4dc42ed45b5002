"""The conformance suite of strategies: laws that hold for whatever agents do."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import factorial
from typing import Any, ClassVar

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from massgen_core.api import AnswerGiven, AnswerPresented, LimitReached, Message, ModelRequested, RunResumed, Strategy, Task, VoteCast, WinnerChosen
from massgen_testkit.distribution import PluginSuite
from massgen_testkit.games import MARKS, NAMES, Game, games, tame
from massgen_testkit.moves import Break, Choose, Script
from massgen_testkit.panel import Panel

__all__ = ["StrategySuite"]

# The 99.9th percentile of chi-square by degrees of freedom: a fair strategy fails one time in a thousand seeds, and the seeds are fixed.
_CHI_SQUARE = {1: 10.83, 2: 13.82, 3: 16.27, 5: 20.52}


def _limit(agent: str = "") -> LimitReached:
    return LimitReached(what="tokens", limit=1000.0, agent=agent)


class StrategySuite(PluginSuite):
    """What every strategy must do.

    A subclass gives `name`, `options` where the defaults depend on the order of registration, and `most_calls`.

    Attributes:
        patience: Options under which nothing ends early, for strategies that stop as soon as nothing can change the winner.
        examples: How many games each law is tried on.
        unsupported: `early stop`: it never ends early. `renaming`: names decide more than ties. `candidates`: nobody is shown others' answers.
            `ties`: a tie cannot be. `several`: only one agent takes part, so that its failure is the run's.
    """

    kind: ClassVar[str] = "strategy"
    patience: ClassVar[Mapping[str, Any]] = {}
    examples: ClassVar[int] = 60

    def most_calls(self, agents: int) -> int:
        """Return how many model calls a run needs at most when every agent does at once what it is asked for."""
        raise NotImplementedError(f"{type(self).__name__} must define most_calls(agents)")

    def features(self) -> frozenset[str]:
        return frozenset({"early stop", "renaming", "candidates", "ties", "several"})

    def make(self, **options: Any) -> Strategy:
        """Return a strategy, as a run would get it."""
        made: Strategy = self.plugins.factory(self.kind, self.name)(self.config(options), None)
        return made

    def law(self, check: Callable[[Game], None], game: st.SearchStrategy[Game]) -> None:
        """Try a law on many games."""

        @settings(max_examples=self.examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(game=game)
        def holds(game: Game) -> None:
            check(game)

        holds()

    # The contract

    def test_functions_are_synchronous(self) -> None:
        """The three functions are plain functions."""
        strategy = self.make()
        assert not any(inspect.iscoroutinefunction(function) for function in (strategy.start, strategy.apply, strategy.decide))

    def test_ends_whatever_agents_do(self) -> None:
        """Every run ends, with decisions that a conductor can carry out, and with a winner among the agents or none."""
        strategy = self.make()

        def check(game: Game) -> None:
            outcome = game.panel(strategy).play().outcome
            assert outcome is not None
            assert outcome.winner in {*game.scripts, ""}
            assert outcome.status in ("answered", "partial", "failed")
            assert outcome.answer or outcome.status == "failed"
            assert outcome.reason, "say why the run ended so"

        self.law(check, games())

    def test_is_pure(self) -> None:
        """States do not change after they were returned; the same events lead to equal states and equal decisions, in another instance too."""
        strategy, other = self.make(), self.make()

        def check(game: Game) -> None:
            panel = game.panel(strategy).play()
            state = other.start(panel.task, tuple(game.scripts))
            for event, before, after in zip(panel.events, panel.states, panel.states[1:], strict=False):
                assert state == before
                assert tuple(other.decide(state)) == tuple(strategy.decide(before))
                state = other.apply(state, event)
                assert state == after

        self.law(check, games(most=3))

    def test_ignores_what_it_does_not_know(self) -> None:
        """Events of other plugins, notices and model answers change nothing."""
        strategy = self.make()

        def check(game: Game) -> None:
            assert game.panel(strategy, noise=True).play().outcome == game.panel(strategy).play().outcome

        self.law(check, games())

    def test_shows_question_and_history(self) -> None:
        """Who is asked is shown the question, after the earlier turns of the conversation."""
        history = (Message.of("user", "the earlier question"), Message.of("assistant", "the earlier answer"))
        strategy = self.make()
        panel = Panel(
            strategy, {name: Script(mark) for name, mark in zip(NAMES, MARKS[:3], strict=False)}, question="the new question", history=history
        )
        panel.play()
        asked = [prompt for prompt in panel.prompts if "the earlier question" in prompt.text]
        assert asked
        for prompt in asked:
            assert prompt.text.index("the earlier question") < prompt.text.index("the earlier answer") < prompt.text.index("the new question")

    # Fairness

    def test_order_of_registration_does_not_matter(self) -> None:
        """Agents in another order lead to the same outcome."""
        strategy = self.make()

        def check(game: Game) -> None:
            turned = attrs.evolve(game, scripts={name: game.scripts[name] for name in reversed(tuple(game.scripts))})
            first, second = game.panel(strategy).play().outcome, turned.panel(strategy).play().outcome
            assert first is not None
            assert second is not None
            assert (second.winner, second.answer, second.status) == (first.winner, first.answer, first.status)

        self.law(check, games())

    def test_names_decide_ties_only(self) -> None:
        """Under other names the same agent wins, unless the votes were equal."""
        self.need("renaming")
        strategy = self.make(**self.patience)

        def check(game: Game) -> None:
            renamed = attrs.evolve(game, scripts=dict(zip(reversed(NAMES), game.scripts.values(), strict=False)))
            panel, other = game.panel(strategy).play(), renamed.panel(strategy).play()
            chosen = panel.of(WinnerChosen)
            if not chosen or Counter(chosen[0].votes.values())[max(chosen[0].votes.values(), default=0)] != 1:
                return
            assert panel.outcome is not None
            assert other.outcome is not None
            assert renamed.marks()[other.outcome.winner] == game.marks()[panel.outcome.winner]

        self.law(check, games(moves={"vote": st.builds(Choose, st.sampled_from(MARKS))}))

    def test_authors_and_votes_stay_hidden(self) -> None:
        """No text shown to an agent holds an agent's name, and none before the result tells how the others voted."""
        strategy = self.make()

        def check(game: Game) -> None:
            for prompt in game.panel(strategy).play().prompts:
                named = [name for name in NAMES if re.search(rf"\b{name}\b", prompt.text)]
                assert not named, f"shown to {prompt.agent} in a turn to {prompt.purpose}: {named}"
                if prompt.purpose in ("answer", "vote"):
                    assert "because of" not in prompt.text, f"{prompt.agent} is shown the reason of somebody's vote"
                    assert not re.search(r"\b\d+ (of \d+ )?votes?\b", prompt.text), f"{prompt.agent} is shown a count of votes"

        self.law(check, games(least=2))

    def test_candidates_are_shuffled_fairly(self) -> None:
        """Over many seeds a voter sees the candidates in each order equally often, and two voters' orders have nothing to do with each other."""
        self.need("candidates")
        strategy, seeds = self.make(), range(1200)
        scripts = {name: Script(mark) for name, mark in zip(NAMES, MARKS[:3], strict=False)}
        orders: list[dict[str, str]] = [self._first_orders(strategy, scripts, seed) for seed in seeds]
        for name in set(orders[0]):
            _assert_uniform([order[name] for order in orders if name in order], factorial(3))
        voters = sorted(orders[0])
        if len(voters) > 1:
            _assert_uniform([str(order[voters[0]] == order[voters[1]]) for order in orders], 2, {"True": 1 / 6, "False": 5 / 6})

    def _first_orders(self, strategy: Strategy, scripts: Mapping[str, Script], seed: int) -> dict[str, str]:
        panel = Panel(strategy, scripts, seed=seed).play()
        orders: dict[str, str] = {}
        for event in panel.events:
            if event.type == "turn.started" and event.purpose in ("vote", "judge") and event.brief:  # type: ignore[attr-defined]
                found = [re.findall(r"\[(\w+)\.\]", one.content)[0] for one in event.brief.candidates]  # type: ignore[attr-defined]
                orders.setdefault(event.agent, " ".join(found))  # type: ignore[attr-defined]
        return orders

    def test_ties_are_drawn_fairly(self) -> None:
        """Over many seeds equal agents win equally often."""
        self.need("ties")
        strategy = self.make()
        scripts = {name: Script(mark, favourite=mark) for name, mark in zip(NAMES, MARKS[:3], strict=False)}
        winners = [Panel(strategy, scripts, seed=seed).play().outcome.winner for seed in range(600)]  # type: ignore[union-attr]
        _assert_uniform(winners, 3)

    # Cost

    def test_calls_are_bounded(self) -> None:
        """Agents that do at once what they are asked for cost no more calls than promised."""
        strategy = self.make()

        def check(game: Game) -> None:
            assert game.panel(strategy).play().calls <= self.most_calls(len(game.scripts))

        self.law(check, games(moves={}))

    def test_no_run_has_more_calls_than_are_foretold(self) -> None:
        """The spec's `calls`, where there is one, bounds whatever agents do without tools of their own; who does as asked needs the usual number."""
        if not getattr(self.spec, "calls", ""):
            return
        strategy, config = self.make(), self.config({})
        count = self.plugins.resolve(self.spec.calls, kind=self.kind, name=self.name)

        def check(game: Game) -> None:
            usual, most = count(config, len(game.scripts))
            assert usual <= most
            calls = game.panel(strategy).play().calls
            assert calls <= most, f"{calls} calls of {len(game.scripts)} agents"
            assert calls <= usual or any(move for script in game.scripts.values() for move in script.moves.values())

        self.law(check, games(works=False))

    def test_early_stop_never_changes_the_winner(self) -> None:
        """Who wins by votes that are cut short would have won by all of them."""
        self.need("early stop")
        early, patient = self.make(), self.make(**self.patience)

        def check(game: Game) -> None:
            panel, other = game.panel(early).play(), game.panel(patient).play()
            assert panel.outcome is not None
            assert other.outcome is not None
            assert panel.outcome.winner == other.outcome.winner
            assert panel.calls <= other.calls + 1  # whose turn failed in the patient run presents nothing

        self.law(check, games(moves={"vote": tame()}))

    # Faults

    def test_a_run_can_be_taken_up_at_any_event(self) -> None:
        """Another process that reads any part of the journal comes to the same end, by the same events."""
        strategy, other = self.make(), self.make()

        def check(game: Game) -> None:
            panel = game.panel(strategy).play()
            for at in range(0, len(panel.events), max(1, len(panel.events) // 7)):
                second = panel.resumed(at, strategy=other).play()
                assert [event for event in second.events if not isinstance(event, RunResumed)] == panel.events
                assert panel.resumed(at, repeats_calls=True).play().outcome is not None

        self.law(check, games(most=3))

    def test_goes_on_without_those_who_fail(self) -> None:
        """One agent that works is enough for an answer."""
        self.need("several")
        strategy = self.make()
        broken = Script("mz", moves={purpose: (Break(),) for purpose in ("answer", "vote", "judge", "present")}, repeats=True)

        def check(game: Game) -> None:
            well, *others = game.scripts
            scripts = {well: game.scripts[well]} | {name: attrs.evolve(broken, mark=game.scripts[name].mark) for name in others}
            panel = Panel(strategy, scripts, seed=game.seed, order=game.order).play()
            assert panel.outcome is not None
            assert (panel.outcome.status, panel.outcome.winner) == ("answered", well)

        self.law(check, games(moves={}))

    def test_all_fail(self) -> None:
        """When all fail, the run ends as failed, says why, and keeps what text there was."""
        strategy = self.make()

        def check(game: Game) -> None:
            moves = {"answer": (Break(fault="Overloaded", reason="the server is busy", partial="half an answer"),)}
            scripts = {name: attrs.evolve(script, moves=moves, repeats=True) for name, script in game.scripts.items()}
            outcome = attrs.evolve(game, scripts=scripts).panel(strategy).play().outcome
            assert outcome is not None
            assert (outcome.status, outcome.winner, outcome.answer) == ("failed", "", "half an answer")
            assert "the server is busy" in outcome.reason

        self.law(check, games(moves={}))

    def test_a_limit_ends_the_run_with_what_exists(self) -> None:
        """After the run's limit no model is called; an answer that was given is the result."""
        strategy = self.make()

        def check(game: Game) -> None:
            for move in range(0, 24, 3):
                panel = game.panel(strategy, limits={move: _limit()}).play()
                if _limit() not in panel.events:
                    return
                before, after = panel.events[: panel.events.index(_limit())], panel.events[panel.events.index(_limit()) :]
                assert panel.outcome is not None
                assert not [event for event in after if isinstance(event, ModelRequested)]
                assert panel.outcome.status in ("partial", "failed")
                if any(isinstance(event, AnswerGiven) for event in before):
                    assert panel.outcome.status == "partial"
                    assert panel.outcome.answer in {event.content for event in panel.of(AnswerGiven, AnswerPresented)}

        self.law(check, games())

    def test_an_agents_limit_stops_that_agent(self) -> None:
        """After an agent's limit it is not asked again, its turn is stopped, and the run ends all the same."""
        strategy = self.make()

        def check(game: Game) -> None:
            agent = min(game.scripts)
            for move in range(0, 16, 3):
                panel = game.panel(strategy, limits={move: _limit(agent)}).play()
                later = panel.events[panel.events.index(_limit(agent)) :] if _limit(agent) in panel.events else []
                assert not [event for event in later if isinstance(event, ModelRequested) and event.agent == agent]
                assert panel.outcome is not None

        self.law(check, games())

    def test_votes_name_answers_that_stand(self) -> None:
        """A vote that counts names the newest answer of its choice, and the result is one of the newest answers or was presented."""
        strategy = self.make()

        def check(game: Game) -> None:
            panel = game.panel(strategy).play()
            newest: dict[str, AnswerGiven] = {}
            for event in panel.events:
                if isinstance(event, AnswerGiven):
                    assert event.number == (newest[event.agent].number if event.agent in newest else 0) + 1
                    newest[event.agent] = event
                if isinstance(event, VoteCast):
                    assert event.number == newest[event.choice].number
            assert panel.outcome is not None
            if panel.outcome.status != "failed":
                presented = [event.content for event in panel.of(AnswerPresented)]
                assert panel.outcome.answer in presented or panel.outcome.answer == newest[panel.outcome.winner].content

        self.law(check, games())

    def test_no_agents_are_refused(self) -> None:
        """A run without agents cannot start."""
        with pytest.raises(ValueError, match="agent"):
            self.make().start(Task(question="anybody?"), ())


def _assert_uniform(found: Sequence[str], kinds: int, shares: Mapping[str, float] | None = None) -> None:
    """Check by chi-square that what was found is spread evenly over so many kinds, or as `shares` says."""
    counts = Counter(found)
    expected = {kind: len(found) * (shares[kind] if shares else 1 / kinds) for kind in (shares or counts)}
    assert len(counts) == kinds, f"only {len(counts)} of {kinds} occur: {dict(counts)}"
    deviation = sum((counts[kind] - value) ** 2 / value for kind, value in expected.items())
    assert deviation < _CHI_SQUARE[kinds - 1], f"not evenly spread: {dict(counts)}"
