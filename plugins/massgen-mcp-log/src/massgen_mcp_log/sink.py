"""The sink: takes the records of a run, keeps what belongs to MCP, and writes it down at once."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import msgspec

from massgen_core.api import Context, Record, UnknownEvent, clean
from massgen_mcp_log.config import McpLogConfig
from massgen_mcp_log.files import FOLDER, LOG, SERVERS, LineFile, server_name
from massgen_mcp_log.levels import CONTROL, LOOK_SECONDS, RANKS, Levels
from massgen_mcp_log.lines import VERSION, Brief, Fields, Fixed, Line, Plan, decode, encode, level_of, plan_of, unknown_plan
from massgen_mcp_log.people import PHASES, People
from massgen_mcp_log.redact import Redaction

__all__ = ["McpLog", "opened"]

# The run's resource by which whoever writes a log tells the MCP client whether it wants to see what crosses the wire.
WISHES = ("mcp", "payloads")
_SAFE_SIZE = 80
# Version, number, time and the names of fields take some of it: no id is longer than that, if a line is not.
_SAFE_REST = 300
_REMEMBERED = 5_000
_UNKNOWN = 1_000
_Reader: TypeAlias = Callable[[Any], tuple[Any, ...]]
_UNSEEN: Any = object()


@attrs.frozen
class _Fixed(Fixed):
    """What many events have in common, ready to be written.

    Attributes:
        data: The value of the first field, and the others with their names, in JSON: what stands in a line behind `"level":`.
        limit: A line of ids and numbers that is longer holds an id that must be looked at.
        is_written: Their level is high enough.
        with_payloads: What crossed the wire is written too.
        server: Whose it is.
        file: That server's log.
    """

    data: msgspec.Raw
    limit: int
    is_written: bool
    with_payloads: bool
    server: str
    file: LineFile | None


@attrs.frozen
class _Shape:
    """How events of one type are read and written.

    Attributes:
        plan: What becomes of the fields.
        stable: Reads those whose values come again and again.
        varying: Reads the others.
        brief: Makes a line of span, parent and what `plain` reads; None where a text must be looked at.
        plain: Reads ids and numbers.
        fixed: What events with the same stable values have in common.
    """

    plan: Plan
    stable: _Reader
    varying: _Reader
    brief: type[Brief] | None = None
    plain: _Reader = tuple
    fixed: dict[tuple[Any, ...], _Fixed] = attrs.field(factory=dict)


def _reader(names: Sequence[str]) -> _Reader:
    """Return what reads fields of an event; with fewer than two names, attrgetter returns no tuple."""
    return attrgetter(*names) if len(names) > 1 else lambda event: tuple(getattr(event, name) for name in names)


def _from_data(names: tuple[str, ...]) -> _Reader:
    return lambda event: tuple(map(event.data.get, names))


def _hashable(names: tuple[str, ...]) -> _Reader:
    def read(event: Any) -> tuple[Any, ...]:
        values = map(event.data.get, names)
        return tuple(value if value is None or isinstance(value, str | int | float) else str(value) for value in values)

    return read


@asynccontextmanager
async def opened(config: McpLogConfig, context: Context) -> AsyncIterator[McpLog]:
    """Open the log in the run's folder and close it at the end."""
    log = McpLog(context.folder / FOLDER, config, Redaction(context.redact))
    wishes: set[Callable[[str, str, str], bool]] = await context.share(WISHES, _wishes)
    wishes.add(log.levels.wants)
    try:
        yield log
    finally:
        wishes.discard(log.levels.wants)
        log.close()


@asynccontextmanager
async def _wishes() -> AsyncIterator[set[Callable[[str, str, str], bool]]]:
    yield set()


class McpLog:
    """Writes each event of MCP as one line into the log of all and the log of its server.

    Args:
        folder: Where; it is made.
        config: What.
        redaction: Takes secrets out of every text before it is written.
    """

    def __init__(self, folder: Path, config: McpLogConfig, redaction: Redaction) -> None:
        for part in (folder, folder / SERVERS):  # parents that are made on the way would not get the mode
            part.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder, self._config, self._redact, self._known = folder, config, redaction, redaction.known
        self.levels = Levels("debug") if config.debug else Levels(config.level, config.levels, folder / CONTROL)
        self.levels.refresh()
        self._looked = 0.0
        self._version, self._trace = self.levels.version, ""
        self._log = LineFile(folder / LOG)
        self._servers: dict[str, LineFile] = {}
        self._errors: dict[str, LineFile] = {}
        self._tails: dict[str, list[str]] = {}
        self._shapes: dict[Any, _Shape | None] = {}
        self._people = People(folder, config) if config.text else None

    def write(self, records: Sequence[Record]) -> None:
        """Take a batch and write it, one write a file. A record that cannot be written costs itself alone; the first failure is raised at the end.

        Raises:
            OSError: A file cannot be written.
        """
        if records:
            self._look(records[0])
        failure: Exception | None = None
        lines: list[bytes] = []
        taken: list[tuple[_Fixed, Fields]] = []
        for record in records:
            event = record.event
            shape = self._shapes.get(type(event), _UNSEEN)
            try:
                if shape is _UNSEEN:
                    shape = self._shape(event)
                if shape is None:
                    continue
                key = shape.stable(event)
                fixed = shape.fixed.get(key) or self._fix(shape, key)
                if shape.plan.has_stderr:
                    self._look_for_stderr(fixed.server, record, shape)
                if not fixed.is_written:
                    continue
                line: Fields | None = None
                data = b""
                if shape.brief is not None and not fixed.with_payloads:
                    line = shape.brief(VERSION, record.seq, record.at, fixed.data, record.span, record.parent, *shape.plain(event))
                    data = encode(line)
                if line is None or len(data) > fixed.limit:
                    line = self._varied(record, shape, fixed)
                    data = encode(line)
                lines.append(data)
                taken.append((fixed, line))
            except (OSError, ValueError, TypeError) as error:
                failure = failure or error
        if lines:
            try:
                self._put(lines, taken)
            except OSError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def _put(self, lines: list[bytes], taken: list[tuple[_Fixed, Fields]]) -> None:
        """Write the lines of a batch, and have people told of them."""
        lines.append(b"")  # behind the last line is a line break too
        whole = b"\n".join(lines)
        # Once more as a whole: an id could hold what is known to be secret; what is escaped would not be recognised.
        text = whole.decode()
        if "\\" in text or self._known(text) != text:
            hidden = [_hidden(line, self._known) for line in lines[:-1]]
            lines = [*map(encode, hidden), b""]
            taken = [(fixed, line) for (fixed, _), line in zip(taken, hidden, strict=True)]
            whole = b"\n".join(lines)
        if self._people is not None:
            self._people.tell([each for each in taken if each[0].is_told])
        parts = {self._log: whole}
        if len({fixed.file for fixed, _ in taken}) > 1:
            self._share_out(lines, taken, parts)
        elif (file := taken[0][0].file) is not None:
            parts[file] = whole
        failure: OSError | None = None
        for file, part in parts.items():
            try:
                file.write(part)
            except OSError as error:  # what one file has no room for may find some in another
                failure = failure or error
        if failure is not None:
            raise failure

    @staticmethod
    def _share_out(lines: list[bytes], taken: list[tuple[_Fixed, Fields]], parts: dict[LineFile, bytes]) -> None:
        """Add to `parts` what belongs into the logs of the servers."""
        shares: dict[LineFile, list[bytes]] = {}
        for (fixed, _), line in zip(taken, lines, strict=False):
            if fixed.file is not None:
                shares.setdefault(fixed.file, []).append(line)
        for file, share in shares.items():
            parts[file] = b"\n".join((*share, b""))

    def _shape(self, event: Any) -> _Shape | None:
        """Return the shape of an event that is not known by its class; None for what is no event of MCP."""
        # What no installed class describes is told by its own fields.
        key = (event.name, *event.data) if isinstance(event, UnknownEvent) else type(event)
        if key not in self._shapes:
            if len(self._shapes) > _UNKNOWN:
                self._shapes.clear()
            self._shapes[key] = _shape_of(event)
        return self._shapes[key]

    def _look(self, record: Record) -> None:
        """Look, not always, whether somebody has changed the levels; forget what lines have in common if so, or if they are of another trace."""
        if not 0.0 <= record.at - self._looked < LOOK_SECONDS:
            self._looked = record.at
            self.levels.refresh()
        if self.levels.version != self._version or record.trace != self._trace:
            self._version, self._trace = self.levels.version, record.trace
            for shape in self._shapes.values():
                if shape is not None:
                    shape.fixed.clear()

    def _fix(self, shape: _Shape, key: tuple[Any, ...]) -> _Fixed:
        """Make, and remember, what events with these values of the stable fields have in common."""
        plan = shape.plan
        fields = dict(zip(plan.names[: plan.stable], key, strict=True))
        level = level_of(plan.operation, fields)
        server, tool = str(fields.get("server") or ""), str(fields.get("tool") or "")
        least = self.levels.rank(server, tool, plan.operation)
        line: Line = {"level": level, "category": plan.category, "event": plan.event}
        if self._trace:
            line["trace"] = self._trace
        for written, value in zip(plan.written, key, strict=False):
            if value is not None and value != "":
                line[written] = self._redact.value(value)
        file = self._server(server) if server and RANKS[level] >= least else None
        is_told = plan.category != "performance" or self._config.debug
        data = encode(line)[len(b'{"level":') : -1]
        phase, limit = PHASES.get(plan.event, ""), len(data) + _SAFE_REST
        made = _Fixed(line, is_told, phase, msgspec.Raw(data), limit, RANKS[level] >= least, least == 0, server, file)
        if len(shape.fixed) >= _REMEMBERED:
            shape.fixed.clear()
        shape.fixed[key] = made
        return made

    def _varied(self, record: Record, shape: _Shape, fixed: _Fixed) -> Line:
        """Return a line with its other fields redacted; what is empty says nothing and is left out."""
        line: Line = {"v": VERSION, "seq": record.seq, "at": record.at, "level": fixed.data}
        if record.span:
            line["span"] = record.span
        if record.parent:
            line["parent"] = record.parent
        for (written, treatment), value in zip(shape.plan.varying, shape.varying(record.event), strict=True):
            kind = type(value)
            if kind is int or kind is float or kind is bool:
                line[written] = value
            elif kind is str:
                if not value:
                    continue
                if treatment == "id" and len(value) <= _SAFE_SIZE:
                    line[written] = self._known(value)
                elif treatment != "payload":
                    line[written] = self._redact(value)
                elif fixed.with_payloads:
                    line[written] = self._cut(self._redact(value), line, written)
            elif value:
                line[written] = self._redact.value(value, written)
        return line

    def _cut(self, text: str, line: Line, name: str) -> str:
        limit = self._config.payload_limit
        if len(text) <= limit:
            return text
        line[f"{name}_characters"] = len(text)
        return text[:limit]

    def _look_for_stderr(self, server: str, record: Record, shape: _Shape) -> None:
        fields = dict(zip(shape.plan.names[shape.plan.stable :], shape.varying(record.event), strict=True))
        if fields.get("stderr"):
            self._keep_stderr(server, record, str(fields["stderr"]))
        elif fields.get("logger") == "stderr":
            self._keep_stderr(server, record, str(fields.get("text", "")), is_stream=True)

    def _server(self, server: str) -> LineFile:
        found = self._servers.get(server)
        if found is None:
            found = self._servers[server] = LineFile(self._folder / SERVERS / f"{server_name(server)}.jsonl")
        return found

    def _keep_stderr(self, server: str, record: Record, text: str, *, is_stream: bool = False) -> None:
        """Add what a server wrote to its standard error, without what an earlier event told already."""
        lines = clean(self._redact(text)).rstrip("\n").split("\n")
        earlier = self._tails.get(server, [])
        fresh = lines if is_stream else lines[_overlap(earlier, lines) :]
        if not fresh:
            return
        self._tails[server] = [*earlier, *fresh][-200:]
        file = self._errors.get(server)
        if file is None:
            file = self._errors[server] = LineFile(self._folder / SERVERS / f"{server_name(server)}.stderr.log")
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.at)) + f".{int(record.at % 1 * 1000):03}Z"
        mark = "" if is_stream else f"--- {stamp} seq {record.seq} {record.event.type}\n"
        file.write((mark + "\n".join(fresh) + "\n").encode("utf-8", "replace"))

    def close(self) -> None:
        """Write what is pending and close the files."""
        if self._people is not None:
            self._people.close()
        for file in (self._log, *self._servers.values(), *self._errors.values()):
            file.close()


def _shape_of(event: Any) -> _Shape | None:
    if isinstance(event, UnknownEvent):
        plan = unknown_plan(event)
        return None if plan is None else _Shape(plan, _hashable(plan.names[: plan.stable]), _from_data(plan.names[plan.stable :]))
    plan = plan_of(type(event))
    if plan is None:
        return None
    stable, varying = _reader(plan.names[: plan.stable]), _reader(plan.names[plan.stable :])
    if plan.plain is None:
        return _Shape(plan, stable, varying)
    fields: list[Any] = ["v", "seq", "at", "level", *((name, Any, "") for name in ("span", "parent", *(written for _, written in plan.plain)))]
    brief: Any = msgspec.defstruct("Brief", fields, bases=(Brief,), omit_defaults=True, gc=False)
    return _Shape(plan, stable, varying, brief, _reader([name for name, _ in plan.plain]))


def _hidden(line: bytes, known: Callable[[str], str]) -> Line:
    """Return a line's fields without the values that are known to be secret; names of fields and numbers are ours."""

    def hide(value: Any) -> Any:
        if isinstance(value, str):
            return known(value)
        if isinstance(value, dict):
            return {name: hide(item) for name, item in value.items()}
        return [hide(item) for item in value] if isinstance(value, list) else value

    shown: Line = hide(decode(line))
    return shown


def _overlap(earlier: list[str], lines: list[str]) -> int:
    """Return how many of the first `lines` are the last of `earlier`."""
    for size in range(min(len(earlier), len(lines)), 0, -1):
        if earlier[-size:] == lines[:size]:
            return size
    return 0
