"""Errors of providers: any status and any body become one of the errors that backends raise."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from massgen_core.api import (
    AuthenticationFailed,
    BackendFault,
    BadRequest,
    ConnectionLost,
    ContextTooLong,
    FaultRules,
    Faults,
    ModelMissing,
    Overloaded,
    RateLimited,
    TimedOut,
    told,
)

SECRET = "sk-0123456789abcdef"
FAULTS = Faults("example", "env:K", lambda text: text.replace(SECRET, "***"))
NAMES = ("error", "message", "code", "type", "status", "details", "metadata", "raw", "param", "x")
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30) | st.just(SECRET),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("error", "message", "code", "type", "status", "details", "metadata", "raw", "param", "x")), inner, max_size=5
        )
    ),
    max_leaves=12,
)
HEADERS = st.dictionaries(st.sampled_from(("retry-after", "retry-after-ms", "x")), st.text(max_size=20), max_size=3)


@given(status=st.integers(100, 599), headers=HEADERS, body=PLAIN | st.binary(max_size=60))
@example(status=429, headers={}, body={"error": {"message": SECRET, "details": [{"retryDelay": "9s"}]}})
def test_any_answer(status: int, headers: dict[str, str], body: Any) -> None:
    """Any status with any body is an error of the contract, with the status, in one line, without the secret, and of bounded length."""
    fault = FAULTS.of_status(status, headers, body, "m")

    assert isinstance(fault, BackendFault)
    assert fault.status == status
    assert SECRET not in str(fault)
    assert "\n" not in str(fault)
    assert len(str(fault)) < 1000
    if status in (429, 500, 502, 503, 529) and isinstance(fault, RateLimited | Overloaded):
        assert fault.is_retryable
    if isinstance(fault, RateLimited):
        assert fault.retry_after is None or fault.retry_after >= 0


@given(body=PLAIN)
def test_any_event(body: Any) -> None:
    """Any error inside of a stream is an error of the contract, whose status its words say; without words it can be tried again."""
    fault = FAULTS.of_event(body, "m")

    assert isinstance(fault, BackendFault)
    assert 100 <= fault.status < 600
    assert SECRET not in str(fault)
    assert told(body) == told(json.dumps(body).encode())


@given(error=st.sampled_from((OSError, ValueError, KeyError, RuntimeError)), text=st.text(max_size=50))
def test_any_exception(error: type[Exception], text: str) -> None:
    """What is not known for anything else is a connection that broke."""
    assert type(FAULTS.of(error(text), "m")) is ConnectionLost


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (302, {}, BadRequest),
        (400, {"error": {"message": "prompt is too long: 9 tokens > 8 maximum"}}, ContextTooLong),
        (400, {"error": {"message": "The input token count (9) exceeds the maximum number of tokens allowed (8)."}}, ContextTooLong),
        (400, {"error": {"message": "x", "details": [{"reason": "API_KEY_INVALID"}]}}, AuthenticationFailed),
        (400, {"error": {"message": "Your credit balance is too low"}}, AuthenticationFailed),
        (400, {"error": {"message": "tools[0].payment is no schema"}}, BadRequest),
        (401, b"no", AuthenticationFailed),
        (402, {}, AuthenticationFailed),
        (404, {"error": {"message": "x", "code": "model_not_found"}}, ModelMissing),
        (404, b"<html>", BadRequest),
        (408, {}, TimedOut),
        (409, {}, Overloaded),
        (413, {}, BadRequest),
        (429, {"error": {"code": "insufficient_quota"}}, AuthenticationFailed),
        (503, {}, Overloaded),
        (504, {}, TimedOut),
        (529, {}, Overloaded),
    ],
)
def test_statuses(status: int, body: Any, error: type[BackendFault]) -> None:
    """Statuses and words become the errors that say what to do."""
    assert type(FAULTS.of_status(status, {}, body, "m")) is error


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": {"message": "Model Not Exist", "type": "invalid_request_error"}}, ModelMissing),
        (400, {"error": {"message": "a/b is not a valid model ID", "code": 400}}, ModelMissing),
        (400, {"error": {"message": "Unknown Model, please check the model code.", "code": "1211"}}, ModelMissing),
        (400, {"object": "error", "message": "Invalid model: a", "type": "invalid_model", "code": "1500"}, ModelMissing),
        (400, {"error": {"message": "Invalid model name passed in model=a. Call `/v1/models` to view available models"}}, ModelMissing),
        (404, {"error": {"message": "No endpoints found for a/b.", "code": 404}}, ModelMissing),
        (400, {"error": {"message": "Failed to call a function.", "code": "tool_use_failed", "failed_generation": "<f"}}, Overloaded),
        (404, {"error": {"message": "No endpoints found that support tool use.", "code": 404}}, BadRequest),
        (400, {"error": {"message": "This model does not support tools; the tool was not found"}}, BadRequest),
        (
            400,
            {"code": "Client specified an invalid argument", "error": "This model's maximum prompt length is 8 but the request has 9."},
            ContextTooLong,
        ),
        (400, {"error": {"message": "Your request exceeded model token limit: 8 (requested: 9)"}}, ContextTooLong),
        (400, {"error": {"message": "Range of input length should be [1, 8]", "code": "invalid_parameter_error"}}, ContextTooLong),
        (400, {"error": {"message": "Prompt exceeds max length", "code": "1261"}}, ContextTooLong),
        (422, {"error": {"message": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8"}}, ContextTooLong),
    ],
)
def test_words_of_providers(status: int, body: Any, error: type[BackendFault]) -> None:
    """What providers have no status for is known by their words: a missing model, a conversation that is too long, a call that the model garbled."""
    assert type(FAULTS.of_status(status, {}, body, "m")) is error


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"code": "Arrearage", "message": "Access denied, please make sure your account is in good standing."}}),
        (402, {"error": {"message": "Insufficient Balance", "type": "unknown_error"}}),
        (403, {"code": "no permission", "error": "Your team has either used all available credits or reached its monthly spending limit."}),
        (412, {"error": {"message": "Account is suspended, possibly due to reaching the monthly spending limit"}}),
        (429, {"error": {"message": "Your account is suspended, please check your plan", "type": "exceeded_current_quota_error"}}),
        (429, {"error": {"message": "Insufficient balance or no resource package. Please recharge.", "code": "1113"}}),
        (429, {"error": {"message": "Your account is not active", "code": "billing_not_active"}}),
    ],
)
def test_no_credit(status: int, body: Any) -> None:
    """An account without credit is told as such under each status that providers have for it, and is not asked again."""
    fault = FAULTS.of_status(status, {}, body, "m")

    assert isinstance(fault, AuthenticationFailed)
    assert "no credit left" in str(fault)
    assert "env:K" in str(fault)


def test_sentences() -> None:
    """What a provider says ends as a sentence before what to do follows."""
    assert str(FAULTS.of_status(401, {}, {"error": {"message": "invalid key"}}, "m")).startswith(
        "example says: invalid key. Check the key of 'env:K'"
    )
    assert str(FAULTS.of_status(400, {}, {"error": {"message": "why?"}}, "m")) == "example says: why?"


def test_error_beside_the_answer() -> None:
    """An error that says no status is known by its words for people: an address where nothing is will not be tried again."""
    assert type(FAULTS.of_event({"error": "Unexpected endpoint or method. (POST /chat/completions)"}, "m")) is BadRequest


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "7"}, {}, 7.0),
        ({"retry-after-ms": "1500"}, {}, 1.5),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, {}, 0.0),
        ({"retry-after": "soon"}, {}, None),
        ({"retry-after": "-1"}, {}, None),
        ({}, {"error": {"message": "Try again in 250ms."}}, 0.25),
        ({}, {"error": {"message": "Please try again in 1.5s"}}, 1.5),
        ({}, {"error": {"message": "x", "details": [{}, {"retryDelay": "19.5s"}]}}, 19.5),
        ({"retry-after": "7"}, {"error": {"message": "try again in 1s", "details": [{"retryDelay": "2s"}]}}, 7.0),
    ],
)
def test_waiting(headers: dict[str, str], body: Any, seconds: float | None) -> None:
    """The time to wait is read from the header first, then from the details, then from the words."""
    fault = FAULTS.of_status(429, headers, body, "m")

    assert isinstance(fault, RateLimited)
    assert fault.retry_after == seconds


def test_unavailable_with_a_time_is_a_limit() -> None:
    """A server that says when to come back is waited for as long as it says."""
    fault = FAULTS.of_status(503, {"retry-after": "3"}, {}, "m")

    assert isinstance(fault, RateLimited)
    assert fault.retry_after == 3


def test_rows_of_a_provider() -> None:
    """A provider's own words, statuses and advice add to the usual ones."""
    rules = FaultRules(words=(("melted", 503),), too_long=(418,), lists="see LIST", address="try PATH", hints=(("kettle", "Fill it."), ("x", "Y.")))
    faults = Faults("example", "", str, rules)

    assert type(faults.of_event({"type": "melted_error"}, "m")) is Overloaded
    assert type(faults.of_status(418, {}, {}, "m")) is ContextTooLong
    assert "see LIST" in str(faults.of_status(404, {}, {"message": "no such model"}, "m"))
    assert "try PATH" in str(faults.of_status(404, {}, {}, "m"))
    assert str(faults.of_status(400, {}, {"message": "The kettle is empty."}, "m")).endswith("Fill it.")
    assert "option `key`" in str(faults.of_status(401, {}, {}, "m"))


@attrs.define
class Answered:
    """What an SDK's error holds of an answer."""

    headers: dict[str, str]


def test_errors_of_sdks() -> None:
    """Errors of HTTP clients and SDKs are known by their classes' names, their status, body and cause."""

    def made(name: str, *bases: type[Exception], **fields: Any) -> Exception:
        error = type(name, bases or (Exception,), {})("it said so")
        for field, value in fields.items():
            setattr(error, field, value)
        return error

    wrapped = made("APIConnectionError")
    wrapped.__cause__ = made("ConnectError")
    limited = made("APIStatusError", status_code=429, body={"message": "slow"}, response=Answered({"retry-after": "2"}))
    google = made("ClientError", code=404, details={"error": {"message": "models/m is not found"}})

    assert type(FAULTS.of(made("ConnectTimeout"), "m")) is TimedOut
    assert "idle_seconds" in str(FAULTS.of(made("ReadTimeout"), "m"))
    assert type(FAULTS.of(made("PoolTimeout", type(made("TimeoutException"))), "m")) is TimedOut
    assert "cannot connect to example: it said so" in str(FAULTS.of(wrapped, "m"))
    assert FAULTS.of(limited, "m").retry_after == 2  # type: ignore[attr-defined]
    assert type(FAULTS.of(google, "m")) is ModelMissing
    assert "no JSON" in str(FAULTS.of(made("JSONDecodeError", ValueError), "m"))
    assert type(FAULTS.of(made("APIError", body={"code": "overloaded"}), "m")) is Overloaded
