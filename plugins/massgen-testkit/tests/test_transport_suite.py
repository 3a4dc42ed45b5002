"""The suite of transports passes a good one and finds each flaw."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import pytest

pytest.importorskip("mcp", reason="the suite of transports speaks with the SDK's client")
pytestmark = pytest.mark.once  # each test runs suites in a process of their own

PLUGIN = """
    from __future__ import annotations

    import attrs
    from massgen_core.api import TransportSpec, hookimpl

    @attrs.frozen(kw_only=True)
    class Options:
        flaw: str = attrs.field(default="", metadata={"help": "what is wrong with it"})

    @hookimpl
    def massgen_mcp_transports():
        return [TransportSpec(name="tube", factory="tube.transport:open_tube", summary="for a test", config=Options)]
"""

TRANSPORT = """
    from __future__ import annotations

    from contextlib import asynccontextmanager

    import anyio
    from massgen_core.api import LinkReport

    HELD = []

    class Tube:
        def __init__(self, read, write, flaw):
            self.read, self.write, self.flaw, self.reason, self.life = read, write, flaw, "", anyio.CancelScope()

        def report(self):
            if self.flaw == "slow":
                sum(range(1_000_000))
            return LinkReport(is_open=not self.reason, reason=self.reason)

    def open_tube(config, context):
        if config.flaw == "eager":
            HELD.append(open("/dev/null"))
        return tube(config.flaw)

    @asynccontextmanager
    async def tube(flaw):
        from mcp.server import MCPServer
        server = MCPServer("tube", log_level="CRITICAL")

        @server.tool()
        async def echo(text: str) -> str:
            return "" if flaw != "loses" or len(text) < 1000 else 1 / 0

        @server.tool()
        async def nap(seconds: float) -> str:
            await anyio.sleep(seconds)
            return "rested"

        to_client, read = anyio.create_memory_object_stream(16)
        write, from_client = anyio.create_memory_object_stream(16)
        link, low = Tube(read, write, flaw), server._lowlevel_server

        async def serve():
            with link.life:
                async with from_client, to_client:
                    await low.run(from_client, to_client, low.create_initialization_options())
            link.reason = link.reason or ("" if flaw == "blind" else "the server is gone")

        failure = None
        async with read, write, anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            try:
                yield link
            except Exception as error:
                if flaw == "wraps":
                    raise
                failure = error
            finally:
                if flaw == "leaks":
                    HELD.append(open("/dev/null"))
                link.reason = "" if flaw == "shut" else "closed"
                tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
"""

TESTS = """
    from massgen_testkit import TransportSuite

    class Tube(TransportSuite):
        name = "tube"
        example = ("echo", {"text": "hi"})
        large = ("echo", {"text": "x" * 1_000_000})
        slow = ("nap", {"seconds": 20})

        async def lose(self, link):
            link.life.cancel()

    class TestGood(Tube):
        options = {}
"""
FLAWED = """
    class Test_%s(Tube):
        options = {"flaw": "%s"}
"""
# Of flawed ones only the tests that are about the flaw are run.
CONFTEST = """
    def pytest_collection_modifyitems(items):
        flaws = %r
        items[:] = [item for item in items if item.cls.__name__ == "TestGood" or item.name in flaws.get(item.cls.__name__, ())]
"""
FLAWS: Mapping[str, set[str]] = {
    "eager": {"test_making_is_cheap"},
    "leaks": {"test_the_protocol_is_spoken", "test_cancellation_at_any_point_leaves_nothing"},
    "loses": {"test_a_large_message_arrives"},
    "wraps": {"test_what_the_user_raises_is_not_wrapped"},
    "shut": {"test_the_report_tells_how_the_link_is"},
    "slow": {"test_the_report_tells_how_the_link_is"},
    "blind": {"test_a_lost_server_ends_the_messages"},
}


def test_each_flaw_is_found(site: Any, failures: Callable[..., set[str]]) -> None:
    """A good transport passes, and each flaw fails the tests that are about it."""
    site.install("tube", ["transport.tube"], {"plugin.py": PLUGIN, "transport.py": TRANSPORT}, readme="word " * 30)
    kept = {f"Test_{flaw}": sorted(tests) for flaw, tests in FLAWS.items()}
    (site.folder / "conftest.py").write_text(textwrap.dedent(CONFTEST % kept), encoding="utf-8")
    results = site.run(textwrap.dedent(TESTS) + "".join(textwrap.dedent(FLAWED % (flaw, flaw)) for flaw in FLAWS))

    assert failures(results, "TestGood") == set()
    assert {flaw: failures(results, f"Test_{flaw}") for flaw in FLAWS} == FLAWS
