from __future__ import annotations

from typing import ClassVar

from massgen_testkit import CommandSuite

JOURNAL = (
    '{"seq":1,"at":1795161730.5,"type":"run.started","trace":"0af7651916cd43dd8448eb211c80319c","data":{"run":"run-1","question":"Why?",'
    '"agents":["ann"],"strategy":"single","seed":1,"version":"0.1.0","history":[]}}\n'
)


class TestRuns(CommandSuite):
    """What every command must do."""

    name = "runs"
    example = ("-n", "5", "--json")
    mistakes = (("prune",), ("-n", "many"), ("--status", "good"))


class TestShow(CommandSuite):
    """What every command must do."""

    name = "show"
    files: ClassVar[dict[str, str]] = {"run-1/journal.jsonl": JOURNAL}
    example = ("run-1", "--full")
    mistakes = (("no-such-run",), ("run-1", "--agent", "bob"))
