from __future__ import annotations

from typing import ClassVar

import pytest

from massgen_testkit import CommandSuite, SinkSuite

JOURNAL = (
    '{"seq":1,"at":1795161730.5,"type":"run.started","trace":"0af7651916cd43dd8448eb211c80319c","data":{"run":"run-1","question":"Why?",'
    '"agents":["ann"],"strategy":"single","seed":1,"version":"0.1.0","history":[]}}\n'
    '{"seq":2,"at":1795161731.5,"type":"mcp.execution.called","span":"00f067aa0ba902b7","data":{"server":"github","agent":"ann","operation":"o1",'
    '"method":"tools/call","tool":"search"}}\n'
    '{"seq":3,"at":1795161731.9,"type":"mcp.execution.returned","span":"00f067aa0ba902b7","data":{"server":"github","agent":"ann","operation":"o1",'
    '"method":"tools/call","tool":"search","outcome":"ok","milliseconds":400.0}}\n'
)
LINE = '{"v":1,"seq":1,"at":1.5,"level":"info","category":"execution","event":"mcp.execution.called","server":"github","tool":"search"}\n'


class TestSink(SinkSuite):
    """What every sink must do."""

    name = "mcp-log"
    options: ClassVar[dict[str, object]] = {"levels": {"github": "debug"}}
    unsupported: ClassVar[dict[str, str]] = {"read": "it keeps what belongs to MCP and nothing else of a run"}


@pytest.mark.once  # programs are started
class Reading(CommandSuite):
    """A run with a journal and no log."""

    files: ClassVar[dict[str, str]] = {"run-1/journal.jsonl": JOURNAL}
    example = ("run-1",)
    mistakes = (("no-such-run",), ("run-1", "server ="))


class TestLogs(Reading):
    """What every command must do."""

    name = "mcp.logs"


class TestTimeline(Reading):
    """What every command must do."""

    name = "mcp.timeline"


class TestStats(Reading):
    """What every command must do."""

    name = "mcp.stats"
    mistakes = (("no-such-run",), ("run-1", "--by", "moon"))


class TestAnomalies(Reading):
    """What every command must do."""

    name = "mcp.anomalies"


class TestBench(Reading):
    """What every command must do."""

    name = "mcp.bench"
    mistakes = (("no-such-run",), ("run-1", "--fail-above", "2"))


class TestExport(Reading):
    """What every command must do."""

    name = "mcp.export"
    example = ("run-1", "--preview")


class TestArchive(CommandSuite):
    """What every command must do."""

    name = "mcp.archive"
    files: ClassVar[dict[str, str]] = {"run-1/journal.jsonl": JOURNAL, "run-1/mcp/log.jsonl": LINE}
    example = ("run-1",)
    mistakes = ((), ("no-such-run",), ("--prune",), ("run-1", "--all"), ("run-1", "--line", "3"))
