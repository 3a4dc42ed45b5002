"""Equal requests have one name, different ones have two."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.api import (
    Brief,
    Candidate,
    Image,
    Message,
    ModelRequest,
    ProviderItem,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    canonical_request,
    fingerprint,
)

REQUEST = ModelRequest(
    model="m",
    messages=(
        Message.of("system", "Be brief."),
        Message(role="user", content=(Text(text="What is it?"), Image(media_type="image/png", data="QUJD"))),
        Message(role="assistant", content=(ProviderItem(backend="b", item={"k": [1, None]}), ToolCall(id="1", name="look"))),
        Message(role="tool", content=(ToolResult(call="1", content=(Text(text="a cat"),)),)),
    ),
    tools=(Tool(name="look", parameters={"type": "object", "properties": {"a": {}, "b": {}}}),),
    sampling=Sampling(temperature=0.0, seed=7),
    brief=Brief(purpose="answer", question="What is it?", candidates=(Candidate(label="agent1", content="a dog"),)),
    metadata={"agent": "ann"},
    options={"x": 1, "y": {"p": 1.5, "q": "é"}},
)


def test_it_is_the_same_in_every_version() -> None:
    """The name of a known request never changes: recordings made earlier are still found."""
    assert fingerprint(ModelRequest(messages=(Message.of("user", "Hi"),))) == "482326150b3c8d5381ca0ec569638d65e54613326dce296339b5b510c251a3c4"
    assert canonical_request(ModelRequest(messages=(Message.of("user", "Hi"),))) == (
        b'{"messages":[{"content":[{"text":"Hi","type":"text"}],"role":"user"}]}'
    )


def test_metadata_and_the_order_of_keys_do_not_matter() -> None:
    """Who asks, and how a mapping was written, leave the name as it is; so does a number's notation."""
    other = attrs.evolve(
        REQUEST,
        metadata={"agent": "bob", "turn": "3"},
        options={"y": {"q": "é", "p": 1.5}, "x": 1.0},
        sampling=Sampling(temperature=0, seed=7),
    )

    assert fingerprint(other) == fingerprint(REQUEST)


CHANGES: list[dict[str, Any]] = [
    {"model": "n"},
    {"messages": REQUEST.messages[:-1]},
    {"messages": (*REQUEST.messages[:-1], Message(role="tool", content=(ToolResult(call="1", content=(Text(text="a cat"),), is_error=True),)))},
    {"tools": ()},
    {"tool_choice": "none"},
    {"response_schema": {"type": "object"}},
    {"sampling": Sampling(temperature=0.1, seed=7)},
    {"sampling": Sampling(seed=7)},
    {"reasoning_effort": "low"},
    {"brief": None},
    {"options": {"x": True, "y": {"p": 1.5, "q": "é"}}},
]


def test_everything_else_matters() -> None:
    """Each change of what is asked gives another name."""
    names = {fingerprint(REQUEST), *(fingerprint(attrs.evolve(REQUEST, **change)) for change in CHANGES)}

    assert len(names) == len(CHANGES) + 1


def test_what_has_no_json_form_is_refused() -> None:
    """An object in the options raises rather than getting a name that changes with each process."""
    with pytest.raises(TypeError):
        fingerprint(attrs.evolve(REQUEST, options={"x": object()}))


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), plain, max_size=4))
def test_options_survive_a_round_trip_through_json(options: dict[str, Any]) -> None:
    """Options that were written to a file and read again give the same name: recordings can be compared across processes."""
    again = json.loads(json.dumps(options))

    assert fingerprint(attrs.evolve(REQUEST, options=again)) == fingerprint(attrs.evolve(REQUEST, options=options))


@given(st.lists(st.text(max_size=6), max_size=4), st.lists(st.text(max_size=6), max_size=4))
def test_conversations_do_not_collide(one: list[str], other: list[str]) -> None:
    """Two conversations share a name only if they are equal, however their texts are cut."""
    names = [fingerprint(ModelRequest(messages=tuple(Message.of("user", text) for text in texts))) for texts in (one, other)]

    assert (names[0] == names[1]) == (one == other)
