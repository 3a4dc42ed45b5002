from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.api import MassGenError, Record
from massgen_core.codec import encode
from massgen_mcp_log.archive import Sealed, seal
from massgen_mcp_log.calls import calls_of
from massgen_mcp_log.commands.archive import seal_run
from massgen_mcp_log.figures import percentile
from massgen_mcp_log.lanes import Lanes
from massgen_mcp_log.reading import Log
from massgen_mcp_log.retention import Kept, excess
from massgen_mcp_log.sink import McpLog


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A file of 30,000 lines."""
    path = tmp_path / "big.jsonl"
    path.write_bytes(b"".join(b'{"seq":%d,"text":"%b"}\n' % (number, b"abc " * (number % 60)) for number in range(30_000)))
    return path


def test_a_sealed_file_gives_back_every_line(big: Path, tmp_path: Path) -> None:
    """In order one after the other, and any single line by its number."""
    count = seal(big, tmp_path / "big.zst")
    sealed = Sealed(tmp_path / "big.zst")
    lines = big.read_bytes().splitlines()

    assert count == sealed.count == len(lines)
    assert list(sealed) == lines
    assert [sealed.line(number) for number in (0, 1, 9_999, 17_123, 29_999)] == [lines[number] for number in (0, 1, 9_999, 17_123, 29_999)]
    assert (tmp_path / "big.zst").stat().st_size < big.stat().st_size / 4
    with pytest.raises(IndexError):
        sealed.line(30_000)


def test_a_single_line_is_read_in_milliseconds(big: Path, tmp_path: Path) -> None:
    """The median of fifty random places, opening the file included, is a few milliseconds of CPU."""
    seal(big, tmp_path / "big.zst")
    times = []
    for number in range(0, 30_000, 600):
        began = time.process_time()
        Sealed(tmp_path / "big.zst").line(number)
        times.append(time.process_time() - began)

    assert sorted(times)[25] < 0.02


@pytest.mark.parametrize("share", [0.0, 0.1, 0.35, 0.6, 0.9, 0.999])
def test_a_file_that_was_cut_is_readable_up_to_the_cut(big: Path, tmp_path: Path, share: float) -> None:
    """All whole frames before the cut come back, in order, and no line is wrong."""
    path = tmp_path / "cut.zst"
    seal(big, path, frame=64 * 1024)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    lines = big.read_bytes().splitlines()
    found = list(Sealed(path))

    assert found == lines[: len(found)]
    assert len(found) >= len(lines) * (share - 0.1)
    if share < 0.99:
        with pytest.raises(MassGenError, match="cut"):
            Sealed(path).line(0)


@pytest.mark.skipif(shutil.which("zstd") is None, reason="the zstd program is not installed")
def test_the_zstd_program_reads_it(big: Path, tmp_path: Path) -> None:
    """A sealed log is an ordinary zstd file."""
    seal(big, tmp_path / "big.zst")

    assert subprocess.run(["zstd", "-dc", str(tmp_path / "big.zst")], capture_output=True, check=True).stdout == big.read_bytes()


@given(st.lists(st.binary(max_size=50).filter(lambda line: b"\n" not in line), max_size=30), st.booleans(), st.integers(1, 200))
def test_sealing_loses_nothing(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], is_ended: bool, frame: int) -> None:
    """Whatever the lines are, empty ones and a last one without its end included."""
    folder = tmp_path_factory.mktemp("seal")
    data = b"\n".join(lines) + (b"\n" if is_ended else b"")
    (folder / "x").write_bytes(data)
    seal(folder / "x", folder / "x.zst", frame)
    sealed = Sealed(folder / "x.zst")
    wanted = data.split(b"\n")[:-1] + ([rest] if (rest := data.split(b"\n")[-1]) else [])

    assert list(sealed) == wanted
    assert [sealed.line(number) for number in range(sealed.count)] == wanted


def test_a_sealed_run_reads_like_a_live_one(run: Path) -> None:
    """The same lines; a run that went on after it was sealed is read as one, and sealed again as one."""
    before = list(Log(run))
    lines, size, sealed_size = seal_run(run)

    assert lines == len(before)
    assert sealed_size < size
    assert list(Log(run)) == before
    assert Log(run).origin == "archive"
    assert sorted(path.name for path in (run / "mcp").rglob("*") if path.is_file()) == ["files.stderr.log.zst", "log.jsonl.zst"]

    more = {**before[-1], "seq": before[-1]["seq"] + 1}
    (run / "mcp/log.jsonl").write_text(json.dumps(before[-1]) + "\n" + json.dumps(more) + "\n")
    assert list(Log(run)) == [*before, more]
    seal_run(run)
    assert list(Log(run)) == [*before, more]


def test_damaged_lines_are_left_out_and_counted(run: Path) -> None:
    """Nonsense in the middle costs itself; a last line without its end is not read yet."""
    path = run / "mcp/log.jsonl"
    data = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*data[:3], b"nonsense\n", b"[1]\n", b"\xff\xfe\n", *data[3:], b'{"seq":99']))
    log = Log(run)

    assert len(list(log)) == len(data)
    assert log.damaged == 3


def test_a_run_without_the_log_is_read_from_its_journal(tmp_path: Path, story: list[Record]) -> None:
    """What the journal holds of MCP is told in the same lines."""
    (tmp_path / "journal.jsonl").write_bytes(encode(story))
    log = Log(tmp_path)
    found = list(log)

    assert log.origin == "journal"
    assert [line["seq"] for line in found] == list(range(1, len(story) + 1))
    assert found[2]["event"] == "mcp.execution.returned"
    assert (found[2]["ms"], found[2]["trace"], found[2]["level"]) == (40.0, story[0].trace, "info")


def test_no_log_and_no_journal_is_an_error(tmp_path: Path) -> None:
    """With the folder's name."""
    with pytest.raises(MassGenError, match=tmp_path.name):
        Log(tmp_path)


def test_following_shows_what_comes_until_the_run_is_over(tmp_path: Path, log_of: Callable[..., McpLog], story: list[Record]) -> None:
    """What was there, what comes while we wait, and what came last of all."""
    (tmp_path / "journal.jsonl").write_bytes(b"")
    log: list[McpLog] = []
    script: Iterator[Callable[[], Any]] = iter(
        [
            lambda: log.append(log_of(level="debug")),
            lambda: log[0].write(story[:5]),
            lambda: log[0].write(story[5:9]),
            lambda: log[0].write(story[9:]),
        ]
    )

    def wait() -> None:
        next(script, lambda: None)()

    steps = iter([True] * 8 + [False] * 3)
    seen = list(Log(tmp_path).follow(lambda: next(steps), wait))

    assert [line["seq"] for line in seen] == [record.seq for record in story]


def test_operations_are_put_together(run: Path) -> None:
    """Starts and ends are joined by operation; attempts become retries; what hangs has no end."""
    calls, last = calls_of(Log(run))
    by_operation = {call.operation: call for call in calls}

    assert len(calls) == 12
    assert [call.start for call in calls] == sorted(call.start for call in calls)
    assert (by_operation["a0"].ms, by_operation["a0"].bytes_out, by_operation["a0"].bytes_in) == (40.0, 20, 1000)
    assert (by_operation["b1"].outcome, by_operation["b1"].is_error, by_operation["b1"].retries) == ("tool_error", True, 2)
    assert by_operation["c1"].end is None
    assert by_operation["l1"].name == "tools"
    assert last > by_operation["c1"].start


def test_an_end_without_a_start_still_counts(keep: Callable[..., Path], story: list[Record]) -> None:
    """Where starts are below the level, an end tells how long it took."""
    calls, _ = calls_of(Log(keep("quiet", story, level="warning")))

    assert [(call.operation, round((call.end or 0) - call.start, 3)) for call in calls] == [("b1", 0.5)]


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 300)), max_size=60))
def test_nothing_overlaps_in_a_lane(intervals: list[tuple[int, int]]) -> None:
    """However calls overlap, and no more lanes are used than calls overlap at once."""
    lanes, used = Lanes(), dict[int, list[tuple[int, int]]]()
    ordered = sorted((start, start + size) for start, size in intervals)
    for start, end in ordered:
        used.setdefault(lanes.place(start, end), []).append((start, end))
    for row in used.values():
        assert all(first[1] <= second[0] for first, second in pairwise(row))
    assert len(used) == max((sum(a <= start < b for a, b in ordered) for start, _ in ordered), default=0)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0.01, 1))
def test_percentiles_are_values_by_nearest_rank(values: list[float], share: float) -> None:
    """At least that share of all is not above it, and it is one of them."""
    ordered = sorted(values)
    found = percentile(ordered, share)

    assert found in ordered
    assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-9


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), max_size=12), st.none() | st.integers(0, 100), st.none() | st.integers(0, 500))
def test_retention_keeps_the_youngest_within_its_bounds(logs: list[tuple[int, int]], days: int | None, size: int | None) -> None:
    """What stays is young enough and small enough together; what goes is older than what stays; nothing goes without a reason."""
    kept = [Kept(Path(str(number)), bytes_, 86_400.0 * at) for number, (at, bytes_) in enumerate(logs)]
    gone = excess(kept, 86_400.0 * 100, days=days, size=size)
    stays = [each for each in kept if each not in gone]

    assert all(days is None or 100 - each.at / 86_400 <= days for each in stays)
    assert size is None or sum(each.size for each in stays) <= size
    assert not gone or not stays or max(each.at for each in gone) <= min(each.at for each in stays)
    if days is None and size is None:
        assert not gone
