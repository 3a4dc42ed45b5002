from __future__ import annotations

import pytest
from mcp import MCPError
from mcp.types import InitializeResult

from massgen_core.api import LinkReport
from massgen_mcp_client.faults import advice, opening


def refused() -> Exception:
    try:
        InitializeResult.model_validate({"protocolVersion": 7, "capabilities": {}})
    except ValueError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "words"),
    [(RuntimeError("Unsupported protocol version from the server: 1999-01-01"), "1999-01-01"), (refused(), "protocolVersion: Input should be")],
)
def test_an_answer_against_the_protocol_is_why_a_server_was_left(error: Exception, words: str) -> None:
    """It ends when it is left: that exit says nothing, and what was wrong with its answer does, in one line."""
    fault = opening("it", error, LinkReport(is_open=False, reason="exited with code 0", pid=7, exit_code=0))

    assert fault.kind == "protocol"
    assert words in str(fault)
    assert "\n" not in str(fault)
    assert "exited" not in str(fault)


@pytest.mark.parametrize(("code", "words"), [(-32602, "the key is wrong"), (-32000, "exited with code 0")])
def test_an_error_that_a_server_answered_is_why_it_was_left(code: int, words: str) -> None:
    """Only where the connection was gone is the end of the program the reason."""
    fault = opening("it", MCPError(code=code, message="the key is wrong"), LinkReport(is_open=False, reason="exited with code 0", pid=7, exit_code=0))

    assert str(fault) == f"MCP server 'it' could not be opened: {words}"


@pytest.mark.parametrize(
    "text",
    ["client error (Connect)\ncause: invalid peer certificate: UnknownIssuer", "npm error self-signed certificate in certificate chain"],
)
def test_a_network_with_certificates_of_its_own_is_recognised(text: str) -> None:
    """Programs that fetch servers get no variables but those that are named; the advice names these."""
    assert "SSL_CERT_FILE" in advice(text)
