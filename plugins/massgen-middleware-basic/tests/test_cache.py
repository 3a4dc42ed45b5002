"""What is kept, for how long, and what becomes of damage."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgen_core.api import (
    Message,
    ModelAnswer,
    ModelCall,
    ModelRequest,
    NoticeGiven,
    ProviderItem,
    Reasoning,
    Sampling,
    StopReason,
    Text,
    ToolCall,
    Usage,
)
from massgen_middleware_basic.cache import Answers, Cache, excess, is_kept, open_cache
from massgen_middleware_basic.config import CacheConfig
from massgen_testkit import PlainContext

pytestmark = pytest.mark.anyio
GREEDY = Sampling(temperature=0)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Model:
    """Says which call this is."""

    def __init__(self, stop: StopReason = "stop") -> None:
        self.calls, self.stop = 0, stop

    async def __call__(self, request: ModelCall) -> ModelAnswer:
        self.calls += 1
        usage = Usage(input=10, output=2, cost=0.5)
        return ModelAnswer(message=Message.of("assistant", f"answer {self.calls}"), stop=self.stop, usage=usage, model="m-1")


def opened(tmp_path: Path, **options: object) -> Cache:
    return open_cache(CacheConfig(folder=str(tmp_path / "answers"), **options), PlainContext(folder=tmp_path))  # type: ignore[arg-type]


def call(
    context: PlainContext, text: str = "2 + 2?", *, sampling: Sampling = GREEDY, agent: str = "ann", backend: str = "b", **fields: object
) -> ModelCall:
    request = ModelRequest(messages=(Message.of("user", text),), sampling=sampling, metadata={"agent": agent}, **fields)  # type: ignore[arg-type]
    return ModelCall(request=request, agent=agent, turn=1, backend=backend, emit=context.emit)


async def said(cache: Cache, model: Model, request: ModelCall) -> str:
    return (await cache(request, model)).message.text


async def test_the_same_request_is_answered_from_disk(tmp_path: Path, context: PlainContext) -> None:
    """Another agent of another process gets the same message without a call; it is marked, and cost nothing."""
    model = Model()
    first = await opened(tmp_path)(call(context), model)
    again = await opened(tmp_path)(call(context, agent="bob"), model)

    assert model.calls == 1
    assert again == attrs.evolve(first, usage=Usage(), is_cached=True)


async def test_a_different_request_is_a_new_call(tmp_path: Path, context: PlainContext) -> None:
    """Another question, another backend or another option is something else."""
    cache, model = opened(tmp_path), Model()
    requests = [call(context), call(context, "3 + 3?"), call(context, backend="c"), call(context, options={"x": 1}), call(context, model="m")]

    assert [await said(cache, model, request) for request in requests] == [f"answer {number}" for number in range(1, 6)]


@pytest.mark.parametrize(("sampling", "calls"), [(GREEDY, 1), (Sampling(seed=7), 1), (Sampling(), 2), (Sampling(temperature=0.7), 2)])
async def test_only_what_draws_no_lots_is_kept(tmp_path: Path, context: PlainContext, sampling: Sampling, calls: int) -> None:
    """Without temperature 0 or a seed a request asks for a draw, and gets one."""
    cache, model = opened(tmp_path), Model()
    for _ in range(2):
        await cache(call(context, sampling=sampling), model)

    assert model.calls == calls


async def test_always_keeps_each_agents_own_draw(tmp_path: Path, context: PlainContext) -> None:
    """Agents that are asked the same in order to differ still differ, in this run and the next."""
    model = Model()
    for _ in range(2):
        cache = opened(tmp_path, always=True)
        answers = [await said(cache, model, call(context, sampling=Sampling(), agent=agent)) for agent in ("ann", "bob")]

        assert answers == ["answer 1", "answer 2"]


@pytest.mark.parametrize("stop", ["refused", "filtered", "length", "cancelled"])
async def test_what_may_come_out_better_is_not_kept(tmp_path: Path, context: PlainContext, stop: StopReason) -> None:
    """Refused, filtered and cut answers are asked for again."""
    cache, model = opened(tmp_path), Model(stop)
    for _ in range(2):
        await cache(call(context), model)

    assert model.calls == 2


def test_items_and_empty_answers_are_not_kept() -> None:
    """Signed thoughts stand for something that only the provider knows, and nothing is no answer."""
    item = ProviderItem(backend="b", item={})
    for content, kept in (((Text(text="4"),), True), ((Text(text="4"), item), False), ((), False)):
        assert is_kept(ModelAnswer(message=Message(role="assistant", content=content), stop="stop")) is kept


async def test_what_has_no_name_is_not_kept(tmp_path: Path, context: PlainContext) -> None:
    """Options without a JSON form pass through."""
    cache, model = opened(tmp_path), Model()
    for _ in range(2):
        await cache(call(context, options={"x": object()}), model)

    assert model.calls == 2


async def test_a_disk_that_fails_harms_no_run(tmp_path: Path, context: PlainContext) -> None:
    """Answers that cannot be kept are told once and the run goes on."""
    (tmp_path / "answers").write_text("a file where the folder should be")
    cache, model = opened(tmp_path), Model()
    for number in range(3):
        await cache(call(context, str(number)), model)

    assert model.calls == 3
    assert len(context.records.of(NoticeGiven)) == 1


async def test_entries_are_their_owners(tmp_path: Path, context: PlainContext) -> None:
    """Answers are private."""
    await opened(tmp_path)(call(context), Model())
    modes = [(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in (tmp_path / "answers").rglob("*")]

    assert sorted(modes) == [(False, 0o600), (True, 0o700)]


parts = st.lists(
    st.builds(Text, text=st.text(max_size=20))
    | st.builds(Reasoning, text=st.text(max_size=20))
    | st.builds(ToolCall, id=st.text(max_size=4), name=st.text(max_size=4), arguments=st.text(max_size=20)),
    min_size=1,
    max_size=4,
)
answers = st.builds(
    ModelAnswer,
    message=parts.map(lambda content: Message(role="assistant", content=tuple(content))),
    stop=st.sampled_from(["stop", "tools"]),
    model=st.text(max_size=5),
)
KEY = "ab" + "0" * 62


@given(answers)
def test_answers_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, answer: ModelAnswer) -> None:
    """Text of any script, half surrogates included, reasoning and calls survive the disk."""
    store = Answers(tmp_path_factory.getbasetemp() / "answers", 10**8)
    store.put(KEY, answer)

    assert store.get(KEY) == answer


@given(answers, st.data())
@settings(max_examples=200)
def test_a_damaged_entry_is_no_entry(tmp_path_factory: pytest.TempPathFactory, answer: ModelAnswer, data: st.DataObject) -> None:
    """Whatever byte is changed, and wherever a file is cut, nothing wrong is ever answered."""
    folder = tmp_path_factory.getbasetemp() / "damaged"
    store = Answers(folder, 10**8)
    store.put(KEY, answer)
    path = folder / KEY[:2] / f"{KEY[2:]}.json"
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[at] ^= data.draw(st.integers(1, 255))
    else:
        del content[at:]
    path.write_bytes(content)

    assert store.get(KEY) in (None, answer)


@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 50), st.text(max_size=3)), max_size=20, unique_by=lambda entry: entry[2]),
    st.integers(0, 200),
)
def test_room_is_made_for_no_more_than_needed(entries: list[tuple[float, int, str]], size: int) -> None:
    """What stays fits; without the last deletion it would not; nothing that stays is older than what goes."""
    gone = excess(entries, size)
    kept = [entry for entry in entries if entry[2] not in gone]
    lengths = {name: length for _, length, name in entries}

    assert sum(length for _, length, _ in kept) <= size
    if gone:
        assert sum(length for _, length, _ in kept) + lengths[gone[-1]] > size
        assert all(entry <= other for entry in entries if entry[2] in gone for other in kept)


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    """Within one folder reading an entry saves it, and the size holds."""
    answer = ModelAnswer(message=Message.of("assistant", "x" * 300), stop="stop")
    store = Answers(tmp_path, 256 * 1000)
    keys = [f"ab{number:062d}" for number in range(3)]
    for age, key in enumerate(keys[:2]):
        store.put(key, answer)
        os.utime(tmp_path / "ab" / f"{key[2:]}.json", (1000 + age, 1000 + age))
    assert store.get(keys[0]) == answer
    store.put(keys[2], answer)

    assert [store.get(key) is not None for key in keys] == [True, False, True]


def test_what_is_too_large_is_not_kept(tmp_path: Path) -> None:
    """An answer that would fill its folder alone is not written at all."""
    store = Answers(tmp_path, 256 * 1000)
    store.put(KEY, ModelAnswer(message=Message.of("assistant", "x" * 2000), stop="stop"))

    assert store.get(KEY) is None
    assert list(tmp_path.iterdir()) == []
