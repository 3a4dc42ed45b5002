"""The conformance suite of classifiers."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import anyio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from massgen_core.api import LEVELS, Tool, ToolAnnotations, ToolCall, Verdict, join
from massgen_testkit.context import PlainContext
from massgen_testkit.distribution import PluginSuite

PATIENCE = 10.0
_NAMES = st.text("abcdefghijklmnopqrstuvwxyz_-", min_size=1, max_size=20)
_HINTS = st.none() | st.builds(
    ToolAnnotations, read_only=st.booleans(), destructive=st.booleans(), idempotent=st.booleans(), open_world=st.booleans()
)
TOOLS = st.builds(Tool, name=_NAMES, description=st.text(max_size=30), annotations=_HINTS, source=st.sampled_from(["", "mcp.github", "code"]))
ARGUMENTS = st.dictionaries(st.text(max_size=8), st.text(max_size=20) | st.integers() | st.none(), max_size=3).map(json.dumps) | st.just("{oops")


def level(verdict: Verdict | None) -> int:
    """Return a verdict's strictness, from 0; where a classifier has no opinion, it is that of `ask`."""
    return LEVELS.index("ask" if verdict is None else verdict.level)


class ClassifierSuite(PluginSuite):
    """What every classifier must do. A subclass gives `name`.

    Attributes:
        examples: How many made-up sets of tools are judged.
    """

    kind: ClassVar[str] = "classifier"
    examples: ClassVar[int] = 25

    def settings(self) -> settings:
        """Return how tools are made up; shrinking a failure would judge them thousands of times."""
        phases = (Phase.explicit, Phase.generate)
        return settings(max_examples=self.examples, deadline=None, suppress_health_check=list(HealthCheck), database=None, phases=phases)

    async def judged(self, folder: Path, cases: Sequence[tuple[Tool, str | None]]) -> list[Verdict | None]:
        """Judge tools, each with the arguments of a call or without a call."""
        verdicts: list[Verdict | None] = []
        context = PlainContext(folder=folder)
        with anyio.fail_after(PATIENCE):
            async with context, self.opened(context) as classifier:
                for tool, arguments in cases:
                    call = None if arguments is None else ToolCall(id="call-1", name=tool.name, arguments=arguments)
                    verdicts.append(await classifier.judge(tool, call))
        return verdicts

    async def test_unknown_tool_is_asked_about(self, tmp_path: Path) -> None:
        """A tool of which nothing is known needs a person at least."""
        tool = Tool(name="frobnicate_zz")
        verdicts = await self.judged(tmp_path, [(tool, None), (tool, "{}"), (tool, '{"x": 1}')])

        assert [verdict for verdict in verdicts if level(verdict) < LEVELS.index("ask")] == []

    def test_verdicts_are_well_formed_and_steady(self, tmp_path: Path) -> None:
        """Whatever the tool and its arguments: no opinion, or a verdict, with a reason where it is stricter than `allow`; the same again."""

        @self.settings()
        @given(st.lists(st.tuples(TOOLS, st.none() | ARGUMENTS), max_size=5))
        def check(cases: list[tuple[Tool, str | None]]) -> None:
            verdicts = anyio.run(functools.partial(self.judged, tmp_path, [*cases, *cases]))
            for verdict in (one for one in verdicts if one is not None):
                assert isinstance(verdict, Verdict)
                assert verdict.level in LEVELS
                assert verdict.reason.strip() or verdict.level == "allow", "say why"
            assert verdicts[: len(cases)] == verdicts[len(cases) :]

        check()

    def test_join_obeys_its_laws(self, tmp_path: Path) -> None:
        """Joined with others, the verdicts are order-free, and no opinion makes another one milder."""
        others = st.builds(Verdict, level=st.sampled_from(LEVELS), reason=st.sampled_from(["", "a", "b"]), is_idempotent=st.booleans())

        @self.settings()
        @given(st.lists(st.tuples(TOOLS, st.none() | ARGUMENTS), min_size=1, max_size=3), st.lists(others, max_size=3))
        def check(cases: list[tuple[Tool, str | None]], others: list[Verdict]) -> None:
            judged = anyio.run(functools.partial(self.judged, tmp_path, cases))
            verdicts = [*(verdict for verdict in judged if verdict is not None), *others]
            joined = join(verdicts)
            assert join(reversed(verdicts)) == joined
            assert join([joined, joined]) == joined
            assert join([join(verdicts[:1]), *verdicts[1:]]) == joined
            assert level(joined) == max((level(verdict) for verdict in verdicts), default=level(None))

        check()
