"""In what Google's errors differ from others."""

from __future__ import annotations

from typing import Any

import httpx2

from massgen_core.api import AuthenticationFailed, BackendFault, BadRequest, ConnectionLost, FaultRules, Faults, Overloaded

__all__ = ["GeminiFaults", "StreamError", "UploadRefused"]

_RULES = FaultRules(
    words=(("not_found", 404), ("quota", 429)),
    lists="massgen models --backend gemini lists some",
    hints=(
        ("tool use with function calling", "This model takes hosted tools or functions, not both: set hosted_with_functions: first."),
        ("response mime type", "This model takes functions or a schema for its text, not both."),
        ("thinking[ _]level", "This model takes thinking_budget instead."),
        ("thinking[ _]budget", "Set another thinking_budget, or thinking_level for Gemini 3 and later."),
    ),
)


class StreamError(Exception):
    """A server told an error inside of a stream that began well.

    Args:
        body: What it told: plain data.
    """

    def __init__(self, body: Any) -> None:
        self.body = body
        super().__init__("an error inside of a stream")


class UploadRefused(Exception):
    """A server did not take what was uploaded.

    Args:
        response: Its answer.
        body: What it told.
    """

    def __init__(self, response: httpx2.Response, body: bytes) -> None:
        self.response, self.status_code, self.body = response, response.status_code, body
        super().__init__("an upload that was refused")


class GeminiFaults(Faults):
    """Makes errors of Gemini and of Google's logins.

    Args:
        reference: The reference to the key or to the credentials; empty for those of the machine.
    """

    def __init__(self, where: str, reference: str, redact: Any) -> None:
        self._credentials = repr(reference) if reference else "the application default credentials"
        super().__init__(where, reference, redact, _RULES, advice=f"Check {self._credentials}.")

    def of(self, error: BaseException, model: str) -> BackendFault:
        """Return the error for whatever the SDK raised."""
        module = type(error).__module__
        if isinstance(error, StreamError | UploadRefused | httpx2.HTTPError) or module == "google.genai.errors":
            return super().of(error, model)
        said = self.shown(str(error))
        if module.startswith("google.auth"):
            if type(error).__name__ == "TransportError":
                return ConnectionLost(f"Google's server of tokens cannot be reached: {said}")
            return AuthenticationFailed(f"Google Cloud does not take these credentials: {said} Check {self._credentials}.")
        return self.garbled(f"something that cannot be read ({type(error).__name__})")

    def of_request(self, error: Exception) -> BackendFault:
        """Return the error for a request that the SDK does not take."""
        return BadRequest(f"the SDK does not take this request: {self.shown(str(error))}")

    def broken_off(self, why: str) -> BackendFault:
        """Return the error of a model that stopped without an answer, for a reason that is none."""
        return Overloaded(f"{self.where} ended without an answer: {self.shown(why)}")
