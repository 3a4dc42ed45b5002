"""`massgen mcp bench`: records latencies of operations, and compares two runs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from massgen_core.api import App, MassGenError, UsageProblem, clean_line
from massgen_mcp_log.bundle import encode_pretty, write
from massgen_mcp_log.calls import calls_of
from massgen_mcp_log.commands.common import add_filter, chosen, opened, table, wanted_by
from massgen_mcp_log.figures import figures_of
from massgen_mcp_log.filters import Filter

__all__ = ["Bench"]

_FORMAT = "massgen-mcp-latencies"
_KEYS = ("server", "method", "tool")
_ENOUGH = 5
_SAME = 1.1


class Bench:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        parser.add_argument("run", metavar="RUN", nargs="?", default="last", help="a run, or a file of --record; 'last' by default")
        parser.add_argument("other", metavar="OTHER", nargs="?", help="a run, or a file of --record, to compare RUN with")
        add_filter(parser, "which lines, for instance: 'server=github'")
        parser.add_argument("--record", metavar="FILE", type=Path, help="write the latencies of RUN to a file, for later comparisons")
        parser.add_argument("--force", action="store_true", help="replace the file if it exists")
        parser.add_argument("--json", action="store_true", help="print a JSON array")
        parser.add_argument(
            "--fail-above", metavar="RATIO", type=float, help="exit code 1 if a median of OTHER is above so many times that of RUN, for scripts"
        )

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Print the latencies and return the exit code."""
        wanted = wanted_by(arguments)
        first = _latencies(app, arguments.run, wanted)
        if arguments.record is not None:
            rows = [dict(zip(_KEYS, key, strict=True)) | row for key, row in first.items()]
            write(arguments.record, encode_pretty({"format": _FORMAT, "v": 1, "latencies": rows}), is_forced=arguments.force)
            app.out(f"latencies of {len(first)} operations are in {arguments.record}")
        if arguments.other is None:
            if arguments.fail_above is not None:
                raise UsageProblem("--fail-above compares; name another run")
            if arguments.record is None:
                _print_one(app, first, is_json=arguments.json)
            return 0
        compared = [_compared(key, first.get(key), row) for key, row in _latencies(app, arguments.other, wanted).items()]
        _print_both(app, compared, is_json=arguments.json)
        bound = arguments.fail_above
        return 1 if bound is not None and any((each["ratio"] or 0.0) > bound and each["is_enough"] for each in compared) else 0


def _latencies(app: App, name: str, wanted: Filter) -> dict[tuple[str, ...], dict[str, Any]]:
    path = Path(name).expanduser()
    if path.is_file():
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["format"] != _FORMAT or data["v"] != 1:
                raise ValueError(data["format"])
            return {tuple(str(row[key]) for key in _KEYS): row for row in data["latencies"]}
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise MassGenError(f"{path} holds no latencies; they are written by: massgen mcp bench RUN --record FILE") from error
    calls, _ = calls_of(chosen(opened(app, name), wanted))
    found = {}
    for each in figures_of(calls, _KEYS):
        row = each.row()
        found[each.names] = {"calls": len(each.times), **{name: row[name] for name in ("errors", "p50_ms", "p95_ms", "p99_ms", "max_ms")}}
    return found


def _compared(key: tuple[str, ...], old: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    is_enough = old is not None and min(old["calls"], new["calls"]) >= _ENOUGH
    ratio = round(new["p50_ms"] / old["p50_ms"], 3) if old is not None and old["p50_ms"] else None
    if ratio is None:
        verdict = "new" if old is None else ""
    elif not is_enough:
        verdict = "too few calls"
    else:
        verdict = "slower" if ratio > _SAME else "faster" if ratio < 1 / _SAME else "same"
    return {**dict(zip(_KEYS, key, strict=True)), "old": old, "new": new, "ratio": ratio, "is_enough": is_enough, "verdict": verdict}


def _title(row: Any) -> str:
    return " ".join(part for part in (f"{clean_line(row['server'], 24)}/{clean_line(row['tool'] or '-', 32)}", clean_line(row["method"], 24)) if part)


def _print_one(app: App, found: dict[tuple[str, ...], dict[str, Any]], *, is_json: bool) -> None:
    rows = [dict(zip(_KEYS, key, strict=True)) | row for key, row in found.items()]
    if is_json:
        app.out(json.dumps(rows, indent=2))
        return
    cells = [(_title(row), str(row["calls"]), *(f"{row[name]:,.1f} ms" for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms"))) for row in rows]
    for line in table(("OPERATION", "CALLS", "P50", "P95", "P99", "MAX"), cells, right=range(1, 6)):
        app.out(line)


def _print_both(app: App, compared: list[dict[str, Any]], *, is_json: bool) -> None:
    if is_json:
        app.out(json.dumps(compared, indent=2))
        return
    cells = []
    for row in compared:
        old, new = row["old"] or {}, row["new"]
        pairs = (f"{old[name]:,.1f} → {new[name]:,.1f} ms" if old else f"{new[name]:,.1f} ms" for name in ("p50_ms", "p95_ms", "p99_ms"))
        calls = f"{old['calls']} → {new['calls']}" if old else str(new["calls"])
        cells.append((_title(row), calls, *pairs, f"{row['ratio']:.2f}" if row["ratio"] is not None else "", row["verdict"]))
    for line in table(("OPERATION", "CALLS", "P50", "P95", "P99", "P50 RATIO", "VERDICT"), cells, right=range(1, 6), spare=("P99", "P95")):
        app.out(line)
