"""The conformance suite of displays."""

from __future__ import annotations

import io
from typing import ClassVar

import anyio
import pytest

from massgen_core.api import Question
from massgen_testkit.context import PlainContext
from massgen_testkit.distribution import PluginSuite
from massgen_testkit.leaks import Leaks
from massgen_testkit.story import HOSTILE, a_run, unknown

PATIENCE = 20.0
# Of a text of 200,000 characters that occurs in every event of a run.
BOUND = 4_000_000


class DisplaySuite(PluginSuite):
    """What every display must do. A subclass gives `name`.

    The suite has neither a terminal nor a person: standard error is a file and standard input is empty.
    """

    kind: ClassVar[str] = "display"

    @pytest.fixture(autouse=True)
    def nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """There is nobody to ask."""
        monkeypatch.setattr("sys.stdin", io.StringIO(""))

    async def shown(self, context: PlainContext, capfd: pytest.CaptureFixture[str], *texts: str) -> str:
        """Show a run for each text and return what came to standard error."""
        with anyio.fail_after(PATIENCE):
            async with context, self.opened(context) as display:
                for text in texts:
                    display.write(a_run(text))
        captured = capfd.readouterr()
        assert captured.out == "", "standard output carries the answer only"
        return captured.err

    async def test_standard_output_stays_free(self, context: PlainContext, capfd: pytest.CaptureFixture[str]) -> None:
        """A display writes to standard error, or elsewhere, never to standard output."""
        await self.shown(context, capfd, "Paris", "Rome")

    async def test_control_sequences_do_not_reach_the_terminal(self, context: PlainContext, capfd: pytest.CaptureFixture[str]) -> None:
        """What models and servers say cannot command the terminal."""
        shown = await self.shown(context, capfd, *(f"be{sequence}fore" for sequence in HOSTILE))

        assert [sequence for sequence in HOSTILE if sequence in shown] == []

    async def test_unknown_event_is_passed_over(self, context: PlainContext, capfd: pytest.CaptureFixture[str]) -> None:
        """An event of a plugin that is not installed stops nothing."""
        async with context, self.opened(context) as display:
            display.write([*unknown(HOSTILE[0]), *a_run()])

        assert HOSTILE[0] not in capfd.readouterr().err

    async def test_huge_text_is_bounded(self, context: PlainContext, capfd: pytest.CaptureFixture[str]) -> None:
        """A text of 200,000 characters neither floods the terminal nor takes long."""
        assert len(await self.shown(context, capfd, "many words " * 18_000)) < BOUND

    async def test_many_agents_fit(self, context: PlainContext, capfd: pytest.CaptureFixture[str]) -> None:
        """A hundred agents are shown somehow."""
        with anyio.fail_after(PATIENCE):
            async with context, self.opened(context) as display:
                display.write(a_run(agents=[f"agent-{number}" for number in range(100)]))

        assert capfd.readouterr().out == ""

    async def test_ask_returns_the_default_when_nobody_is_there(self, context: PlainContext, capfd: pytest.CaptureFixture[str]) -> None:
        """A question without a person is answered by its default, at once."""
        question = Question(text=f"Delete {HOSTILE[2]}everything?", options=("no", "yes"), default="no")
        with anyio.fail_after(PATIENCE):
            async with context, self.opened(context) as display:
                assert await display.ask(question) == "no"
        captured = capfd.readouterr()

        assert captured.out == ""
        assert HOSTILE[2] not in captured.err

    async def test_closes_what_it_opened(self, context: PlainContext, capfd: pytest.CaptureFixture[str], leaks: Leaks) -> None:
        """A closed display holds no thread, file, process or task."""
        await self.shown(context, capfd, "Paris")
        before = leaks.held()
        await self.shown(context, capfd, "Paris")
        await leaks.none_since(before)
