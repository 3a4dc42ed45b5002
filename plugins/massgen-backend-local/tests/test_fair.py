"""The queue takes turns."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_backend_local.fair import FairQueue, Full

OWNERS = st.sampled_from("abcd")
# Put for an owner, take, or give up an owner's oldest item.
STEPS = st.lists(
    st.one_of(OWNERS.map(lambda owner: ("put", owner)), st.just(("take", "")), OWNERS.map(lambda owner: ("give up", owner))), max_size=60
)


@given(STEPS)
def test_every_owner_gets_its_turn(steps: list[tuple[str, str]]) -> None:
    """Items of an owner keep their order, nothing is lost, and while somebody waits nobody else is served twice."""
    queue: FairQueue[tuple[str, int]] = FairQueue(1000)
    waiting: dict[str, list[tuple[str, int]]] = {}
    since: dict[str, Counter[str]] = {}
    for number, (step, owner) in enumerate(steps):
        if step == "put":
            if not waiting.get(owner):
                since[owner] = Counter()
            waiting.setdefault(owner, []).append((owner, number))
            queue.put(owner, (owner, number))
        elif step == "give up":
            item = waiting[owner].pop(0) if waiting.get(owner) else (owner, -1)
            assert queue.remove(owner, item) == (item[1] >= 0)
        elif any(waiting.values()):
            served = queue.take()
            assert served == waiting[served[0]].pop(0)
            since[served[0]] = Counter()
            for other, counts in since.items():
                if waiting.get(other) and other != served[0]:
                    counts[served[0]] += 1
                    assert counts[served[0]] <= 1
        else:
            with pytest.raises(IndexError):
                queue.take()
        assert len(queue) == sum(map(len, waiting.values()))


def test_a_busy_owner_does_not_hold_up_another() -> None:
    """Whoever comes with one item after somebody's ten is served second."""
    queue: FairQueue[str] = FairQueue(20)
    for number in range(10):
        queue.put("many", f"many {number}")
    queue.put("one", "one")

    assert [queue.take() for _ in range(3)] == ["many 0", "one", "many 1"]


def test_the_bound_holds() -> None:
    """What does not fit is refused; a place that becomes free can be taken."""
    queue: FairQueue[int] = FairQueue(2)
    queue.put("a", 1)
    queue.put("b", 2)
    with pytest.raises(Full):
        queue.put("c", 3)
    queue.take()
    queue.put("c", 3)

    assert len(queue) == 2
