"""What calls cost: the user's prices, then the catalogue's, then nobody knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.catalogues import ModelInfo, base_name
from massgen_core.events import Event, NoticeGiven
from massgen_core.messages import Usage
from massgen_core.prices import Price, cost_text
from massgen_core.runtime.pricing import Pricing
from massgen_core.specs import BackendSpec

USED = Usage(input=1_000_000, output=100_000)


def dollars(amount: float) -> Price:
    return Price(input=amount, output=0.0)


class Listed:
    """Plugins of one backend whose catalogue is given; None: it breaks."""

    def __init__(self, models: Sequence[ModelInfo] | None = ()) -> None:
        self.listed, self.asked = models, 0

    def get(self, kind: str, name: str) -> BackendSpec:
        return BackendSpec(name=name, factory="nowhere:nothing", catalogue="nowhere:nothing")

    def resolve(self, reference: str, *, kind: str, name: str) -> Listed:
        return self

    def models(self) -> Sequence[ModelInfo]:
        self.asked += 1
        if self.listed is None:
            raise OSError("the list is torn")
        return self.listed


def cost(
    model: str,
    *models: ModelInfo,
    own: Mapping[str, Price] | None = None,
    options: Mapping[str, Any] | None = None,
    usage: Usage = USED,
) -> float | None:
    plugins: Any = Listed(models)
    return Pricing(plugins, own or {}, lambda event: None).of("b", options or {})(usage, model).cost


@pytest.mark.parametrize(
    ("model", "base"),
    [
        ("gpt-x-2026-01-31", "gpt-x"),
        ("claude-y-4-20250514", "claude-y-4"),
        ("claude-y-4@20250514", "claude-y-4"),
        ("claude-y-latest", "claude-y"),
        ("gemini-z-preview-05-20", "gemini-z-preview"),
        ("gemini-z-preview-09-2025", "gemini-z-preview"),
        ("models/gemini-z-001", "gemini-z"),
        ("Vendor/Model", "vendor/model"),
        ("gpt-x-mini", "gpt-x-mini"),
        ("gpt-4.1", "gpt-4.1"),
        ("o3", "o3"),
        ("model-70b", "model-70b"),
    ],
)
def test_builds_of_a_model_have_its_name(model: str, base: str) -> None:
    """Dates and numbers of builds are no part of a name; sizes and generations are."""
    assert base == base_name(model)


def test_the_catalogue_prices_the_model_that_answered() -> None:
    """An exact name comes first, then the same model under the date of a build; a smaller model is another one."""
    known = (
        ModelInfo(name="gpt-x", price=dollars(2)),
        ModelInfo(name="gpt-x-2026-01-31", price=dollars(3)),
        ModelInfo(name="gpt-x-mini", price=dollars(1)),
    )

    assert [cost(name, *known) for name in ("gpt-x", "gpt-x-2026-01-31", "gpt-x-2025-12-24", "gpt-x-mini-2025-12-24")] == [2, 3, 2, 1]
    assert [cost(name, *known) for name in ("gpt-x-nano", "gpt", "")] == [None] * 3


def test_the_users_price_comes_first() -> None:
    """A backend's model, a model, a pattern, the catalogue: in this order."""
    listed = ModelInfo(name="m", price=dollars(1))

    assert cost("m", listed, own={"m": dollars(2), "b/m": dollars(3), "*": dollars(4)}) == 3
    assert cost("m", listed, own={"m": dollars(2), "c/m": dollars(3)}) == 2
    assert cost("m-20260131", listed, own={"b/m": dollars(5)}) == 5
    assert cost("m", listed, own={"b/*": dollars(0), "*": dollars(9)}) == 0
    assert cost("m", listed, own={"other": dollars(2)}) == 1


def test_what_a_backend_says_counts() -> None:
    """A cost that came with the answer stays, and calls that used nothing cost nothing to compute."""
    assert cost("m", own={"m": dollars(2)}, usage=Usage(input=5, cost=0.25)) == 0.25
    assert cost("m", own={"m": dollars(2)}, usage=Usage()) is None


def test_prices_of_other_options_do_not_count() -> None:
    """One model has a price with each provider that a backend reaches."""
    models = tuple(ModelInfo(name="m", price=dollars(price), options={"preset": preset}) for preset, price in (("a", 1), ("b", 2)))

    assert [cost("m", *models, options=options) for options in ({"preset": "a"}, {"preset": "b"}, {"preset": "c"}, {})] == [1, 2, None, None]


def test_a_backend_before_another_costs_what_the_other_costs() -> None:
    """Recorded calls have the price of the backend that made them, unless the user says otherwise."""

    class Nested(Listed):
        def get(self, kind: str, name: str) -> BackendSpec:
            return BackendSpec(name=name, factory="nowhere:nothing", catalogue="nowhere:nothing" if name == "real" else "")

    plugins: Any = Nested((ModelInfo(name="m", price=dollars(2), options={"preset": "p"}),))
    options = {"mode": "record", "backend": {"type": "real", "preset": "p"}}

    assert Pricing(plugins, {}, lambda event: None).of("replay", options)(USED, "m").cost == 2
    assert Pricing(plugins, {"real/m": dollars(3)}, lambda event: None).of("replay", options)(USED, "m").cost == 3
    assert Pricing(plugins, {}, lambda event: None).of("replay", {"backend": {"type": "real"}})(USED, "m").cost is None


def test_models_of_this_machine_cost_nothing() -> None:
    """What was pulled is free; what would have to be fetched says nothing."""
    assert cost("m", ModelInfo(name="m", is_local=True)) == 0
    assert cost("m", ModelInfo(name="m")) is None


def test_a_broken_catalogue_is_told_once() -> None:
    """A catalogue that fails costs no call; its prices are unknown, and somebody hears of it."""
    told: list[Event] = []
    plugins: Any = Listed(None)
    priced = Pricing(plugins, {}, told.append).of("b", {})

    assert [priced(USED, name).cost for name in ("m", "n", "m")] == [None] * 3
    assert plugins.asked == 1
    (notice,) = told
    assert isinstance(notice, NoticeGiven)
    assert "the list is torn" in notice.text


def test_a_limit_of_money_says_what_it_cannot_count() -> None:
    """Where money is limited, a model without a price is named, once."""
    told: list[Event] = []
    plugins: Any = Listed()
    pricing = Pricing(plugins, {"known": dollars(1)}, told.append, is_limited=True)
    for priced in (pricing.of("b", {}), pricing.of("b", {})):
        for name in ("known", "odd", "odd"):
            priced(USED, name)

    (notice,) = told
    assert isinstance(notice, NoticeGiven)
    assert "the price of 'odd' is not known" in notice.text


def test_each_kind_of_token_has_its_price() -> None:
    """Cached and written input and reasoning have prices of their own, or those of input and output."""
    usage = Usage(input=1_000_000, cached=2_000_000, written=1_000_000, output=1_000_000, reasoning=3_000_000)

    assert Price(input=1, output=10).of(usage) == 1 + 2 + 1 + 10 + 30
    assert Price(input=1, output=10, cached=0.1, written=1.25, reasoning=20).of(usage) == pytest.approx(1 + 0.2 + 1.25 + 10 + 60)


def test_what_is_not_known_is_said() -> None:
    """A sum of known and unknown costs is a part, and says so; nothing unknown counts as nothing."""
    known, unknown = Usage(input=10, cost=0.5), Usage(input=7)

    assert [cost_text(usage) for usage in (Usage(), unknown, known)] == ["", "cost unknown", "$0.5000"]
    assert cost_text(known + unknown) == cost_text(unknown + known) == "at least $0.5000"
    assert (known + unknown).unpriced == 7
    assert cost_text(unknown + unknown) == "cost unknown"
    assert (unknown + unknown).unpriced == 0, "a price that is found later holds for all of it"
    assert cost_text(Usage() + known) == "$0.5000"


USAGES = st.builds(Usage, input=st.integers(0, 9), output=st.integers(0, 9), cost=st.none() | st.integers(0, 4).map(float))


@given(st.lists(USAGES, max_size=6), st.randoms())
def test_sums_do_not_depend_on_order(usages: list[Usage], random: Any) -> None:
    """Whatever the order, a sum has the same tokens, the same cost and the same part that is not known."""
    shuffled = list(usages)
    random.shuffle(shuffled)
    total = sum(usages, Usage())

    assert total == sum(shuffled, Usage())
    if total.cost is not None:
        assert total.unpriced == sum(usage.total for usage in usages if usage.cost is None)
