"""A panel of three providers: through their SDKs and protocols over real sockets, and played from the recording that lies beside the example.

`MASSGEN_RECORD=1` writes the recording anew, which a change of a strategy's prompts needs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from anyio.from_thread import start_blocking_portal

from massgen_core.api import Chunk, StopChunk, TextChunk, ToolCallChunk, Usage, UsageChunk
from massgen_testkit import SECRET, Project, Scenario
from massgen_testkit.protocols.gemini import gemini_plays
from massgen_testkit.protocols.messages import message_plays
from massgen_testkit.protocols.responses import responses_plays
from massgen_testkit.provider import Play, Provider, serving

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "panel-three-providers.yaml"
RECORDING = ROOT / "examples" / "recordings" / "panel-three-providers.jsonl"
QUESTION = "How many piano tuners work in Chicago? Estimate, and show how."
PLAYS: Mapping[str, Callable[[Scenario], Sequence[Play]]] = {"ann": responses_plays, "ben": message_plays, "cyd": gemini_plays}
ANSWERS = {
    "ann": "About 100: 1,000,000 households, one piano in 20, tuned once a year, and a tuner does 4 a day on 125 days.",
    "ben": "About 150. 2.7 million people are 1.1 million households; one in 20 has a piano, halls add 20,000 tunings; a tuner does 500 a year.",
    "cyd": "Roughly 125, since 50,000 pianos at 2.5 tunings a day and 200 days a tuner need that many.",
}
# Labels say nothing of an agent, and each voter has its own; with the example's seed all of these mean ben.
VOTES = {"ann": "agent2", "ben": "agent1", "cyd": "agent3"}
FINAL = "About 150 piano tuners: 2.7 million people, 1.1 million households, 55,000 pianos and 20,000 further tunings, 500 tunings a tuner and year."


def turn(*chunks: Chunk, stop: Any) -> tuple[Chunk, ...]:
    return (*chunks, UsageChunk(Usage(input=420, output=60)), StopChunk(stop))


def scenario(agent: str) -> Scenario:
    """An answer, a vote, and a text in case that the agent wins."""
    answer = json.dumps({"content": ANSWERS[agent]})
    vote = json.dumps({"agent": VOTES[agent], "reason": "It says where each number comes from."})
    return Scenario(
        name=agent,
        turns=(
            turn(ToolCallChunk(0, f"call_{agent}_1", "new_answer", answer), stop="tools"),
            turn(ToolCallChunk(0, f"call_{agent}_2", "vote", vote), stop="tools"),
            turn(TextChunk(FINAL[:40]), TextChunk(FINAL[40:]), stop="stop"),
        ),
    )


@contextmanager
def served() -> Iterator[dict[str, Provider]]:
    """Run the three servers in a thread beside the test."""
    with start_blocking_portal() as portal, ExitStack() as stack:
        yield {name: stack.enter_context(portal.wrap_async_context_manager(serving(*plays(scenario(name))))) for name, plays in PLAYS.items()}


def outcome(done: Any) -> dict[str, Any]:
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["status"], found["winner"], found["answer"]) == ("answered", "ben", FINAL), found
    return found


def exchanges(recording: Path) -> list[str]:
    """Return what was asked and what came, without times and without the ids that a backend makes up."""
    found = []
    for line in recording.read_text(encoding="utf-8").splitlines()[1:]:
        exchange = json.loads(line)
        told = {"agent": exchange["agent"], "request": exchange["request"], "chunks": [chunk for _, chunk in exchange["chunks"]]}
        found.append(re.sub(r"call_[0-9a-f]{16}", "call_x", json.dumps(told, sort_keys=True)))
    return sorted(found)


def test_three_providers_answer_vote_and_present(tmp_path: Path) -> None:
    """Each agent speaks its provider's protocol; the exchanges are those of the recording, and no key is in it."""
    document = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    with served() as providers:
        for agent in document["agents"]:
            address = providers[agent["name"]].url + ("/v1" if agent["backend"] == "openai" else "")
            inner = {"type": agent["backend"], "base_url": address, "key": "env:K"}
            agent["backend"] = {"type": "replay", "mode": "record", "file": "recorded.jsonl", "backend": inner}
        project = Project.make(tmp_path, {"massgen.yaml": document})
        outcome(project.run("run", QUESTION, "--config", "massgen.yaml", "--json", "--quiet", env={"K": SECRET}))
        paths = {name: [asked.path.split("?")[0] for asked in provider.asked] for name, provider in providers.items()}
    recorded = project.folder / "recorded.jsonl"

    assert paths["ann"] == ["/v1/responses"] * 2
    assert paths["ben"] == ["/v1/messages"] * 3
    assert [path.rpartition("/")[2] for path in paths["cyd"]] == ["gemini-3.1-flash-lite:streamGenerateContent"] * 2
    assert SECRET not in recorded.read_text(encoding="utf-8")
    if os.environ.get("MASSGEN_RECORD"):
        RECORDING.parent.mkdir(exist_ok=True)
        lines = recorded.read_text(encoding="utf-8").splitlines(keepends=True)
        RECORDING.write_text("".join([lines[0], *sorted(lines[1:], key=lambda line: json.loads(line)["key"])]), encoding="utf-8")
    assert exchanges(recorded) == exchanges(RECORDING), "the recording is old; write it anew: MASSGEN_RECORD=1"


@pytest.mark.parametrize("time", range(3))
def test_the_recording_plays_without_keys_and_without_a_network(time: int, tmp_path: Path) -> None:
    """The example as it stands, with its recording in the providers' place, goes the same way each time."""
    project = Project.make(tmp_path, {"massgen.yaml": EXAMPLE.read_text(encoding="utf-8")})
    shutil.copy(RECORDING, project.folder / "recorded.jsonl")
    sets = [f"agents[{place}].backend={{type: replay, mode: replay, file: recorded.jsonl}}" for place in range(3)]
    sets.append("prices={'replay/*': {input: 1, output: 2}}")
    options = [word for one in sets for word in ("--set", one)]
    found = outcome(project.run("run", QUESTION, "--config", "massgen.yaml", "--json", "--quiet", *options))

    assert found["usage"]["cost"] == pytest.approx(7 * (420 * 1 + 60 * 2) / 1e6)
    assert sorted(row["agent"] for row in found["models"]) == ["ann", "ben", "cyd"]
