"""Scripts as people write them, right and wrong."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_backend_scripted.script import FAULTS, Script, read
from massgen_core.api import ConfigProblem


def test_nothing_is_an_empty_script() -> None:
    """Without any source there are no steps and no default."""
    assert read() == Script()


def test_yaml_json_and_inline_say_the_same(tmp_path: Path) -> None:
    """A script means the same in each of its three forms; only the steps' places differ."""
    data = {"agents": {"ann": [{"answer": "Paris", "delay": 1, "repeat": 2}, "plain"]}, "default": {"vote": "first"}}
    (tmp_path / "s.json").write_text(json.dumps(data))
    (tmp_path / "s.yaml").write_text("agents:\n  ann:\n  - {answer: Paris, delay: 1, repeat: 2}\n  - plain\ndefault: {vote: first}\n")
    scripts = [read(str(tmp_path / "s.json")), read(str(tmp_path / "s.yaml")), read(script=data)]

    assert [[step.answer or step.text for step in script.steps("ann")] for script in scripts] == [["Paris", "plain"]] * 3
    assert [script.steps("ann")[0].repeat for script in scripts] == [2, 2, 2]
    assert [script.default.vote.position for script in scripts if script.default and script.default.vote] == ["first"] * 3


def test_star_stands_for_agents_that_are_not_named() -> None:
    """Steps of `*` serve every agent without steps of its own."""
    script = read(script={"agents": {"ann": ["a"], "*": ["b"]}})

    assert [script.steps(agent)[0].text for agent in ("ann", "bob")] == ["a", "b"]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"txt": "x"}, r"steps\[0\]: 'txt' is not known here, perhaps 'text' was meant \(known: answer,"),
        ({"purpose": "dance"}, r"steps\[0\]\.purpose: 'dance' is not known here \(known: answer, judge, present, vote\)"),
        ({"delay": -1}, r"steps\[0\]\.delay: a number of at least 0 is needed, not -1"),
        ({"delay": float("inf")}, r"a number of at least 0"),
        ({"turn": 1.5}, r"a whole number of at least 0 is needed"),
        ({"repeat": True}, r"a whole number"),
        ({"text": 5}, r"steps\[0\]\.text: a text is needed, not 5"),
        ({"calls": {}}, r"steps\[0\]\.calls: a list is needed"),
        ({"calls": [{"arguments": {}}]}, r"steps\[0\]\.calls\[0\]: a call needs the tool's `name`"),
        ({"fault": "rate_limit"}, r"perhaps 'rate_limited' was meant"),
        ({"fault": {"type": "stall", "when": 3}}, r"steps\[0\]\.fault: 'when' is not known here"),
        ({"vote": {}}, r"name either `label` or `content_contains`"),
        ({1: "x"}, r"the key 1 is not a text"),
        (7, r"steps\[0\]: a mapping is needed, not 7"),
    ],
)
def test_a_mistake_is_named_with_its_place(step: object, message: str) -> None:
    """A wrong key or value raises one problem that says where it is and what is known."""
    with pytest.raises(ConfigProblem, match=message):
        read(steps=[step])


def test_a_missing_file_says_which_and_from_where(tmp_path: Path) -> None:
    """The message names the file, the reason and the folder that relative names start from."""
    with pytest.raises(ConfigProblem, match=r"nowhere\.yaml: cannot read this script: No such file or directory; `file` is relative to the folder"):
        read(str(tmp_path / "nowhere.yaml"))


@pytest.mark.parametrize(
    ("name", "content", "message"), [("s.json", b"{", "not valid JSON"), ("s.yml", b"a: [", "not valid YAML"), ("s.yml", b"\xff", "UTF-8")]
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """Broken JSON, broken YAML and bytes that are no text are told apart."""
    (tmp_path / name).write_bytes(content)

    with pytest.raises(ConfigProblem, match=rf"{name}: .*{message}"):
        read(str(tmp_path / name))


def test_one_source_at_a_time() -> None:
    """Two sources are refused rather than merged."""
    with pytest.raises(ConfigProblem, match="keep one of them"):
        read(file="x", steps=["y"])


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(sorted(FAULTS)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["agents", "default", "*", "text", "fault", "type", "calls", "name", "vote", "usage", "input"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(plain)
def test_any_plain_data_is_read_or_refused(data: object) -> None:
    """Whatever a file holds, the result is a script or a `ConfigProblem`, never another error."""
    with contextlib.suppress(ConfigProblem):
        assert isinstance(read(script={"agents": data, "default": data}), Script)
