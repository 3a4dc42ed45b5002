from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from massgen_core.api import Record, UnknownEvent
from massgen_mcp_log.files import LineFile, server_name
from massgen_mcp_log.levels import CONTROL, Levels, change_levels
from massgen_mcp_log.lines import CATEGORIES, VERSION
from massgen_mcp_log.sink import McpLog

Records = list[Record]


def lines(folder: Path, name: str = "log.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "mcp" / name).read_bytes().splitlines()]


def test_total_order_and_one_file_for_each_server(tmp_path: Path, log_of: Callable[..., McpLog], story: Records) -> None:
    """The log of all has every line in order; each server's log has the same bytes of its own lines."""
    log_of().write(story)
    every = lines(tmp_path)

    assert [line["seq"] for line in every] == sorted(line["seq"] for line in every) == list(range(1, len(story) + 1))
    for server in ("github", "files"):
        own = (tmp_path / "mcp/servers" / f"{server}.jsonl").read_bytes().splitlines()
        assert own == [raw for raw in (tmp_path / "mcp/log.jsonl").read_bytes().splitlines() if f'"server":"{server}"'.encode() in raw]
        assert own


def test_lines_are_flat_with_one_name_for_one_thing(tmp_path: Path, log_of: Callable[..., McpLog], story: Records) -> None:
    """Each line has its envelope, one of five categories, trace and span; times are `ms`, and empty fields are left out."""
    log_of().write(story)
    for line in lines(tmp_path):
        assert line["v"] == VERSION
        assert line["category"] in CATEGORIES
        assert line["event"].startswith(f"mcp.{line['category']}.")
        assert line["level"] in ("debug", "info", "warning", "error")
        assert len(line["trace"]) == 32
        assert len(line["span"]) == 16
        assert "milliseconds" not in line
        assert "" not in line.values()

    returned = next(line for line in lines(tmp_path) if line["event"] == "mcp.execution.returned")
    assert returned["ms"] == 40.0


def test_a_field_named_like_the_envelope_keeps_out_of_its_way(
    tmp_path: Path, log_of: Callable[..., McpLog], record: Callable[..., Records], events: Mapping[str, Any]
) -> None:
    """A server's own level becomes the line's level and stays readable as `own_level`."""
    log_of().write(record([(0, events["Logged"](level="critical", text="oops"))]))

    assert [(line["level"], line["own_level"]) for line in lines(tmp_path)] == [("error", "critical")]


def test_payloads_are_written_at_debug_only_and_cut(
    tmp_path: Path, log_of: Callable[..., McpLog], record: Callable[..., Records], events: Mapping[str, Any]
) -> None:
    """At info there are no payloads; at debug they are there, up to the limit, and the line says how long they were."""
    records = record([(0, events["Called"](arguments="x" * 100)), (1, events["Framed"](payload="y" * 100))])
    log_of(tmp_path / "a").write(records)
    log_of(tmp_path / "b", levels={"github": "debug"}, payload_limit=10).write(records)
    log_of(tmp_path / "c", level="error", debug=True).write(records)

    assert [("arguments" in line, "payload" in line) for line in lines(tmp_path / "a")] == [(False, False)]
    assert [line.get("arguments", line.get("payload")) for line in lines(tmp_path / "b")] == ["x" * 10, "y" * 10]
    assert lines(tmp_path / "b")[0]["arguments_characters"] == 100
    assert len(lines(tmp_path / "c")) == 2


def test_events_of_a_plugin_that_is_not_installed(tmp_path: Path, log_of: Callable[..., McpLog]) -> None:
    """They are logged as they come, whatever their fields hold; what is not of MCP is not."""
    data = {"server": ["odd"], "tool": None, "level": {"a": 1}, "extra": [1, "two"], "n": 3}
    log = log_of()
    log.write([Record(1, 1.0, UnknownEvent(name="mcp.acme.happened", data=data)), Record(2, 1.0, UnknownEvent(name="acme.mcp", data=data))])

    assert [(line["event"], line["category"], line["extra"], line["n"]) for line in lines(tmp_path)] == [
        ("mcp.acme.happened", "execution", [1, "two"], 3)
    ]


def test_standard_error_is_kept_once(tmp_path: Path, log_of: Callable[..., McpLog], story: Records) -> None:
    """A tail that two events tell is written once, with the place where it came."""
    log_of().write(story)
    text = (tmp_path / "mcp/servers/files.stderr.log").read_text()

    assert text.count("OSError: disk") == 1
    assert text.startswith("--- 2026-")
    assert " mcp.connection.lost\nboot\nTraceback\n" in text


def test_a_stream_of_standard_error_is_written_as_it_comes(
    tmp_path: Path, log_of: Callable[..., McpLog], record: Callable[..., Records], events: Mapping[str, Any]
) -> None:
    """Lines that the client passes on while the server runs are kept, cleaned of control sequences."""
    log_of().write(record([(0, events["Logged"](logger="stderr", text="one\x1b[2J")), (0, events["Logged"](logger="stderr", text="two"))]))

    assert (tmp_path / "mcp/servers/github.stderr.log").read_text() == "one\ntwo\n"


def test_known_secrets_are_removed_wherever_they_stand(
    tmp_path: Path, log_of: Callable[..., McpLog], record: Callable[..., Records], events: Mapping[str, Any]
) -> None:
    """What the run has handed out is removed from ids, names and texts, before anything is written."""
    value = "correct-horse"
    log = log_of(known=lambda text: text.replace(value, "***"), level="debug", text=True)
    log.write(
        record([(0, events["Called"](tool=value, operation=value, call=value, arguments=f'{{"a":"{value}"}}')), (1, events["Lost"](stderr=value))])
    )
    log.close()
    found = [path for path in (tmp_path / "mcp").rglob("*") if path.is_file() and value in path.read_text()]

    assert found == []
    assert len(lines(tmp_path)) == 2


@pytest.mark.parametrize("secret", ["123456", "operation", 'pa"ss\\word'])
def test_a_known_secret_that_looks_like_a_part_of_a_line_harms_no_line(
    secret: str, tmp_path: Path, log_of: Callable[..., McpLog], record: Callable[..., Records], events: Mapping[str, Any]
) -> None:
    """Digits of a number and names of fields stay; in texts the secret is removed, also where JSON writes it in other characters."""
    log = log_of(known=lambda text: text.replace(secret, "***"))
    log.write(record([(0, events["Returned"](milliseconds=1234567.5, operation="o1")), (1, events["Called"](operation=f"o-{secret}"))]))
    returned, called = lines(tmp_path)

    assert (returned["ms"], returned["operation"], called["operation"]) == (1234567.5, "o1", "o-***")


def test_levels_change_while_a_run_is_going_on(tmp_path: Path, log_of: Callable[..., McpLog], story: Records) -> None:
    """The control file is read again when it changes; a broken one changes nothing."""
    log = log_of(level="error")
    log.write(story)
    before = len(lines(tmp_path))
    change_levels(tmp_path / "mcp" / CONTROL, {"github": "debug"})
    log.write([Record(record.seq + 100, record.at + 100, record.event) for record in story])
    after = lines(tmp_path)[before:]
    (tmp_path / "mcp" / CONTROL).write_text("{broken")
    log.write([Record(record.seq + 200, record.at + 200, record.event) for record in story])
    broken = lines(tmp_path)[before + len(after) :]
    change_levels(tmp_path / "mcp" / CONTROL, {"github": "default"})
    log.write([Record(record.seq + 300, record.at + 300, record.event) for record in story])

    assert before == 2
    assert {line["server"] for line in after} == {"github", "files"}
    assert len(after) == len(broken) == 2 + sum(record.event.server == "github" for record in story)  # type: ignore[attr-defined]
    assert len(lines(tmp_path)) == 2 * before + 2 * len(after)


@pytest.mark.parametrize(
    ("rules", "level"),
    [
        ({}, "info"),
        ({"github": "debug"}, "debug"),
        ({"git*": "error", "github": "debug"}, "debug"),
        ({"github": "debug", "*/merge": "off"}, "off"),
        ({"github": "debug", "*:execution": "warning"}, "warning"),
        ({"*:execution": "warning", "*:execution.called": "debug"}, "debug"),
        ({"*:execution.called": "debug", "github/merge:execution": "error"}, "error"),
        ({"gitlab": "debug", "*/search": "debug", "*:discovery": "debug"}, "info"),
    ],
)
def test_the_rule_that_is_meant_most_closely_wins(rules: dict[str, str], level: str) -> None:
    """A tool before an operation before a server, a name before a pattern."""
    levels = ["debug", "info", "warning", "error", "off"]

    assert levels[Levels("info", rules).rank("github", "merge", "execution.called")] == level


def test_files_for_people(tmp_path: Path, log_of: Callable[..., McpLog], story: Records) -> None:
    """They stand beside the structured ones: a line an event, a start only where its end is not beside it."""
    log = log_of(text=True)
    log.write(story)
    log.close()
    text = (tmp_path / "mcp/log.txt").read_text()

    assert text.count("called read") == 1
    assert "called search" not in text
    assert "returned merge tools/call tool_error" in text
    assert "lost" in (tmp_path / "mcp/servers/files.txt").read_text()
    assert "github" not in (tmp_path / "mcp/servers/files.txt").read_text()


def test_files_for_people_are_begun_anew_compressed_and_deleted(tmp_path: Path, log_of: Callable[..., McpLog], story: Records) -> None:
    """Rotation, compression and retention are those of the configuration."""
    for _ in range(4):
        log = log_of(text=True, rotation="1 kB", retention=2, level="debug")
        log.write(story)
        log.close()
    names = sorted(path.name for path in (tmp_path / "mcp").glob("log*txt*"))

    assert names[-1] == "log.txt"
    assert len([name for name in names if name.endswith(".gz")]) == 2


def test_crowds_of_calls_are_told_together(
    tmp_path: Path, log_of: Callable[..., McpLog], record: Callable[..., Records], events: Mapping[str, Any]
) -> None:
    """A thousand calls in a moment are one line for people, and a thousand for programs."""
    log = log_of(text=True)
    log.write(record([(number / 1e4, events["Returned"](milliseconds=number, operation=str(number))) for number in range(1000)]))
    log.close()
    text = (tmp_path / "mcp/log.txt").read_text()

    assert len(lines(tmp_path)) == 1000
    assert text.count("\n") < 10
    assert "slowest_ms=999" in text


def test_a_torn_line_costs_itself_alone(tmp_path: Path) -> None:
    """What a full disk or a loss of power left behind is closed before the next line."""
    (tmp_path / "x").write_bytes(b'{"a":1}\n{"a":')
    file = LineFile(tmp_path / "x")
    file.write(b'{"a":3}\n')
    file.close()

    assert (tmp_path / "x").read_bytes() == b'{"a":1}\n{"a":\n{"a":3}\n'


def test_a_full_disk_is_told_and_the_next_line_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After half a line the next begins on its own."""
    file = LineFile(tmp_path / "x")
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) < 6:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:4])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        file.write(b"12345678\n")
    monkeypatch.undo()
    file.write(b"whole\n")
    file.close()

    assert (tmp_path / "x").read_bytes() == b"1234\nwhole\n"


def test_only_the_owner_can_read(tmp_path: Path, log_of: Callable[..., McpLog], story: Records) -> None:
    """Every file and folder of the log, whatever the umask is, also those that were begun anew."""
    log = log_of(text=True, rotation="1 kB", compression="")
    before = os.umask(0)
    try:
        log.write(story)
        log.close()
    finally:
        os.umask(before)

    assert {path.name: oct(path.stat().st_mode & 0o077) for path in (tmp_path / "mcp").rglob("*") if path.stat().st_mode & 0o077} == {}
    assert (tmp_path / "mcp").stat().st_mode & 0o077 == 0


def test_two_servers_never_share_a_file() -> None:
    """Names that need other characters get a digest; nothing leaves the folder."""
    names = ["a/b", "a_b", "a.b", "../..", "", "a" * 70, "a" * 71]

    assert len({server_name(name) for name in names}) == len(names)
    assert all("/" not in server_name(name) and "." not in server_name(name) for name in names)


WRITER = """
import sys, os
from pathlib import Path
from massgen_core.api import Record, UnknownEvent
from massgen_mcp_log.config import McpLogConfig
from massgen_mcp_log.redact import Redaction
from massgen_mcp_log.sink import McpLog
log = McpLog(Path(sys.argv[1]) / "mcp", McpLogConfig(level="debug"), Redaction())
for number in range(1, 1_000_000):
    data = {"server": f"s{number % 3}", "tool": "t", "arguments": "x" * (number % 900)}
    log.write([Record(number, 1000.0 + number / 1000, UnknownEvent(name="mcp.execution.called", data=data))])
    os.write(1, b"%d\\n" % number)  # said only after it was written
"""


@pytest.mark.parametrize("after", [1, 7, 100, 431, 1200])
def test_nothing_is_lost_or_torn_when_the_process_is_killed(tmp_path: Path, after: int) -> None:
    """After SIGKILL the logs hold every line that the writer was told is written, in order and whole, in the log of all and in each server's."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        for _ in range(after):
            process.stdout.readline()
    finally:
        process.send_signal(signal.SIGKILL)
    told = [*process.stdout.read().splitlines()]
    process.wait(20)
    process.stdout.close()
    last = int(told[-1]) if told else after

    def whole(path: Path) -> list[int]:
        # The kernel may end a write between two pages when it kills: what it did not finish has no line break, and nobody was told of it.
        return [json.loads(line)["seq"] for line in path.read_bytes().split(b"\n")[:-1]]

    numbers = whole(tmp_path / "mcp/log.jsonl")
    own = sorted(number for path in (tmp_path / "mcp/servers").glob("s*.jsonl") for number in whole(path))

    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= last
    assert own[:last] == numbers[:last]
