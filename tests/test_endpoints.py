from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.api import ConfigProblem, check_address, check_headers, check_reference


@pytest.mark.parametrize("text", ["", "env:MY_KEY", "OPENAI_API_KEY", "keyring:openai", "dotenv:GROQ_API_KEY", "vault:team/openai"])
def test_references(text: str) -> None:
    """A store with a name in it, or a name that is written like a variable, is a reference."""
    check_reference(text, example="env:MY_KEY")


@pytest.mark.parametrize(
    "text", ["sk-ant-api03-abc", "sk:abc", "AIzaSyD-abc", "env:", "env:sk-abc def", "https://example.org", "Bearer abc", "hunter2"]
)
def test_keys_are_not_references(text: str) -> None:
    """What may be the key itself is refused, and not shown."""
    with pytest.raises(ConfigProblem, match="for instance env:MY_KEY") as caught:
        check_reference(text, example="env:MY_KEY")

    assert str(caught.value) == "key: a key is named by a reference and never written here; for instance env:MY_KEY"
    assert caught.value.path == "key"


@pytest.mark.parametrize("name", ["Authorization", "x-api-key", "API-KEY", "Cookie", "Proxy-Authorization", "x-goog-api-key"])
def test_headers_with_secrets(name: str) -> None:
    """Headers that carry keys are refused in any spelling; others are not."""
    check_headers(["x-team", "user-agent"])
    with pytest.raises(ConfigProblem, match="use `key`"):
        check_headers(["x-team", name])


@pytest.mark.parametrize("text", ["", "http://localhost:8080/v1", "https://example.org", "http://[::1]:80/v1", "https://a.example/b/c/"])
def test_addresses(text: str) -> None:
    """Addresses of servers with and without a path are taken."""
    check_address(text, example="https://example.org/v1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("example.org", "must be an address like https://example.org/v1"),
        ("ftp://example.org", "must be an address"),
        ("https://", "must be an address"),
        ("https://user:pass@example.org", "must not hold a user or a password"),
        ("https://@example.org", "must not hold a user"),
        ("https://example.org/v1?key=abc", "must not hold a query; use `query`"),
        ("https://example.org#a", "must not hold a query"),
    ],
)
def test_mistaken_addresses(text: str, said: str) -> None:
    """What is no address, or holds more than one, is refused with what to do."""
    with pytest.raises(ConfigProblem) as caught:
        check_address(text, example="https://example.org/v1", query="query")

    assert said in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_judged(text: str) -> None:
    """No text breaks the checks."""
    for check in (check_reference, check_address):
        with suppress(ConfigProblem):
            check(text, example="env:MY_KEY")
