"""The migration: a document of MassGen 0.0 or 0.1 in, one of today's out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from massgen_core.api import ConfigProblem, ConfigProblems, nearest
from massgen_migrate_massgen.backends import ALIASES, FRAMEWORKS, MODELS, OPTIONS, PROGRAMS, TARGETS
from massgen_migrate_massgen.commands import TOOLS
from massgen_migrate_massgen.folders import apart
from massgen_migrate_massgen.options import Options
from massgen_migrate_massgen.rules import REASONS, extra
from massgen_migrate_massgen.sections import AGENT, AGENT_TODAY, COORDINATION, ORCHESTRATOR, TIMEOUTS, TOP, TOP_TODAY, UI
from massgen_migrate_massgen.servers import toolset, warnings

__all__ = ["migrate"]

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SCREENS = frozenset({"rich_terminal", "textual_terminal", "rich", "textual", "terminal", "detailed"})
_LINES = frozenset({"simple", "plain", "silent", "none", "text"})
_FINALS = {"winner_reuse": "reuse", "winner_present": "present", "synthesize": "present"}


def migrate(document: Mapping[str, Any], warn: Callable[[ConfigProblem], None] = lambda problem: None) -> dict[str, Any]:
    """Return a configuration of format 1, made from one of MassGen 0.0 or 0.1; one of format 1 or later is returned as it is.

    Args:
        document: Plain data. What is taken over is not copied, so that it can be told where it stood.
        warn: Receives what is read differently or left out without harm, with key paths of `document`.

    Raises:
        ConfigProblems: Everything that cannot be taken over, with key paths of `document`.
    """
    if document.get("version") not in (None, 0):
        return dict(document)
    reader = _Reader(warn)
    made: dict[str, Any] = {"version": 1}
    reader.section(document, "", TOP, made, today=TOP_TODAY)
    reader.finish(document, made)
    if reader.problems:
        raise ConfigProblems(reader.problems)
    return made


class _Reader(Options):
    """The sections of a document; those of a backend are `Options`."""

    def __init__(self, warn: Callable[[ConfigProblem], None]) -> None:
        super().__init__(warn)
        self.names: set[str] = set()

    def finish(self, document: Mapping[str, Any], made: dict[str, Any]) -> None:
        """Say how the agents come to one answer: one alone just answers, several vote as today's default does."""
        agents = made.get("agents")
        if "agents" in document and "agent" in document:
            self.wrong("`agents` and `agent` are both there; keep one of them", "agent")
        if "agents" not in made and not self.problems:
            self.wrong("`agents` is missing: who works on the question", "")
        if isinstance(agents, list) and len(agents) == 1:
            made["strategy"] = {"type": "single"}
        elif "strategy" in made:
            made["strategy"] = {"type": "consensus", **made["strategy"]}
        apart(made, self.places, self)
        if "permissions" in made and any("permissions" in agent for agent in agents or () if isinstance(agent, dict)):
            made["permissions"] = {"ask": [*made["permissions"]["ask"], *TOOLS]}  # commands were kept back while agents planned, too

    # Agents

    def on_agents(self, value: Any, path: str, made: dict[str, Any]) -> None:
        if not isinstance(value, list):
            self.wrong("expected a list of agents", path)
            return
        made["agents"] = [self.agent(agent, f"{path}[{index}]") for index, agent in enumerate(value)]

    def on_agent(self, value: Any, path: str, made: dict[str, Any]) -> None:
        made.setdefault("agents", [self.agent(value, path)])

    def agent(self, data: Any, path: str) -> dict[str, Any]:
        made: dict[str, Any] = {}
        self.section(data, path, AGENT, made, today=AGENT_TODAY)
        if isinstance(data, Mapping) and "backend" not in data:
            self.wrong("`backend` is missing: where the agent's answers come from", path)
        return made

    def on_name(self, value: Any, path: str, made: dict[str, Any]) -> None:
        if value is None:
            return
        if not isinstance(value, str | int):
            self.wrong("an agent's id is a text", path)
            return
        name = value
        if not isinstance(value, str) or not _NAME.fullmatch(value) or value in self.names:
            name = self.free_name(_NOT_IN_NAMES.sub("-", str(value)[:50]).strip("-_") or "agent")
            self.note(f"this agent is called {name!r} here: names have letters, digits, '-' and '_', and differ", path)
        self.names.add(str(name))
        made["name"] = name

    def free_name(self, wanted: str) -> str:
        name, number = wanted, 2
        while name in self.names:
            name, number = f"{wanted}-{number}", number + 1
        return name

    # Backends

    def on_backend(self, value: Any, path: str, made: dict[str, Any]) -> None:
        if not isinstance(value, Mapping):
            example = f"; write `backend: {{type: {value}}}`" if isinstance(value, str) and value in TARGETS else ""
            self.wrong(f"expected a mapping with `type` and `model`{example}", path)
            return
        kind = self.kind(value, path)
        if kind is None:
            return
        target = TARGETS[kind]
        made["backend"] = {"type": target.type}
        self.section(value, path, {**OPTIONS, **target.rules}, made, others=extra())
        for key, option in self.defaults(kind, target.options, value).items():
            made["backend"].setdefault(key, option)
        self.tools(kind, value, path, made)

    def kind(self, data: Mapping[str, Any], path: str) -> str | None:
        """Return the type of a backend, or None after its mistake is noted."""
        kind, model = data.get("type"), data.get("model")
        if kind is None and isinstance(model, str):
            kind = next((name for beginning, name in MODELS if model.lower().startswith(beginning)), None)
        if kind is None:
            self.wrong(f"`type` is missing, and the model does not tell it (types: {', '.join(TARGETS)})", path)
        elif not isinstance(kind, str):
            self.wrong("`type` is the name of a backend", f"{path}.type")
        elif (name := ALIASES.get(kind.lower(), kind.lower())) in TARGETS:
            return name
        elif name in FRAMEWORKS or name in PROGRAMS:
            self.wrong(REASONS["framework" if name in FRAMEWORKS else "program"], f"{path}.type")
        else:
            near = nearest(kind, TARGETS)
            meant = f"; did you mean {near!r}?" if near else ""
            self.wrong(f"no backend {kind[:60]!r}{meant} (types: {', '.join(TARGETS)})", f"{path}.type", near=near)
        return None

    def tools(self, kind: str, data: Mapping[str, Any], path: str, made: dict[str, Any]) -> None:
        has_own_tools = kind == "claude_code"
        found = toolset(data, has_own_tools=has_own_tools)
        for problem in warnings(data.get("mcp_servers"), f"{path}.mcp_servers"):
            self.warn(problem)
        if found:
            made["toolsets"] = [found]
        elif not has_own_tools:
            for key in ("allowed_tools", "exclude_tools"):
                if data.get(key):
                    self.note("this agent has no MCP servers, and so no tools that this could name", f"{path}.{key}")
        if has_own_tools:
            self.claude_tools(data, made["backend"])
        self.commands(kind, data, path, made)
        self.functions(data, path, made)

    # The other sections

    def on_orchestrator(self, value: Any, path: str, made: dict[str, Any]) -> None:
        self.section(value, path, ORCHESTRATOR, made)

    def on_coordination(self, value: Any, path: str, made: dict[str, Any]) -> None:
        self.section(value, path, COORDINATION, made)

    def on_planning(self, value: Any, path: str, made: dict[str, Any]) -> None:
        if value:
            self.put_to_a_person(["mcp__*"], made)
            self.note("planning mode is not there; instead every call of an MCP tool is put to a person, and refused where nobody is asked", path)

    def on_gated(self, value: Any, path: str, made: dict[str, Any]) -> None:
        if isinstance(value, list) and all(isinstance(pattern, str) for pattern in value):
            self.put_to_a_person(value, made)
            self.note("checkpoints are not there; instead every call of these tools is put to a person, and refused where nobody is asked", path)
        elif value is not None:
            self.wrong("expected a list of patterns of tool names", path)

    def put_to_a_person(self, tools: list[str], made: dict[str, Any]) -> None:
        if tools:
            made["permissions"] = {"ask": [*made.get("permissions", {}).get("ask", ()), *tools]}

    def on_novelty(self, value: Any, path: str, made: dict[str, Any]) -> None:
        if value is not None and made.setdefault("strategy", {}).setdefault("voting_sensitivity", value) != value:
            self.note("how much a new answer must differ goes with voting_sensitivity, which is given, too", path)

    def on_skip_presentation(self, value: Any, path: str, made: dict[str, Any]) -> None:
        if value:
            self.put(made, ("strategy", "final"), "reuse", path)

    def on_final(self, value: Any, path: str, made: dict[str, Any]) -> None:
        if isinstance(value, str) and value in _FINALS:
            self.put(made, ("strategy", "final"), _FINALS[value], path)
        elif value is not None:
            self.wrong(f"expected one of {', '.join(_FINALS)}", path)

    def on_restart(self, value: Any, path: str, made: dict[str, Any]) -> None:
        if value:
            self.put(made, ("strategy", "on_new_answer"), "restart", path)

    def on_mode(self, value: Any, path: str, made: dict[str, Any]) -> None:
        if value not in (None, "voting"):
            self.wrong(REASONS["parts"], path)

    def on_timeouts(self, value: Any, path: str, made: dict[str, Any]) -> None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            self.put(made, ("limits", "seconds"), value, path)
        else:
            self.section(value, path, TIMEOUTS, made)

    def on_agent_seconds(self, value: Any, path: str, made: dict[str, Any]) -> None:
        self.note("an agent's time is its own limits.seconds; the run's limit is kept", path)

    def on_ui(self, value: Any, path: str, made: dict[str, Any]) -> None:
        self.section(value, path, UI, made)

    def on_display(self, value: Any, path: str, made: dict[str, Any]) -> None:
        if value in (None, "") or (isinstance(value, str) and value in _SCREENS):
            return  # today's default: the terminal display where it is installed
        if isinstance(value, str) and value in _LINES:
            self.put(made, ("display",), "plain", path)
        else:
            self.note("no display of this name; the default is used", path)
