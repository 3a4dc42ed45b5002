"""Scripts: from plain data to steps, with every mistake named by its place."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, get_args

import attrs

from massgen_core.api import ConfigProblem, Purpose, StopReason, Usage, nearest

__all__ = ["FAULTS", "Call", "Choice", "Fault", "Script", "Step", "read"]

RAISED = frozenset(
    {"rate_limited", "overloaded", "connection_lost", "timed_out", "authentication", "bad_request", "context_too_long", "model_missing"}
)
FAULTS = RAISED | {"refused", "filtered", "length", "empty", "malformed_arguments", "stall", "hang"}
FOREVER = 2**31
Number: TypeAlias = int | float
_COUNTS = ("input", "cached", "written", "output", "reasoning")


@attrs.frozen(kw_only=True)
class Fault:
    """How a step fails.

    Attributes:
        type: One of `FAULTS`.
        after: Characters of text that come before it.
        retry_after: Seconds, for `rate_limited`.
        message: The error's text; empty for a standard one.
    """

    type: str
    after: int = 0
    retry_after: float | None = None
    message: str = ""


@attrs.frozen(kw_only=True)
class Call:
    """A tool call; `arguments` is JSON text, or whatever the script wants to pass for it."""

    name: str
    arguments: str = "{}"
    id: str = ""


@attrs.frozen(kw_only=True)
class Choice:
    """Whom to vote for: a position (`first`, `last`, `own`), a label, or a piece of the answer's text."""

    position: str = ""
    content_contains: str = ""
    reason: str = "as the script says"


@attrs.frozen(kw_only=True)
class Step:
    """What one model call does, and when it is its turn.

    Attributes:
        place: Where it is written, for messages.
        repeat: How many calls it serves.
        does: The script names something to do; otherwise the call goes as it would without a script.
    """

    place: str = ""
    purpose: str = ""
    turn: int = 0
    when: str = ""
    chance: float = 1.0
    repeat: int = 1
    does: bool = True
    reasoning: str = ""
    text: str = ""
    answer: str | None = None
    vote: Choice | None = None
    calls: tuple[Call, ...] = ()
    items: tuple[Any, ...] = ()
    usage: Usage | None = None
    stop: StopReason | None = None
    model: str = ""
    delay: float | None = None
    pause: float = 0.0
    chunk: int | None = None
    fault: Fault | None = None


@attrs.frozen(kw_only=True)
class Script:
    """All steps, by agent; `*` stands for agents that are not named.

    Attributes:
        default: What is played when no step fits; None for what happens without a script.
    """

    agents: Mapping[str, tuple[Step, ...]] = attrs.field(factory=dict)
    default: Step | None = None

    def steps(self, agent: str) -> tuple[Step, ...]:
        """The steps of an agent."""
        found = self.agents.get(agent)
        return self.agents.get("*", ()) if found is None else found


def read(file: str = "", script: Mapping[str, Any] | None = None, steps: Sequence[Any] = ()) -> Script:
    """Return the script of one of the three sources; an empty one where there is none.

    Raises:
        ConfigProblem: More than one source, a file that cannot be read, or a mistake in the script.
    """
    if sum(map(bool, (file, script, steps))) > 1:
        raise ConfigProblem("`file`, `script` and `steps` are three ways to say the same; keep one of them")
    if steps:
        return Script(agents={"*": _Reader(file).steps(steps, "steps")})
    if file:
        return _Reader(file).script(_load(file), "")
    return _Reader("").script(script, "script") if script else Script()


def _load(file: str) -> Any:
    try:
        text = Path(file).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigProblem(f"cannot read this script: {reason}; `file` is relative to the folder {Path.cwd()}", source=file) from error
    if file.endswith(".json"):
        try:
            return json.loads(text)
        except ValueError as error:
            raise ConfigProblem(f"not valid JSON: {error}", source=file) from error
    import yaml  # noqa: PLC0415 (42 ms that a JSON or inline script need not pay)

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigProblem(f"not valid YAML: {error}", source=file) from error


class _Reader:
    """Checks one script; `source` is the file that it came from."""

    def __init__(self, source: str) -> None:
        self.source = source

    def script(self, data: Any, path: str) -> Script:
        if isinstance(data, list):
            return Script(agents={"*": self.steps(data, path)})
        data = self.mapping({} if data is None else data, path, ("agents", "default"))
        agents = self.mapping(data.get("agents", {}), _join(path, "agents"))
        default = data.get("default")
        return Script(
            agents={name: self.steps(steps, _join(path, f"agents.{name}")) for name, steps in agents.items()},
            default=None if default is None else self.step(default, _join(path, "default")),
        )

    def steps(self, data: Any, path: str) -> tuple[Step, ...]:
        if not isinstance(data, Sequence) or isinstance(data, str):
            raise self.problem(f"a list of steps is needed, not {data!r:.80}", path)
        return tuple(self.step(step, f"{path}[{index}]") for index, step in enumerate(data))

    def step(self, data: Any, path: str) -> Step:
        if isinstance(data, str):
            return Step(place=path, text=data)
        data = self.mapping(data, path, _STEP_KEYS)
        fields: dict[str, Any] = {"place": f"{self.source}: {path}" if self.source else path, "does": bool(data.keys() & _DEEDS)}
        for key, value in data.items():
            fields[key] = self.field(key, value, _join(path, key))
        return Step(**fields)

    def field(self, key: str, value: Any, path: str) -> Any:  # one line for each kind of field
        if key in {"when", "reasoning", "text", "answer", "model"}:
            return self.of(str, value, path)
        if key in {"turn", "chunk"}:
            return self.number(int, value, path)
        if key in {"delay", "pause", "chance"}:
            return float(self.number((int, float), value, path))
        if key == "repeat":
            return FOREVER if value == "forever" else self.number(int, value, path)
        if key in {"purpose", "stop"}:
            return self.one_of(value, get_args(Purpose if key == "purpose" else StopReason), path)
        if key == "calls":
            return tuple(self.call(call, f"{path}[{index}]") for index, call in enumerate(self.of(list, value, path)))
        if key == "items":
            return tuple(self.of(list, value, path))
        return {"vote": self.choice, "usage": self.usage, "fault": self.fault}[key](value, path)

    def call(self, data: Any, path: str) -> Call:
        data = self.mapping(data, path, ("name", "arguments", "id"))
        if not data.get("name"):
            raise self.problem("a call needs the tool's `name`", path)
        arguments = data.get("arguments", {})
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        return Call(name=self.of(str, data["name"], path), arguments=text, id=self.of(str, data.get("id", ""), path))

    def choice(self, data: Any, path: str) -> Choice:
        if isinstance(data, str):
            return Choice(position=data)
        data = self.mapping(data, path, ("label", "content_contains", "reason"))
        if ("label" in data) == ("content_contains" in data):
            raise self.problem("name either `label` or `content_contains`", path)
        texts = {key: self.of(str, value, _join(path, key)) for key, value in data.items()}
        return Choice(position=texts.pop("label", ""), **texts)

    def usage(self, data: Any, path: str) -> Usage:
        data = self.mapping(data, path, (*_COUNTS, "cost"))
        counts = {key: self.number(int if key in _COUNTS else (int, float), value, _join(path, key)) for key, value in data.items()}
        return Usage(**counts)

    def fault(self, data: Any, path: str) -> Fault:
        if isinstance(data, str):
            return Fault(type=self.one_of(data, FAULTS, path))
        data = self.mapping(data, path, ("type", "after", "retry_after", "message"))
        wait = data.get("retry_after")
        return Fault(
            type=self.one_of(data.get("type"), FAULTS, _join(path, "type")),
            after=self.number(int, data.get("after", 0), _join(path, "after")),
            retry_after=None if wait is None else float(self.number((int, float), wait, _join(path, "retry_after"))),
            message=self.of(str, data.get("message", ""), _join(path, "message")),
        )

    def mapping(self, data: Any, path: str, keys: Collection[str] = ()) -> Mapping[str, Any]:
        if not isinstance(data, Mapping):
            raise self.problem(f"a mapping is needed, not {data!r:.80}", path)
        for key in data:
            if not isinstance(key, str):
                raise self.problem(f"the key {key!r:.80} is not a text; put it in quotes", path)
            if keys and key not in keys:
                self.one_of(key, keys, path)
        return data

    def one_of(self, value: Any, known: Collection[str], path: str) -> Any:
        if isinstance(value, str) and value in known:
            return value
        near = nearest(str(value), known)
        hint = f", perhaps {near!r} was meant" if near else ""
        raise self.problem(f"{value!r:.80} is not known here{hint} (known: {', '.join(sorted(known))})", path)

    def of(self, kind: type[Any], value: Any, path: str) -> Any:
        if not isinstance(value, kind):
            raise self.problem(f"{'a text' if kind is str else 'a list'} is needed, not {value!r:.80}", path)
        return value

    def number(self, kind: type[Any] | tuple[type[Any], ...], value: Any, path: str) -> Any:
        if not isinstance(value, kind) or isinstance(value, bool) or not 0 <= value < float("inf"):
            raise self.problem(f"{'a whole number' if kind is int else 'a number'} of at least 0 is needed, not {value!r:.80}", path)
        return value

    def problem(self, message: str, path: str) -> ConfigProblem:
        return ConfigProblem(message, path=path, source=self.source)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


_STEP_KEYS = tuple(field.name for field in attrs.fields(Step) if field.name not in {"place", "does"})
_DEEDS = frozenset({"reasoning", "text", "answer", "vote", "calls", "items"})
