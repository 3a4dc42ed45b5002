"""What the log of MCP costs: prints figures with their targets, and ratios of the same work with and without it.

Usage: python benchmarks/mcp_log.py. Needs massgen-mcp-log. CPU time is user and system time of the process, threads included; a call is three events:
its beginning, its end and its measure, as the client emits them.
"""

from __future__ import annotations

import base64
import gc
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import ClassVar

import attrs

from massgen_core.api import Event, Record
from massgen_core.runtime.emitter import Emitter
from massgen_core.runtime.journal import Journal
from massgen_mcp_log.archive import Sealed, seal
from massgen_mcp_log.calls import calls_of
from massgen_mcp_log.config import McpLogConfig
from massgen_mcp_log.figures import figures_of
from massgen_mcp_log.filters import Filter
from massgen_mcp_log.reading import Log
from massgen_mcp_log.redact import Redaction
from massgen_mcp_log.sink import McpLog

RATE = 1000
SECONDS = 4
ROUNDS = 5


@attrs.frozen(kw_only=True)
class _Call(Event):
    server: str
    transport: str = "stdio"
    era: str = "2026-07-28"
    agent: str = "ann"
    operation: str
    method: str = "tools/call"
    tool: str


@attrs.frozen(kw_only=True)
class Called(_Call):
    type: ClassVar[str] = "mcp.execution.called"
    call: str = ""
    bytes: int = 120
    arguments: str = ""


@attrs.frozen(kw_only=True)
class Returned(_Call):
    type: ClassVar[str] = "mcp.execution.returned"
    call: str = ""
    outcome: str = "ok"
    milliseconds: float = 1.5
    bytes: int = 2222
    attempts: int = 1
    result: str = ""


@attrs.frozen(kw_only=True)
class Measured(_Call):
    type: ClassVar[str] = "mcp.performance.measured"
    milliseconds: float = 1.5
    queue_milliseconds: float = 0.2
    bytes_out: int = 120
    bytes_in: int = 2222
    retries: int = 0


def events(calls: int) -> list[tuple[Event, str]]:
    """Return the events of so many calls to three servers, each with its span."""
    found: list[tuple[Event, str]] = []
    for number in range(calls):
        span = f"{random.getrandbits(64):016x}"
        common = {"server": ("github", "files", "web")[number % 3], "operation": f"o{number}", "tool": ("search", "read", "fetch")[number % 3]}
        found += [(Called(**common, call=f"call_{number}"), span), (Returned(**common, call=f"call_{number}"), span), (Measured(**common), span)]
    return found


def spent(folder: Path, work: list[tuple[Event, str]], config: McpLogConfig | None, *, is_paced: bool) -> float:
    """Return the CPU seconds of calls with journal and bus for each second at `RATE`; paced: in fifty bursts a second of wall time."""
    folder.mkdir(parents=True)
    journal = Journal(folder)
    emitter = Emitter(journal, "r")
    log = McpLog(folder / "mcp", config, Redaction(lambda text: text)) if config is not None else None
    if log is not None:
        emitter.bus.add("mcp-log", log)
    gc.collect()
    burst = 3 * RATE // 50
    began, clock = time.process_time(), time.perf_counter()
    for start in range(0, len(work), burst):
        for called, returned, measured in zip(*(work[start + place : start + burst : 3] for place in range(3)), strict=True):
            emitter.emit(called[0], span=called[1])
            with emitter:
                emitter.emit(returned[0], span=returned[1])
                emitter.emit(measured[0], span=measured[1])
        if is_paced:
            time.sleep(max(0.0, clock + (start + burst) / (3 * RATE) - time.perf_counter()))
    emitter.bus.close()
    if log is not None:
        log.close()
    used = time.process_time() - began
    journal.close()
    return used / (len(work) / (3 * RATE))


def row(what: str, value: str, target: str = "") -> None:
    sys.stdout.write(f"{what:58} {value:>26}   {target}\n")


def costs(folder: Path) -> None:
    work = events(RATE * SECONDS)
    kinds = {"without": None, "structured": McpLogConfig(text=False), "with": McpLogConfig()}
    for is_paced in (False, True):
        times: dict[str, list[float]] = {name: [] for name in kinds}
        for number in range(ROUNDS):
            for name, config in kinds.items():  # by turns, so that other work on the machine meets all alike
                times[name].append(spent(folder / f"{is_paced}-{name}-{number}", work, config, is_paced=is_paced))
        # The least of each: CPU time of the same work only grows by what else the machine does.
        bare = min(times["without"])
        title = "1,000 calls a second for four seconds" if is_paced else "4,000 calls at once, for each 1,000"
        row(f"{title}, journal and bus", f"{bare * 100:.2f} % of a core")
        for name in ("structured", "with"):
            more = min(times[name]) - bare
            words = "structured files" if name == "structured" else "and files for people"
            row(f"  the log adds, {words}", f"{more * 100:.2f} %, ratio {min(times[name]) / bare:.2f}", "less than 2 %")


def writes(folder: Path) -> None:
    """The floor: the bare system calls that hand 3,000 lines to two files each."""
    line = b"x" * 360 + b"\n"
    found = []
    for number in range(2 * ROUNDS):
        descriptors = [os.open(folder / f"{number}-{file}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) for file in range(2)]
        began = time.process_time()
        for _ in range(3 * RATE):
            for descriptor in descriptors:
                os.write(descriptor, line)
        found.append(time.process_time() - began)
        for descriptor in descriptors:
            os.close(descriptor)
    row("  of that, the bare writes of the structured files", f"{min(found) * 100:.2f} %")


def redaction() -> None:
    draw = random.Random(1)
    words = "error connection server the returned a list of files from issue number open pull request merge token password session key"
    pieces = [
        json.dumps(
            {
                "jsonrpc": "2.0",
                "id": number,
                "params": {"q": " ".join(draw.choices(words.split(), k=60)), "sha": f"{draw.getrandbits(160):040x}"},
                "data": base64.b64encode(draw.randbytes(300)).decode(),
            }
        )
        for number in range(2000)
    ]
    total = sum(map(len, pieces))
    speeds = []
    for _ in range(3):
        redact = Redaction()
        began = time.process_time()
        for piece in pieces:
            redact(piece)
        speeds.append(total / 1e6 / (time.process_time() - began))
    row("redaction of payloads", f"{median(speeds):.1f} MB/s", "more than 2 MB/s")


def reading(folder: Path) -> None:
    log = McpLog(folder / "mcp", McpLogConfig(text=False), Redaction())
    for number, (event, span) in enumerate(events(30_000), 1):
        log.write((Record(number, 1e9 + number / 1000, event, span, "", "0" * 32),))
    log.close()
    for what, wanted in (("reading", ""), ("filtering", "server=github and ms>500 and category in (execution, error)")):
        chosen = Filter(wanted)
        began = time.process_time()
        sum(1 for _ in filter(chosen, Log(folder)))
        row(f"{what} 90,000 lines", f"{time.process_time() - began:.2f} s CPU")
    began = time.process_time()
    figures_of(calls_of(Log(folder))[0])
    row("figures of 30,000 calls", f"{time.process_time() - began:.2f} s CPU")
    source, target = folder / "mcp/log.jsonl", folder / "sealed.zst"
    began = time.process_time()
    seal(source, target)
    row("sealing", f"{source.stat().st_size / 1e6 / (time.process_time() - began):.0f} MB/s, {source.stat().st_size / target.stat().st_size:.1f} : 1")
    times = []
    for number in range(0, 90_000, 3000):
        began = time.perf_counter()
        Sealed(target).line(number)
        times.append(time.perf_counter() - began)
    row("one line of a sealed log, file opened anew", f"{median(times) * 1e3:.1f} ms", "milliseconds")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        costs(Path(name) / "costs")
        writes(Path(name))
        redaction()
        reading(Path(name) / "reading")


if __name__ == "__main__":
    main()
