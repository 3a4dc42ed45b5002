"""Whole runs with MCP servers: what agents get, what a run survives, and what its journal says."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

PEER = Path(__file__).resolve().parents[2] / "plugins" / "massgen-mcp-client" / "tests" / "live" / "peer.py"
ASKING = '''
from typing import Annotated

from mcp.server import MCPServer
from mcp.server.mcpserver import Resolve, Sample
from mcp.types import CreateMessageResult, SamplingMessage, TextContent

server = MCPServer("asking", log_level="CRITICAL")


async def wish() -> Sample:
    return Sample([SamplingMessage(role="user", content=TextContent(type="text", text="a rhyme on moon"))], max_tokens=20)


@server.tool()
async def rhyme(answer: Annotated[CreateMessageResult, Resolve(wish)]) -> str:
    """Make a rhyme."""
    return f"the model says: {answer.content.text}"


server.run(transport="stdio")
'''

LEVELLING = '''
import subprocess
import sys

from mcp.server import MCPServer

server = MCPServer("levelling", log_level="CRITICAL")


@server.tool()
def level(rule: str) -> str:
    """Change what the run logs, as a person would from another terminal."""
    code = "import sys; from massgen_core.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "mcp", "logs", "last", "--set-level", rule]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, text=True).stdout


@server.tool()
def say(text: str) -> str:
    """Say it again."""
    return text


server.run(transport="stdio")
'''


def server(kind: str, **fields: Any) -> dict[str, Any]:
    return {"command": sys.executable, "args": [str(PEER), kind], "security": {"level": "permissive"}, **fields}


def config(servers: Mapping[str, Any], *calls: Mapping[str, Any], agents: int = 1, **more: Any) -> dict[str, Any]:
    """Return a configuration whose agents make calls and then answer."""
    steps = [*({"calls": [call]} for call in calls), {"answer": "forty-two"}]
    return {
        "version": 1,
        "agents": [{"name": f"agent{number}", "backend": {"type": "scripted", "steps": steps}} for number in range(agents)],
        "strategy": "single" if agents == 1 else "consensus",
        "toolsets": [{"type": "mcp", "servers": servers, **more}],
        "permissions": {"allow": ["mcp__*", "mcp_search_tools"], "deny": ["*__tool_7"]},
    }


@pytest.fixture
def conduct(massgen_project: Callable[..., Any]) -> Callable[..., tuple[Any, list[dict[str, Any]]]]:
    """Run a configuration and return how it ended, and its journal."""

    def run(document: Mapping[str, Any], files: Mapping[str, str] | None = None) -> tuple[Any, list[dict[str, Any]]]:
        project = massgen_project({"massgen.yaml": document, **(files or {})})
        result = project.run("run", "What is six times seven?", "--config", "massgen.yaml")
        (journal,) = project.home.rglob("journal.jsonl")
        return result, [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]

    return run


def of(journal: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [line["data"] for line in journal if line["type"] == name]


def test_agents_share_a_server_and_its_end_is_in_the_journal(conduct: Any) -> None:
    """Two agents, one process; each call has its span below the agent's; what happens while it closes is told too."""
    call = {"name": "mcp__peer__act", "arguments": {}}
    result, journal = conduct(config({"peer": server("plain")}, call, agents=2))

    result.check()
    assert len(of(journal, "mcp.connection.opened")) == 1
    assert [one["outcome"] for one in of(journal, "mcp.execution.returned")] == ["ok", "ok"]
    types = [line["type"] for line in journal]
    assert types.index("run.ended") < types.index("mcp.connection.closed")
    spans = {line["span"] for line in journal if line["type"] == "tool.called"}
    assert {line["parent"] for line in journal if line["type"] == "mcp.execution.called"} == spans


def test_a_run_survives_the_death_of_its_server(conduct: Any) -> None:
    """The model and the person hear of it once each, the server is started again, and the run has its answer."""
    calls = [{"name": "mcp__peer__act", "arguments": {"do": "die"}}, {"name": "mcp__peer__act", "arguments": {}}]
    result, journal = conduct(config({"peer": server("plain")}, *calls))

    result.check()
    first, second = of(journal, "tool.returned")
    assert "killed by signal 9" in first["result"]["content"][0]["text"]
    assert not second["result"]["is_error"]
    notices = [one["text"].splitlines()[0] for one in of(journal, "notice.given")]
    assert notices == ["MCP server 'peer' is gone: killed by signal 9 (SIGKILL)", "MCP server 'peer' is back"]
    assert len(of(journal, "mcp.connection.opened")) == 2


def test_a_run_goes_on_without_a_server(conduct: Any) -> None:
    """A server that cannot start costs its tools only."""
    result, journal = conduct(config({"peer": server("plain"), "bad": server("exits")}, {"name": "mcp__peer__act", "arguments": {}}))

    result.check()
    assert "exited with code 2" in result.stderr
    assert not of(journal, "tool.returned")[0]["result"]["is_error"]


def test_new_tools_can_be_called_in_the_same_turn(conduct: Any) -> None:
    """A server that changes its tools in the middle of a turn changes what the model can call next."""
    calls = [{"name": f"mcp__peer__{name}", "arguments": {"do": do}} for name, do in (("act", "change"), ("act", "echo"), ("new", "echo"))]
    document = config({"peer": server("changing")}, *calls)
    document["agents"][0]["backend"]["steps"][1]["delay"] = 1.0
    result, journal = conduct(document)

    result.check()
    assert [(one["tool"], one["result"]["is_error"]) for one in of(journal, "tool.returned")] == [
        ("mcp__peer__act", False),
        ("mcp__peer__act", False),
        ("mcp__peer__new", False),
    ]


def test_permissions_are_those_of_the_tool_that_is_really_called(conduct: Any) -> None:
    """With a search in between, a tool that is denied stays denied."""
    calls = [
        {"name": "mcp_search_tools", "arguments": {"query": "tool_7"}},
        {"name": "mcp_call_tool", "arguments": {"name": "mcp__many__tool_7"}},
        {"name": "mcp_call_tool", "arguments": {"name": "mcp__many__tool_8"}},
    ]
    result, journal = conduct(config({"many": server("many")}, *calls))

    result.check()
    assert [(one["tool"], one["level"]) for one in of(journal, "tool.judged")] == [
        ("mcp_search_tools", "allow"),
        ("mcp__many__tool_7", "deny"),
        ("mcp__many__tool_8", "allow"),
    ]
    assert [one["tool"] for one in of(journal, "mcp.execution.called")] == ["tool_8"]


def test_a_server_may_ask_the_agents_model_where_that_is_allowed(conduct: Any) -> None:
    """The call is the agent's: journalled, counted, answered by its backend."""
    document = config({"asking": server("", args=["asking.py"], sampling=True)}, {"name": "mcp__asking__rhyme", "arguments": {}})
    document["agents"][0]["backend"]["steps"].insert(1, {"when": "moon", "text": "june"})
    result, journal = conduct(document, {"asking.py": ASKING})

    result.check()
    assert "the model says: june" in of(journal, "tool.returned")[0]["result"]["content"][0]["text"]
    assert [one["turn"] for one in of(journal, "model.requested")].count(0) == 1
    assert of(journal, "mcp.execution.answered")[0]["outcome"] == "accepted"


def test_what_crosses_the_wire_is_told_as_long_as_the_log_wants_it(massgen_project: Callable[..., Any]) -> None:
    """The log's level is raised and lowered from outside while the run is going on; the client follows, for this server and this tool alone."""
    project = massgen_project({"levelling.py": LEVELLING})
    names = ("one", "two")
    section = server("", args=["levelling.py"], env=project.variables())
    said = [{"name": f"mcp__{name}__say", "arguments": {"text": text}} for text in ("before", "while", "after") for name in names]
    levels = [{"name": "mcp__one__level", "arguments": {"rule": f"one/say={level}"}} for level in ("debug", "default")]
    document = config(dict.fromkeys(names, section), *said[:2], levels[0], *said[2:4], levels[1], *said[4:])
    steps = document["agents"][0]["backend"]["steps"]
    for place in (3, 6):
        steps[place]["delay"] = 0.5  # the log looks for changes four times a second
    (project.folder / "massgen.yaml").write_text(json.dumps({**document, "sinks": ["mcp-log"]}), encoding="utf-8")
    result = project.run("run", "What is six times seven?", "--config", "massgen.yaml")

    result.check()
    (log,) = project.home.rglob("log.jsonl")
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    shown = [(line["server"], json.loads(line["arguments"])["text"]) for line in lines if "arguments" in line]
    assert shown == [("one", "while")]
    assert [line["event"] for line in lines if "result" in line] == ["mcp.execution.returned"]
    (journal,) = project.home.rglob("journal.jsonl")
    told = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    assert [one["arguments"] for one in of(told, "mcp.execution.called") if one["arguments"]] == ['{"text":"while"}']


def test_a_log_at_level_debug_shows_the_wire(massgen_project: Callable[..., Any]) -> None:
    """What the log's configuration says of a server is enough; a server's own section need not say it again."""
    document = config(
        {name: server("plain") for name in ("loud", "quiet")}, *({"name": f"mcp__{name}__act", "arguments": {}} for name in ("loud", "quiet"))
    )
    project = massgen_project({"massgen.yaml": {**document, "sinks": [{"type": "mcp-log", "levels": {"loud": "debug"}}]}})
    result = project.run("run", "What is six times seven?", "--config", "massgen.yaml")

    result.check()
    (log,) = project.home.rglob("log.jsonl")
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert {line["server"] for line in lines if "payload" in line} == {"loud"}
    assert {line["direction"] for line in lines if "payload" in line} == {"in", "out"}
