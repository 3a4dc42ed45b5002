"""What is refused, and what is counted."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.api import (
    BudgetExceeded,
    LimitReached,
    Message,
    ModelAnswer,
    ModelCall,
    ModelFailed,
    ModelRequest,
    NoticeGiven,
    Overloaded,
    Price,
    Usage,
)
from massgen_middleware_basic.budget import Budget, Ledger, keep, open_budget
from massgen_middleware_basic.config import BudgetConfig
from massgen_testkit import PlainContext

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Spender:
    """Answers with a fixed usage and counts its calls."""

    def __init__(self, usage: Usage, *, model: str = "", is_cached: bool = False) -> None:
        self.answer = ModelAnswer(message=Message.of("assistant", "4"), stop="stop", usage=usage, model=model, is_cached=is_cached)
        self.calls = 0

    async def __call__(self, request: ModelCall) -> ModelAnswer:
        self.calls += 1
        return self.answer


def call(context: PlainContext, agent: str = "ann", model: str = "m") -> ModelCall:
    return ModelCall(request=ModelRequest(model=model, messages=()), agent=agent, turn=1, backend="b", emit=context.emit)


async def spend(budget: Budget, context: PlainContext, spender: Spender, agent: str = "ann", times: int = 20) -> str:
    """Call until the budget refuses; return the refusal."""
    for _ in range(times):
        try:
            await budget(call(context, agent), spender)
        except BudgetExceeded as fault:
            return str(fault)
    return ""


async def test_calls_are_refused_once_the_runs_tokens_are_used_up(context: PlainContext) -> None:
    """The call that comes after the limit is not made; the error says what was spent and which option to raise; the event comes once."""
    budget, spender = open_budget(BudgetConfig(tokens=100), context), Spender(Usage(input=30, output=10))

    assert await spend(budget, context, spender) == (
        "the budget of the run is used up (120 of 100 tokens); raise 'tokens' of middleware 'budget' to go on"
    )
    assert await spend(budget, context, spender, agent="bob")
    assert spender.calls == 3
    assert context.records.events == [LimitReached(what="tokens", limit=100, agent="")]


async def test_each_agent_has_a_budget_of_its_own(context: PlainContext) -> None:
    """One agent's spending does not touch another's."""
    budget, spender = open_budget(BudgetConfig(agent_money=0.25), context), Spender(Usage(cost=0.1))

    assert "the budget of agent 'ann' is used up ($0.3000 of $0.2500); raise 'agent_money'" in await spend(budget, context, spender)
    assert await spend(budget, context, spender, agent="bob", times=2) == ""
    assert context.records.events == [LimitReached(what="money", limit=0.25, agent="ann")]


async def test_prices_make_money_of_tokens(context: PlainContext) -> None:
    """Where the backend reports no cost, the price list does; reasoning costs as output, cached input as listed."""
    prices = {"m": Price(input=10, output=100, cached=1)}
    budget = open_budget(BudgetConfig(money=1, prices=prices), context)
    usage = Usage(input=10_000, cached=100_000, written=10_000, output=1000, reasoning=1000)

    assert "$1.0000 of $1.0000" in await spend(budget, context, Spender(usage))


async def test_an_unknown_price_is_said_once(context: PlainContext) -> None:
    """A budget of money cannot see calls without a price, and does not pretend that it can."""
    budget = open_budget(BudgetConfig(money=1), context)
    await spend(budget, context, Spender(Usage(input=5), model="acme-large"), times=3)

    assert [event.text for event in context.records.of(NoticeGiven)] == [
        "the price of 'acme-large' is not known, so its calls do not count against the budget of money; give it in `prices` of the configuration"
    ]


async def test_failed_attempts_count_and_cached_answers_do_not(context: PlainContext) -> None:
    """What a failed attempt used was paid for; an answer from a cache was not."""
    budget = open_budget(BudgetConfig(tokens=100), context)

    async def failing(request: ModelCall) -> ModelAnswer:
        request.emit(ModelFailed(agent="ann", turn=1, call=1, fault="Overloaded", reason="busy", usage=Usage(input=60)))
        raise Overloaded("busy")

    await spend(budget, context, Spender(Usage(input=90), is_cached=True), times=5)
    for _ in range(2):
        with pytest.raises(Overloaded):
            await budget(call(context), failing)

    assert "120 of 100 tokens" in await spend(budget, context, Spender(Usage()))
    assert len(context.records.of(ModelFailed)) == 2


async def test_a_resumed_run_goes_on_counting(context: PlainContext) -> None:
    """Spending is kept beside the run; what a crash tore off counts as nothing, and spoils nothing that comes after it."""
    config = BudgetConfig(tokens=100, agent_money=5)
    await spend(open_budget(config, context), context, Spender(Usage(input=60, cost=1)), times=2)
    kept = context.folder / "budget" / "spent.jsonl"

    assert await spend(open_budget(config, context), context, Spender(Usage()), times=1)
    kept.write_bytes(kept.read_bytes()[:-9])
    torn = open_budget(config, context)
    assert not await spend(torn, context, Spender(Usage(input=60)), times=1)
    assert await spend(open_budget(config, context), context, Spender(Usage()), times=1)


async def test_a_folder_that_cannot_be_written_harms_no_run(context: PlainContext, tmp_path: Path) -> None:
    """The calls go on and a notice says what a resumed run will not know."""
    (tmp_path / "file").write_text("")
    budget = Budget(BudgetConfig(tokens=100), tmp_path / "file" / "spent.jsonl")

    assert await spend(budget, context, Spender(Usage(input=60)))
    assert len(context.records.of(NoticeGiven)) == 1


async def test_what_is_under_way_may_overrun(context: PlainContext) -> None:
    """Calls that began before the budget was used up end as usual; none begins afterwards."""
    budget, released = open_budget(BudgetConfig(tokens=100), context), anyio.Event()
    spender = Spender(Usage(input=60))

    async def slow(request: ModelCall) -> ModelAnswer:
        await released.wait()
        return await spender(request)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(budget, call(context), slow)
        await anyio.wait_all_tasks_blocked()
        released.set()

    assert spender.calls == 3
    assert "180 of 100 tokens" in await spend(budget, context, spender)


amounts = st.none() | st.integers(0, 50)


@given(
    st.builds(BudgetConfig, tokens=amounts, agent_tokens=amounts, money=amounts, agent_money=amounts),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20), st.integers(0, 20)), max_size=30),
)
def test_a_ledger_refuses_exactly_what_is_used_up(config: BudgetConfig, spent: list[tuple[str, int, int]]) -> None:
    """After any spending a call is refused if and only if one of its budgets is used up, and the refusal names that one."""
    ledger = Ledger()
    for agent, tokens, money in spent:
        ledger.add(agent, tokens, money)
    for agent in "abcd":
        own = [(tokens, money) for name, tokens, money in spent if name == agent]
        used = {
            "agent_tokens": sum(tokens for tokens, _ in own),
            "agent_money": sum(money for _, money in own),
            "tokens": sum(tokens for _, tokens, _ in spent),
            "money": sum(money for _, _, money in spent),
        }
        over = [option for option, amount in used.items() if (limit := getattr(config, option)) is not None and amount >= limit]
        breach = ledger.breach(config, agent)

        assert (breach is not None) == bool(over)
        assert breach is None or f"raise {over[0]!r}" in str(breach)


@given(st.lists(st.tuples(st.text(max_size=5), st.integers(0, 10**12), st.floats(0, 1e6)), max_size=8))
def test_a_ledger_is_read_as_it_was_kept(tmp_path_factory: pytest.TempPathFactory, spent: list[tuple[str, int, float]]) -> None:
    """Whatever was spent comes back from its file."""
    path, ledger = tmp_path_factory.mktemp("ledger") / "spent.jsonl", Ledger()
    for agent, tokens, money in spent:
        keep(path, agent, tokens, money)
        ledger.add(agent, tokens, money)

    assert Ledger.read(path) == ledger
