"""What looks wrong in a log, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import median

import attrs

from massgen_mcp_log.calls import Call, Calls
from massgen_mcp_log.lines import Line

__all__ = ["KINDS", "Anomaly", "anomalies_of"]

KINDS = {
    "not_ended": "an operation began and has no end: it hangs, or the process died",
    "retried": "it took more than one attempt",
    "slow": "it took much longer than others of its kind",
    "breaker_open": "the server's circuit breaker opened",
    "lost": "a connection ended although nobody closed it",
    "refused": "a tool is not offered to agents",
}


@attrs.frozen
class Anomaly:
    """Something that looks wrong.

    Attributes:
        kind: One of `KINDS`.
        seq: Of the line where it began.
        text: What, for a person.
        advice: What to do.
    """

    kind: str
    seq: int
    at: float
    server: str
    tool: str
    agent: str
    span: str
    text: str
    advice: str


def anomalies_of(lines: Iterable[Line], *, slow_ms: float = 0.0, factor: float = 5.0, is_live: bool = False) -> list[Anomaly]:
    """Return what looks wrong, in the log's order.

    Args:
        lines: Of one run.
        slow_ms: Every operation above it is slow; 0: those above `factor` medians of their tool, and above 100 ms, where there are at least five.
        factor: How much slower than usual is slow.
        is_live: The run goes on: what has begun may still end.
    """
    calls, ended = Calls(), list[Call]()
    found: list[Anomaly] = []
    for line in lines:
        call = calls.take(line)
        if call is not None:
            ended.append(call)
        found.extend(_of_line(line))
    found += [_of_call("not_ended", call, _hanging(call, calls.last, is_live), _ADVICE["not_ended"]) for call in calls.left()]
    found += [
        _of_call("retried", call, f"{call.retries + 1} attempts, then {call.outcome}", _ADVICE["retried"]) for call in ended if call.retries > 0
    ]
    found += _slow(ended, slow_ms, factor)
    return sorted(found, key=lambda each: each.seq)


_ADVICE = {
    "not_ended": "look at the server's stderr log from that time on; give the server a call time-out if it has none",
    "retried": "look at the errors before it: massgen mcp logs RUN 'category=error'",
    "slow": "compare with other calls: massgen mcp stats RUN; queue_ms tells waiting from working",
    "breaker_open": "the failures before it are the cause: massgen mcp logs RUN 'category=error'; the breaker lets a probe through by itself",
    "lost": "the server's stderr log has its last words; massgen mcp doctor SERVER starts it alone",
    "refused": "the rule that it names can be changed in the server's section",
}


def _hanging(call: Call, last: float, is_live: bool) -> str:
    return f"{call.method} began and has not ended for {last - call.start:.1f} s{' so far' if is_live else ' until the log ends'}"


def _of_call(kind: str, call: Call, text: str, advice: str) -> Anomaly:
    return Anomaly(kind, call.seq, call.start, call.server, call.name, call.agent, call.span, text, advice)


def _of_line(line: Line) -> Iterator[Anomaly]:
    event = line["event"]
    kind = text = ""
    if event == "mcp.connection.breaker" and line.get("new") == "open":
        kind, text = "breaker_open", f"after {line.get('failures', '?')} failures in a row; next probe in {line.get('seconds', 0):g} s"
    elif event == "mcp.connection.lost":
        kind, text = "lost", f"{line.get('reason', '')}; {line.get('pending', 0)} calls were under way"
    elif event == "mcp.discovery.refused":
        kind, text = "refused", str(line.get("reason", ""))
    if kind:
        server, tool, agent, span = (str(line.get(name, "")) for name in ("server", "tool", "agent", "span"))
        yield Anomaly(kind, int(line["seq"]), float(line["at"]), server, tool, agent, span, text, _ADVICE[kind])


def _slow(calls: list[Call], slow_ms: float, factor: float) -> Iterator[Anomaly]:
    groups: dict[tuple[str, str, str], list[Call]] = {}
    for call in calls:
        groups.setdefault((call.server, call.method, call.what), []).append(call)
    for group in groups.values():
        usual = median(call.ms for call in group)
        bound = slow_ms or (max(100.0, usual * factor) if len(group) >= 5 else float("inf"))
        for call in group:
            if call.ms > bound:
                yield _of_call("slow", call, f"{call.ms:.0f} ms; the median is {usual:.0f} ms", _ADVICE["slow"])
