"""`BackendSuite` passes a backend that plays every scenario, and finds each flaw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

pytestmark = pytest.mark.once  # each test runs suites in a process of their own

PLUGIN = """
    from massgen_core.api import BackendSpec, Capabilities, hookimpl

    @hookimpl
    def massgen_backends():
        able = Capabilities(reasoning=True)
        return [BackendSpec(name="stage", factory="stage_backend.player:Player", summary="plays scenarios", capabilities=able)]
"""
README = "# A stage\n" + "Words " * 30 + "\n```yaml\nversion: 1\nagents:\n  - {name: ann, backend: stage}\n```\n"
TESTS = """
    from __future__ import annotations

    import itertools, json, os, threading
    from contextlib import asynccontextmanager

    import anyio, attrs
    from massgen_core.api import *
    from massgen_testkit import SECRET, BackendSuite, Fault, Stage, Stall
    from massgen_testkit.scenarios import RETRY_AFTER

    RENAMED = {"refusal_as_stop": ("refused", "stop"), "filter_as_stop": ("filtered", "stop"), "length_as_stop": ("length", "stop")}

    class Player:
        def __init__(self, scenario, flaw):
            self.scenario, self.flaw, self.turns, self.sent, self.shared = scenario, flaw, itertools.count(), [], []

        @asynccontextmanager
        async def respond(self, request):
            self.sent.append(self.wire(request))
            stream = self.stream(self.scenario.turn(next(self.turns)))
            if self.flaw == "leaky":
                os.dup(0)
            try:
                yield stream
            finally:
                with anyio.CancelScope(shield=True):
                    if self.flaw == "deaf":
                        await anyio.sleep(0.8)
                    await stream.aclose()

        def wire(self, request):
            sent = []
            for message in request.messages:
                for part in message.content:
                    if isinstance(part, ProviderItem) and (part.backend == "stage" or self.flaw == "stranger"):
                        sent.append({"x": 1} if self.flaw == "item_changed" else part.item)
                    elif not isinstance(part, ProviderItem) and not (isinstance(part, ToolResult) and self.flaw == "result_lost"):
                        sent.append(attrs.asdict(part))
            return {"messages": sent, "tools": [tool.name for tool in request.tools]}

        async def stream(self, steps):
            whole, saved = "", None
            for step in steps:
                await anyio.lowlevel.checkpoint()
                if isinstance(step, Stall):
                    if self.scenario.name == "stall":
                        raise TimedOut("nothing came for 0.1 s")
                    await anyio.sleep_forever()
                if isinstance(step, Fault):
                    raise self.fault(step)
                if isinstance(step, TextChunk) and self.flaw in ("whole", "mixed"):
                    whole += step.text
                    self.shared.append(step.text)
                    continue
                if isinstance(step, StopChunk) and whole:
                    yield TextChunk("".join(self.shared) if self.flaw == "mixed" else whole)
                if isinstance(step, StopChunk) and self.flaw == "no_stop":
                    continue
                for made in self.changed(step):
                    yield made

        def changed(self, step):
            match step, self.flaw:
                case StopChunk(), "two_stops":
                    return [step, step]
                case TextChunk(text=text), "torn":
                    return [TextChunk(part.decode(errors="replace")) for part in (text.encode()[:-1], text.encode()[-1:])]
                case ReasoningChunk(text=text), "reasoning_as_text":
                    return [TextChunk(text)]
                case ToolCallChunk(index=index, id=id, name=name), "no_ids":
                    return [attrs.evolve(step, id="")]
                case ToolCallChunk(), "one_index":
                    return [attrs.evolve(step, index=0)]
                case ToolCallChunk(arguments=text), "repairs":
                    return [attrs.evolve(step, arguments=text.replace("is,}", 'is"}').replace(" Par", ' "Par'))]
                case ToolCallChunk(arguments=text), "completes" if self.scenario.name == "truncated_arguments":
                    return [attrs.evolve(step, arguments=text + '"}' if text else "")]
                case ToolCallChunk(arguments="", id=""), "null" if self.scenario.name == "empty_arguments":
                    return [attrs.evolve(step, arguments="null")]
                case UsageChunk(usage=usage), "double":
                    return [UsageChunk(attrs.evolve(usage, input=usage.input + usage.cached))]
                case ItemChunk(item=item), _:
                    return [ItemChunk(attrs.evolve(item, backend="stage"))]
            if isinstance(step, StopChunk) and self.flaw in RENAMED and step.reason == RENAMED[self.flaw][0]:
                return [StopChunk(RENAMED[self.flaw][1])]
            return [step]

        def fault(self, step):
            if self.flaw == "untyped":
                return RuntimeError("something happened")
            message = f"the provider says: {step.message}" + (f" ({SECRET})" if self.flaw == "key_shown" and step.echoes_secret else "")
            if step.error is RateLimited:
                return RateLimited(message, retry_after=None if self.flaw == "no_retry_after" else step.retry_after)
            return step.error(message)

    class Staged(BackendSuite):
        __test__ = False
        name = "stage"
        patience = 1.0
        flaw = ""

        @asynccontextmanager
        async def play(self, scenario, context):
            player = Player(scenario, self.flaw)
            yield Stage(backend=player, sent=lambda: player.sent)
"""
ALL = {"test_text_streams_and_stops", "test_refusal_is_one_outcome", "test_two_calls_at_once", "test_usage_is_normalised"}
TOOLS = {"test_tool_call_round_trip", "test_parallel_calls_stay_apart", "test_malformed_arguments_come_verbatim"}
ENDS = {f"test_cancellation_frees_everything[{point}]" for point in (0, 1, 2, 10)} | {f"test_abandoned_stream_is_closed[{point}]" for point in (0, 1)}
MIDWAY = {f"test_fault_is_mapped[{name}]" for name in ("drop", "error_event", "stall")}

# By flaw: the tests that must fail; with `...` others may fail too.
FLAWS: Mapping[str, set[Any]] = {
    "": set(),
    "no_stop": {*ALL, ...},
    "two_stops": {*ALL, ...},
    "whole": {"test_text_comes_in_pieces", *MIDWAY, ...},
    "mixed": {"test_two_calls_at_once", ...},
    "torn": {"test_unicode_survives_chunk_borders"},
    "reasoning_as_text": {"test_reasoning_is_apart_from_text"},
    "refusal_as_stop": {"test_refusal_is_one_outcome"},
    "filter_as_stop": {"test_content_filter_is_one_outcome"},
    "length_as_stop": {"test_length_limit_is_told", "test_truncated_call_is_not_complete"},
    "no_ids": {*TOOLS, ...},
    "one_index": {"test_parallel_calls_stay_apart"},
    "repairs": {"test_malformed_arguments_come_verbatim"},
    "completes": {"test_truncated_call_is_not_complete"},
    "null": {"test_empty_arguments_are_no_arguments"},
    "double": {"test_usage_is_normalised"},
    "item_changed": {"test_provider_items_return_verbatim"},
    "stranger": {"test_provider_items_return_verbatim"},
    "result_lost": {"test_tool_call_round_trip"},
    "untyped": {"test_fault_is_mapped[unauthorized]", "test_fault_is_mapped[drop]", ...},
    "no_retry_after": {"test_fault_is_mapped[rate_limited]"},
    "key_shown": {"test_fault_is_mapped[unauthorized]"},
    "deaf": {*ENDS, "test_cancellation_while_waiting"},
    "leaky": {*ENDS, "test_cancellation_while_waiting"},
}


@pytest.fixture(scope="module")
def results(site: Any) -> Mapping[str, str]:
    """All flaws, examined in one go."""
    site.install(
        "stage_backend", ["backend.stage"], {"plugin.py": PLUGIN, "player.py": "def Player(config, context):\n    return None\n"}, readme=README
    )
    classes = "".join(f"\n    class Test_{flaw or 'good'}(Staged):\n        __test__ = True\n        flaw = '{flaw}'\n" for flaw in FLAWS)
    found: Mapping[str, str] = site.run(TESTS + classes)
    return found


@pytest.mark.parametrize("flaw", FLAWS)
def test_each_flaw_is_found(flaw: str, results: Mapping[str, str], failures: Callable[[Mapping[str, str], str], set[str]]) -> None:
    """A backend that plays its part passes; each flaw fails the tests that are about it."""
    found, wanted = failures(results, f"Test_{flaw or 'good'}"), FLAWS[flaw] - {...}
    assert found >= wanted
    assert found == wanted or ... in FLAWS[flaw]


def test_nothing_is_skipped_for_a_backend_that_can_everything(results: Mapping[str, str]) -> None:
    """Skips come from declarations only."""
    assert [name for name, told in results.items() if name.startswith("Test_good.") and told == "skipped"] == []
