from __future__ import annotations

import fcntl
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from massgen_core.api import Record
from massgen_mcp_log.commands.logs import Logs
from massgen_mcp_log.reading import Log
from massgen_testkit import Project

Call = Callable[..., tuple[int, str, str]]


def test_logs_show_a_table_of_what_a_filter_chooses(run: Path, call: Call) -> None:
    """The example of the language, on a run."""
    code, out, _ = call("logs", run.name, "server=github and ms>100 and category in (execution, error)")

    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["SEQ", "28", "29"]
    assert "merge" in out
    assert "tool_error" in out
    assert "500.0 ms" in out


def test_logs_as_json_are_the_lines(run: Path, call: Call) -> None:
    """Byte for byte what stands in the file; `--last` takes the end."""
    _, out, _ = call("logs", run.name, "--json")
    _, last, _ = call("logs", run.name, "--json", "--last", "2")

    assert [json.loads(line) for line in out.splitlines()] == list(Log(run))
    assert last.splitlines() == out.splitlines()[-2:]


def test_logs_say_why_nothing_is_shown(run: Path, call: Call) -> None:
    """A misspelt field is named, with those that there are; else the filter is."""
    assert "no line has a field 'sever'" in call("logs", run.name, "sever=github")[2]
    assert "none of 33 lines" in call("logs", run.name, "server=gitlab")[2]


def test_a_wrong_filter_is_shown_with_a_caret(run: Path, call: Call) -> None:
    """And exit code 2."""
    code, _, err = call("logs", run.name, "server=github ms>5")

    assert code == 2
    assert err.splitlines()[-1].endswith("^")


def test_logs_follow_a_run_until_its_end(run: Path, call: Call) -> None:
    """A run that is over is followed to its end."""
    waited: list[int] = []
    code, out, _ = call("logs", run.name, "--follow", "--filter", "category=error", command=Logs(lambda: waited.append(1)))

    assert (code, waited) == (0, [])
    assert "files is gone" in out


def test_levels_are_set_while_a_run_is_going_on(run: Path, call: Call) -> None:
    """The control file holds the rules; `default` takes one away; nonsense is refused."""
    assert call("logs", "--set-level", "github=debug", "--set-level", "*:discovery=off", run.name)[:2] == (0, "github=debug\n*:discovery=off\n")
    assert "nothing works on run" in call("logs", "--set-level", "github=default", run.name)[2]
    assert json.loads((run / "mcp/levels.json").read_text()) == {"*:discovery": "off"}
    assert call("logs", "--set-level", "github", run.name)[0] == 2
    assert call("logs", "--set-level", "github=loud", run.name)[0] == 2


def test_standard_error_of_a_server(run: Path, call: Call) -> None:
    """Is printed, sealed or not; a server without any is answered with those that have."""
    plain = call("logs", run.name, "--stderr", "files")[1]
    call("archive", run.name)

    assert "OSError: disk" in plain
    assert call("logs", run.name, "--stderr", "files")[1] == plain
    assert "there is something of: files" in call("logs", run.name, "--stderr", "github")[2]


def test_every_command_reads_archives(run: Path, call: Call) -> None:
    """What a command says of a sealed run is what it said before."""
    commands = [("logs", run.name), ("logs", run.name, "ms>100", "--json"), ("timeline", run.name), ("stats", run.name), ("anomalies", run.name)]
    commands += [("bench", run.name), ("export", run.name, "--show", "log.jsonl"), ("logs", run.name, "--follow")]
    before = [call(*command) for command in commands]
    assert call("archive", run.name)[0] == 0

    assert [call(*command) for command in commands] == before
    assert json.loads(call("archive", run.name, "--line", "3")[1])["seq"] == 3
    assert "already" in call("archive", run.name)[2]


def test_a_run_that_is_going_on_is_not_sealed_and_not_pruned(run: Path, call: Call) -> None:
    """The journal's lock says that it is going on."""
    with (run / "journal.jsonl").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert call("archive", run.name)[0] == 1
        assert call("archive", "--all")[0] == 0
        assert call("archive", "--prune", "--max-size", "0")[0] == 0
    assert (run / "mcp/log.jsonl").is_file()


def test_old_logs_are_pruned_and_runs_stay(run: Path, call: Call, keep: Callable[..., Path], story: list[Record]) -> None:
    """By size, oldest first; `--dry-run` only says so."""
    other = keep("run-2", story)
    size = sum(path.stat().st_size for path in (other / "mcp").rglob("*") if path.is_file()) / 1e6
    assert call("archive", "--prune", "--max-size", str(size + 0.001), "--dry-run")[1].startswith("would delete the log of run-1")
    assert (run / "mcp").is_dir()
    call("archive", "--prune", "--max-size", str(size + 0.001))

    assert not (run / "mcp").exists()
    assert (run / "journal.jsonl").is_file()
    assert (other / "mcp").is_dir()
    assert call("archive", "--prune", "--older-than", "1")[1] == ""


def test_all_runs_are_sealed_at_once(run: Path, call: Call, keep: Callable[..., Path], story: list[Record]) -> None:
    """Those that are old enough."""
    keep("run-2", story)

    assert call("archive", "--all", "--older-than", "1")[1] == ""
    assert len(call("archive", "--all", "--dry-run")[1].splitlines()) == 2
    assert len(call("archive", "--all")[1].splitlines()) == 2


def test_a_timeline_shows_what_overlaps(run: Path, call: Call) -> None:
    """A row for each call, or a row for each lane of an agent at a server."""
    _, each, _ = call("timeline", run.name)
    _, lanes, _ = call("timeline", run.name, "--lanes")
    bob = next(number for number, line in enumerate(lanes.splitlines()) if "bob" in line)

    assert len([line for line in each.splitlines() if "│" in line]) == 12
    assert "open │" in each
    assert "▒" in lanes.splitlines()[bob]
    assert "█" in lanes.splitlines()[bob + 1]
    assert lanes.splitlines()[bob + 1].lstrip().startswith("│")


def validated(trace: Any) -> list[dict[str, Any]]:
    """Check a trace as strictly as its format asks, and return its slices."""
    assert set(trace) == {"displayTimeUnit", "traceEvents"}
    tracks: dict[tuple[int, int], list[tuple[int, int]]] = {}
    named = {(event["pid"], event["tid"], event["name"]) for event in trace["traceEvents"] if event["ph"] == "M"}
    slices = []
    for event in trace["traceEvents"]:
        assert event["ph"] in ("X", "M", "i")
        assert isinstance(event["name"], str)
        assert event["name"]
        assert all(type(event[key]) is int and event[key] >= 0 for key in ("pid", "tid", "ts"))
        assert (event["pid"], 0, "process_name") in named
        if event["ph"] == "X":
            assert type(event["dur"]) is int
            assert event["dur"] > 0
            assert (event["pid"], event["tid"], "thread_name") in named
            tracks.setdefault((event["pid"], event["tid"]), []).append((event["ts"], event["ts"] + event["dur"]))
            slices.append(event)
        elif event["ph"] == "i":
            assert event["s"] in ("g", "p", "t")
    for track in tracks.values():
        track.sort()
        assert all(first[1] <= second[0] for first, second in pairwise(track)), "slices of one track overlap: viewers drop them"
    return slices


def test_a_trace_for_perfetto_holds_every_call(run: Path, call: Call, tmp_path: Path) -> None:
    """A file that is valid by the letter, in which nothing overlaps within a track and no call is missing."""
    path = tmp_path / "trace.json"
    code, _, _ = call("timeline", run.name, "--perfetto", str(path))
    slices = validated(json.loads(path.read_text()))

    assert code == 0
    assert len(slices) == 12
    assert {"read (not ended)", "merge", "search", "tools"} == {event["name"] for event in slices}
    assert all(len(event["args"]["trace"]) == 32 for event in slices)
    assert call("timeline", run.name, "--perfetto", str(path))[0] == 1
    assert call("timeline", run.name, "--perfetto", str(path), "--force")[0] == 0


def test_a_trace_of_many_calls_at_once(
    keep: Callable[..., Path], call: Call, tmp_path: Path, record: Callable[..., list[Record]], events: Mapping[str, Any]
) -> None:
    """Fifty calls that overlap, of no time at all or long, are all there."""
    moments = []
    for number in range(50):
        moments.append((number * 0.001, events["Called"](operation=f"o{number}")))
        moments.append((number * 0.001 + (number % 7) * 0.004, events["Returned"](operation=f"o{number}")))
    moments.sort(key=lambda moment: moment[0])
    keep("many", record(moments))
    call("timeline", "many", "--perfetto", str(tmp_path / "t.json"))

    assert len(validated(json.loads((tmp_path / "t.json").read_text()))) == 50


def test_stats_count_and_measure(run: Path, call: Call) -> None:
    """Frequency, errors, percentiles, bytes and retries by server and tool, or by what is asked for."""
    rows = json.loads(call("stats", run.name, "--json")[1])
    search = next(row for row in rows if (row["server"], row["tool"]) == ("github", "search"))
    merge = next(row for row in rows if row["tool"] == "merge")

    assert (search["calls"], search["errors"], search["p50_ms"], search["p99_ms"], search["bytes_in"]) == (9, 0, 44.0, 900.0, 8000)
    assert (merge["error_rate"], merge["retries"]) == (1.0, 2)
    assert {row["agent"] for row in json.loads(call("stats", run.name, "--json", "--by", "agent")[1])} == {"ann", "bob"}
    assert "P95" in call("stats", run.name)[1]
    assert "1 (100%)" in call("stats", run.name)[1]


def test_anomalies_name_what_is_wrong_and_what_to_do(run: Path, call: Call) -> None:
    """What hangs, was retried, was slow, the breaker, the lost connection."""
    found = {(row["kind"], row["server"], row["tool"]) for row in json.loads(call("anomalies", run.name, "--json")[1])}
    _, out, _ = call("anomalies", run.name)

    assert found == {
        ("not_ended", "files", "read"),
        ("retried", "github", "merge"),
        ("slow", "github", "search"),
        ("breaker_open", "files", ""),
        ("lost", "files", ""),
    }
    assert "files/read for ann: tools/call began and has not ended for 0.6 s until the log ends" in out
    assert call("anomalies", run.name, "--fail")[0] == 1
    assert call("anomalies", run.name, "agent=nobody", "--fail")[:2] == (0, "nothing looks wrong\n")
    assert len(json.loads(call("anomalies", run.name, "--json", "--kind", "slow", "--slow", "450")[1])) == 2


def test_bench_records_and_compares(run: Path, call: Call, keep: Callable[..., Path], story: list[Record], tmp_path: Path) -> None:
    """Two runs, or a recorded file and a run; a slower median is told, and fails where that is asked for."""
    import attrs  # noqa: PLC0415 - one event is changed here only

    slower = [
        attrs.evolve(record, event=attrs.evolve(record.event, milliseconds=record.event.milliseconds * 2))
        if hasattr(record.event, "outcome")
        else record
        for record in story
    ]
    keep("run-2", slower)
    path = tmp_path / "base.json"
    assert call("bench", run.name, "--record", str(path))[0] == 0
    rows = json.loads(call("bench", str(path), "run-2", "--json")[1])
    search = next(row for row in rows if row["tool"] == "search")

    assert (search["verdict"], search["ratio"]) == ("slower", 2.0)
    assert next(row for row in rows if row["tool"] == "merge")["verdict"] == "too few calls"
    assert call("bench", run.name, "run-2", "--fail-above", "1.5")[0] == 1
    assert call("bench", run.name, "run-2", "--fail-above", "2.5")[0] == 0
    assert "same" in call("bench", run.name, run.name)[1]
    assert "P95" in call("bench", run.name)[1]
    (tmp_path / "other.json").write_text("{}")
    assert "holds no latencies" in call("bench", str(tmp_path / "other.json"))[2]


def test_a_bundle_can_be_given_away(
    call: Call,
    keep: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record: Callable[..., list[Record]],
    events: Mapping[str, Any],
) -> None:
    """It has a manifest with digests, no payloads unless they are asked for, and no secret: those of the environment included."""
    secret = "zebra-" + "crossing"
    monkeypatch.setenv("ZOO_API_KEY", secret)
    folder = keep(
        "told", record([(0, events["Called"](arguments=f'{{"a":"{secret}"}}')), (1, events["Lost"](reason=f"bad {secret}", stderr=secret))])
    )
    (folder / "config.yaml").write_text(f"a: {secret}\npassword: hunter22\n")
    path = tmp_path / "b.zip"
    code, out, _ = call("export", "told", "--output", str(path))
    with zipfile.ZipFile(path) as bundle:
        assert bundle.testzip() is None
        files = {name: bundle.read(name).decode() for name in bundle.namelist()}
    manifest = json.loads(files["manifest.json"])

    assert code == 0
    names = {"manifest.json", "config.yaml", "log.jsonl", "stats.json", "anomalies.json", "timeline.perfetto.json", "stderr/github.stderr.log"}
    assert set(files) == names
    assert all(secret not in text and "hunter22" not in text for text in files.values())
    assert "arguments" not in files["log.jsonl"]
    assert {each["name"] for each in manifest["files"]} == set(files) - {"manifest.json"}
    assert manifest["redacted"]["known"] > 0
    assert "known" in out
    assert secret not in call("export", "told", "--payloads", "--show", "log.jsonl")[1]
    assert "arguments" in call("export", "told", "--payloads", "--show", "log.jsonl")[1]
    assert call("export", "told", "--output", str(path))[0] == 1


def test_only_ordinary_files_are_replaced(run: Path, call: Call, tmp_path: Path) -> None:
    """With `--force` too: a pipe, a folder or a link stays what it is."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("folder", "pipe", "link"):
        code, _, err = call("export", run.name, "--output", str(tmp_path / name), "--force")
        assert (code, "is no ordinary file" in err) == (1, True)

    assert (tmp_path / "folder").is_dir()
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "link").is_symlink()


def test_a_preview_writes_nothing(run: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what would be in the bundle."""
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    code, out, _ = call("export", run.name, "--preview")

    assert code == 0
    assert "log.jsonl" in out
    assert sorted(tmp_path.iterdir()) == before


def test_hostile_text_does_not_reach_the_terminal(
    call: Call, keep: Callable[..., Path], record: Callable[..., list[Record]], events: Mapping[str, Any]
) -> None:
    """Names and messages of servers are shown without control sequences."""
    hostile = "x\x1b]0;owned\x07\x1b[2J\u202ey"
    keep("evil", record([(0, events["Called"](tool=hostile, server=hostile, agent=hostile)), (1, events["Raised"](message=hostile, server=hostile))]))
    for command in (("logs",), ("timeline",), ("timeline", "--lanes"), ("stats",), ("anomalies",), ("bench",)):
        out = call(command[0], "evil", *command[1:])[1]
        assert "\x1b" not in out
        assert "\u202e" not in out
        assert "\x07" not in out


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_listings_fit_a_terminal(run: Path, call: Call, tmp_path: Path, columns: int) -> None:
    """Lines of a log are folded and lose nothing; figures lose columns; what goes into a pipe is whole."""
    project = Project.make(tmp_path, {})
    logs, stats = (project.show("mcp", command, str(run), columns=columns).check().stdout.splitlines() for command in ("logs", "stats"))
    whole, figures = (call(command, str(run))[1] for command in ("logs", "stats"))

    assert max(map(len, logs + stats)) <= columns
    assert " ".join(logs).split() == whole.split()
    assert len(stats) == len(figures.splitlines())
    assert {"SERVER", "TOOL", "CALLS", "ERRORS", "P50", "P99"} <= set(stats[0].split()) <= set(figures.splitlines()[0].split())
    assert "RETRIES" in figures
