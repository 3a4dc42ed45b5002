"""What counts as a secret, and what does not."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_backend_replay.redact import Cleaner

CLEANER = Cleaner(lambda text: text.replace("hunter2-known", "***"))
KEY = "sk-proj-Zm9vYmFyYmF6cXV4MTIzNDU2"
SECRETS = [
    KEY,
    "sk-ant-api03-abcdefghijklmnop_1234",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "github_pat_11ABCDEFG0123456789_abcdefgh",
    "AKIAIOSFODNN7EXAMPLE",
    "AIzaSyA-1234567890abcdefghijklmnopqrstu",
    "xoxb-123456789012-abcdefghijkl",
    "hf_abcdefghijklmnopqrstuvwx",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.dBjftJeZ4CVP-mB92K27uhbUJU1p1r",
    "hunter2-known",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_keys_of_known_forms_and_known_values_go(secret: str) -> None:
    """A key leaves a text wherever it stands, and the words around it stay."""
    assert CLEANER.text(f"use {secret}, please") == "use ***, please"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Authorization: Bearer abc123def456ghi", "Authorization: Bearer ***"),
        ("ACME_API_KEY=0a1b2c3d4e5f6a7b", "ACME_API_KEY=***"),
        ('{"password": "correct-horse-7-battery"}', '{"password": "***"}'),
        ("postgres://user:pa55@db.example/x", "postgres://user:***@db.example/x"),
    ],
)
def test_values_beside_their_names_go(text: str, clean: str) -> None:
    """Bearer tokens, assignments and addresses lose the value and keep the rest."""
    assert CLEANER.text(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "The bearer of good news asked a basic question about max_tokens: 4096.",
        "token: identifier, password = get_password()",
        "https://example.org/a:b@c and mailto:someone@example.org",
        "skiing in sk-land; a task-oriented-mask-sk",
        "the secret of 12 angry men",
    ],
)
def test_prose_and_code_stay(text: str) -> None:
    """Words that merely begin like a key are left alone."""
    assert CLEANER.text(text) == text


def test_fields_that_hold_secrets_go() -> None:
    """A value whose field is named like a header loses it; schemas and numbers of such names stay."""
    data = {"headers": {"X-Api-Key": "short", "Cookie": "a=b"}, "max_tokens": 5, "token": "", "properties": {"password": {"type": "string"}}}

    assert CLEANER.data(data) == {
        "headers": {"X-Api-Key": "***", "Cookie": "***"},
        "max_tokens": 5,
        "token": "",
        "properties": {"password": {"type": "string"}},
    }


@given(st.text(max_size=20), st.sampled_from(SECRETS), st.text(max_size=20), st.lists(st.integers(0, 80), max_size=6))
def test_a_torn_secret_goes(before: str, secret: str, after: str, cuts: list[int]) -> None:
    """However a stream is cut, its pieces together hold what the cleaned whole holds, in as many pieces."""
    whole = f"{before} {secret} {after}"
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[start:end] for start, end in itertools.pairwise(places)]
    cleaned = CLEANER.pieces(pieces)

    assert len(cleaned) == len(pieces)
    assert secret not in "".join(cleaned)
    assert "".join(cleaned) == CLEANER.text(whole)


@given(st.lists(st.sampled_from([*SECRETS, "Bearer ", "api_key=", "token: ", "://u:", "@", " ", '"', "a1", "***"]), max_size=8).map("".join))
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    """What is clean stays as it is, so that a recording's keys can be computed again from what is written."""
    once = CLEANER.text(text)

    assert CLEANER.text(once) == once
    assert json.loads(json.dumps(CLEANER.data({"x": [text]}))) == {"x": [once]}
