"""`include`: the same as layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from massgen_core.config.include import MAX_INCLUDE_DEPTH
from massgen_core.config.load import Loaded
from massgen_core.errors import ConfigProblem, ConfigProblems

Loading = Callable[..., Loaded]

ONE = "agents: [{name: one, backend: {type: acme, port: 1}}]\n"


@pytest.fixture
def beside(tmp_path: Path) -> Callable[..., None]:
    """Write files beside the configuration that `loading(config=...)` reads."""

    def write(**files: str) -> None:
        (tmp_path / "project").mkdir(exist_ok=True)
        for name, text in files.items():
            path = tmp_path / "project" / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    return write


def only(loading: Loading, **options: Any) -> ConfigProblem:
    with pytest.raises(ConfigProblems) as caught:
        loading(**options)
    (problem,) = caught.value.problems
    return problem


def test_a_file_lies_on_top_of_what_it_includes(loading: Loading, beside: Callable[..., None]) -> None:
    """The first is the lowest; each value says which file it is of."""
    beside(low=ONE + "limits: {calls: 1, tokens: 1, money: 1}\n", high="limits: {calls: 2, tokens: 2}\n")

    loaded = loading(config="version: 1\ninclude: [low.yaml, high.yaml]\nlimits: {calls: 3}\n")

    assert (loaded.config.limits.calls, loaded.config.limits.tokens, loaded.config.limits.money) == (3, 2, 1)
    origins = {key: loaded.origins[f"limits.{key}"].rpartition("/")[2] for key in ("calls", "tokens", "money")}
    assert origins == {"calls": "chosen.yaml:3:17", "tokens": "high.yaml:1:28", "money": "low.yaml:2:38"}
    assert loaded.document["include"] == []


def test_files_are_looked_for_beside_the_file_that_names_them(loading: Loading, beside: Callable[..., None]) -> None:
    """Also in folders below."""
    beside(parts__all="include: [agents.yaml]\n", parts__agents=ONE)

    assert loading(config="version: 1\ninclude: [parts/all.yaml]\n").config.agents[0].name == "one"


@pytest.mark.parametrize(
    ("files", "message", "where"),
    [
        ({"a": "include: [a.yaml]\n"}, "this file includes itself", "a.yaml:1:11"),
        ({"a": "include: [b.yaml]\n", "b": "seed: 1\ninclude: [a.yaml]\n"}, "include each other: a.yaml → b.yaml → a.yaml", "b.yaml:2:11"),
        ({"a": "include: [../project/chosen.yaml]\n"}, "include each other", "a.yaml:1:11"),
        ({"a": "include: [gone.yaml]\n"}, "there is no file", "a.yaml:1:11"),
        ({"a": "include: gone.yaml\n"}, "expected a list of files", "a.yaml:1:10"),
        ({"a": "include: [1]\n"}, "expected a list of files", "a.yaml:1:10"),
        ({"a": "- 1\n"}, "is no mapping", "chosen.yaml:2:11"),
        ({"a": "version: 2\n"}, "an included file has today's format", "a.yaml:1:10"),
        ({"a": "seed: x\n"}, "expected a whole number", "a.yaml:1:7"),
        ({"a": "seed: [\n"}, "not YAML", "a.yaml:2:1"),
    ],
)
def test_what_cannot_be_included_is_told_with_its_place(
    loading: Loading, beside: Callable[..., None], files: dict[str, str], message: str, where: str
) -> None:
    """In the file that is wrong, at the line that is."""
    beside(**files)

    problem = only(loading, config="version: 1\ninclude: [a.yaml]\nagents: [{backend: plain}]\n")

    assert message in problem.message
    assert f"{problem.source}:{problem.line}:{problem.column}".endswith(where)


def test_how_deep_and_how_many_is_limited(loading: Loading, beside: Callable[..., None]) -> None:
    """Files that include the same file twice, eight deep, would be read hundreds of times."""
    beside(**{f"d{number}": f"include: [d{number + 1}.yaml]\n" for number in range(MAX_INCLUDE_DEPTH + 1)}, last="{}\n")
    assert "nested more than" in only(loading, config="version: 1\ninclude: [d0.yaml]\n").message
    beside(**{f"w{number}": f"include: [w{number + 1}.yaml, w{number + 1}.yaml]\n" for number in range(7)}, w7="seed: 1\n")
    assert "more than 64 included files" in only(loading, config="version: 1\ninclude: [w0.yaml]\n").message


def test_only_files_include(loading: Loading) -> None:
    """An option has no folder that a file could be beside."""
    assert "only files include" in only(loading, config=f"version: 1\n{ONE}", sets=["include=[x]"]).message


SMALL: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {},
    optional={
        "agents": st.lists(
            st.sampled_from([{"backend": "plain"}, {"backend": {"type": "acme", "port": 2}}, {"name": "x", "backend": "acme"}]),
            min_size=1,
            unique_by=str,
        ),
        "strategy": st.sampled_from(["consensus", "single", {"type": "consensus", "answers": 1}, {"type": "consensus", "tie": "first"}]),
        "limits": st.dictionaries(st.sampled_from(["calls", "tokens", "money"]), st.integers(1, 9)),
        "permissions": st.dictionaries(st.sampled_from(["allow", "deny"]), st.lists(st.sampled_from(["a", "b"]))),
        "seed": st.integers(0, 9),
    },
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SMALL, SMALL, SMALL)
def test_an_include_is_a_layer(loading: Loading, beside: Callable[..., None], low: Any, middle: Any, high: Any) -> None:
    """A file that includes another is the same as the other below it: as the user's file below the project's, and within each other."""
    user, project = {"version": 1, "agents": [{"backend": "plain"}], **low}, {"version": 1, **high}
    beside(middle=yaml.safe_dump(middle), low=yaml.safe_dump(user), chain=yaml.safe_dump({**middle, "include": ["low.yaml"]}))
    layered = loading(user=yaml.safe_dump(user), project=yaml.safe_dump({**project, "include": ["middle.yaml"]}))

    for includes in (["low.yaml", "middle.yaml"], ["chain.yaml"]):
        loaded = loading(config=yaml.safe_dump({**project, "include": includes}))
        assert loaded.document == layered.document
        assert loaded.config == layered.config
