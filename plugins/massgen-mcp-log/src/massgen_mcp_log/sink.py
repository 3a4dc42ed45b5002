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
from massgen_mcp_log.lines import Brief, Fields, Line, Plan, decode, encode, level_of, plan_of, unknown_plan
from massgen_mcp_log.people import People, Told
from massgen_mcp_log.redact import Redaction

__all__ = ["McpLog", "opened"]

# The run's resource by which whoever writes a log tells the MCP client whether it wants to see what crosses the wire.
WISHES = ("mcp", "payloads")
_SAFE_SIZE = 80
_SAFE_TAIL = 256
_REMEMBERED = 5_000
_UNKNOWN = 1_000
_Reader: TypeAlias = Callable[[Any], tuple[Any, ...]]
_UNSEEN: Any = object()


@attrs.frozen
class _Fixed:
    """What many events have in common, ready to be written.

    Attributes:
        line: Fields and values.
        data: The same in JSON, without braces.
        is_written: Their level is high enough.
        with_payloads: What crossed the wire is written too.
        tell: Takes it for people too; None where they do not see it: of a call's measure they learn from its end.
    """

    line: Line
    data: bytes
    is_written: bool
    with_payloads: bool
    tell: Callable[[Any, Told], None] | None
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
        self._folder, self._config, self._redact = folder, config, redaction
        self.levels = Levels("debug") if config.debug else Levels(config.level, config.levels, folder / CONTROL)
        self.levels.refresh()
        self._looked = 0.0
        self._version, self._trace = self.levels.version, ""
        self._log = LineFile(folder / LOG)
        self._servers: dict[str, LineFile] = {}
        self._errors: dict[str, LineFile] = {}
        self._touched: set[LineFile] = set()
        self._tails: dict[str, list[str]] = {}
        self._shapes: dict[Any, _Shape | None] = {}
        self._people = People(folder, config) if config.text else None

    def write(self, records: Sequence[Record]) -> None:
        """Take a batch and write it, one write a file. A record that cannot be written costs itself alone; the first failure is raised at the end.

        Raises:
            OSError: A file cannot be written.
        """
        failure: Exception | None = None
        for record in records:
            shape = self._shapes.get(type(record.event), _UNSEEN)
            if shape is _UNSEEN:
                shape = self._shape(record.event)
            if shape is None:
                continue
            try:
                self._take(record, shape)
            except (OSError, ValueError, TypeError) as error:
                failure = failure or error
        for file in (self._log, *self._touched):
            try:
                file.flush()
            except OSError as error:
                failure = failure or error
        self._touched.clear()
        if self._people is not None:
            self._people.wake()
        if failure is not None:
            raise failure

    def _shape(self, event: Any) -> _Shape | None:
        """Return the shape of an event that is not known by its class; None for what is no event of MCP."""
        # What no installed class describes is told by its own fields.
        key = (event.name, *event.data) if isinstance(event, UnknownEvent) else type(event)
        if key not in self._shapes:
            if len(self._shapes) > _UNKNOWN:
                self._shapes.clear()
            self._shapes[key] = _shape_of(event)
        return self._shapes[key]

    def _take(self, record: Record, shape: _Shape) -> None:
        if not 0.0 <= record.at - self._looked < LOOK_SECONDS or record.trace != self._trace or self.levels.version != self._version:
            self._look(record)
        event, plan = record.event, shape.plan
        key = shape.stable(event)
        fixed = shape.fixed.get(key) or self._fix(shape, key)
        if plan.has_stderr:
            self._look_for_stderr(fixed.server, record, dict(zip(plan.names[plan.stable :], shape.varying(event), strict=True)))
        if not fixed.is_written:
            return
        line: Fields = {}
        tail = b""
        if shape.brief is not None and not fixed.with_payloads:
            line = shape.brief(record.span, record.parent, *shape.plain(event))
            tail = encode(line)
        if not len(b"{}") < len(tail) <= _SAFE_TAIL:
            line = self._varied(record, plan.varying, shape.varying(event), with_payloads=fixed.with_payloads)
            tail = encode(line)
        # Once more as a whole: an id could hold what is known to be secret.
        text = tail.decode()
        if (shown := self._redact.known(text)) != text:
            tail = shown.encode()
            line = decode(tail)
        data = b'{"v":1,"seq":%d,"at":%b,%b,%b\n' % (record.seq, encode(record.at), fixed.data, tail[1:])
        self._log.add(data)
        if fixed.file is not None:
            fixed.file.add(data)
            self._touched.add(fixed.file)
        if fixed.tell is not None:
            operation = line.get("operation") if type(line) is dict else getattr(line, "operation", None)
            fixed.tell(operation, (record.seq, record.at, fixed.line, line))

    def _look(self, record: Record) -> None:
        """Look whether somebody has changed the levels; forget what lines have in common if so, or if they are of another trace."""
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
        tell = self._people.way(plan.event) if is_told and self._people is not None else None
        made = _Fixed(line, encode(line)[1:-1], RANKS[level] >= least, least == 0, tell, server, file)
        if len(shape.fixed) >= _REMEMBERED:
            shape.fixed.clear()
        shape.fixed[key] = made
        return made

    def _varied(self, record: Record, fields: tuple[tuple[str, str], ...], values: tuple[Any, ...], *, with_payloads: bool) -> Line:
        """Return the other fields, redacted; what is empty says nothing and is left out."""
        line: Line = {"span": record.span}
        if record.parent:
            line["parent"] = record.parent
        for (written, treatment), value in zip(fields, values, strict=True):
            kind = type(value)
            if kind is int or kind is float or kind is bool:
                line[written] = value
            elif kind is str:
                if not value:
                    continue
                if treatment == "id" and len(value) <= _SAFE_SIZE:
                    line[written] = value
                elif treatment != "payload":
                    line[written] = self._redact(value)
                elif with_payloads:
                    line[written] = self._cut(self._redact(value), line, written)
            elif value:
                line[written] = self._redact.value(value, written)
        if not record.span:
            del line["span"]
        return line or {"span": ""}

    def _cut(self, text: str, line: Line, name: str) -> str:
        limit = self._config.payload_limit
        if len(text) <= limit:
            return text
        line[f"{name}_characters"] = len(text)
        return text[:limit]

    def _look_for_stderr(self, server: str, record: Record, fields: dict[str, Any]) -> None:
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
        file.add((mark + "\n".join(fresh) + "\n").encode("utf-8", "replace"))
        self._touched.add(file)

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
    fields = [(name, Any, "") for name in ("span", "parent", *(written for _, written in plan.plain))]
    brief: Any = msgspec.defstruct("Brief", fields, bases=(Brief,), omit_defaults=True, gc=False)
    return _Shape(plan, stable, varying, brief, _reader([name for name, _ in plan.plain]))


def _overlap(earlier: list[str], lines: list[str]) -> int:
    """Return how many of the first `lines` are the last of `earlier`."""
    for size in range(min(len(earlier), len(lines)), 0, -1):
        if earlier[-size:] == lines[:size]:
            return size
    return 0
