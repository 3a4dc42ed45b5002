"""The configuration's own allow and block lists."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from massgen_core.config.load import Loaded
from massgen_core.errors import ConfigProblems

TWO = """\
version: 1
agents: [{backend: plain}, {backend: {type: acme, port: 1}}]
"""


def test_a_blocked_plugin_is_a_mistake_with_its_place(loading: Callable[..., Loaded]) -> None:
    """The list that forbids it is named; what is not blocked can be used."""
    with pytest.raises(ConfigProblems) as caught:
        loading(config=f"{TWO}plugins: {{block: [backend.acme]}}\n")

    (problem,) = caught.value.problems
    assert problem.path == "agents[1].backend.type"
    assert "block list forbids" in problem.message


def test_what_no_list_allows_cannot_be_used(loading: Callable[..., Loaded]) -> None:
    """An allow list that names the distribution allows all that it provides."""
    loaded = loading(config=f"{TWO}plugins: {{allow: [kit-config]}}\n")
    assert "acme" in loaded.plugins.names("backend")

    with pytest.raises(ConfigProblems, match="allow list does not name"):
        loading(config=f"{TWO}plugins: {{allow: [backend.plain, strategy.consensus]}}\n")


def test_a_mistake_in_the_lists_is_found_with_all_others(loading: Callable[..., Loaded]) -> None:
    """Lists that make no sense do not hide what else is wrong."""
    with pytest.raises(ConfigProblems) as caught:
        loading(config="version: 1\nagents: [{backend: nope}]\nplugins: {blok: []}\n")

    assert {problem.path for problem in caught.value.problems} == {"agents[0].backend.type", "plugins.blok"}
