from __future__ import annotations

from typing import ClassVar

import pytest

from massgen_testkit import CommandSuite, ToolsetSuite

from .nearby import Nearby

JOURNAL = (
    '{"seq":1,"at":1795161730.5,"type":"run.started","trace":"0af7651916cd43dd8448eb211c80319c","data":{"run":"run-1","question":"Why?",'
    '"agents":["ann"],"strategy":"single","seed":1,"version":"0.1.0","history":[]}}\n'
    '{"seq":2,"at":1795161731.5,"type":"code.executed","data":{"agent":"ann","turn":1,"call":"c1","tool":"execute_command","language":"shell",'
    '"code":"ls","executor":"local","status":"exited","exit_code":0}}\n'
)


class TestCode(ToolsetSuite):
    """What every toolset must do; the sandbox is that of these tests."""

    name = "code"
    example = ("execute_command", {"command": "echo hi"})
    slow = ("execute_command", {"command": "sleep 20"})

    @pytest.fixture(autouse=True)
    def _sandbox(self, nearby: Nearby) -> None:
        """There is one."""


class TestAudit(CommandSuite):
    """What every command must do."""

    name = "code.audit"
    files: ClassVar[dict[str, str]] = {"run-1/journal.jsonl": JOURNAL}
    example = ("run-1",)
    mistakes = (("no-such-run",),)
