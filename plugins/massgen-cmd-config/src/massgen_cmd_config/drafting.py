"""The configuration that answers come to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from massgen_cmd_config.facts import Facts, Installed
from massgen_cmd_config.questions import NONE, PURPOSES, Answers, listed, taken, valued
from massgen_cmd_config.rewrite import rewritten
from massgen_cmd_config.servers import MOST_SERVERS, Server, sandboxed, server, trusted
from massgen_core.api import Document

__all__ = ["chosen_server", "document", "text_of"]

_HEAD = "# Written by: massgen config new. Every key is told by: massgen config explain\n"


def text_of(facts: Facts, answers: Answers) -> str:
    """Return the file that answers come to, with defaults for what is not answered."""
    return _HEAD + rewritten(Document.of(document(facts, answers), ""), "")


def document(facts: Facts, answers: Answers) -> dict[str, Any]:
    """Return the configuration that answers come to, with defaults for what is not answered."""
    found = taken(facts, answers)
    if found.get("preset", NONE) == NONE:
        made: dict[str, Any] = {"version": 1, "agents": _agents(facts, found)}
        made |= _strategy(facts, found)
        made |= _toolsets(facts, found)
        if found.get("folder", NONE) != NONE:
            made["context_paths"] = [{"path": path, "permission": found["access"]} for path in listed(found["folder"])]
    else:
        made = dict(facts.presets[found["preset"]][1])
        if "strategy" in found and found["strategy"] != _type(made.get("strategy", "consensus")):
            made["strategy"] = found["strategy"]
    return made | _limits(facts, found, made) | _display(found, made)


def chosen_server(facts: Facts, answers: Answers, key: str) -> Server:
    """Return the server of one question, as the configuration will have it; one without a name where there is none."""
    return _server(facts, taken(facts, answers), key)


def _server(facts: Facts, found: Answers, key: str) -> Server:
    one = server(found.get(key, NONE))
    return Server(name=one.name, section=trusted(facts, one.name, sandboxed(one.section, found.get("sandbox", NONE)))) if one.name else one


def _agents(facts: Facts, found: Answers) -> list[dict[str, Any]]:
    chosen, count = listed(found["backends"]), int(found["agents"])
    known = {one.name: one for one in facts.backends}
    made = []
    for number in range(count):
        backend = chosen[number % len(chosen)]
        again = f"-{number // len(chosen) + 1}" if count > len(chosen) else ""
        section = _short(backend, _options("backend", known[backend], found))
        agent: dict[str, Any] = {"name": re.sub(r"[^A-Za-z0-9_-]", "-", backend)[:50] + again, "backend": section}
        if found[f"model.{backend}"] != "default":
            agent["model"] = found[f"model.{backend}"]
        if system := PURPOSES[found["purpose"]][1]:
            agent["system"] = system
        made.append(agent)
    return made


def _options(kind: str, plugin: Installed, found: Answers) -> dict[str, Any]:
    answers = {option: found.get(f"{kind}.{plugin.name}.{option.key}") for option in plugin.options}
    return {option.key: valued(option, answer) for option, answer in answers.items() if answer not in (None, NONE)}


def _strategy(facts: Facts, found: Answers) -> dict[str, Any]:
    plugin = next((one for one in facts.strategies if one.name == found.get("strategy")), None)
    return {"strategy": _short(plugin.name, _options("strategy", plugin, found))} if plugin else {}


def _toolsets(facts: Facts, found: Answers) -> dict[str, Any]:
    sandbox, toolsets, patterns = found.get("sandbox", NONE), [], []
    for plugin in facts.toolsets:
        if plugin.name not in listed(found.get("tools", NONE)):
            continue
        section = _options("toolset", plugin, found)
        if plugin.name == "mcp":
            servers = [_server(facts, found, f"server{number}") for number in range(1, MOST_SERVERS + 1)]
            section["servers"] = {one.name: dict(one.section) for one in servers if one.name}
            if not section["servers"]:
                continue
        elif "executor" in plugin.takes and sandbox != NONE and "executor" not in section:
            section["executor"] = {"type": sandbox}
        toolsets.append(_short(plugin.name, section))
        patterns.append("mcp__*" if plugin.name == "mcp" else "*")
    if not toolsets:
        return {}
    level = found["permission"]
    if level == "judge":
        return {"toolsets": toolsets, "classifiers": [one.name for one in facts.classifiers]}
    return {"toolsets": toolsets, "permissions": {level: ["*"] if "*" in patterns else patterns}}


def _limits(facts: Facts, found: Answers, made: Mapping[str, Any]) -> dict[str, Any]:
    before = made.get("limits") or {}
    names = {option.key: option for option in facts.limits}
    limits = {key: value for key, value in before.items() if key not in names}
    for key, option in names.items():
        if (value := valued(option, found.get(key, NONE))) is not None:
            limits[key] = int(value) if isinstance(value, float) and value.is_integer() else value
    return {"limits": limits} if limits else {"limits": {}} if before else {}


def _display(found: Answers, made: Mapping[str, Any]) -> dict[str, Any]:
    chosen = found["display"]
    return {} if chosen == (_type(made.get("display")) or "auto") else {"display": None if chosen == "auto" else chosen}


def _short(name: str, options: Mapping[str, Any]) -> Any:
    """Return how a plugin is written: by its name alone where it has no options."""
    return {"type": name, **options} if options else name


def _type(section: Any) -> str:
    return str(section.get("type", "")) if isinstance(section, Mapping) else section or ""
