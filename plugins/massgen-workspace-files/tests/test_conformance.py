"""What every workspace and every command must do."""

from __future__ import annotations

from typing import ClassVar

from massgen_testkit import CommandSuite, WorkspaceSuite

JOURNAL = (
    '{"seq":1,"at":1795161730.5,"type":"run.started","trace":"0af7651916cd43dd8448eb211c80319c","data":{"run":"run-1","question":"Why?",'
    '"agents":["ann"],"strategy":"single","seed":1,"version":"0.1.0","history":[]}}\n'
)


class TestFiles(WorkspaceSuite):
    """Copies of folders."""

    name = "files"


class TestRollback(CommandSuite):
    """The command."""

    name = "rollback"
    files: ClassVar[dict[str, str]] = {"run-1/journal.jsonl": JOURNAL}
    example = ("run-1", "--list")
    mistakes = (("no-such-run",), ("run-1", "1"), ("run-1", "one"), ("run-1", "--agent", "bob"))
