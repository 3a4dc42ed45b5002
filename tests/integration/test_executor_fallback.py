"""Docker without an engine, with the executor of this machine beside it: what is said, what runs, and what does not."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from massgen_core.api import ExecCommand, LimitUnsupported
from massgen_testkit import PlainContext

NOWHERE = "unix:///nowhere/at/all"
SERVERS = Path(__file__).resolve().parents[2] / "plugins" / "massgen-mcp-stdio" / "tests"


async def opened(context: PlainContext, **options: Any) -> Any:
    """Open the executor as a run does."""
    return await context.open("executor", "docker", {"host": NOWHERE, **options})


@pytest.mark.anyio
async def test_commands_run_where_the_configuration_says(context: PlainContext, tmp_path: Path) -> None:
    """The sandbox of this machine takes over with the limits and shares of the section, and the run's log says so."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x").write_text("shared", encoding="utf-8")
    context.workspace = tmp_path / "workspace"
    context.workspace.mkdir()
    with anyio.fail_after(60):
        async with context:
            options = {"fallback": {"type": "local", "sandbox": "bubblewrap"}, "read": [str(tmp_path / "data")], "limits": {"descriptors": 77}}
            executor = await opened(context, **options)
            result = await executor.run(ExecCommand(argv=("sh", "-c", f"cat {tmp_path}/data/x; ulimit -n")))
    (notice,) = [event for event in context.records.events if event.type == "notice.given"]

    assert result.stdout.decode().splitlines() == ["shared77"]
    assert notice.level == "warning"  # type: ignore[attr-defined]
    assert all(word in notice.text for word in ("nowhere", "local", "fallback"))  # type: ignore[attr-defined]


@pytest.mark.anyio
async def test_what_the_fallback_does_not_hold_is_refused(context: PlainContext, tmp_path: Path) -> None:
    """Listed hosts are nothing that the sandbox of this machine can hold: nothing is opened, rather than something weaker."""
    async with context:
        with pytest.raises(LimitUnsupported, match="hosts"):
            await opened(context, network="allow", hosts=["example.org:443"], fallback={"type": "local"})


@pytest.mark.parametrize("fallback", [None, {"type": "local", "sandbox": "bubblewrap"}])
def test_a_run_without_an_engine(massgen_project: Callable[..., Any], fallback: dict[str, Any] | None) -> None:
    """A run says that no engine answers and how to start one; it uses what is configured in its place, and says so."""
    own = [sys.prefix, *([] if sys.base_prefix == "/usr" else [sys.base_prefix]), str(SERVERS)]
    box = {"type": "docker", "host": NOWHERE, "read": own, **({"fallback": fallback} if fallback else {})}
    steps = [{"calls": [{"name": "mcp__app__echo", "arguments": {"text": "from within"}}]}, {"answer": "done"}]
    document = {
        "version": 1,
        "agents": [{"name": "ann", "backend": {"type": "scripted", "steps": steps}}],
        "strategy": "single",
        "toolsets": [{"type": "mcp", "servers": {"app": {"command": sys.executable, "args": [f"{SERVERS}/everything.py"], "executor": box}}}],
        "permissions": {"allow": ["mcp__*"]},
    }
    project = massgen_project({"massgen.yaml": document})
    told = project.run("run", "Say it.", "--config", "massgen.yaml")
    (journal,) = project.home.rglob("journal.jsonl")
    events = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    returned = json.dumps([event for event in events if event["type"] == "tool.returned"])

    assert ("from within" in returned) == (fallback is not None)
    words = "as the option fallback says" if fallback else "apt install docker.io"
    assert words in journal.read_text(encoding="utf-8")
    assert words in told.stderr + told.stdout
