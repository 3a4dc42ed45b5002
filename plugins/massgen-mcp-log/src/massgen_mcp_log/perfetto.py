"""Operations as a trace in Chrome's JSON, which Perfetto and chrome://tracing open.

A process is a server, a thread is one lane of one agent at it. Slices of one thread never overlap: viewers drop what does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from massgen_mcp_log.calls import Call
from massgen_mcp_log.lanes import Lanes
from massgen_mcp_log.lines import Line

__all__ = ["POINTS", "trace_events"]

# What happened at a moment, and is worth a mark.
POINTS = frozenset({"mcp.error.raised", "mcp.connection.lost", "mcp.connection.breaker", "mcp.connection.retried", "mcp.execution.retried"})


def trace_events(calls: Iterable[Call], points: Iterable[Line], last: float) -> Iterator[dict[str, Any]]:
    """Yield the trace's events; times are whole microseconds since the first.

    Args:
        calls: In the order of their beginning.
        points: Lines of the events in `POINTS`.
        last: Where operations that have not ended are drawn to, seconds since the epoch.
    """
    every, marks = list(calls), list(points)
    zero = min((*(call.start for call in every), *(float(line["at"]) for line in marks)), default=0.0)
    processes: dict[str, int] = {}
    threads: dict[tuple[str, str, int], int] = {}
    lanes: dict[tuple[str, str], Lanes] = {}

    def process(server: str) -> Iterator[dict[str, Any]]:
        if server not in processes:
            processes[server] = len(processes) + 1
            yield _named("process_name", processes[server], 0, server or "(no server)")

    for call in every:
        yield from process(call.server)
        pid = processes[call.server]
        start = round((call.start - zero) * 1e6)
        end = max(start + 1, round(((last if call.end is None else call.end) - zero) * 1e6))
        lane = lanes.setdefault((call.server, call.agent), Lanes()).place(start, end)
        key = (call.server, call.agent, lane)
        if key not in threads:
            threads[key] = len(threads) + 1
            yield _named("thread_name", pid, threads[key], f"{call.agent or 'all agents'}{f' ({lane + 1})' if lane else ''}")
        yield {
            "ph": "X",
            "name": call.name if call.end is not None else f"{call.name} (not ended)",
            "cat": "error" if call.is_error else call.method,
            "pid": pid,
            "tid": threads[key],
            "ts": start,
            "dur": end - start,
            "args": _arguments(call),
        }
    for line in marks:
        server = str(line.get("server", ""))
        yield from process(server)
        words = {name: value for name, value in line.items() if name in ("message", "reason", "kind", "old", "new", "tool", "seq")}
        yield {
            "ph": "i",
            "s": "p",
            "name": str(line["event"]).removeprefix("mcp."),
            "cat": str(line["category"]),
            "pid": processes[server],
            "tid": 0,
            "ts": round((float(line["at"]) - zero) * 1e6),
            "args": words,
        }


def _named(what: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "ts": 0, "args": {"name": name}}


def _arguments(call: Call) -> dict[str, Any]:
    return {
        "seq": call.seq,
        "method": call.method,
        "agent": call.agent,
        "outcome": call.outcome or "not ended",
        "ms": round(call.ms, 3),
        "bytes_out": call.bytes_out,
        "bytes_in": call.bytes_in,
        "retries": call.retries,
        "trace": call.trace,
        "span": call.span,
    }
